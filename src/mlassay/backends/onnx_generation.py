"""Decoder-only language models on ONNX Runtime, token by token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mlassay.backends.decoder import DecoderBackend
from mlassay.backends.onnx_providers import choose, confirm
from mlassay.backends.onnxruntime import open_session, tensors_of
from mlassay.backends.options import option
from mlassay.core.errors import MissingDependency
from mlassay.core.model import ModelSpec, TensorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the model is to be run."""

    provider: str = option("cpu", "execution providers in order of preference, by commas: cuda,cpu")
    provider_options: str = option("", "options of the first provider: device_id=0")
    max_batch: int = option(8, "most prompts that step together", at_least=1)
    max_new_tokens: int = option(0, "tokens after which an answer is cut; 0: as the task says", at_least=0)
    intra_threads: int = option(0, "threads within one operator; 0: one per physical core", at_least=0)
    spinning: bool = option(True, "idle threads spin; 'no' leaves the cores to others, at some latency")


class OnnxGeneration(DecoderBackend):
    """A SUT that generates with ONNX Runtime."""

    name = "onnx-generation"
    runtime = "ONNX Runtime"
    OPTIONS = Options

    def __init__(self, model: ModelSpec | Path | str, **options: Any) -> None:
        super().__init__(model, **options)
        self._providers = choose(self.options.provider, self.options.provider_options, _ort())

    def _ready(self, path: Path) -> tuple[Any, Sequence[TensorSpec], Sequence[TensorSpec]]:
        settings = _ort().SessionOptions()
        settings.intra_op_num_threads = self.options.intra_threads
        settings.log_severity_level = 3
        spinning = "1" if self.options.spinning else "0"
        settings.add_session_config_entry("session.intra_op.allow_spinning", spinning)
        session = open_session(path, settings, self._providers)
        confirm(self._providers, session.get_providers())
        session.disable_fallback()  # a failing device must be seen, not replaced
        return session, *tensors_of(session)

    def _pass(self, model: Any, given: Mapping[str, NDArray[Any]], wanted: Sequence[str]) -> Sequence[NDArray[Any]]:
        found: Sequence[NDArray[Any]] = model.run(list(wanted), dict(given))
        return found

    def _about(self) -> Mapping[str, Any]:
        return {"version": _ort().__version__, "providers": [name for name, _ in self._providers]}


def _ort() -> Any:
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise MissingDependency("onnxruntime", extra="onnx") from error
    return onnxruntime
