from __future__ import annotations

import contextlib
import dataclasses
import errno
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlassay.core.errors import BadFile, MachineProblem, UsageError
from mlassay.core.outcome import Outcome
from mlassay.core.settings import Settings
from mlassay.core.trace import Overhead, Recording, Trace
from mlassay.records import spool as spool_module
from mlassay.records.atomic import atomic_open, atomic_write
from mlassay.records.folder import RUN_JSON, SPOOL, TRACE_FILE, RunFolder, open_run
from mlassay.records.plain import Unfit, plain
from mlassay.records.run_json import (
    HISTORY,
    SCHEMA,
    State,
    outcome_from_json,
    outcome_to_json,
    settings_from_json,
    settings_to_json,
)
from mlassay.records.spool import SpoolWriter, read_spool
from mlassay.records.system import describe_system, is_running
from mlassay.records.trace_file import read_trace_file, write_trace
from tests.records.runs import outcome, server_settings
from tests.records.values import any_outcome, any_settings, any_trace, same_trace


@dataclasses.dataclass(frozen=True)
class Rows:
    first_row: int
    first_sample: int
    due_ns: Any
    issued_ns: Any
    index: Any
    done_ns: Any


@dataclasses.dataclass(frozen=True)
class FullRows(Rows):
    size: Any = None
    first_ns: Any = None
    n_tokens: Any = None


def some_trace(n: int = 1000) -> Trace:
    due = np.arange(n) * 1000
    return Trace(
        start_ns=1,
        start_unix_ns=2,
        due_ns=due,
        issued_ns=due + 10,
        first_id=np.arange(n),
        index=np.arange(n, dtype=np.int32) % 64,
        done_ns=due + 500,
        planned_queries=n,
    )


def some_rows(begin: int, end: int) -> Rows:
    trace = some_trace(end)
    part = slice(begin, end)
    return Rows(begin, begin, trace.due_ns[part], trace.issued_ns[part], trace.index[part], trace.done_ns[part])


def recording(trace: Trace | None = None, ended: str = "complete") -> Recording:
    return Recording(trace=trace or some_trace(), overhead=Overhead(), ended=ended)


# --- values and back -------------------------------------------------------------------------------------------------


@given(any_settings())
def test_settings_round_trip(settings: Settings) -> None:
    assert settings_from_json(json.loads(json.dumps(settings_to_json(settings), allow_nan=False))) == settings


@given(any_outcome)
def test_outcome_round_trip(result: Outcome) -> None:
    assert outcome_from_json(json.loads(json.dumps(outcome_to_json(result), allow_nan=False))) == result


def test_numbers_that_json_lacks() -> None:
    back = outcome_from_json(outcome_to_json(outcome(numbers={"a": float("nan"), "b": float("-inf")})))
    assert str(back.numbers["a"]) == "nan"
    assert back.numbers["b"] == float("-inf")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("scenario", "servant", "settings.scenario is 'servant'; expected 'single-stream' or 'multi-stream' or "),
        ("load.kind", "Sever", "settings.load.kind is 'Sever'; expected SingleStream or MultiStream or "),
        ("load", None, "settings.load.kind is None; expected SingleStream or "),
        ("load.target_qps", "fast", "settings.load.target_qps is 'fast'; expected a number"),
        ("min_query_count", 1.5, "settings.min_query_count is 1.5; expected a whole number"),
        ("min_query_count", True, "settings.min_query_count is True; expected a whole number"),
        ("min_query_count", -1, "settings is min_query_count is -1; expected zero or more; expected a consistent"),
        ("load.kind", "Offline", "settings.load.target_qps is a key that this version does not know; expected one of"),
        ("clauses", [], "settings.clauses is []; expected an object"),
        ("deviations", "none", "settings.deviations is 'none'; expected a list"),
        ("colour", 1, "settings.colour is a key that this version does not know; expected one of scenario, load"),
    ],
)
def test_a_wrong_value_is_named_by_its_path(path: str, value: object, message: str) -> None:
    data = settings_to_json(server_settings())
    place = data
    *parents, last = path.split(".")
    for key in parents:
        place = place[key]
    place[last] = value
    with pytest.raises(Unfit) as caught:
        settings_from_json(data)
    assert str(caught.value).startswith(message)


def test_a_missing_value_is_named() -> None:
    data = settings_to_json(server_settings())
    del data["scenario"], data["early_stopping"]
    with pytest.raises(Unfit, match=r"^settings\.scenario is absent; expected a value$"):
        settings_from_json(data)


