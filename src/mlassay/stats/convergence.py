"""Do the runs of a submission converge as the reference does, or suspiciously faster? The RCP test, pure.

A submission's mean (extremes dropped) is held against that of the reference at the same batch size. It passes when it
is not lower than the reference's by more than chance explains: one-sided t-test with pooled spread, where the
submission's spread is taken to be the reference's. Between two batch sizes the reference is interpolated.

Source: training rules, "Reference convergence points", and the official checker where the text leaves room: the spread
is the population's of all values, extremes included.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from mlassay.core.scoring import ConvergenceRule, ReferencePoint, ScoreRule
from mlassay.stats.training_score import RunTime, Score, score_runs


@dataclass(frozen=True, slots=True)
class Reference:
    """Convergence of the reference at one batch size, in the rule's unit."""

    batch_size: float
    mean: float  # without the extremes
    spread: float
    count: int  # values in the mean
    name: str


@dataclass(frozen=True, slots=True)
class Convergence:
    """The verdict. `reference` is None when there is none to hold the runs against."""

    passed: bool
    mean: float  # the submission's, without the extremes; infinite when too many runs did not converge
    reference: Reference | None
    lowest: float  # the lowest mean that passes; NaN without a reference
    why: str
    told: bool = True  # False when the logs do not say enough for a verdict

    @property
    def factor(self) -> float:
        """How much longer the reference takes: what the score is multiplied with. At least 1."""
        if self.reference is None or not self.passed or not 0 < self.mean < self.reference.mean:
            return 1.0
        return self.reference.mean / self.mean


@dataclass(frozen=True, slots=True)
class Convergent:
    """What one run's log says of its convergence."""

    name: str
    value: float  # in the rule's unit; infinity when it did not converge, NaN when the log does not tell
    batch_size: float | None


def score_with_reference(
    times: Sequence[RunTime],
    runs: Sequence[Convergent],
    rule: ScoreRule,
    reference: ConvergenceRule | None,
    *,
    stated: float | None = None,
    as_official: bool = False,
) -> tuple[Score, Convergence | None]:
    """The score of a benchmark on a system, slowed down where it converges faster than the reference.

    `stated` is the factor that the submission gives (scaling.json); it is taken as it stands. Without a `reference`
    (open division, early rounds) there is no verdict. The runs held against it are those that the score looks at.
    """
    score = score_runs(times, rule)
    verdict = None
    if reference is not None:
        inside = [r for r in runs if r.name in score.window]
        verdict = _verdict(inside, reference, as_official)
    if stated is not None:
        return score.scaled(stated), verdict
    if verdict is not None and reference is not None and reference.scaled:
        return score.scaled(verdict.factor), verdict
    return score, verdict


def _verdict(runs: Sequence[Convergent], rule: ConvergenceRule, as_official: bool) -> Convergence:
    sizes = sorted({r.batch_size for r in runs if r.batch_size is not None})
    if len(sizes) != 1:
        said = ", ".join(f"{s:g}" for s in sizes) or "none"
        return _untold(f"one batch size is wanted, the logs tell {said}")
    silent = next((r.name for r in runs if math.isnan(r.value)), "")
    if silent:
        return _untold(f"{silent} does not tell its {rule.unit}")
    return judge_convergence([r.value for r in runs], sizes[0], rule, as_official=as_official)


def _untold(why: str) -> Convergence:
    return Convergence(False, math.nan, None, math.nan, why, told=False)


def judge_convergence(
    values: Sequence[float], batch_size: float, rule: ConvergenceRule, *, as_official: bool = False
) -> Convergence:
    """Hold the runs' points of convergence (infinity: did not converge) against the reference's at their batch size.

    `as_official` follows the official tool where it departs from the rules: always pruned, by one pass, and for 3D
    U-Net 38 values in place of 32 are taken to be in the submission's mean.
    """
    mean = _trimmed_mean(values, rule.drop)
    known = references(rule, as_official=as_official)
    exact = next((r for r in known if r.batch_size == batch_size), None)
    if exact is not None:
        return _against(mean, exact, rule, f"reference at batch size {exact.batch_size:g}", as_official)
    smaller = [r for r in known if r.batch_size < batch_size]
    larger = [r for r in known if r.batch_size > batch_size]
    if smaller and larger:
        between = _between(smaller[-1], larger[0], batch_size, 2 * rule.runs)
        return _against(mean, between, rule, f"reference {between.name}", as_official)
    if not smaller:
        held = _against(
            mean, larger[0], rule, f"reference at the larger batch size {larger[0].batch_size:g}", as_official
        )
        if held.passed:
            return held
    edge = f"smallest is {known[0].batch_size:g}" if not smaller else f"largest is {known[-1].batch_size:g}"
    return Convergence(False, mean, None, math.nan, f"no reference at batch size {batch_size:g}: the {edge}")


