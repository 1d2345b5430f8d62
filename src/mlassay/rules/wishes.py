"""What a user may ask of a run, and the judgement whether the rules allow it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TypeVar

from mlassay.core.enums import Division, Mode, SampleOrder, Scenario, Suite
from mlassay.core.errors import RuleViolation, UsageError
from mlassay.core.settings import AccuracyLog, Seeds, StreamVersion
from mlassay.core.units import format_ns
from mlassay.rules.round import Round

T = TypeVar("T")
N = TypeVar("N", int, float)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """A run as the user wants it. Everything but the scenario may be left to the round (None: no wish).

    `round` is a name, the path of a round file, a Round, or "none" for a run without rules.
    """

    scenario: Scenario
    round: str | Path | Round = "none"
    benchmark: str = ""
    division: Division = Division.CLOSED
    suite: Suite | None = None
    mode: Mode = Mode.PERFORMANCE
    test: str = ""  # a compliance test whose settings go on top, such as "TEST01"
    target_qps: float | None = None  # Server: arrivals per second; Offline: expected samples per second
    expected_latency_ns: int | None = None  # SingleStream, MultiStream: sizes the query list
    latency_bound_ns: int | None = None  # Server; interval MultiStream, where it is the interval too
    ttft_ns: int | None = None
    tpot_ns: int | None = None
    percentile: float | None = None
    samples_per_query: int | None = None
    interval: bool = False  # without rules: MultiStream as before v2.0, a query every latency_bound_ns
    min_duration_ns: int | None = None
    max_duration_ns: int | None = None
    min_query_count: int | None = None
    max_query_count: int | None = None
    min_sample_count: int | None = None  # Offline
    sample_order: SampleOrder | None = None
    same_index: int | None = None
    performance_sample_count: int | None = None
    accuracy_sample_count: int | None = None
    seeds: Seeds | None = None
    accuracy_log: AccuracyLog | None = None
    early_stopping: bool | None = None
    token_latencies: bool | None = None
    coalesce: bool | None = None
    max_async_queries: int | None = None
    stream: StreamVersion | None = None
    stall_timeout_ns: int | None = None

    def __post_init__(self) -> None:
        for spec in fields(self):
            value = getattr(self, spec.name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            if spec.name in ZERO_IS_FINE:
                if not value >= 0:
                    raise UsageError(f"{spec.name} is {value}; expected zero or more")
            elif not value > 0:
                raise UsageError(f"{spec.name} is {value}; expected a positive number")
        if self.percentile is not None and self.percentile >= 100:
            raise UsageError(f"percentile is {self.percentile}; expected more than 0 and less than 100")


ZERO_IS_FINE = {
    "min_duration_ns",
    "max_duration_ns",
    "min_query_count",
    "max_query_count",
    "same_index",
    "performance_sample_count",
    "accuracy_sample_count",
    "max_async_queries",
}

WISH = "your wish"
DEFAULT = "default"


@dataclass(slots=True)
class Deal:
    """Holds each wish against its rule; collects where values come from and, in open, what deviates."""

    label: str  # "v5.1 resnet server"
    closed: bool  # closed or network: bounds are binding
    clauses: dict[str, str] = field(default_factory=dict)
    deviations: list[str] = field(default_factory=list)

    def free(self, place: str, wish: T | None, default: T, source: str = DEFAULT) -> T:
        """A value that the rules leave to the user."""
        self.clauses[place] = source if wish is None else WISH
        return default if wish is None else wish

    def bound(
        self, place: str, what: str, wish: N | None, rule: N | None, clause: str, *,
        higher_is_tighter: bool = False, show: Callable[[N], str] = str,
    ) -> N | None:  # fmt: skip
        """A limit: closed may tighten it, open may change it."""
        if rule is None:
            self.clauses[place] = DEFAULT if wish is None else WISH
            return wish
        if wish is None or wish == rule:
            self.clauses[place] = clause
            return rule
        if (wish > rule) is higher_is_tighter:
            self.clauses[place] = f"{WISH}, tighter than {show(rule)} ({clause})"
            return wish
        if self.closed:
            raise RuleViolation(
                f"{what} {show(wish)} is looser than the {show(rule)} of {self.label}",
                clause=clause,
                hint=f"ask for {show(rule)} or {'more' if higher_is_tighter else 'less'},"
                " or use the open division, where the result says so",
            )
        return self._deviate(place, what, show(wish), show(rule), clause, wish)

    def fixed(self, place: str, what: str, wish: T | None, rule: T, clause: str, show: Callable[[T], str] = str) -> T:
        """A value that closed does not let anybody change."""
        if wish is None or wish == rule:
            self.clauses[place] = clause
            return rule
        if self.closed:
            raise RuleViolation(
                f"{what} is {show(rule)} in {self.label}, not {show(wish)}",
                clause=clause,
                hint="leave it out, or use the open division, where the result says so",
            )
        return self._deviate(place, what, show(wish), show(rule), clause, wish)

    def length(self, place: str, wish: N | None, rule: N, clause: str, show: Callable[[N], str] = str) -> N:
        """How long a run is: shorter than the rule is allowed, and the result is then only indicative."""
        if wish is None or wish == rule:
            self.clauses[place] = clause
            return rule
        self.clauses[place] = f"{WISH}; the rule is {show(rule)} ({clause})"
        return wish

    def _deviate(self, place: str, what: str, wish: str, rule: str, clause: str, value: T) -> T:
        self.clauses[place] = f"{WISH}; the rule is {rule} ({clause})"
        self.deviations.append(f"{what} {wish} instead of {rule} ({clause})")
        return value


def show_ns(ns: float) -> str:
    return format_ns(ns)
