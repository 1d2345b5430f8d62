"""Dynamic batching: requests wait a little for company, then run together."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Mapping
from typing import Any

from mlassay.backends.functions import Predict, name_of
from mlassay.core.errors import UsageError
from mlassay.core.query import Query
from mlassay.core.sut import SampleLibrary, Sink

_END = None
_FLUSH = "flush"


class BatchingSUT:
    """Collects queries until `max_batch` samples wait or the oldest has waited `max_delay_ms`, then calls `predict`.

    `threads` batches may run at once, for functions that let go of the interpreter lock.
    """

    def __init__(
        self, predict: Predict, *, max_batch: int = 32, max_delay_ms: float = 1.0, threads: int = 1, name: str = ""
    ) -> None:
        if max_batch < 1 or max_delay_ms < 0 or threads < 1:
            raise UsageError(
                f"max_batch {max_batch}, max_delay_ms {max_delay_ms}, threads {threads}:"
                " expected at least 1, at least 0, at least 1"
            )
        self._predict = predict
        self._max_batch = max_batch
        self._max_delay_s = max_delay_ms / 1e3
        self._n_threads = threads
        self._name = name or name_of(predict)
        self._threads: list[threading.Thread] = []

    def open(self, sink: Sink, samples: SampleLibrary) -> None:
        self._sink, self._get = sink, samples.get
        if not self._threads:
            self._waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
            self._threads = [
                threading.Thread(target=self._work, name=f"mlassay-batch-{i}", daemon=True)
                for i in range(self._n_threads)
            ]
            for thread in self._threads:
                thread.start()

    def issue(self, query: Query) -> None:
        size = self._max_batch
        count = len(query[1])
        if count <= size:
            self._waiting.put(query)
            return
        for begin in range(0, count, size):
            self._waiting.put(Query(query.first_id + begin, query.indices[begin : begin + size]))

    def flush(self) -> None:
        """Nothing waits longer than the delay anyway; this cuts it short."""
        for _ in self._threads:
            self._waiting.put(_FLUSH)

    def close(self) -> None:
        for _ in self._threads:
            self._waiting.put(_END)
        for thread in self._threads:
            thread.join(timeout=10)
        self._threads = []

    def describe(self) -> Mapping[str, Any]:
        return {
            "name": self._name,
            "what": "a Python function behind dynamic batching",
            "max_batch": self._max_batch,
            "max_delay_ms": self._max_delay_s * 1e3,
            "threads": self._n_threads,
        }

    # ---- the worker ------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        held: Query | None = None
        while True:
            first = held if held is not None else self._waiting.get()
            held = None
            if first is _END:
                return
            if first is _FLUSH:
                continue
            batch, held, ended = self._fill(first)
            self._run(batch)
            if ended:
                return

    def _fill(self, first: Query) -> tuple[list[Query], Query | None, bool]:
        """(the batch, a query that did not fit, whether the end came)."""
        batch, count = [first], len(first.indices)
        give_up = time.perf_counter() + self._max_delay_s
        while count < self._max_batch:
            rest = give_up - time.perf_counter()
            try:
                item = self._waiting.get(timeout=rest) if rest > 0 else self._waiting.get_nowait()
            except queue.Empty:
                break
            if item is _END:
                return batch, None, True
            if item is _FLUSH:
                break
            if count + len(item.indices) > self._max_batch:
                return batch, item, False
            batch.append(item)
            count += len(item.indices)
        return batch, None, False

    def _run(self, batch: list[Query]) -> None:
        indices = [i for query in batch for i in query.indices]
        ids = [i for query in batch for i in query.ids]
        try:
            outputs = self._predict(self._get(indices))
        except Exception as error:  # noqa: BLE001 - the user's function may raise anything
            self._sink.fail(error)
            return
        self._sink.complete_samples(ids, outputs)
