"""`mlperf_log_trace.json`: every query and sample on a time line, for chrome://tracing and ui.perfetto.dev.

The official file is not valid JSON, so its readers go line by line; ours is valid and reads the same way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlassay.core.trace import NOT_YET, Trace
from mlassay.records.atomic import atomic_open
from mlassay.records.lines import Problems, Source, chunks_of_lines, opened
from mlassay.records.mllog import LogProblem

ROWS = 1 << 14
"""Samples spelled out at once."""


def write_trace_json(path: Path | str, trace: Trace, *, opened_unix_ns: int = 0, pid: int = 1) -> None:
    """Write the time line, whole or not at all. About 400 bytes a sample: a million samples make 400 MB.

    Times are microseconds since the log was opened (`opened_unix_ns`; 0: since the start of the run). Samples that
    were never answered have no end.
    """
    base_ns = trace.start_unix_ns - opened_unix_ns if opened_unix_ns else 0
    with atomic_open(path, "w", encoding="ascii", newline="\n") as file:
        file.write('{"traceEvents":[\n')
        for lines in _events(trace, base_ns, pid):
            file.write("".join(lines))
        file.write('{"name":"LastTrace","ph":"I","s":"g","pid":' + f'{pid},"ts":{base_ns / 1000:.3f}}}\n')
        file.write('],\n"displayTimeUnit":"ns",\n"otherData":{\n')
        file.write(f'"ts":{(opened_unix_ns or trace.start_unix_ns) / 1000:.3f},\n"version":"mlassay"\n}}\n}}\n')


def _events(trace: Trace, base_ns: int, pid: int) -> Iterator[list[str]]:
    query_of = _query_of_each_sample(trace)
    for begin in range(0, trace.n_samples, ROWS):
        part = slice(begin, begin + ROWS)
        query = query_of[part]
        due, issued = trace.due_ns[query], trace.issued_ns[query]
        rows = zip(
            range(begin, begin + len(query)),
            query.tolist(),
            trace.index[part].tolist(),
            ((due + base_ns) / 1000).tolist(),
            (issued - due).tolist(),
            (trace.done_ns[part] - due).tolist(),
            (trace.done_ns[part] == NOT_YET).tolist(),
            strict=True,
        )
        yield [_sample("Sample", pid, *row) for row in rows]
        if trace.first_ns is not None:
            first = trace.first_ns[part]
            seen = np.flatnonzero(first != NOT_YET)
            columns = ((due + base_ns) / 1000, issued - due, first - due)
            starts, delays, ends = (column[seen].tolist() for column in columns)
            ids = ((seen + begin).tolist(), query[seen].tolist(), trace.index[part][seen].tolist())
            rows = zip(*ids, starts, delays, ends, [False] * len(seen), strict=True)
            yield [_sample("Token", pid, *row) for row in rows]


def _sample(name: str, pid: int, k: int, query: int, index: int, ts: float, delay: int, took: int, never: bool) -> str:
    latency = NOT_YET if never else took
    begin = (
        f'{{"name":"{name}","cat":"default","ph":"b","pid":{pid},"id":{k},"ts":{ts:.3f},"args":{{"sample_seq":{k},'
        f'"query_seq":{query},"sample_idx":{index},"issue_start_ns":{delay},"complete_ns":{latency}}}}},\n'
    )
    if never:
        return begin
    return f'{begin}{{"name":"{name}","cat":"default","ph":"e","pid":{pid},"id":{k},"ts":{ts + took / 1000:.3f}}},\n'


def _query_of_each_sample(trace: Trace) -> NDArray[np.int64]:
    sizes = np.diff(np.append(trace.first_id, trace.n_samples))
    return np.repeat(np.arange(trace.n_queries, dtype=np.int64), sizes)


@dataclass(frozen=True, slots=True)
class TraceLog:
    """The samples of a trace file, as columns in file order. Durations are ns since the sample was due."""

    sample_seq: NDArray[np.int64]
    query_seq: NDArray[np.int64]
    sample_idx: NDArray[np.int64]
    due_us: NDArray[np.float64]  # since the log was opened
    issue_delay_ns: NDArray[np.int64]
    latency_ns: NDArray[np.int64]  # NOT_YET where the sample was never answered
    first_token_seq: NDArray[np.int64]  # sample numbers of `first_token_ns`
    first_token_ns: NDArray[np.int64]
    problems: tuple[LogProblem, ...]

    @property
    def n_samples(self) -> int:
        return len(self.sample_seq)


_LONG = rb"(-?[0-9]{1,18})"
_SAMPLE = re.compile(
    rb'^\{"name":"Sample","cat":"default","ph": ?"b", ?"pid":[0-9]+,"id":[0-9]+,"ts":([0-9.]{1,30}),"args":\{'
    rb'"sample_seq":N,"query_seq":N,"sample_idx":N,"issue_start_ns":N,"complete_ns":N\}\}'.replace(b"N", _LONG),
    re.MULTILINE,
)
_TOKEN = re.compile(
    rb'^\{"name":"Token","cat":"default","ph": ?"b", ?"pid":[0-9]+,"id":[0-9]+,"ts":[0-9.]{1,30},"args":\{'
    rb'"sample_seq":N,"query_seq":[0-9]+,"sample_idx":[0-9]+,"issue_start_ns":-?[0-9]+,"complete_ns":N\}\}'.replace(
        b"N", _LONG
    ),
    re.MULTILINE,
)


def read_trace(source: Source) -> TraceLog:
    """Read the samples of a trace file, ours or the official, from a path, bytes or an open binary file.

    Raises MachineProblem when the file cannot be opened.
    """
    problems = Problems()
    stamps, samples, tokens = _Floats(), _Columns(5), _Columns(2)
    begun = 0
    number = 1
    with opened(source) as file:
        for number, block in chunks_of_lines(file, problems):
            rows = _SAMPLE.findall(block)
            samples.add([row[1:] for row in rows])
            stamps.add([row[0] for row in rows])
            tokens.add(_TOKEN.findall(block))
            begun += len(rows)
            claimed = block.count(b'{"name":"Sample","cat":"default","ph":"b"')
            if claimed != len(rows):
                problems.note(number, f"{claimed - len(rows)} samples that cannot be read", "whole Sample lines")
    if not begun:
        problems.note(number, "no sample", 'lines that begin with {"name":"Sample"')
    seq, query, index, delay, latency = samples.columns()
    token_seq, token_ns = tokens.columns()
    return TraceLog(seq, query, index, stamps.column(), delay, latency, token_seq, token_ns, tuple(problems))


class _Columns:
    """Grows columns of integers from rows of digits."""

    def __init__(self, width: int) -> None:
        self._parts: list[NDArray[np.int64]] = [np.empty((0, width), np.int64)]

    def add(self, rows: list[tuple[bytes, ...]]) -> None:
        if rows:
            self._parts.append(np.array([[int(cell) for cell in row] for row in rows], np.int64))

    def columns(self) -> NDArray[np.int64]:
        whole = np.concatenate(self._parts)
        return np.ascontiguousarray(whole.T)


class _Floats:
    def __init__(self) -> None:
        self._parts: list[NDArray[np.float64]] = [np.empty(0)]

    def add(self, cells: list[bytes]) -> None:
        self._parts.append(np.array([_float(cell) for cell in cells]))

    def column(self) -> NDArray[np.float64]:
        return np.concatenate(self._parts)


def _float(cell: bytes) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")
