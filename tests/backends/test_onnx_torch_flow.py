"""Loops and branches of ONNX graphs in PyTorch: the same numbers as ONNX Runtime's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlassay.core.errors import UsageError
from mlassay.core.model import ModelSpec, TensorSpec

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.torch

from mlassay.backends.onnx_torch import module_of, run_numpy  # noqa: E402 - after the check for torch
from mlassay.backends.torch import Torch  # noqa: E402


def constant(name: str, value: Any) -> Any:
    return onnx.helper.make_node("Constant", [], [name], value=onnx.numpy_helper.from_array(np.asarray(value), name))


def branch(name: str, op: str, weight: float) -> Any:
    """x op weight, where x is of the graph around it."""
    out = onnx.helper.make_tensor_value_info(f"{name}_y", onnx.TensorProto.FLOAT, None)
    nodes = [
        constant(f"{name}_w", np.full((3, 3), weight, np.float32)),
        onnx.helper.make_node(op, ["grown", f"{name}_w"], [f"{name}_y"]),
    ]
    return onnx.helper.make_graph(nodes, name, [], [out])


def grower(path: Path, most: int | None) -> Path:
    """x grows until its sum reaches `limit`, halved or doubled on the way; rows of every round are stacked."""
    info, float_, bool_ = onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT, onnx.TensorProto.BOOL
    body = onnx.helper.make_graph(
        [
            onnx.helper.make_node("Add", ["x_in", "step"], ["grown"]),  # "step" is of the graph around the loop
            onnx.helper.make_node("ReduceSum", ["grown"], ["sum"], keepdims=0),
            onnx.helper.make_node("Greater", ["sum", "limit"], ["large"]),
            onnx.helper.make_node(
                "If",
                ["large"],
                ["x_out"],
                then_branch=branch("less", "Div", 2.0),
                else_branch=branch("more", "Mul", 2.0),
            ),
            onnx.helper.make_node("Not", ["large"], ["on_out"]),
            onnx.helper.make_node("Identity", ["sum"], ["row"]),
        ],
        "body",
        [info("round", onnx.TensorProto.INT64, []), info("on_in", bool_, []), info("x_in", float_, None)],
        [info("on_out", bool_, []), info("x_out", float_, None), info("row", float_, None)],
    )
    nodes = [constant("yes", np.asarray(True)), constant("limit", np.asarray(100.0, np.float32))]
    if most is not None:
        nodes.append(constant("most", np.asarray(most, np.int64)))
    nodes.append(
        onnx.helper.make_node("Loop", ["most" if most is not None else "", "yes", "x"], ["y", "rows"], body=body)
    )
    graph = onnx.helper.make_graph(
        nodes,
        "grower",
        [info("x", float_, [3, 3]), info("step", float_, [3, 3])],
        [info("y", float_, [3, 3]), info("rows", float_, ["rounds"])],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("most", [None, 2, 5])
@pytest.mark.parametrize("start", [0.0, 1.0, 40.0])
def test_the_numbers_are_those_of_onnx_runtime(tmp_path: Path, most: int | None, start: float) -> None:
    path = grower(tmp_path / "m.onnx", most)
    x, step = np.full((3, 3), start, np.float32), np.arange(9, dtype=np.float32).reshape(3, 3)
    wanted = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"x": x, "step": step})
    module, _ = module_of(path)
    assert module.has_flow
    for _ in range(2):  # nothing is left over from the run before
        for ours, theirs in zip(run_numpy(module, [x, step]), wanted, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_compiling_a_loop_is_refused(tmp_path: Path) -> None:
    path = grower(tmp_path / "m.onnx", 3)
    spec = ModelSpec(name="m", files={"onnx": path}, inputs=(TensorSpec("x", (None, 3)), TensorSpec("step", (None, 3))))
    with pytest.raises(UsageError, match=r"m\.onnx has loops or branches, which mode=compile cannot take"):
        Torch(spec, mode="compile").ensure_loaded()
