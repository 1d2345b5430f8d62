"""What stands beside a result in lists and plots: its accuracy, and the latencies of the run that it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlassay.results import schema as tables
from mlassay.results.schema import sa


@dataclass(frozen=True, slots=True)
class Extras:
    """None where the logs do not say."""

    accuracy: float | None = None
    accuracy_metric: str = ""
    p50_ns: int | None = None
    p90_ns: int | None = None
    p99_ns: int | None = None
    duration_s: float | None = None


NONE = Extras()


def extras_of(connection: sa.Connection, result_ids: Sequence[int]) -> dict[int, Extras]:
    """Extras by result id; a result without any has empty ones. The run is the first that counts."""
    accuracies: dict[int, tuple[str, float]] = {}
    runs: dict[int, tuple[int | None, int | None, int | None, float | None]] = {}
    a, r = tables.accuracy.c, tables.run.c
    for at in range(0, len(result_ids), 500):
        some = list(result_ids[at : at + 500])
        query = sa.select(a.result_id, a.metric, a.value).where(a.result_id.in_(some), a.value.is_not(None))
        for result_id, metric, value in connection.execute(query.order_by(a.metric)).all():
            accuracies.setdefault(result_id, (metric, value))
        query = sa.select(r.result_id, r.latency_p50_ns, r.latency_p90_ns, r.latency_p99_ns, r.duration_s)
        counted = query.where(r.result_id.in_(some), r.role != "accuracy", r.used.is_not(False)).order_by(r.position)
        for result_id, *numbers in connection.execute(counted).all():
            runs.setdefault(result_id, tuple(numbers))  # type: ignore[arg-type]
    out = {}
    for id in result_ids:
        metric, value = accuracies.get(id, ("", None))
        out[id] = Extras(value, metric, *runs.get(id, (None, None, None, None)))
    return out
