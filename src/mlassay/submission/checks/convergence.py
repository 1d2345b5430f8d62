"""RCP: closed training results against the reference convergence points of their round."""

from __future__ import annotations

from collections.abc import Iterator

from mlassay.submission.check import Found, Scope, check
from mlassay.submission.training import TrainingEntry

CLAUSE = "Training rules, reference convergence points"
SLACK = 1e-3
"""Relative. The official tool finds its limits by halving and writes them with four decimals."""


@check(
    "RCP001",
    Scope.ENTRY,
    "convergence faster than the reference's",
    example="found mean 2.9 epoch_num at batch size 4096; expected at least 3.1, reference 3.3",
    clause=CLAUSE,
    since="v1.0",
)
def not_faster(entry: TrainingEntry) -> Iterator[Found]:
    """Runs that need clearly less training than the reference for the same quality train something else: another
    model, optimiser, data or luck. What chance explains (one-sided t-test, 5 %) passes."""
    verdict = entry.convergence
    if verdict is None or verdict.passed or verdict.reference is None:
        return
    reference = verdict.reference
    yield Found(
        entry.path,
        f"mean {verdict.mean:.6g} at batch size {reference.batch_size:g}",
        f"at least {verdict.lowest:.6g} ({verdict.why}: mean {reference.mean:.6g})",
        hint="compare hyperparameters, optimiser and data with the reference's",
    )


@check(
    "RCP002",
    Scope.ENTRY,
    "no reference convergence point for the batch size",
    example="found no reference at batch size 200000: the largest is 135168",
    clause=CLAUSE,
    since="v1.0",
)
def has_reference(entry: TrainingEntry) -> Iterator[Found]:
    """Beyond the largest and below the smallest batch size that the reference was run at, nothing says how fast it may
    converge. The submitter then runs the reference there and hands in the points."""
    verdict = entry.convergence
    if verdict is not None and verdict.told and verdict.reference is None:
        yield Found(
            entry.path,
            verdict.why,
            "a batch size between two that the round has",
            hint="run the reference at this batch size and submit its convergence points",
        )


@check(
    "RCP003",
    Scope.ENTRY,
    "convergence that cannot be told from the logs",
    example="found one batch size is wanted, the logs tell 256, 512",
    clause=CLAUSE,
    since="v1.0",
)
def told(entry: TrainingEntry) -> Iterator[Found]:
    """Convergence is held against the reference at the same batch size, in the unit that the round counts in. Logs that
    disagree about the size or do not count cannot be judged."""
    verdict = entry.convergence
    if verdict is not None and not verdict.told and any(log.log.events for log in entry.logs):
        yield Found(entry.path, verdict.why, "global_batch_size and the progress of each evaluation in each log")


@check(
    "RCP004",
    Scope.ENTRY,
    "scaling.json is not what convergence asks for",
    example="found scaling_factor 1; expected 1.042",
    clause=CLAUSE,
    since="v2.1",
)
def scaled(entry: TrainingEntry) -> Iterator[Found]:
    """Convergence faster than the reference's mean, yet within chance, is allowed, and the score is slowed down by the
    ratio of the two. A factor of one's own making changes the ranking."""
    verdict = entry.convergence
    where = entry.scaling_file
    if verdict is None or not verdict.passed or where.problem == "absent":
        return
    stated = entry.stated_scaling
    if stated is None:
        said = where.problem or f"scaling_factor {where.data.get('scaling_factor')!r}"
        yield Found(where.path, said, "a positive number scaling_factor")
    elif abs(stated - verdict.factor) > SLACK * verdict.factor:
        yield Found(where.path, f"scaling_factor {stated:g}", f"{verdict.factor:.6g} ({verdict.why})")
