"""An ONNX graph as a PyTorch module: every node becomes a call of PyTorch's own operator.

Numbers that only say how tensors are shaped stay on the host, as small numpy arrays, so that they can be traced away;
the operators stand in onnx_torch_ops.py. Batch sizes may change from call to call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mlassay.backends.onnx_file import Graph, Node, read_onnx
from mlassay.backends.onnx_torch_layers import OPS, Call
from mlassay.core.errors import BadFile

HOST_SIZE = 64
"""Integer constants of one dimension and at most so many elements are shapes, axes, indices: they stay on the host."""

Step = Callable[[dict[str, Any]], None]


class OnnxModule(nn.Module):
    """Runs the graph. Inputs and outputs are tensors in the graph's order; one output comes alone."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.inputs = [tensor.name for tensor in graph.inputs]
        self.outputs = [tensor.name for tensor in graph.outputs]
        self._host: dict[str, Any] = {}
        self._tensors: dict[str, str] = {}  # ONNX name to buffer name
        for name, array in graph.constants.items():
            self._keep(name, array)
        self._steps: list[tuple[Any, Call, Node]] = []
        last = _last_uses(graph)
        for number, node in enumerate(graph.nodes):
            if node.op == "Constant":
                self._keep(node.outputs[0], _constant(node))
            elif node.op == "Identity" and node.inputs[0] in self._host:
                self._host[node.outputs[0]] = self._host[node.inputs[0]]
            else:
                self._steps.append((OPS[node.op], Call(node.attributes, graph.opset, len(node.outputs)), node))
                self._steps[-1][1].drop = tuple(n for n in last.get(number, ()) if n not in graph.constants)

    def _keep(self, name: str, array: Any) -> None:
        if array.dtype.kind in "iub" and array.ndim <= 1 and array.size <= HOST_SIZE:
            self._host[name] = array
        else:
            buffer = f"w{len(self._tensors)}"
            self.register_buffer(buffer, torch.from_numpy(np.array(array)))
            self._tensors[name] = buffer

    def constants(self) -> dict[str, Any]:
        return {**self._host, **{name: getattr(self, buffer) for name, buffer in self._tensors.items()}}

    def forward(self, *given: torch.Tensor) -> Any:
        values = self.constants()
        values.update(zip(self.inputs, given, strict=True))
        values[""] = None
        for run, call, node in self._steps:
            found = run(call, *[values[name] for name in node.inputs])
            if call.n_outputs == 1:
                values[node.outputs[0]] = found
            else:
                values.update(zip(node.outputs, found, strict=False))
            for name in call.drop:
                del values[name]
        device = given[0].device
        results = [_as_tensor(values[name], device) for name in self.outputs]
        return results[0] if len(results) == 1 else tuple(results)


def module_of(path: Path) -> tuple[OnnxModule, Graph]:
    """The module in evaluation mode. BadFile names the operators that PyTorch is not taught here."""
    graph = read_onnx(path)
    unknown = sorted({node.op for node in graph.nodes if node.op not in OPS and node.op != "Constant"})
    foreign = sorted({f"{node.domain}.{node.op}" for node in graph.nodes if node.domain not in ("", "ai.onnx")})
    if unknown or foreign:
        raise BadFile(
            path,
            found=f"a model with operators that cannot be given to PyTorch: {', '.join(foreign or unknown)}",
            expected="standard ONNX operators for inference, without Loop, Scan and If",
            hint="export the model from PyTorch as TorchScript or torch.export and give that file",
        )
    return OnnxModule(graph).eval(), graph


def _constant(node: Node) -> Any:
    (name, value), *_ = node.attributes.items()
    if name == "value":
        return value
    if name in ("value_int", "value_ints"):
        return np.asarray(value, np.int64)
    return np.asarray(value, np.float32)


def _last_uses(graph: Graph) -> dict[int, list[str]]:
    """Node number to the values that nobody needs after it."""
    keep = {tensor.name for tensor in graph.outputs} | {""}
    last: dict[str, int] = {}
    for number, node in enumerate(graph.nodes):
        for name in (*node.inputs, *node.outputs):
            last[name] = number
    made = {name for node in graph.nodes if node.op != "Constant" for name in node.outputs}
    found: dict[int, list[str]] = {}
    for name, number in last.items():
        if name in made and name not in keep:
            found.setdefault(number, []).append(name)
    return found


def _as_tensor(value: Any, device: torch.device) -> torch.Tensor:
    if isinstance(value, torch.Tensor):
        return value
    array = value.astype(np.int64) if value.dtype == object else value
    return torch.from_numpy(np.array(array)).to(device)


def run_numpy(module: Callable[..., Any], batch: Sequence[Any]) -> list[Any]:
    """Arrays in, arrays out: for checks, on the processor."""
    with torch.inference_mode():
        found = module(*[torch.from_numpy(np.ascontiguousarray(a)) for a in batch])
    return [t.float().numpy() if t.dtype == torch.bfloat16 else t.numpy() for t in _many(found)]


def _many(found: Any) -> Sequence[Any]:
    return found if isinstance(found, tuple | list) else (found,)
