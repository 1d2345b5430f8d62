"""A harness's callbacks as a SUT of ours: queries become lists of QuerySample, errors are kept for its caller."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator, Mapping
from typing import Any

from mlassay.compat.answers import Answers
from mlassay.compat.handles import SutCallbacks
from mlassay.compat.loops import loop_for
from mlassay.compat.samples import QuerySample
from mlassay.core.errors import MlassayError
from mlassay.core.query import Query
from mlassay.core.sut import SampleLibrary, Sink
from mlassay.loadgen.loops import common_loop
from mlassay.loadgen.plan import Plan
from mlassay.loadgen.sink import Completions
from mlassay.loadgen.state import Run
from mlassay.loadgen.supervise import SutHung

MANY = 4096
"""From so many samples in one query on, the garbage collector is kept away from their making."""


class HarnessSut:
    """core.sut.SUT over the callbacks of a harness. Answers come through `answers`, never from `issue`.

    `max_in_flight`: stop issuing when more samples than that are open (the official server_max_async_queries);
    0: no limit. `error`: what a callback raised. `too_many`: (issued, open) when the limit ended the run.
    """

    def __init__(self, callbacks: SutCallbacks, answers: Answers, *, max_in_flight: int = 0) -> None:
        self._callbacks = callbacks
        self._answers = answers
        self._limit = max_in_flight
        self._low = 0
        self.error: BaseException | None = None
        self.too_many: tuple[int, int] | None = None

    def open(self, sink: Sink, samples: SampleLibrary) -> None:
        assert isinstance(sink, Completions)
        self._answers.bind(sink)

    def own_loop(self, run: Run, plan: Plan, row: int) -> None:
        """The short loop of the scenario where there is one, else the common one."""
        fast = self._callbacks.fast
        loop = loop_for(run, self._answers, self._callbacks.issue, fast=fast) if not self._limit else None
        with self._errors_kept():
            (loop or common_loop(run.settings))(run, plan, row)

    def issue(self, query: Query) -> None:
        """A query of many samples, on the way through the common loops."""
        first_id, indices = query
        answers, count = self._answers, len(indices)
        answers.top = first_id + count
        first = first_id + answers.base
        if self._callbacks.fast:
            self._callbacks.issue(list(range(first, first + count)), _listed(indices))
        else:
            self._callbacks.issue(_samples(first, _listed(indices)))
        if self._limit:
            self._count_open()

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
        with self._errors_kept():
            self._callbacks.flush()

    def close(self) -> None:
        """The harness ends its SUT itself."""

    def describe(self) -> Mapping[str, Any]:
        return {"name": self._callbacks.name(), "interface": "mlperf_loadgen"}

    @contextlib.contextmanager
    def _errors_kept(self) -> Iterator[None]:
        """Remember what the harness raised, for its caller; towards the generator it is the SUT's failure.

        An interrupt stays what it is. Whatever else the generator would let pass is raised as a RuntimeError.
        """
        try:
            yield
        except (KeyboardInterrupt, SutHung):
            raise
        except BaseException as error:
            self.error = error
            if isinstance(error, MlassayError) or not isinstance(error, Exception):
                raise RuntimeError(f"{type(error).__name__}: {error}") from error
            raise


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
