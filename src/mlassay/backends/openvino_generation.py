"""Decoder-only language models on OpenVINO, token by token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.backends.decoder import DecoderBackend
from mlassay.backends.openvino import compile_for, read_model, tensors, version
from mlassay.backends.options import option
from mlassay.core.model import ModelSpec, TensorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the model is to be run."""

    device: str = option("CPU", "OpenVINO's device: CPU, GPU, GPU.1, NPU, ...")
    max_batch: int = option(8, "most prompts that step together", at_least=1)
    max_new_tokens: int = option(0, "tokens after which an answer is cut; 0: as the task says", at_least=0)
    threads: int = option(0, "processor threads; 0: OpenVINO's choice", at_least=0)


class OpenVinoGeneration(DecoderBackend):
    """A SUT that generates with OpenVINO, in 32-bit floats."""

    name = "openvino-generation"
    runtime = "OpenVINO"
    OPTIONS = Options

    def __init__(self, model: ModelSpec | Path | str, **options: Any) -> None:
        super().__init__(model, **options)
        self._version = version()

    def _ready(self, path: Path) -> tuple[Any, Sequence[TensorSpec], Sequence[TensorSpec]]:
        model = read_model(path)
        settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        if self.options.threads:
            settings["INFERENCE_NUM_THREADS"] = self.options.threads
        request = compile_for(self.options.device, model, settings, path.name).create_infer_request()
        return request, *tensors(model)

    def _pass(self, model: Any, given: Mapping[str, NDArray[Any]], wanted: Sequence[str]) -> Sequence[NDArray[Any]]:
        model.infer({name: np.ascontiguousarray(array) for name, array in given.items()}, share_inputs=True)
        return [model.get_tensor(name).data.copy() for name in wanted]

    def _about(self) -> Mapping[str, Any]:
        return {"version": self._version, "device": self.options.device}
