"""Several training benchmarks one after the other: what goes wrong with one does not stop the others."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlassay.core.errors import MlassayError
from mlassay.runs.train import TrainResult, train_benchmark
from mlassay.runs.training_request import TrainRequest
from mlassay.runs.training_resume import ShowProgress


@dataclass(frozen=True, slots=True)
class Failed:
    """A benchmark that could not be trained, with the error that said why."""

    benchmark: str
    error: MlassayError


def train_all(
    benchmarks: Sequence[str],
    request: TrainRequest,
    *,
    show: ShowProgress | None = None,
    tell: Callable[[TrainResult | Failed], None] | None = None,
) -> list[TrainResult | Failed]:
    """Train each benchmark as `request` wishes; `tell` hears of each when it ends. An interruption ends them all."""
    results: list[TrainResult | Failed] = []
    for name in benchmarks:
        try:
            one: TrainResult | Failed = train_benchmark(dataclasses.replace(request, benchmark=name), show=show)
        except MlassayError as error:
            one = Failed(name, error)
        results.append(one)
        if tell:
            tell(one)
        if isinstance(one, TrainResult) and one.interrupted:
            break
    return results
