"""ONNX operators in PyTorch's words (github.com/onnx/onnx, docs/Operators.md), one small function each.

A function is called as `op(call, *inputs)`: `call` holds the node's attributes; inputs that are left out are None.
Inputs are tensors, or numpy arrays where they are shapes, axes and the like; an operator on such arrays alone gives
such an array again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its customary name

from mlassay.core.errors import UsageError

DTYPES = {
    1: torch.float32,
    2: torch.uint8,
    3: torch.int8,
    5: torch.int16,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
    10: torch.float16,
    11: torch.float64,
    16: torch.bfloat16,
}
_INTEGERS = (2, 3, 5, 6, 7)


@dataclass(slots=True)
class Call:
    """One node's attributes; `drop`: values that are not needed afterwards; `cache`: what an operator keeps."""

    attributes: Mapping[str, Any]
    opset: int
    n_outputs: int
    drop: tuple[str, ...] = ()
    cache: dict[str, Any] = field(default_factory=dict)

    def get(self, name: str, default: Any = None) -> Any:
        return self.attributes.get(name, default)


Op = Callable[..., Any]
OPS: dict[str, Op] = {}


def op(*names: str) -> Callable[[Op], Op]:
    def add(function: Op) -> Op:
        for name in names:
            OPS[name] = function
        return function

    return add


def host(value: Any) -> bool:
    return isinstance(value, np.ndarray)


def numbers(value: Any) -> list[Any]:
    """A shape or a list of axes as Python numbers (or what stands for them while a trace is made)."""
    if host(value):
        return [int(v) if isinstance(v, np.generic) else v for v in value.reshape(-1)]
    found: list[Any] = value.reshape(-1).tolist()
    return found


def tensor(value: Any, like: torch.Tensor | None = None) -> torch.Tensor:
    """A host value as a tensor, beside `like` where that is given."""
    if not host(value):
        known: torch.Tensor = value
        return known
    if value.dtype == object:
        if any(isinstance(v, torch.Tensor) for v in value.reshape(-1)):  # traced sizes
            parts = [torch.as_tensor(v, dtype=torch.int64) for v in value.reshape(-1)]
            return torch.stack(parts).reshape(value.shape)
        value = value.astype(np.int64)
    found = torch.from_numpy(np.array(value))
    return found if like is None else found.to(like.device)


# ---- element by element ----------------------------------------------------------------------------------------------


def _divide(a: Any, b: Any) -> Any:
    if host(a) and host(b):
        return a // b if a.dtype.kind in "iuO" else a / b
    if not (a.is_floating_point() or b.is_floating_point()):
        return torch.div(a, b, rounding_mode="trunc")
    return a / b


_TWO: dict[str, Callable[[Any, Any], Any]] = {
    "Add": lambda a, b: a + b,
    "Sub": lambda a, b: a - b,
    "Mul": lambda a, b: a * b,
    "Div": _divide,
    "Pow": lambda a, b: a**b,
    "Equal": lambda a, b: a == b,
    "Less": lambda a, b: a < b,
    "LessOrEqual": lambda a, b: a <= b,
    "Greater": lambda a, b: a > b,
    "GreaterOrEqual": lambda a, b: a >= b,
    "And": lambda a, b: a & b,
    "Or": lambda a, b: a | b,
    "Xor": lambda a, b: a ^ b,
}


def _two(function: Callable[[Any, Any], Any]) -> Op:
    def run(call: Call, a: Any, b: Any) -> Any:
        if host(a) and host(b):
            return np.asarray(function(a, b))
        like = b if host(a) else a
        return function(tensor(a, like), tensor(b, like))

    return run


OPS.update({name: _two(function) for name, function in _TWO.items()})

