"""ONNX models on ONNX Runtime: every execution provider, threads, graph optimisation, IO binding, dynamic batch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from mlassay.backends.model_backend import Array, ModelBackend
from mlassay.backends.onnx_providers import choose, confirm
from mlassay.backends.options import check_bounds, option, parse_options
from mlassay.core.errors import BadFile, MachineProblem, MissingDependency, UsageError
from mlassay.core.model import ModelSpec, TensorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How ONNX Runtime is to run the model."""

    provider: str = option("cpu", "execution providers in order of preference, by commas: cuda,cpu")
    provider_options: str = option("", "options of the first provider: device_id=0,arena_extend_strategy=...")
    cpu_fallback: bool = option(True, "let the CPU run the nodes that the providers cannot")
    file: str = option("", "a model file instead of the task's: a quantised or converted version of it")
    max_batch: int = option(32, "most samples in one inference; a model with a fixed batch keeps its own", at_least=1)
    intra_threads: int = option(0, "threads within one operator; 0: one per physical core", at_least=0)
    inter_threads: int = option(0, "threads across operators, with execution=parallel; 0: the default", at_least=0)
    execution: Literal["sequential", "parallel"] = option("sequential", "how operators follow each other")
    graph_optimization: Literal["all", "extended", "basic", "none"] = option("all", "how far the graph is rewritten")
    spinning: bool = option(True, "idle threads spin; 'no' leaves the cores to others, at some latency")
    io_binding: bool = option(False, "bind inputs and outputs instead of passing them; can save copies on devices")
    warmup: int = option(3, "untimed inferences of each batch size when opened", at_least=0)


class OnnxRuntime(ModelBackend):
    """A SUT that answers with ONNX Runtime, on the thread that asks."""

    name = "onnxruntime"
    formats = ("onnx",)
    OPTIONS = Options

    def __init__(self, model: ModelSpec | Path | str, **options: Any) -> None:
        self.options = parse_options(Options, self.name, options)
        check_bounds(self.options, self.name)
        options_ = self.options
        super().__init__(model, max_batch=options_.max_batch, warmup=options_.warmup, file=options_.file)
        choose(self.options.provider, self.options.provider_options, _ort())  # refused now, not when the run begins

    def _load(self) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
        ort = _ort()
        providers = choose(self.options.provider, self.options.provider_options, ort)
        self._session = open_session(self.path, self._settings(ort), providers)
        confirm(providers, self._session.get_providers())
        self._session.disable_fallback()  # a failing device must be seen, not replaced
        inputs, outputs = tensors_of(self._session)
        self._output_names = [tensor.name for tensor in outputs]
        self._providers = self._session.get_providers()
        if self.options.io_binding:
            self._binding = self._session.io_binding()
        return inputs, outputs

    def _run(self, batch: Sequence[Array]) -> Sequence[Array]:
        try:
            if self.options.io_binding:
                return self._run_bound(batch)
            outputs: Sequence[Array] = self._session.run(self._output_names, dict(zip(self._names, batch, strict=True)))
        except Exception as error:
            raise self._failed(error, batch) from error
        return outputs

    def _run_bound(self, batch: Sequence[Array]) -> Sequence[Array]:
        binding = self._binding
        for name, array in zip(self._names, batch, strict=True):
            binding.bind_cpu_input(name, array)
        for name in self._output_names:  # again for each run: the batch size may have changed
            binding.bind_output(name)
        self._session.run_with_iobinding(binding)
        outputs: Sequence[Array] = binding.copy_outputs_to_cpu()
        return outputs

    def _release(self) -> None:
        del self._session
        if self.options.io_binding:
            del self._binding

    def _about(self) -> Mapping[str, Any]:
        ort = _ort()
        active = getattr(self, "_providers", None)
        return {
            "runtime": "ONNX Runtime",
            "version": ort.__version__,
            "providers": active or [name for name, _ in choose(self.options.provider, "", ort)],
            "build": ort.get_build_info(),
            "options": asdict(self.options),
        }

    def _settings(self, ort: Any) -> Any:
        wish = self.options
        settings = ort.SessionOptions()
        settings.intra_op_num_threads = wish.intra_threads
        settings.inter_op_num_threads = wish.inter_threads
        settings.execution_mode = getattr(ort.ExecutionMode, f"ORT_{wish.execution.upper()}")
        level = "DISABLE_ALL" if wish.graph_optimization == "none" else f"ENABLE_{wish.graph_optimization.upper()}"
        settings.graph_optimization_level = getattr(ort.GraphOptimizationLevel, f"ORT_{level}")
        settings.log_severity_level = 3
        settings.add_session_config_entry("session.intra_op.allow_spinning", "1" if wish.spinning else "0")
        if not wish.cpu_fallback:
            settings.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        return settings


def model_tensors(path: Path) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """The inputs and outputs that an ONNX file declares."""
    ort = _ort()
    settings = ort.SessionOptions()
    settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    settings.log_severity_level = 3
    return tensors_of(open_session(path, settings, [("CPUExecutionProvider", {})]))


def open_session(path: Path, settings: Any, providers: Sequence[tuple[str, dict[str, str]]]) -> Any:
    try:
        path.open("rb").close()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise MachineProblem(f"cannot read {path}: {reason}", hint="choose a file that you may read") from error
    try:
        return _ort().InferenceSession(str(path), settings, providers=list(providers))
    except Exception as error:
        text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : ", "", str(error).strip().splitlines()[0])
        if "fallback" in text.lower():
            raise UsageError(
                f"{path.name} cannot run on {providers[0][0]} alone ({text})", hint="allow cpu_fallback=yes"
            ) from error
        raise BadFile(
            path, found=f"not a model that ONNX Runtime can load ({text})", expected="an ONNX model file"
        ) from error


def tensors_of(session: Any) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    def spec(tensor: Any) -> TensorSpec:
        shape = tuple(size if isinstance(size, int) and size > 0 else None for size in tensor.shape)
        kind = re.sub(r"tensor\((.*)\)", r"\1", tensor.type)
        return TensorSpec(tensor.name, shape, {"float": "float32", "double": "float64"}.get(kind, kind))

    return tuple(map(spec, session.get_inputs())), tuple(map(spec, session.get_outputs()))


def _ort() -> Any:
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise MissingDependency("onnxruntime", extra="onnx") from error
    return onnxruntime
