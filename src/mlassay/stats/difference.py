"""Are two sets of runs different, by how much, and how sure can one be? Exact for few runs, no assumption on noise.

Runs of one system scatter, often with outliers, and there are rarely more than five of them. So the comparison looks
at order alone (Mann and Whitney 1947): how often is a run of b above a run of a? The likely factor between the two is
the median of all ratios b / a (Hodges and Lehmann 1963), and its confidence interval is cut out of the same sorted
ratios at the ranks that the exact distribution of the count gives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

MAX_EXACT = 100
"""Up to so many runs in all, the distribution is counted out; beyond, it is normal to three digits."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How b compares with a. Ratios are b / a: 1.1 means that b's values are a tenth higher."""

    ratio: float  # the likely factor
    low: float | None  # its confidence interval; None where so few runs cannot give one
    high: float | None
    confidence: float  # percent, as asked for
    p_value: float  # probability of so clear a difference between two sets of one and the same system
    count_a: int
    count_b: int

    @property
    def sure(self) -> bool:
        """Whether the two differ, at the confidence asked for."""
        return self.p_value <= 1 - self.confidence / 100

    @property
    def runs_wanted(self) -> int:
        """The fewest runs of each, an equal number, that could ever be sure."""
        n = 1
        while 2 / math.comb(2 * n, n) > 1 - self.confidence / 100:
            n += 1
        return n


def compare(a: Sequence[float], b: Sequence[float], confidence: float = 95.0) -> Difference:
    """Compare the metrics of two sets of runs; all values must be positive numbers.

    With 95 % confidence it takes four runs of each to be sure of anything, with 99 % five.
    """
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    for name, values in (("a", first), ("b", second)):
        if not len(values) or not (np.isfinite(values) & (values > 0)).all():
            raise ValueError(f"{name} holds {values.tolist()[:5]}; expected at least one positive number")
    if not 0 < confidence < 100:
        raise ValueError(f"confidence is {confidence}; expected a percentage between 0 and 100")
    n, m = len(first), len(second)
    ratios = np.sort((second[:, None] / first[None, :]).ravel())
    above = float((ratios > 1).sum() + 0.5 * (ratios == 1).sum())
    cut = _lowest_rank(n, m, (1 - confidence / 100) / 2)
    return Difference(
        ratio=float(np.median(ratios)),
        low=float(ratios[cut - 1]) if cut else None,
        high=float(ratios[-cut]) if cut else None,
        confidence=confidence,
        p_value=_p_value(n, m, above),
        count_a=n,
        count_b=m,
    )


def _p_value(n: int, m: int, above: float) -> float:
    """Two-sided: a count at least as far from the middle, on either side. Ties count as half, towards the middle."""
    extreme = min(above, n * m - above)
    return min(1.0, 2 * _at_most(n, m, math.ceil(extreme)))


def _lowest_rank(n: int, m: int, tail: float) -> int:
    """The largest k with P(count < k) <= tail; 0 where even the outermost ratio is too likely."""
    k = 0
    while k < n * m // 2 and _at_most(n, m, k) <= tail:
        k += 1
    return k


def _at_most(n: int, m: int, k: int) -> float:
    """P(count <= k) when both sets come from one system."""
    if n + m > MAX_EXACT:
        mean, spread = n * m / 2, math.sqrt(n * m * (n + m + 1) / 12)
        return NormalDist(mean, spread).cdf(k + 0.5)
    below = _cumulative(min(n, m), max(n, m))
    return float(below[min(k, len(below) - 1)])


@cache
def _cumulative(n: int, m: int) -> NDArray[np.float64]:
    """P(count <= k) for k = 0 ... n m: the Gaussian binomial coefficient, factor by factor."""
    ways = [1] + [0] * (n * m)  # Python's integers: they stay exact
    for i in range(1, n + 1):
        for k in range(len(ways) - 1, m + i - 1, -1):  # times (1 - q^(m + i))
            ways[k] -= ways[k - m - i]
        for k in range(i, len(ways)):  # divided by (1 - q^i)
            ways[k] += ways[k - i]
    total = sum(ways)
    return np.array([below / total for below in accumulate(ways)])
