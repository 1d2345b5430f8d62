"""Runs in progress: what is said of them while they are written, and when nothing is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from mlassay.core.enums import Scenario
from mlassay.core.errors import BadFile
from mlassay.core.settings import Required, Server, Settings
from mlassay.records.folder import SPOOL, RunFolder
from mlassay.records.spool import SpoolFollower, SpoolWriter, read_spool
from mlassay.results.live import LiveRuns

MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Rows:
    """One sample each, all with the same latency."""

    first_row: int
    n: int
    latency_ns: int
    every_ns: int = 10 * MS

    @property
    def first_sample(self) -> int:
        return self.first_row

    @property
    def due_ns(self) -> np.ndarray:
        return (self.first_row + np.arange(self.n, dtype=np.int64)) * self.every_ns

    @property
    def issued_ns(self) -> np.ndarray:
        return self.due_ns + 2_000

    @property
    def index(self) -> np.ndarray:
        return np.zeros(self.n, np.int32)

    @property
    def done_ns(self) -> np.ndarray:
        return self.due_ns + self.latency_ns


def running(folder: Path, **changes: object) -> RunFolder:
    """A run folder of this very process, not yet finished."""
    load = Server(target_qps=100, latency_bound_ns=15 * MS)
    settings = Settings(scenario=Scenario.SERVER, load=load, benchmark="toy", **changes)  # type: ignore[arg-type]
    return RunFolder.create(folder, settings)


def test_a_follower_reads_each_row_once(tmp_path: Path) -> None:
    path = tmp_path / SPOOL
    follower = SpoolFollower(path)
    assert follower.look() == []
    writer = SpoolWriter(path)
    assert follower.look() == []
    for block in range(3):
        writer.write(Rows(block * 10, 10, MS))
    assert [len(r.due_ns) for r in follower.look(most_blocks=2)] == [10, 10]
    assert [int(r.due_ns[0]) for r in follower.look()] == [200 * MS]
    assert follower.look() == []
    whole = path.read_bytes()
    writer.write(Rows(30, 10, MS))
    grown = path.read_bytes()
    path.write_bytes(grown[:-5])
    assert follower.look() == []
    path.write_bytes(grown)
    (rows,) = follower.look()
    assert rows.due_ns.tolist() == read_spool(path).trace.due_ns[30:].tolist()
    writer.close()
    path.write_bytes(b"somebody else's" + whole)
    with pytest.raises(BadFile, match="no spool file of a run"):
        follower.look()


def test_a_run_on_course_then_failing_then_over(tmp_path: Path) -> None:
    run = running(tmp_path / "one", min_query_count=1500)
    live = LiveRuns(tmp_path)
    (seen,) = live.look()
    assert (seen.projection, seen.n_queries, seen.p99_ns, seen.samples_per_s) == ("waiting", 0, None, None)
    run.spool(Rows(0, 1000, 5 * MS))
    (seen,) = live.look()
    assert (seen.projection, seen.n_queries, seen.task, seen.scenario) == ("on course", 1000, "toy", "Server")
    assert seen.judged_ns == pytest.approx(5 * MS, rel=0.012)
    assert seen.samples_per_s == pytest.approx(100, rel=0.01)
    assert seen.lateness_p99_ns == pytest.approx(2_000, rel=0.012)
    assert {w.name: w.ok for w in seen.wanted} == {"latency": True, "duration": None, "queries": None}
    run.spool(Rows(1000, 1000, 25 * MS))
    (seen,) = live.look()
    assert seen.projection == "failing"
    assert {w.name: w.ok for w in seen.wanted} == {"latency": False, "duration": None, "queries": True}
    run.fail("stopped")
    assert live.look() == []


def test_a_run_shorter_than_the_rules_want_says_so(tmp_path: Path) -> None:
    required = Required(min_duration_ns=600_000 * MS)
    run = running(tmp_path / "deep" / "er" / "one", required=required)
    run.spool(Rows(0, 100, MS))
    (seen,) = LiveRuns(tmp_path).look()
    run.fail("enough")
    assert seen.projection == "short"


def test_folders_that_hold_no_run_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "run.json").write_text("{", encoding="utf-8")
    (tmp_path / "strange").mkdir()
    running(tmp_path / "odd")
    (tmp_path / "odd" / SPOOL).write_bytes(b"x" * 500)
    assert LiveRuns(tmp_path).look() == []
    assert LiveRuns(tmp_path / "absent").look() == []
