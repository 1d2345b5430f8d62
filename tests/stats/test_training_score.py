"""Scoring rules of the rounds, each with a case that counts and one that does not."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlassay.core.scoring import ScoreRule
from mlassay.stats.training_score import RunTime, score_runs

INF = math.inf


def runs(*minutes: float) -> list[RunTime]:
    return [RunTime(f"r{i}", m) for i, m in enumerate(minutes)]


def why(score) -> dict[str, str]:
    return {d.name: d.why for d in score.dropped}


def test_fastest_and_slowest_are_dropped():
    score = score_runs(runs(5, 1, 3, 9, 4), ScoreRule(5))
    assert score.minutes == 4.0
    assert score.kept == ("r0", "r2", "r4")
    assert why(score) == {"r1": "fastest", "r3": "slowest"}
    assert score.spread == pytest.approx(statistics.stdev([5, 3, 4]) / 4)
    assert (score.fastest, score.slowest, score.valid) == (1, 9, True)


def test_one_run_may_fail_and_counts_as_slowest():
    score = score_runs(runs(5, INF, 3, 9, 4), ScoreRule(5))
    assert score.minutes == 6.0
    assert why(score) == {"r2": "fastest", "r1": "did not converge: counts as slowest"}
    assert score.valid


def test_two_failed_runs_make_the_result_invalid():
    score = score_runs(runs(5, INF, 3, INF, 4), ScoreRule(5))
    assert score.minutes is None
    assert score.problems == ("2 runs did not converge; at most 1 may",)


def test_too_few_runs_are_scored_but_not_valid():
    score = score_runs(runs(5, 1, 3), ScoreRule(5))
    assert (score.minutes, score.valid, score.problems) == (3.0, False, ("3 runs; the rules want 5",))


def test_no_converged_run_gives_no_score():
    score = score_runs(runs(INF), ScoreRule(1, 0, 0))
    assert (score.minutes, score.problems) == (None, ("0 of 1 runs converged: none is left to average",))


def test_first_fifty_of_a_hundred():
    minutes = [INF if i % 3 == 0 else float(i) for i in range(100)]
    score = score_runs(runs(*minutes), ScoreRule(100, first_converged=50))
    chosen = [m for m in minutes if m < INF][:50]
    assert score.minutes == statistics.fmean(sorted(chosen)[1:-1])
    assert why(score)["r99"] == "did not converge"
    assert why(score)["r97"] == "not among the first 50 that converge"
    assert score.valid


def test_fewer_than_fifty_converged_is_a_problem():
    score = score_runs(runs(*[1.0] * 49, *[INF] * 51), ScoreRule(100, first_converged=50))
    assert score.problems == ("49 runs; the rules want 50",)


def test_more_runs_than_required_give_the_median_window():
    # windows of 3 with the extremes dropped: the middle values 2, 3, 4
    score = score_runs(runs(1, 2, 3, 4, 5), ScoreRule(3, windows=True))
    assert score.minutes == 3.0
    assert why(score)["r0"] == "outside the median window"


def test_an_invalid_window_counts_as_infinite():
    # windows: (1,2,INF) -> 2; (2,INF,INF) invalid; (INF,INF,3) invalid -> the median window is invalid
    score = score_runs(runs(1, 2, INF, INF, 3), ScoreRule(3, windows=True))
    assert (score.minutes, score.problems) == (None, ("the median window is invalid",))


def test_scaling_slows_a_faster_convergence_down():
    assert score_runs(runs(1, 2, 3), ScoreRule(3)).scaled(1.1).minutes == pytest.approx(2.2)


def test_a_faulty_run_is_left_out_with_its_reason():
    bad = RunTime("bad", 1.0, fault="resumed after a crash: not scorable in closed")
    score = score_runs([*runs(1, 2, 3), bad], ScoreRule(3))
    assert score.minutes == 2.0
    assert why(score)["bad"] == "resumed after a crash: not scorable in closed"


def test_forty_runs_drop_four_and_four():
    score = score_runs(runs(*map(float, range(36)), *[INF] * 4), ScoreRule(40, 4, 4, 4))
    assert score.minutes == statistics.fmean(range(4, 36))
    assert score.valid


@given(st.lists(st.floats(0.01, 1e4), min_size=3, max_size=12))
def test_the_score_lies_within_the_times_whatever_their_order(minutes):
    score = score_runs(runs(*minutes), ScoreRule(len(minutes)))
    assert min(minutes) * (1 - 1e-9) <= score.minutes <= max(minutes) * (1 + 1e-9)
    turned = score_runs(runs(*reversed(minutes)), ScoreRule(len(minutes)))
    assert turned.minutes == pytest.approx(score.minutes)
