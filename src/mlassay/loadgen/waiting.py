"""Waiting without being late and without being in the way.

Sleeping is cheap but wakes late; spinning is punctual but, under the interpreter lock, keeps every other Python
thread from answering. So: sleep until shortly before the moment, then spin through C calls, which let go of the
interpreter lock. Two such calls: for a due time one that keeps the core (giving it up on a busy machine costs
milliseconds), for an answer one that offers it (the answering thread may want just this core).
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

SPIN_SHARE = 0.3
"""Of one core, at most, spent spinning: at high rates the spin shrinks and the sleep goes."""

LAST_NS = 8_000
"""The very last stretch is spun in Python: letting go of the lock could cost more."""

HANDOVER_SPIN_NS = 60_000
"""Spin this long for an answer before blocking: waking a blocked thread costs about as much."""


def _load_yield() -> Callable[[], object] | None:
    """`sched_yield` of the C library, called without the interpreter lock; None where there is none."""
    if not sys.platform.startswith(("linux", "darwin")):
        return None
    try:
        call = ctypes.CDLL(None).sched_yield
    except (OSError, AttributeError):
        return None
    call.argtypes = []
    call.restype = ctypes.c_int
    return call


def _load_idle() -> Callable[[], object]:
    """A few microseconds of C code without the interpreter lock: a search through memory that finds nothing."""
    try:
        search = ctypes.CDLL(None).memchr
    except (OSError, AttributeError, TypeError):
        return lambda: None
    search.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
    search.restype = ctypes.c_void_p
    memory = ctypes.create_string_buffer(_IDLE_BYTES)
    address = ctypes.addressof(memory)

    def idle(memory: object = memory) -> object:
        return search(address, 1, _IDLE_BYTES)

    return idle


_IDLE_BYTES = 64 << 10

let_lock_go: Callable[[], object] = _load_idle()
"""Let other Python threads run for some microseconds, without giving up the core."""

let_others_run: Callable[[], object] = _load_yield() or (lambda: time.sleep(0))
"""Give the interpreter lock and the core to whoever wants them, and come back at once if nobody does."""


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
    now, sleep, let_go = time.perf_counter_ns, time.sleep, let_lock_go

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
            let_go()
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
        """Tell the waiter, and hand it the interpreter lock: it goes on at once, without the kernel waking anybody.

        Measured: a question and its answer between two Python threads take 13 µs so, 90 µs and more without.
        """
        if self._asleep:
            self._asleep = False
            with contextlib.suppress(RuntimeError):  # two answers at once: the lock is free already
                self._lock.release()
        let_others_run()

    def wait(self, ready: Callable[[], bool], timeout_ns: int) -> bool:
        """True as soon as `ready()`; False when `timeout_ns` pass first."""
        now = time.perf_counter_ns
        moment = now()
        give_up = moment + timeout_ns
        spin_end = min(moment + HANDOVER_SPIN_NS, give_up)
        while moment < spin_end:
            if ready():
                return True
            let_others_run()
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
