"""Collecting what a SUT does wrong: kinds, counts and the first occurrence, from any thread."""

from __future__ import annotations

import threading

from mlassay.core.trace import Fault


class FaultLog:
    """A bounded log: one entry per kind of fault, however often it happens."""

    def __init__(self) -> None:
        self._entries: dict[str, Fault] = {}
        self._lock = threading.Lock()

    def add(self, kind: str, detail: str, *, first_id: int = -1, count: int = 1) -> None:
        with self._lock:
            seen = self._entries.get(kind)
            if seen is None:
                self._entries[kind] = Fault(kind, detail, count, first_id)
            else:
                self._entries[kind] = Fault(kind, seen.detail, seen.count + count, seen.first_id)

    def __bool__(self) -> bool:
        return bool(self._entries)

    def entries(self) -> tuple[Fault, ...]:
        with self._lock:
            return tuple(self._entries.values())
