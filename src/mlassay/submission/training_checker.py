"""Training trees to findings and rows: the same checks, severities and report as for inference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from mlassay.core.errors import BadFile
from mlassay.rules.reader import rounds
from mlassay.rules.training import load_training_round
from mlassay.submission.check import Check, Finding, Scope, Severity, clean, finding
from mlassay.submission.report import Result
from mlassay.submission.training import NO_ROUND, TrainingEntry, TrainingTree, entry_folders, recognise_training_round
from mlassay.submission.tree import Tree

UNSEEN_BY_THE_TOOL = frozenset({"TRN005", "TRN007", "RCP004"})
"""What the official package checker does not look at: odd lines, the order of times; it writes scaling.json itself."""


TRUE_OF_ANY_RUN = frozenset({"TRN003", "TRN004", "TRN005", "TRN006", "TRN007", "TRN011"})
"""Readable, whole, in order, converged, each with its own seed."""


def open_training(tree: Tree, *, round: str = "auto") -> TrainingTree:
    """Find the entries of a tree and the rules to hold them against. Raises BadFile when there is none."""
    folders = entry_folders(tree)
    if not folders:
        raise BadFile(tree.label, found="no result_<n>.txt", expected="training logs somewhere below")
    guess = ""
    if round == "auto":
        round, guess = recognise_training_round(tree, folders)
    roundless = round == NO_ROUND
    rules = load_training_round(rounds("training")[-1] if roundless else round)
    return TrainingTree(tree, rules, folders, round_guess=guess, roundless=roundless)


def without_round(checks: Sequence[Check]) -> list[Check]:
    """The checks that hold for any run, under the rules of a round or none."""
    return [c for c in checks if c.id in TRUE_OF_ANY_RUN]


def run_training(training: TrainingTree, checks: Sequence[Check]) -> tuple[list[Result], list[Finding]]:
    """Every entry by itself; a check that fails becomes CHECK001."""
    by_scope = {scope: [c for c in checks if c.scope is scope] for scope in (Scope.ENTRY, Scope.TRAINING_LOG)}
    rows: list[Result] = []
    findings: list[Finding] = []
    if training.roundless:
        findings.append(_no_round())
    elif training.round_guess:
        findings.append(_round_finding(training))
    for known in training.entries:
        entry = TrainingEntry(training, known.path)  # what was read is let go afterwards
        found = list(_ask(by_scope[Scope.ENTRY], entry, entry))
        for log in entry.logs:
            found += _ask(by_scope[Scope.TRAINING_LOG], log, entry)
        if training.as_official:
            found = [replace(f, severity=Severity.NOTE) if f.id in UNSEEN_BY_THE_TOOL else f for f in found]
        bad = any(f.rejects for f in found)
        rows.append(replace(entry.row(), accepted=not bad))
        findings += found
    return rows, findings


def _round_finding(training: TrainingTree) -> Finding:
    return Finding(
        id="ROUND001",
        severity=Severity.WARNING,
        where="",
        found=training.round_guess,
        expected="the round's name",
        hint="say it with --round",
    )


def _no_round() -> Finding:
    return Finding(
        id="ROUND001",
        severity=Severity.NOTE,
        where="",
        found="runs without a round's rules: only what holds for any run was checked",
        expected="a round's name",
        hint="train with --round, or name one to check by: --round v5.1",
    )


def _ask(checks: Sequence[Check], thing: Any, entry: TrainingEntry) -> Iterator[Finding]:
    label = f"{entry.division}/{entry.submitter}".strip("/")
    for check in checks:
        try:
            for found in check.function(thing):
                yield finding(check, found, open_division=entry.division == "open", submitter=label)
        except Exception as error:  # noqa: BLE001 - a fault in one check must not hide what the others find
            yield Finding(
                id="CHECK001",
                severity=Severity.ERROR,
                where=clean(thing.path),
                found=clean(f"{type(error).__name__}: {error} in {check.id}"),
                expected="a check that copes with any input",
                hint="this is a fault of mlassay: report it with the file",
                submitter=label,
            )
