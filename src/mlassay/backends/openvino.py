"""OpenVINO: ONNX, OpenVINO IR and TFLite models, one request at a time or several in flight from a pool of our own."""

from __future__ import annotations

import hashlib
import queue
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mlassay.backends.exported import file_sha256
from mlassay.backends.model_backend import Array, ModelBackend
from mlassay.backends.options import check_bounds, option, parse_options
from mlassay.core.errors import BadFile, MachineProblem, MissingDependency
from mlassay.core.model import ModelSpec, TensorSpec
from mlassay.core.query import Query
from mlassay.core.sut import Outputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How OpenVINO is to run the model."""

    device: str = option("CPU", "OpenVINO's device: CPU, GPU, GPU.1, NPU, AUTO, ...")
    mode: Literal["sync", "async"] = option("sync", "sync: answer before the next query; async: keep a pool in flight")
    hint: Literal["latency", "throughput", "none"] = option("latency", "OpenVINO's performance hint")
    requests: int = option(0, "async: inferences in flight; 0: as many as OpenVINO finds best", at_least=0)
    streams: int = option(0, "parallel streams; 0: as the hint decides", at_least=0)
    threads: int = option(0, "processor threads; 0: as the hint decides", at_least=0)
    precision: Literal["f32", "bf16", "f16", "default"] = option(
        "f32", "precision of the arithmetic; default: the device's own choice, which may be less than the model's"
    )
    shapes: Literal["dynamic", "fixed"] = option(
        "dynamic", "fixed: compile for batches of max_batch alone, smaller ones are padded"
    )
    cache: str = option("", "folder where compiled models are kept, for devices that compile slowly")
    file: str = option("", "a model file instead of the task's: a quantised or converted version of it")
    max_batch: int = option(32, "most samples in one inference; a model with a fixed batch keeps its own", at_least=1)
    warmup: int = option(3, "untimed inferences of each batch size when opened", at_least=0)


class OpenVino(ModelBackend):
    """A SUT that answers with OpenVINO."""

    name = "openvino"
    formats = ("openvino", "onnx", "tflite")
    export_to = "openvino"
    OPTIONS = Options

    def __init__(self, model: ModelSpec | Path | str, **options: Any) -> None:
        self.options = parse_options(Options, self.name, options)
        check_bounds(self.options, self.name)
        chosen = self.options
        super().__init__(model, max_batch=chosen.max_batch, warmup=chosen.warmup, file=chosen.file)
        _ov()

    def issue(self, query: Query) -> Outputs | None:
        if self._pool is None:
            return super().issue(query)
        first_id, indices = query
        size = self._chunk
        for begin in range(0, len(indices), size):
            part = indices[begin : begin + size]
            self._pool.start(self._get(part), range(first_id + begin, first_id + begin + len(part)))
        return None

    def flush(self) -> None:
        if self._pool is not None:
            self._pool.wait()

    _pool: _Pool | None = None

    def _load(self) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
        model = read_model(self.path)
        if self.options.shapes == "fixed":
            _fix_batch(model, self.options.max_batch)
        inputs, outputs = tensors(model)
        self._compiled = self._compile(model)
        self._request = self._compiled.create_infer_request()
        self._n_outputs = len(outputs)
        return inputs, outputs

    def ensure_loaded(self) -> None:
        fresh = not self._loaded
        super().ensure_loaded()
        # tasks with an inference of their own decide themselves when to run what: these are answered in order
        if fresh and self.options.mode == "async" and self._infer is None:
            self._pool = _Pool(self, self.n_requests)

    @property
    def n_requests(self) -> int:
        wish = self.options.requests
        return wish or int(self._compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))

    def _run(self, batch: Sequence[Array]) -> Sequence[Array]:
        request = self._request
        try:
            request.infer(self.fed(batch), share_inputs=True)
        except Exception as error:
            raise self._failed(error, batch) from error
        return self.taken(request)

    def fed(self, batch: Sequence[Array]) -> dict[int, Array]:
        """The batch by the compiled model's input numbers; memory that is not contiguous is copied."""
        return {number: np.ascontiguousarray(batch[at]) for number, at in enumerate(self._order)}

    def taken(self, request: Any) -> list[Array]:
        """The outputs, copied: the request's memory is written again by its next inference."""
        return [request.get_output_tensor(i).data.copy() for i in range(self._n_outputs)]

    def _digest(self) -> str:
        """Of OpenVINO's own format both files count: the graph and the weights."""
        weights = self.path.with_suffix(".bin")
        if self.path.suffix != ".xml" or not weights.exists():
            return super()._digest()
        return hashlib.sha256(f"{file_sha256(self.path)} {file_sha256(weights)}".encode()).hexdigest()

    def _release(self) -> None:
        if self._pool is not None:
            self._pool.wait()
            self._pool = None
        del self._request, self._compiled

    def _about(self) -> Mapping[str, Any]:
        about: dict[str, Any] = {
            "runtime": "OpenVINO",
            "version": version(),
            "device": self.options.device,
            "options": asdict(self.options),
        }
        if self._loaded:
            about["device_name"] = str(_core().get_property(self.options.device.split(":")[0], "FULL_DEVICE_NAME"))
            about["streams"] = str(_property(self._compiled, "NUM_STREAMS"))
            about["threads"] = str(_property(self._compiled, "INFERENCE_NUM_THREADS"))
            about["requests_in_flight"] = self.n_requests if self._pool else 1
        return about

    def _compile(self, model: Any) -> Any:
        wish = self.options
        settings: dict[str, Any] = {}
        if wish.hint != "none":
            settings["PERFORMANCE_HINT"] = wish.hint.upper()
        if wish.streams:
            settings["NUM_STREAMS"] = str(wish.streams)
        if wish.threads:
            settings["INFERENCE_NUM_THREADS"] = wish.threads
        if wish.precision != "default":
            settings["INFERENCE_PRECISION_HINT"] = wish.precision
        if wish.cache:
            settings["CACHE_DIR"] = wish.cache
        return compile_for(wish.device, model, settings, self.path.name)


