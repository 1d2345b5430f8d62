"""A ring of fixed-size records in shared memory, one writer and one reader: how two processes pass work without locks.

Layout: two 64-bit counters (written, read) on cache lines of their own, then `capacity` records of `words` 64-bit
integers. The writer fills a record before it raises `written`; the reader takes it before it raises `read`.
"""

from __future__ import annotations

from collections.abc import Sequence
from multiprocessing.shared_memory import SharedMemory

_HEADER_BYTES = 128


class Ring:
    """Create it in one process; `Ring.attach(name, ...)` in the other."""

    def __init__(self, words: int, capacity: int, *, name: str | None = None) -> None:
        self.words, self.capacity = words, capacity
        size = _HEADER_BYTES + 8 * words * capacity
        self._owner = name is None
        self._memory = SharedMemory(create=True, size=size) if name is None else SharedMemory(name=name)
        self._view = self._memory.buf.cast("q") if self._memory.buf is not None else memoryview(b"").cast("q")
        self._written = 0
        self._read = 0

    @classmethod
    def attach(cls, name: str, words: int, capacity: int) -> Ring:
        return cls(words, capacity, name=name)

    @property
    def name(self) -> str:
        return self._memory.name

    def put(self, record: Sequence[int]) -> bool:
        """Append a record of at most `words` integers; False when the ring is full."""
        view = self._view
        at = self._written
        if at - view[8] >= self.capacity:
            return False
        base = 16 + (at % self.capacity) * self.words
        for position, value in enumerate(record):
            view[base + position] = value
        self._written = at + 1
        view[0] = self._written
        return True

    def get(self) -> list[int] | None:
        """The oldest record (all its words), or None when the ring is empty."""
        view = self._view
        at = self._read
        if at >= view[0]:
            return None
        base = 16 + (at % self.capacity) * self.words
        record = view[base : base + self.words].tolist()
        self._read = at + 1
        view[8] = self._read
        return record

    @property
    def waiting(self) -> int:
        """Records written and not yet read, seen from either side."""
        return int(self._view[0] - self._view[8])

    def close(self) -> None:
        """Let go of the memory; the creating side also removes it."""
        self._view.release()
        self._memory.close()
        if self._owner:
            self._memory.unlink()
