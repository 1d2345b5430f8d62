"""ONNX layers in PyTorch's words: products, convolutions, pooling, normalisation, recurrence; see onnx_torch_ops.py."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its customary name

from mlassay.backends.onnx_torch_ops import OPS, Call, op
from mlassay.core.errors import UsageError

__all__ = ["OPS", "Call"]


# ---- products --------------------------------------------------------------------------------------------------------


@op("MatMul")
def mat_mul(call: Call, a: Any, b: Any) -> Any:
    packed = call.cache.get("int8")
    return packed(a) if packed else torch.matmul(a, b)


@op("Gemm")
def gemm(call: Call, a: Any, b: Any, c: Any = None) -> Any:
    packed = call.cache.get("int8")
    if packed:
        return packed(a)
    alpha, beta = call.get("alpha", 1.0), call.get("beta", 1.0)
    if call.get("transA"):
        a = a.T
    if call.get("transB") and alpha == beta == 1.0 and (c is None or c.ndim == 1):
        return F.linear(a, b, c)
    product = a @ (b.T if call.get("transB") else b)
    product = product if alpha == 1.0 else product * alpha
    return product if c is None else product + (c if beta == 1.0 else c * beta)


@op("Einsum")
def einsum(call: Call, *given: Any) -> Any:
    return torch.einsum(call.attributes["equation"], *given)


@op("Conv")
def conv(call: Call, x: Any, w: Any, b: Any = None) -> Any:
    packed = call.cache.get("int8")
    if packed:
        return packed(x)
    rank = w.ndim - 2
    x, padding = _padding(call, x, w.shape[2:], 0.0)
    return (F.conv1d, F.conv2d, F.conv3d)[rank - 1](
        x, w, b, call.get("strides", [1] * rank), padding, call.get("dilations", [1] * rank), call.get("group", 1)
    )


@op("ConvTranspose")
def conv_transpose(call: Call, x: Any, w: Any, b: Any = None) -> Any:
    rank = w.ndim - 2
    strides, pads = call.get("strides", [1] * rank), call.get("pads", [0] * 2 * rank)
    if pads[:rank] != pads[rank:] or call.get("auto_pad", "NOTSET") != "NOTSET" or call.get("output_shape"):
        raise UsageError("a transposed convolution with uneven padding cannot be given to PyTorch")
    run = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[rank - 1]
    extra = call.get("output_padding", [0] * rank)
    return run(x, w, b, strides, pads[:rank], extra, call.get("group", 1), call.get("dilations", [1] * rank))


def _padding(call: Call, x: Any, kernel: Sequence[int], fill: float) -> tuple[Any, list[int]]:
    """The input, padded beforehand where the two sides differ, and the even rest for the operator itself."""
    rank = len(kernel)
    auto = call.get("auto_pad", "NOTSET")
    pads = call.get("pads", [0] * 2 * rank)
    if auto.startswith("SAME"):
        strides, wide = call.get("strides", [1] * rank), call.get("dilations", [1] * rank)
        pads = [0] * 2 * rank
        for i in range(rank):
            n, reach = x.shape[2 + i], (kernel[i] - 1) * wide[i] + 1
            total = max((-(-n // strides[i]) - 1) * strides[i] + reach - n, 0)
            less, more = total // 2, total - total // 2
            pads[i], pads[rank + i] = (less, more) if auto == "SAME_UPPER" else (more, less)
    before, after = pads[:rank], pads[rank:]
    if before == after:
        return x, list(before)
    turned = [n for i in reversed(range(rank)) for n in (before[i], after[i])]
    return F.pad(x, turned, value=fill), [0] * rank


# ---- pooling and normalisation ---------------------------------------------------------------------------------------


@op("MaxPool")
def max_pool(call: Call, x: Any) -> Any:
    kernel = call.attributes["kernel_shape"]
    rank = len(kernel)
    x, padding = _padding(call, x, kernel, -math.inf)
    run = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[rank - 1]
    strides, wide = call.get("strides", [1] * rank), call.get("dilations", [1] * rank)
    return run(x, kernel, strides, padding, wide, bool(call.get("ceil_mode", 0)))


@op("AveragePool")
def average_pool(call: Call, x: Any) -> Any:
    kernel = call.attributes["kernel_shape"]
    rank = len(kernel)
    counted = bool(call.get("count_include_pad", 0))
    even, padding = _padding(call, x, kernel, 0.0)
    if even is not x and not counted:
        raise UsageError("an average over unevenly padded edges cannot be given to PyTorch")
    run = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[rank - 1]
    return run(even, kernel, call.get("strides", [1] * rank), padding, bool(call.get("ceil_mode", 0)), counted)


@op("GlobalAveragePool")
def global_average(call: Call, x: Any) -> Any:
    return x.mean(tuple(range(2, x.ndim)), keepdim=True)


@op("GlobalMaxPool")
def global_max(call: Call, x: Any) -> Any:
    return x.amax(tuple(range(2, x.ndim)), keepdim=True)


@op("BatchNormalization")
def batch_norm(call: Call, x: Any, scale: Any, shift: Any, mean: Any, variance: Any) -> Any:
    return F.batch_norm(x, mean, variance, scale, shift, eps=call.get("epsilon", 1e-5))


@op("InstanceNormalization")
def instance_norm(call: Call, x: Any, scale: Any, shift: Any) -> Any:
    return F.instance_norm(x, weight=scale, bias=shift, eps=call.get("epsilon", 1e-5))


@op("LayerNormalization")
def layer_norm(call: Call, x: Any, scale: Any, shift: Any = None) -> Any:
    axis = call.get("axis", -1) % x.ndim
    return F.layer_norm(x, x.shape[axis:], scale, shift, call.get("epsilon", 1e-5))


@op("LpNormalization")
def lp_norm(call: Call, x: Any) -> Any:
    return F.normalize(x, call.get("p", 2), call.get("axis", -1))


# ---- recurrent layers ------------------------------------------------------------------------------------------------


@op("LSTM")
def lstm(
    call: Call, x: Any, w: Any, r: Any, b: Any = None, _lengths: Any = None, h0: Any = None, c0: Any = None
) -> Any:
    """(T, B, in) -> (T, directions, B, hidden), last h, last c. ONNX orders the gates i o f c, PyTorch i f c o."""
    both = _recurrent(call, x, w, h0, "LSTM")
    parameters = _gates(call, w, r, b, (0, 2, 3, 1), 4)
    c = torch.zeros_like(both) if c0 is None else c0
    y, h, c = torch.lstm(x, (both, c), parameters, True, 1, 0.0, False, len(w) == 2, False)
    return _directions(y, len(w)), h, c


@op("GRU")
def gru(call: Call, x: Any, w: Any, r: Any, b: Any = None, _lengths: Any = None, h0: Any = None) -> Any:
    """As LSTM. ONNX orders the gates z r h, PyTorch r z n."""
    if not call.get("linear_before_reset"):
        raise UsageError("a GRU with linear_before_reset=0 cannot be given to PyTorch")
    start = _recurrent(call, x, w, h0, "GRU")
    parameters = _gates(call, w, r, b, (1, 0, 2), 3)
    y, h = torch.gru(x, start, parameters, True, 1, 0.0, False, len(w) == 2, False)
    return _directions(y, len(w)), h


def _recurrent(call: Call, x: Any, w: Any, h0: Any, name: str) -> Any:
    if call.get("direction", "forward") == "reverse" or call.get("layout", 0) or call.get("activations"):
        raise UsageError(f"this {name} (reverse, batch first or own activations) cannot be given to PyTorch")
    return x.new_zeros(len(w), x.shape[1], call.attributes["hidden_size"]) if h0 is None else h0


def _gates(call: Call, w: Any, r: Any, b: Any, order: Sequence[int], n: int) -> list[Any]:
    """Weights in PyTorch's order of gates: computed once, they are constants."""
    if "gates" not in call.cache:
        found = []
        for direction in range(len(w)):
            biases = torch.zeros(2 * w.shape[1], dtype=w.dtype) if b is None else b[direction]
            for block in (w[direction], r[direction], *biases.chunk(2)):
                parts = block.chunk(n)
                found.append(torch.cat([parts[i] for i in order]))
        call.cache["gates"] = found
    gates: list[Any] = call.cache["gates"]
    return gates


def _directions(y: Any, n: int) -> Any:
    return y.reshape(y.shape[0], y.shape[1], n, -1).transpose(1, 2)
