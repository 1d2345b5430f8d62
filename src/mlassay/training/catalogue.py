"""Training benchmarks by name; a recipe is imported when asked for, its torch half when it is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import ParamSpec, TypeVar

from mlassay.core.errors import MissingDependency
from mlassay.core.registry import Entry, registry
from mlassay.training.benchmark import Recipe

P = ParamSpec("P")
R = TypeVar("R")


def _entry(name: str, summary: str, target: str = "") -> Entry:
    return Entry(
        name, f"mlassay.training.{target or name + '.recipe:recipe'}", summary, extra="training", module="torch"
    )


BENCHMARKS = registry(
    "training benchmark",
    "mlassay.training",
    _entry("bert", "language: BERT-large"),
    _entry("dlrm", "recommendation: DLRM", "dlrm.recipe:dlrm"),
    _entry("dlrm_dcnv2", "recommendation: DLRM-DCNv2", "dlrm.recipe:dlrm_dcnv2"),
    _entry("gnmt", "translation: GNMT", "translation.recipe:gnmt"),
    _entry("gpt3", "language model: GPT-3 175B", "llm.recipe:gpt3"),
    _entry("llama2_70b_lora", "language model: Llama-2-70B fine-tuned by LoRA", "lora.recipe:recipe"),
    _entry("llama31_405b", "language model: Llama-3.1-405B", "llm.recipe:llama31_405b"),
    _entry("llama31_8b", "language model: Llama-3.1-8B", "llm.recipe:llama31_8b"),
    _entry("maskrcnn", "object detection: Mask R-CNN"),
    _entry("minigo", "reinforcement learning: Go by self-play"),
    _entry("ncf", "recommendation: NeuMF"),
    _entry("resnet", "image classification: ResNet-50 v1.5"),
    _entry("rnnt", "speech recognition: RNN-T"),
    _entry("ssd", "object detection: SSD-ResNet-34"),
    _entry("transformer", "translation: Transformer-big", "translation.recipe:transformer"),
    _entry("unet3d", "medical segmentation: 3D U-Net"),
)


def recipe(name: str) -> Recipe:
    """Raises UnknownName with the nearest names. What needs torch says so where it is not installed."""
    made: Recipe = BENCHMARKS.load(name)()
    return replace(
        made,
        make=_with_torch(name, made.make),
        verify=None if made.verify is None else _with_torch(name, made.verify),
        prepare=None if made.prepare is None else _with_torch(name, made.prepare),
    )


def _with_torch(name: str, call: Callable[P, R]) -> Callable[P, R]:
    @wraps(call)
    def asking(*args: P.args, **named: P.kwargs) -> R:
        try:
            return call(*args, **named)
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            raise MissingDependency("torch", extra="training", why=f"{name} needs it") from error

    return asking
