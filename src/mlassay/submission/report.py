"""What a check comes to: results, findings, verdict. Plain frozen data that every renderer and the database read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlassay.submission.check import Finding, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One result of a submission: what was measured, on what, how good, and whether it counts.

    `value` is in `unit`; latencies are milliseconds. `valid` is the load generator's word (None: it said nothing);
    `accepted` is ours: no rejecting finding touches it. `accuracy` maps metric names to values as printed.
    """

    suite: str = "inference"
    round: str
    division: str
    submitter: str
    system: str
    benchmark: str  # the rule book's id; the directory's name where the rule book has none
    model: str  # the directory's name
    scenario: str  # official spelling: "SingleStream", "Server", ...
    metric: str  # "p90 latency", "samples per second", ...
    value: float | None
    unit: str
    accuracy: Mapping[str, float] = field(default_factory=dict)
    valid: bool | None = None
    inferred: bool = False
    power: float | None = None
    power_unit: str = ""
    accepted: bool = True
    path: str = ""
    availability: str = ""  # the system's status: available, preview, rdi
    system_type: str = ""  # datacenter, edge, or both
    system_description: Mapping[str, Any] = field(default_factory=dict)
    measurements: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The outcome of checking one tree."""

    path: str
    suite: str
    round: str
    results: tuple[Result, ...] = ()
    findings: tuple[Finding, ...] = ()
    as_official: str = ""
    n_files: int = 0
    seconds: float = 0.0

    @property
    def verdict(self) -> str:
        return "fail" if any(f.rejects for f in self.findings) else "pass"

    def count(self, severity: Severity) -> int:
        return sum(1 for f in self.findings if f.severity is severity and not f.waived)

    @property
    def n_waived(self) -> int:
        return sum(1 for f in self.findings if f.waived)
