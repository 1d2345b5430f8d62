"""TFLite models on LiteRT, the runtime that was called TensorFlow Lite."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlassay.backends.model_backend import Array, ModelBackend
from mlassay.backends.options import check_bounds, option, parse_options
from mlassay.core.errors import BadFile, MissingDependency
from mlassay.core.model import ModelSpec, TensorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How LiteRT is to run the model."""

    threads: int = option(1, "processor threads within one inference", at_least=1)
    xnnpack: bool = option(True, "run what it can with XNNPACK's kernels; 'no': the built-in ones")
    delegate: str = option("", "shared library of a vendor's delegate (Edge TPU, Hexagon, Arm NN, ...)")
    delegate_options: str = option("", "options of the delegate: key=value by commas")
    file: str = option("", "a model file instead of the task's: a quantised or converted version of it")
    max_batch: int = option(32, "most samples in one inference; a model with a fixed batch keeps its own", at_least=1)
    warmup: int = option(3, "untimed inferences of each batch size when opened", at_least=0)


class LiteRt(ModelBackend):
    """A SUT that answers with LiteRT, on the thread that asks."""

    name = "litert"
    formats = ("tflite",)
    export_to = "litert"
    OPTIONS = Options

    def __init__(self, model: ModelSpec | Path | str, **options: Any) -> None:
        self.options = parse_options(Options, self.name, options)
        check_bounds(self.options, self.name)
        chosen = self.options
        super().__init__(model, max_batch=chosen.max_batch, warmup=chosen.warmup, file=chosen.file)
        _tflite()

    def _load(self) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
        self._interpreter = _interpreter(self.path, self.options)
        self._details = self._interpreter.get_input_details()
        self._ends = self._interpreter.get_output_details()
        inputs = tuple(map(_spec, self._details))
        wanted = self._spec.inputs if self._spec else ()
        if len(wanted) == len(inputs) > 1 and not {t.name for t in wanted} <= {t.name for t in inputs}:
            # converters forget names and keep the order
            inputs = tuple(
                TensorSpec(w.name, t.shape, t.dtype) for w, t in zip(wanted, _by_number(inputs), strict=True)
            )
            self._details = [d for _, d in sorted(zip(map(_number, self._details), self._details, strict=True))]
        self._at = {tensor.name: detail for tensor, detail in zip(inputs, self._details, strict=True)}
        return inputs, tuple(map(_spec, self._ends))

    def _run(self, batch: Sequence[Array]) -> Sequence[Array]:
        interpreter = self._interpreter
        try:
            details = [self._at[name] for name in self._names]
            resized = False
            for detail, array in zip(details, batch, strict=True):
                if tuple(detail["shape"]) != array.shape:
                    interpreter.resize_tensor_input(detail["index"], array.shape, strict=True)
                    detail["shape"] = np.asarray(array.shape)
                    resized = True
            if resized:
                interpreter.allocate_tensors()
            for detail, array in zip(details, batch, strict=True):
                interpreter.set_tensor(detail["index"], _quantised(array, detail))
            interpreter.invoke()
            return [_plain(interpreter.get_tensor(end["index"]), end) for end in self._ends]
        except (RuntimeError, ValueError) as error:
            raise self._failed(error, batch) from error

    def _release(self) -> None:
        del self._interpreter

    def _about(self) -> Mapping[str, Any]:
        from importlib.metadata import version

        return {"runtime": "LiteRT", "version": version("ai-edge-litert"), "options": asdict(self.options)}


def model_tensors(path: Path) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """The inputs and outputs that a TFLite file declares."""
    interpreter = _interpreter(path, Options(xnnpack=False))
    return (
        tuple(map(_spec, interpreter.get_input_details())),
        tuple(map(_spec, interpreter.get_output_details())),
    )


def _interpreter(path: Path, wish: Options) -> Any:
    tflite = _tflite()
    kinds = tflite.OpResolverType
    delegates = []
    if wish.delegate:
        given = dict(pair.partition("=")[::2] for pair in wish.delegate_options.split(",") if pair)
        try:
            ctypes.CDLL(wish.delegate)  # asked first: what LiteRT does with an absent library ends in a warning
            delegates = [tflite.load_delegate(wish.delegate, given)]
        except (OSError, ValueError) as error:
            raise BadFile(
                wish.delegate, found=f"not usable ({error})", expected="the shared library of a TFLite delegate"
            ) from error
    try:
        interpreter = tflite.Interpreter(
            model_path=str(path),
            num_threads=wish.threads,
            experimental_delegates=delegates,
            experimental_op_resolver_type=kinds.AUTO if wish.xnnpack else kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        lines = str(error).strip().splitlines() or ["no reason given"]
        raise BadFile(
            path, found=f"not a model that LiteRT can load ({lines[0][:160]})", expected="a .tflite file"
        ) from error
    return interpreter


def _spec(detail: Mapping[str, Any]) -> TensorSpec:
    """Quantised tensors are shown as the 32-bit floats that they stand for: this backend converts."""
    signature = detail.get("shape_signature", detail["shape"])
    sizes = tuple(int(n) if n > 0 else None for n in signature)
    kind = np.dtype(detail["dtype"]).name
    return TensorSpec(detail["name"], sizes, "float32" if _scale(detail) else kind)


def _scale(detail: Mapping[str, Any]) -> float:
    """Of a tensor that is quantised as a whole; 0 for others."""
    return float(detail["quantization"][0]) if np.dtype(detail["dtype"]).kind in "iu" else 0.0


def _quantised(array: Array, detail: Mapping[str, Any]) -> Array:
    scale, zero = detail["quantization"]
    if not scale or array.dtype == detail["dtype"]:
        return np.ascontiguousarray(array)
    limits = np.iinfo(detail["dtype"])
    whole: Array = np.clip(np.rint(array / scale) + zero, limits.min, limits.max).astype(detail["dtype"])
    return whole


def _plain(array: Array, detail: Mapping[str, Any]) -> Array:
    scale = _scale(detail)
    if not scale:
        return array
    found: Array = (array.astype(np.float32) - detail["quantization"][1]) * np.float32(scale)
    return found


def _number(detail: Mapping[str, Any]) -> tuple[int, int]:
    """Converters name inputs with their number: serving_default_args_1:0."""
    digits = "".join(c if c.isdigit() else " " for c in str(detail["name"]).partition(":")[0]).split()
    return (int(digits[-1]) if digits else 0, int(detail["index"]))


def _by_number(inputs: Sequence[TensorSpec]) -> list[TensorSpec]:
    return sorted(inputs, key=lambda t: _number({"name": t.name, "index": 0}))


def _tflite() -> Any:
    try:
        from ai_edge_litert import interpreter
    except ModuleNotFoundError as error:
        raise MissingDependency("ai-edge-litert", extra="litert") from error
    return interpreter
