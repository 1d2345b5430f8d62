"""Worker processes for SUTs that hold the interpreter lock: the load generator stays punctual, whatever they do.

Queries travel through shared memory, one ring per worker; each worker stamps its answers itself on the machine-wide
monotonic clock, so that the way back does not count. The arrangement is part of the result (`describe`).
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.context import BaseContext
from multiprocessing.shared_memory import SharedMemory
from typing import Any

from mlassay.backends.functions import name_of
from mlassay.backends.worker_process import DONE_WORDS, LOAD, RAISED, STOP, Wiring, serve
from mlassay.backends.worker_ring import Ring
from mlassay.core.errors import SutFailure, UsageError
from mlassay.core.query import Query
from mlassay.core.sut import SampleLibrary, Sink
from mlassay.core.trace import FaultKind

CAPACITY = 1 << 14
"""Queries that may wait for one worker; a full ring makes `issue` wait, which the result shows as lateness."""

OPEN_TIMEOUT_S = 120.0

AT_ONCE = 32
"""Answers of one worker that are collected in one go: some tens of microseconds."""

LOOK_EVERY_S = 0.2
"""How often idle workers are looked after."""


class _Worker:
    """One process with its two rings, as the pool sees it."""

    def __init__(self, context: BaseContext, make: Callable[[], Any], task_words: int, ready: Any) -> None:
        self.tasks = Ring(task_words, CAPACITY)
        self.results = Ring(DONE_WORDS, CAPACITY)
        self.wake = context.Semaphore(0)
        self.pipe, inside = context.Pipe()
        wiring = Wiring(self.tasks.name, task_words, self.results.name, CAPACITY, self.wake, ready, inside, os.getpid())
        self.process = context.Process(target=serve, args=(make, wiring), name="mlassay-worker", daemon=True)  # type: ignore[attr-defined]
        self.process.start()
        inside.close()
        self.given = 0
        self.answered = 0

    def hand(self, record: Sequence[int]) -> bool:
        """Pass a record on; False while the ring is full."""
        if not self.tasks.put(record):
            return False
        self.wake.release()
        return True

    def expect(self, timeout_s: float) -> Any:
        """The next message of a worker that is not answering queries; raises SutFailure when none comes."""
        give_up = time.monotonic() + timeout_s
        while time.monotonic() < give_up:
            if self.pipe.poll(0.1):
                try:
                    return self.pipe.recv()
                except EOFError:
                    break
            if not self.process.is_alive() and not self.pipe.poll(0):
                break
        self.process.join(timeout=1)
        raise SutFailure(
            f"a worker process did not start (exit code {self.process.exitcode})",
            hint='a script that uses worker processes needs its last lines under if __name__ == "__main__":',
        )

    def close(self) -> None:
        if self.process.is_alive():
            with contextlib.suppress(OSError):
                self.tasks.put((STOP, 0))
                self.wake.release()
            self.process.join(timeout=5)
        if self.process.is_alive():
            self.process.kill()
            self.process.join(timeout=5)
        self.pipe.close()
        self.tasks.close()
        self.results.close()


class WorkerPoolSUT:
    """`workers` processes, each with its own `predict = make()`; a query goes to the one with the least to do.

    `make` is called in the worker: load the model there. Queries of more than `max_batch` samples are split.
    `reserve_core`: keep one core for the issuing thread, so that no worker delays it; by default where there are more
    cores than workers.
    """

    def __init__(
        self,
        make: Callable[[], Callable[[Sequence[Any]], Sequence[Any]]],
        *,
        workers: int = 1,
        max_batch: int = 64,
        reserve_core: bool | None = None,
        name: str = "",
    ) -> None:
        if workers < 1 or max_batch < 1:
            raise UsageError(f"workers {workers}, max_batch {max_batch}: expected at least 1 of each")
        self._make = make
        self._n_workers = workers
        self._max_batch = max_batch
        self._name = name or name_of(make)
        self._cores = usable_cores()
        self._reserved = len(self._cores) > workers if reserve_core is None else reserve_core and len(self._cores) > 1
        self._workers: list[_Worker] = []
        self._broken = False
        self._looked_s = 0.0

    def open(self, sink: Sink, samples: SampleLibrary) -> None:
        self._sink, self._samples = sink, samples
        if self._workers:
            return
        self._broken = False
        try:
            self._start(_context_for(self._make))
        except BaseException:
            self.close()
            raise
        if self._reserved:
            for worker in self._workers:
                keep_to(self._cores[1:], worker.process.pid or 0)
            keep_to(self._cores[:1])  # this thread issues

    def _start(self, context: BaseContext) -> None:
        self._ready = context.Semaphore(0)
        for _ in range(self._n_workers):
            self._workers.append(_Worker(context, self._make, 2 + self._max_batch, self._ready))
        for worker in self._workers:
            trouble = worker.expect(OPEN_TIMEOUT_S)
            if trouble is not None:
                raise SutFailure(f"a worker could not start: {trouble}")

    def prepare(self, indices: Sequence[int]) -> None:
        """Give every worker its copy of the loaded samples."""
        distinct = list(dict.fromkeys(indices))
        values = list(self._samples.get(distinct))
        block, memory = _shared_block(values)
        try:
            for worker in self._workers:
                worker.hand((LOAD, 0))
                others = None if block else values
                worker.pipe.send((distinct, block, others, self._sink.wants_outputs))
            for worker in self._workers:
                worker.expect(OPEN_TIMEOUT_S)
        finally:
            if memory is not None:
                memory.close()
                memory.unlink()

    def issue(self, query: Query) -> None:
        first_id, indices = query
        size = self._max_batch
        workers = self._workers
        for begin in range(0, len(indices), size):
            part = indices[begin : begin + size]
            worker = workers[0] if len(workers) == 1 else min(workers, key=lambda w: w.given - w.answered)
            record = (first_id + begin, len(part), *(int(i) for i in part))
            while not worker.hand(record):
                self.collect(1e-4)
                if self._broken:
                    return
            worker.given += 1

    def collect(self, timeout_s: float) -> bool:
        """Bring finished answers to the sink; wait so long when there are none. Called by the thread that issues.

        No thread of our own does it: it would hold the interpreter lock just when a query is due. The answers carry
        their time, so that it does not matter when they are collected.
        """
        if self._drained():
            return True
        if timeout_s > 0 and self._ready.acquire(timeout=timeout_s):
            self._ready.release()  # _drained takes one for each answer
            if self._drained():
                return True
            self._ready.acquire(block=False)  # an answer that was collected before its sign came
        self._look_for_the_dead()
        return False

    def flush(self) -> None:
        pass

    def close(self) -> None:
        if self._reserved and self._workers:
            keep_to(self._cores)
        for worker in self._workers:
            worker.close()
        self._workers = []

    def describe(self) -> Mapping[str, Any]:
        return {
            "name": self._name,
            "what": "worker processes over shared memory; answers are stamped in the worker",
            "arrangement": "worker processes",
            "workers": self._n_workers,
            "core_reserved_for_issuing": self._reserved,
            "max_batch": self._max_batch,
        }

    # ---- answers -------------------------------------------------------------------------------------------------

    def _drained(self) -> int:
        """Answers taken from all workers' rings, some of them at most."""
        count = sum([self._drain(worker) for worker in self._workers])
        for _ in range(count):
            self._ready.acquire(block=False)
        return count

    def _drain(self, worker: _Worker) -> int:
        ids: list[int] = []
        done_ns: list[int] = []
        outputs: list[Any] = []
        wants_outputs = self._sink.wants_outputs
        count = 0
        while count < AT_ONCE and (record := worker.results.get()) is not None:
            first_id, n_samples, moment, code = record
            count += 1
            worker.answered += 1
            if code == RAISED:
                self._sink.fail(str(self._received(worker)), kind=FaultKind.RAISED)
                return count
            answer = self._received(worker) if wants_outputs else None
            if code != n_samples:
                self._sink.complete_samples(range(first_id, first_id + n_samples), [None] * code)
                continue
            ids += range(first_id, first_id + n_samples)
            done_ns += [moment] * n_samples
            if answer is not None:
                outputs.extend(answer)  # "+=" with an array would add numbers
        if ids:
            self._sink.complete_samples(ids, outputs if wants_outputs else None, done_ns=done_ns)
        return count

    def _received(self, worker: _Worker) -> Any:
        try:
            return worker.pipe.recv()
        except (EOFError, OSError):
            self._dead(worker)
            return None

    def _look_for_the_dead(self) -> None:
        moment = time.monotonic()
        if moment - self._looked_s < LOOK_EVERY_S:
            return
        self._looked_s = moment
        for worker in self._workers:
            if not worker.process.is_alive() and not worker.results.waiting:
                self._dead(worker)

    def _dead(self, worker: _Worker) -> None:
        if not self._broken:
            self._broken = True
            worker.process.join(timeout=1)
            self._sink.fail(f"a worker process died with exit code {worker.process.exitcode}", kind=FaultKind.DIED)


