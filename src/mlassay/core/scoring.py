"""Which training runs count, and how fast they may converge: what a round asks for and a score is made by.

The rule book produces these, the statistics consume them; neither knows the other.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ScoreRule:
    """How many runs a round wants of a benchmark, and which of them count."""

    runs_required: int = 5
    drop_fastest: int = 1
    drop_slowest: int = 1
    max_non_converged: int = 1
    first_converged: int = 0  # v0.5 NCF: only the first so many that converge are looked at
    windows: bool = False  # v1.1 on: more runs than required give the median over all consecutive windows


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferencePoint:
    """A reference convergence point: how long the reference trains at one batch size, run by run."""

    name: str
    batch_size: int
    values: tuple[float, ...]  # ascending, in the rule's unit
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvergenceRule:
    """How the convergence of runs is held against the reference's (training rules, "Reference convergence points")."""

    points: tuple[ReferencePoint, ...]  # by batch size
    unit: str  # the log's word for progress: epoch_num, samples_count, step_num
    runs: int  # runs of a submission
    drop: int  # values dropped at each end before a mean is taken
    confidence: float  # of the one-sided test
    pruned: bool  # points slower than their neighbours promise are left out
    leniency: float  # the lowest mean that passes lies so much lower still
    scaled: bool  # faster than the reference is slowed down to it in the score
    clause: str
