"""Waiting without being late and without being in the way.

Sleeping is cheap but wakes late; spinning is punctual but, under the interpreter lock, keeps every other Python
thread from answering. So: sleep until shortly before the moment, then spin through C calls, which let go of the
interpreter lock and keep the core (giving it up on a busy machine costs milliseconds).
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import sys
import time
from collections.abc import Callable, Iterator

_PR_SET_TIMERSLACK = 29
_DEFAULT_SLACK_NS = 50_000

SWITCH_INTERVAL_S = 1e-4
"""How long a Python thread may keep the interpreter lock from another during a run; Python's default is 5 ms."""

SPIN_NS = 150_000
"""Spin at most this long before a due time: about what a sleeping thread oversleeps on a busy virtual machine."""

SPIN_SHARE = 0.75
"""Of one core, at most, spent spinning: at high rates the spin shrinks and the sleep goes."""

IDLE_NS = 1_500
"""One turn of the spin before a due time."""

LAST_NS = 8_000
"""The very last stretch is spun in Python: letting go of the lock could cost more."""

_IDLE_BYTES = 4 << 20


class _Idle:
    """Microseconds of C code without the interpreter lock and without giving up the core.

    A search through memory that finds nothing; how fast this machine searches is measured at the first use. The memory
    is never written, so that it is one page of zeros seen many times: the caches stay with those who work.
    """

    def __init__(self) -> None:
        self._search: Callable[..., object] | None = None
        self._bytes_per_ns = 0.0

    def __call__(self, ns: int) -> None:
        if self._bytes_per_ns == 0.0:
            self._prepare()
        if self._search is not None:
            self._search(self._address, 1, min(_IDLE_BYTES, int(ns * self._bytes_per_ns)))

    def _prepare(self) -> None:
        self._bytes_per_ns = 1.0
        try:
            search = ctypes.CDLL(None).memchr
        except (OSError, AttributeError, TypeError):
            return
        search.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
        search.restype = ctypes.c_void_p
        self._memory = _unwritten(_IDLE_BYTES)
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        search(self._address, 1, _IDLE_BYTES)  # every page has been seen once
        took_ns = []
        for _ in range(8):
            begin = time.perf_counter_ns()
            search(self._address, 1, _IDLE_BYTES // 4)
            took_ns.append(time.perf_counter_ns() - begin)
        self._bytes_per_ns = _IDLE_BYTES / 4 / max(min(took_ns), 1)
        self._search = search


def _unwritten(size: int) -> mmap.mmap:
    if not hasattr(mmap, "MAP_PRIVATE"):
        return mmap.mmap(-1, size)
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        with contextlib.suppress(OSError):  # a kernel without huge pages
            memory.madvise(mmap.MADV_NOHUGEPAGE)
    return memory


idle_for = _Idle()
"""Let other Python threads run for so many nanoseconds (about), without giving up the core."""


@contextlib.contextmanager
def precise_timers() -> Iterator[None]:
    """Ask the kernel to wake this thread without slack (Linux; elsewhere nothing happens)."""
    if not sys.platform.startswith("linux"):
        yield
        return
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_TIMERSLACK, ctypes.c_ulong(1), 0, 0, 0)
    try:
        yield
    finally:
        prctl(_PR_SET_TIMERSLACK, ctypes.c_ulong(_DEFAULT_SLACK_NS), 0, 0, 0)


@contextlib.contextmanager
def quick_handover() -> Iterator[None]:
    """Let a Python thread that computes give the interpreter lock up soon after another asks for it."""
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        yield
    finally:
        sys.setswitchinterval(usual_s)


@contextlib.contextmanager
def first_in_line(*others: int) -> Iterator[bool]:
    """Run this thread before all others of its core where the system permits it (Linux, root or an rtprio limit).

    Only for a thread that does nothing but issue: it sleeps nearly all the time. Measured on 2 busy cores: p99 lateness
    17 µs instead of 4.6 ms. `others`: native ids of threads that share the interpreter lock with it and would keep the
    lock while they wait for a core. Threads and processes started meanwhile are not favoured. Gives whether it was
    permitted.
    """
    try:
        before = {thread: (os.sched_getscheduler(thread), os.sched_getparam(thread)) for thread in (0, *others)}
        for thread in before:
            os.sched_setscheduler(thread, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except (AttributeError, OSError):
        yield False
        return
    try:
        yield True
    finally:
        for thread, usual in before.items():
            with contextlib.suppress(OSError):  # it has ended
                os.sched_setscheduler(thread, *usual)


def spin_for(rate_hz: float) -> int:
    """Nanoseconds to spin before each due time so that spinning takes at most SPIN_SHARE of a core."""
    if rate_hz <= 0:
        return SPIN_NS
    return int(max(5_000, min(SPIN_NS, SPIN_SHARE * 1e9 / rate_hz)))


def sleeper(rate_hz: float, *, shared: bool) -> Callable[[int], int]:
    """A punctual `sleep_until(due_ns) -> now_ns` on the monotonic clock, for arrivals at about `rate_hz`.

    `shared`: other Python threads answer meanwhile, so the spin lets go of the interpreter lock.
    """
    spin_ns = spin_for(rate_hz)
    now, sleep = time.perf_counter_ns, time.sleep
    idle_for(0)  # measured now, not at the first due time

    def until(due_ns: int) -> int:
        moment = now()
        rest = due_ns - moment - spin_ns
        if rest > 0:
            sleep(rest * 1e-9)
            moment = now()
        while moment < due_ns:
            moment = now()
        return moment

    def until_shared(due_ns: int) -> int:
        moment = now()
        rest = due_ns - moment - spin_ns
        if rest > 0:
            sleep(rest * 1e-9)
            moment = now()
        nearly = due_ns - LAST_NS
        while moment < nearly:
            idle_for(IDLE_NS)
            moment = now()
        while moment < due_ns:
            moment = now()
        return moment

    return until_shared if shared else until
