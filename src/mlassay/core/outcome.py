"""What a run came to, and why it may not count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mlassay.core.enums import Mode, Scenario
from mlassay.core.trace import Fault, Overhead


class Verdict(StrEnum):
    VALID = "VALID"
    INDICATIVE = "INDICATIVE"  # every bound that can be judged holds, but the run is shorter than the rules want
    INVALID = "INVALID"


@dataclass(frozen=True, slots=True)
class Metric:
    """The scenario's figure of merit."""

    name: str  # "p90 latency", "completed rate", "samples per second", "streams"
    value: float
    unit: str  # "ns", "queries/s", "samples/s", "tokens/s", "streams"
    higher_is_better: bool
    low: float | None = None  # confidence interval of the value, 99 %, where one can be given
    high: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class BoundCheck:
    """One bound held against what was measured."""

    id: str  # "min-duration", "min-queries", "latency", "early-stopping", "ttft", ...
    ok: bool
    value: float
    bound: float
    unit: str
    text: str  # one sentence with both numbers
    clause: str = ""  # where the bound comes from
    hint: str = ""  # what to change when it fails
    about_length: bool = False  # fails only because the run is short: INDICATIVE, not INVALID


@dataclass(frozen=True, slots=True)
class EarlyStopping:
    """Result of the early-stopping test (tolerance 0, confidence 0.99)."""

    met: bool
    text: str
    estimate_ns: int | None = None  # the percentile estimate that SingleStream and MultiStream report
    queries_needed: int | None = None  # at least so many queries for the counts seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The judged result of one run."""

    scenario: Scenario
    mode: Mode
    verdict: Verdict
    metric: Metric | None
    n_queries: int
    n_samples: int
    duration_ns: int
    latency_ns: Mapping[str, int] = field(
        default_factory=dict
    )  # "min", "mean", "max", "50", "90", "95", "97", "99", "99.9"
    ttft_ns: Mapping[str, int] = field(default_factory=dict)
    tpot_ns: Mapping[str, int] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)  # further figures by official key
    checks: tuple[BoundCheck, ...] = ()
    early_stopping: tuple[EarlyStopping, ...] = ()
    faults: tuple[Fault, ...] = ()
    overhead: Overhead = field(default_factory=Overhead)
    warnings: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[BoundCheck, ...]:
        return tuple(c for c in self.checks if not c.ok)
