"""The runs behind an inference result as rows, with what was odd about their logs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlassay.results import oddity
from mlassay.results.rows import ABSENT, READ, UNREADABLE, Batch, RunRow, as_json
from mlassay.submission.check import clean
from mlassay.submission.metric import read_metric
from mlassay.submission.model import ResultFolder, Run
from mlassay.submission.runlog import RunLog

_LATENCIES = {
    "latency_min_ns": "result_min_latency_ns",
    "latency_mean_ns": "result_mean_latency_ns",
    "latency_p50_ns": "result_50.00_percentile_latency_ns",
    "latency_p90_ns": "result_90.00_percentile_latency_ns",
    "latency_p95_ns": "result_95.00_percentile_latency_ns",
    "latency_p97_ns": "result_97.00_percentile_latency_ns",
    "latency_p99_ns": "result_99.00_percentile_latency_ns",
    "latency_p999_ns": "result_99.90_percentile_latency_ns",
    "latency_max_ns": "result_max_latency_ns",
}


def run_rows(result: ResultFolder, at: int, batch: Batch) -> Iterator[RunRow]:
    """Performance runs in their order, then the accuracy run; oddities are noted in the batch."""
    performance = result.performance_runs
    metrics = [read_metric(result, run) for run in performance]
    known = [m.value for m in metrics if m.value is not None]
    counted = _counted(known, metrics[0].unit if metrics else "")
    for number, (run, metric) in enumerate(zip(performance, metrics, strict=True)):
        used = counted is not None and metric.value == counted
        counted = None if used else counted
        why = "" if used else "another run is slower, and the slowest counts" if known else ""
        yield _run(batch, run, at, number, value=metric.value, unit=metric.unit, used=used, why=why)
    if result.accuracy_run is not None:
        yield _run(batch, result.accuracy_run, at, len(performance))


def _counted(values: list[float], unit: str) -> float | None:
    """Of several runs the slowest is the result (v0.5 and v0.7: five Server runs)."""
    if not values:
        return None
    return max(values) if unit == "ms" else min(values)


def _run(
    batch: Batch,
    run: Run,
    at: int,
    number: int,
    *,
    value: float | None = None,
    unit: str = "",
    used: bool | None = None,
    why: str = "",
) -> RunRow:
    log = run.log
    _log_oddities(batch, run, at)
    absent = "; ".join(f"{name}: {reason}" for name, reason in log.absent.items())
    duration = log.duration_ms
    return RunRow(
        result_at=at,
        role=run.role,
        name=run.path.rpartition("/")[2],
        position=number,
        path=run.path,
        state=READ if log.readable else ABSENT if _only_absent(log.absent) else UNREADABLE,
        reason="" if log.readable else absent,
        valid=log.valid,
        used=used,
        why_not_used=why,
        value=value,
        unit=unit,
        started_at=str(log.get("test_datetime") or ""),
        duration_s=None if duration is None else duration / 1000,
        n_queries=_bounded(log.queries),
        n_samples=_bounded(_samples(log.queries, log.integer("effective_samples_per_query"))),
        **_latencies(log),
        n_errors=len(log.errors),
        n_warnings=log.n_warnings,
        details=as_json(_settings(log.values or log.summary, absent)),
    )


def _log_oddities(batch: Batch, run: Run, at: int) -> None:
    log, note = run.log, batch.note
    for name, reason in log.absent.items():
        note(oddity.LOG, run.file(name), reason, "the load generator's log", result_at=at)
    for odd in log.oddities:
        note(oddity.TEXT, odd.path, odd.found, "plain UTF-8 text", result_at=at)
    for odd in log.broken:
        note(oddity.LINE, odd.path, clean(odd.found), "a line of the load generator's log", result_at=at)
    if log.errors:
        first = clean(log.errors[0], 200)
        note(oddity.LOGGED_ERRORS, run.where, f"{len(log.errors)} ERROR lines: {first}", "none", result_at=at)
    if not log.readable and not log.absent:
        note(oddity.LOG, run.path, "no log", "the load generator's log", result_at=at)


def _latencies(log: RunLog) -> dict[str, Any]:
    return {column: _bounded(_whole(log.number(key))) for column, key in _LATENCIES.items()}


def _only_absent(absent: Mapping[str, str]) -> bool:
    return all(reason in ("absent", "content is not here", "no such file") for reason in absent.values())


def _samples(queries: int | None, per_query: int | None) -> int | None:
    return None if queries is None else queries * (per_query or 1)


def _whole(value: float | None) -> int | None:
    return None if value is None or value != value or abs(value) == float("inf") else round(value)


def _bounded(value: int | None) -> int | None:
    """A count that both databases can hold."""
    return value if value is not None and abs(value) < 2**63 else None


_SHOWN = ("effective_", "qsl_reported", "sut_name", "result_", "loadgen_version", "early_stopping", "generated_")


def _settings(values: Mapping[str, Any], absent: str) -> dict[str, Any]:
    """Settings and results as logged; seeds as text, because JSON readers round 64-bit numbers."""
    kept = {k: v for k, v in values.items() if k in _FACTS or (k.startswith(_SHOWN) and not k.startswith("result_"))}
    out = {k: str(v) if isinstance(v, int) and abs(v) > 2**53 else v for k, v in kept.items()}
    return {**out, "absent": absent} if absent else out


_FACTS = (
    "result_validity",
    "result_min_duration_met",
    "result_min_queries_met",
    "result_perf_constraints_met",
    "result_scheduled_samples_per_sec",
    "result_completed_samples_per_sec",
    "result_samples_per_second",
)