def test_what_has_no_plain_form() -> None:
    with pytest.raises(Unfit, match=r"value\.a\[1\] is a object; expected a number, text, list"):
        plain({"a": [1, object()]})
    assert plain({"a": Path("x"), "b": np.float64(1.5), "c": np.arange(2), "d": {3: (1,)}}) == {
        "a": "x",
        "b": 1.5,
        "c": [0, 1],
        "d": {"3": [1]},
    }


# --- trace.npz -------------------------------------------------------------------------------------------------------


@given(any_trace())
def test_trace_round_trip(trace: Trace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.npz"
        write_trace(path, trace)
        assert same_trace(read_trace_file(path), trace)
        with np.load(path, allow_pickle=False) as archive:
            assert archive["shape"].tolist() == [trace.n_queries, trace.n_samples]


def test_a_million_samples_are_small_and_quick(tmp_path: Path) -> None:
    n = 1_000_000
    trace = dataclasses.replace(
        some_trace(1),
        index=np.arange(n, dtype=np.int32) % 1024,
        done_ns=np.arange(n) * 4000,
    )
    began = time.process_time()
    write_trace(tmp_path / "trace.npz", trace)
    assert time.process_time() - began < 0.15, "30 ms on a quiet machine"
    assert (tmp_path / "trace.npz").stat().st_size < 6.1 * n


@given(st.integers(0, 3000), st.integers(0, 255))
def test_a_damaged_trace_is_refused_or_unharmed(place: int, byte: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.npz"
        write_trace(path, some_trace(100))
        content = bytearray(path.read_bytes())
        content[place % len(content)] = byte
        path.write_bytes(content)
        with contextlib.suppress(BadFile):
            assert same_trace(read_trace_file(path), some_trace(100))


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x05\x06" + b"\0" * 18])
def test_what_is_no_trace(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.npz").write_bytes(content)
    with pytest.raises(BadFile, match="damaged or foreign"):
        read_trace_file(tmp_path / "t.npz")


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", start=np.array([print], dtype=object), shape=np.zeros(2))
    with pytest.raises(BadFile, match="a column of object"):
        read_trace_file(tmp_path / "t.npz")


# --- trace.part ------------------------------------------------------------------------------------------------------


@given(any_trace(), st.lists(st.integers(0, 12), max_size=4))
def test_spooled_rows_come_back(trace: Trace, cuts: list[int]) -> None:
    edges = sorted({0, trace.n_queries, *(cut for cut in cuts if cut < trace.n_queries)})
    ends = np.append(trace.first_id, trace.n_samples)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / SPOOL
        writer = SpoolWriter(path, start_ns=trace.start_ns, start_unix_ns=trace.start_unix_ns)
        for a, b in itertools.pairwise(edges):
            q, s = slice(a, b), slice(int(ends[a]), int(ends[b]))
            writer.write(
                FullRows(
                    a,
                    s.start,
                    trace.due_ns[q],
                    trace.issued_ns[q],
                    trace.index[s],
                    trace.done_ns[s],
                    np.diff(ends)[q],
                    None if trace.first_ns is None else trace.first_ns[s],
                    None if trace.n_tokens is None else trace.n_tokens[s],
                )
            )
        writer.close()
        back = read_spool(path)
    expected = dataclasses.replace(trace, skipped=None, planned_queries=0)
    if not trace.n_queries:
        expected = dataclasses.replace(expected, first_ns=None, n_tokens=None)
    assert not back.cut_off
    assert same_trace(back.trace, expected)


@given(st.integers(0, 60_000), st.booleans())
@example(37, False)
def test_a_cut_or_damaged_spool_is_read_to_its_last_whole_block(place: int, flip: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / SPOOL
        writer = SpoolWriter(path)
        for k in range(10):
            writer.write(some_rows(k * 100, k * 100 + 100))
        writer.close()
        content = bytearray(path.read_bytes())
        place %= len(content)
        header = len(spool_module.MAGIC) + 16
        block = (len(content) - header) // 10
        between = not flip and place >= header and (place - header) % block == 0  # such a cut cannot be seen
        if flip:
            content[place] ^= 0x55
        else:
            del content[place:]
        path.write_bytes(content)
        try:
            found = read_spool(path)
        except BadFile:
            assert place < len(spool_module.MAGIC)
            return
    n = found.trace.n_queries
    assert n % 100 == 0
    assert np.array_equal(found.trace.done_ns, some_trace(max(n, 1)).done_ns[:n])
    assert n == 1000 or found.cut_off or between or place < header


def test_rows_of_unknown_size() -> None:
    rows = dataclasses.replace(some_rows(0, 3), index=np.zeros(4, np.int32), done_ns=np.zeros(4))
    with tempfile.TemporaryDirectory() as folder:
        writer = SpoolWriter(Path(folder) / SPOOL)
        with pytest.raises(ValueError, match="4 samples in 3 queries"):
            writer.write(rows)
        writer.close()


def test_what_is_no_spool(tmp_path: Path) -> None:
    (tmp_path / SPOOL).write_bytes(b"hello")
    with pytest.raises(BadFile, match="no spool file of a run"):
        read_spool(tmp_path / SPOOL)


# --- the folder ------------------------------------------------------------------------------------------------------


def test_the_life_of_a_run(tmp_path: Path) -> None:
    folder = RunFolder.create(
        tmp_path / "deep" / "run",
        server_settings(clauses={"load.target_qps": "user"}),
        command=("mlassay", "run"),
        sut={"name": "x", "threads": np.int64(2)},
    )
    begun = open_run(folder.path)
    assert begun.record.state is State.RUNNING
    assert begun.incomplete_because == f"the run is still going on: process {os.getpid()}"
    folder.spool(some_rows(0, 500))
    assert same_trace(
        dataclasses.replace(begun.trace(), start_unix_ns=2, start_ns=1, planned_queries=500), some_trace(500)
    )
    (folder.path / "mlperf_log_summary.txt").write_text("hello\n")
    folder.finish(recording(), outcome(), accuracy={"value": 1.0}, extra={"note": 1})
    run = open_run(folder.path / RUN_JSON)
    assert run.complete
    assert run.incomplete_because == ""
    assert run.settings == server_settings(clauses={"load.target_qps": "user"})
    assert run.outcome == outcome()
    assert same_trace(run.trace(), some_trace())
    assert run.record.accuracy == {"value": 1.0}
    assert run.record.sut == {"name": "x", "threads": 2}
    assert run.record.system["versions"]["numpy"] == np.__version__
    assert sorted(run.record.files) == ["mlperf_log_summary.txt", "trace.npz"]
    assert run.record.files["mlperf_log_summary.txt"].sha256.startswith("5891b5b522d5df086d0ff0b110fbd9d2")
    assert sorted(p.name for p in folder.path.iterdir()) == ["mlperf_log_summary.txt", RUN_JSON, TRACE_FILE]
    assert run.changed_files() == []
    (folder.path / "mlperf_log_summary.txt").write_text("HELLO\n")
    (folder.path / TRACE_FILE).unlink()
    assert run.changed_files() == ["trace.npz is missing", "mlperf_log_summary.txt was changed after the run"]
    with pytest.raises(MachineProblem, match="holds no trace"):
        run.trace()


@pytest.mark.parametrize(
    ("ended", "state", "sentence"),
    [
        ("interrupted", State.INTERRUPTED, "the run was interrupted"),
        ("stopped: hung", State.FAILED, "the run failed: stopped: hung"),
    ],
)
def test_an_unfinished_run_says_so(tmp_path: Path, ended: str, state: State, sentence: str) -> None:
    folder = RunFolder.create(tmp_path / "run", server_settings())
    folder.finish(recording(ended=ended), outcome())
    run = open_run(tmp_path / "run")
    assert (run.record.state, run.incomplete_because, run.complete) == (state, sentence, False)
    assert run.trace().n_queries == 1000


def test_a_dead_process_is_told_from_its_number() -> None:
    now = time.time_ns()
    assert is_running(os.getpid(), since_unix_ns=now)
    assert not is_running(os.getpid(), since_unix_ns=now - 10**18), "this process began later"
    assert not is_running(0, since_unix_ns=now)
    assert not is_running(2**40, since_unix_ns=now)
    child = subprocess.Popen([sys.executable, "-c", ""])
    while is_running(child.pid, since_unix_ns=now):  # dead, but not yet waited for
        time.sleep(0.01)
    child.wait()
    assert not is_running(child.pid, since_unix_ns=now)


def test_a_run_that_failed_before_it_began(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", server_settings())
    folder.fail("the model cannot be loaded")
    run = open_run(tmp_path / "run")
    assert run.incomplete_because == "the run failed: the model cannot be loaded"
    assert run.outcome is None


def test_a_folder_is_used_once(tmp_path: Path) -> None:
    RunFolder.create(tmp_path, server_settings())
    with pytest.raises(UsageError, match="holds a run already"):
        RunFolder.create(tmp_path, server_settings())


KILLED = """
import os, signal, sys
from tests.records.test_run_folder import *
folder = RunFolder.create(sys.argv[1], server_settings())
for k in range(5):
    folder.spool(some_rows(k * 1000, k * 1000 + 1000))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_can_be_read(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "run")], cwd=root, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    run = open_run(tmp_path / "run")
    assert run.record.state is State.RUNNING
    assert run.incomplete_because == f"the run was cut off: its process {run.record.pid} is gone"
    assert np.array_equal(run.trace().done_ns, some_trace(5000).done_ns)
    assert not [p for p in (tmp_path / "run").iterdir() if p.name.endswith(".tmp")]


FULL = """
import resource, sys
from tests.records.test_run_folder import *
folder = RunFolder.create(sys.argv[1], server_settings())
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
for k in range(5):
    folder.spool(some_rows(k * 1000, k * 1000 + 1000))
print(folder.spool_problem)
try:
    folder.finish(recording(some_trace(100_000)), outcome())
except MachineProblem as error:
    print(error)
"""


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", FULL, str(tmp_path / "run")]
    done = subprocess.run(command, cwd=root, check=True, timeout=60, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert lines[0] == "spooling stopped: file too large"
    assert lines[1] == f"cannot write {tmp_path}/run/trace.npz: file too large"
    assert lines[2] == "  next: raise the file size limit (ulimit -f), or choose another folder"
    run = open_run(tmp_path / "run")
    assert run.record.state is State.RUNNING
    assert run.trace().n_queries == 1000, "the block that still fitted"
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [RUN_JSON, SPOOL]


def test_no_space_on_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    atomic_write(tmp_path / "a", "old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MachineProblem) as caught:
        atomic_write(tmp_path / "a", "new")
    assert str(caught.value) == (
        f"cannot write {tmp_path}/a: no space left on device\n  next: free some space, or choose another folder"
    )
    assert (tmp_path / "a").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_an_error_of_the_writer_leaves_the_old_file(tmp_path: Path) -> None:
    atomic_write(tmp_path / "a", b"old")

    def broken() -> None:
        with atomic_open(tmp_path / "a") as file:
            file.write(b"new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineProblem, match=r"cannot write .*file/run: not a directory"):
        RunFolder.create(tmp_path / "file" / "run", server_settings())


# --- run.json from elsewhere -----------------------------------------------------------------------------------------


@pytest.fixture
def run_json(tmp_path: Path) -> Path:
    RunFolder.create(tmp_path, server_settings()).finish(recording(), outcome())
    return tmp_path / RUN_JSON


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 99}, "schema is 99, from a newer mlassay"),
        ({"schema": "1"}, f"schema is '1'; expected a whole number from 1 to {SCHEMA}"),
        ({"schema": None}, f"schema is None; expected a whole number from 1 to {SCHEMA}"),
        ({"state": "done"}, "state is 'done'; expected 'running' or 'complete'"),
        ({"settings": {}}, "settings.scenario is absent; expected a value"),
        ({"outcome": {"scenario": 1}}, "outcome.mode is absent; expected a value"),
        ({"files": {"a": {"bytes": "many", "sha256": ""}}}, "files.a.bytes is 'many'; expected a whole number"),
        ({"surprise": 1}, "surprise is a key that this version does not know"),
    ],
)
def test_a_wrong_record_is_named(run_json: Path, change: dict[str, Any], message: str) -> None:
    data = json.loads(run_json.read_text()) | change
    run_json.write_text(json.dumps(data))
    with pytest.raises(BadFile) as caught:
        open_run(run_json)
    assert str(caught.value).startswith(f"{run_json}: {message}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no JSON (Expecting value"),
        (b'{"schema": 1, "state": "comp', "is no JSON (Unterminated string"),
        (b"[1, 2]", "is a JSON list; expected the record of a run, a JSON object"),
        (b"\xff\xfe\x00", "is no JSON"),
        (b"[" * 100_000, "is no JSON (nested too deeply)"),
        (b"{}", ": schema is None; expected a whole number"),
    ],
)
def test_what_is_no_record(run_json: Path, content: bytes, message: str) -> None:
    run_json.write_bytes(content)
    with pytest.raises(BadFile) as caught:
        open_run(run_json.parent)
    assert message in str(caught.value)


def test_what_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"is no run folder; expected a folder with a run\.json"):
        open_run(tmp_path)
    with pytest.raises(BadFile, match="is absent; expected a folder"):
        open_run(tmp_path / "gone")


def test_every_schema_version_has_its_history(run_json: Path) -> None:
    assert list(HISTORY) == list(range(1, SCHEMA + 1))
    assert json.loads(run_json.read_text())["schema_history"] == {"1": "first version"}


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(junk: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / RUN_JSON).write_bytes(junk)
        with pytest.raises(BadFile):
            open_run(folder)


def test_system_names_no_person() -> None:
    told = json.dumps(describe_system())
    assert "mlassay" in told
    for secret in (os.environ.get("USER"), os.environ.get("HOME"), os.uname().nodename):
        assert not secret or len(secret) < 4 or secret not in told
