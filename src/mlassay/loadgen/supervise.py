"""Looking on while a run goes: progress, spooling to disk, stalls, a SUT that never comes back, garbage collection.

One thread, awake twice a second, reading the same columns that the loops write. It never touches the hot path.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any

import numpy as np

from mlassay.core.trace import FaultKind
from mlassay.loadgen.plan import Plan
from mlassay.loadgen.state import Run

GRACE_NS = 1_000_000_000
"""After a stop was asked for, the issuing thread has this long to notice before it is broken out of the SUT."""

RECENT = 4096
"""Live percentiles look at this many of the latest queries."""


class SutHung(BaseException):
    """Raised inside the issuing thread to get it out of a call into the SUT that does not come back."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. Latencies are of the latest queries, -1 before the first answer."""

    elapsed_ns: int
    issued: int
    answered: int
    planned: int
    answered_samples: int
    planned_samples: int
    min_duration_ns: int
    p50_ns: int
    p99_ns: int


@dataclass(frozen=True, slots=True)
class Rows:
    """Finished queries, for spooling: times in ns since the run's start, in the order of issue."""

    first_row: int
    first_sample: int
    due_ns: np.ndarray[Any, Any]  # (R,)
    issued_ns: np.ndarray[Any, Any]  # (R,)
    size: np.ndarray[Any, Any]  # (R,) samples of each query
    index: np.ndarray[Any, Any]  # (S,)
    done_ns: np.ndarray[Any, Any]  # (S,)


@dataclass(frozen=True, slots=True)
class Watch:
    """Who looks on. Every callback runs on the supervisor's thread and should be quick."""

    progress: Callable[[Progress], None] | None = None
    spool: Callable[[Rows], None] | None = None
    stop: Callable[[Progress], str | None] | None = None  # a reason to end the run early
    on_hang: Callable[[str], None] | None = None  # the issuing thread cannot be freed
    period_s: float = 0.5


