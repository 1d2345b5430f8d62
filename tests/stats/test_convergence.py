"""The RCP test: its arithmetic by hand and by tables, pruning, interpolation, edges."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlassay.core.scoring import ConvergenceRule, ReferencePoint, ScoreRule
from mlassay.stats.convergence import (
    Convergent,
    judge_convergence,
    lowest_mean,
    references,
    score_with_reference,
    student_quantile,
)
from mlassay.stats.training_score import RunTime

INF = math.inf


def rule(points: dict[int, tuple[float, ...]], *, pruned: bool = True, leniency: float = 0, runs: int = 5):
    return ConvergenceRule(
        points=tuple(ReferencePoint(name=f"at {b}", batch_size=b, values=v, source="test") for b, v in points.items()),
        unit="epoch_num",
        runs=runs,
        drop=1,
        confidence=0.95,
        pruned=pruned,
        leniency=leniency,
        scaled=True,
        clause="",
    )


def around(mean: float) -> tuple[float, ...]:
    """Ten values whose trimmed mean is `mean` and whose spread is 1."""
    return tuple(mean + d for d in (-1, -1, -1, -1, -1, 1, 1, 1, 1, 1))


@pytest.mark.parametrize(
    ("freedom", "t"), [(1, 6.313752), (2, 2.919986), (3, 2.353363), (9, 1.833113), (10, 1.812461), (200, 1.652508)]
)
def test_students_quantile_is_that_of_the_tables(freedom: int, t: float) -> None:
    assert student_quantile(0.95, freedom) == pytest.approx(t, abs=1e-6)


def test_the_lowest_mean_by_hand() -> None:
    reference = references(rule({256: around(40)}))[0]
    assert (reference.mean, reference.spread, reference.count) == (40, 1, 8)
    # t(0.95; 8 + 3 - 2) = 1.833113 times sqrt(1/8 + 1/3) = 0.677003
    assert lowest_mean(reference, 3, 0.95) == pytest.approx(40 - 1.833113 * 0.677003, abs=1e-5)


@pytest.mark.parametrize(
    ("mean", "passed", "factor"),
    [(41, True, 1), (40, True, 1), (39, True, 40 / 39), (38.8, True, 40 / 38.8), (38.7, False, 1)],
)
def test_faster_than_the_reference(mean: float, passed: bool, factor: float) -> None:
    verdict = judge_convergence([mean] * 5, 256, rule({256: around(40)}))
    assert (verdict.passed, verdict.factor) == (passed, pytest.approx(factor))


def test_the_extremes_do_not_count_and_one_run_may_fail() -> None:
    assert judge_convergence([1, 40, 40, 40, INF], 256, rule({256: around(40)})).mean == 40
    assert judge_convergence([1, 40, 40, INF, INF], 256, rule({256: around(40)})).mean == INF


def test_between_two_batch_sizes_mean_and_spread_are_interpolated() -> None:
    verdict = judge_convergence(
        [44] * 5, 384, rule({256: around(40), 512: tuple(50 + 2 * (v - 40) for v in around(40))})
    )
    assert verdict.reference is not None
    assert (verdict.reference.mean, verdict.reference.spread, verdict.reference.count) == (45, 1.5, 10)
    assert verdict.why == "reference between batch sizes 256 and 512"


def test_outside_the_reference() -> None:
    known = rule({256: around(40), 512: around(50)})
    beyond = judge_convergence([99] * 5, 1024, known)
    assert not beyond.passed
    assert beyond.why == "no reference at batch size 1024: the largest is 512"
    assert judge_convergence([41] * 5, 128, known).why == "reference at the larger batch size 256"
    below = judge_convergence([30] * 5, 128, known)
    assert (below.passed, below.why) == (False, "no reference at batch size 128: the smallest is 256")


def test_a_slow_point_is_pruned() -> None:
    points = {128: around(45), 256: around(40), 512: around(60), 1024: around(56)}
    assert [r.batch_size for r in references(rule(points))] == [256, 1024]
    assert [r.batch_size for r in references(rule(points, pruned=False))] == [128, 256, 512, 1024]


def test_where_the_official_pruning_does_not_look_back() -> None:
    """Dropping 400 leaves 300 above the line from 200 to 500; the tool has walked past it."""
    points = {200: around(10), 300: around(14), 400: around(20), 500: around(21)}
    assert [r.batch_size for r in references(rule(points))] == [200, 500]
    assert [r.batch_size for r in references(rule(points), as_official=True)] == [200, 300, 500]


def test_leniency_lowers_the_limit() -> None:
    assert not judge_convergence([38] * 5, 256, rule({256: around(40)})).passed
    assert judge_convergence([38] * 5, 256, rule({256: around(40)}, leniency=1)).passed


@given(st.lists(st.tuples(st.integers(1, 10_000), st.floats(1, 100)), min_size=1, max_size=9, unique_by=lambda p: p[0]))
def test_no_kept_point_lies_above_the_line_of_two_others(points: list[tuple[int, float]]) -> None:
    kept = references(rule({b: (m,) * 6 for b, m in sorted(points)}))
    for a, b, c in zip(kept, kept[1:], kept[2:], strict=False):
        share = (b.batch_size - a.batch_size) / (c.batch_size - a.batch_size)
        assert b.mean <= a.mean + share * (c.mean - a.mean) + 1e-6
    assert kept[0].mean == min(m for _, m in points)


def scored(values: list[float], *, stated: float | None = None, scaled_rule: ConvergenceRule | None = None):
    times = [RunTime(f"r{i}", v) for i, v in enumerate(values)]
    runs = [Convergent(f"r{i}", v, 256) for i, v in enumerate(values)]
    known = scaled_rule or rule({256: around(40)})
    return score_with_reference(times, runs, ScoreRule(5, windows=True), known, stated=stated)


def test_the_score_is_slowed_down_to_the_reference() -> None:
    score, verdict = scored([39, 39, 39, 39, 39])
    assert (score.minutes, score.scaling) == (pytest.approx(40), pytest.approx(40 / 39))
    assert verdict is not None
    assert verdict.passed
    assert scored([41] * 5)[0].scaling == 1
    assert scored([20] * 5)[0].scaling == 1  # refused, not slowed down


def test_a_stated_factor_is_taken_as_it_stands() -> None:
    assert scored([39] * 5, stated=2.0)[0].minutes == 78


def test_only_the_runs_of_the_median_window_are_held_against_it() -> None:
    score, verdict = scored([39, 39, 39, 39, 39, 39, 400, 400])
    assert len(score.window) == 5
    assert verdict is not None
    assert verdict.mean == 39


def test_logs_that_do_not_tell() -> None:
    times = [RunTime("a", 1.0), RunTime("b", 1.0), RunTime("c", 1.0)]
    known = rule({256: around(40)})
    sizes = [Convergent("a", 40, 256), Convergent("b", 40, 512), Convergent("c", 40, None)]
    verdict = score_with_reference(times, sizes, ScoreRule(3), known)[1]
    assert verdict is not None
    assert (verdict.told, verdict.why) == (False, "one batch size is wanted, the logs tell 256, 512")
    silent = [Convergent("a", 40, 256), Convergent("b", math.nan, 256), Convergent("c", 40, 256)]
    verdict = score_with_reference(times, silent, ScoreRule(3), known)[1]
    assert verdict is not None
    assert verdict.why == "b does not tell its epoch_num"
