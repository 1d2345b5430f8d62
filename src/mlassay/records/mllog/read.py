"""Reads training logs of every published flavour, in bounded memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import IO

from mlassay.records.mllog.event import Log, LogEvent, LogProblem
from mlassay.records.mllog.fast import clean_block
from mlassay.records.mllog.lines import parse_line
from mlassay.records.mllog.scan import TEXT_TOKEN, TOKEN, raw_events, raw_text

CHUNK_BYTES = 1 << 15
"""Small enough to stay in a core's cache while it is looked at several times: a megabyte is a fifth slower."""


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
    line, begun = 1, [b""]  # pieces of a line whose end has not come yet
    while chunk := stream.read(CHUNK_BYTES):
        cut = chunk.rfind(b"\n") + 1
        if not cut:
            begun.append(chunk)
            continue
        block, begun = b"".join([*begun, chunk[:cut]]), [chunk[cut:]]
        yield from _block_events(block, line, problems, wanted)
        line += block.count(b"\n")
    if rest := b"".join(begun):
        yield from _block_events(rest, line, problems, wanted)
        if TOKEN in rest:
            problems.append(LogProblem(line, "a last line without its end", "a newline after each event"))
        line += 1
    if _line_count is not None:
        _line_count[0] = line - 1


def _block_events(
    block: bytes, line: int, problems: list[LogProblem], wanted: frozenset[bytes] | None
) -> Sequence[LogEvent]:
    if wanted is None:
        quick = clean_block(block, line)
        if quick is not None:
            return quick
    raws = list(raw_events(block, line, problems, wanted))
    if not raws and TEXT_TOKEN in block and TOKEN not in block:
        raws = list(raw_text(block, line))
    return [event for raw in raws for event in parse_line(raw, problems)]
