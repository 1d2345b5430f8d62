from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlassay.core.errors import MachineProblem
from mlassay.records.loadgen_log import AccuracyEntry, AccuracyLogWriter, Problems, read_accuracy
from mlassay.records.loadgen_log.accuracy_text import entries_text
from tests.records.samples import cases, needs_samples, official


def read(content: bytes) -> tuple[list[AccuracyEntry], list[tuple[int, str]]]:
    problems = Problems()
    entries = list(read_accuracy(content, problems))
    return entries, [(p.line, p.found) for p in problems]


@needs_samples
@pytest.mark.parametrize("run", cases())
def test_official_files_are_read_and_written_alike(run: str, tmp_path: Path) -> None:
    content = official()[f"{run}/mlperf_log_accuracy.json"]
    entries, problems = read(content)
    assert problems == []
    assert len(entries) == len(json.loads(content))
    tokens = entries and entries[0].token_data is not None
    counts = entries and entries[0].token_count is not None
    with AccuracyLogWriter(tmp_path / "a.json") as log:
        log.write(
            [e.seq_id for e in entries],
            [e.qsl_idx for e in entries],
            [e.data for e in entries],
            n_tokens=[e.token_count or 0 for e in entries] if counts else None,
            tokens=[e.token_data or b"" for e in entries] if tokens else None,
        )
    assert (tmp_path / "a.json").read_bytes() == content


small = st.integers(0, 2**31)
entry = st.tuples(small, small, st.binary(max_size=20))


@given(st.lists(st.lists(entry, max_size=5), max_size=5), st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_round_trip(tmp_path: Path, batches: list[list[tuple[int, int, bytes]]], tokens: bool) -> None:
    path = tmp_path / "a.json"
    with AccuracyLogWriter(path) as log:
        for batch in batches:
            ids, indices, data = ([row[k] for row in batch] for k in range(3))
            extra = {"n_tokens": ids, "tokens": data} if tokens else {}
            log.write(ids, indices, data, **extra)  # type: ignore[arg-type]
    expected = [
        AccuracyEntry(s, q, d, d if tokens else None, s if tokens else None) for batch in batches for s, q, d in batch
    ]
    content = path.read_bytes()
    assert read(content) == (expected, [])
    assert len(json.loads(content)) == len(expected) == log.n_entries
    assert read(json.dumps(json.loads(content), indent=2).encode()) == (expected, [])
    assert read(json.dumps(json.loads(content), separators=(",", ":")).encode()) == (expected, [])


def test_numpy_columns_and_unequal_lengths(tmp_path: Path) -> None:
    with AccuracyLogWriter(tmp_path / "a.json") as log:
        log.write(np.arange(2), np.array([7, 8], np.int32), [b"\x01", b"\xff"], n_tokens=np.array([3, 4]))  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"columns of different lengths: \[1, 2\]"):
            log.write([1, 2], [1], [b"", b""])
    assert (tmp_path / "a.json").read_text() == (
        '[\n{ "seq_id" : 0, "qsl_idx" : 7, "data" : "01", "token_count" : 3 },\n'
        '{ "seq_id" : 1, "qsl_idx" : 8, "data" : "FF", "token_count" : 4 }\n]\n'
    )


@given(
    st.integers(0, 40),
    st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 2**31 - 1)), min_size=64, max_size=90),
    st.randoms(use_true_random=False),
)
def test_the_table_says_what_the_lines_say(size: int, rows: list[tuple[int, int]], random: Any) -> None:
    """Many outputs of one size are spelled as a table; the bytes are those of the entries one by one."""
    seq, qsl = [list(column) for column in zip(*rows, strict=True)]
    payloads = [random.randbytes(size) for _ in rows]
    one_by_one = b",\n".join(entries_text([s], [q], [p]) for s, q, p in zip(seq, qsl, payloads, strict=True))
    assert entries_text(seq, qsl, payloads) == one_by_one


