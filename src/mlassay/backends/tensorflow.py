"""TensorFlow: SavedModels, Keras models and TFLite files."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mlassay.backends.model_backend import Array, ModelBackend
from mlassay.backends.options import check_bounds, option, parse_options
from mlassay.backends.tflite_runner import TfLiteRunner, load_interpreter
from mlassay.core.errors import BadFile, MachineProblem, MissingDependency
from mlassay.core.model import ModelSpec, TensorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How TensorFlow is to run the model."""

    device: str = option("CPU:0", "TensorFlow's device: CPU:0, GPU:0, ...; TFLite files run on the processor")
    signature: str = option("serving_default", "which signature of a SavedModel")
    xla: bool = option(False, "compile with XLA (SavedModels and Keras models)")
    threads: int = option(0, "processor threads within one operator; 0: TensorFlow's choice", at_least=0)
    inter_threads: int = option(0, "processor threads across operators; 0: TensorFlow's choice", at_least=0)
    file: str = option("", "a model file or folder instead of the task's: a quantised or converted version of it")
    max_batch: int = option(32, "most samples in one inference; a model with a fixed batch keeps its own", at_least=1)
    warmup: int = option(3, "untimed inferences of each batch size when opened", at_least=0)


class Runner(Protocol):
    """A loaded model of one of the formats."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def run(self, fed: Mapping[str, Array]) -> list[Array]: ...


class TensorFlow(ModelBackend):
    """A SUT that answers with TensorFlow, on the thread that asks."""

    name = "tensorflow"
    formats = ("savedmodel", "keras", "tflite")
    export_to = "litert"
    OPTIONS = Options

    def __init__(self, model: ModelSpec | Path | str, **options: Any) -> None:
        self.options = parse_options(Options, self.name, options)
        check_bounds(self.options, self.name)
        chosen = self.options
        super().__init__(model, max_batch=chosen.max_batch, warmup=chosen.warmup, file=chosen.file)
        _tf()

    def _load(self) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
        _configure(self.options)
        self._runner = self._made()
        return self._runner.inputs, self._runner.outputs

    def _made(self) -> Runner:
        if self.path.is_dir():
            return _SavedModel(self.path, self.options)
        if self.path.suffix in (".keras", ".h5"):
            return _Keras(self.path, self.options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # TensorFlow's advice to use LiteRT instead: a backend too
            interpreter = load_interpreter(
                self.path, _tf().lite, "TensorFlow", threads=self.options.threads or 1, xnnpack=True
            )
        return TfLiteRunner(interpreter, self._spec.inputs if self._spec else ())

    def _run(self, batch: Sequence[Array]) -> Sequence[Array]:
        try:
            return self._runner.run(dict(zip(self._names, batch, strict=True)))
        except Exception as error:
            raise self._failed(error, batch) from error

    def _release(self) -> None:
        del self._runner

    def _about(self) -> Mapping[str, Any]:
        tf = _tf()
        return {
            "runtime": "TensorFlow",
            "version": tf.__version__,
            "devices": [device.name for device in tf.config.list_logical_devices()],
            "options": asdict(self.options),
        }


class _SavedModel:
    """A folder with saved_model.pb: one of its signatures."""

    def __init__(self, path: Path, options: Options) -> None:
        tf = _tf()
        try:
            self._model = tf.saved_model.load(str(path))
        except (OSError, ValueError) as error:
            raise BadFile(
                path, found=f"not a model that TensorFlow can load ({_first_line(error)})", expected="a SavedModel"
            ) from error
        signatures = self._model.signatures
        if options.signature not in signatures:
            found = ", ".join(signatures) or "none"
            raise BadFile(path, key="signatures", found=found, expected=options.signature, hint="-b signature=NAME")
        one = signatures[options.signature]
        self._call, self._device = _compiled(one, options), options.device
        self.inputs = tuple(_spec(name, t) for name, t in one.structured_input_signature[1].items())
        self.outputs = tuple(_spec(name, t) for name, t in sorted(one.structured_outputs.items()))

    def run(self, fed: Mapping[str, Array]) -> list[Array]:
        tf = _tf()
        with tf.device(self._device):
            found = self._call(**{name: tf.constant(np.ascontiguousarray(a)) for name, a in fed.items()})
        return [found[tensor.name].numpy() for tensor in self.outputs]


class _Keras:
    """A .keras or .h5 file. Layers with code of their own inside are refused by Keras."""

    def __init__(self, path: Path, options: Options) -> None:
        tf = _tf()
        try:
            self._model = tf.keras.models.load_model(str(path), compile=False, safe_mode=True)
        except (OSError, ValueError, TypeError) as error:
            raise BadFile(
                path, found=f"not a model that Keras can load ({_first_line(error)})", expected="a .keras or .h5 file"
            ) from error
        self.inputs = tuple(_spec(t.name, t) for t in self._model.inputs)
        self.outputs = tuple(_spec(t.name, t) for t in self._model.outputs)
        model = self._model
        self._call, self._device = _compiled(lambda given: model(given, training=False), options), options.device

    def run(self, fed: Mapping[str, Array]) -> list[Array]:
        tf = _tf()
        with tf.device(self._device):
            given = [tf.constant(np.ascontiguousarray(fed[tensor.name])) for tensor in self.inputs]
            found = self._call(given if len(given) > 1 else given[0])
        return [t.numpy() for t in (found if isinstance(found, list | tuple) else [found])]


def _compiled(function: Any, options: Options) -> Any:
    """A graph, so that Python is not asked at every operator; with XLA where that is wished."""
    if options.xla or not hasattr(function, "structured_outputs"):
        return _tf().function(function, jit_compile=options.xla or None, reduce_retracing=True)
    return function


def _spec(name: str, tensor: Any) -> TensorSpec:
    kind = tensor.dtype if isinstance(tensor.dtype, str) else tensor.dtype.name
    sizes = tuple(tensor.shape) if tensor.shape is not None else ()
    return TensorSpec(name, tuple(None if size is None else int(size) for size in sizes), kind)


def _configure(options: Options) -> None:
    """TensorFlow takes numbers of threads only before it has run anything in this process."""
    tf = _tf()
    threading = tf.config.threading
    try:
        if options.threads and threading.get_intra_op_parallelism_threads() != options.threads:
            threading.set_intra_op_parallelism_threads(options.threads)
        if options.inter_threads and threading.get_inter_op_parallelism_threads() != options.inter_threads:
            threading.set_inter_op_parallelism_threads(options.inter_threads)
    except RuntimeError as error:
        raise MachineProblem(
            "TensorFlow runs in this process already, with other numbers of threads", hint="start a new process"
        ) from error
    there = [device.name.removeprefix("/device:") for device in tf.config.list_logical_devices()]
    wish = options.device.upper() if ":" in options.device else f"{options.device.upper()}:0"
    if wish not in there:
        raise MachineProblem(
            f"TensorFlow has no device {options.device}; it finds {', '.join(there)}",
            hint="install the TensorFlow build and the driver of that device, or choose -b device=CPU",
        )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]


def _tf() -> Any:
    try:
        import tensorflow
    except ModuleNotFoundError as error:
        raise MissingDependency("tensorflow", extra="tensorflow") from error
    return tensorflow
