"""What a log states beside Settings and Outcome: who ran, on which samples, and when each stretch began and ended."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol

from mlassay._version import __version__
from mlassay.core.enums import Mode
from mlassay.core.settings import IntervalMultiStream, MultiStream, Offline, Server, Settings, SingleStream
from mlassay.core.units import NS_PER_MS

MODE_NAMES = {
    Mode.PERFORMANCE: "PerformanceOnly",
    Mode.ACCURACY: "AccuracyOnly",
    Mode.SUBMISSION: "SubmissionRun",
    Mode.FIND_PEAK: "FindPeakPerformance",
}

Value = str | float | bool | list[int] | dict[str, str]
"""What a line of the detail log may hold."""

CONTENTION_COUNTERS = (
    "swap_request_slots_retry_count",
    "swap_request_slots_retry_retry_count",
    "swap_request_slots_retry_reencounter_count",
    "start_reading_entries_retry_count",
    "tls_total_log_cas_fail_count",
    "tls_total_swap_buffers_slot_retry_count",
)
"""Retries of the official logger's lock-free queue. Readers expect the keys; ours has no such queue: always zero."""


class Level(StrEnum):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Note:
    """A message for the detail log, with the moment it was due (wall clock, ns since 1970)."""

    text: str
    level: Level = Level.INFO
    unix_ns: int = 0  # 0: at the end of its phase
    name: str = ""  # the official key of a more special message, such as "error_invalid_config"

    @property
    def key(self) -> str:
        return (
            self.name
            or {"info": "generic_message", "warning": "warning_generic_message", "error": "error_runtime"}[self.level]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One stretch of issuing while one set of samples is loaded. An accuracy run may have several."""

    mode: Mode  # PERFORMANCE or ACCURACY
    loaded: Sequence[int]
    query_count: int  # generated, not issued
    samples_per_query: int
    schedule_ns: int = 0  # due time of the last generated query
    begin_unix_ns: int
    end_unix_ns: int
    notes: tuple[Note, ...] = ()


class Figures(Protocol):
    """Settings as the generator takes them: the `effective_...` figures that do not stand in Settings themselves."""

    @property
    def samples_per_query(self) -> int: ...
    @property
    def target_qps(self) -> float: ...
    @property
    def target_duration_ns(self) -> int: ...
    @property
    def min_query_count(self) -> int: ...
    @property
    def min_sample_count(self) -> int: ...
    @property
    def max_async_queries(self) -> int: ...
    @property
    def performance_sample_count(self) -> int: ...
    @property
    def accuracy_sample_count(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFacts:
    """Everything else that the official logs hold. Empty text stands for what nobody knows."""

    figures: Figures
    phases: tuple[Phase, ...]
    opened_unix_ns: int  # wall clock when the log began: the zero of every `time_ms`
    early: tuple[Note, ...] = ()  # said before anything ran: configuration files, contradictions
    closed_unix_ns: int = 0  # when the result was judged; 0: at the end of the last phase
    sut_name: str = ""
    sut_name_ns: int = 0  # how long the SUT took to say its name
    qsl_name: str = ""
    qsl_total_count: int = 0
    qsl_performance_count: int = 0
    version: str = f"mlassay {__version__}"
    commit_date: str = ""
    git_log: str = ""
    git_status: str = ""
    file_sha1: Mapping[str, str] = field(default_factory=dict)
    pid: int = field(default_factory=os.getpid)

    @property
    def judged_unix_ns(self) -> int:
        last = self.phases[-1].end_unix_ns if self.phases else self.opened_unix_ns
        return self.closed_unix_ns or last

    def time_ms(self, unix_ns: int) -> float:
        return max(unix_ns - self.opened_unix_ns, 0) / NS_PER_MS

    def count(self, level: Level) -> int:
        notes = [*self.early, *(note for phase in self.phases for note in phase.notes)]
        return sum(note.level is level for note in notes)


def target_latency_ns(settings: Settings) -> int:
    """The bound that the log calls the target latency; zero where the scenario has none."""
    match settings.load:
        case Server():
            return settings.load.latency_bound_ns
        case IntervalMultiStream():
            return settings.load.interval_ns
    return 0


def percentile(settings: Settings) -> float:
    """The scenario's percentile (0-100); the official tool says 99 for Offline, which has none."""
    match settings.load:
        case SingleStream() | MultiStream() | IntervalMultiStream() | Server():
            return settings.load.percentile
        case Offline():
            return 99.0


def iso_utc(unix_ns: int) -> str:
    """'2019-10-09T07:22:22Z'."""
    return datetime.fromtimestamp(unix_ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def power_time(unix_ns: int) -> str:
    """'10-09-2019 07:22:52.456', in UTC: the spelling that power analysers are matched by."""
    milliseconds = unix_ns // NS_PER_MS
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"{moment:%m-%d-%Y %H:%M:%S}.{milliseconds % 1000:03d}"


def number(value: float) -> str:
    """A number as JSON and as the summary spell it: whole numbers without a point, others to ten figures."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) or (value == value and abs(value) < 1e15 and value == int(value)):
        return str(int(value))
    return f"{value:.10g}" if value == value and abs(value) != float("inf") else "null"
