"""Time as an argument: a ten-minute run is tested in milliseconds on a virtual clock."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from itertools import count
from typing import Protocol


class Clock(Protocol):
    """A monotonic clock that one can wait on. All times are integer nanoseconds."""

    @property
    def virtual(self) -> bool:
        """True when time moves only as told: no threads, no real waiting."""

    def now_ns(self) -> int: ...

    def sleep_until(self, due_ns: int) -> int:
        """Return not before `due_ns`; the result is the time on return."""


class RealClock:
    """The machine's monotonic clock (CLOCK_MONOTONIC on Linux, shared by all processes of a machine)."""

    virtual = False
    now_ns = staticmethod(time.perf_counter_ns)

    def sleep_until(self, due_ns: int) -> int:
        now = time.perf_counter_ns()
        while now < due_ns:
            time.sleep((due_ns - now) * 1e-9)
            now = time.perf_counter_ns()
        return now


class VirtualClock:
    """A clock that moves only when told to.

    `sleep_until` jumps, running on the way what `call_at` has planned; a SUT that works inline calls `advance`.
    """

    virtual = True

    def __init__(self, start_ns: int = 1_000_000_000) -> None:
        self._now_ns = start_ns
        self._planned: list[tuple[int, int, Callable[[], None]]] = []
        self._tie = count()

    def now_ns(self) -> int:
        return self._now_ns

    def advance(self, ns: int) -> None:
        """Time passes without anybody looking at the plan (a SUT that blocks its caller)."""
        self._now_ns += ns

    def call_at(self, due_ns: int, action: Callable[[], None]) -> None:
        """Run `action` when the clock gets to `due_ns`."""
        heapq.heappush(self._planned, (due_ns, next(self._tie), action))

    def sleep_until(self, due_ns: int) -> int:
        while self._planned and self._planned[0][0] <= due_ns:
            self.step()
        self._now_ns = max(self._now_ns, due_ns)
        return self._now_ns

    def step(self) -> bool:
        """Jump to the next planned action and run it; False when nothing is planned."""
        if not self._planned:
            return False
        due_ns, _, action = heapq.heappop(self._planned)
        self._now_ns = max(self._now_ns, due_ns)
        action()
        return True
