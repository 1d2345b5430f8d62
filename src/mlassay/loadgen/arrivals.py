"""When each query is due: pure functions of a rate and a seed, in nanoseconds since the run's start.

The first query is due at once; the gap after it comes from the schedule stream (Server) or is one period (the
other scenarios, whose real moment of issue is decided by the SUT's answers).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from mlassay.core.units import NS_PER_S
from mlassay.loadgen.streams import Int64, Words, exponential_ns


class Arrivals(Protocol):
    """An endless, never falling list of due times."""

    def first(self, n: int) -> Int64:
        """The first n of them."""

    def expected(self, duration_ns: int) -> int:
        """About how many fall within a duration: how far to look at first."""


class Poisson:
    """Arrivals with exponential gaps at a mean rate."""

    def __init__(self, rate_hz: float, seed: int) -> None:
        self._rate_hz = rate_hz
        self._words = Words(seed)
        self._due_ns: Int64 = np.zeros(1, np.int64)

    def first(self, n: int) -> Int64:
        missing = n - len(self._due_ns)
        if missing > 0:
            gaps = exponential_ns(self._words, missing, self._rate_hz)
            gaps[0] += self._due_ns[-1]
            self._due_ns = np.concatenate([self._due_ns, np.cumsum(gaps, out=gaps)])
        return self._due_ns[:n]

    def expected(self, duration_ns: int) -> int:
        mean = duration_ns / NS_PER_S * self._rate_hz
        return int(mean + 4 * mean**0.5) + 2  # enough in all but one of 30,000 cases


class Constant:
    """Arrivals one period apart."""

    def __init__(self, period_ns: int) -> None:
        self._period_ns = max(period_ns, 1)

    def first(self, n: int) -> Int64:
        return np.arange(n, dtype=np.int64) * self._period_ns

    def expected(self, duration_ns: int) -> int:
        return duration_ns // self._period_ns + 3


def period_ns(rate_hz: float) -> int:
    """The official conversion: the period in seconds as a double, then cut to whole nanoseconds."""
    return int((1.0 / rate_hz) * 1e9)


def count_within(arrivals: Arrivals, duration_ns: int, min_queries: int) -> int:
    """How many queries a run generates: up to the first that is due at or after the duration, at least the minimum."""
    if duration_ns <= 0:
        return min_queries
    return max(_first_at_or_after(arrivals, duration_ns, start=0, step=1) + 1, min_queries)


def grown_minimum(arrivals: Arrivals, duration_ns: int, min_queries: int, set_size: int) -> int:
    """Equal-issue mode: the smallest count of whole data sets that reaches both the minimum and the duration."""
    padded = min_queries + -min_queries % set_size
    if duration_ns <= 0:
        return padded
    last = _first_at_or_after(arrivals, duration_ns, start=max(padded, set_size) - 1, step=set_size)
    return last + 1


def _first_at_or_after(arrivals: Arrivals, moment_ns: int, *, start: int, step: int) -> int:
    """The least of the positions start, start + step, ... whose due time has reached the moment."""
    look = max(arrivals.expected(moment_ns), start) + step
    while True:
        due_ns = arrivals.first(look)[start::step]
        found = int(np.searchsorted(due_ns, moment_ns, "left"))
        if found < len(due_ns):
            return start + found * step
        look += look // 8 + step
