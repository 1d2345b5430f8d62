"""A harness's callbacks as a SUT of ours: queries become lists of QuerySample, errors are kept for its caller."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from typing import Any

from mlassay.compat.answers import Answers
from mlassay.compat.handles import SutCallbacks
from mlassay.compat.samples import QuerySample
from mlassay.core.errors import MlassayError
from mlassay.core.query import Query
from mlassay.core.sut import Outputs, SampleLibrary, Sink
from mlassay.loadgen.sink import Completions
from mlassay.loadgen.supervise import SutHung

MANY = 4096
"""From so many samples in one query on, the garbage collector is kept away from their making."""


class HarnessSut:
    """core.sut.SUT over the callbacks of a harness. Answers come through `answers`, never from `issue`.

    `max_in_flight`: stop issuing when more samples than that are open (the official server_max_async_queries);
    0: no limit. `ones`: every query has one sample. `error`: what a callback raised. `too_many`: (issued, open) when
    the limit ended the run.
    """

    def __init__(
        self, callbacks: SutCallbacks, answers: Answers, *, max_in_flight: int = 0, ones: bool = False
    ) -> None:
        self._callbacks = callbacks
        self._answers = answers
        self._limit = max_in_flight
        self._ones = ones
        self._low = 0
        self.error: BaseException | None = None
        self.too_many: tuple[int, int] | None = None
        self.issue: Callable[[Query], Outputs | None] = self._issuer()

    def open(self, sink: Sink, samples: SampleLibrary) -> None:
        assert isinstance(sink, Completions)
        self._answers.bind(sink)

    def _issuer(self) -> Callable[[Query], Outputs | None]:
        """The issue function: as little as possible between the generator's loop and the harness."""
        answers, base, call = self._answers, self._answers.base, self._callbacks.issue
        fast, keep_error, limited = self._callbacks.fast, self._keep_error, self._limit > 0

        def issue_one(query: Query) -> None:
            first_id, (index,) = query
            answers.top = first_id + 1
            try:
                call([QuerySample(first_id + base, index)])
            except BaseException as error:
                keep_error(error)
                raise

        def issue(query: Query) -> None:
            first_id, indices = query
            count = len(indices)
            answers.top = first_id + count
            try:
                if fast:
                    call(list(range(first_id + base, first_id + base + count)), _listed(indices))
                else:
                    call(_samples(first_id + base, _listed(indices)))
            except BaseException as error:
                keep_error(error)
                raise
            if limited:
                self._count_open()

        return issue_one if self._ones and not fast and not limited else issue

    def _keep_error(self, error: BaseException) -> None:
        """Remember what the harness raised, for its caller; towards the generator it is the SUT's failure.

        An interrupt stays what it is. Whatever else the generator would let pass is raised as a RuntimeError.
        """
        if isinstance(error, KeyboardInterrupt | SutHung):
            return
        self.error = error
        if isinstance(error, MlassayError) or not isinstance(error, Exception):
            raise RuntimeError(f"{type(error).__name__}: {error}") from error

    def _count_open(self) -> None:
        answers = self._answers
        done = answers.columns.done_array
        while self._low < answers.top and done[self._low]:
            self._low += 1
        still_open = int((done[self._low : answers.top] == 0).sum())
        if still_open > self._limit and self.too_many is None:
            self.too_many = answers.top, still_open
            answers.sink.enough()

    def flush(self) -> None:
        try:
            self._callbacks.flush()
        except BaseException as error:
            self._keep_error(error)
            raise

    def close(self) -> None:
        """The harness ends its SUT itself."""

    def describe(self) -> Mapping[str, Any]:
        return {"name": self._callbacks.name(), "interface": "mlperf_loadgen"}


def _listed(indices: Any) -> list[int]:
    """Plain integers in a list, whatever sequence the generator hands over."""
    return indices.tolist() if hasattr(indices, "tolist") else list(indices)


def _samples(first_id: int, indices: list[int]) -> list[QuerySample]:
    ids = range(first_id, first_id + len(indices))
    if len(indices) < MANY:
        return list(map(QuerySample, ids, indices))
    collecting = gc.isenabled()
    gc.disable()
    try:
        made = list(map(QuerySample, ids, indices))
        gc.freeze()  # a million young objects would otherwise be walked through again and again
    finally:
        if collecting:
            gc.enable()
    return made
