"""Blocks of clean `:::MLLOG` lines, decoded at once: nearly all of every log since v0.7.

The first way knows the official writer's order of fields: one regular expression cuts a whole block into fields, and
one JSON call decodes all values and all metadata. The second leaves the fields' order open. Neither reports
anything: a block with something odd in it is left to the patient reader.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from itertools import repeat

from mlassay.records.mllog.event import Flavour, LogEvent
from mlassay.records.mllog.scan import TOKEN

_LINE = re.compile(rb":::MLLOG ([^\n]*)")
_STRING = r'"[^"\\\x00-\x1f]*+"'
_FIELDS = re.compile(
    r':::MLLOG \{"namespace": "([^"]*+)", "time_ms": ([1-9]\d{0,14}), "event_type": "([^"]*+)", "key": "([^"]*+)"'
    rf', "value": (-?\d[\d.eE+-]*+|{_STRING}|null|true|false|\{{[^{{}}\n]*+\}}|\[[^\[\]\n]*+\])'
    r', "metadata": (\{[^}]*+\})\}\n'
)
"""Where one excluded character is enough, no more are: the scanner is quicker so, and the rest is looked at once."""

_PLAIN = re.compile(r"[^\\\x00-\x1f]*+")
_new_event = tuple.__new__


def clean_block(block: bytes, line: int) -> list[LogEvent] | None:
    """All events of a block that begins on line `line`; None when anything in it needs patience."""
    n_events = block.count(TOKEN)
    events = _in_official_order(block, line, n_events)
    return _in_any_order(block, line, n_events) if events is None else events


def _in_official_order(block: bytes, line: int, n_events: int) -> list[LogEvent] | None:
    try:
        rows = _FIELDS.findall(block.decode())
        if not rows or len(rows) != n_events:
            return None
        namespaces, times, types, keys, value_texts, metadata_texts = zip(*rows, strict=True)
        metadata_text = ",".join(metadata_texts)
        if not _PLAIN.fullmatch("".join({*namespaces, *types, *keys})) or "\n" in metadata_text:
            return None
        decoded = json.loads(f"[{','.join(value_texts)},{metadata_text}]")  # all values, then all metadata
    except (ValueError, RecursionError):
        return None
    if len(decoded) != 2 * n_events:
        return None
    columns = zip(
        _line_numbers(block, line, n_events),
        [time_ms * 1_000_000 for time_ms in map(int, times)],
        keys,
        decoded,
        decoded[n_events:],
        types,
        repeat(Flavour.MLLOG),
        namespaces,
        repeat(""),
        strict=False,  # some are longer, and two never end
    )
    return list(map(_new_event, repeat(LogEvent), columns))


def _in_any_order(block: bytes, line: int, n_events: int) -> list[LogEvent] | None:
    bodies = _LINE.findall(block)
    if not bodies or len(bodies) != n_events:
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
    for match in _LINE.finditer(block):
        line += block.count(b"\n", counted, match.start())
        counted = match.start()
        numbers.append(line)
    return numbers
