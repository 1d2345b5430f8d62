"""From run times to a training score, by the rule of the round: pure functions, all times in minutes.

A run that did not converge has infinite time and so ranks as the slowest. Sources: training rules, "Results" of each
round; v0.5 NCF by its "first 50 of 100" note; windows since v1.1; scaling by reference convergence points since v2.1.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from mlassay.core.scoring import ScoreRule


@dataclass(frozen=True, slots=True)
class RunTime:
    """One run: its name, its minutes (infinity when it did not converge), and why it may not count."""

    name: str
    minutes: float
    fault: str = ""  # a reason to leave the run out entirely: resumed in closed, unreadable

    @property
    def converged(self) -> bool:
        return math.isfinite(self.minutes)


@dataclass(frozen=True, slots=True)
class Dropped:
    """A run that is not in the mean, and why."""

    name: str
    minutes: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Minutes to target, with everything that speaks for and against the number."""

    minutes: float | None  # None: no score can be given
    n_runs: int
    n_converged: int
    kept: tuple[str, ...] = ()
    window: tuple[str, ...] = ()  # the runs looked at, before the extremes were dropped
    dropped: tuple[Dropped, ...] = ()
    fastest: float | None = None  # of the converged runs, before dropping
    slowest: float | None = None
    spread: float | None = None  # coefficient of variation of the kept runs
    scaling: float = 1.0
    problems: tuple[str, ...] = field(default_factory=tuple)

    @property
    def valid(self) -> bool:
        return self.minutes is not None and not self.problems

    def scaled(self, factor: float) -> Score:
        """The same, slowed down by a factor (reference convergence points)."""
        minutes = None if self.minutes is None else self.minutes * factor
        return replace(self, minutes=minutes, scaling=self.scaling * factor)


def score_runs(runs: Sequence[RunTime], rule: ScoreRule) -> Score:
    """The score of one benchmark on one system; `runs` in the order in which they were made."""
    usable = [r for r in runs if not r.fault]
    dropped = [Dropped(r.name, r.minutes, r.fault) for r in runs if r.fault]
    problems = []
    if rule.first_converged:
        usable, set_aside = _first_converged(usable, rule.first_converged)
        dropped += set_aside
    wanted = rule.first_converged or rule.runs_required
    if len(usable) < wanted:
        problems.append(f"{len(usable)} runs; the rules want {wanted}")
    if rule.windows and len(usable) > rule.runs_required:
        return _median_window(usable, rule, dropped, len(runs))
    failed = sum(not r.converged for r in usable)
    if failed > rule.max_non_converged:
        problems.append(f"{failed} runs did not converge; at most {rule.max_non_converged} may")
    kept, trimmed = _trim(usable, rule)
    times = [r.minutes for r in kept]
    finite = [r.minutes for r in usable if r.converged]
    mean = statistics.fmean(times) if times and all(map(math.isfinite, times)) else None
    if mean is None and not problems:
        problems.append(f"{len(finite)} of {len(usable)} runs converged: none is left to average")
    return Score(
        minutes=mean,
        n_runs=len(runs),
        n_converged=sum(r.converged for r in runs),
        kept=tuple(r.name for r in kept),
        window=tuple(r.name for r in usable),
        dropped=tuple(dropped + trimmed),
        fastest=min(finite, default=None),
        slowest=max(finite, default=None),
        spread=_variation(times) if mean is not None else None,
        problems=tuple(problems),
    )


def _first_converged(runs: list[RunTime], n: int) -> tuple[list[RunTime], list[Dropped]]:
    chosen = [r for r in runs if r.converged][:n]
    names = {r.name for r in chosen}
    aside = [
        Dropped(r.name, r.minutes, f"not among the first {n} that converge" if r.converged else "did not converge")
        for r in runs
        if r.name not in names
    ]
    return chosen, aside


def _trim(runs: Sequence[RunTime], rule: ScoreRule) -> tuple[list[RunTime], list[Dropped]]:
    """Drop the fastest and slowest; too few runs are all kept (the count is already a problem)."""
    if len(runs) <= rule.drop_fastest + rule.drop_slowest:
        return list(runs), []
    ranked = sorted(runs, key=lambda r: r.minutes)
    low, high = ranked[: rule.drop_fastest], ranked[len(ranked) - rule.drop_slowest :]
    out = {id(r) for r in (*low, *high)}
    gone = [Dropped(r.name, r.minutes, "fastest") for r in low]
    gone += [
        Dropped(r.name, r.minutes, "slowest" if r.converged else "did not converge: counts as slowest") for r in high
    ]
    return [r for r in runs if id(r) not in out], gone


def _median_window(runs: list[RunTime], rule: ScoreRule, dropped: list[Dropped], n_runs: int) -> Score:
    """Score every window of consecutive runs; an invalid window counts as infinity; the median window is the score."""
    n = rule.runs_required
    narrow = ScoreRule(n, rule.drop_fastest, rule.drop_slowest, rule.max_non_converged)
    scores = [score_runs(runs[i : i + n], narrow) for i in range(len(runs) - n + 1)]
    ranked = sorted(scores, key=lambda s: s.minutes if s.minutes is not None and s.valid else math.inf)
    middle = ranked[(len(ranked) - 1) // 2]
    minutes = middle.minutes if middle.valid else None
    if len(ranked) % 2 == 0 and minutes is not None:
        other = ranked[len(ranked) // 2]
        minutes = (minutes + other.minutes) / 2 if other.valid and other.minutes is not None else None
    outside = [Dropped(r.name, r.minutes, "outside the median window") for r in runs if r.name not in middle.window]
    finite = [r.minutes for r in runs if r.converged]
    return Score(
        minutes=minutes,
        n_runs=n_runs,
        n_converged=len(finite),
        kept=middle.kept,
        window=middle.window,
        dropped=(*dropped, *middle.dropped, *outside),
        fastest=min(finite, default=None),
        slowest=max(finite, default=None),
        spread=middle.spread,
        problems=() if minutes is not None else ("the median window is invalid",),
    )


def _variation(times: Sequence[float]) -> float | None:
    if len(times) < 2:
        return None
    mean = statistics.fmean(times)
    return statistics.stdev(times) / mean if mean else None
