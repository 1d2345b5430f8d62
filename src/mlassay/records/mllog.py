"""Training logs: the `:::MLLOG` lines of v0.7 and later, and their v0.5 and v0.6 ancestors, written and read.

The writer keeps the official writer's field order and number spelling byte for byte (NaN and Infinity are Python's
JSON words, as there). The reader accepts everything that was published: rank prefixes, doubled and merged lines,
Python dictionaries in place of JSON, CRLF, undecodable bytes. What is odd becomes a `LogProblem`, never a crash.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from math import isfinite
from pathlib import Path
from typing import IO, Any, NamedTuple

CHUNK_BYTES = 1 << 20
TOKEN = b":::ML"

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


# --- writing ---------------------------------------------------------------------------------------------------------


def format_mllog(
    key: str, value: object, metadata: Mapping[str, Any], *, time_ms: int, event_type: str = POINT, namespace: str = ""
) -> str:
    """One `:::MLLOG` line without its newline, byte-equal to the official writer's."""
    body = {
        "namespace": namespace,
        "time_ms": time_ms,
        "event_type": event_type,
        "key": key,
        "value": value,
        "metadata": metadata,
    }
    return ":::MLLOG " + json.dumps(body, default=_plain)


def format_v06(key: str, value: object, metadata: Mapping[str, Any], *, time_ms: int) -> str:
    """One `:::MLL` line: seconds with three decimals, value before metadata."""
    body = json.dumps({"value": value, "metadata": metadata}, default=_plain)
    return f":::MLL {time_ms // 1000}.{time_ms % 1000:03d} {key}: {body}"


def format_v05(tag: str, value: object, *, benchmark: str, time_ns: int, file: str, lineno: int) -> str:
    """One `:::MLPv0.5.0` line: seconds with nine decimals; a value of None is a tag alone."""
    seconds = f"{time_ns // 10**9}.{time_ns % 10**9:09d}"
    tail = "" if value is None else ": " + json.dumps(value, default=_plain)
    return f":::MLPv0.5.0 {benchmark} {seconds} ({file}:{lineno}) {tag}{tail}"


def _plain(value: object) -> Any:
    """numpy and torch scalars and arrays as JSON values; anything else is refused by name."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a log cannot hold a {type(value).__name__}; give a number, text, list or mapping")


class LogWriter:
    """Appends events to one open text file, one flushed line each, so that a killed run leaves whole lines.

    Times are passed in nanoseconds since 1970 (default: now). The caller's file and line join the metadata, as the
    official writer does.
    """

    def __init__(
        self,
        file: IO[str],
        *,
        flavour: Flavour = Flavour.MLLOG,
        benchmark: str = "",
        namespace: str = "",
        root: Path | None = None,
    ) -> None:
        if flavour is Flavour.TEXT:
            raise ValueError("the home-made text flavour is read, never written")
        self._file, self._flavour, self._benchmark, self._namespace = file, flavour, benchmark, namespace
        self._root = f"{root}/" if root else ""  # trimmed from file names

    def event(self, key: str, value: object = None, metadata: Mapping[str, Any] | None = None, **kw: Any) -> None:
        self._write(key, value, metadata, POINT, **kw)

    def start(self, key: str, value: object = None, metadata: Mapping[str, Any] | None = None, **kw: Any) -> None:
        self._write(key, value, metadata, START, **kw)

    def end(self, key: str, value: object = None, metadata: Mapping[str, Any] | None = None, **kw: Any) -> None:
        self._write(key, value, metadata, END, **kw)

    def _write(
        self,
        key: str,
        value: object,
        metadata: Mapping[str, Any] | None,
        event_type: str,
        *,
        time_ns: int | None = None,
        depth: int = 1,
    ) -> None:
        frame = sys._getframe(1 + depth)
        when = time.time_ns() if time_ns is None else time_ns
        file, lineno = frame.f_code.co_filename.removeprefix(self._root), frame.f_lineno
        if self._flavour is Flavour.V05:
            line = format_v05(key, value, benchmark=self._benchmark, time_ns=when, file=file, lineno=lineno)
        else:
            about = {"file": file, "lineno": lineno, **(metadata or {})}
            if self._flavour is Flavour.V06:
                line = format_v06(key, value, about, time_ms=when // 10**6)
            else:
                line = format_mllog(
                    key, value, about, time_ms=when // 10**6, event_type=event_type, namespace=self._namespace
                )
        self._file.write(line + "\n")
        self._file.flush()


# --- reading ---------------------------------------------------------------------------------------------------------


def read_log(path: Path | str, *, keys: Collection[str] | None = None) -> Log:
    """A whole log, or only the events named in `keys` (much faster: the others are never decoded)."""
    problems: list[LogProblem] = []
    counter = [0]
    with open(path, "rb") as stream:
        events = tuple(iter_events(stream, problems, keys=keys, _line_count=counter))
    return Log(events, tuple(problems), counter[0])


def iter_events(
    stream: IO[bytes],
    problems: list[LogProblem],
    *,
    keys: Collection[str] | None = None,
    _line_count: list[int] | None = None,
) -> Iterator[LogEvent]:
    """Events in file order with memory bounded by one chunk and the longest line; oddities are added to `problems`."""
    wanted = None if keys is None else frozenset(k.encode() for k in keys)
    line, rest = 1, b""
    while chunk := stream.read(CHUNK_BYTES):
        cut = chunk.rfind(b"\n") + 1
        if not cut:
            rest += chunk
            continue
        block, rest = rest + chunk[:cut], chunk[cut:]
        yield from _block_events(block, line, problems, wanted)
        line += block.count(b"\n")
    if rest:
        yield from _block_events(rest, line, problems, wanted)
        if TOKEN in rest:
            problems.append(LogProblem(line, "a last line without its end", "a newline after each event"))
        line += 1
    if _line_count is not None:
        _line_count[0] = line - 1


class _Raw(NamedTuple):
    """A line's event text: where it stands, the marker after ':::ML', and the text behind the marker."""

    line: int
    marker: bytes
    body: bytes


