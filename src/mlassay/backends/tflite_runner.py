"""A TFLite model in an interpreter: of LiteRT or of TensorFlow, which have the same interface.

Quantised tensors are shown as the 32-bit floats that they stand for: what is fed and what comes out is converted.
Numbers of 64 bits, which converters make 32 bits wide, are narrowed; one that does not fit is an error.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlassay.backends.model_backend import Array
from mlassay.core.errors import BadFile
from mlassay.core.model import TensorSpec


class TfLiteRunner:
    """Inputs by name, outputs in the model's order; sizes are changed as arrays come."""

    def __init__(self, interpreter: Any, wanted: Sequence[TensorSpec] = ()) -> None:
        """`wanted`: the task's inputs, whose names are taken where a converter has forgotten them."""
        self._interpreter = interpreter
        details = interpreter.get_input_details()
        self._ends = interpreter.get_output_details()
        inputs = tuple(map(_spec, details))
        if len(wanted) == len(inputs) > 1 and not {t.name for t in wanted} <= {t.name for t in inputs}:
            details = sorted(details, key=_number)  # converters forget names and keep the order
            inputs = tuple(
                TensorSpec(w.name, t.shape, t.dtype) for w, t in zip(wanted, map(_spec, details), strict=True)
            )
        inputs = _widened(inputs, wanted)
        self.inputs, self.outputs = inputs, tuple(map(_spec, self._ends))
        self._at = {tensor.name: detail for tensor, detail in zip(inputs, details, strict=True)}

    def run(self, fed: Mapping[str, Array]) -> list[Array]:
        """Raises the interpreter's own RuntimeError or ValueError."""
        interpreter = self._interpreter
        resized = False
        for name, array in fed.items():
            detail = self._at[name]
            if tuple(detail["shape"]) != array.shape:
                interpreter.resize_tensor_input(detail["index"], array.shape, strict=True)
                detail["shape"] = np.asarray(array.shape)
                resized = True
        if resized:
            interpreter.allocate_tensors()
        for name, array in fed.items():
            interpreter.set_tensor(self._at[name]["index"], _quantised(array, self._at[name]))
        interpreter.invoke()
        return [_plain(interpreter.get_tensor(end["index"]), end) for end in self._ends]


def load_interpreter(
    path: Path, tflite: Any, runtime: str, *, threads: int = 1, xnnpack: bool = False, delegates: Sequence[Any] = ()
) -> Any:
    """`tflite`: the module with Interpreter and OpResolverType. Raises BadFile for what cannot be loaded."""
    kinds = getattr(tflite, "OpResolverType", None) or tflite.experimental.OpResolverType
    try:
        interpreter = tflite.Interpreter(
            model_path=str(path),
            num_threads=threads,
            experimental_delegates=list(delegates),
            experimental_op_resolver_type=kinds.AUTO if xnnpack else kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        lines = str(error).strip().splitlines() or ["no reason given"]
        raise BadFile(
            path, found=f"not a model that {runtime} can load ({lines[0][:160]})", expected="a .tflite file"
        ) from error
    return interpreter


def load_delegate(tflite: Any, library: str, options: str) -> Any:
    """A vendor's delegate from its shared library; `options`: key=value by commas."""
    given = dict(pair.partition("=")[::2] for pair in options.split(",") if pair)
    try:
        ctypes.CDLL(library)  # asked first: what the interpreter does with an absent library ends in a warning
        return tflite.load_delegate(library, given)
    except (OSError, ValueError) as error:
        raise BadFile(
            library, found=f"not usable ({error})", expected="the shared library of a TFLite delegate"
        ) from error


def _spec(detail: Mapping[str, Any]) -> TensorSpec:
    signature = detail.get("shape_signature", detail["shape"])
    sizes = tuple(int(n) if n > 0 else None for n in signature)
    kind = np.dtype(detail["dtype"]).name
    return TensorSpec(detail["name"], sizes, "float32" if _scale(detail) else kind)


def _scale(detail: Mapping[str, Any]) -> float:
    """Of a tensor that is quantised as a whole; 0 for others."""
    return float(detail["quantization"][0]) if np.dtype(detail["dtype"]).kind in "iu" else 0.0


def _widened(found: Sequence[TensorSpec], wanted: Sequence[TensorSpec]) -> tuple[TensorSpec, ...]:
    """Inputs of 32-bit numbers shown as the 64-bit ones that the task feeds."""
    if len(found) == len(wanted) == 1:
        wide = {found[0].name} if wanted[0].dtype == "int64" else set()
    else:
        wide = {tensor.name for tensor in wanted if tensor.dtype == "int64"}
    return tuple(TensorSpec(t.name, t.shape, "int64") if t.dtype == "int32" and t.name in wide else t for t in found)


def _narrowed(array: Array) -> Array:
    narrow = array.astype(np.int32)
    if not np.array_equal(narrow, array):
        raise ValueError(f"a number of {array.min()} to {array.max()} does not fit into the model's 32 bits")
    return narrow


def _quantised(array: Array, detail: Mapping[str, Any]) -> Array:
    scale, zero = detail["quantization"]
    if array.dtype == np.int64 and detail["dtype"] == np.int32:
        return _narrowed(array)
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
