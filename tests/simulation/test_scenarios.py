"""Whole runs on a virtual clock: ten minutes of load in milliseconds, with answers that are known beforehand."""

from __future__ import annotations

import numpy as np
import pytest

from mlassay.core.enums import Mode, Scenario
from mlassay.core.outcome import Outcome, Verdict
from mlassay.core.settings import (
    IntervalMultiStream,
    Load,
    MultiStream,
    Offline,
    Required,
    Server,
    Settings,
    SingleStream,
)
from mlassay.core.trace import Recording
from mlassay.core.units import NS_PER_MS, NS_PER_S
from mlassay.loadgen.drive import drive
from mlassay.loadgen.judge import judge
from mlassay.loadgen.plan import plan
from mlassay.testing import NumberLibrary, ScriptedSUT, VirtualClock

MINUTES_10 = 600 * NS_PER_S


def simulate(
    settings: Settings, latency_ns: object, *, servers: int = 1, inline: bool = False, total: int = 64
) -> tuple[Recording, Outcome, ScriptedSUT]:
    clock = VirtualClock(start_ns=1_000)
    library = NumberLibrary(total)
    sut = ScriptedSUT(clock, latency_ns, servers=servers, inline=inline)  # type: ignore[arg-type]
    recording = drive(settings, plan(settings, total, total), sut, library, clock=clock)
    return recording, judge(recording, settings), sut


