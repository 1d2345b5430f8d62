"""ONNX models on OpenCV's dnn module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mlassay.backends.model_backend import Array, ModelBackend
from mlassay.backends.onnx_file import read_onnx
from mlassay.backends.options import check_bounds, option, parse_options
from mlassay.core.errors import BadFile, MachineProblem, MissingDependency
from mlassay.core.model import ModelSpec, TensorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How OpenCV is to run the model."""

    target: Literal["cpu", "opencl", "opencl-f16", "cuda", "cuda-f16"] = option("cpu", "device and precision")
    threads: int = option(0, "processor threads of the whole library; 0: OpenCV's choice", at_least=0)
    file: str = option("", "a model file instead of the task's: a quantised or converted version of it")
    max_batch: int = option(32, "most samples in one inference; a model with a fixed batch keeps its own", at_least=1)
    warmup: int = option(3, "untimed inferences of each batch size when opened", at_least=0)


_TARGETS = {
    "cpu": ("DNN_BACKEND_OPENCV", "DNN_TARGET_CPU"),
    "opencl": ("DNN_BACKEND_OPENCV", "DNN_TARGET_OPENCL"),
    "opencl-f16": ("DNN_BACKEND_OPENCV", "DNN_TARGET_OPENCL_FP16"),
    "cuda": ("DNN_BACKEND_CUDA", "DNN_TARGET_CUDA"),
    "cuda-f16": ("DNN_BACKEND_CUDA", "DNN_TARGET_CUDA_FP16"),
}


class OpenCvDnn(ModelBackend):
    """A SUT that answers with OpenCV, on the thread that asks.

    OpenCV plans a network for the shapes of its first inference; a network is kept for each batch size.
    """

    name = "opencv"
    formats = ("onnx",)
    export_to = "onnx"
    OPTIONS = Options

    def __init__(self, model: ModelSpec | Path | str, **options: Any) -> None:
        self.options = parse_options(Options, self.name, options)
        check_bounds(self.options, self.name)
        chosen = self.options
        super().__init__(model, max_batch=chosen.max_batch, warmup=chosen.warmup, file=chosen.file)
        cv2 = _cv2()
        pairs = [(int(b), int(t)) for b, t in _available(cv2)]
        if tuple(getattr(cv2.dnn, name) for name in _TARGETS[chosen.target]) not in pairs:
            raise MachineProblem(
                f"this OpenCV {cv2.__version__} has no target {chosen.target}",
                hint="packages from PyPI are built for the processor; build OpenCV with CUDA or OpenCL for others",
            )

    def _load(self) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
        graph = read_onnx(self.path)
        self._ends = [tensor.name for tensor in graph.outputs]
        self._kinds = [np.dtype(tensor.dtype) for tensor in graph.outputs]
        self._nets: dict[tuple[tuple[int, ...], ...], Any] = {}
        if self.options.threads:
            _cv2().setNumThreads(self.options.threads)
        self._network()  # what cannot be read is refused now
        return graph.inputs, graph.outputs

    def _network(self) -> Any:
        cv2 = _cv2()
        try:
            net = cv2.dnn.readNetFromONNX(str(self.path))
        except cv2.error as error:
            raise BadFile(
                self.path,
                found=f"not a model that OpenCV can read ({_reason(error)})",
                expected="an ONNX file of operators that OpenCV knows",
            ) from error
        if self.options.target != "cpu":  # the default; OpenCV 5 warns when it is asked for
            backend, target = (getattr(cv2.dnn, name) for name in _TARGETS[self.options.target])
            net.setPreferableBackend(backend)
            net.setPreferableTarget(target)
        return net

    def _run(self, batch: Sequence[Array]) -> Sequence[Array]:
        key = tuple(array.shape for array in batch)
        net = self._nets.get(key)
        if net is None:
            net = self._nets[key] = self._network()
        try:
            for name, array in zip(self._names, batch, strict=True):
                net.setInput(np.ascontiguousarray(array), name)
            found = net.forward(self._ends)
        except _cv2().error as error:
            raise self._failed(RuntimeError(_reason(error)), batch) from error
        return [
            np.array(array, kind).reshape(_shape(array, tensor))
            for array, kind, tensor in zip(found, self._kinds, self._outputs or [None] * len(found), strict=True)
        ]

    def _release(self) -> None:
        del self._nets

    def _about(self) -> Mapping[str, Any]:
        cv2 = _cv2()
        return {
            "runtime": "OpenCV dnn",
            "version": cv2.__version__,
            "threads": cv2.getNumThreads(),
            "options": asdict(self.options),
        }


def _shape(array: Array, tensor: TensorSpec | None) -> tuple[int, ...]:
    """OpenCV has no outputs of one dimension: (n, 1) is (n,) where the file says so."""
    if tensor is not None and len(tensor.shape) == 1 and array.ndim == 2 and 1 in array.shape:
        return (array.size,)
    return array.shape


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rpartition("error: ")[2][:160] if lines else "no reason given"


def _available(cv2: Any) -> list[tuple[Any, Any]]:
    backends = (cv2.dnn.DNN_BACKEND_OPENCV, cv2.dnn.DNN_BACKEND_CUDA)
    return [(backend, target) for backend in backends for target in cv2.dnn.getAvailableTargets(backend)]


def _cv2() -> Any:
    try:
        import cv2
    except ModuleNotFoundError as error:
        raise MissingDependency("opencv-python-headless", extra="opencv") from error
    return cv2