_ONE: dict[str, Callable[[Any], Any]] = {
    "Relu": torch.relu,
    "Sigmoid": torch.sigmoid,
    "Tanh": torch.tanh,
    "Exp": torch.exp,
    "Log": torch.log,
    "Sqrt": torch.sqrt,
    "Erf": torch.erf,
    "Abs": torch.abs,
    "Neg": lambda x: -x,
    "Not": lambda x: ~x,
    "Floor": torch.floor,
    "Ceil": torch.ceil,
    "Round": torch.round,
    "Sin": torch.sin,
    "Cos": torch.cos,
    "Sign": torch.sign,
    "Reciprocal": torch.reciprocal,
    "Softplus": F.softplus,
    "Softsign": F.softsign,
    "HardSwish": F.hardswish,
    "Mish": F.mish,
    "IsNaN": torch.isnan,
    "Identity": lambda x: x,
    "Dropout": lambda x: x,
}


def _one(function: Callable[[Any], Any]) -> Op:
    def run(call: Call, x: Any, *_: Any) -> Any:
        if host(x):
            if function is _ONE["Identity"]:
                return x
            return -x if function is _ONE["Neg"] else (~x if function is _ONE["Not"] else function(tensor(x)))
        return function(x)

    return run


OPS.update({name: _one(function) for name, function in _ONE.items()})


@op("LeakyRelu")
def leaky_relu(call: Call, x: Any) -> Any:
    return F.leaky_relu(x, call.get("alpha", 0.01))


@op("Elu")
def elu(call: Call, x: Any) -> Any:
    return F.elu(x, call.get("alpha", 1.0))


@op("PRelu")
def prelu(call: Call, x: Any, slope: Any) -> Any:
    return torch.where(x < 0, x * slope, x)


@op("HardSigmoid")
def hard_sigmoid(call: Call, x: Any) -> Any:
    return torch.clamp(x * call.get("alpha", 0.2) + call.get("beta", 0.5), 0, 1)


@op("Gelu")
def gelu(call: Call, x: Any) -> Any:
    return F.gelu(x, approximate=call.get("approximate", "none"))


@op("Clip")
def clip(call: Call, x: Any, low: Any = None, high: Any = None) -> Any:
    low = call.get("min") if low is None else low
    high = call.get("max") if high is None else high
    if host(x) and not isinstance(low, torch.Tensor) and not isinstance(high, torch.Tensor):
        return np.clip(x, low, high)
    x = tensor(x)
    bounds = [None if b is None else float(b) if not isinstance(b, torch.Tensor) else b.to(x) for b in (low, high)]
    if any(isinstance(b, torch.Tensor) for b in bounds):
        bounds = [None if b is None else torch.as_tensor(b).to(x) for b in bounds]
    return torch.clamp(x, bounds[0], bounds[1])


def _fold(pair: Callable[[Any, Any], Any], mean: bool = False) -> Op:
    def run(call: Call, first: Any, *others: Any) -> Any:
        total = tensor(first)
        for other in others:
            total = pair(total, tensor(other, total))
        return total / (1 + len(others)) if mean else total

    return run


OPS["Min"], OPS["Max"] = _fold(torch.minimum), _fold(torch.maximum)
OPS["Sum"], OPS["Mean"] = _fold(torch.add), _fold(torch.add, mean=True)


@op("Mod")
def mod(call: Call, a: Any, b: Any) -> Any:
    if host(a) and host(b):
        return np.mod(a, b)
    like = b if host(a) else a
    return (torch.fmod if call.get("fmod") else torch.remainder)(tensor(a, like), tensor(b, like))


@op("Where")
def where(call: Call, condition: Any, a: Any, b: Any) -> Any:
    if all(map(host, (condition, a, b))):
        return np.where(condition.astype(bool), a, b)
    like = next(v for v in (condition, a, b) if not host(v))
    return torch.where(tensor(condition, like).bool(), tensor(a, like), tensor(b, like))


@op("Cast")
def cast(call: Call, x: Any) -> Any:
    wanted = call.attributes["to"]
    if host(x):
        if wanted in _INTEGERS or (wanted == 9 and x.dtype == bool):
            return x if x.dtype == object else x.astype(np.int64)
        return tensor(x).to(DTYPES[wanted])
    return x.to(DTYPES[wanted])


@op("CastLike")
def cast_like(call: Call, x: Any, like: Any) -> Any:
    return tensor(x).to(tensor(like).dtype)


# ---- shapes ----------------------------------------------------------------------------------------------------------