def references(rule: ConvergenceRule, *, as_official: bool = False) -> list[Reference]:
    """The reference points to hold runs against, by batch size; where the round prunes, without the slow ones."""
    known = [_reference(p, rule.drop) for p in rule.points]
    if not (rule.pruned or as_official):
        return known
    fastest = min(known, key=lambda r: r.mean)
    known = [r for r in known if r.batch_size >= fastest.batch_size]
    return _prune_once(known) if as_official else _hull(known)


def _reference(point: ReferencePoint, drop: int) -> Reference:
    values = point.values
    return Reference(
        point.batch_size, _trimmed_mean(values, drop), statistics.pstdev(values), len(values) - 2 * drop, point.name
    )


def _hull(known: list[Reference]) -> list[Reference]:
    """Without every point that lies above the straight line between any two around it."""
    kept: list[Reference] = []
    for point in known:
        while len(kept) > 1 and kept[-1].mean > _mean_between(kept[-2], point, kept[-1].batch_size):
            kept.pop()
        kept.append(point)
    return kept


def _prune_once(known: list[Reference]) -> list[Reference]:
    """As the official tool does it: one walk, which does not look back after it dropped a point."""
    kept, i = list(known), 1
    while i < len(kept) - 1:
        if kept[i].mean > _mean_between(kept[i - 1], kept[i + 1], kept[i].batch_size):
            del kept[i]
        else:
            i += 1
    return kept


def _mean_between(low: Reference, high: Reference, batch_size: float) -> float:
    share = (batch_size - low.batch_size) / (high.batch_size - low.batch_size)
    return low.mean + share * (high.mean - low.mean)


def _between(low: Reference, high: Reference, batch_size: float, count: int) -> Reference:
    share = (batch_size - low.batch_size) / (high.batch_size - low.batch_size)
    return Reference(
        batch_size,
        _mean_between(low, high, batch_size),
        low.spread + share * (high.spread - low.spread),
        count,
        f"between batch sizes {low.batch_size:g} and {high.batch_size:g}",
    )


def _against(mean: float, reference: Reference, rule: ConvergenceRule, why: str, as_official: bool) -> Convergence:
    n = rule.runs - (2 if as_official else 2 * rule.drop)
    lowest = lowest_mean(reference, n, rule.confidence) - rule.leniency
    return Convergence(mean >= lowest, mean, reference, lowest, why)


def lowest_mean(reference: Reference, count: int, confidence: float) -> float:
    """The lowest mean of `count` values that chance still explains."""
    width = math.sqrt(1 / reference.count + 1 / count)
    return reference.mean - student_quantile(confidence, reference.count + count - 2) * reference.spread * width


def _trimmed_mean(values: Sequence[float], drop: int) -> float:
    kept = sorted(values)[drop : len(values) - drop]
    if not kept:
        return math.nan
    return statistics.fmean(kept) if all(map(math.isfinite, kept)) else math.inf


def student_quantile(probability: float, freedom: int) -> float:
    """The t below which a share `probability` (at least 0.5) of Student's distribution lies."""
    low, high = 0.0, 1.0
    while _student_below(high, freedom) < probability:
        high *= 2
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _student_below(middle, freedom) < probability else (low, middle)
    return high


def _student_below(t: float, freedom: int) -> float:
    """Student's distribution for whole degrees of freedom (Abramowitz and Stegun 26.7.3, 26.7.4)."""
    angle = math.atan(t / math.sqrt(freedom))
    cosine, sine = math.cos(angle), math.sin(angle)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = term if freedom > 1 else 0.0
    for k in range(2 + odd, freedom, 2):
        term *= cosine**2 * (k - 1) / k
        total += term
    within = 2 / math.pi * (angle + sine * total) if odd else sine * total
    return (1 + within) / 2