def usable_cores() -> list[int]:
    """The cores that this process may use; empty where the system does not say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def keep_to(cores: Sequence[int], pid: int = 0) -> None:
    """Bind a process, or the calling thread (0), to these cores. A refusal changes nothing that matters."""
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setaffinity(pid, cores)


def _context_for(make: Callable[[], Any]) -> BaseContext:
    """A fresh process where the function can be sent there, a fork where it cannot (lambdas, closures)."""
    try:
        pickle.dumps(make)
    except Exception:  # noqa: BLE001 - pickling user objects may raise anything; the answer is the same
        return multiprocessing.get_context("fork")
    return multiprocessing.get_context("spawn")


def _shared_block(values: list[Any]) -> tuple[tuple[str, tuple[int, ...], str] | None, SharedMemory | None]:
    """Samples that are numpy arrays of one shape and type, stacked into shared memory; (None, None) otherwise."""
    import numpy as np

    if not values or not all(isinstance(v, np.ndarray) for v in values):
        return None, None
    first = values[0]
    if any(v.shape != first.shape or v.dtype != first.dtype for v in values) or first.nbytes == 0:
        return None, None
    shape = (len(values), *first.shape)
    memory = SharedMemory(create=True, size=first.nbytes * len(values))
    np.stack(values, out=np.ndarray(shape, first.dtype, memory.buf))
    return (memory.name, shape, first.dtype.str), memory