def settings_for(scenario: Scenario, load: Load, **more: object) -> Settings:
    return Settings(scenario=scenario, load=load, **{"min_duration_ns": MINUTES_10, "min_query_count": 64, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("inline", [True, False])
def test_single_stream_runs_back_to_back(inline: bool) -> None:
    settings = settings_for(Scenario.SINGLE_STREAM, SingleStream(expected_latency_ns=10 * NS_PER_MS))
    recording, outcome, _ = simulate(settings, lambda n: (19 if n % 10 >= 8 else 10) * NS_PER_MS, inline=inline)
    assert outcome.verdict is Verdict.VALID
    assert outcome.metric is not None
    assert outcome.metric.name == "p90 latency"
    assert outcome.latency_ns["90"] == 19 * NS_PER_MS
    assert outcome.metric.value == 19 * NS_PER_MS
    assert np.all(np.diff(recording.trace.issued_ns) == recording.trace.done_ns[:-1] - recording.trace.issued_ns[:-1])
    assert recording.trace.issued_ns[-1] >= MINUTES_10 > recording.trace.issued_ns[-2]


def test_single_stream_that_is_faster_than_expected_runs_out_and_says_so() -> None:
    settings = settings_for(Scenario.SINGLE_STREAM, SingleStream(expected_latency_ns=10 * NS_PER_MS))
    _, outcome, _ = simulate(settings, 4 * NS_PER_MS)
    assert outcome.verdict is Verdict.INDICATIVE
    assert [c.id for c in outcome.failed] == ["min-duration"]
    assert "--expected-latency" in outcome.advice[0]


def test_multi_stream_counts_the_slowest_of_eight() -> None:
    settings = settings_for(Scenario.MULTI_STREAM, MultiStream(expected_latency_ns=50 * NS_PER_MS))
    recording, outcome, sut = simulate(settings, 80 * NS_PER_MS)
    assert outcome.verdict is Verdict.VALID
    assert {q.n_samples for q in sut.issued} == {8}
    assert recording.trace.n_samples == 8 * recording.trace.n_queries
    assert outcome.numbers["early_stopping_latency_ms"] == 80 * NS_PER_MS


@pytest.mark.parametrize(
    ("latency_ms", "verdict", "failed"),
    [
        (5, Verdict.VALID, []),  # half busy: queueing stays short
        (9.9, Verdict.INVALID, ["latency", "early-stopping"]),  # 99 % busy: the queue grows past any bound
    ],
)
def test_server_queueing_decides(latency_ms: float, verdict: Verdict, failed: list[str]) -> None:
    load = Server(target_qps=100, latency_bound_ns=50 * NS_PER_MS)
    _, outcome, _ = simulate(settings_for(Scenario.SERVER, load), int(latency_ms * NS_PER_MS))
    assert (outcome.verdict, [c.id for c in outcome.failed]) == (verdict, failed)
    if failed:
        assert "lower the rate (--target-qps)" in outcome.advice[0]


def test_server_latency_counts_from_the_due_time_even_when_the_sut_blocks_the_issuer() -> None:
    """A SUT that holds the issuing thread cannot hide its queue: issue comes late, latency still starts at due."""
    load = Server(target_qps=100, latency_bound_ns=50 * NS_PER_MS)
    settings = settings_for(Scenario.SERVER, load, min_duration_ns=60 * NS_PER_S)
    inline, judged, _ = simulate(settings, int(9.9 * NS_PER_MS), inline=True)
    queued, also, _ = simulate(settings, int(9.9 * NS_PER_MS), inline=False)
    assert judged.latency_ns == also.latency_ns
    assert np.array_equal(inline.trace.done_ns, queued.trace.done_ns)
    assert inline.overhead.lateness.max == 0  # the SUT was late, not the generator


def test_server_coalesces_what_is_due() -> None:
    load = Server(target_qps=1000, latency_bound_ns=NS_PER_S, coalesce=True)
    settings = settings_for(Scenario.SERVER, load, min_duration_ns=NS_PER_S)
    recording, outcome, sut = simulate(settings, 20 * NS_PER_MS, inline=True)
    assert len(sut.issued) < recording.trace.n_queries / 10
    assert sum(q.n_samples for q in sut.issued) == recording.trace.n_samples == outcome.n_samples
    assert outcome.verdict is Verdict.VALID


def test_server_waits_while_too_many_are_open() -> None:
    load = Server(target_qps=1000, latency_bound_ns=NS_PER_S, max_async_queries=2)
    settings = settings_for(Scenario.SERVER, load, min_duration_ns=NS_PER_S)
    recording, _, _ = simulate(settings, 5 * NS_PER_MS, servers=8)
    trace = recording.trace
    for row in range(2, trace.n_queries):
        assert np.count_nonzero(trace.done_ns[:row] > trace.issued_ns[row]) < 2 + 1


def test_offline_is_one_query() -> None:
    settings = settings_for(Scenario.OFFLINE, Offline(expected_qps=1000, min_sample_count=24_576))
    _, outcome, sut = simulate(settings, 700 * NS_PER_S)
    assert [q.n_samples for q in sut.issued] == [660_000]
    assert outcome.verdict is Verdict.VALID
    assert outcome.metric is not None
    assert outcome.metric.value == pytest.approx(660_000 / 700)


def test_interval_multistream_counts_skips() -> None:
    """Every tenth query takes 1.5 intervals: it skips one, delays the rest, and 10 % is over the 1 % allowed."""
    load = IntervalMultiStream(samples_per_query=4, interval_ns=50 * NS_PER_MS)
    settings = settings_for(
        Scenario.MULTI_STREAM, load, min_duration_ns=60 * NS_PER_S, early_stopping=False, round="v0.5"
    )
    recording, outcome, _ = simulate(settings, lambda n: 75 * NS_PER_MS if n % 10 == 9 else 40 * NS_PER_MS)
    skipped = recording.trace.skipped
    assert skipped is not None
    assert set(skipped.tolist()) == {0, 1}
    assert skipped[9] == 1
    assert np.all(recording.trace.due_ns % load.interval_ns == 0)
    assert [c.id for c in outcome.failed] == ["latency", "skipped-intervals"]
    assert outcome.metric is not None
    assert outcome.metric.value == 4


def test_interval_multistream_in_time_is_valid() -> None:
    load = IntervalMultiStream(samples_per_query=4, interval_ns=50 * NS_PER_MS)
    settings = settings_for(Scenario.MULTI_STREAM, load, min_duration_ns=60 * NS_PER_S, early_stopping=False)
    recording, outcome, _ = simulate(settings, 50 * NS_PER_MS)
    assert outcome.verdict is Verdict.VALID
    assert recording.trace.issued_ns[-1] >= 60 * NS_PER_S


@pytest.mark.parametrize("scenario", [Scenario.SINGLE_STREAM, Scenario.MULTI_STREAM, Scenario.SERVER, Scenario.OFFLINE])
def test_accuracy_asks_for_each_sample_once(scenario: Scenario) -> None:
    loads: dict[Scenario, Load] = {
        Scenario.SINGLE_STREAM: SingleStream(),
        Scenario.MULTI_STREAM: MultiStream(),
        Scenario.SERVER: Server(target_qps=1000),
        Scenario.OFFLINE: Offline(),
    }
    settings = settings_for(scenario, loads[scenario], mode=Mode.ACCURACY)
    clock, library = VirtualClock(), NumberLibrary(96, 40)  # three loadable sets: 40, 40, 16
    sut = ScriptedSUT(clock, NS_PER_MS)
    kept: list[tuple[int, int]] = []
    recording = drive(
        settings, plan(settings, 96, 40), sut, library, clock=clock,
        keep=lambda ids, outputs: kept.extend(zip(ids, outputs, strict=True)),
    )  # fmt: skip
    assert recording.complete
    assert not recording.faults
    assert sorted({output - 1000 for _, output in kept}) == list(range(96))
    assert sorted(i for i, _ in kept) == list(range(recording.trace.n_samples))
    assert all(recording.trace.index[i] == output - 1000 for i, output in kept)
    assert not library.loaded


def test_a_short_run_is_indicative_and_says_how_much_longer() -> None:
    load = Server(target_qps=100, latency_bound_ns=50 * NS_PER_MS)
    required = Required(min_duration_ns=MINUTES_10, min_query_count=1)
    settings = settings_for(Scenario.SERVER, load, min_duration_ns=10 * NS_PER_S, required=required)
    _, outcome, _ = simulate(settings, NS_PER_MS)
    assert outcome.verdict is Verdict.INDICATIVE
    assert [c.id for c in outcome.failed] == ["min-duration"]
    assert any("99 % confidence" in line for line in outcome.advice)
    assert any("262,742 queries" in line for line in outcome.advice)


def test_longest_duration_ends_the_run() -> None:
    load = Server(target_qps=100, latency_bound_ns=50 * NS_PER_MS)
    settings = settings_for(Scenario.SERVER, load, max_duration_ns=5 * NS_PER_S)
    recording, outcome, _ = simulate(settings, NS_PER_MS)
    assert recording.trace.issued_ns[-1] >= 5 * NS_PER_S > recording.trace.issued_ns[-2]
    assert outcome.verdict is Verdict.INDICATIVE
