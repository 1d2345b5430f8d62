"""Reads an ONNX file into plain values, so that runtimes which know nothing of ONNX can be given its graph.

The format is a protocol-buffer message (github.com/onnx/onnx, onnx.proto); only the parts that inference needs are
read. Needs numpy alone.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.core.errors import BadFile
from mlassay.core.model import TensorSpec

Array = NDArray[Any]

DTYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
    12: "uint32",
    13: "uint64",
}
"""TensorProto.DataType to numpy's name."""

BFLOAT16 = 16


@dataclass(frozen=True, slots=True)
class Node:
    """One operation: reads values by name ("" for an input that is left out), writes values by name."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    domain: str = ""


@dataclass(frozen=True, slots=True)
class Graph:
    """An ONNX graph. Attributes that are graphs (of Loop, If) are read as Graph, too."""

    nodes: tuple[Node, ...]
    constants: Mapping[str, Array]  # initialisers
    inputs: tuple[TensorSpec, ...]  # without those that are initialisers
    outputs: tuple[TensorSpec, ...]
    opset: int


def read_onnx(path: Path) -> Graph:
    """Raises BadFile for what is no ONNX file."""
    try:
        with path.open("rb") as file:
            content = memoryview(file.read())
        opset, graph = 0, None
        for field, value in _fields(content):
            if field == 7:
                graph = value
            elif field == 8:
                found = dict(_fields(value))
                if not bytes(found.get(1, b"")):
                    opset = int(found.get(2, 0))
        if graph is None or opset < 1:
            raise ValueError("no graph, or no operator set")
        return _graph(graph, path.parent, opset)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise BadFile(path, found=f"not a readable ONNX model ({error})", expected="an ONNX model file") from error


def _graph(content: Any, folder: Path, opset: int) -> Graph:
    nodes, constants, inputs, outputs = [], {}, [], []
    for field, value in _fields(content):
        if field == 1:
            nodes.append(_node(value, folder, opset))
        elif field == 5:
            name, array = _tensor(value, folder)
            constants[name] = array
        elif field == 11:
            inputs.append(_value_info(value))
        elif field == 12:
            outputs.append(_value_info(value))
    fed = tuple(tensor for tensor in inputs if tensor.name not in constants)
    return Graph(tuple(nodes), constants, fed, tuple(outputs), opset)


def _node(content: Any, folder: Path, opset: int) -> Node:
    inputs, outputs, op, domain, attributes = [], [], "", "", {}
    for field, value in _fields(content):
        if field == 1:
            inputs.append(_text(value))
        elif field == 2:
            outputs.append(_text(value))
        elif field == 4:
            op = _text(value)
        elif field == 5:
            name, attribute = _attribute(value, folder, opset)
            attributes[name] = attribute
        elif field == 7:
            domain = _text(value)
    return Node(op, tuple(inputs), tuple(outputs), attributes, domain)


def _attribute(content: Any, folder: Path, opset: int) -> tuple[str, Any]:
    name, kind = "", 0
    single: dict[int, Any] = {}
    floats: list[float] = []
    ints: list[int] = []
    texts: list[str] = []
    for field, value in _fields(content):
        if field == 1:
            name = _text(value)
        elif field == 20:
            kind = value
        elif field == 7:
            floats += _floats(value)
        elif field == 8:
            ints += _ints(value)
        elif field == 9:
            texts.append(_text(value))
        else:
            single[field] = value
    if kind == 1:
        return name, struct.unpack("<f", single.get(2, b"\0\0\0\0"))[0]
    if kind == 2:
        return name, _signed(single.get(3, 0))
    if kind == 3:
        return name, _text(single.get(4, b""))
    if kind == 4:
        return name, _tensor(single[5], folder)[1]
    if kind == 5:
        return name, _graph(single[6], folder, opset)
    return name, {6: floats, 7: ints, 8: texts}[kind]


def _tensor(content: Any, folder: Path) -> tuple[str, Array]:
    name, kind, raw = "", 0, None
    dims: list[int] = []
    plain: list[Any] = []
    outside: dict[str, str] = {}
    for field, value in _fields(content):
        if field == 1:
            dims += _ints(value)
        elif field == 2:
            kind = value
        elif field == 4:
            plain += _floats(value)
        elif field in (5, 7, 11):
            plain += _ints(value)
        elif field == 8:
            name = _text(value)
        elif field == 9:
            raw = value
        elif field == 10:
            plain += np.frombuffer(value, "<f8").tolist()
        elif field == 13:
            pair = dict(_fields(value))
            outside[_text(pair[1])] = _text(pair[2])
    if outside:
        raw = _outside(folder, outside)
    if kind == BFLOAT16:
        halves = np.frombuffer(raw, "<u2") if raw is not None else np.asarray(plain, np.uint16)
        return name, (halves.astype(np.uint32) << 16).view(np.float32).reshape(dims)
    dtype = np.dtype(DTYPES[kind])
    if raw is not None:
        return name, np.frombuffer(raw, dtype).reshape(dims)
    if dtype == np.float16:
        return name, np.asarray(plain, np.uint16).view(np.float16).reshape(dims)
    return name, np.asarray(plain, dtype).reshape(dims)


def _outside(folder: Path, where: Mapping[str, str]) -> bytes:
    """Weights in a file beside the model. The path may not lead out of its folder."""
    path = (folder / where["location"]).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ValueError(f"weights in {where['location']}, outside the model's folder")
    with path.open("rb") as file:
        file.seek(int(where.get("offset", "0")))
        return file.read(int(where["length"])) if "length" in where else file.read()


def _value_info(content: Any) -> TensorSpec:
    found = dict(_fields(content))
    tensor = dict(_fields(dict(_fields(found[2]))[1])) if 2 in found else {}
    sizes: list[int | None] = []
    for _, dim in _fields(tensor.get(2, b"")):
        size = dict(_fields(dim)).get(1, 0)
        sizes.append(size if isinstance(size, int) and size > 0 else None)
    return TensorSpec(_text(found[1]), tuple(sizes), DTYPES.get(tensor.get(1, 1), "float32"))


# The wire format: a key (field number and kind), then a varint, 4 or 8 bytes, or a length and so many bytes.


def _fields(content: Any) -> Iterator[tuple[int, Any]]:
    at, end = 0, len(content)
    while at < end:
        key, at = _varint(content, at)
        field, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(content, at)
            yield field, value
            continue
        if kind == 2:
            size, at = _varint(content, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"a field of wire type {kind}")
        if at + size > end:
            raise ValueError("the file is cut off")
        yield field, content[at : at + size]
        at += size


def _varint(content: Any, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")


def _ints(value: Any) -> list[int]:
    """One number, or many packed together."""
    if isinstance(value, int):
        return [_signed(value)]
    found, at = [], 0
    while at < len(value):
        number, at = _varint(value, at)
        found.append(_signed(number))
    return found


def _floats(value: Any) -> list[float]:
    numbers: list[float] = np.frombuffer(value, "<f4").tolist()
    return numbers


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _text(value: Any) -> str:
    return bytes(value).decode("utf-8")
