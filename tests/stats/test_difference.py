from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlassay.stats.difference import _cumulative, compare

some_runs = st.lists(st.floats(0.1, 1e6), min_size=1, max_size=8)


def test_five_clearly_faster_runs() -> None:
    found = compare([100, 101, 99, 100.5, 99.5], [110, 111, 109, 112, 108], confidence=99)
    assert found.ratio == pytest.approx(1.1, abs=0.005)
    assert found.p_value == pytest.approx(2 / 252)
    assert found.sure
    assert found.low is not None
    assert found.high is not None
    assert 1.06 < found.low < found.ratio < found.high < 1.14
    assert found.runs_wanted == 5


def test_three_runs_are_too_few_to_be_sure_of_anything() -> None:
    found = compare([1, 1.1, 1.2], [9, 9.1, 9.2])
    assert (found.low, found.high, found.sure, found.runs_wanted) == (None, None, False, 4)
    assert found.p_value == pytest.approx(2 / 20)


def test_equal_runs_do_not_differ() -> None:
    found = compare([5.0] * 6, [5.0] * 6)
    assert (found.ratio, found.low, found.high, found.sure, found.p_value) == (1, 1, 1, False, 1)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 4), (2, 3), (3, 3), (4, 5)])
def test_distribution_is_counted_out(n: int, m: int) -> None:
    """Against every way to deal n + m ranks into two sets."""
    counts = np.zeros(n * m + 1)
    for mine in itertools.combinations(range(n + m), m):
        theirs = [r for r in range(n + m) if r not in mine]
        counts[sum(x > y for x in mine for y in theirs)] += 1
    assert _cumulative(min(n, m), max(n, m)) == pytest.approx(np.cumsum(counts) / counts.sum())


def test_the_normal_form_joins_the_exact_one() -> None:
    random = np.random.default_rng(2)
    a, b = random.normal(100, 5, 50), random.normal(101, 5, 50)
    exact, normal = compare(a, b), compare(np.append(a, 100.0), b)  # type: ignore[arg-type]
    assert exact.p_value == pytest.approx(normal.p_value, abs=0.02)


@given(some_runs, some_runs)
def test_exchanging_the_sets_turns_the_answer_round(a: list[float], b: list[float]) -> None:
    one, other = compare(a, b), compare(b, a)
    assert one.p_value == other.p_value
    assert one.low is None or one.low == pytest.approx(1 / (other.high or 0))
    assert one.low is None or one.low <= one.ratio <= (one.high or 0)


@given(some_runs, some_runs, st.floats(0.5, 2))
def test_a_factor_moves_the_interval_with_it(a: list[float], b: list[float], factor: float) -> None:
    plain, scaled = compare(a, b), compare(a, [x * factor for x in b])
    assert scaled.ratio == pytest.approx(plain.ratio * factor)
    assert (scaled.low is None) == (plain.low is None)


def test_it_is_right_as_often_as_it_says() -> None:
    random = np.random.default_rng(11)
    hits = alarms = 0
    for _ in range(1500):
        a, b = random.lognormal(0, 0.1, 6), 1.05 * random.lognormal(0, 0.1, 6)
        found = compare(a, b)
        hits += (found.low or 0) <= 1.05 <= (found.high or 0)
        alarms += compare(a, random.lognormal(0, 0.1, 6)).sure
    assert hits / 1500 >= 0.94
    assert alarms / 1500 <= 0.06


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([], [1], "a holds []; expected at least one positive number"),
        ([1], [0.0], "b holds [0.0]; expected at least one positive number"),
        ([1], [float("nan")], "b holds [nan]; expected at least one positive number"),
    ],
)
def test_what_cannot_be_compared(a: list[float], b: list[float], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        compare(a, b)
    assert str(caught.value) == message
    with pytest.raises(ValueError, match="confidence is 100"):
        compare([1], [1], confidence=100)
