"""The highest valid load of a SUT, found by short probes that give up early, and confirmed by a long run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mlassay.core.enums import Mode
from mlassay.core.errors import BadFile, UsageError
from mlassay.core.outcome import Outcome
from mlassay.core.settings import IntervalMultiStream, Seeds, Server, Settings
from mlassay.core.sut import SUT
from mlassay.core.units import NS_PER_S
from mlassay.loadgen.drive import drive
from mlassay.loadgen.find_peak import Probe, find_peak
from mlassay.loadgen.judge import judge
from mlassay.loadgen.plan import plan
from mlassay.loadgen.supervise import Progress, Watch
from mlassay.records.atomic import atomic_write
from mlassay.runs.carry_out import PeakResult, RunPart, RunResults, Shown, carry_out, new_folder
from mlassay.runs.prepare import Prepared, prepare, probe_offline_rate
from mlassay.runs.request import RunRequest
from mlassay.tasks.task import OpenTask

PROBE_NS = 2 * NS_PER_S
PROBE_QUERIES = 300
PROBE_INTERVALS = 40
"""A probe lasts this long and this many queries (fixed intervals: so many of them) at least."""

HOPELESS = 5
"""A probe whose recent p50 is this many times the bound is not waited for."""

STATE = "find-peak.json"


@dataclass(frozen=True, slots=True)
class _Kind:
    """What is varied: the rate of a Server, or the streams of an interval MultiStream."""

    streams: bool
    bound_ns: int
    at: Callable[[Settings, float], Settings]


def run_find_peak(
    request: RunRequest, shown: Shown, *, task: OpenTask | None = None, sut: SUT | None = None
) -> RunResults:
    """Search, confirm, record. With `--out` of an interrupted search its probes are not run again.

    `task` and `sut` that are handed in stay open.
    """
    start = request.wishes.target_qps
    wishes = replace(request.wishes, mode=Mode.PERFORMANCE, target_qps=start or 1.0)
    prepared = prepare(replace(request, wishes=wishes), task=task, sut=sut)
    kind = _kind_of(prepared.settings)
    path = request.out or new_folder(request)
    path.mkdir(parents=True, exist_ok=True)
    known = read_state(path / STATE)
    parts: list[RunPart] = []
    try:
        if start is None:
            start = 1.0 if kind.streams else max(1.0, 0.25 * probe_offline_rate(prepared.task, prepared.sut)[0])
        probes: list[Probe] = []

        def noted(probe: Probe) -> None:
            probes.append(probe)
            write_state(path / STATE, [*known, *(p for p in probes if p not in known)])

        def confirm(load: float, seed: int) -> Probe:
            settings = _seeded(kind.at(prepared.settings, load), seed)
            part = carry_out(prepared, settings, _free(path, len(parts) + 1), shown)
            parts.append(part)
            return _probe_of(part.outcome, kind, load, seed)

        found = find_peak(
            lambda load, seed: _try(prepared, kind, load, seed, shown), confirm,
            start=start, integer=kind.streams, known=known, noted=noted,
        )  # fmt: skip
    finally:
        if sut is None:
            prepared.sut.close()
    peak = PeakResult(found=found, streams=kind.streams)
    return RunResults(path=path, parts=tuple(parts[-1:]), peak=peak, warnings=prepared.warnings)


def _free(path: Path, number: int) -> Path:
    """The next confirm-N that no earlier search of this folder has used."""
    while (path / f"confirm-{number}").exists():
        number += 1
    return path / f"confirm-{number}"


def _kind_of(settings: Settings) -> _Kind:
    load = settings.load
    if isinstance(load, Server):
        bound_ns = load.tokens.ttft_ns if load.tokens is not None else load.latency_bound_ns
        return _Kind(False, bound_ns, lambda s, rate: replace(s, load=replace(load, target_qps=rate)))
    if isinstance(load, IntervalMultiStream):
        return _Kind(True, load.interval_ns, lambda s, n: replace(s, load=replace(load, samples_per_query=int(n))))
    raise UsageError(
        f"find-peak searches a rate (server, interactive) or streams (multi-stream before v2.0),"
        f" not {settings.scenario.value}",
        hint="the other scenarios measure their figure directly: leave --mode out",
    )


def _seeded(settings: Settings, seed: int) -> Settings:
    """A fresh schedule each time, so that a lucky arrangement of arrivals does not decide."""
    return replace(settings, seeds=Seeds(**{**asdict(settings.seeds), "schedule": settings.seeds.schedule + seed}))


def _try(prepared: Prepared, kind: _Kind, load: float, seed: int, shown: Shown) -> Probe:
    """One short probe."""
    shown.phase(f"probing {load:,.4g} {'streams' if kind.streams else 'queries/s'}")
    queries = PROBE_INTERVALS if kind.streams else PROBE_QUERIES
    settings = replace(
        _seeded(kind.at(prepared.settings, load), seed),
        min_duration_ns=min(PROBE_NS, prepared.settings.min_duration_ns or PROBE_NS),
        min_query_count=min(queries, prepared.settings.min_query_count or queries),
        early_stopping=False,
        max_duration_ns=max(20 * NS_PER_S, 4 * PROBE_NS),
    )

    def hopeless(progress: Progress) -> str | None:
        late = progress.p50_ns > HOPELESS * kind.bound_ns
        return "abandoned: latency far over its bound" if late else None

    library = prepared.task.library
    plans = plan(settings, library.total_count, library.performance_count)
    recording = drive(
        settings, plans, prepared.sut, library,
        watch=Watch(progress=shown, stop=hopeless, period_s=0.1), close=False,
    )  # fmt: skip
    return _probe_of(judge(recording, settings), kind, load, seed)


def _probe_of(outcome: Outcome, kind: _Kind, load: float, seed: int) -> Probe:
    """Passed when nothing but length is wrong; the pressure is the worst bound's value over its limit."""
    failed = [c for c in outcome.failed if not c.about_length]
    bounds = [c for c in outcome.checks if c.id in ("latency", "ttft", "tpot", "skipped-intervals") and c.bound]
    cut_short = any(c.id in ("complete", "all-answered") or c.id.startswith("sut-") for c in failed)
    pressure = float("inf") if cut_short or not bounds else max(c.value / c.bound for c in bounds)
    first = next((c for c in failed if c.id in ("latency", "ttft", "tpot", "skipped-intervals")), None)
    reason = (first or failed[0]).text if failed else ""
    return Probe(load, not failed, pressure, reason, seed, outcome.n_queries)


# ---- state of a search that may be interrupted --------------------------------------------------------------------


def write_state(path: Path, probes: list[Probe]) -> None:
    """All probes so far, atomically."""
    rows = [{**asdict(p), "pressure": None if p.pressure == float("inf") else p.pressure} for p in probes]
    atomic_write(path, json.dumps({"schema": "mlassay-find-peak/1", "probes": rows}, indent=1) + "\n")


def read_state(path: Path) -> list[Probe]:
    """Probes of an earlier search; none where there is no file. Raises BadFile for anything else."""
    if not path.exists():
        return []
    try:
        rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["probes"]
        return [Probe(**{**r, "pressure": float("inf") if r["pressure"] is None else r["pressure"]}) for r in rows]
    except (ValueError, KeyError, TypeError) as error:
        raise BadFile(
            path, found=f"not a record of a search ({error})", expected="what an interrupted find-peak left",
            hint="choose another --out",
        ) from error  # fmt: skip
