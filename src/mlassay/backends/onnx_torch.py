"""An ONNX graph as a PyTorch module: every node becomes a call of PyTorch's own operator.

Numbers that only say how tensors are shaped stay on the host, as small numpy arrays, so that they can be traced away;
the operators stand in onnx_torch_ops.py. Batch sizes may change from call to call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mlassay.backends.onnx_file import Graph, Node, read_onnx
from mlassay.backends.onnx_torch_layers import OPS, Call
from mlassay.backends.onnx_torch_ops import tensor
from mlassay.core.errors import BadFile

HOST_SIZE = 64
"""Integer constants of one dimension and at most so many elements are shapes, axes, indices: they stay on the host."""

FLOW = ("Loop", "If")
"""Operators whose attributes are graphs: run as Python's own loops and branches."""

Values = dict[str, Any]


class OnnxModule(nn.Module):
    """Runs the graph. Inputs and outputs are tensors in the graph's order; one output comes alone."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.inputs = [tensor.name for tensor in graph.inputs]
        self.outputs = [tensor.name for tensor in graph.outputs]
        self.has_flow = any(node.op in FLOW for node in every_node(graph))
        self._n_buffers = 0
        self._whole = _Part(self, graph)

    def keep(self, array: Any) -> str:
        """Register a constant, so that it moves with the module; the name of its buffer."""
        self._n_buffers += 1
        self.register_buffer(f"w{self._n_buffers}", torch.from_numpy(np.array(array)))
        return f"w{self._n_buffers}"

    def calls(self) -> Iterator[tuple[Call, Node, Values]]:
        """Every operation, also those inside loops and branches, with the constants that it sees."""
        yield from self._whole.calls({})

    def forward(self, *given: torch.Tensor) -> Any:
        values = self._whole.constants()
        values.update(zip(self.inputs, given, strict=True))
        found = self._whole.run(values)
        results = [_as_tensor(value, given[0].device) for value in found]
        return results[0] if len(results) == 1 else tuple(results)


class _Part:
    """A graph made ready: the whole one, or the body of a loop or a branch."""

    def __init__(self, module: OnnxModule, graph: Graph) -> None:
        self._module = module
        self.inputs = [tensor.name for tensor in graph.inputs]
        self.outputs = [tensor.name for tensor in graph.outputs]
        self.free = _free_names(graph)
        self._host: Values = {}
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
                call = Call(node.attributes, graph.opset, len(node.outputs))
                call.drop = tuple(n for n in last.get(number, ()) if n not in graph.constants)
                self._steps.append((self._operator(node), call, node))

    def _operator(self, node: Node) -> Any:
        if node.op not in FLOW:
            return OPS[node.op]
        parts = {name: _Part(self._module, g) for name, g in node.attributes.items() if isinstance(g, Graph)}
        return _Loop(parts["body"]) if node.op == "Loop" else _If(parts["then_branch"], parts["else_branch"])

    def _keep(self, name: str, array: Any) -> None:
        if array.dtype.kind in "iub" and array.ndim <= 1 and array.size <= HOST_SIZE:
            self._host[name] = array
        else:
            self._tensors[name] = self._module.keep(array)

    def constants(self) -> Values:
        return {**self._host, **{name: getattr(self._module, buffer) for name, buffer in self._tensors.items()}}

    def calls(self, around: Values) -> Iterator[tuple[Call, Node, Values]]:
        seen = {**around, **self.constants()}
        for operator, call, node in self._steps:
            yield call, node, seen
            if isinstance(operator, _Loop | _If):
                for part in operator.parts:
                    yield from part.calls(seen)

    def seen_from(self, values: Values) -> Values:
        """What this part sees of the graph around it, and its own constants."""
        return {**{name: values[name] for name in self.free}, **self.constants()}

    def run(self, values: Values) -> list[Any]:
        """The outputs; `values` holds constants and inputs, and is used up."""
        values[""] = None
        for operator, call, node in self._steps:
            if isinstance(operator, _Loop | _If):
                found = operator(values, *[values[name] for name in node.inputs])
                found = found[0] if call.n_outputs == 1 else found
            else:
                found = operator(call, *[values[name] for name in node.inputs])
            if call.n_outputs == 1:
                values[node.outputs[0]] = found
            else:
                values.update(zip(node.outputs, found, strict=False))
            for name in call.drop:
                del values[name]
        return [values[name] for name in self.outputs]


class _Loop:
    """Body: (round, go on?, carried...) -> (go on?, carried..., rows that are stacked at the end...)."""

    def __init__(self, body: _Part) -> None:
        self._body = body
        self.parts = (body,)

    def __call__(self, values: Values, most: Any, going: Any, *carried: Any) -> list[Any]:
        state, rows = list(carried), []
        fixed = self._body.seen_from(values)
        number = 0
        while (most is None or number < int(most)) and (going is None or bool(going)):
            given = dict(fixed)
            given.update(zip(self._body.inputs, [np.asarray(number), going, *state], strict=True))
            going, *found = self._body.run(given)
            state, row = found[: len(state)], found[len(state) :]
            rows.append(row)
            number += 1
        stacked = [torch.stack([tensor(value) for value in column]) for column in zip(*rows, strict=True)]
        return [*state, *stacked]


class _If:
    def __init__(self, then: _Part, otherwise: _Part) -> None:
        self.parts = (then, otherwise)

    def __call__(self, values: Values, condition: Any) -> list[Any]:
        part = self.parts[0 if bool(condition) else 1]
        return part.run(part.seen_from(values))


def every_node(graph: Graph) -> Iterator[Node]:
    """Of the graph and of all graphs inside it."""
    for node in graph.nodes:
        yield node
        for value in node.attributes.values():
            if isinstance(value, Graph):
                yield from every_node(value)


def _free_names(graph: Graph) -> set[str]:
    """What the graph reads of the graphs around it."""
    known = {tensor.name for tensor in graph.inputs} | set(graph.constants) | {""}
    free: set[str] = set()
    for node in graph.nodes:
        free |= set(_reads(node)) - known
        known |= set(node.outputs)
    return free | ({tensor.name for tensor in graph.outputs} - known)


def _reads(node: Node) -> tuple[str, ...]:
    inside = [name for value in node.attributes.values() if isinstance(value, Graph) for name in _free_names(value)]
    return (*node.inputs, *inside)


def module_of(path: Path) -> tuple[OnnxModule, Graph]:
    """The module in evaluation mode. BadFile names the operators that PyTorch is not taught here."""
    graph = read_onnx(path)
    nodes = list(every_node(graph))
    unknown = sorted({node.op for node in nodes if node.op not in (*OPS, *FLOW, "Constant")})
    foreign = sorted({f"{node.domain}.{node.op}" for node in nodes if node.domain not in ("", "ai.onnx")})
    if unknown or foreign:
        raise BadFile(
            path,
            found=f"a model with operators that cannot be given to PyTorch: {', '.join(foreign or unknown)}",
            expected="standard ONNX operators for inference, without Scan",
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
        for name in (*_reads(node), *node.outputs):
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
