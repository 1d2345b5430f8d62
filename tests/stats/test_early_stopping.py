from __future__ import annotations

import importlib.util
import math
from functools import cache
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlassay.stats.early_stopping import (
    MinPassing,
    discardable,
    miss_probability,
    multi_stream,
    queries_for_estimate,
    server,
    single_stream,
)
from mlassay.stats.percentile import fraction
from tests.records.samples import SHARED

PARITY = SHARED / "examples" / "parity_rng.py"


@cache
def parity() -> ModuleType:
    spec = importlib.util.spec_from_file_location("parity_rng", PARITY)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PERCENTILES = [50.0, 90.0, 97.0, 97.5, 99.0, 99.9]


@pytest.mark.parametrize(
    ("percentile", "queries"), [(50, 11), (90, 64), (97.5, 263), (99, 662), (99.9, 6636), (99.99, 66381)]
)
def test_shortest_run_with_an_estimate(percentile: float, queries: int) -> None:
    """Integers that the official tool printed."""
    assert queries_for_estimate(percentile) == queries


@pytest.mark.parametrize(
    ("count", "percentile", "discarded"),
    [
        (64, 90, 0),
        (65, 90, 0),
        (100, 90, 2),
        (300, 90, 17),
        (661, 90, 47),
        (1000, 90, 77),
        (1062, 90, 82),
        (2001, 90, 167),
        (20000, 90, 1900),
        (300, 50, 128),
        (1000, 97.5, 12),
        (1060, 99, 2),
        (1501, 99, 5),
        (10000, 99.9, 1),
    ],
)
def test_discarded_queries(count: int, percentile: float, discarded: int) -> None:
    """Integers that the official tool printed."""
    assert discardable(count, percentile) == discarded


@pytest.mark.parametrize(
    ("count", "over", "more"), [(9, 0, 450), (384, 0, 75), (412, 0, 47), (600, 600, 65320), (1000, 1000, 106569)]
)
def test_missing_server_queries(count: int, over: int, more: int) -> None:
    """Integers that the official tool printed."""
    found = server(count, over, 99.0).result
    assert not found.met
    assert found.queries_needed == count + more
    assert found.text == (
        f" * Run unsuccessful.\n * Processed {count} queries.\n * Would need to run at least {more} more queries,\n"
        " with the run being successful if every additional\n query were under latency."
    )


def test_server_passes_at_exactly_the_number_needed() -> None:
    assert not server(458, 0).result.met
    assert server(459, 0).result.met
    assert server(459, 0).result.text == " * Run successful."
    assert server(459, 0).numbers == {}


def test_single_stream_texts() -> None:
    falling = np.arange(700, 0, -1)
    assert single_stream(falling[:20]).result.text == (
        " * Only processed 20 queries.\n * Need to process at least 64 queries for early stopping."
    )
    assert single_stream(falling[:20]).numbers == {"early_stopping_latency_ss": 0, "early_stopping_latency_ms": 0}
    assert single_stream(falling[-300:]).result.text == (
        " * Processed at least 64 queries (300).\n * Would discard 17 highest latency queries.\n"
        " * Early stopping 90.0th percentile estimate: 283\n * Not enough queries processed for 99.0th percentile\n"
        " early stopping estimate (would need to process at\n least 662 total queries)."
    )
    enough = single_stream(falling)
    assert enough.result.text.endswith("estimate: 650\n * Early stopping 99.0th percentile estimate: 700")
    assert enough.numbers == {"early_stopping_latency_ss": 650, "early_stopping_latency_ms": 700}
    assert (enough.result.met, enough.result.estimate_ns, enough.result.queries_needed) == (True, 650, 64)


def test_a_strict_single_stream_percentile_hides_the_other_estimate() -> None:
    """As the official tool: no estimate of the 99th is reported when the run is too short for its own percentile."""
    found = single_stream(np.arange(3000), 99.9)
    assert found.numbers == {"early_stopping_latency_ss": 0, "early_stopping_latency_ms": 0}
    assert "99.0th" not in found.result.text


def test_multi_stream() -> None:
    assert multi_stream(np.arange(661)).numbers == {"early_stopping_latency_ms": 0}
    found = multi_stream(np.arange(1501))
    assert found.numbers == {"early_stopping_latency_ms": 1495}
    assert found.result.text == (
        " * Processed at least 662 queries (1501).\n * Would discard 5 highest latency queries.\n"
        " * Early stopping 99.0th percentile estimate: 1495"
    )


