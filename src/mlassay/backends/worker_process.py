"""The inside of one worker process: take a query from the ring, call the function, say when it was done."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from multiprocessing.synchronize import Semaphore
from typing import Any

from mlassay.backends.worker_ring import Ring

LOAD, STOP = -1, -2
"""In place of a sample id: new samples wait in the pipe; no more work."""

DONE_WORDS = 4
"""A result record: first sample id, number of samples, when done (ns), number of outputs or a code below."""

RAISED = -1


@dataclass(frozen=True, slots=True)
class Wiring:
    """All that a worker needs to reach its pool; picklable."""

    tasks: str
    task_words: int
    results: str
    capacity: int
    wake: Semaphore
    ready: Semaphore
    pipe: Connection
    parent_pid: int


def serve(make: Callable[[], Callable[[Sequence[Any]], Sequence[Any]]], wiring: Wiring) -> None:
    """Run until told to stop or until the pool's process is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C belongs to the pool, which stops its workers
    tasks = Ring.attach(wiring.tasks, wiring.task_words, wiring.capacity)
    results = Ring.attach(wiring.results, DONE_WORDS, wiring.capacity)
    try:
        predict = make()
    except Exception as error:  # noqa: BLE001 - the user's factory may raise anything
        wiring.pipe.send(f"{type(error).__name__}: {error}")
    else:
        wiring.pipe.send(None)
        _work(predict, tasks, results, wiring)
    finally:
        tasks.close()
        results.close()


def _work(predict: Callable[[Sequence[Any]], Sequence[Any]], tasks: Ring, results: Ring, wiring: Wiring) -> None:
    samples: dict[int, Any] = {}
    wants_outputs = False
    while True:
        if not wiring.wake.acquire(timeout=1.0):
            if os.getppid() != wiring.parent_pid:
                return
            continue
        record = tasks.get()
        if record is None:
            continue
        first_id, count = record[0], record[1]
        if first_id == STOP:
            return
        if first_id == LOAD:
            samples, wants_outputs = _take_samples(wiring.pipe)
            wiring.pipe.send(None)
            continue
        _answer(predict, [samples[i] for i in record[2 : 2 + count]], first_id, wants_outputs, results, wiring)


def _answer(
    predict: Callable[[Sequence[Any]], Sequence[Any]],
    inputs: list[Any],
    first_id: int,
    wants_outputs: bool,
    results: Ring,
    wiring: Wiring,
) -> None:
    try:
        outputs = predict(inputs)
        done_ns, code, payload = time.perf_counter_ns(), len(outputs), outputs
    except Exception as error:  # noqa: BLE001 - the user's function may raise anything
        done_ns, code, payload = time.perf_counter_ns(), RAISED, f"{type(error).__name__}: {error}"
    while not results.put((first_id, len(inputs), done_ns, code)):
        time.sleep(1e-4)
    wiring.ready.release()
    if wants_outputs or code == RAISED:
        wiring.pipe.send(payload)


def _take_samples(pipe: Connection) -> tuple[dict[int, Any], bool]:
    """The loaded samples: arrays of one shape come as one block of shared memory, anything else through the pipe."""
    import numpy as np

    indices, block, others, wants_outputs = pipe.recv()
    if block is None:
        return dict(zip(indices, others, strict=True)), wants_outputs
    name, shape, dtype = block
    memory = SharedMemory(name=name)
    try:
        stacked = np.ndarray(shape, dtype, memory.buf).copy()
    finally:
        memory.close()
    return dict(zip(indices, stacked, strict=True)), wants_outputs