@op("Shape")
def shape(call: Call, x: Any) -> Any:
    sizes = list(x.shape)[call.get("start", 0) : call.get("end")]
    found = np.empty(len(sizes), object)
    for at, size in enumerate(sizes):
        found[at] = size
    return found


@op("Size")
def size_(call: Call, x: Any) -> Any:
    return np.asarray(math.prod(x.shape))


@op("Reshape")
def reshape(call: Call, x: Any, to: Any) -> Any:
    sizes = numbers(to)
    if not call.get("allowzero"):
        sizes = [x.shape[at] if isinstance(s, int) and s == 0 else s for at, s in enumerate(sizes)]
    return x.reshape(sizes)


@op("Flatten")
def flatten(call: Call, x: Any) -> Any:
    axis = call.get("axis", 1)
    rows = math.prod(x.shape[:axis]) if axis != 1 else x.shape[0]
    return x.reshape(rows, -1)


@op("Transpose")
def transpose(call: Call, x: Any) -> Any:
    order = call.get("perm") or list(range(x.ndim))[::-1]
    return x.transpose(order) if host(x) else x.permute(order)


@op("Unsqueeze")
def unsqueeze(call: Call, x: Any, axes: Any = None) -> Any:
    at = call.get("axes") if axes is None else numbers(axes)
    rank = x.ndim + len(at)
    for axis in sorted(a % rank for a in at):
        x = np.expand_dims(x, axis) if host(x) else x.unsqueeze(axis)
    return x


@op("Squeeze")
def squeeze(call: Call, x: Any, axes: Any = None) -> Any:
    at = call.get("axes") if axes is None else numbers(axes)
    at = [i for i, n in enumerate(x.shape) if n == 1] if at is None else at
    for axis in sorted((a % x.ndim for a in at), reverse=True):
        x = np.squeeze(x, axis) if host(x) else x.squeeze(axis)
    return x


@op("Concat")
def concat(call: Call, *given: Any) -> Any:
    if all(map(host, given)):
        return np.concatenate(given, call.attributes["axis"])
    like = next(v for v in given if not host(v))
    return torch.cat([tensor(v, like) for v in given], call.attributes["axis"])


