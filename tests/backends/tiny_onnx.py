"""Writes tiny ONNX models byte by byte (protobuf wire format), so that tests need no ONNX package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

FLOAT, UINT8, INT64 = 1, 2, 7
Tensor = tuple[str, int, Sequence[int | str]]  # name, element type, sizes (a text is an open size)


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes | str) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(raw)) + raw


def _value_info(field: int, tensor: Tensor) -> bytes:
    name, kind, sizes = tensor
    dims = b"".join(_bytes(1, _number(1, s) if isinstance(s, int) else _bytes(2, s)) for s in sizes)
    return _bytes(field, _bytes(1, name) + _bytes(2, _bytes(1, _number(1, kind) + _bytes(2, dims))))


def node(op: str, inputs: Sequence[str], output: str, **attributes: int | Sequence[int]) -> bytes:
    body = b"".join(_bytes(1, name) for name in inputs) + _bytes(2, output) + _bytes(4, op)
    for name, value in attributes.items():
        if isinstance(value, int):
            attribute = _number(3, value) + _number(20, 2)
        else:
            attribute = b"".join(_number(8, v) for v in value) + _number(20, 7)
        body += _bytes(5, _bytes(1, name) + attribute)
    return _bytes(1, body)


def model(path: Path, inputs: Sequence[Tensor], nodes: Sequence[bytes], outputs: Sequence[Tensor]) -> Path:
    graph = b"".join(nodes) + _bytes(2, "tiny")
    graph += b"".join(_value_info(11, t) for t in inputs) + b"".join(_value_info(12, t) for t in outputs)
    path.write_bytes(_number(1, 8) + _bytes(7, graph) + _bytes(8, _number(2, 13)))
    return path


def brightest_channel(
    path: Path, *, batch: int | str = "batch", channels: int = 3, edge: int | str = 8, layout: str = "NCHW"
) -> Path:
    """Scores are the mean of each channel."""
    sides = (edge, edge)
    shape = (batch, channels, *sides) if layout == "NCHW" else (batch, *sides, channels)
    axes = (2, 3) if layout == "NCHW" else (1, 2)
    return model(
        path,
        [("picture", FLOAT, shape)],
        [node("ReduceMean", ["picture"], "scores", axes=axes, keepdims=0)],
        [("scores", FLOAT, (batch, channels))],
    )


def brightest_channel_index(path: Path) -> Path:
    """The same, ending in an arg-max."""
    return model(
        path,
        [("picture", FLOAT, ("n", 3, 8, 8))],
        [
            node("ReduceMean", ["picture"], "scores", axes=(2, 3), keepdims=0),
            node("ArgMax", ["scores"], "class", axis=1, keepdims=0),
        ],
        [("class", INT64, ("n",))],
    )


def brightest_channel_bytes(path: Path) -> Path:
    """Eats bytes, channels last."""
    return model(
        path,
        [("picture", UINT8, ("n", 8, 8, 3))],
        [
            node("Cast", ["picture"], "numbers", to=FLOAT),
            node("ReduceMean", ["numbers"], "scores", axes=(1, 2), keepdims=0),
        ],
        [("scores", FLOAT, ("n", 3))],
    )


def difference(path: Path) -> Path:
    """Two inputs, one output."""
    return model(
        path,
        [("left", FLOAT, ("n", 2)), ("right", FLOAT, ("n", 2))],
        [node("Sub", ["left", "right"], "difference")],
        [("difference", FLOAT, ("n", 2))],
    )
