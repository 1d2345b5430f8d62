"""Decoder-only language models on PyTorch, token by token; the ONNX file is rebuilt as a PyTorch module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.backends.decoder import DecoderBackend
from mlassay.backends.options import option
from mlassay.backends.torch import device_named, torch_module
from mlassay.core.model import ModelSpec, TensorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the model is to be run."""

    device: str = option("cpu", "PyTorch's device: cpu, cuda, cuda:1, mps, xpu, ...")
    max_batch: int = option(8, "most prompts that step together", at_least=1)
    max_new_tokens: int = option(0, "tokens after which an answer is cut; 0: as the task says", at_least=0)
    threads: int = option(0, "processor threads within one operator; 0: PyTorch's choice", at_least=0)


class TorchGeneration(DecoderBackend):
    """A SUT that generates with PyTorch."""

    name = "torch-generation"
    runtime = "PyTorch"
    OPTIONS = Options

    def __init__(self, model: ModelSpec | Path | str, **options: Any) -> None:
        super().__init__(model, **options)
        self._device = device_named(self.options.device)

    def _ready(self, path: Path) -> tuple[Any, Sequence[TensorSpec], Sequence[TensorSpec]]:
        from mlassay.backends.onnx_torch import module_of

        if self.options.threads:
            torch_module().set_num_threads(self.options.threads)
        module, graph = module_of(path)
        return module.to(self._device), graph.inputs, graph.outputs

    def _pass(self, model: Any, given: Mapping[str, NDArray[Any]], wanted: Sequence[str]) -> Sequence[NDArray[Any]]:
        torch = torch_module()
        with torch.inference_mode():
            fed = [torch.from_numpy(np.ascontiguousarray(given[name])).to(self._device) for name in model.inputs]
            found = dict(zip(model.outputs, model(*fed), strict=True))
        return [found[name].cpu().numpy() for name in wanted]

    def _about(self) -> Mapping[str, Any]:
        return {"version": torch_module().__version__, "device": self.options.device}
