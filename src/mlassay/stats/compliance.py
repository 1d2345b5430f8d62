"""Verdicts of compliance tests, pure: is the test run as fast as the result, and how much can equal answers prove?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCKS = 20
"""A throughput's spread is told from so many equal stretches of its run (batch means)."""

T_99 = 2.861
"""Student's t, 19 degrees of freedom, 99 % two-sided."""


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a run was: more is faster. `low` to `high` holds it with 99 % certainty, where that can be said."""

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


def throughput(done_ns: NDArray[np.int64], unit: str = "samples/s") -> Speed:
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
    half = T_99 * float(rates.std(ddof=1)) / math.sqrt(BLOCKS)
    return Speed(value, unit, max(0.0, value - half), value + half)


def most_that_could_differ(n_equal: int, confidence: float = 0.99) -> float:
    """Share of all answers that may differ when n drawn at random were equal: (1 - share)^n = 1 - confidence."""
    if n_equal < 1:
        return 1.0
    return float(1 - (1 - confidence) ** (1 / n_equal))
