"""Does a task keep the contract of `mlassay.tasks.task`? The conformance test that any package can import."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlassay.core.errors import MlassayError
from mlassay.tasks.task import AccuracyResult, OpenTask, Task, TaskRequest


class TaskContractBroken(MlassayError):
    """What the task did and what it should have done."""


def check_task(task: Task, request: TaskRequest | None = None, *, samples: int = 16) -> AccuracyResult:
    """Hold a task against its contract; raises TaskContractBroken at the first breach.

    Opened twice it gives the same samples; the truth scores best and passes; the same answers in another order score
    the same; answers swapped between samples score worse and fail; a missing answer keeps the result from passing.
    Returns the score of the truth.
    """
    if not task.profiles or task.profiles[0].needs:
        raise TaskContractBroken(f"{task.name}: the first profile must run with nothing to bring")
    request = request or TaskRequest()
    opened = task.open(request)
    _check_records(opened)
    _check_library(opened, task.open(request), samples)
    return _check_scores(opened)


def _check_records(opened: OpenTask) -> None:
    for what, value in (("data", opened.data), ("model.about", opened.model.about)):
        try:
            json.dumps(dict(value))
        except TypeError as error:
            raise TaskContractBroken(f"{opened.name}: {what} is not JSON: {error}") from error
    if not opened.profile.benchmarks:
        raise TaskContractBroken(
            f"{opened.name}: the profile {opened.profile.name} names no benchmark of the rule book"
        )


def _check_library(opened: OpenTask, again: OpenTask, samples: int) -> None:
    library, other = opened.library, again.library
    if not 1 <= library.performance_count <= library.total_count:
        raise TaskContractBroken(
            f"{library.name}: performance_count is {library.performance_count};"
            f" expected 1 to total_count, {library.total_count}"
        )
    some = random.Random(0).sample(range(library.total_count), min(samples, library.total_count))
    library.load(some)
    other.load(some[::-1])
    try:
        together = library.get(some)
        if len(together) != len(some):
            raise TaskContractBroken(f"{library.name}: get of {len(some)} samples gave {len(together)}")
        for position, index in enumerate(some):
            if not _same(together[position], library.get([index])[0]):
                raise TaskContractBroken(f"{library.name}: sample {index} alone differs from itself in a batch")
            if not _same(together[position], other.get([index])[0]):
                raise TaskContractBroken(f"{library.name}: sample {index} differs when the task is opened again")
    finally:
        library.unload(some)
        other.unload(some)
    try:
        library.get(some[:1])
    except Exception:  # noqa: BLE001 - any complaint will do
        return
    raise TaskContractBroken(f"{library.name}: gave sample {some[0]} after it was unloaded")


def _check_scores(opened: OpenTask) -> AccuracyResult:
    n = opened.library.total_count
    truth = [opened.encoded(i, opened.truth(i)) for i in range(n)]
    best = opened.score((i, data) for i, data in enumerate(truth))
    if best.n != n or best.expected_n != n or best.problems:
        raise TaskContractBroken(f"{opened.name}: {n} true answers were scored as {best.n} of {best.expected_n}")
    if opened.target is not None and best.passed is not True:
        raise TaskContractBroken(
            f"{opened.name}: the truth scores {best.value:g} {best.unit} and fails its target {opened.target.value:g}"
        )
    order = random.Random(1).sample(range(n), n)
    if opened.score((i, truth[i]) for i in order).value != best.value:
        raise TaskContractBroken(f"{opened.name}: the score depends on the order of the answers")
    swapped = opened.score((i, opened.encoded(i, opened.truth(j))) for i, j in zip(range(n), order, strict=True))
    if not _worse(opened, swapped, best) or swapped.passed is True:
        raise TaskContractBroken(
            f"{opened.name}: answers swapped between samples score {swapped.value:g}, the truth {best.value:g}"
        )
    if n > 1 and opened.score((i, truth[i]) for i in range(n - 1)).passed is True:
        raise TaskContractBroken(f"{opened.name}: a run with a missing answer passes")
    return best


def _worse(opened: OpenTask, swapped: AccuracyResult, best: AccuracyResult) -> bool:
    if opened.target is not None and not opened.target.higher_is_better:
        return swapped.value > best.value
    return swapped.value < best.value


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, Mapping):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(map(_same, a, b))
    return bool(np.array_equal(a, b))
