"""What a task feeds its model for real samples, and what the model answers: to check and calibrate other forms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.backends.model_backend import ModelBackend
from mlassay.backends.onnxruntime import OnnxRuntime
from mlassay.core.errors import UsageError
from mlassay.core.model import TensorSpec
from mlassay.tasks.task import OpenTask

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Feed:
    """One inference as the task asked for it."""

    inputs: tuple[Array, ...]  # in the order of `Feeds.inputs`
    outputs: tuple[Array, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feeds:
    """Inferences of some samples by the task's ONNX file on ONNX Runtime."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    feeds: tuple[Feed, ...]
    samples: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How far another form of the model is from the source: over all outputs of all feeds."""

    maximum: float
    scale: float  # the largest magnitude of the source's outputs
    feeds: int


class _Recording(OnnxRuntime):
    """ONNX Runtime, remembering what goes in and out."""

    def _run(self, batch: Sequence[Array]) -> Sequence[Array]:
        outputs = super()._run(batch)
        if self.recorded is not None:
            self.recorded.append(Feed(tuple(np.array(a) for a in batch), tuple(np.array(a) for a in outputs)))
        return outputs

    recorded: list[Feed] | None = None


def record_feeds(task: OpenTask, samples: Sequence[int], *, batch: int = 1) -> Feeds:
    """Run the task's own model on these samples, `batch` at a time."""
    if task.model.generation is not None:
        raise UsageError(
            f"{task.model.name} writes token after token: only models of one pass are converted and quantised here",
            hint="use the tools of its maker, and give the file with --model",
        )
    backend = _Recording(task.model, warmup=0, max_batch=batch)
    backend.ensure_loaded()
    backend.recorded = []
    task.library.load(samples)
    try:
        for begin in range(0, len(samples), batch):
            backend.predict(task.library.get(samples[begin : begin + batch]))
    finally:
        task.library.unload(samples)
    feeds = Feeds(inputs=backend.inputs, outputs=backend.outputs, feeds=tuple(backend.recorded), samples=tuple(samples))
    backend.close()
    return feeds


def compare(backend: ModelBackend, feeds: Feeds) -> Difference:
    """Give the same inputs to another backend. A model that ends in whole numbers counts their difference, too."""
    backend.ensure_loaded()
    worst = scale = 0.0
    for feed in feeds.feeds:
        found = backend.infer(feed.inputs)
        for ours, theirs in zip(feed.outputs, found, strict=True):
            if ours.size == 0:
                continue
            worst = max(worst, float(np.abs(ours.astype(np.float64) - np.asarray(theirs, np.float64)).max()))
            scale = max(scale, float(np.abs(ours.astype(np.float64)).max()))
    return Difference(maximum=worst, scale=scale, feeds=len(feeds.feeds))


def spread(total: int, n: int) -> list[int]:
    """n sample indices, evenly spread over a data set."""
    n = min(n, total)
    return [i * total // n for i in range(n)]
