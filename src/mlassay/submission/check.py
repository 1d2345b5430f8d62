"""What a check is: a small function with an id, a reason and an example, that looks at one thing and yields findings.

Checks do not log, change or skip anything. The engine (`checker.py`) decides which to ask, fills in id and severity,
and turns a check that fails itself into a finding (CHECK001), never into a crash.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    ERROR = "error"  # rejects the submission
    WARNING = "warning"  # deserves a look, does not reject
    NOTE = "note"  # good to know


class Scope(StrEnum):
    """What a check is handed: once per submission, per submitter, per system file, per result, or per run."""

    SUBMISSION = "submission"
    SUBMITTER = "submitter"
    SYSTEM = "system"
    RESULT = "result"
    RUN = "run"
    ENTRY = "entry"  # training: one benchmark on one system
    TRAINING_LOG = "training log"


@dataclass(frozen=True, slots=True)
class Found:
    """What a check yields: where, what it saw, what it wanted."""

    where: str
    found: str
    expected: str
    hint: str = ""
    clause: str = ""
    severity: Severity | None = None  # only to step down from the check's own severity


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem of a submission, complete enough to be mended without asking anybody."""

    id: str
    severity: Severity
    where: str
    found: str
    expected: str
    clause: str = ""
    hint: str = ""
    submitter: str = ""  # "closed/NVIDIA"; empty for the tree as a whole
    waived: str = ""  # the reason, when a waiver covers it

    @property
    def rejects(self) -> bool:
        return self.severity is Severity.ERROR and not self.waived


Function = Callable[[Any], Iterator[Found]]


@dataclass(frozen=True, slots=True)
class Check:
    """A registered check. `reason` is the function's docstring; `example` shows what it catches, in one line."""

    id: str
    scope: Scope
    severity: Severity
    title: str
    reason: str
    example: str
    clause: str
    official: str  # row of the official tools' severity table; "" where no official tool looks
    since: str  # first round, "" for all
    until: str  # last round, "" for all
    open_severity: Severity  # in the open division
    function: Function

    @property
    def family(self) -> str:
        return self.id.rstrip("0123456789")


CHECKS: dict[str, Check] = {}
"""Every check that has been imported, by id."""

FAMILIES: dict[str, str] = {
    "TREE": "tree",
    "SYS": "system",
    "SCN": "scenario",
    "MEAS": "measurements",
    "LOG": "log",
    "PERF": "performance",
    "ACC": "accuracy",
    "COMP": "compliance",
    "POW": "power",
    "NET": "network",
    "EP": "endpoints",
    "TRN": "training",
    "RCP": "convergence",
    "ROUND": "meta",
    "WAIV": "meta",
    "CHECK": "meta",
}
"""Id prefix to module of `mlassay.submission.checks`."""


def check(
    id: str,
    scope: Scope,
    title: str,
    *,
    example: str,
    severity: Severity = Severity.ERROR,
    clause: str = "",
    official: str = "",
    since: str = "",
    until: str = "",
    open_severity: Severity | None = None,
) -> Callable[[Function], Function]:
    """Register a check. Its function takes what `scope` names (see `mlassay.submission.model`)."""

    def register(function: Function) -> Function:
        reason = " ".join((function.__doc__ or "").split())
        if not reason or id in CHECKS:
            raise ValueError(f"check {id}: needs a docstring and an id of its own")
        CHECKS[id] = Check(
            id=id,
            scope=scope,
            severity=severity,
            title=title,
            reason=reason,
            example=example,
            clause=clause,
            official=official,
            since=since,
            until=until,
            open_severity=open_severity or severity,
            function=function,
        )
        return function

    return register


def all_checks() -> dict[str, Check]:
    """Every check of every family, by id, in the order of families and ids."""
    for module in dict.fromkeys(FAMILIES.values()):
        importlib.import_module(f"mlassay.submission.checks.{module}")
    order = {name: n for n, name in enumerate(FAMILIES)}
    return dict(sorted(CHECKS.items(), key=lambda item: (order.get(item[1].family, len(order)), item[0])))


def finding(check: Check, found: Found, *, open_division: bool, submitter: str) -> Finding:
    """A check's answer with its id, severity and clause."""
    severity = found.severity or (check.open_severity if open_division else check.severity)
    return Finding(
        id=check.id,
        severity=severity,
        where=clean(found.where),
        found=clean(found.found),
        expected=clean(found.expected),
        clause=found.clause or check.clause,
        hint=clean(found.hint),
        submitter=clean(submitter),
    )


def clean(text: str, limit: int = 500) -> str:
    """Text from a stranger's file, safe to print: no control characters, no surrogates, not endless."""
    text = text if len(text) <= limit else f"{text[: limit - 1]}…"
    if text.isprintable():
        return text
    safe = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in safe)


def waive(found: Finding, reason: str) -> Finding:
    return replace(found, waived=reason)
