"""Laws of plans, whatever the seeds: order, coverage, stability; and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlassay.core.enums import Mode, SampleOrder, Scenario
from mlassay.core.errors import UsageError
from mlassay.core.settings import (
    AccuracyLog,
    IntervalMultiStream,
    Load,
    MultiStream,
    Offline,
    Seeds,
    Server,
    Settings,
    SingleStream,
    StreamVersion,
)
from mlassay.loadgen.plan import Plan, plan

LOADS: dict[Scenario, Load] = {
    Scenario.SINGLE_STREAM: SingleStream(expected_latency_ns=100_000),
    Scenario.MULTI_STREAM: MultiStream(samples_per_query=5, expected_latency_ns=400_000),
    Scenario.SERVER: Server(target_qps=5000.0),
    Scenario.OFFLINE: Offline(expected_qps=9000.0, min_sample_count=50),
}
seeds = st.builds(
    Seeds, *[st.integers(0, 2**64 - 1)] * 0, qsl=st.integers(0, 2**64 - 1), sample_index=st.integers(0, 9)
)
libraries = st.integers(1, 90).flatmap(lambda total: st.tuples(st.just(total), st.integers(1, total)))


def wish(scenario: Scenario, **changes: object) -> Settings:
    base = Settings(scenario=scenario, load=LOADS[scenario], min_duration_ns=20_000_000, min_query_count=40)
    return replace(base, **changes)  # type: ignore[arg-type]


def rows(p: Plan) -> np.ndarray:
    return p.index.reshape(-1, p.samples_per_query)


@given(st.sampled_from(list(LOADS)), seeds, libraries, st.sampled_from(StreamVersion))
@settings(max_examples=80)
def test_accuracy_asks_for_each_sample(
    scenario: Scenario, chosen: Seeds, library: tuple[int, int], stream: StreamVersion
) -> None:
    plans = plan(wish(scenario, mode=Mode.ACCURACY, seeds=chosen, stream=stream), *library)
    asked = np.concatenate([p.index for p in plans])
    assert set(asked.tolist()) == set(range(library[0]))
    if scenario is not Scenario.MULTI_STREAM:  # whose last query of a set is filled up with repeats
        assert len(asked) == library[0]
    for p in plans:
        assert set(p.index.tolist()) <= set(p.load)
        assert p.whole


@given(st.sampled_from(list(LOADS)), seeds, libraries, st.sampled_from(SampleOrder), st.sampled_from(StreamVersion))
@settings(max_examples=150)
def test_a_performance_plan_is_well_formed(
    scenario: Scenario, chosen: Seeds, library: tuple[int, int], order: SampleOrder, stream: StreamVersion
) -> None:
    if order is SampleOrder.EQUAL_ISSUE and stream is StreamVersion.V0_5:
        return
    (p,) = plan(wish(scenario, seeds=chosen, sample_order=order, stream=stream), *library)
    assert p.index.dtype == np.int32
    assert p.due_ns.dtype == np.int64
    assert len(p.index) == p.generated_query_count * p.samples_per_query == p.first_id[-1]
    assert set(p.index.tolist()) <= set(p.load)
    assert p.due_ns.size == 0 or p.due_ns[0] == 0
    assert (np.diff(p.due_ns) >= 0).all()
    assert len(set(p.load)) == library[1]
    if order is SampleOrder.UNIQUE:
        assert len(set(rows(p)[:, 0].tolist())) == len(rows(p))
    if order is SampleOrder.SAME:
        assert len({tuple(r) for r in rows(p).tolist()}) <= 1


@given(st.sampled_from([Scenario.SINGLE_STREAM, Scenario.SERVER, Scenario.OFFLINE]), seeds, libraries)
@settings(max_examples=80)
def test_equal_issue_asks_for_all_samples_equally_often(
    scenario: Scenario, chosen: Seeds, library: tuple[int, int]
) -> None:
    (p,) = plan(wish(scenario, seeds=chosen, sample_order=SampleOrder.EQUAL_ISSUE), *library)
    counts = np.bincount(p.index, minlength=library[0])
    assert set(counts[sorted(p.load)].tolist()) == {len(p.index) // library[1]}


@given(st.integers(0, 2**32 - 1), st.integers(0, 10**8), st.integers(0, 10**8))
@settings(max_examples=50)
def test_a_longer_run_begins_as_the_shorter_one(schedule: int, one_ns: int, other_ns: int) -> None:
    short, long = sorted((one_ns, other_ns))
    first, second = (
        plan(wish(Scenario.SERVER, min_duration_ns=d, seeds=Seeds(schedule=schedule)), 64, 16)[0] for d in (short, long)
    )
    n = len(first.due_ns)
    assert second.due_ns[:n].tolist() == first.due_ns.tolist()
    assert second.index[:n].tolist() == first.index.tolist()


def test_the_query_that_reaches_the_duration_is_the_last() -> None:
    (p,) = plan(wish(Scenario.SERVER, min_query_count=1), 64, 16)
    assert p.due_ns[-2] < 20_000_000 <= p.due_ns[-1]


def test_interval_arrivals_are_whole_intervals() -> None:
    load = IntervalMultiStream(samples_per_query=4, interval_ns=66_000_001)
    wished = Settings(
        scenario=Scenario.MULTI_STREAM,
        load=load,
        min_query_count=10,
        min_duration_ns=0,
        stream=StreamVersion.V0_5,
    )
    (p,) = plan(wished, 64, 16)
    assert p.due_ns.tolist() == [i * 66_000_001 for i in range(10)]
    assert len(p.load) == 16 + 3


def test_submission_is_accuracy_then_performance_and_numbers_go_on() -> None:
    plans = plan(wish(Scenario.SERVER, mode=Mode.SUBMISSION), 40, 16)
    assert [p.mode for p in plans] == [Mode.ACCURACY] * 3 + [Mode.PERFORMANCE]
    assert [p.first_sequence_id for p in plans] == [0, 16, 32, 40]


def test_offline_size_has_a_tenth_to_spare() -> None:
    (p,) = plan(wish(Scenario.OFFLINE), 64, 16)
    assert len(p.index) == int(1.1 * 0.02 * 9000.0)
    assert p.due_ns.tolist() == [0]


def test_unique_with_more_wanted_than_the_library_holds() -> None:
    """The official tool crashes here."""
    (p,) = plan(wish(Scenario.OFFLINE, sample_order=SampleOrder.UNIQUE, performance_sample_count=200), 100, 32)
    assert sorted(p.index.tolist()) == list(range(100))


@pytest.mark.parametrize(
    ("wished", "library", "message"),
    [
        (wish(Scenario.SERVER, load=Server(target_qps=0)), (9, 4), "target_qps is 0; expected a positive number"),
        (
            wish(Scenario.SERVER, sample_order=SampleOrder.SAME, same_index=4),
            (9, 4),
            "same_index is 4; expected 0 to 3, a loaded sample",
        ),
        (
            wish(Scenario.SERVER),
            (0, 4),
            "the sample library has 0 samples, 4 of them in memory; expected at least one of each",
        ),
        (
            wish(Scenario.SERVER, sample_order=SampleOrder.EQUAL_ISSUE, stream=StreamVersion.V0_5),
            (9, 4),
            "equal-issue order is not part of the v0.5 streams\n  next: choose another sample order",
        ),
        (
            wish(Scenario.SINGLE_STREAM, load=SingleStream(expected_latency_ns=0)),
            (9, 4),
            "expected_latency_ns is 0; expected a positive number",
        ),
    ],
)
def test_what_no_plan_can_satisfy_is_refused(wished: Settings, library: tuple[int, int], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan(wished, *library)
    assert str(caught.value) == message


def test_accuracy_log_samples_about_the_wanted_number() -> None:
    wished = wish(Scenario.SERVER, min_query_count=20_000, accuracy_log=AccuracyLog(sampling_target=200, seed=5))
    (p,) = plan(wished, 64, 16)
    assert p.log_mask is not None
    assert 140 < int(p.log_mask.sum()) < 260
