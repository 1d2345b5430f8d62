"""Worker processes answer through shared memory; the thread that issues fetches the answers itself."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlassay.backends.worker_pool import CAPACITY, WorkerPoolSUT
from mlassay.core.enums import Mode, Scenario
from mlassay.core.outcome import Verdict
from mlassay.core.settings import Load, MultiStream, Offline, Server, Settings, SingleStream
from mlassay.core.trace import Recording
from mlassay.loadgen.drive import drive
from mlassay.loadgen.judge import judge
from mlassay.loadgen.plan import plan
from mlassay.testing import NumberLibrary


def doubles() -> Callable[[Sequence[Any]], Any]:
    return lambda samples: np.array([[2 * s] for s in samples])


def run(load: Load, scenario: Scenario, queries: int, keep: Any = None, workers: int = 2, **more: Any) -> Recording:
    mode = Mode.ACCURACY if keep else Mode.PERFORMANCE
    settings = Settings(scenario=scenario, load=load, min_duration_ns=0, min_query_count=queries, mode=mode)
    recording = drive(
        settings, plan(settings, 64, 64), WorkerPoolSUT(doubles, workers=workers, **more), NumberLibrary(64), keep=keep
    )
    assert judge(recording, settings).verdict is not Verdict.INVALID
    return recording


@pytest.mark.parametrize(
    ("load", "scenario"),
    [
        (Offline(min_sample_count=64), Scenario.OFFLINE),
        (Server(target_qps=500.0), Scenario.SERVER),
        (SingleStream(), Scenario.SINGLE_STREAM),
        (MultiStream(), Scenario.MULTI_STREAM),
    ],
)
def test_outputs_that_are_arrays_come_back_to_their_samples(load: Load, scenario: Scenario) -> None:
    found: dict[int, int] = {}

    def keep(ids: Sequence[int], outputs: Any) -> None:
        found.update(zip(ids, (int(o[0]) for o in outputs), strict=True))

    recording = run(load, scenario, 1, keep, max_batch=8)
    assert [found[i] for i in range(recording.trace.n_samples)] == [2 * i for i in recording.trace.index.tolist()]


def test_no_thread_competes_with_the_issuing_one() -> None:
    """Only the supervisor, twice a second."""
    names: set[str] = set()

    class Watched(NumberLibrary):
        def get(self, indices: Sequence[int]) -> Any:
            names.update(t.name for t in threading.enumerate())
            return super().get(indices)

    settings = Settings(
        scenario=Scenario.SERVER, load=Server(target_qps=2000.0), min_duration_ns=0, min_query_count=200
    )
    recording = drive(settings, plan(settings, 64, 64), WorkerPoolSUT(doubles), Watched(64))
    assert recording.complete
    assert names <= {threading.current_thread().name, "mlassay-supervisor", "MainThread"}
    assert recording.overhead.arrangement == "answered by others"
    if hasattr(os, "sched_getscheduler"):
        assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_more_queries_than_the_rings_hold() -> None:
    """Answers are fetched while a full ring keeps `issue` waiting, so that neither side waits for the other."""
    recording = run(Offline(min_sample_count=3 * CAPACITY), Scenario.OFFLINE, 1, workers=1, max_batch=1)
    assert recording.trace.n_samples == 3 * CAPACITY


def test_a_script_without_a_main_guard_is_told_so(tmp_path: Path) -> None:
    script = tmp_path / "plain.py"
    script.write_text(
        "import mlassay\nfrom mlassay.backends.worker_pool import WorkerPoolSUT\n"
        "def make(): return lambda samples: [0] * len(samples)\n"
        "mlassay.run('image-classification', sut=WorkerPoolSUT(make), scenario='server', target_qps=100,"
        " duration='1s', out='run')\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, cwd=tmp_path, timeout=100)
    assert done.returncode == 1
    assert 'under if __name__ == "__main__":' in done.stderr
