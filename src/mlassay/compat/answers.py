"""Where a harness hands in its answers: the way from QuerySamplesComplete to the columns of the run.

One stamp per call, taken on entry. A sample's id is its position in the run plus a base that grows from run to run, so
that an answer to an earlier run is seen to be one. What is wrong with an answer is left to the sink, which knows all
the faults by name.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from ctypes import string_at
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from mlassay.compat.samples import QuerySampleResponse
from mlassay.loadgen.plan import Plan
from mlassay.loadgen.sink import Columns, Completions
from mlassay.records.loadgen_log import AccuracyLogWriter

if TYPE_CHECKING:
    from numpy.typing import NDArray

MANY = 256
"""From so many answers on, numpy stores them in one go."""

BATCH = 8192
"""So many outputs are copied before they are written: bounded memory however large the batch."""

ResponseCallback = Callable[[QuerySampleResponse], Any]

log = logging.getLogger(__name__)
_ids = attrgetter("id")
_next_base = 1


class Answers:
    """One run's answers. `plain` runs need the times alone, the others the bytes of outputs or tokens too."""

    def __init__(self, plans: Sequence[Plan], writer: AccuracyLogWriter, *, tokens: bool, first_tokens: bool) -> None:
        global _next_base
        self.base = _next_base
        self.index = plans[0].index if len(plans) == 1 else np.concatenate([p.index for p in plans])
        _next_base += len(self.index)
        self.first_sequence_id = plans[0].first_sequence_id
        self.whole = plans[0].whole
        self.mask: NDArray[np.bool_] | None = plans[0].log_mask
        self.writer = writer
        self.tokens = tokens
        self.first_tokens = first_tokens  # a first token is expected (not in Offline)
        self.first_bytes: dict[int, bytes] = {}
        self.plain = not (self.whole or self.mask is not None or tokens)
        self.complaints: Counter[str] = Counter()
        self.top = 0  # samples below have been issued
        self.sink: Completions
        self.done: memoryview
        self.columns: Columns
        self._lock = threading.RLock()

    def bind(self, sink: Completions) -> None:
        """Take the memory of the run that begins."""
        global _plain
        self.sink, self.columns, self.done = sink, sink.columns, sink.columns.done
        _plain = (self.done, self.base, self, sink) if self.plain else None

    def store_many(self, responses: Sequence[QuerySampleResponse], moment: int) -> bool:
        """Stamp a large plain batch at once. False, and nothing done, when any answer in it is not as it should be."""
        samples = np.fromiter(map(_ids, responses), np.int64, len(responses))
        samples -= self.base
        with self._lock:
            good = self._all_open(samples)
            if good:
                self.columns.done_array[samples] = moment
        return good

    def _all_open(self, samples: NDArray[np.int64]) -> bool:
        """Are these issued, unanswered samples, each named once?"""
        if not 0 <= int(samples.min()) <= int(samples.max()) < self.top:
            return False
        if self.columns.done_array[samples].any():
            return False
        in_order = bool((np.diff(samples) > 0).all())
        return in_order or len(np.unique(samples)) == len(samples)

    def store_with_outputs(
        self, responses: Sequence[QuerySampleResponse], moment: int, callback: ResponseCallback | None
    ) -> None:
        """Log what is to be logged, then stamp. The log comes first: a run ends with its last stamp."""
        if not responses:
            return
        with self._lock:
            samples = np.fromiter(map(_ids, responses), np.int64, len(responses)) - self.base
            repeated: list[int] = []
            if not self._all_open(samples):
                samples, responses = self._open_ones(samples, responses, repeated)
            if self.whole:
                self._log(samples, responses, callback)
            elif self.mask is not None:
                chosen = np.flatnonzero(self.mask[samples])
                self._log(samples[chosen], [responses[i] for i in chosen.tolist()], callback)
            if self.tokens:
                self._count_tokens(samples, responses)
            self.columns.done_array[samples] = moment
            for sample in repeated:
                self.sink.complete_samples((sample,))

    def _open_ones(
        self, samples: NDArray[np.int64], responses: Sequence[QuerySampleResponse], repeated: list[int]
    ) -> tuple[NDArray[np.int64], list[QuerySampleResponse]]:
        """Of a batch with faults, what can be accepted; the sink notes the rest, `repeated` ones later."""
        good: dict[int, QuerySampleResponse] = {}
        for sample, response in zip(samples.tolist(), responses, strict=True):
            if sample in good:
                repeated.append(sample)
            elif not 0 <= sample < self.top or self.done[sample]:
                self.sink.complete_samples((sample,))
            else:
                good[sample] = response
        return np.fromiter(good, np.int64, len(good)), list(good.values())

    def _log(
        self,
        samples: NDArray[np.int64],
        responses: Sequence[QuerySampleResponse],
        callback: ResponseCallback | None,
    ) -> None:
        """Outputs to the accuracy log; the callback may bring them to where their address says they are."""
        if callback is not None:
            for response in responses:
                callback(response)
        for begin in range(0, len(samples), BATCH):
            part, answers = samples[begin : begin + BATCH], responses[begin : begin + BATCH]
            self.writer.write(
                (part + self.first_sequence_id).tolist(),
                self.index[part].tolist(),
                [string_at(r.data, r.size) if r.size and r.data else b"" for r in answers],
                [response.n_tokens for response in answers] if self.tokens else None,
                [self.first_bytes.pop(sample, b"") for sample in part.tolist()] if self.first_tokens else None,
            )

    def _count_tokens(self, samples: NDArray[np.int64], responses: Sequence[QuerySampleResponse]) -> None:
        counts, first = self.columns.tokens_array, self.columns.first_array
        assert counts is not None
        assert first is not None
        n_tokens = np.fromiter((response.n_tokens for response in responses), np.int64, len(responses))
        counts[samples] = np.maximum(n_tokens, 0)
        if self.first_tokens:
            self._complain("Attempted to record a sample latency before its first token latency", first[samples] == 0)
            self._complain("Number of tokens need to be greater than 1", n_tokens == 1)
        self._complain("n_tokens argument missing or attempted to record 0 as number of tokens", n_tokens == 0)
        self._complain("Attempted to record a negative number of tokens", n_tokens < 0)

    def _complain(self, text: str, where: NDArray[np.bool_]) -> None:
        if where.any():
            self.complaints[text] += int(where.sum())

    def store_first_tokens(
        self, responses: Sequence[QuerySampleResponse], moment: int, callback: ResponseCallback | None
    ) -> None:
        with self._lock:
            for response in responses:
                sample = response.id - self.base
                if 0 <= sample < self.top and self.done[sample]:
                    self.complaints["Attempted to record token latency after sample was completed"] += 1
                    continue
                self.sink.first_token([sample], first_ns=[moment])
                if 0 <= sample < self.top and (self.whole or (self.mask is not None and self.mask[sample])):
                    if callback is not None:
                        callback(response)
                    self.first_bytes[sample] = string_at(response.data, response.size) if response.size else b""


