"""TFLite models on LiteRT, the runtime that was called TensorFlow Lite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlassay.backends.model_backend import Array, ModelBackend
from mlassay.backends.options import check_bounds, option, parse_options
from mlassay.backends.tflite_runner import TfLiteRunner, load_delegate, load_interpreter
from mlassay.core.errors import MissingDependency
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
        wish, tflite = self.options, _tflite()
        delegates = [load_delegate(tflite, wish.delegate, wish.delegate_options)] if wish.delegate else []
        interpreter = load_interpreter(
            self.path, tflite, "LiteRT", threads=wish.threads, xnnpack=wish.xnnpack, delegates=delegates
        )
        self._runner = TfLiteRunner(interpreter, self._spec.inputs if self._spec else ())
        return self._runner.inputs, self._runner.outputs

    def _run(self, batch: Sequence[Array]) -> Sequence[Array]:
        try:
            return self._runner.run(dict(zip(self._names, batch, strict=True)))
        except (RuntimeError, ValueError) as error:
            raise self._failed(error, batch) from error

    def _release(self) -> None:
        del self._runner

    def _about(self) -> Mapping[str, Any]:
        from importlib.metadata import version

        return {"runtime": "LiteRT", "version": version("ai-edge-litert"), "options": asdict(self.options)}


def _tflite() -> Any:
    try:
        from ai_edge_litert import interpreter
    except ModuleNotFoundError as error:
        raise MissingDependency("ai-edge-litert", extra="litert") from error
    return interpreter
