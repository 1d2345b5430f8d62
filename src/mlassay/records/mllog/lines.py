"""Single lines of training logs, read patiently: what is odd is reported, and read as far as it can be."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any, NamedTuple

from mlassay.records.mllog.event import Flavour, LogEvent, LogProblem


class RawLine(NamedTuple):
    """A line's event text: where it stands, the marker after ':::ML', and the text behind the marker."""

    line: int
    marker: bytes
    body: bytes


MARKERS = ((b"LOG ", Flavour.MLLOG), (b"L ", Flavour.V06), (b"Pv0.5.0 ", Flavour.V05))
_FLAVOUR = dict(MARKERS)
TEXT = re.compile(rb"MLPerf: (\S+) \[([^\]\n]*)\], ([^\r\n]*)")
_TEXT_BODY = re.compile(r"([^:]+?)\s*(?::\s*(.*))?")


def parse_line(raw: RawLine, problems: list[LogProblem]) -> Iterator[LogEvent]:
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
    marker = next(m for m, _ in MARKERS if text.startswith(m.decode()))
    return marker, text[len(marker) :]


def _text_of(raw: RawLine, problems: list[LogProblem]) -> str:
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


def _text_event(raw: RawLine, problems: list[LogProblem]) -> Iterator[LogEvent]:
    """The home-made flavour has whole seconds without a zone (taken as UTC) and values such as 75.98%."""
    match = TEXT.fullmatch(raw.body)
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
