"""The small profile of a task, opened, run by ONNX Runtime and scored: for the tests of single tasks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest

from mlassay.backends import backend_registry
from mlassay.tasks import task_registry
from mlassay.tasks.task import AccuracyResult, OpenTask, TaskRequest


@cache
def opened_small(name: str) -> OpenTask:
    """Every sample is loaded."""
    opened: OpenTask = task_registry.load(name).open(TaskRequest())
    opened.library.load(range(opened.library.total_count))
    return opened


@cache
def small_answers(name: str) -> list[Any]:
    """The packed model's answers to every packed sample, by ONNX Runtime."""
    pytest.importorskip("onnxruntime")
    opened = opened_small(name)
    return predicted(opened, range(opened.library.total_count))


def predicted(opened: OpenTask, indices: Sequence[int], backend: str = "onnxruntime", **options: Any) -> list[Any]:
    """Answers to loaded samples, in batches of 32 at most."""
    sut = backend_registry.load(backend)(opened.model, warmup=0, **options)
    sut.open(None, opened.library)
    found: list[Any] = []
    for begin in range(0, len(indices), 32):
        found += list(sut.predict(opened.library.get(indices[begin : begin + 32])))
    sut.close()
    return found


def scored(opened: OpenTask, found: Sequence[Any]) -> AccuracyResult:
    """Answer i belongs to sample i."""
    return opened.score((i, opened.encoded(i, answer)) for i, answer in enumerate(found))
