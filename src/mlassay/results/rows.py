"""What an importer hands to the store: plain frozen rows that refer to each other by their place in the batch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

READ, ABSENT, UNREADABLE = "read", "absent", "unreadable"
"""States of a system, result or run: its numbers are here; its content is not in this copy; it is here but odd."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRow:
    """Where a batch comes from. `name` is its identity: importing a source of the same name replaces the old one."""

    name: str
    kind: str  # "repository", "submission", "run"
    suite: str  # "inference", "training"
    round: str
    origin: str  # the path or archive that was given
    url: str = ""
    commit_id: str | None = None
    reader: str
    signature: str  # of the listing (names and sizes): the quick test for "nothing changed"
    published: bool = False
    n_files: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemRow:
    """One described system under test, with its whole description as JSON text."""

    division: str
    submitter: str
    name: str
    title: str = ""
    path: str = ""
    state: str = READ
    reason: str = ""
    status: str = ""
    system_type: str = ""
    framework: str = ""
    operating_system: str = ""
    host_processor: str = ""
    host_sockets: int | None = None
    nodes: int | None = None
    accelerator: str = ""
    accelerators_per_node: int | None = None
    description: str = "{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRow:
    """One entry: what was measured on what, and whether it may count. `system_at` indexes the batch's systems."""

    key: str
    suite: str
    round: str
    division: str
    category: str = ""
    submitter: str
    submitter_written: str = ""
    system: str
    system_at: int | None = None
    benchmark: str
    model: str
    scenario: str = ""
    system_type: str = ""
    state: str = READ
    reason: str = ""
    metric: str = ""
    value: float | None = None
    unit: str = ""
    higher_is_better: bool | None = None
    quality_met: bool | None = None
    valid: bool | None = None
    inferred: bool = False
    accepted: bool | None = None
    verdict: str = ""
    n_runs: int = 0
    n_used: int | None = None
    spread: float | None = None
    framework: str = ""
    framework_label: str = ""
    processor_class: str = ""
    class_from: str = ""
    accelerator: str = ""
    nodes: int | None = None
    chips: int | None = None
    chips_from: str = ""
    precision: str = ""
    power_value: float | None = None
    power_unit: str = ""
    published: bool = False
    path: str = ""
    details: str = "{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run behind an entry. `result_at` indexes the batch's results."""

    result_at: int
    role: str  # "performance", "accuracy", "training"
    name: str
    position: int = 0
    path: str = ""
    state: str = READ
    reason: str = ""
    valid: bool | None = None
    used: bool | None = None
    why_not_used: str = ""
    value: float | None = None
    unit: str = ""
    started_at: str = ""
    duration_s: float | None = None
    n_queries: int | None = None
    n_samples: int | None = None
    latency_min_ns: int | None = None
    latency_mean_ns: int | None = None
    latency_p50_ns: int | None = None
    latency_p90_ns: int | None = None
    latency_p95_ns: int | None = None
    latency_p97_ns: int | None = None
    latency_p99_ns: int | None = None
    latency_p999_ns: int | None = None
    latency_max_ns: int | None = None
    quality: float | None = None
    quality_target: float | None = None
    converged: bool | None = None
    epochs: float | None = None
    n_errors: int | None = None
    n_warnings: int | None = None
    details: str = "{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyRow:
    """One quality metric of a result, with the bounds that the round's rules set, where they set any."""

    result_at: int
    metric: str
    value: float | None
    minimum: float | None = None
    maximum: float | None = None
    met: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One run of a compliance test: kept apart, never a result."""

    result_at: int | None
    division: str
    submitter: str
    test: str
    path: str
    state: str = READ
    reason: str = ""
    valid: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRow:
    """What was odd ("reader") or against the rules ("checker"), and where."""

    result_at: int | None = None
    origin: str = "reader"
    check_id: str
    severity: str = "note"
    place: str
    found: str
    expected: str = ""
    clause: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundRow:
    """One bound that a run was held against. `run_at` indexes the batch's runs."""

    run_at: int
    position: int
    name: str
    ok: bool
    value: float | None
    bound: float | None
    unit: str = ""
    text: str = ""
    clause: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceRow:
    """A run's latencies in order of their queries, packed by `per_query.pack`, and a time line as JSON."""

    run_at: int
    n: int
    n_unanswered: int
    latencies: bytes
    timeline: str


@dataclass(slots=True)
class Batch:
    """Everything that one source says, ready to be stored in one transaction."""

    source: SourceRow
    systems: list[SystemRow] = field(default_factory=list)
    results: list[ResultRow] = field(default_factory=list)
    runs: list[RunRow] = field(default_factory=list)
    accuracies: list[AccuracyRow] = field(default_factory=list)
    audits: list[AuditRow] = field(default_factory=list)
    findings: list[FindingRow] = field(default_factory=list)
    bounds: list[BoundRow] = field(default_factory=list)
    traces: list[TraceRow] = field(default_factory=list)

    def note(self, check_id: str, place: str, found: str, expected: str = "", **more: Any) -> None:
        """Keep an oddity that was met while reading."""
        self.findings.append(FindingRow(check_id=check_id, place=place, found=found, expected=expected, **more))


def as_json(data: Mapping[str, Any]) -> str:
    """Compact JSON text; values that JSON cannot hold are spelled out."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=str, sort_keys=True)
