"""Runs in progress, read from their folders while they are written: rate, percentiles so far, where it is heading.

What is said of a run before its end is a projection, never a verdict. Latencies are counted in a histogram of fixed
size, so that a long run costs no more than a short one.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mlassay.core.errors import MlassayError
from mlassay.core.settings import IntervalMultiStream, MultiStream, Offline, Server, Settings, SingleStream
from mlassay.core.trace import NOT_YET
from mlassay.records.folder import RUN_JSON, SPOOL, TRACE_FILE, Run, open_run
from mlassay.records.run_json import State
from mlassay.records.spool import SpoolFollower
from mlassay.records.system import is_running
from mlassay.results.per_query import Int64

N_BINS = 2_000
LOWEST_NS, HIGHEST_NS = 100, 1_000_000_000_000
MAX_RUNS = 20
MAX_FOLDERS = 500
RECENT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One thing that the run must reach or keep: `ok` is None while it cannot be told yet."""

    name: str  # "latency", "duration", "queries", "samples"
    now: float
    bound: float
    unit: str
    ok: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRun:
    """A run as it stands. Latencies in ns, to within 1.2 %; None before the first answers."""

    name: str
    task: str
    scenario: str
    mode: str
    round: str
    elapsed_s: float
    min_duration_s: float
    n_queries: int
    n_samples: int
    samples_per_s: float | None
    recent_per_s: float | None
    p50_ns: int | None
    p90_ns: int | None
    p99_ns: int | None
    judged_percentile: float | None
    judged_ns: int | None
    lateness_p99_ns: int | None
    wanted: tuple[Wanted, ...]
    projection: str  # "failing", "on course", "short", "waiting"


@dataclass(slots=True)
class _Counted:
    """A histogram on a logarithmic scale."""

    counts: Int64 = field(default_factory=lambda: np.zeros(N_BINS, np.int64))

    def add(self, values_ns: Int64) -> None:
        span = math.log(HIGHEST_NS / LOWEST_NS)
        clipped = np.clip(values_ns, LOWEST_NS, HIGHEST_NS)
        bins = np.minimum((np.log(clipped / LOWEST_NS) / span * N_BINS).astype(np.int64), N_BINS - 1)
        self.counts += np.bincount(bins, minlength=N_BINS)

    def percentile(self, p: float) -> int | None:
        total = int(self.counts.sum())
        if not total:
            return None
        rank = max(1, math.ceil(total * p / 100 - 1e-9))
        at = int(np.searchsorted(np.cumsum(self.counts), rank))
        return int(LOWEST_NS * math.exp(math.log(HIGHEST_NS / LOWEST_NS) * (at + 0.5) / N_BINS))


