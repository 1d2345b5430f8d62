"""Read `mlperf_log_detail.txt` of any round: `:::MLLOG` JSON, or the text of v0.5 under the same keys.

Nothing in the file is trusted: what is odd becomes a LogProblem, never an exception.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite
from typing import Any, NamedTuple

from mlassay.records.lines import Problems, Source, chunks_of_lines, opened
from mlassay.records.loadgen_log.read_text_v05 import TextEntries
from mlassay.records.mllog import LogProblem

HEAVY_KEYS = frozenset({"loaded_qsl_set", "loadgen_file_sha1", "loadgen_git_log_message"})
"""Long values: read only when asked for by name."""


class Flavour(StrEnum):
    MLLOG = "mllog"
    TEXT_V05 = "text-v0.5"
    NONE = "none"  # not one line of a log


class LogEntry(NamedTuple):
    """One fact of the log."""

    line: int  # from 1
    key: str
    value: Any
    time_ms: float
    is_error: bool = False
    is_warning: bool = False


@dataclass(frozen=True, slots=True)
class DetailLog:
    """A detail log in memory. A key may occur more than once; then the last entry counts, as officially."""

    flavour: Flavour
    entries: tuple[LogEntry, ...]
    problems: tuple[LogProblem, ...]
    n_lines: int
    _last: Mapping[str, LogEntry] = field(repr=False)

    def __contains__(self, key: str) -> bool:
        return key in self._last

    def __getitem__(self, key: str) -> Any:
        return self._last[key].value

    def get(self, key: str, default: Any = None) -> Any:
        entry = self._last.get(key)
        return default if entry is None else entry.value

    def all(self, key: str) -> list[LogEntry]:
        return [entry for entry in self.entries if entry.key == key]

    @property
    def errors(self) -> list[LogEntry]:
        return [entry for entry in self.entries if entry.is_error]

    @property
    def warnings(self) -> list[LogEntry]:
        return [entry for entry in self.entries if entry.is_warning]


def read_detail(source: Source, keys: Collection[str] | None = None) -> DetailLog:
    """Read a detail log from a path, bytes or an open binary file.

    `keys`: only these, and every error and warning; by default all but HEAVY_KEYS. Raises MachineProblem when the
    file cannot be opened.
    """
    problems, entries = Problems(), []
    wanted = None if keys is None else frozenset(keys)
    text = TextEntries(wanted, problems)
    n_lines, json_lines = 0, 0
    with opened(source) as file:
        for first_line, block in chunks_of_lines(file, problems):
            lines = _text(block, first_line, problems).split("\n")
            if not lines[-1]:
                lines.pop()
            for number, line in enumerate(lines, first_line):
                if line.startswith(":::MLLOG "):
                    json_lines += 1
                    entry = _entry(number, line, wanted, problems)
                    if entry is not None:
                        entries.append(entry)
                elif not json_lines:
                    text.feed(number, line)
                elif line.strip():
                    problems.note(number, repr(line[:60]), "a line that begins with :::MLLOG")
            n_lines = first_line + len(lines) - 1
            if not block.endswith(b"\n"):
                problems.note(n_lines, "a last line without its end", "a newline after each line")
    if json_lines:
        flavour = Flavour.MLLOG
        for number, line in text.strays:
            problems.note(number, repr(line[:60]), "a line that begins with :::MLLOG")
    else:
        entries = [LogEntry(*fields) for fields in text.finish()]
        flavour = Flavour.TEXT_V05 if text.recognised else Flavour.NONE
    last = {entry.key: entry for entry in entries}
    return DetailLog(flavour, tuple(entries), tuple(problems), n_lines, last)


def _text(block: bytes, first_line: int, problems: Problems) -> str:
    try:
        return block.decode("utf-8")
    except UnicodeDecodeError as error:
        line = first_line + block.count(b"\n", 0, error.start)
        problems.note(line, "bytes that are not UTF-8 (read as U+FFFD)", "UTF-8 text")
        return block.decode("utf-8", "replace")


_KEY_AT = len(':::MLLOG {"key": "')
_TAIL = re.compile(
    r', "time_ms": (-?[0-9.e+]{1,40}), "namespace": "[^"]{0,99}", "event_type": "[A-Z_]{0,40}", '
    r'"metadata": \{"is_error": (true|false), "is_warning": (true|false)[,}][^\n]{0,999}\}\s*'
)


def _entry(number: int, line: str, wanted: frozenset[str] | None, problems: Problems) -> LogEntry | None:
    """One JSON line. The usual spelling is cut up by position; anything else goes through the JSON reader."""
    key_end = line.find('", "value": ', _KEY_AT)
    tail_at = line.rfind(', "time_ms": ')
    tail = _TAIL.fullmatch(line, tail_at) if 0 < key_end < tail_at and line.startswith('{"key": "', 9) else None
    key = line[_KEY_AT:key_end]
    if tail is None or '"' in key or "\\" in key:
        return _patiently(number, line, wanted, problems)
    is_error, is_warning = tail[2] == "true", tail[3] == "true"
    if not (is_error or is_warning or (key not in HEAVY_KEYS if wanted is None else key in wanted)):
        return None
    try:
        value, time_ms = _decode(line[key_end + 12 : tail_at]), float(tail[1])
    except (ValueError, RecursionError) as error:
        problems.note(number, f"{key} with an unreadable value ({_why(error)})", "a JSON value")
        return None
    return LogEntry(number, key, value, time_ms, is_error, is_warning)


def _patiently(number: int, line: str, wanted: frozenset[str] | None, problems: Problems) -> LogEntry | None:
    try:
        row = _decode(line[9:])
    except (ValueError, RecursionError) as error:
        problems.note(number, f"{line[:60]!r}, which is not JSON ({_why(error)})", "one JSON object after :::MLLOG")
        return None
    if not isinstance(row, dict) or not isinstance(row.get("key"), str) or "value" not in row:
        problems.note(number, f"{line[:60]!r}", "an object with a key and a value")
        return None
    metadata = row.get("metadata")
    about = metadata if isinstance(metadata, dict) else {}
    key, is_error, is_warning = row["key"], about.get("is_error") is True, about.get("is_warning") is True
    if not (is_error or is_warning or (key not in HEAVY_KEYS if wanted is None else key in wanted)):
        return None
    time_ms = row.get("time_ms")
    if not isinstance(time_ms, int | float) or isinstance(time_ms, bool):
        problems.note(number, f"time_ms {time_ms!r:.40} in {key}", "a number of milliseconds")
        time_ms = 0.0
    return LogEntry(number, key, row["value"], float(time_ms), is_error, is_warning)


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError(f"{text[:20]} is beyond all numbers")
    return value


_decode = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite).decode


def _why(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)[:80]
