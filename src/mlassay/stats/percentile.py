"""Percentiles as the official load generator takes them, and how well a run of this length knows them.

The convention is nearest rank: sort the n values and take the one at position floor(n * p), counted from zero, so
that about n * p values lie below it. There is no interpolation: the answer is always a value that was measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

OFFICIAL_PERCENTILES = (50.0, 90.0, 95.0, 97.0, 99.0, 99.9)
"""The percentiles that every official summary prints."""

CONFIDENCE = 99.0
"""The confidence, in percent, behind the query counts of the inference rules."""


def fraction(percentile: float) -> float:
    """The percentile (0-100) as the nearest fraction (0-1): 99.9 becomes 0.999 and not 0.9990000000000001."""
    if not 0 <= percentile <= 100:
        raise ValueError(f"percentile is {percentile}; expected a number from 0 to 100")
    return round(percentile / 100, 14)


def rank(count: int, percentile: float) -> int:
    """Position of the percentile among `count` sorted values, counted from zero."""
    if count < 1:
        raise ValueError("a percentile of no values does not exist")
    return min(int(count * fraction(percentile)), count - 1)


def percentile(values: NDArray[np.integer], wanted: float) -> int:
    """The value at one percentile (0-100) of unsorted integers, for example latencies in ns."""
    position = rank(len(values), wanted)
    return int(np.partition(values, position)[position])


def percentiles(values: NDArray[np.integer], wanted: Iterable[float] = OFFICIAL_PERCENTILES) -> dict[float, int]:
    """The values at several percentiles (0-100) of unsorted integers, in one pass."""
    positions = {p: rank(len(values), p) for p in wanted}
    if not positions:
        return {}
    parted = np.partition(values, sorted(set(positions.values())))
    return {p: int(parted[k]) for p, k in positions.items()}


def latency_summary(latency_ns: NDArray[np.integer]) -> dict[str, int]:
    """Minimum, mean, maximum and the official percentiles, keyed as `Outcome.latency_ns` wants them.

    The mean is cut to a whole number, as in official summaries. No values: an empty dict.
    """
    if not len(latency_ns):
        return {}
    summary = {"min": int(latency_ns.min()), "mean": whole_mean(latency_ns), "max": int(latency_ns.max())}
    return summary | {f"{p:g}": value for p, value in percentiles(latency_ns).items()}


def whole_mean(values: NDArray[np.integer]) -> int:
    """The mean of integers, cut towards zero. Exact: the sum cannot overflow, however many values there are."""
    chunk = 1 << 20
    total = sum(int(values[k : k + chunk].sum(dtype=np.int64)) for k in range(0, len(values), chunk))
    return abs(total) // len(values) * (-1 if total < 0 else 1)


@dataclass(frozen=True, slots=True)
class Interval:
    """Where the true percentile lies, with the confidence asked for; None on a side that this few values leave open."""

    value: int
    low: int | None
    high: int | None
    coverage: float  # 0-1: how sure the interval really is; at least the confidence asked for, when closed
    count: int

    @property
    def closed(self) -> bool:
        return self.low is not None and self.high is not None


def interval(values: NDArray[np.integer], wanted: float, confidence: float = CONFIDENCE) -> Interval:
    """Confidence interval of a percentile from order statistics: no assumption on the distribution.

    The number of values below the true percentile is binomial(n, p); the bounds are the measured values at the ranks
    that this number exceeds, or stays under, with probability (1 - confidence) / 2 each.
    """
    count, p = len(values), fraction(wanted)
    centre = rank(count, wanted)
    if not 0 < p < 1:
        raise ValueError(f"percentile is {wanted}; an interval needs one between 0 and 100, both excluded")
    tail = (1 - confidence / 100) / 2
    first, below = _binomial_cdf(count, p)  # below[k] = P(B <= first + k)
    low_rank = first + int(np.searchsorted(below, tail, side="right"))  # 1-based: P(B < low_rank) <= tail
    high_rank = first + 1 + int(np.searchsorted(below, 1 - tail, side="left"))  # P(B < high_rank) >= 1 - tail
    has_low, has_high = low_rank >= 1, high_rank <= count
    picks = sorted({centre, *((low_rank - 1,) if has_low else ()), *((high_rank - 1,) if has_high else ())})
    parted = np.partition(values, picks)
    return Interval(
        value=int(parted[centre]),
        low=int(parted[low_rank - 1]) if has_low else None,
        high=int(parted[high_rank - 1]) if has_high else None,
        coverage=_at(below, high_rank - 1 - first) - _at(below, low_rank - 1 - first),
        count=count,
    )


def queries_to_know(wanted: float, confidence: float = CONFIDENCE, margin: float | None = None) -> int:
    """Queries that a run needs so that its percentile is known to within `margin` (a fraction of the distribution).

    The margin of the MLPerf Inference paper (Reddi et al. 2020, section III-D) is a twentieth of the tail:
    (1 - p) / 20. That gives 23,886 queries at the 90th percentile and 262,742 at the 99th, rounded as there.
    """
    p = fraction(wanted)
    if not 0 < p < 1 or not 0 < confidence < 100:
        raise ValueError(f"percentile {wanted} and confidence {confidence}: both must lie between 0 and 100")
    margin = (1 - p) / 20 if margin is None else margin
    z = NormalDist().inv_cdf((1 - confidence / 100) / 2)
    return max(1, round(z * z * p * (1 - p) / (margin * margin)))


def whole_blocks(queries: int, block: int = 1 << 13) -> int:
    """Rounded up to whole blocks of 8,192, the form in which early rounds state their minimum query counts."""
    return -(-queries // block) * block


def _binomial_cdf(n: int, p: float) -> tuple[int, NDArray[np.float64]]:
    """P(B <= k) for k = first, first + 1, ...: the stretch around the mean that holds all but 1e-20 of the mass."""
    mode = min(int((n + 1) * p), n)
    reach = int(10 * math.sqrt(n * p * (1 - p))) + 30
    first, last = max(0, mode - reach), min(n, mode + reach)
    k = np.arange(first, last, dtype=np.float64)
    steps = np.log((n - k) / (k + 1)) + math.log(p / (1 - p))  # log pmf(k + 1) - log pmf(k)
    log_mass = np.concatenate(([0.0], np.cumsum(steps)))
    mass = np.exp(log_mass - log_mass.max())
    return first, np.minimum(np.cumsum(mass / mass.sum()), 1.0)


def _at(below: NDArray[np.float64], k: int) -> float:
    """The cumulative probability at position k of the stretch: 0 before it, 1 after."""
    if k < 0:
        return 0.0
    return float(below[k]) if k < len(below) else 1.0
