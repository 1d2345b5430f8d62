"""Real objects with a script, for tests: a sample library of numbers and a SUT that does what it is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mlassay.core.clock import VirtualClock
from mlassay.core.query import Query
from mlassay.core.sut import Outputs, SampleLibrary, Sink


class NumberLibrary:
    """A sample library whose sample i is the number i. Remembers what is loaded, and refuses to give anything else."""

    name = "numbers"

    def __init__(self, total_count: int = 64, performance_count: int | None = None) -> None:
        self.total_count = total_count
        self.performance_count = performance_count or total_count
        self.loaded: set[int] = set()

    def load(self, indices: Sequence[int]) -> None:
        self.loaded.update(int(i) for i in indices)

    def unload(self, indices: Sequence[int]) -> None:
        self.loaded.difference_update(int(i) for i in indices)

    def get(self, indices: Sequence[int]) -> list[int]:
        missing = [int(i) for i in indices if int(i) not in self.loaded]
        if missing:
            raise KeyError(f"sample {missing[0]} is not loaded")
        return [int(i) for i in indices]


class ScriptedSUT:
    """Takes `latency_ns(n)` of virtual time for the n-th query, on `servers` servers with one queue, or inline.

    `inline`: the issuing thread waits, as with a synchronous SUT. Otherwise answers come later through the sink.
    The output for sample i is i + 1000.
    """

    def __init__(
        self, clock: VirtualClock, latency_ns: int | Callable[[int], int], *, servers: int = 1, inline: bool = False
    ) -> None:
        self._clock = clock
        self._latency_ns = latency_ns if callable(latency_ns) else lambda n, fixed=latency_ns: fixed
        self._inline = inline
        self._free_ns = [0] * servers
        self.issued: list[Query] = []
        self.flushed = 0

    def open(self, sink: Sink, samples: SampleLibrary) -> None:
        self._sink, self._samples = sink, samples

    def issue(self, query: Query) -> Outputs | None:
        took = self._latency_ns(len(self.issued))
        self.issued.append(query)
        outputs = [i + 1000 for i in self._samples.get(query.indices)]
        if self._inline:
            self._clock.advance(took)
            return outputs
        server = min(range(len(self._free_ns)), key=self._free_ns.__getitem__)
        self._free_ns[server] = max(self._free_ns[server], self._clock.now_ns()) + took
        self._clock.call_at(self._free_ns[server], lambda: self._sink.complete(query, outputs))
        return None

    def flush(self) -> None:
        self.flushed += 1

    def close(self) -> None:
        pass

    def describe(self) -> Mapping[str, Any]:
        return {"name": "scripted"}