_MARKERS = ((b"LOG ", Flavour.MLLOG), (b"L ", Flavour.V06), (b"Pv0.5.0 ", Flavour.V05))
_FLAVOUR = dict(_MARKERS)
_TEXT_TOKEN = b"MLPerf: "
_MLLOG_LINE = re.compile(rb":::MLLOG ([^\n]*)")
_KEY_FIELD = b'"key": "'
_new_event = tuple.__new__


def _block_events(
    block: bytes, line: int, problems: list[LogProblem], wanted: frozenset[bytes] | None
) -> Iterator[LogEvent]:
    if wanted is None:
        quick = _clean_mllog_block(block, line)
        if quick is not None:
            yield from quick
            return
    raws = list(_raw_events(block, line, problems, wanted))
    if not raws and _TEXT_TOKEN in block and TOKEN not in block:
        raws = list(_raw_text(block, line))
    for raw in raws:
        yield from _slow(raw, problems)


def _clean_mllog_block(block: bytes, line: int) -> list[LogEvent] | None:
    """All events of a block of clean `:::MLLOG` lines at once; None when anything in it needs patience."""
    bodies = _MLLOG_LINE.findall(block)
    if not bodies or len(bodies) != block.count(TOKEN):
        return None
    try:
        decoded = json.loads(b"[" + b",".join(bodies) + b"]")
        if len(decoded) != len(bodies):
            return None
        lines = _line_numbers(block, line, len(bodies))
        flavour = Flavour.MLLOG
        events = [
            _new_event(
                LogEvent,
                (
                    number,
                    fields["time_ms"] * 1_000_000,
                    fields["key"],
                    fields["value"],
                    fields["metadata"],
                    fields["event_type"],
                    flavour,
                    fields["namespace"],
                    "",
                ),
            )
            for number, fields in zip(lines, decoded, strict=True)
        ]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if all(type(e.time_ns) is int and type(e.metadata) is dict and type(e.key) is str for e in events):
        return events
    return None


def _line_numbers(block: bytes, line: int, n_events: int) -> Iterable[int]:
    if block.count(b"\n") == n_events and block.endswith(b"\n"):
        return range(line, line + n_events)
    numbers, counted = [], 0
    for match in _MLLOG_LINE.finditer(block):
        line += block.count(b"\n", counted, match.start())
        counted = match.start()
        numbers.append(line)
    return numbers