class _Pool:
    """Inferences in flight. A request is free again when its answer has gone to the sink."""

    def __init__(self, backend: OpenVino, size: int) -> None:
        self._backend = backend
        self._free: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._size = size
        for _ in range(size):
            request = backend._compiled.create_infer_request()
            request.set_callback(self._done, None)
            self._free.put(request)

    def start(self, samples: Any, ids: range) -> None:
        """Waits for a free request; answers come through the sink from OpenVINO's threads."""
        batch = self._backend._batch(samples)
        request = self._free.get()
        try:
            request.start_async(self._backend.fed(batch), (request, ids, batch), share_inputs=True)
        except Exception as error:
            self._free.put(request)
            raise self._backend._failed(error, batch) from error

    def _done(self, held: Any) -> None:
        request, ids, batch = held
        backend = self._backend
        try:
            outputs = [output[: len(ids)] for output in backend.taken(request)]
            backend._sink.complete_samples(ids, backend._finish(outputs))
        except Exception as error:  # noqa: BLE001 - on OpenVINO's thread: the sink must hear of it, whatever it is
            backend._sink.fail(backend._failed(error, batch))
        finally:
            self._free.put(request)

    def wait(self) -> None:
        """Until nothing is in flight."""
        held = [self._free.get() for _ in range(self._size)]
        for request in held:
            self._free.put(request)


def read_model(path: Path) -> Any:
    """An openvino.Model. Raises BadFile for what OpenVINO cannot read."""
    try:
        return _core().read_model(str(path))
    except RuntimeError as error:
        raise BadFile(
            path,
            found=f"not a model that OpenVINO can read ({last_line(error)})",
            expected="an ONNX, OpenVINO IR (.xml with .bin) or TFLite file",
        ) from error


def compile_for(device: str, model: Any, settings: Mapping[str, Any], name: str) -> Any:
    """The model compiled. Raises MachineProblem for a device that is not there, or cannot run it."""
    core = _core()
    family = device.split(":")[0].split(".")[0]
    if family not in ("AUTO", "HETERO", "MULTI", "BATCH") and not any(
        d.split(".")[0] == family for d in core.available_devices
    ):
        raise MachineProblem(
            f"OpenVINO has no device {device}; it finds {', '.join(core.available_devices) or 'none'}",
            hint="check the device's driver, or choose -b device=CPU",
        )
    try:
        return core.compile_model(model, device, dict(settings))
    except RuntimeError as error:
        raise MachineProblem(
            f"OpenVINO cannot compile {name} for {device} ({last_line(error)})",
            hint="try other options, or -b device=CPU",
        ) from error


def version() -> str:
    return str(_ov().get_version())


def tensors(model: Any) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """The inputs and outputs that a model declares."""
    kinds = {"f32": "float32", "f16": "float16", "f64": "float64", "u8": "uint8", "i8": "int8", "i32": "int32"}
    kinds |= {"i64": "int64", "boolean": "bool", "bf16": "bfloat16"}

    def spec(port: Any) -> TensorSpec:
        shape = tuple(d.get_length() if d.is_static else None for d in port.get_partial_shape())
        kind = port.get_element_type().get_type_name()
        name = min(port.get_names(), default=port.get_node().get_friendly_name())
        return TensorSpec(name, shape, kinds.get(kind, kind))

    return tuple(map(spec, model.inputs)), tuple(map(spec, model.outputs))


def _fix_batch(model: Any, size: int) -> None:
    ov = _ov()
    shapes = {}
    for port in model.inputs:
        shape = port.get_partial_shape()
        if shape.rank.is_static and len(shape) and shape[0].is_dynamic:
            shape[0] = ov.Dimension(size)
            shapes[port] = shape
    if shapes:
        model.reshape(shapes)


def last_line(error: Exception) -> str:
    """The sentence of OpenVINO's long reports that says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else type(error).__name__


def _property(compiled: Any, name: str) -> Any:
    try:
        return compiled.get_property(name)
    except RuntimeError:
        return "not told"


_CORE: list[Any] = []


def _core() -> Any:
    if not _CORE:
        _CORE.append(_ov().Core())
    return _CORE[0]


def _ov() -> Any:
    try:
        import openvino
    except ModuleNotFoundError as error:
        raise MissingDependency("openvino", extra="openvino") from error
    return openvino
