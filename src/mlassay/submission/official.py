"""The verdict that a round's official tool gives, where that is known: what rejects there, is logged, or is not seen.

Correct comes first: without `as_official` a finding has its own severity. With it, a finding that the tool rejects is
an error, one that it only logs is a warning, and one that it does not see is a note.
"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from functools import cache
from importlib.resources import files

from mlassay.rules.round import Round
from mlassay.submission.check import Check, Finding, Severity
from mlassay.submission.schema import at_least

_SEVERITY = {"reject": Severity.ERROR, "log": Severity.WARNING, "warn": Severity.WARNING}


@cache
def _table() -> dict[str, list[list[str]]]:
    return tomllib.loads(files("mlassay.submission").joinpath("data/official.toml").read_text(encoding="utf-8"))


def level(round_: Round, name: str) -> str:
    """reject, log, warn, opt-in or absent: what the tool of a round does about one row of the table."""
    if name in round_.severity:
        return round_.severity[name].level.value
    said = "absent"
    for first, value in _table().get(name, []):
        if at_least(round_.name, first):
            said = value
    return said


def official_name(check: Check, role: str) -> str:
    """The table's row for a check; LoadGen errors have one row per kind of run."""
    if check.official == "loadgen_errors":
        return "loadgen_errors_accuracy" if role == "accuracy" else "loadgen_errors_performance"
    return check.official


def as_official(found: Finding, check: Check, round_: Round, *, open_division: bool, role: str) -> Finding:
    """A finding with the weight that the round's tool gives it."""
    name = official_name(check, role)
    severity = _SEVERITY.get(level(round_, name), Severity.NOTE) if name else Severity.NOTE
    if found.severity is not Severity.ERROR and severity is Severity.ERROR and check.severity is Severity.ERROR:
        severity = _own_step(found, check, severity)
    if open_division and name == "accuracy_target" and round_.name != "v0.5":
        severity = Severity.NOTE
    return replace(found, severity=severity)


def _own_step(found: Finding, check: Check, severity: Severity) -> Severity:
    """Findings that stepped down from their check's severity are tolerances the tools do not have, but for kinds of
    errors that they ignore."""
    return found.severity if check.id == "LOG005" else severity
