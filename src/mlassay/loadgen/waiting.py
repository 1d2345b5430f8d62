"""Waiting without being late and without being in the way.

Sleeping is cheap but wakes late; spinning is punctual but, under the interpreter lock, keeps every other Python
thread from answering. So: sleep until shortly before the moment, then spin through C calls, which let go of the
interpreter lock and keep the core (giving it up on a busy machine costs milliseconds).
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
import threading
import time
from collections.abc import Callable, Iterator

_PR_SET_TIMERSLACK = 29
_DEFAULT_SLACK_NS = 50_000

SPIN_NS = 150_000
"""Spin at most this long before a due time: about what a sleeping thread oversleeps on a busy virtual machine."""

SPIN_SHARE = 0.75
"""Of one core, at most, spent spinning: at high rates the spin shrinks and the sleep goes."""

IDLE_NS = 1_500
"""One turn of the spin before a due time."""

LAST_NS = 8_000
"""The very last stretch is spun in Python: letting go of the lock could cost more."""

ANSWER_NS = 15_000
"""Leave the interpreter lock alone so long before looking for an answer: the answering thread needs it meanwhile.

Looking sooner makes both threads wait for each other: measured on 2 cores, medians of 43 µs from question to question
instead of 26.
"""

AGAIN_NS = 5_000
"""And so long before looking again."""

HANDOVER_SPIN_NS = 60_000
"""Spin this long for an answer before blocking: waking a blocked thread costs about as much."""


_IDLE_BYTES = 4 << 20


class _Idle:
    """Microseconds of C code without the interpreter lock and without giving up the core.

    A search through memory that finds nothing; how fast this machine searches is measured at the first use.
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
        self._memory = ctypes.create_string_buffer(_IDLE_BYTES)
        self._address = ctypes.addressof(self._memory)
        took_ns = []
        for _ in range(8):
            begin = time.perf_counter_ns()
            search(self._address, 1, _IDLE_BYTES // 4)
            took_ns.append(time.perf_counter_ns() - begin)
        self._bytes_per_ns = _IDLE_BYTES / 4 / max(min(took_ns), 1)
        self._search = search


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


class Baton:
    """One thread waits here for an answer; whoever answers calls `wake`.

    The waiter first spins (letting go of the interpreter lock), then blocks. A wake that comes before the wait, or
    twice, is harmless: the waiter looks at its condition, never at the number of wakes.
    """

    __slots__ = ("_asleep", "_lock")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self._asleep = False

    def wake(self) -> None:
        """Tell the waiter that there may be an answer."""
        if self._asleep:
            self._asleep = False
            with contextlib.suppress(RuntimeError):  # two answers at once: the lock is free already
                self._lock.release()

    def wait(self, ready: Callable[[], bool], timeout_ns: int) -> bool:
        """True as soon as `ready()`; False when `timeout_ns` pass first."""
        now = time.perf_counter_ns
        moment = now()
        give_up = moment + timeout_ns
        spin_end = min(moment + HANDOVER_SPIN_NS, give_up)
        pause_ns = ANSWER_NS
        while moment < spin_end:
            idle_for(pause_ns)
            if ready():
                return True
            pause_ns = AGAIN_NS
            moment = now()
        while not ready():
            rest = give_up - now()
            if rest <= 0:
                return False
            self._asleep = True
            if ready():
                self._asleep = False
                return True
            self._lock.acquire(timeout=min(rest * 1e-9, 1.0))
            self._asleep = False
        return True