@op("Split")
def split(call: Call, x: Any, sizes: Any = None) -> Any:
    axis = call.get("axis", 0)
    parts = call.get("split") if sizes is None else numbers(sizes)
    if parts is None:
        n = call.get("num_outputs", call.n_outputs)
        parts = -(-x.shape[axis] // n)
    found = torch.split(tensor(x), parts, axis)
    return found if call.n_outputs > 1 else found[0]


@op("Slice")
def slice_(call: Call, x: Any, starts: Any = None, ends: Any = None, axes: Any = None, steps: Any = None) -> Any:
    first = call.get("starts") if starts is None else numbers(starts)
    last = call.get("ends") if ends is None else numbers(ends)
    along = (call.get("axes") or range(len(first))) if axes is None else numbers(axes)
    by = [1] * len(first) if steps is None else numbers(steps)
    where_: list[Any] = [slice(None)] * x.ndim
    for axis, begin, end, step in zip(along, first, last, by, strict=True):
        if step > 0 or host(x):
            where_[axis] = slice(begin, end if not isinstance(end, int) or end > -(2**31) else None, step)
            continue
        x = x.flip(axis)  # PyTorch has no negative steps
        n = x.shape[axis]
        begin = min(begin, n - 1) if begin >= 0 else begin + n
        end = -1 if end < -n else (end + n if end < 0 else end)
        where_[axis] = slice(n - 1 - begin, n - 1 - end, -step)
    return x[tuple(where_)]


@op("Gather")
def gather(call: Call, x: Any, indices: Any) -> Any:
    axis = call.get("axis", 0)
    if host(indices):
        at = indices.astype(np.int64)
        if host(x):
            return np.asarray(np.take(x, at, axis))
        if at.ndim == 0:
            return x.select(axis, int(at))
        indices = tensor(at, x)
    data = tensor(x, indices)
    axis %= data.ndim
    indices = indices.long()
    if axis == 0 and data.ndim == 2 and data.is_floating_point():
        return F.embedding(torch.where(indices < 0, indices + data.shape[0], indices), data)
    flat = indices.reshape(-1)
    flat = torch.where(flat < 0, flat + data.shape[axis], flat)
    return data.index_select(axis, flat).reshape(*data.shape[:axis], *indices.shape, *data.shape[axis + 1 :])


@op("GatherElements")
def gather_elements(call: Call, x: Any, indices: Any) -> Any:
    axis = call.get("axis", 0)
    at = tensor(indices, x).long()
    return torch.gather(x, axis, torch.where(at < 0, at + x.shape[axis], at))


@op("GatherND")
def gather_nd(call: Call, x: Any, indices: Any) -> Any:
    if call.get("batch_dims", 0):
        raise UsageError("GatherND with batch_dims cannot be given to PyTorch")
    at = tensor(indices, x).long()
    return x[tuple(at.unbind(-1))]


@op("ScatterND")
def scatter_nd(call: Call, x: Any, indices: Any, updates: Any) -> Any:
    found = x.clone()
    found[tuple(tensor(indices, x).long().unbind(-1))] = updates
    return found


@op("ScatterElements")
def scatter_elements(call: Call, x: Any, indices: Any, updates: Any) -> Any:
    return torch.scatter(x, call.get("axis", 0), tensor(indices, x).long(), updates)


@op("Expand")
def expand(call: Call, x: Any, to: Any) -> Any:
    sizes = numbers(to)
    x = tensor(x)
    have = [1] * (len(sizes) - x.ndim) + list(x.shape)
    sizes = [1] * (len(have) - len(sizes)) + sizes
    return x.expand([h if isinstance(s, int) and s == 1 else s for h, s in zip(have, sizes, strict=True)])


@op("Tile")
def tile(call: Call, x: Any, repeats: Any) -> Any:
    return np.tile(x, numbers(repeats)) if host(x) else x.repeat(numbers(repeats))


@op("ConstantOfShape")
def constant_of_shape(call: Call, sizes: Any) -> Any:
    value = call.get("value")
    value = np.zeros(1, np.float32) if value is None else value
    wanted = numbers(sizes)
    if value.dtype.kind in "iub" and len(wanted) <= 1 and all(isinstance(s, int) for s in wanted):
        return np.full(wanted, value.item(), value.dtype)
    return torch.full(wanted, value.item(), dtype=torch.from_numpy(value.copy()).dtype)


@op("Range")
def range_(call: Call, start: Any, limit: Any, delta: Any) -> Any:
    if all(map(host, (start, limit, delta))):
        bounds = [numbers(v)[0] for v in (start, limit, delta)]
        if all(isinstance(b, int) for b in bounds):
            return np.arange(*bounds)
        return torch.arange(*bounds)
    return torch.arange(*[tensor(v).item() for v in (start, limit, delta)])


@op("NonZero")
def non_zero(call: Call, x: Any) -> Any:
    return tensor(x).nonzero().T


@op("Trilu")
def trilu(call: Call, x: Any, k: Any = None) -> Any:
    diagonal = 0 if k is None else numbers(k)[0]
    return torch.triu(x, diagonal) if call.get("upper", 1) else torch.tril(x, diagonal)


@op("CumSum")
def cum_sum(call: Call, x: Any, axis: Any) -> Any:
    return torch.cumsum(tensor(x), numbers(axis)[0])


@op("OneHot")
def one_hot(call: Call, indices: Any, depth: Any, values: Any) -> Any:
    n = numbers(depth)[0]
    off, on = numbers(values)
    hot = F.one_hot(indices.long() % n, n)
    return torch.where(hot.movedim(-1, call.get("axis", -1)) == 1, on, off)


@op("Pad")
def pad(call: Call, x: Any, pads: Any = None, value: Any = None, axes: Any = None) -> Any:
    amounts = call.get("pads") if pads is None else numbers(pads)
    fill = call.get("value", 0.0) if value is None else float(value)
    along = list(range(x.ndim)) if axes is None else [a % x.ndim for a in numbers(axes)]
    before, after = [0] * x.ndim, [0] * x.ndim
    for at, axis in enumerate(along):
        before[axis], after[axis] = amounts[at], amounts[at + len(along)]
    first = next((a for a in range(x.ndim) if before[a] or after[a]), x.ndim)
    turned = [n for a in reversed(range(first, x.ndim)) for n in (before[a], after[a])]
    mode = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}[call.get("mode", "constant")]
    if not turned:
        return x
    return F.pad(x, turned, mode, fill) if mode == "constant" else F.pad(x, turned, mode)


