"""The reader of ONNX files: what it finds in ours, and that no bytes make it fail otherwise than by BadFile."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlassay.backends.onnx_file import Graph, read_onnx
from mlassay.core.errors import BadFile
from mlassay.tasks.image_classification import dataset
from tests.backends import tiny_onnx

PACKED = dataset.PACKED / "fashion-mobilenet.onnx"


def test_the_packed_model() -> None:
    graph = read_onnx(PACKED)
    assert list(map(str, graph.inputs)) == ["image float32 (?, 1, 28, 28)"]
    assert list(map(str, graph.outputs)) == ["logits float32 (?, 10)"]
    assert graph.opset == 13
    assert [n.op for n in graph.nodes].count("Conv") == 15
    assert sum(array.size for array in graph.constants.values()) > 80_000
    first = next(n for n in graph.nodes if n.op == "Conv")
    assert first.attributes["kernel_shape"] == [3, 3]
    assert first.attributes["pads"] == [1, 1, 1, 1]


def test_attributes_and_open_sizes(tmp_path: Path) -> None:
    graph = read_onnx(tiny_onnx.brightest_channel(tmp_path / "m.onnx", edge="side"))
    assert graph.inputs[0].shape == (None, 3, None, None)
    (node,) = graph.nodes
    assert (node.op, node.inputs, node.outputs) == ("ReduceMean", ("picture",), ("scores",))
    assert dict(node.attributes) == {"axes": [2, 3], "keepdims": 0}


@pytest.mark.parametrize("keep", [0, 1, 10, 1000, 50_000])
def test_a_file_that_is_cut_off(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "cut.onnx"
    path.write_bytes(PACKED.read_bytes()[:keep])
    with pytest.raises(BadFile) as caught:
        read_onnx(path)
    assert str(caught.value).startswith(f"{path} is not a readable ONNX model (")


@given(st.binary(max_size=400))
def test_no_bytes_crash_it(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.onnx"
    path.write_bytes(content)
    with contextlib.suppress(BadFile):
        assert isinstance(read_onnx(path), Graph)


@given(st.integers(0, 60_000), st.integers(0, 255))
def test_no_changed_byte_crashes_it(tmp_path_factory: pytest.TempPathFactory, at: int, value: int) -> None:
    content = bytearray(PACKED.read_bytes())
    content[at] = value
    path = tmp_path_factory.getbasetemp() / "changed.onnx"
    path.write_bytes(content)
    with contextlib.suppress(BadFile):
        assert isinstance(read_onnx(path), Graph)


def test_weights_outside_the_folder_are_refused(tmp_path: Path) -> None:
    from tests.backends.tiny_onnx import _bytes, _number

    pair = lambda key, value: _bytes(13, _bytes(1, key) + _bytes(2, value))  # noqa: E731
    weights = _number(1, 2) + _number(2, 1) + _bytes(8, "w") + pair("location", "../secret.bin") + _number(14, 1)
    path = tmp_path / "inside" / "m.onnx"
    path.parent.mkdir()
    (tmp_path / "secret.bin").write_bytes(np.ones(2, np.float32).tobytes())
    path.write_bytes(_number(1, 8) + _bytes(7, _bytes(5, weights)) + _bytes(8, _number(2, 13)))
    with pytest.raises(BadFile, match=r"weights in \.\./secret\.bin, outside the model's folder"):
        read_onnx(path)
