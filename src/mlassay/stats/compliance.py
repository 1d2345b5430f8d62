"""Verdicts of compliance tests, pure: is the test run as fast as the result, and how much can equal answers prove?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlassay.stats.convergence import student_quantile
from mlassay.stats.percentile import CONFIDENCE, interval

BLOCKS = 20
"""A throughput's spread is told from so many equal stretches of its run (batch means)."""

LOOKS = (1 / 16, 1 / 4, 1.0)
"""Lengths of a sequential test's looks, as shares of the whole. All three together last 1.31 times the whole."""


def confidence_of_a_look(n_looks: int, confidence: float = CONFIDENCE) -> float:
    """Percent that each look needs so that all of them together are as sure as asked (Bonferroni)."""
    return 100 - (100 - confidence) / n_looks


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a run was: more is faster. `low` to `high` holds it as surely as was asked for, where that is known."""

    value: float
    unit: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Band:
    """Between which ratios of speeds, test over result, a test passes. None: no limit on that side."""

    low: float | None
    high: float | None

    def holds(self, ratio: float) -> bool:
        return (self.low is None or ratio >= self.low) and (self.high is None or ratio <= self.high)

    def __str__(self) -> str:
        if self.low is None:
            return "any" if self.high is None else f"at most {self.high:g}"
        return f"at least {self.low:g}" if self.high is None else f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True, slots=True)
class SpeedVerdict:
    """The ratio of two speeds held against a band. `sure`: so is every ratio of the interval."""

    ratio: float
    low: float | None
    high: float | None
    band: Band
    passed: bool
    sure: bool | None  # None where no interval can be given


def compare_speed(test: Speed, result: Speed, band: Band) -> SpeedVerdict:
    """Test over result. Raises ValueError for speeds of different units or that are not positive."""
    if test.unit != result.unit:
        raise ValueError(f"the speeds are in {test.unit} and {result.unit}; expected one unit")
    if not (test.value > 0 and result.value > 0):
        raise ValueError(f"the speeds are {test.value:g} and {result.value:g}; expected positive numbers")
    ratio = test.value / result.value
    passed = band.holds(ratio)
    if test.low is None or test.high is None or result.low is None or result.high is None:
        return SpeedVerdict(ratio, None, None, band, passed, None)
    low = test.low / result.high if result.high else math.nan
    high = test.high / result.low if result.low > 0 else math.inf
    outside = (band.high is not None and low > band.high) or (band.low is not None and high < band.low)
    inside = band.holds(low) and band.holds(high)
    return SpeedVerdict(ratio, low, high, band, passed, inside if passed else outside)


def at_percentile(latency_ns: NDArray[np.int64], percentile: float, confidence: float = CONFIDENCE) -> Speed:
    """The inverse of a latency percentile, so that more is faster, with its interval from order statistics."""
    unit = "queries/s at the percentile"
    if not len(latency_ns):
        return Speed(0.0, unit)
    known = interval(latency_ns, percentile, confidence)
    inverse = [1e9 / v if v else None for v in (known.value, known.high, known.low)]
    return Speed(inverse[0] or 0.0, unit, inverse[1], inverse[2])


def throughput(done_ns: NDArray[np.int64], unit: str = "samples/s", confidence: float = CONFIDENCE) -> Speed:
    """Answers per second of a run, with the interval that its own unevenness allows. `done_ns`: from the start."""
    answered = np.sort(done_ns[done_ns >= 0])
    if not len(answered) or answered[-1] <= 0:
        return Speed(0.0, unit)
    value = len(answered) / (int(answered[-1]) / 1e9)
    if len(answered) < BLOCKS * 10:
        return Speed(value, unit)
    edges = np.linspace(0, len(answered) - 1, BLOCKS + 1).astype(int)
    took_s = np.diff(answered[edges]) / 1e9
    if not (took_s > 0).all():
        return Speed(value, unit)
    rates = np.diff(edges) / took_s
    t = student_quantile(0.5 + confidence / 200, BLOCKS - 1)
    half = t * float(rates.std(ddof=1)) / math.sqrt(BLOCKS)
    return Speed(value, unit, max(0.0, value - half), value + half)


def most_that_could_differ(n_equal: int, confidence: float = 0.99) -> float:
    """Share of all answers that may differ when n drawn at random were equal: (1 - share)^n = 1 - confidence."""
    if n_equal < 1:
        return 1.0
    return float(1 - (1 - confidence) ** (1 / n_equal))