@op("Resize", "Upsample")
def resize(call: Call, x: Any, *given: Any) -> Any:
    sizes = numbers(given[2]) if len(given) > 2 and given[2] is not None else None
    scale = given[1] if len(given) > 1 else (given[0] if given else None)
    how = {"nearest": "nearest", "linear": "bilinear" if x.ndim == 4 else "trilinear", "cubic": "bicubic"}
    mode = how[call.get("mode", "nearest")]
    corners = call.get("coordinate_transformation_mode", "half_pixel") == "align_corners"
    size = sizes[2:] if sizes else None
    factor = None if sizes else [float(f) for f in tensor(scale).reshape(-1).tolist()[2:]]
    extra = {} if mode == "nearest" else {"align_corners": corners}
    return F.interpolate(x, size=size, scale_factor=factor, mode=mode, **extra)


# ---- sums over axes --------------------------------------------------------------------------------------------------

_REDUCE: dict[str, Callable[..., Any]] = {
    "ReduceMean": torch.mean,
    "ReduceSum": torch.sum,
    "ReduceMax": torch.amax,
    "ReduceMin": torch.amin,
    "ReduceL2": lambda x, dim, keepdim: torch.linalg.vector_norm(x, 2, dim, keepdim),
    "ReduceL1": lambda x, dim, keepdim: torch.linalg.vector_norm(x, 1, dim, keepdim),
    "ReduceSumSquare": lambda x, dim, keepdim: (x * x).sum(dim, keepdim),
    "ReduceLogSumExp": torch.logsumexp,
}


def _reduce(function: Callable[..., Any]) -> Op:
    def run(call: Call, x: Any, axes: Any = None) -> Any:
        at = call.get("axes") if axes is None else numbers(axes)
        if not at:
            if call.get("noop_with_empty_axes"):
                return x
            at = list(range(x.ndim))
        return function(tensor(x), dim=tuple(at), keepdim=bool(call.get("keepdims", 1)))

    return run


OPS.update({name: _reduce(function) for name, function in _REDUCE.items()})


@op("ReduceProd")
def reduce_prod(call: Call, x: Any, axes: Any = None) -> Any:
    if host(x):
        keep = bool(call.get("keepdims", 1))
        return np.asarray(np.prod(x, keepdims=keep))
    found = x
    for axis in sorted((a % x.ndim for a in (call.get("axes") or range(x.ndim))), reverse=True):
        found = found.prod(axis, keepdim=bool(call.get("keepdims", 1)))
    return found


@op("ArgMax")
def arg_max(call: Call, x: Any) -> Any:
    return torch.argmax(x, call.get("axis", 0), bool(call.get("keepdims", 1)))


@op("ArgMin")
def arg_min(call: Call, x: Any) -> Any:
    return torch.argmin(x, call.get("axis", 0), bool(call.get("keepdims", 1)))


@op("TopK")
def top_k(call: Call, x: Any, k: Any) -> Any:
    return torch.topk(x, numbers(k)[0], call.get("axis", -1), bool(call.get("largest", 1)), bool(call.get("sorted", 1)))


@op("Softmax")
def softmax(call: Call, x: Any) -> Any:
    return _over_rest(torch.softmax, call, x)


@op("LogSoftmax")
def log_softmax(call: Call, x: Any) -> Any:
    return _over_rest(torch.log_softmax, call, x)


def _over_rest(function: Callable[..., Any], call: Call, x: Any) -> Any:
    """Before opset 13 these work on all axes from `axis` on, taken as one."""
    if call.opset >= 13:
        return function(x, call.get("axis", -1))
    axis = call.get("axis", 1) % x.ndim
    if axis == x.ndim - 1:
        return function(x, axis)
    return function(x.flatten(axis), axis).reshape(x.shape)
