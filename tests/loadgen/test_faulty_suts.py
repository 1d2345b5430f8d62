"""Each way of breaking the contract ends in time, with a clear verdict and everything measured so far."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from mlassay.backends.functions import AsyncFunctionSUT, FunctionSUT
from mlassay.backends.null import NullSUT
from mlassay.backends.worker_pool import WorkerPoolSUT
from mlassay.core.enums import Mode, Scenario
from mlassay.core.errors import SutFailure
from mlassay.core.outcome import Verdict
from mlassay.core.query import Query
from mlassay.core.settings import Load, MultiStream, Offline, Server, Settings, SingleStream
from mlassay.core.sut import Outputs, SampleLibrary, Sink
from mlassay.core.trace import FaultKind, Recording
from mlassay.loadgen.drive import drive
from mlassay.loadgen.judge import judge
from mlassay.loadgen.plan import plan
from mlassay.testing import NumberLibrary

SERVER = Server(target_qps=2000.0, latency_bound_ns=10**9)
SINGLE = SingleStream()
TIMEOUT_NS = 300_000_000


class Faulty(NullSUT):
    """Answers through the sink; from the fifth query on `misbehave(sink, query)` answers instead."""

    def __init__(self, misbehave: Callable[[Sink, Query], Outputs | None]) -> None:
        self._misbehave = misbehave
        self._count = 0

    def open(self, sink: Sink, samples: SampleLibrary) -> None:
        self._sink = sink

    def issue(self, query: Query) -> Outputs | None:  # type: ignore[override]
        self._count += 1
        if self._count == 5:
            return self._misbehave(self._sink, query)
        self._sink.complete(query, [None] * query.n_samples)
        return None


def run(
    sut: Any, load: Load = SERVER, *, queries: int = 50, mode: Mode = Mode.PERFORMANCE, keep: Any = None
) -> Recording:
    scenario = {
        SingleStream: Scenario.SINGLE_STREAM,
        MultiStream: Scenario.MULTI_STREAM,
        Offline: Scenario.OFFLINE,
    }.get(type(load), Scenario.SERVER)
    settings = Settings(
        scenario=scenario, load=load, min_duration_ns=0, min_query_count=queries, mode=mode, stall_timeout_ns=TIMEOUT_NS
    )
    library = NumberLibrary(64)
    began = time.monotonic()
    recording = drive(settings, plan(settings, 64, 64), sut, library, keep=keep)
    assert time.monotonic() - began < 8
    outcome = judge(recording, settings)
    assert (outcome.verdict is Verdict.INVALID) == bool(recording.faults or not recording.complete)
    return recording


def kinds(recording: Recording) -> list[str]:
    return [f.kind for f in recording.faults]


def raises(sink: Sink, query: Query) -> Outputs | None:
    raise ValueError("no memory left on the accelerator")


@pytest.mark.parametrize("load", [SERVER, SINGLE])
def test_raises(load: Load) -> None:
    recording = run(Faulty(raises), load)
    assert kinds(recording) == [FaultKind.RAISED, FaultKind.NEVER]
    assert "no memory left" in recording.faults[0].detail
    assert recording.ended == "stopped: raised"
    assert recording.trace.n_queries == 5
    assert (recording.trace.done_ns[:4] >= 0).all()


@pytest.mark.parametrize("load", [SERVER, SINGLE])
def test_answers_twice(load: Load) -> None:
    def twice(sink: Sink, query: Query) -> None:
        sink.complete(query)
        sink.complete(query)

    recording = run(Faulty(twice), load)
    assert kinds(recording) == [FaultKind.TWICE]
    assert recording.faults[0].first_id == 4
    assert recording.trace.n_queries >= 50


def test_answers_inline_and_through_the_sink() -> None:
    def both(sink: Sink, query: Query) -> Outputs:
        threading.Timer(0.01, sink.complete, (query,)).start()
        return [None]

    assert kinds(run(Faulty(both))) == [FaultKind.TWICE]


@pytest.mark.parametrize("bad_id", [10**9, -1])
def test_answers_an_unknown_id(bad_id: int) -> None:
    def unknown(sink: Sink, query: Query) -> None:
        sink.complete_samples([bad_id])
        sink.complete(query)

    recording = run(Faulty(unknown))
    assert kinds(recording) == [FaultKind.UNKNOWN_ID]
    assert recording.faults[0].first_id == bad_id


def test_answers_for_a_sample_never_asked() -> None:
    def early(sink: Sink, query: Query) -> None:
        sink.complete(query)
        sink.complete_samples([query.first_id + 20])

    assert kinds(run(Faulty(early))) == [FaultKind.NOT_ISSUED]


@pytest.mark.parametrize("load", [SERVER, SINGLE, MultiStream()])
def test_never_answers(load: Load) -> None:
    recording = run(Faulty(lambda sink, query: None), load)
    assert kinds(recording) == [FaultKind.NEVER]
    assert recording.ended == "stopped: never-answered"
    assert (recording.trace.done_ns[: 4 * len(recording.trace.done_ns) // max(recording.trace.n_queries, 1)] >= 0).all()


def test_answers_after_the_end() -> None:
    class Late(Faulty):
        def close(self) -> None:
            if self._late is not None:
                self._sink.complete(self._late)
                self._late = None

        _late: Query | None = None

    def keep_for_later(sink: Sink, query: Query) -> None:
        sut._late = query

    sut = Late(keep_for_later)
    assert kinds(run(sut)) == [FaultKind.LATE, FaultKind.NEVER]


@pytest.mark.parametrize("count", [0, 2])
def test_returns_the_wrong_count(count: int) -> None:
    recording = run(Faulty(lambda sink, query: [None] * count))
    assert kinds(recording) == [FaultKind.WRONG_COUNT]
    assert recording.faults[0].detail == f"{count} outputs for 1 samples"


def test_no_outputs_in_an_accuracy_run() -> None:
    recording = run(
        Faulty(lambda sink, query: sink.complete(query)), SINGLE, mode=Mode.ACCURACY, keep=lambda i, o: None
    )
    assert kinds(recording) == [FaultKind.WRONG_COUNT]


def test_hangs_in_issue() -> None:
    recording = run(Faulty(lambda sink, query: time.sleep(60)))  # type: ignore[func-returns-value]
    assert FaultKind.HUNG in kinds(recording)
    assert recording.trace.n_queries == 5


def test_hangs_in_flush() -> None:
    class Hanging(NullSUT):
        def flush(self) -> None:
            threading.Event().wait(60)

    recording = run(Hanging())
    assert kinds(recording) == [FaultKind.HUNG]
    assert recording.trace.n_queries == 50
    assert (recording.trace.done_ns >= 0).all()


def test_hangs_outside_the_main_thread() -> None:
    found: list[Recording] = []

    def spin(sink: Sink, query: Query) -> None:
        while True:
            time.sleep(0.01)

    thread = threading.Thread(target=lambda: found.append(run(Faulty(spin))))
    thread.start()
    thread.join(timeout=10)
    assert FaultKind.HUNG in kinds(found[0])


def test_reports_its_own_failure() -> None:
    recording = run(Faulty(lambda sink, query: sink.fail("the device fell off the bus")), SINGLE)
    assert kinds(recording) == [FaultKind.FAILED, FaultKind.NEVER]


def test_a_stamp_from_the_future_is_not_believed() -> None:
    def future(sink: Sink, query: Query) -> None:
        sink.complete_samples(query.ids, done_ns=[time.perf_counter_ns() + 10**12])

    assert kinds(run(Faulty(future))) == [FaultKind.BAD_STAMP]


def test_a_batch_of_many_is_checked_as_well() -> None:
    class Batch(NullSUT):
        def open(self, sink: Sink, samples: SampleLibrary) -> None:
            self._sink = sink

        def issue(self, query: Query) -> Outputs | None:  # type: ignore[override]
            ids = list(query.ids)
            self._sink.complete_samples(ids[:200])
            self._sink.complete_samples([*ids[100:], 10**7, ids[0]])
            return None

    recording = run(Batch(), Offline(min_sample_count=1000), queries=1)
    assert {f.kind: f.count for f in recording.faults} == {FaultKind.UNKNOWN_ID: 1, FaultKind.TWICE: 101}
    assert (recording.trace.done_ns >= 0).all()


def test_cannot_open() -> None:
    class Broken(NullSUT):
        def open(self, sink: Sink, samples: SampleLibrary) -> None:
            raise RuntimeError("no such model")

    with pytest.raises(SutFailure, match="the SUT could not open: RuntimeError: no such model"):
        run(Broken())


def test_interrupt_keeps_what_was_measured() -> None:
    def ctrl_c(sink: Sink, query: Query) -> None:
        raise KeyboardInterrupt

    recording = run(Faulty(ctrl_c))
    assert recording.ended == "interrupted"
    assert recording.trace.n_queries == 5


def test_a_function_that_returns_too_few_outputs_in_a_batch() -> None:
    def predict(samples: Sequence[Any]) -> list[Any]:
        return [0] * (len(samples) - 1)

    recording = run(FunctionSUT(predict, max_batch=10), Offline(min_sample_count=100), queries=1)
    assert kinds(recording) == [FaultKind.WRONG_COUNT]


def test_an_async_function_that_raises() -> None:
    async def predict(samples: Sequence[Any]) -> list[Any]:
        raise RuntimeError("token limit")

    recording = run(AsyncFunctionSUT(predict), SINGLE)
    assert kinds(recording)[0] == FaultKind.FAILED


def dies() -> Callable[[Sequence[Any]], list[Any]]:
    count = 0

    def predict(samples: Sequence[Any]) -> list[Any]:
        nonlocal count
        count += 1
        if count == 5:
            os._exit(7)
        return [0] * len(samples)

    return predict


def throws() -> Callable[[Sequence[Any]], list[Any]]:
    def predict(samples: Sequence[Any]) -> list[Any]:
        raise ValueError("bad weights")

    return predict


def test_a_worker_process_that_dies() -> None:
    recording = run(WorkerPoolSUT(dies), SINGLE)
    assert kinds(recording) == [FaultKind.DIED, FaultKind.NEVER]
    assert "exit code 7" in recording.faults[0].detail
    assert recording.trace.n_queries == 5


def test_a_worker_process_that_raises() -> None:
    recording = run(WorkerPoolSUT(throws), SINGLE)
    assert kinds(recording) == [FaultKind.RAISED, FaultKind.NEVER]
    assert "bad weights" in recording.faults[0].detail


def test_a_worker_that_cannot_start() -> None:
    def make() -> Callable[[Sequence[Any]], list[Any]]:
        raise OSError("no accelerator")

    with pytest.raises(SutFailure, match="a worker could not start: OSError: no accelerator"):
        run(WorkerPoolSUT(make))
