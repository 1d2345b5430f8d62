"""Finds the events of a block of a training log by scanning its bytes; other lines are never looked at again."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlassay.records.mllog.event import LogProblem
from mlassay.records.mllog.lines import MARKERS, TEXT, RawLine

TOKEN = b":::ML"
TEXT_TOKEN = b"MLPerf: "
_KEY_FIELD = b'"key": "'


def raw_events(
    block: bytes, line: int, problems: list[LogProblem], wanted: frozenset[bytes] | None
) -> Iterator[RawLine]:
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
            found = next((m for m, _ in MARKERS if block.startswith(m, start)), None)
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
        yield RawLine(line, marker, block[start + len(marker) : end])
        at = following if alone else find(TOKEN, end)


_KEY_V06 = re.compile(rb"\S+ (\S+?) ?(?::|$)")
_KEY_V05 = re.compile(rb"\S+ \S+ \(.*?:\d*\) ([^\s:]+)")


def _old_key(marker: bytes, body: bytes) -> bytes:
    match = (_KEY_V06 if marker == b"L " else _KEY_V05).match(body)
    return match[1] if match else b""


def raw_text(block: bytes, line: int) -> Iterator[RawLine]:
    counted = 0
    for match in TEXT.finditer(block):
        line += block.count(b"\n", counted, match.start())
        counted = match.start()
        yield RawLine(line, b"text", match[0])
