"""Is a training benchmark one that the timed loop can rely on? Run this over your own, as our tests do over ours."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from mlassay.training.benchmark import Benchmark, Schedule


def check_benchmark(make: Callable[[], Benchmark], scratch: Path, n_steps: int = 3) -> None:
    """Raises AssertionError naming the broken promise.

    `make` gives a fresh benchmark each time, with the same seed. Promises: the same seed gives the same losses; a step
    changes the model; every target is measured, as a finite number; evaluation leaves no trace in training; a
    checkpoint continues as if nothing had happened.
    """
    first, second = make(), make()
    schedules = [_ready(b) for b in (first, second)]
    assert schedules[0] == schedules[1], "the same seed gave two schedules"
    losses = [first.step().loss for _ in range(n_steps)]
    assert all(math.isfinite(x) for x in losses), f"losses are {losses}; expected finite numbers"
    assert len(set(losses)) > 1, f"{n_steps} steps all had the loss {losses[0]}: nothing is learned"
    again = [second.step().loss for _ in range(n_steps)]
    assert _close(losses, again), f"the same seed gave the losses {losses} and {again}"
    quality = first.evaluate()
    for target in first.spec.targets:
        found = quality.get(target.metric)
        assert isinstance(found, int | float), f"evaluation gave {found!r} for {target.metric}; expected a number"
        assert math.isfinite(found), f"{target.metric} is {found}"
    second.save(scratch / "checkpoint")
    after_evaluation, without = first.step().loss, second.step().loss
    assert _close([after_evaluation], [without]), (
        f"the step after an evaluation had the loss {after_evaluation}, without evaluation {without}"
    )
    third = make()
    _ready(third)
    third.restore(scratch / "checkpoint")
    restored = third.step().loss
    assert _close([restored], [without]), f"after a checkpoint the loss is {restored}; without, {without}"


def _ready(benchmark: Benchmark) -> Schedule:
    benchmark.build()
    return benchmark.load()


def _close(a: list[float], b: list[float]) -> bool:
    return all(math.isclose(x, y, rel_tol=1e-4, abs_tol=1e-6) for x, y in zip(a, b, strict=True))
