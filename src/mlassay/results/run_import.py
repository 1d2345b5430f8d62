"""Our own run folders as rows: the outcome with every bound, the system that ran, every single latency.

Such results are unverified: nobody but us has looked at them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlassay.core.errors import MlassayError
from mlassay.core.outcome import Metric, Outcome, Verdict
from mlassay.core.trace import Trace
from mlassay.records.folder import RUN_JSON, Run, open_run
from mlassay.records.run_json import State
from mlassay.results import oddity
from mlassay.results.labels import framework_label
from mlassay.results.per_query import latencies_of, pack, percentile, timeline
from mlassay.results.rows import (
    READ,
    UNREADABLE,
    AccuracyRow,
    Batch,
    BoundRow,
    ResultRow,
    RunRow,
    SourceRow,
    SystemRow,
    TraceRow,
    as_json,
)
from mlassay.submission.check import clean

_PERCENTILES = {"50": "latency_p50_ns", "90": "latency_p90_ns", "95": "latency_p95_ns", "97": "latency_p97_ns",
                "99": "latency_p99_ns", "99.9": "latency_p999_ns", "min": "latency_min_ns", "mean": "latency_mean_ns",
                "max": "latency_max_ns"}  # fmt: skip


def run_folders(place: Path, *, limit: int = 10_000) -> list[Path]:
    """Run folders at or below a path."""
    if (place / RUN_JSON).is_file():
        return [place]
    found = sorted(p.parent for p in place.glob("*/run.json")) + sorted(p.parent for p in place.glob("*/*/run.json"))
    return found[:limit]


def run_name(run: Run) -> str:
    """A name that stays when the folder is moved: when it began, and a digest of what it is."""
    record = run.record
    what = f"{record.created_unix_ns} {record.pid} {record.settings!r}"
    moment = datetime.fromtimestamp(record.created_unix_ns / 1e9, UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"run {moment} {hashlib.sha256(what.encode()).hexdigest()[:8]}"


def read_run_folder(place: Path, reader: str) -> Batch:
    """One run folder as a batch. Raises BadFile when run.json is none; everything else odd is noted."""
    run = open_run(place)
    record, settings = run.record, run.record.settings
    name = run_name(run)
    batch = Batch(
        SourceRow(
            name=name,
            kind="run",
            suite="inference",
            round=settings.round,
            origin=str(place.resolve()),
            reader=reader,
            signature=_signature(place),
            n_files=len(record.files),
        )
    )
    for changed in run.changed_files():
        batch.note(oddity.METADATA, str(place), changed, "as run.json says")
    batch.systems.append(_system(record.system, record.sut))
    batch.results.append(_result(run, name))
    _accuracy(batch, record.accuracy)
    trace = _trace(run, batch)
    batch.runs.append(_run(run, trace))
    _bounds(batch, run.outcome)
    if trace is not None:
        latencies, unanswered = latencies_of(trace)
        line = json.dumps(timeline(trace), separators=(",", ":"))
        batch.traces.append(
            TraceRow(run_at=0, n=len(latencies), n_unanswered=unanswered, latencies=pack(latencies), timeline=line)
        )
    return batch


def _signature(place: Path) -> str:
    """run.json names every other file with its checksum."""
    return hashlib.sha256((place / RUN_JSON).read_bytes()).hexdigest()


def _system(system: Mapping[str, Any], sut: Mapping[str, Any]) -> SystemRow:
    framework = " ".join(str(sut.get(k, "")) for k in ("runtime", "version")).strip() or str(sut.get("name", ""))
    return SystemRow(
        division="",
        submitter="",
        name=str(system.get("host", "")) or "this machine",
        title=str(system.get("cpu", "")),
        path=RUN_JSON,
        framework=framework,
        operating_system=str(system.get("distribution") or system.get("os", "")),
        host_processor=str(system.get("cpu", "")),
        description=as_json({"system": system, "sut": sut}),
    )


def _result(run: Run, name: str) -> ResultRow:
    record, outcome = run.record, run.outcome
    settings, metric = record.settings, outcome.metric if outcome else None
    sut, providers = record.sut, [str(p) for p in record.sut.get("providers", []) if isinstance(p, str)]
    framework = " ".join(str(sut.get(k, "")) for k in ("runtime", "version")).strip() or str(sut.get("name", ""))
    kind, why = _class_of(providers)
    value, unit = _value(metric)
    met = record.accuracy.get("passed") if record.accuracy else None
    return ResultRow(
        key=name,
        suite="inference",
        round=settings.round,
        division=str(settings.division),
        submitter="",
        system=f"{record.system.get('cpu', '') or 'this machine'}",
        system_at=0,
        benchmark=settings.benchmark or str(record.request.get("task", "")),
        model=str(_of(sut, "model", "name") or record.request.get("profile", "")),
        scenario=settings.scenario.official_name,
        state=READ if metric is not None else UNREADABLE,
        reason=run.incomplete_because if metric is None or not run.complete else "",
        metric=metric.name if metric else "",
        value=value,
        unit=unit,
        higher_is_better=metric.higher_is_better if metric else None,
        quality_met=met if isinstance(met, bool) else None,
        valid=None if outcome is None else outcome.verdict is not Verdict.INVALID,
        verdict=str(outcome.verdict) if outcome else "",
        n_runs=1,
        n_used=1 if metric is not None else 0,
        framework=framework,
        framework_label=framework_label(framework) or str(sut.get("runtime", "")),
        processor_class=kind,
        class_from=why,
        chips_from="not told by the run",
        path=str(run.path.resolve()),
        details=as_json(
            {
                "request": record.request,
                "warnings": outcome.warnings if outcome else (),
                "advice": outcome.advice if outcome else (),
                "limited_by": outcome.overhead.limited_by if outcome else "",
                "limited_because": outcome.overhead.reason if outcome else "",
                "mode": settings.mode,
                "deviations": settings.deviations,
            }
        ),
    )


def _of(data: Mapping[str, Any], *keys: str) -> Any:
    value: Any = data
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _class_of(providers: list[str]) -> tuple[str, str]:
    if not providers:
        return "", "the run does not say what computed"
    first = providers[0]
    if first.startswith(("CUDA", "Tensorrt", "ROCM", "MIGraphX", "Dml", "WebGpu")):
        return "GPU", first
    return ("CPU", first) if first == "CPUExecutionProvider" else ("other", first)


def _value(metric: Metric | None) -> tuple[float | None, str]:
    """Latencies are kept in ms, as in published results."""
    if metric is None or metric.value != metric.value:
        return None, ""
    return (metric.value / 1e6, "ms") if metric.unit == "ns" else (metric.value, metric.unit)


def _trace(run: Run, batch: Batch) -> Trace | None:
    try:
        return run.trace()
    except MlassayError as error:
        batch.note(oddity.LOG, str(run.path / "trace.npz"), clean(error.message), "the columns of the run", result_at=0)
        return None


def _run(run: Run, trace: Trace | None) -> RunRow:
    record, outcome = run.record, run.outcome
    value, unit = _value(outcome.metric if outcome else None)
    began = datetime.fromtimestamp(record.created_unix_ns / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    latencies: dict[str, Any] = {}
    if outcome is not None and outcome.latency_ns:
        latencies = {_PERCENTILES[k]: v for k, v in outcome.latency_ns.items() if k in _PERCENTILES}
    elif trace is not None:
        ordered, _ = latencies_of(trace)
        ordered.sort()
        if len(ordered):
            wanted = {c: float(k) for k, c in _PERCENTILES.items() if k not in ("min", "mean", "max")}
            latencies = {column: percentile(ordered, p) for column, p in wanted.items()}
    return RunRow(
        result_at=0,
        role=str(record.settings.mode),
        name=run.path.name,
        path=str(run.path.resolve()),
        state=READ if outcome is not None else UNREADABLE,
        reason=run.incomplete_because if record.state is not State.COMPLETE else "",
        valid=None if outcome is None else outcome.verdict is not Verdict.INVALID,
        used=outcome is not None,
        value=value,
        unit=unit,
        started_at=began,
        duration_s=outcome.duration_ns / 1e9 if outcome else None,
        n_queries=outcome.n_queries if outcome else trace.n_queries if trace else None,
        n_samples=outcome.n_samples if outcome else trace.n_samples if trace else None,
        **latencies,
        n_errors=len(outcome.faults) if outcome else None,
        n_warnings=len(outcome.warnings) if outcome else None,
        details=as_json(_details(run)),
    )


def _details(run: Run) -> dict[str, Any]:
    record, outcome = run.record, run.outcome
    out: dict[str, Any] = {
        "state": record.state,
        "command": record.command,
        "mlassay": record.mlassay,
        "seeds": {k: str(getattr(record.settings.seeds, k)) for k in ("qsl", "sample_index", "schedule")},
        "settings": str(record.settings.load),
    }
    if outcome is not None:
        lateness = outcome.overhead.lateness
        out["lateness_ns"] = {k: getattr(lateness, k) for k in ("p50", "p90", "p99", "p999", "max")}
        out["early_stopping"] = [e.text for e in outcome.early_stopping]
        out["faults"] = [f"{f.kind}: {f.detail}" for f in outcome.faults]
    return out


def _bounds(batch: Batch, outcome: Outcome | None) -> None:
    for position, check in enumerate(outcome.checks if outcome else ()):
        batch.bounds.append(
            BoundRow(
                run_at=0,
                position=position,
                name=check.id,
                ok=check.ok,
                value=float(check.value),
                bound=float(check.bound),
                unit=check.unit,
                text=check.text,
                clause=check.clause,
                hint=check.hint,
            )
        )


def _accuracy(batch: Batch, accuracy: Mapping[str, Any] | None) -> None:
    """The accuracy part of run.json: one metric with its target and verdict."""
    if not accuracy or not isinstance(accuracy.get("metric"), str):
        return
    value, target, passed = (accuracy.get(k) for k in ("value", "target", "passed"))
    batch.accuracies.append(
        AccuracyRow(
            result_at=0,
            metric=accuracy["metric"],
            value=_number(value),
            minimum=_number(target),
            met=passed if isinstance(passed, bool) else None,
        )
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
