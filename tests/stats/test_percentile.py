from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlassay.stats.percentile import (
    fraction,
    interval,
    latency_summary,
    percentile,
    percentiles,
    queries_to_know,
    rank,
    whole_blocks,
    whole_mean,
)


@pytest.mark.parametrize(
    ("count", "wanted", "position", "reason"),
    [
        (1, 90, 0, "one value is every percentile"),
        (2, 50, 1, "seen in the official tool: the median of two is the larger"),
        (10, 90, 9, "n * p whole: the value above, seen in the official tool"),
        (10, 50, 5, "seen in the official tool"),
        (63, 97, 61, "seen in the official tool"),
        (1000, 99.9, 999, "seen in the official tool"),
        (3000, 99.9, 2997, "seen in the official tool; 99.9 / 100 must not become 0.9990000000000001"),
        (10000, 99.9, 9990, "seen in the official tool"),
        (20, 95, 19, "the recorded run that is too short"),
        (5, 100, 4, "never past the end"),
        (5, 0, 0, "the minimum"),
    ],
)
def test_rank_is_the_official_one(count: int, wanted: float, position: int, reason: str) -> None:
    assert rank(count, wanted) == position, reason


def test_impossible_requests_say_why() -> None:
    with pytest.raises(ValueError, match="percentile of no values does not exist"):
        percentile(np.array([], dtype=np.int64), 90)
    with pytest.raises(ValueError, match="percentile is 101; expected a number from 0 to 100"):
        fraction(101)
    with pytest.raises(ValueError, match="percentile is nan"):
        fraction(float("nan"))
    with pytest.raises(ValueError, match="needs one between 0 and 100, both excluded"):
        interval(np.arange(9), 100)


latencies = st.lists(st.integers(0, 10**12), min_size=1, max_size=300).map(lambda v: np.array(v, dtype=np.int64))
some_percentile = st.floats(0, 100).map(lambda p: round(p, 3))


@given(latencies, some_percentile, some_percentile)
def test_percentiles_are_measured_values_and_ordered(values: np.ndarray, p: float, q: float) -> None:
    low, high = percentile(values, min(p, q)), percentile(values, max(p, q))
    assert low <= high
    assert low in values
    assert np.count_nonzero(values < low) <= rank(len(values), min(p, q))
    assert percentiles(values, (p, q)) == {p: percentile(values, p), q: percentile(values, q)}


@given(latencies)
def test_summary_is_ordered_and_leaves_its_input_alone(values: np.ndarray) -> None:
    before = values.copy()
    summary = latency_summary(values)
    assert list(summary) == ["min", "mean", "max", "50", "90", "95", "97", "99", "99.9"]
    ordered = [summary[k] for k in ("min", "50", "90", "95", "97", "99", "99.9", "max")]
    assert ordered == sorted(ordered)
    assert summary["mean"] == sum(values.tolist()) // len(values)
    assert np.array_equal(values, before)


def test_no_values_have_an_empty_summary() -> None:
    assert latency_summary(np.array([], dtype=np.int64)) == {}


def test_mean_does_not_overflow() -> None:
    values = np.full(3_000_000, 2**42, dtype=np.int64)
    assert whole_mean(values) == 2**42
    assert whole_mean(np.array([-3, -4])) == -3, "cut towards zero"


@pytest.mark.parametrize(
    ("wanted", "queries", "rule"),
    [(90, 23_886, 24_576), (95, 50_425, 57_344), (97, 85_811, 90_112), (99, 262_742, 270_336)],
)
def test_queries_to_know_are_those_of_the_paper(wanted: float, queries: int, rule: int) -> None:
    assert queries_to_know(wanted) == queries
    assert whole_blocks(queries) == rule


def test_a_wider_margin_needs_fewer_queries() -> None:
    assert queries_to_know(99, margin=0.005) < queries_to_know(99) < queries_to_know(99, confidence=99.9)
    with pytest.raises(ValueError, match="both must lie between"):
        queries_to_know(100)


def test_interval_of_a_short_run_is_open_above() -> None:
    found = interval(np.arange(100), 99)
    assert (found.value, found.high, found.closed) == (99, None, False)
    assert found.low is not None


def test_interval_ranks_are_exact() -> None:
    """n = 20, median, 95 %: ranks 6 and 15 of the textbook table, coverage 0.9586."""
    found = interval(np.arange(1, 21), 50, confidence=95)
    assert (found.low, found.high) == (6, 15)
    assert found.coverage == pytest.approx(0.95861, abs=1e-5)


@given(st.integers(1, 3000), st.sampled_from([50.0, 90.0, 97.0, 99.0, 99.9]))
def test_interval_encloses_its_value(count: int, wanted: float) -> None:
    found = interval(np.arange(count), wanted)
    assert found.low is None or found.low <= found.value
    assert found.high is None or found.high >= found.value
    assert not found.closed or found.coverage >= 0.99


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    random = np.random.default_rng(7)
    truth = -np.log(0.1) * 1e6  # 90th percentile of the exponential distribution
    hits = 0
    for _ in range(2000):
        found = interval((random.exponential(1e6, 500)).astype(np.int64), 90)
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= truth <= found.high
    assert hits >= 0.985 * 2000


def test_a_long_run_is_cheap() -> None:
    found = interval(np.arange(3_000_000), 99)
    assert found.closed
    assert found.high - found.low < 1000  # type: ignore[operator]
