"""Bands, speeds and what equal answers prove, in numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlassay.stats.compliance import (
    LOOKS,
    Band,
    Speed,
    at_percentile,
    compare_speed,
    confidence_of_a_look,
    most_that_could_differ,
    throughput,
)


@pytest.mark.parametrize(
    ("ratio", "band", "passed"),
    [
        (1.1, Band(0.9, 1.1), True),
        (1.11, Band(0.9, 1.1), False),
        (0.89, Band(0.9, 1.1), False),
        (0.2, Band(None, 1.1), True),  # slower than the result is fine in TEST04
        (1.2, Band(None, 1.1), False),
        (3.0, Band(0.95, None), True),  # faster is fine in TEST05
        (0.94, Band(0.95, None), False),
    ],
)
def test_a_ratio_is_held_against_its_band(ratio: float, band: Band, passed: bool) -> None:
    found = compare_speed(Speed(ratio, "x"), Speed(1.0, "x"), band)
    assert (found.passed, found.sure) == (passed, None)


@pytest.mark.parametrize(
    ("low", "high", "passed", "sure"),
    [(0.95, 1.05, True, True), (0.95, 1.25, True, False), (1.2, 1.4, False, True), (0.5, 2.0, False, False)],
)
def test_how_sure_a_verdict_is(low: float, high: float, passed: bool, sure: bool) -> None:
    value = 1.0 if passed else 1.3
    found = compare_speed(Speed(value, "x", low, high), Speed(1.0, "x", 1.0, 1.0), Band(0.9, 1.1))
    assert (found.passed, found.sure) == (passed, sure)


@pytest.mark.parametrize(("test", "result"), [(Speed(1, "a"), Speed(1, "b")), (Speed(0, "a"), Speed(1, "a"))])
def test_speeds_that_do_not_compare_are_refused(test: Speed, result: Speed) -> None:
    with pytest.raises(ValueError, match="expected"):
        compare_speed(test, result, Band(None, None))


def test_throughput_of_an_even_run_is_known_well() -> None:
    even = throughput(np.arange(1, 10_001, dtype=np.int64) * 1_000_000)
    assert even.value == pytest.approx(1000)
    assert even.low == pytest.approx(1000, rel=1e-3)
    rough = throughput(np.cumsum(np.random.default_rng(1).exponential(1e6, 10_000)).astype(np.int64))
    assert rough.low < 1000 < rough.high
    assert throughput(np.full(5, -1)).value == 0
    assert throughput(np.arange(1, 20) * 10**9).low is None, "too few answers to tell"


@given(st.integers(1, 10**6))
def test_more_equal_answers_prove_more(n: int) -> None:
    assert 0 < most_that_could_differ(n + 1) < most_that_could_differ(n) <= 1
    assert (1 - most_that_could_differ(n)) ** n == pytest.approx(0.01, rel=1e-3)


def test_no_equal_answer_proves_nothing() -> None:
    assert most_that_could_differ(0) == 1


def test_all_looks_together_are_as_sure_as_one() -> None:
    assert confidence_of_a_look(1) == 99
    missed = (100 - confidence_of_a_look(len(LOOKS))) * len(LOOKS)
    assert missed == pytest.approx(1)
    assert LOOKS[-1] == 1
    assert sum(LOOKS) < 1.32


def test_a_latency_is_a_speed_with_its_interval() -> None:
    latency = np.random.default_rng(3).integers(900_000, 1_100_000, 4000)
    speed = at_percentile(latency, 90.0)
    assert speed.value == pytest.approx(1e9 / np.quantile(latency, 0.9), rel=1e-3)
    assert speed.low < speed.value < speed.high
    wider = at_percentile(latency, 90.0, confidence_of_a_look(3))
    assert (wider.low, wider.high) != (speed.low, speed.high)
    assert wider.low <= speed.low < speed.high <= wider.high
    assert at_percentile(latency[:5], 90.0).low is None, "too few to tell how slow it can be"
    assert at_percentile(latency[:0], 90.0).value == 0


def test_sequential_looks_rarely_condemn_the_honest() -> None:
    """200 honest systems of exponential service times against a narrow band: at most 1 in 100 surely condemned."""
    random = np.random.default_rng(11)
    confidence = confidence_of_a_look(len(LOOKS))
    band = Band(0.95, None)
    condemned = cleared = 0
    for _ in range(200):
        base, *tests = (
            throughput(np.cumsum(random.exponential(1e6, round(8000 * n))).astype(np.int64), confidence=confidence)
            for n in (1.0, *LOOKS)
        )
        found = (compare_speed(test, base, band) for test in tests)
        verdict = next((f for f in found if f.sure), None)
        cleared += verdict is not None and verdict.passed
        condemned += verdict is not None and not verdict.passed
    assert condemned <= 2
    assert cleared > 0
