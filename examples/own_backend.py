"""A backend of your own: a class with five methods, held against its contract by `check_sut`.

Write a class when a function is not enough: when the device has queues, when answers come in another order, when
samples must be moved somewhere beforehand. This one answers from a thread of its own, one query at a time.
"""

import queue
import threading
from collections.abc import Mapping
from typing import Any

import mlassay
from mlassay.core.query import Query
from mlassay.core.sut import SampleLibrary, Sink
from mlassay.testing import NumberLibrary, check_sut


class Doubler:
    """Answers each sample with twice its sum."""

    def open(self, sink: Sink, samples: SampleLibrary) -> None:
        """Untimed: load the model, warm up, start threads. May be called again after close."""
        self._sink, self._samples = sink, samples
        self._queue: queue.SimpleQueue[Query | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def issue(self, query: Query) -> None:
        """Take a query and return at once; None says that the answer comes through the sink."""
        self._queue.put(query)

    def flush(self) -> None:
        """Nothing waits here for company, so there is nothing to hurry."""

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join(timeout=10)

    def describe(self) -> Mapping[str, Any]:
        """Goes into the record of the run."""
        return {"name": "doubler", "version": "1"}

    def _work(self) -> None:
        while (query := self._queue.get()) is not None:
            try:
                outputs = [2 * float(sum_of(sample)) for sample in self._samples.get(query.indices)]
            except Exception as error:  # noqa: BLE001 - whatever went wrong, the run must hear of it
                self._sink.fail(error)
                return
            self._sink.complete(query, outputs)


def sum_of(sample: Any) -> float:
    return float(sample.sum()) if hasattr(sample, "sum") else float(sample)


def main() -> None:
    check_sut(Doubler, NumberLibrary(32), expected=lambda index: 2.0 * index)
    print("the contract holds")
    result = mlassay.run("image-classification", sut=Doubler(), scenario="multi-stream", duration="1s")
    assert result.outcome.metric is not None
    print(f"{result.outcome.verdict}: {result.outcome.metric.name} {result.outcome.metric.value / 1000:.0f} µs")


if __name__ == "__main__":
    main()