active: Answers | None = None
"""The run that answers belong to."""

_plain: tuple[memoryview, int, Answers, Completions] | None = None
"""What a plain run's answers need, in one look."""


def begin(answers: Answers) -> None:
    """From now on answers belong to this run."""
    global active
    active = answers


def end() -> None:
    """From now on answers belong to no run."""
    global active, _plain
    active = _plain = None


def QuerySamplesComplete(  # noqa: N802 - official name
    responses: Sequence[QuerySampleResponse],
    response_cb: ResponseCallback | None = None,
    _now: Callable[[], int] = time.perf_counter_ns,
) -> None:
    """Called by the SUT, from any thread, when samples from any queries are answered.

    `response_cb` is called with each response whose output goes into the accuracy log, before the output is read.
    """
    moment = _now()
    if _plain is None:
        _complete_otherwise(responses, response_cb, moment)
        return
    done, base, answers, sink = _plain
    if len(responses) < MANY or not answers.store_many(responses, moment):
        top = answers.top
        for response in responses:
            sample = response.id - base
            if 0 <= sample < top and not done[sample]:
                done[sample] = moment
            else:
                sink.complete_samples((sample,))
    sink.last_ns = moment
    if sink.baton is not None:
        sink.baton.wake()


def _complete_otherwise(
    responses: Sequence[QuerySampleResponse], response_cb: ResponseCallback | None, moment: int
) -> None:
    """Answers with outputs or tokens, and answers to no run."""
    answers = active
    if answers is None:
        _too_late(responses)
        return
    answers.store_with_outputs(responses, moment, response_cb)
    sink = answers.sink
    sink.last_ns = moment
    if sink.baton is not None:
        sink.baton.wake()


def FirstTokenComplete(  # noqa: N802 - official name
    responses: Sequence[QuerySampleResponse], response_cb: ResponseCallback | None = None
) -> None:
    """Called by the SUT, from any thread, when the first tokens of samples are out.

    Without token latencies in the settings it does nothing.
    """
    moment = time.perf_counter_ns()
    answers = active
    if answers is None:
        _too_late(responses)
    elif answers.tokens:
        answers.store_first_tokens(responses, moment, response_cb)


def _too_late(responses: Sequence[QuerySampleResponse]) -> None:
    if responses:
        log.warning("%d answers came while no run was going; they are ignored", len(responses))
