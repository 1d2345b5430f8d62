"""One thread waits for another's answer under one interpreter lock: what is expensive about threads in Python."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from functools import partial

from mlassay.loadgen.waiting import idle_for

SETTLE_NS = 2_500
"""Look for an answer so long after it is expected: the thread that answered holds the interpreter lock until it waits
for its next question, and who asks for the lock meanwhile is put to sleep and woken again."""

AGAIN_NS = 4_000
"""And so long before looking again."""

OUTLIER_NS = 4_000
"""One answer moves the expectation by an eighth of this at most."""

FIRST_GUESS_NS = 12_000
"""When an answer is expected before any was seen: about what it takes to wake a sleeping thread."""

HANDOVER_SPIN_NS = 60_000
"""No answer that takes longer is waited for by spinning: waking a blocked thread costs about as much."""

ROUND = 64
"""Waits of one kind before their cost is compared with the other kind's."""

RETRY = 32
"""Rounds of the cheaper kind before the other is tried again: a machine changes."""

DEAR_NS = 100_000
"""A wait counts for this much at most: a pause of the machine says nothing about spinning or blocking."""


class _Bell:
    """Wakes one sleeping thread of this process, and lets go of the interpreter lock while it does so.

    That is the point: a `threading.Lock` is released with the interpreter lock held, so that on one core the woken
    thread goes back to sleep until it gets that too. Measured: 10 µs from question to question instead of 19.
    """

    __slots__ = ("_fds", "listen", "ring")

    def __init__(self) -> None:
        self.ring: Callable[[], object]
        self.listen: Callable[[], object]
        if hasattr(os, "eventfd"):
            fd = os.eventfd(0)
            self._fds: tuple[int, ...] = (fd,)
            self.ring, self.listen = partial(os.eventfd_write, fd, 1), partial(os.eventfd_read, fd)
        else:
            ear, hand = self._fds = os.pipe()
            self.ring, self.listen = partial(os.write, hand, b"!"), partial(os.read, ear, 1)

    def __del__(self) -> None:
        for fd in self._fds:
            os.close(fd)


class Baton:
    """One thread waits here for an answer; whoever answers calls `wake`.

    Two ways to wait, and the machine decides which is quicker: spin without the interpreter lock until the answer is
    expected, or block at once. Between two idle cores a blocked thread wakes late; when other programs want the cores
    too, a spinning thread keeps the answering one from running. So both are tried, and the cheaper is kept for a while.
    A wake that comes before the wait, or twice, is harmless: the waiter looks at its condition, never at the number of
    wakes.
    """

    __slots__ = (
        "_asleep",
        "_bell",
        "_cost_ns",
        "_guess_ns",
        "_last_ns",
        "_left",
        "_rounds",
        "_spent_ns",
        "_spins",
        "_spread_ns",
    )

    def __init__(self) -> None:
        self._bell = _Bell()
        self._asleep = False
        self._guess_ns = FIRST_GUESS_NS
        self._spread_ns = 0  # about how far answers are from the guess
        self._spins = True
        self._cost_ns: dict[bool, float] = {}  # spinning or not -> from one answer to the next
        self._left, self._spent_ns, self._rounds, self._last_ns = ROUND, 0, 0, 0

    def wake(self) -> None:
        """Tell the waiter that its condition may hold now."""
        if self._asleep:
            self._asleep = False
            self._bell.ring()

    def wait(self, ready: Callable[[], bool]) -> None:
        """Come back when `ready()`. Whatever makes it so has to call `wake` afterwards."""
        if self._spins and self._guess_ns < HANDOVER_SPIN_NS and self._spin(ready):
            return
        while not ready():
            self._asleep = True
            if ready():
                self._asleep = False
                return
            with contextlib.suppress(InterruptedError):  # a signal whose handler did not object
                self._bell.listen()
            self._asleep = False

    def _spin(self, ready: Callable[[], bool]) -> bool:
        now = time.perf_counter_ns
        pause_ns = self._guess_ns + self._spread_ns + SETTLE_NS
        end_ns = now() + 2 * pause_ns
        while now() < end_ns:
            idle_for(pause_ns)
            if ready():
                return True
            pause_ns = AGAIN_NS
        return False

    def learn(self, took_ns: int) -> None:
        """After a wait: the answer came `took_ns` after its beginning."""
        miss_ns = max(-OUTLIER_NS, min(OUTLIER_NS, took_ns - self._guess_ns))
        self._guess_ns = max(0, self._guess_ns + (miss_ns >> 3))
        self._spread_ns += (abs(miss_ns) - self._spread_ns) >> 3
        moment = time.perf_counter_ns()
        if self._last_ns:
            self._spent_ns += min(moment - self._last_ns, DEAR_NS)
            self._left -= 1
            if not self._left:
                self._next_round()
        self._last_ns = moment

    def _next_round(self) -> None:
        """Keep to the cheaper kind; try the other now and then."""
        costs = self._cost_ns
        costs[self._spins] = self._spent_ns / ROUND
        self._left, self._spent_ns, self._rounds = ROUND, 0, self._rounds + 1
        cheaper = costs.get(True, 0.0) < costs.get(False, 0.0)
        self._spins = cheaper if self._rounds % RETRY else not cheaper
