"""Early stopping: has a run seen enough queries to claim its percentile? The exact integers of the official test.

The test (inference rules, appendix "Early stopping") asks, for t queries over the latency bound, for the smallest
number h of queries under it such that a system whose true percentile misses the bound would do this well with a
probability of less than 1 - c = 1 %. A run of n queries passes with n >= h(t) + t. Server counts the queries over
its bound. SingleStream and MultiStream have no bound: they report the smallest latency for which the test would
still have passed, an estimate on the safe side of their percentile.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mlassay.core.outcome import EarlyStopping
from mlassay.stats.percentile import fraction

CONFIDENCE = 0.99
TOLERANCE = 0.0
MULTI_STREAM_PERCENTILE = 99.0
"""SingleStream also estimates this one, so that a MultiStream result can be inferred from it."""


@dataclass(frozen=True, slots=True)
class Stopping:
    """The verdict, and the estimates under the keys of the official detail log (0 where too few queries)."""

    result: EarlyStopping
    numbers: Mapping[str, int] = field(default_factory=dict)


def single_stream(latency_ns: NDArray[np.integer], percentile: float = 90.0) -> Stopping:
    """The reported percentile estimate of a SingleStream run, and its 99th percentile estimate."""
    main = _estimate(latency_ns, percentile)
    extra = _estimate(latency_ns, MULTI_STREAM_PERCENTILE)
    text = main.text
    if main.met and extra.met:
        text += f"\n * Early stopping {MULTI_STREAM_PERCENTILE:.1f}th percentile estimate: {extra.estimate_ns}"
    elif main.met:
        text += (
            f"\n * Not enough queries processed for {MULTI_STREAM_PERCENTILE:.1f}th percentile\n"
            f" early stopping estimate (would need to process at\n least {extra.queries_needed} total queries)."
        )
    numbers = {
        "early_stopping_latency_ss": main.estimate_ns or 0,
        "early_stopping_latency_ms": (extra.estimate_ns or 0) if main.met else 0,
    }
    return Stopping(EarlyStopping(main.met, text, main.estimate_ns, main.queries_needed), numbers)


def multi_stream(latency_ns: NDArray[np.integer], percentile: float = 99.0) -> Stopping:
    """The reported percentile estimate of a MultiStream run, from its per-query latencies."""
    result = _estimate(latency_ns, percentile)
    return Stopping(result, {"early_stopping_latency_ms": result.estimate_ns or 0})


def server(count: int, over: int, percentile: float = 99.0) -> Stopping:
    """Whether `count` queries are enough when `over` of them took longer than the bound."""
    needed = MinPassing(percentile)(over) + over
    if count >= needed:
        return Stopping(EarlyStopping(True, " * Run successful.", queries_needed=needed))
    text = (
        f" * Run unsuccessful.\n * Processed {count} queries.\n"
        f" * Would need to run at least {needed - count} more queries,\n"
        " with the run being successful if every additional\n query were under latency."
    )
    return Stopping(EarlyStopping(False, text, queries_needed=needed))


def _estimate(latency_ns: NDArray[np.integer], percentile: float) -> EarlyStopping:
    count = len(latency_ns)
    needed = queries_for_estimate(percentile)
    if count < needed:
        text = f" * Only processed {count} queries.\n * Need to process at least {needed} queries for early stopping."
        return EarlyStopping(False, text, queries_needed=needed)
    position = count - discardable(count, percentile) - 1
    estimate_ns = int(np.partition(latency_ns, position)[position])
    text = (
        f" * Processed at least {needed} queries ({count}).\n"
        f" * Would discard {count - position - 1} highest latency queries.\n"
        f" * Early stopping {percentile:.1f}th percentile estimate: {estimate_ns}"
    )
    return EarlyStopping(True, text, estimate_ns, needed)


def queries_for_estimate(percentile: float) -> int:
    """The shortest run that yields an estimate: 64 queries at the 90th percentile, 662 at the 99th."""
    return MinPassing(percentile)(1) + 1


def discardable(count: int, percentile: float) -> int:
    """How many of the highest latencies a run of `count` queries may leave aside before taking its estimate.

    One fewer than the largest t that passes with count >= h(t) + t. The official tool tries t = 1, 2, 3, ...; passing
    is monotone in t, so bisection finds the same integer in a few steps, for any length of run.
    """
    p = _checked(percentile)
    hopeless = min(count, math.ceil(count * (1 - p)))  # so many over the bound are as likely as not
    fails_from = bisect_left(
        range(1, hopeless), True, key=lambda t: miss_probability(count - t, t, p) >= 1 - CONFIDENCE
    )
    if fails_from == 0:
        raise ValueError(f"{count} queries are too few for an estimate of the {percentile:g}th percentile")
    return fails_from - 1


class MinPassing:
    """h(t): the fewest queries under the bound that let `t` queries over it pass.

    The search is the official one, cache included: each answer narrows the bracket of later, larger t. Asked in the
    official order (once, or 1, 2, 3, ...) the cache never changes an answer; far leaps after two close neighbours can
    come out one short, as they do there.
    """

    def __init__(self, percentile: float, *, tolerance: float = TOLERANCE, confidence: float = CONFIDENCE) -> None:
        self._p = _checked(percentile) - tolerance
        self._limit = 1 - confidence
        self._known: dict[int, int] = {}

    def __call__(self, over: int) -> int:
        if over < 0:
            raise ValueError(f"{over} queries over the bound; expected zero or more")
        if over not in self._known:
            low, high = self._bracket(over)
            found = bisect_left(range(low, high), True, key=lambda h: miss_probability(h, over, self._p) < self._limit)
            self._known[over] = low + found
        return self._known[over]

    def _bracket(self, over: int) -> tuple[int, int]:
        """Bounds of h(over): a line from the nearest known point below, no flatter or steeper than h can be."""
        points = sorted((t, h) for t, h in self._known.items() if t < over)
        none_over = (0, math.ceil(math.log(self._limit) / math.log(self._p)))
        (x0, y0), (x1, y1) = [(-1, 0), none_over, *points][-2:] if len(points) != 1 else ((-1, 0), points[0])
        flattest = self._p / (1 - self._p)
        steepest = (y1 - y0) * (x1 - x0)
        return int((over - x1) * flattest + y1), (over - x1) * steepest + y1 + 1


def miss_probability(under: int, over: int, p: float) -> float:
    """Probability of at most `over` queries over the bound in `under + over` when a fraction p is under it.

    The regularised incomplete beta function I_p(under, over + 1), by its hypergeometric series.
    """
    log_beta = math.lgamma(under) + math.lgamma(1 + over) - math.lgamma(under + 1 + over)
    scale = math.exp(under * math.log(p) + over * math.log(1 - p) - log_beta) / under
    return scale * _series(-over, 1 + under, p / (p - 1))


def _series(b: int, c: int, x: float) -> float:
    """Gauss's 2F1(1, b; c; x) = 1 + (b/c) x + (b(b+1)/c(c+1)) x^2 + ..., summed until a term is below 2^-33."""
    smallest = 1.0 / (1 << 33)
    term, total, start, block = 1.0, 1.0, 0, 64
    while True:
        i = np.arange(start, start + block, dtype=np.float64)
        terms = term * np.cumprod((b + i) * x / (c + i))
        small = np.abs(terms) <= smallest
        if small.any():
            return total + float(terms[: int(small.argmax()) + 1].sum())
        total, term = total + float(terms.sum()), float(terms[-1])
        start, block = start + block, min(block * 2, 1 << 16)


def _checked(percentile: float) -> float:
    p = fraction(percentile)
    if not 0 < p < 1:
        raise ValueError(f"percentile is {percentile:g}; early stopping needs one between 0 and 100, both excluded")
    return p