def _raw_events(block: bytes, line: int, problems: list[LogProblem], wanted: frozenset[bytes] | None) -> Iterator[_Raw]:
    """Find each event's text by scanning bytes; lines without a marker are never looked at again."""
    find = block.find
    at, counted = find(TOKEN), 0
    while at >= 0:
        end = find(b"\n", at)
        if end < 0:
            end = len(block)
        start = at + len(TOKEN)
        following = find(TOKEN, start)
        alone = following < 0 or following > end
        if block[start : start + 4] == b"LOG ":
            marker = b"LOG "
            if wanted is not None and alone:
                key_at = find(_KEY_FIELD, start, end) + len(_KEY_FIELD)
                if key_at >= len(_KEY_FIELD) and block[key_at : find(b'"', key_at, end)] not in wanted:
                    at = following
                    continue
        else:
            found = next((m for m, _ in _MARKERS if block.startswith(m, start)), None)
            if found is None:
                shown = block[at : min(end, at + 40)].decode("latin-1").strip()
                place = line + block.count(b"\n", counted, at)
                problems.append(LogProblem(place, repr(shown), "':::MLLOG ', ':::MLL ' or ':::MLPv0.5.0 '"))
                at = following
                continue
            marker = found
            if wanted is not None and alone and _old_key(marker, block[start + len(marker) : end]) not in wanted:
                at = following
                continue
        line += block.count(b"\n", counted, at)
        counted = at
        yield _Raw(line, marker, block[start + len(marker) : end])
        at = following if alone else find(TOKEN, end)


_KEY_V06 = re.compile(rb"\S+ (\S+?) ?(?::|$)")
_KEY_V05 = re.compile(rb"\S+ \S+ \(.*?:\d*\) ([^\s:]+)")


def _old_key(marker: bytes, body: bytes) -> bytes:
    match = (_KEY_V06 if marker == b"L " else _KEY_V05).match(body)
    return match[1] if match else b""


def _slow(raw: _Raw, problems: list[LogProblem]) -> Iterator[LogEvent]:
    """One line, patiently: the fast way has refused it or does not know its flavour."""
    if raw.marker == b"text":
        yield from _text_event(raw, problems)
        return
    text = _text_of(raw, problems)
    head, *merged = re.split(r":::ML(?=LOG |L |Pv0\.5\.0 )", text)
    if merged:
        problems.append(LogProblem(raw.line, f"{len(merged) + 1} events on one line", "one event a line"))
    for marker, body in [(raw.marker, head), *(_split_marker(m) for m in merged)]:
        flavour = _FLAVOUR[marker]
        parse = {Flavour.MLLOG: _parse_mllog, Flavour.V06: _parse_v06, Flavour.V05: _parse_v05}[flavour]
        event = parse(raw.line, body.strip(), problems)
        if event:
            yield event


def _split_marker(text: str) -> tuple[bytes, str]:
    marker = next(m for m, _ in _MARKERS if text.startswith(m.decode()))
    return marker, text[len(marker) :]


def _text_of(raw: _Raw, problems: list[LogProblem]) -> str:
    try:
        return raw.body.decode("utf-8")
    except UnicodeDecodeError:
        problems.append(LogProblem(raw.line, "bytes that are not UTF-8 (read as Latin-1)", "UTF-8 text"))
        return raw.body.decode("latin-1")


def _parse_mllog(line: int, body: str, problems: list[LogProblem]) -> LogEvent | None:
    fields = _loose_value(line, body, problems)
    if not isinstance(fields, dict) or not isinstance(fields.get("key"), str):
        problems.append(LogProblem(line, f"no JSON object with a key: {body[:60]!r}", "an object with six fields"))
        return None
    missing = [k for k in ("namespace", "time_ms", "event_type", "value", "metadata") if k not in fields]
    if missing:
        problems.append(LogProblem(line, f"no {', '.join(missing)} in {fields['key']}", "all six fields"))
    if "metadata" in fields and not isinstance(fields["metadata"], dict):
        problems.append(LogProblem(line, f"metadata {fields['metadata']!r}", "a JSON object"))
    metadata = fields.get("metadata")
    return LogEvent(
        line,
        _milliseconds_ns(line, fields.get("time_ms"), problems),
        fields["key"],
        fields.get("value"),
        metadata if isinstance(metadata, dict) else {},
        str(fields.get("event_type", "")),
        Flavour.MLLOG,
        str(fields.get("namespace", "")),
    )


def _milliseconds_ns(line: int, time_ms: object, problems: list[LogProblem]) -> int | None:
    if isinstance(time_ms, int) and not isinstance(time_ms, bool):
        return time_ms * 1_000_000
    problems.append(LogProblem(line, f"time_ms {time_ms!r}", "integer milliseconds since 1970"))
    if isinstance(time_ms, float) and isfinite(time_ms):
        return round(time_ms * 1e6)
    return None