class Supervisor:
    """Context manager around a run."""

    def __init__(self, run: Run, plans: Sequence[Plan], watch: Watch) -> None:
        self._run = run
        self._watch = watch
        self._planned = sum(len(p.first_id) - 1 for p in plans)
        self._index = [p.index for p in plans]
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._low = 0  # rows below are answered
        self._issued = 0
        self._spooled = 0
        self._moved_ns = 0
        self._seen: tuple[object, ...] = ()
        self._stopping_ns = 0
        self._issuer = threading.current_thread()
        self._old_handler: Any = None
        self.gc_pauses = 0
        self.gc_pause_ns = 0
        self._gc_began_ns = 0

    # ---- life ------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Supervisor:
        if self._run.clock.virtual:
            return self
        gc.collect()
        gc.freeze()
        gc.callbacks.append(self._on_gc)
        if self._issuer is threading.main_thread() and hasattr(signal, "SIGURG"):
            self._old_handler = signal.signal(signal.SIGURG, _raise_hung)
        self._moved_ns = time.perf_counter_ns()
        self._thread = threading.Thread(target=self._look_on, name="mlassay-supervisor", daemon=True)
        self._thread.start()
        self._run.onlooker = self._thread.native_id or 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._run.clock.virtual:
            return
        self._over.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=5)
        if self._old_handler is not None:
            signal.signal(signal.SIGURG, self._old_handler)
        with contextlib.suppress(ValueError):
            gc.callbacks.remove(self._on_gc)
        gc.unfreeze()

    def _on_gc(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._gc_began_ns = time.perf_counter_ns()
        elif self._gc_began_ns:
            self.gc_pauses += 1
            self.gc_pause_ns += time.perf_counter_ns() - self._gc_began_ns

    # ---- the thread ------------------------------------------------------------------------------------------------

    def _look_on(self) -> None:
        period_s = min(self._watch.period_s, max(0.02, self._run.settings.stall_timeout_ns / 4e9))
        while not self._over.wait(period_s):
            if self._run.start_ns:
                self._advance()
                self._report()
            self._check_stall()
        if self._run.start_ns:
            self._advance()
            self._spool()

    def _advance(self) -> None:
        """Move the marks: rows issued, rows answered."""
        columns = self._run.columns
        self._issued = _first_zero(columns.issued, self._issued)
        returned = np.frombuffer(columns.returned, np.int64)
        row = self._low
        while row < self._issued:
            end = min(row + 65_536, self._issued)
            answered = self._answered_rows(row, end, returned)
            if answered.all():
                row = end
                continue
            row += int(answered.argmin())
            break
        self._low = row

    def _answered_rows(self, row: int, end: int, returned: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        columns = self._run.columns
        inline = returned[row:end] > 0
        if inline.all():
            return inline
        first, last = int(columns.first_id[row]), int(columns.first_id[end])
        done = columns.done_array[first:last] > 0
        starts = (columns.first_id[row:end] - first).astype(np.int64)
        result: np.ndarray[Any, Any] = inline | np.logical_and.reduceat(done, starts)
        return result

    def _report(self) -> None:
        watch = self._watch
        self._spool()
        if watch.progress is None and watch.stop is None:
            return
        progress = self._progress()
        if watch.progress is not None:
            watch.progress(progress)
        reason = watch.stop(progress) if watch.stop is not None else None
        if reason:
            self._run.sink.stop(f"stopped: {reason}")

    def _progress(self) -> Progress:
        run = self._run
        latency = self._recent_latency()
        p50, p99 = (int(x) for x in np.percentile(latency, (50, 99))) if latency.size else (-1, -1)
        answered = self._low
        if self._issued - self._low < 1_000_000:
            returned = np.frombuffer(run.columns.returned, np.int64)
            if self._issued > self._low:
                answered += int(self._answered_rows(self._low, self._issued, returned).sum())
        elapsed_ns = time.perf_counter_ns() - run.start_ns
        return Progress(
            elapsed_ns, self._issued, answered, self._planned, self._answered_samples(), run.columns.n_samples,
            run.settings.min_duration_ns, p50, p99,
        )  # fmt: skip

    def _answered_samples(self) -> int:
        """Of finished queries all samples, of open ones those that are done."""
        columns = self._run.columns
        first, last = int(columns.first_id[self._low]), int(columns.first_id[self._issued])
        return first + int(np.count_nonzero(columns.done_array[first:last]))

    def _recent_latency(self) -> np.ndarray[Any, Any]:
        run = self._run
        begin, end = max(0, self._low - RECENT), self._low
        if begin == end:
            return np.empty(0, np.int64)
        rows = self._rows(begin, end)
        per_query = np.maximum.reduceat(rows.done_ns, run.columns.first_id[begin:end] - rows.first_sample)
        latency: np.ndarray[Any, Any] = per_query - rows.due_ns
        return latency

    def _rows(self, begin: int, end: int) -> Rows:
        run = self._run
        columns = run.columns
        first, last = int(columns.first_id[begin]), int(columns.first_id[end])
        issued = np.frombuffer(columns.issued, np.int64)[begin:end] - run.start_ns
        returned = np.frombuffer(columns.returned, np.int64)[begin:end]
        done = columns.done_array[first:last].copy()
        counts = np.diff(columns.first_id[begin : end + 1])
        inline = np.repeat(returned, counts)
        done = np.where(done > 0, done, inline) - run.start_ns
        index = self._index[0] if len(self._index) == 1 else np.concatenate(self._index)
        return Rows(begin, first, self._due(begin, end, issued), issued, counts, index[first:last], done)

    def _due(self, begin: int, end: int, issued: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Scheduled times where the load has a schedule; a closed loop's queries are due when issued."""
        parts = [p for p in self._run.due_ns if len(p)]
        planned = parts[0] if len(parts) == 1 else np.concatenate(parts) if parts else np.empty(0, np.int64)
        return planned[begin:end] if len(planned) >= end else issued

    def _spool(self) -> None:
        spool = self._watch.spool
        while spool is not None and self._spooled < self._low:
            end = min(self._spooled + 65_536, self._low)
            spool(self._rows(self._spooled, end))
            self._spooled = end

    # ---- stalls ----------------------------------------------------------------------------------------------------

    def _check_stall(self) -> None:
        run, now = self._run, time.perf_counter_ns()
        if self._stopping_ns:
            self._free_the_issuer(now)
            return
        seen = (self._issued, self._low, run.sink.last_ns, run.phase)
        waiting = self._issued > self._low or run.phase in ("flush", "close")
        if seen != self._seen or not waiting:
            self._seen = seen
            self._moved_ns = now
        elif now - self._moved_ns > run.settings.stall_timeout_ns:
            run.sink.stop(f"stopped: {FaultKind.NEVER}")
            self._stopping_ns = now

    def _free_the_issuer(self, now: int) -> None:
        """The loops look at the stop mark themselves; only a call into the SUT can still hold the thread."""
        waited = now - self._stopping_ns
        if waited > 5 * GRACE_NS:
            text = f"the SUT has not come back from {self._run.phase}"
            if self._watch.on_hang is not None:
                self._watch.on_hang(text)
            self._stopping_ns = now + (1 << 60)  # said once
        elif waited > GRACE_NS:
            _break_out(self._issuer)


def _first_zero(column: Sequence[int], low: int) -> int:
    """Position of the first zero at or after `low` in a column that is filled from the left."""
    high = len(column)
    while low < high:
        middle = (low + high) // 2
        if column[middle]:
            low = middle + 1
        else:
            high = middle
    return low


def _raise_hung(signum: int, frame: FrameType | None) -> None:
    raise SutHung("the SUT did not come back within the stall timeout")


def _break_out(thread: threading.Thread) -> None:
    """Interrupt a thread that is inside the SUT: a signal wakes system calls, an asynchronous exception Python code."""
    if thread.ident is None:
        return
    if thread is threading.main_thread() and sys.platform != "win32":
        signal.pthread_kill(thread.ident, signal.SIGURG)
    else:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SutHung))