class _Watched:
    """What has been read of one running folder."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.follower = SpoolFollower(run.path / SPOOL)
        self.latency = _Counted()
        self.lateness = _Counted()
        self.n_queries = self.n_samples = 0
        self.last_done_ns = 0
        self.marks: list[tuple[int, int]] = []  # (last answer in ns, samples answered by then)

    def look(self) -> None:
        for rows in self.follower.look():
            answered = rows.done_ns != NOT_YET
            self.latency.add((rows.done_ns - rows.due_ns)[answered])
            first_of_query = len(rows.issued_ns) == len(rows.due_ns)
            if first_of_query:
                self.lateness.add(rows.issued_ns - rows.due_ns)
            self.n_queries += len(rows.issued_ns)
            self.n_samples += int(answered.sum())
            self.last_done_ns = max(self.last_done_ns, int(rows.done_ns.max(initial=0)))
        self.marks.append((self.last_done_ns, self.n_samples))
        oldest = self.last_done_ns - RECENT_S * 1e9
        while len(self.marks) > 2 and self.marks[1][0] < oldest:
            self.marks.pop(0)

    def recent_per_s(self) -> float | None:
        (before, had), (now, has) = self.marks[0], self.marks[-1]
        return (has - had) / (now - before) * 1e9 if now > before else None

    def state(self) -> LiveRun:
        record, settings = self.run.record, self.run.settings
        elapsed_s = max(0.0, time.time() - record.created_unix_ns / 1e9)
        percentile = getattr(settings.load, "percentile", None)
        judged = self.latency.percentile(percentile) if percentile is not None else None
        wanted = _wanted(settings, self.n_queries, self.n_samples, elapsed_s, judged)
        return LiveRun(
            name=self.run.path.name,
            task=settings.benchmark or str(record.request.get("task", "")),
            scenario=settings.scenario.official_name,
            mode=str(settings.mode),
            round=settings.round,
            elapsed_s=elapsed_s,
            min_duration_s=settings.min_duration_ns / 1e9,
            n_queries=self.n_queries,
            n_samples=self.n_samples,
            samples_per_s=self.n_samples / self.last_done_ns * 1e9 if self.last_done_ns else None,
            recent_per_s=self.recent_per_s(),
            p50_ns=self.latency.percentile(50),
            p90_ns=self.latency.percentile(90),
            p99_ns=self.latency.percentile(99),
            judged_percentile=percentile,
            judged_ns=judged,
            lateness_p99_ns=self.lateness.percentile(99),
            wanted=wanted,
            projection=_projection(settings, wanted, self.n_queries),
        )


def _wanted(
    settings: Settings, n_queries: int, n_samples: int, elapsed_s: float, judged: int | None
) -> tuple[Wanted, ...]:
    """Latency bound, then duration and counts: what was asked for, or what the round wants where that is more."""
    out: list[Wanted] = []
    bound = _latency_bound_ns(settings)
    if bound is not None and judged is not None:
        out.append(Wanted(name="latency", now=judged / 1e6, bound=bound / 1e6, unit="ms", ok=judged <= bound))
    duration_s = settings.min_duration_ns / 1e9
    out.append(_reached("duration", elapsed_s, duration_s, "s"))
    if settings.min_query_count and not isinstance(settings.load, Offline):
        out.append(_reached("queries", n_queries, settings.min_query_count, "queries"))
    if isinstance(settings.load, Offline):
        out.append(_reached("samples", n_samples, settings.load.min_sample_count, "samples"))
    return tuple(out)


def _reached(name: str, now: float, bound: float, unit: str) -> Wanted:
    return Wanted(name=name, now=now, bound=bound, unit=unit, ok=True if now >= bound else None)


def _latency_bound_ns(settings: Settings) -> int | None:
    match settings.load:
        case Server(latency_bound_ns=bound):
            return bound
        case IntervalMultiStream(interval_ns=bound):
            return bound
        case SingleStream() | MultiStream() | Offline():
            return None


def _projection(settings: Settings, wanted: tuple[Wanted, ...], n_queries: int) -> str:
    if any(w.ok is False for w in wanted):
        return "failing"
    if not n_queries:
        return "waiting"
    return "short" if settings.min_duration_ns < settings.required.min_duration_ns else "on course"


class LiveRuns:
    """The runs in progress below a folder; keeps what it has read, so that each look reads only what is new."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._watched: dict[Path, _Watched] = {}

    def look(self) -> list[LiveRun]:
        """Every run in progress, the youngest first. Folders that cannot be read are passed over until they can."""
        running = {run.path: run for run in self._running()}
        self._watched = {p: self._watched.get(p) or _Watched(run) for p, run in running.items()}
        out = []
        for watched in self._watched.values():
            try:
                watched.look()
            except (MlassayError, OSError):
                continue  # it may have ended this very moment
            out.append(watched.state())
        return out

    def _running(self) -> list[Run]:
        places = [*self.folder.glob(f"*/{RUN_JSON}"), *self.folder.glob(f"*/*/{RUN_JSON}"),
                  *self.folder.glob(f"*/*/*/{RUN_JSON}")]  # fmt: skip
        newest = sorted(places, key=_modified, reverse=True)[:MAX_FOLDERS]
        out: list[Run] = []
        for place in newest:
            if (place.parent / TRACE_FILE).exists():
                continue  # it has ended
            try:
                run = open_run(place)
            except (MlassayError, OSError):
                continue
            record = run.record
            if record.state is State.RUNNING and is_running(record.pid, since_unix_ns=record.created_unix_ns):
                out.append(run)
        return out[:MAX_RUNS]


def _modified(place: Path) -> float:
    try:
        return place.stat().st_mtime
    except OSError:
        return 0.0