def test_many_threads_may_write(tmp_path: Path) -> None:
    with AccuracyLogWriter(tmp_path / "a.json") as log:
        threads = [
            threading.Thread(target=lambda k=k: [log.write([k * 1000 + j], [k], [b"x"]) for j in range(1000)])
            for k in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    entries, problems = read((tmp_path / "a.json").read_bytes())
    assert problems == []
    assert sorted(e.seq_id for e in entries) == list(range(4000))


@given(st.integers(0, 500))
def test_a_cut_file_is_read_to_its_last_whole_line(cut: int) -> None:
    whole = b"".join(
        b'%s{ "seq_id" : %d, "qsl_idx" : 1, "data" : "AB" }' % (b",\n" if k else b"\n", k) for k in range(10)
    )
    content = (b"[" + whole + b"\n]\n")[:cut]
    entries, problems = read(content)
    assert [e.seq_id for e in entries] == list(range(content.count(b"}")))
    assert bool(problems) == (b"]" not in content)


def test_a_killed_writer_leaves_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    code = (
        "import sys, os, signal\nfrom mlassay.records.loadgen_log import AccuracyLogWriter\n"
        "log = AccuracyLogWriter(sys.argv[1])\n"
        "for k in range(100): log.write(range(k * 1000, k * 1000 + 1000), range(1000), [b'abcd'] * 1000)\n"
        "log.flush()\nlog.write([7], [7], [b'lost'])\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    entries, problems = read(path.read_bytes())
    assert [e.seq_id for e in entries] == list(range(100_000))
    assert problems == [(100_001, "no closing bracket")]


@pytest.mark.parametrize(
    ("middle", "problem"),
    [
        (b'{ "seq_id" : 1, "qsl_idx" : 1, "data" : "ABC" },\n', "entry 1 with an odd number of hexadecimal digits"),
        (b'{ "seq_id" : 1, "qsl_idx" : 1, "data" : "XY" },\n', 'b\'{ "seq_id" : 1, "qsl_idx" : 1, "data" : "XY" }\''),
        (b'{ "seq_id" : -1, "qsl_idx" : 1 },\n', 'b\'{ "seq_id" : -1, "qsl_idx" : 1 }\''),
        (b'{ "seq_id" : ' + b"9" * 30 + b', "qsl_idx" : 1, "data" : "" },\n', "99999"),
        (b"\x00\xff garbage\n", "garbage"),
        (b'D" },\n...\n{ "seq_id" : 5, "qs', "..."),
    ],
)
def test_corrupt_lines_are_named_and_skipped(middle: bytes, problem: str) -> None:
    good = b'{ "seq_id" : %d, "qsl_idx" : 1, "data" : "AB" }'
    entries, problems = read(b"[\n" + good % 0 + b",\n" + middle + good % 9 + b"\n]\n")
    assert [e.seq_id for e in entries] == [0, 9]
    assert len(problems) == 1
    assert problem.strip("b'") in problems[0][1]
    assert problems[0][0] == 3


def test_official_truncation_is_seen() -> None:
    """Submissions carry the first and last 4,096 bytes of the file only."""
    rows = ",\n".join(f'{{ "seq_id" : {k}, "qsl_idx" : {k}, "data" : "ABCDEF01" }}' for k in range(1000))
    content = f"[\n{rows}\n]\n".encode()
    entries, problems = read(content[:4096] + content[-4096:])
    assert len(entries) > 100
    assert len(problems) == 1


@given(st.binary(max_size=200))
def test_no_bytes_raise(junk: bytes) -> None:
    read(junk)
    read(b'[\n{ "seq_id" : 1, ' + junk + b'"qsl_idx" : 1, "data" : "AB" }\n]')


@pytest.mark.parametrize(
    ("junk", "found"),
    [(b"", "an empty file"), (b"[", "no closing bracket"), (b"hello", "a last entry that is cut off: 'hello'")],
)
def test_what_is_no_log(junk: bytes, found: str) -> None:
    assert read(junk) == ([], [(1, found)])


def test_reading_takes_bounded_memory() -> None:
    row = b'{ "seq_id" : 1, "qsl_idx" : 1, "data" : "' + b"AB" * 100 + b'" },\n'

    class Long(io.RawIOBase):
        left = 100_000

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            n = min(size // len(row), self.left)
            self.left -= n
            return row * n

    tracemalloc.start()
    assert sum(1 for _ in read_accuracy(Long())) == 100_000  # type: ignore[arg-type]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 << 20


def test_a_long_run_of_numbers_does_not_hang() -> None:
    content = b'{"seq_id":' + b" " * 200_000 + b'1,"qsl_idx":1,"data":"' + b"A" * 300_000 + b'","token_data":"A"x}'
    assert read(content * 3)[0] == []


def test_a_disk_that_refuses(tmp_path: Path) -> None:
    with pytest.raises(MachineProblem, match=r"cannot write .*: no such file or directory"):
        AccuracyLogWriter(tmp_path / "gone" / "a.json")
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    with pytest.raises(MachineProblem, match="cannot write /dev/full: no space left on device"):
        AccuracyLogWriter("/dev/full")
