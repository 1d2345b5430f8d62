"""The two tools that round a model's numbers to 8 bits: ONNX Runtime's, and NNCF for OpenVINO."""

from __future__ import annotations

import contextlib
import math
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mlassay.core.errors import MissingDependency, UsageError
from mlassay.runs.feeds import Feeds

PRODUCTS = ("MatMul", "Gemm", "Conv", "ConvTranspose", "Gather")
"""Where the weights are, and nearly all of the time. Sums, norms and activations between them stay in 32-bit floats."""

MASKS = ("Add", "Where", "Sub")
"""What may hide places of a Softmax behind a large negative number."""


@dataclass(frozen=True, slots=True)
class Share:
    """Weights in 8 bits, of all matrices and kernels of the model."""

    rounded: int
    all: int

    def __str__(self) -> str:
        return f"{self.rounded:,} of {self.all:,} weights ({100 * self.rounded / max(self.all, 1):.1f} %)"


def with_onnxruntime(
    source: Path, feeds: Feeds, folder: Path, *, calibrate: str, per_channel: bool, activations: int, operators: str
) -> tuple[dict[str, Any], Share]:
    """Write folder/model.onnx; the settings in words, for the record.

    Every Softmax and the mask before it stay in 32-bit floats: a mask of -10,000 would make one step of 8 bits as wide
    as 40, and all scores that attention weighs would become one number.
    """
    try:
        import onnx
        from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ModuleNotFoundError as error:
        raise MissingDependency(
            error.name or "onnx", extra="quantize", why="ONNX Runtime's quantisation tools need it"
        ) from error
    methods = {
        "minmax": CalibrationMethod.MinMax,
        "entropy": CalibrationMethod.Entropy,
        "percentile": CalibrationMethod.Percentile,
    }
    if calibrate not in methods:
        raise UsageError(f"calibrate={calibrate} is not known", hint=f"one of {', '.join(methods)}")
    if calibrate != "minmax" and len({tuple(a.shape for a in feed.inputs) for feed in feeds.feeds}) > 1:
        raise UsageError(f"calibrate={calibrate} wants samples of one size; these differ", hint="--calibrate minmax")
    types = {8: QuantType.QUInt8, 16: QuantType.QUInt16}
    if activations not in types:
        raise UsageError(f"activations of {activations} bits are not known", hint="8 or 16")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tools' own deprecations
        quant_pre_process(str(source), str(folder / "prepared.onnx"), skip_symbolic_shape=True)
        prepared = onnx.load(str(folder / "prepared.onnx"))
        kept = kept_in_float(prepared.graph)
        quantize_static(
            str(folder / "prepared.onnx"),
            str(folder / "model.onnx"),
            _Reader(feeds),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(PRODUCTS) if operators == "products" else None,
            nodes_to_exclude=kept,
            per_channel=per_channel,
            activation_type=types[activations],
            weight_type=QuantType.QInt8,
            calibrate_method=methods[calibrate],
            extra_options={"UseQDQContribOps": activations == 16},  # the standard has 16 bits only since opset 21
        )
    return {
        "tool": f"onnxruntime.quantization.quantize_static {version('onnxruntime')}",
        "format": "QDQ",
        "weights": "int8, symmetric" + (", per channel" if per_channel else ", per tensor"),
        "activations": f"uint{activations}, asymmetric, per tensor",
        "operators": list(PRODUCTS) if operators == "products" else "all that the tool can round",
        "kept_in_float": kept,
        "kept_because": "a mask's large negative number would stretch the range of what a Softmax is given",
        "ranges": calibrate,
    }, _share_onnx(onnx, onnx.load(str(folder / "model.onnx")).graph)


def kept_in_float(graph: Any) -> list[str]:
    """Names of the nodes of an onnx graph that are every Softmax, and the sum or choice that masks its scores."""
    made_by = {name: node for node in graph.node for name in node.output}
    kept = []
    for node in graph.node:
        if node.op_type == "Softmax":
            before = made_by.get(node.input[0])
            kept += [before.name] if before is not None and before.op_type in MASKS else []
            kept.append(node.name)
    return kept


def with_openvino(source: Path, feeds: Feeds, folder: Path) -> tuple[dict[str, Any], Share]:
    """Write folder/model.xml and .bin; the settings in words, for the record."""
    try:
        import nncf
        import openvino
    except ModuleNotFoundError as error:
        raise MissingDependency(
            error.name or "nncf", extra="quantize", why="OpenVINO's quantisation is done by NNCF"
        ) from error
    from mlassay.backends.openvino import read_model

    model = read_model(source)
    if any(node.get_type_name() in ("Loop", "TensorIterator", "If") for node in model.get_ops()):
        raise UsageError(
            f"{source.name} has loops or branches, which NNCF cannot calibrate",
            hint="--with onnxruntime rounds what stands outside of them",
        )
    order = {name: at for at, port in enumerate(model.inputs) for name in port.get_names()}
    rows = [{order[t.name]: array for t, array in zip(feeds.inputs, feed.inputs, strict=True)} for feed in feeds.feeds]
    with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):  # the tool shows its progress by print
        warnings.simplefilter("ignore")  # of what the tool imports
        nncf.set_log_level(40)
        rounded = nncf.quantize(model, nncf.Dataset(rows), subset_size=len(rows))
        openvino.save_model(rounded, str(folder / "model.xml"), compress_to_fp16=False)
    return {
        "tool": f"nncf.quantize {version('nncf')} for OpenVINO {version('openvino')}",
        "format": "OpenVINO IR with FakeQuantize",
        "weights": "int8, symmetric, per channel",
        "activations": "the preset PERFORMANCE: int8, symmetric, per tensor",
        "ranges": "the tool's default statistics, fast bias correction",
    }, _share_openvino(rounded)


class _Reader:
    """Calibration inputs in the form that ONNX Runtime's tool asks for."""

    def __init__(self, feeds: Feeds) -> None:
        names = [tensor.name for tensor in feeds.inputs]
        self._rows: Iterator[dict[str, Any]] = (dict(zip(names, feed.inputs, strict=True)) for feed in feeds.feeds)

    def get_next(self) -> dict[str, Any] | None:
        return next(self._rows, None)


def _share_onnx(onnx: Any, graph: Any) -> Share:
    """Over the graph and all graphs inside it."""
    kinds = onnx.TensorProto
    eight = (kinds.INT8, kinds.UINT8)
    wider = (kinds.FLOAT, kinds.FLOAT16, kinds.INT16, kinds.UINT16)
    return _share([(t.data_type, t.dims) for t in _tensors(onnx, graph)], eight, wider)


def _tensors(onnx: Any, graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR and node.op_type == "Constant":
                yield attribute.t
            elif attribute.type == onnx.AttributeProto.GRAPH:
                yield from _tensors(onnx, attribute.g)


def _share_openvino(model: Any) -> Share:
    constants = [node for node in model.get_ops() if node.get_type_name() == "Constant"]
    found = [(node.get_element_type().get_type_name(), node.get_output_shape(0)) for node in constants]
    return _share(found, ("i8", "u8"), ("f32", "f16"))


def _share(tensors: Iterable[tuple[Any, Sequence[int]]], eight: Sequence[Any], wider: Sequence[Any]) -> Share:
    """Rows of numbers (biases, scales) are no weights."""
    sizes = [(kind, math.prod(shape)) for kind, shape in tensors if math.prod(shape) > max(shape, default=1)]
    rounded = sum(size for kind, size in sizes if kind in eight)
    return Share(rounded, rounded + sum(size for kind, size in sizes if kind in wider))
