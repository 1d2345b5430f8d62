"""What a training log holds: events, oddities, and the flavours in which they are spelled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

START, END, POINT = "INTERVAL_START", "INTERVAL_END", "POINT_IN_TIME"


class Flavour(StrEnum):
    """How a line is spelled."""

    MLLOG = "mllog"  # v0.7 and later: one JSON object
    V06 = "v0.6"  # ":::MLL <seconds> <key>: {value, metadata}"
    V05 = "v0.5"  # ":::MLPv0.5.0 <benchmark> <seconds> (<file>:<line>) <tag>[: <json>]"
    TEXT = "text"  # one submitter's home-made "MLPerf: <benchmark> [<date>], <tag>[: <text>]"; read, never written


class LogEvent(NamedTuple):
    """One event of a log. A named tuple, because a million of them are made a second."""

    line: int  # from 1
    time_ns: int | None  # since 1970; None where the log gives none (0.0 preambles of v0.6)
    key: str
    value: Any
    metadata: Mapping[str, Any]
    event_type: str  # INTERVAL_START, INTERVAL_END, POINT_IN_TIME; "" in the older flavours
    flavour: Flavour
    namespace: str = ""
    benchmark: str = ""  # v0.5 and text lines name it on each line


class LogProblem(NamedTuple):
    """An oddity of one line: what was found, and what a clean log would have had there."""

    line: int
    found: str
    expected: str


@dataclass(frozen=True, slots=True)
class Log:
    """A whole log in memory, in file order."""

    events: tuple[LogEvent, ...]
    problems: tuple[LogProblem, ...]
    n_lines: int

    def first(self, key: str) -> LogEvent | None:
        return next((e for e in self.events if e.key == key), None)

    def all(self, key: str) -> list[LogEvent]:
        return [e for e in self.events if e.key == key]