def test_impossible_requests_say_why() -> None:
    with pytest.raises(ValueError, match="percentile is 100; early stopping needs one between 0 and 100"):
        server(10, 0, 100)
    with pytest.raises(ValueError, match="63 queries are too few for an estimate of the 90th percentile"):
        discardable(63, 90)
    with pytest.raises(ValueError, match="-1 queries over the bound"):
        server(10, -1)


@given(st.sampled_from(PERCENTILES), st.integers(0, 400))
def test_the_count_is_the_smallest_that_passes(percentile: float, over: int) -> None:
    needed, p = MinPassing(percentile)(over), percentile / 100
    assert miss_probability(needed, over, p) < 0.01 <= miss_probability(needed - 1, over, p)


@given(st.sampled_from(PERCENTILES), st.integers(0, 300))
def test_rising_questions_do_not_change_the_answer(percentile: float, over: int) -> None:
    """As the official tool asks: 1, 2, 3, ..."""
    asked = MinPassing(percentile)
    for t in range(1, over):
        asked(t)
    assert asked(over) == MinPassing(percentile)(over)


def test_leaping_questions_can_as_in_the_official_search() -> None:
    """Two neighbours make a bracket that is a line through rounded integers: far from them it can be too narrow."""
    asked = MinPassing(50)
    asked(121), asked(122)
    assert (asked(135), MinPassing(50)(135)) == (177, 178)


@pytest.mark.shared
@pytest.mark.skipif(not PARITY.exists(), reason="the verified rough proof is not here")
@given(st.sampled_from(PERCENTILES), st.lists(st.integers(0, 300), max_size=12))
def test_any_order_of_questions_has_the_official_answers(percentile: float, overs: list[int]) -> None:
    ours, official = MinPassing(percentile), parity().MinPassing()
    assert [ours(t) for t in overs] == [official(t, fraction(percentile)) for t in overs]


@given(st.sampled_from([50.0, 90.0, 97.0, 99.0]), st.integers(1, 4000))
@settings(max_examples=60)
def test_bisection_equals_the_official_walk(percentile: float, extra: int) -> None:
    count = queries_for_estimate(percentile) + extra
    needed, t = MinPassing(percentile), 1
    while needed(t + 1) + t + 1 <= count:
        t += 1
    assert discardable(count, percentile) == t - 1


@given(st.integers(1, 60), st.integers(0, 40), st.floats(0.05, 0.99))
def test_probability_is_the_binomial_one(under: int, over: int, p: float) -> None:
    n = under + over
    direct = sum(math.comb(n, k) * (1 - p) ** k * p ** (n - k) for k in range(over + 1))
    if over <= n * (1 - p):  # the side on which the test asks; the series is cut at 2^-33
        assert miss_probability(under, over, p) == pytest.approx(direct, rel=1e-6)


@given(st.sampled_from(PERCENTILES), st.integers(0, 200), st.integers(0, 20000))
def test_more_queries_never_hurt(percentile: float, over: int, count: int) -> None:
    if server(count, over, percentile).result.met:
        assert server(count + 1, over, percentile).result.met
        assert over == 0 or server(count, over - 1, percentile).result.met


@given(st.lists(st.integers(1, 10**9), min_size=64, max_size=900))
def test_the_estimate_is_on_the_safe_side(latencies: list[int]) -> None:
    values = np.array(latencies)
    found = single_stream(values).result
    assert found.estimate_ns is not None
    assert found.estimate_ns >= np.sort(values)[int(len(values) * 0.9)]


def test_estimate_misses_about_as_rarely_as_promised() -> None:
    """With confidence 99 % the estimate lies under the true 90th percentile in at most 1 % of the runs."""
    random = np.random.default_rng(3)
    truth = -math.log(0.1) * 1e6
    runs = [single_stream(random.exponential(1e6, 200).astype(np.int64)).result.estimate_ns or 0 for _ in range(3000)]
    assert np.mean(np.array(runs) < truth) < 0.016


def test_the_longest_runs_take_no_time() -> None:
    assert discardable(10**9, 90) == 99_977_929
    assert server(10**9, 9_900_000).result.met
