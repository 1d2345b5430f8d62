"""Is it the SUT that was measured, or the load generator? A null SUT on this machine, in the same loop, tells.

The calibration takes a fraction of a second and is part of every performance result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from mlassay.core.enums import Mode
from mlassay.core.query import Query
from mlassay.core.settings import MultiStream, Offline, Server, Settings, SingleStream
from mlassay.core.sut import Outputs, SampleLibrary, Sink
from mlassay.core.trace import Overhead, Recording, Spread, Trace
from mlassay.core.units import NS_PER_S, format_ns
from mlassay.loadgen.drive import drive
from mlassay.loadgen.measures import measure
from mlassay.loadgen.plan import plan
from mlassay.stats.percentile import percentile

CLOSED_LOOP_QUERIES = 5_000
OFFLINE_SAMPLES = 100_000
SERVER_SECONDS = 0.25

NOTICEABLE = 0.05
"""A generator share above this of what is reported makes the result doubtful."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """The generator alone: nanoseconds per query in a closed loop (per sample, Offline), lateness in an open one."""

    ns_per_query: float
    lateness: Spread


class _Nothing:
    """A null SUT over an empty library; kept here so that the load generator stands alone."""

    name, total_count, performance_count = "nothing", 64, 64
    _one: Outputs = (None,)

    def load(self, indices: Sequence[int]) -> None: ...
    def unload(self, indices: Sequence[int]) -> None: ...
    def get(self, indices: Sequence[int]) -> Sequence[Any]:
        return indices

    def open(self, sink: Sink, samples: SampleLibrary) -> None: ...
    def issue(self, query: Query) -> Outputs:
        return query.indices

    def flush(self) -> None: ...
    def close(self) -> None: ...
    def describe(self) -> dict[str, Any]:
        return {"name": "nothing"}


def calibrate(settings: Settings) -> Calibration:
    """Run the null SUT through the loop that `settings` will use. Remembered per kind of load and rate."""
    load = settings.load
    if isinstance(load, Server):
        return _calibrate(replace(load, target_qps=float(f"{load.target_qps:.1g}"), max_async_queries=0))
    if isinstance(load, Offline):
        return _calibrate(Offline())
    if isinstance(load, SingleStream | MultiStream):
        return _calibrate(replace(load, expected_latency_ns=1_000_000))
    return Calibration(0.0, Spread())


@lru_cache(maxsize=32)
def _calibrate(load: Server | Offline | SingleStream | MultiStream) -> Calibration:
    from mlassay.core.enums import Scenario

    scenario = {Server: Scenario.SERVER, Offline: Scenario.OFFLINE, SingleStream: Scenario.SINGLE_STREAM}.get(
        type(load), Scenario.MULTI_STREAM
    )
    duration_ns, queries = 0, CLOSED_LOOP_QUERIES
    if isinstance(load, Server):
        load = replace(load, tokens=None)
        queries, duration_ns = 1, int(SERVER_SECONDS * NS_PER_S)
    if isinstance(load, Offline):
        load, queries = Offline(min_sample_count=OFFLINE_SAMPLES), 1
    settings = Settings(scenario=scenario, load=load, min_duration_ns=duration_ns, min_query_count=queries)
    nothing = _Nothing()
    recording = drive(settings, plan(settings, 64, 64), nothing, nothing)
    trace = recording.trace
    if isinstance(load, Server):
        return Calibration(0.0, recording.overhead.lateness)
    count = trace.n_samples if isinstance(load, Offline) else trace.n_queries
    return Calibration(float(np.max(trace.done_ns)) / max(count, 1), recording.overhead.lateness)


def self_checked(recording: Recording, settings: Settings, arrangement: str = "") -> Recording:
    """The same recording, its overhead completed: calibration, arrangement, and what limits the result."""
    if settings.mode is Mode.ACCURACY or not recording.trace.n_queries:
        return recording
    found = calibrate(settings)
    limited_by, reason = _limit(recording, settings, found)
    overhead: Overhead = replace(
        recording.overhead,
        calibration_ns_per_query=found.ns_per_query,
        calibration_lateness=found.lateness,
        arrangement=arrangement or recording.overhead.arrangement,
        limited_by=limited_by,
        reason=reason,
    )
    return replace(recording, overhead=overhead)


def _limit(recording: Recording, settings: Settings, found: Calibration) -> tuple[str, str]:
    """("SUT" | "load generator" | "schedule", why)."""
    measures = measure(recording.trace, settings)
    if not len(measures.query_latency_ns):
        return "SUT", "nothing was answered"
    load = settings.load
    if isinstance(load, Server):
        return _limit_of_server(recording, load, measures.sample_latency_ns, measures.duration_ns)
    if isinstance(load, Offline):
        own_ns, whole_ns = found.ns_per_query, measures.duration_ns / recording.trace.n_samples
        unit = "sample"
    elif isinstance(load, SingleStream | MultiStream):
        own_ns, whole_ns = found.ns_per_query, float(percentile(measures.query_latency_ns, 50))
        unit = "query"
    else:
        return "schedule", "queries come at fixed intervals"
    share = own_ns / max(whole_ns, 1.0)
    text = f"a null SUT takes {format_ns(own_ns)} per {unit} here, {share:.1%} of what was measured"
    return ("load generator" if share > NOTICEABLE else "SUT"), text


def _limit_of_server(
    recording: Recording, load: Server, latency_ns: np.ndarray[Any, Any], duration_ns: int
) -> tuple[str, str]:
    late = recording.overhead.lateness
    bound_ns = load.tokens.ttft_ns if load.tokens is not None else load.latency_bound_ns
    reached = percentile(latency_ns, load.percentile)
    if late.p99 > NOTICEABLE * bound_ns and late.p99 > 2 * NOTICEABLE * reached:
        return (
            "load generator",
            f"its p99 lateness of {format_ns(late.p99)} is over 5 % of the bound {format_ns(bound_ns)}",
        )
    scheduled = recording.trace.n_queries / max(int(recording.trace.due_ns[-1]), 1)
    completed = len(latency_ns) / max(duration_ns, 1)
    if reached > bound_ns or completed < 0.95 * scheduled:
        text = f"p{load.percentile:g} latency {format_ns(reached)} against a bound of {format_ns(bound_ns)}"
        return _held_up(recording.trace, text)
    return "schedule", "the SUT kept up: a higher --target-qps may be valid (--mode find-peak)"


def _held_up(trace: Trace, text: str) -> tuple[str, str]:
    """Where did late answers spend their time: on the way to the SUT, or in it?

    A SUT that answers inline keeps the next query from being issued; then its share of the issuing time tells.
    """
    begin_ns, first = np.unique(trace.issued_ns, return_index=True)  # of coalesced queries one each
    span_ns = max(int(begin_ns[-1] - begin_ns[0]), 1)
    answered = trace.done_ns >= 0
    inside_ns = np.where(answered, trace.done_ns - trace.issued_ns, 0)
    busy = float(inside_ns[first].sum()) / span_ns
    unissued_ns = float((trace.issued_ns - trace.due_ns).sum())
    if busy < 0.5 and unissued_ns > float(inside_ns.sum()):
        return "load generator", f"{text}; the SUT was busy {busy:.0%} of the time"
    return "SUT", text
