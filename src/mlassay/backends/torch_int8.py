"""Int8 in PyTorch without calibration: weights are rounded once, per output channel; activations as they come.

PyTorch's own kernels for processors do the arithmetic (torch.ops.quantized, dynamic variants).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch

from mlassay.backends.onnx_file import Node
from mlassay.backends.onnx_torch import OnnxModule
from mlassay.backends.onnx_torch_layers import Call

REDUCE_RANGE = True
"""Activations get seven bits: with eight, the kernels' 16-bit sums overflow and accuracy suffers."""


def quantise(module: OnnxModule) -> int:
    """Give each product and convolution with constant weights its int8 version; returns how many there are."""
    count = 0
    for call, node, constants in module.calls():
        make = _MAKERS.get(node.op)
        if make is None or node.inputs[1] not in constants:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that these functions will move to another package
            packed = make(call, node, constants)
        if packed is not None:
            call.cache["int8"] = packed
            count += 1
    return count


def _rows(weight: torch.Tensor, axis: int = 0) -> torch.Tensor:
    """Symmetric int8 with a scale for each output channel."""
    dims = [d for d in range(weight.ndim) if d != axis]
    scale = (weight.abs().amax(dims).clamp_min(1e-12) / 127).to(torch.float64)
    zero = torch.zeros(len(scale), dtype=torch.int64)
    return torch.quantize_per_channel(weight.float(), scale, zero, axis, torch.qint8)


def _linear(weight: torch.Tensor, bias: torch.Tensor | None) -> Callable[[Any], Any]:
    packed = torch.ops.quantized.linear_prepack(_rows(weight.contiguous()), bias)
    return lambda x: torch.ops.quantized.linear_dynamic(x, packed, REDUCE_RANGE)


def _gemm(call: Call, node: Node, constants: dict[str, Any]) -> Callable[[Any], Any] | None:
    bias = constants.get(node.inputs[2]) if len(node.inputs) > 2 else None
    plain = call.get("alpha", 1.0) == call.get("beta", 1.0) == 1.0 and not call.get("transA")
    if not plain or (len(node.inputs) > 2 and (bias is None or bias.ndim != 1)):
        return None
    weight = constants[node.inputs[1]]
    return _linear(weight if call.get("transB") else weight.T, bias)


def _mat_mul(call: Call, node: Node, constants: dict[str, Any]) -> Callable[[Any], Any] | None:
    weight = constants[node.inputs[1]]
    return _linear(weight.T, None) if weight.ndim == 2 and weight.is_floating_point() else None


def _conv(call: Call, node: Node, constants: dict[str, Any]) -> Callable[[Any], Any] | None:
    weight = constants[node.inputs[1]]
    pads = call.get("pads", [0, 0, 0, 0])
    even = len(pads) == 4 and pads[:2] == pads[2:]
    if weight.ndim != 4 or not even or call.get("auto_pad", "NOTSET") != "NOTSET":
        return None
    bias = constants.get(node.inputs[2]) if len(node.inputs) > 2 else None
    steps, wide = call.get("strides", [1, 1]), call.get("dilations", [1, 1])
    packed = torch.ops.quantized.conv2d_prepack(_rows(weight), bias, steps, pads[:2], wide, call.get("group", 1))
    return lambda x: torch.ops.quantized.conv2d_dynamic(x.contiguous(), packed, REDUCE_RANGE)


_MAKERS: dict[str, Callable[[Call, Node, dict[str, Any]], Callable[[Any], Any] | None]] = {
    "Gemm": _gemm,
    "MatMul": _mat_mul,
    "Conv": _conv,
}
