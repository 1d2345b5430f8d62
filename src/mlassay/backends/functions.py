"""Plain Python code as a system under test: a function, an object with `predict`, an async function."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from mlassay.core.errors import SutFailure, UsageError
from mlassay.core.query import Query
from mlassay.core.sut import Outputs, SampleLibrary, Sink

Predict = Callable[[Sequence[Any]], Sequence[Any]]
"""A list of samples in, a list of outputs of the same length out."""


class FunctionSUT:
    """Calls `predict` on the issuing thread, at most `max_batch` samples at a time (0: any number)."""

    def __init__(self, predict: Predict, *, max_batch: int = 0, name: str = "") -> None:
        if max_batch < 0:
            raise UsageError(f"max_batch is {max_batch}; expected zero (no limit) or more")
        self._predict = predict
        self._max_batch = max_batch
        self._name = name or name_of(predict)

    def open(self, sink: Sink, samples: SampleLibrary) -> None:
        self._sink, self._get = sink, samples.get

    def issue(self, query: Query) -> Outputs | None:
        indices = query[1]
        size = self._max_batch
        if not size or len(indices) <= size:
            return self._predict(self._get(indices))
        for begin in range(0, len(indices), size):
            part = indices[begin : begin + size]
            outputs = self._predict(self._get(part))
            first_id = query.first_id + begin
            self._sink.complete_samples(range(first_id, first_id + len(part)), outputs)
        return None

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def describe(self) -> Mapping[str, Any]:
        return {"name": self._name, "what": "a Python function called inline", "max_batch": self._max_batch}


class AsyncFunctionSUT:
    """Awaits `predict` on an event loop of its own thread; queries overlap as the function lets them."""

    def __init__(self, predict: Callable[[Sequence[Any]], Awaitable[Sequence[Any]]], *, name: str = "") -> None:
        self._predict = predict
        self._name = name or name_of(predict)
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self, sink: Sink, samples: SampleLibrary) -> None:
        self._sink, self._samples = sink, samples
        if self._loop is None:
            self._tasks: set[asyncio.Task[None]] = set()
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="mlassay-async-sut", daemon=True)
            self._thread.start()

    def issue(self, query: Query) -> None:
        if self._loop is None:
            raise SutFailure("issue before open")
        self._loop.call_soon_threadsafe(self._begin, query)

    def _begin(self, query: Query) -> None:
        task = asyncio.ensure_future(self._answer(query))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, query: Query) -> None:
        try:
            outputs = await self._predict(self._samples.get(query.indices))
        except Exception as error:  # noqa: BLE001 - the user's function may raise anything
            self._sink.fail(error)
            return
        self._sink.complete(query, outputs)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        if self._loop is None:
            return
        asyncio.run_coroutine_threadsafe(self._cancel_all(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()
        self._loop = None

    async def _cancel_all(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def describe(self) -> Mapping[str, Any]:
        return {"name": self._name, "what": "an async Python function on an event loop of its own"}


def name_of(thing: object) -> str:
    """What to call the user's code in a report."""
    return getattr(thing, "__qualname__", "") or type(thing).__qualname__
