"""CHECK, WAIV, ROUND: what the checker has to say about itself."""

from __future__ import annotations

from collections.abc import Iterator

from mlassay.submission.check import Found, Scope, Severity, check
from mlassay.submission.model import Submission


@check(
    "CHECK001",
    Scope.SUBMISSION,
    "a check failed",
    example="found ZeroDivisionError in PERF024",
)
def check_failed(_submission: Submission) -> Iterator[Found]:
    """A fault of mlassay: one of its checks could not cope with what it was given. The rest of the submission was
    checked. Made by the engine."""
    yield from ()


@check(
    "ROUND001",
    Scope.SUBMISSION,
    "round not recognised",
    severity=Severity.WARNING,
    example="found no seeds of a known round; v5.1 was assumed from the layout",
)
def recognised(submission: Submission) -> Iterator[Found]:
    """Each round has its own seeds, so its logs name it. Without a single readable log the layout decides, which is a
    guess among several rounds. Training logs of mlassay, or the records beside them, name theirs; runs that were made
    without a round are held to what holds for any run, and a note says so."""
    if submission.round_guess:
        yield Found("", submission.round_guess, "logs with a round's seeds", hint="say it with --round")


@check(
    "WAIV001",
    Scope.SUBMISSION,
    "waiver that covers nothing",
    severity=Severity.WARNING,
    example="found a waiver of PERF016 that covers no finding",
)
def waiver_unused(_submission: Submission) -> Iterator[Found]:
    """A waiver left over from an older state, or with a typing mistake, may one day cover what it was not meant for.
    Made by the engine."""
    yield from ()