_V06 = re.compile(r"(\S+)\s+([^\s:]+)\s*(?::\s*(.*))?", re.DOTALL)
_V05 = re.compile(r"(\S+) +(\S+) +\((.*?):(\d*)\) +([^\s:]+)\s*(?::\s*(.*))?", re.DOTALL)


def _parse_v06(line: int, body: str, problems: list[LogProblem]) -> LogEvent | None:
    match = _V06.fullmatch(body)
    if not match:
        problems.append(LogProblem(line, repr(body[:60]), "':::MLL <seconds> <key>: {value, metadata}'"))
        return None
    time_ns = _seconds_ns(line, match[1], problems)
    payload = _loose_value(line, match[3] or "", problems)
    if isinstance(payload, dict) and "metadata" in payload:
        about = payload["metadata"] if isinstance(payload["metadata"], dict) else {}
        return LogEvent(line, time_ns, match[2], payload.get("value"), about, "", Flavour.V06)
    problems.append(LogProblem(line, f"{match[2]} without value and metadata", '{"value": …, "metadata": {…}}'))
    return LogEvent(line, time_ns, match[2], payload, {}, "", Flavour.V06)


def _parse_v05(line: int, body: str, problems: list[LogProblem]) -> LogEvent | None:
    match = _V05.fullmatch(body)
    if not match:
        problems.append(LogProblem(line, repr(body[:60]), "'<benchmark> <seconds> (<file>:<line>) <tag>[: <json>]'"))
        return None
    value = None if match[6] is None else _loose_value(line, match[6], problems)
    about = {"file": match[3], "lineno": int(match[4] or 0)}
    time_ns = _seconds_ns(line, match[2], problems)
    return LogEvent(line, time_ns, match[5], value, about, "", Flavour.V05, benchmark=match[1])


def _seconds_ns(line: int, text: str, problems: list[LogProblem]) -> int | None:
    """Decimal seconds to exact nanoseconds; zero and nonsense mean that the log has no time here."""
    try:
        ns = int(Decimal(text) * 10**9)
    except (InvalidOperation, ValueError, OverflowError):
        problems.append(LogProblem(line, f"time {text!r}", "seconds since 1970"))
        return None
    if ns == 0:
        problems.append(LogProblem(line, "time 0.0", "seconds since 1970"))
        return None
    return ns


def _loose_value(line: int, text: str, problems: list[LogProblem]) -> Any:
    """JSON; else a Python literal (reported); else the text itself (reported)."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        problems.append(LogProblem(line, f"{text[:60]!r}", "a JSON value"))
        return text
    problems.append(LogProblem(line, f"a Python literal: {text[:60]!r}", "a JSON value"))
    return value


_TEXT = re.compile(rb"MLPerf: (\S+) \[([^\]\n]*)\], ([^\r\n]*)")
_TEXT_BODY = re.compile(r"([^:]+?)\s*(?::\s*(.*))?")


def _raw_text(block: bytes, line: int) -> Iterator[_Raw]:
    counted = 0
    for match in _TEXT.finditer(block):
        line += block.count(b"\n", counted, match.start())
        counted = match.start()
        yield _Raw(line, b"text", match[0])


def _text_event(raw: _Raw, problems: list[LogProblem]) -> Iterator[LogEvent]:
    """The home-made flavour has whole seconds without a zone (taken as UTC) and values such as 75.98%."""
    match = _TEXT.fullmatch(raw.body)
    assert match
    body = _TEXT_BODY.fullmatch(match[3].decode("latin-1").strip())
    if not body:
        return
    try:
        when = datetime.strptime(match[2].decode("latin-1"), "%m/%d/%y %H:%M:%S").replace(tzinfo=UTC)
        time_ns: int | None = int(when.timestamp()) * 10**9
    except ValueError:
        problems.append(LogProblem(raw.line, f"time {match[2].decode('latin-1')!r}", "a date and time"))
        time_ns = None
    value: Any = None
    if body[2] is not None:
        text = re.sub(r"(\d+\.?\d*)%", r"\1", body[2])
        value = _loose_value(raw.line, text, problems)
    problems.append(LogProblem(raw.line, "a home-made 'MLPerf:' line", "a ':::MLLOG' line"))
    yield LogEvent(raw.line, time_ns, body[1], value, {}, "", Flavour.TEXT, benchmark=match[1].decode("latin-1"))
