"""Time as an argument: a ten-minute run is tested in milliseconds on a virtual clock."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """A monotonic clock that one can wait on. All times are integer nanoseconds."""

    def now_ns(self) -> int: ...

    def sleep_until(self, due_ns: int) -> int:
        """Return not before `due_ns`; the result is the time on return."""


class RealClock:
    """The machine's monotonic clock (CLOCK_MONOTONIC, shared by all processes of a machine)."""

    now_ns = staticmethod(time.perf_counter_ns)

    def sleep_until(self, due_ns: int) -> int:
        now = time.perf_counter_ns()
        while now < due_ns:
            time.sleep((due_ns - now) * 1e-9)
            now = time.perf_counter_ns()
        return now


class VirtualClock:
    """A clock that moves only when told to: `sleep_until` jumps; a scripted SUT calls `advance`."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        return self._now_ns

    def advance(self, ns: int) -> None:
        self._now_ns += ns

    def sleep_until(self, due_ns: int) -> int:
        self._now_ns = max(self._now_ns, due_ns)
        return self._now_ns
