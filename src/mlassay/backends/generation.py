"""Text generation as a SUT: many prompts share the steps of one model, and each token is reported when it is there.

Prompts wait in a queue; at every step new ones may join the batch and finished ones leave it ("continuous batching").
The runtime is behind StepModel; what is remembered of earlier tokens (keys and values) stays in arrays that it made.
Decoding is greedy, always the likeliest token, or by beams (beam.py). Shapes: B prompts in the batch, P positions so
far, T new ones.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlassay.core.model import Generation
from mlassay.core.query import Query
from mlassay.core.sut import SampleLibrary, Sink

Tokens = NDArray[np.int64]
Cache = Mapping[str, NDArray[Any]]
"""Keys and values of earlier positions by name, each (B, heads, P, size); empty at the beginning."""


Listen = Callable[[Sequence["Work"]], Cache]
"""An encoder: new samples to what the decoder sees of them at every step, (B, ...) each."""


class StepModel(Protocol):
    """One forward pass of a decoder."""

    def step(self, tokens: Tokens, mask: Tokens, positions: Tokens, cache: Cache) -> tuple[NDArray[Any], Cache]:
        """tokens and positions (B, T), mask (B, P + T), 0 for padding -> logits of the last position (B, V), cache.

        What an encoder heard is in `cache`, too, and not in what is returned.
        """


class Engine(Protocol):
    """What generates: prompts are admitted while there is room, and every step gives each of them one more token."""

    steps: int  # passes so far
    tokens: int  # made so far
    sure_tokens: bool  # a token that was made stays: so its time may be told before the answer is whole

    @property
    def room(self) -> int:
        """Prompts that may be admitted now."""

    @property
    def busy(self) -> bool: ...

    def admit(self, works: Sequence[Work]) -> list[Work]:
        """Read prompts; each gets its first token. Returns those that are finished by it already."""

    def step(self) -> list[Work]:
        """One more token for every prompt. Returns those that are finished."""

    def drop(self) -> None:
        """Forget every prompt."""

    def close(self) -> None:
        """Give back what was loaded."""


@dataclass(slots=True)
class Work:
    """One prompt on its way."""

    sample_id: int
    prompt: Tokens
    made: list[int] = field(default_factory=list)
    sample: Any = None  # what an encoder is to be given

    def take(self, logits: NDArray[Any], how: Generation) -> bool:
        """Write the likeliest token, (V,) -> whether the prompt is finished. May write into `logits`."""
        if len(self.made) + 1 < how.least:
            logits[list(how.ends)] = -np.inf
        self.made.append(int(logits.argmax()))
        return self.made[-1] in how.ends or len(self.made) >= how.most


@dataclass(slots=True)
class Batch:
    """The prompts that step together. Their rows are padded on the left to one length."""

    works: list[Work] = field(default_factory=list)
    mask: Tokens = field(default_factory=lambda: np.zeros((0, 0), np.int64))  # (B, P)
    cache: Cache = field(default_factory=dict)
    heard: Cache = field(default_factory=dict)  # what an encoder made of the samples, (B, ...): of one size for all

    def joined(self, other: Batch) -> Batch:
        """Both, the shorter padded on the left."""
        if not self.works:
            return other
        longest = max(self.mask.shape[1], other.mask.shape[1])
        mask = np.concatenate([_left_padded(b.mask, longest, 1) for b in (self, other)])
        cache = {
            name: np.concatenate([_left_padded(b.cache[name], longest, 2) for b in (self, other)])
            for name in self.cache
        }
        heard = {name: np.concatenate([self.heard[name], other.heard[name]]) for name in self.heard}
        return Batch([*self.works, *other.works], mask, cache, heard)

    def only(self, rows: Sequence[int]) -> Batch:
        """Some rows, without the padding that they have in common."""
        mask = self.mask[list(rows)]
        begin = int(mask.argmax(1).min()) if len(rows) else 0
        cache = {name: np.ascontiguousarray(value[list(rows), :, begin:]) for name, value in self.cache.items()}
        heard = {name: value[list(rows)] for name, value in self.heard.items()}
        return Batch([self.works[row] for row in rows], np.ascontiguousarray(mask[:, begin:]), cache, heard)


class Generator:
    """An Engine over a StepModel: pure of clocks and threads."""

    sure_tokens = True

    def __init__(self, model: StepModel, how: Generation, max_batch: int, listen: Listen | None = None) -> None:
        self._model, self._how, self._max_batch, self._listen = model, how, max_batch, listen
        self._batch = Batch()
        self.steps = self.tokens = 0

    @property
    def room(self) -> int:
        return self._max_batch - len(self._batch.works)

    @property
    def busy(self) -> bool:
        return bool(self._batch.works)

    def admit(self, works: Sequence[Work]) -> list[Work]:
        new, logits = read_prompts(self._model, works, self._listen)
        done = self._write(new, logits)
        self._batch = self._batch.joined(_without(new, done))
        return done

    def step(self) -> list[Work]:
        moved, logits = next_pass(self._model, self._batch, [work.made[-1] for work in self._batch.works])
        done = self._write(moved, logits)
        self._batch = _without(moved, done) if done else moved
        return done

    def drop(self) -> None:
        self._batch = Batch()

    def close(self) -> None:
        self.drop()

    def _write(self, batch: Batch, logits: NDArray[Any]) -> list[Work]:
        self.steps += 1
        self.tokens += len(batch.works)
        rows = zip(batch.works, logits, strict=True)
        return [work for work, row in rows if work.take(row, self._how)]


class GeneratingSUT(ABC):
    """A SUT that generates on its own thread. Samples are arrays of prompt tokens, answers arrays of new tokens."""

    name = "generation"

    def __init__(self, how: Generation, max_batch: int) -> None:
        self.how, self.max_batch = how, max_batch
        self._waiting: deque[Work] = deque()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._stopping = False

    @abstractmethod
    def load_engine(self) -> Engine:
        """Make the model ready; what a runtime must say."""

    def open(self, sink: Sink, samples: SampleLibrary) -> None:
        self._sink, self._samples = sink, samples
        if self._thread is None:
            self._engine = self.load_engine()
            self._stopping = False
            self._thread = threading.Thread(target=self._work, name="mlassay-generation", daemon=True)
            self._thread.start()

    def issue(self, query: Query) -> None:
        samples = zip(query.ids, self._samples.get(query.indices), strict=True)
        if self.how.hear is None:
            self._waiting.extend(Work(i, np.asarray(prompt, np.int64)) for i, prompt in samples)
        else:
            start = np.asarray(self.how.start, np.int64)
            self._waiting.extend(Work(i, start, sample=sample) for i, sample in samples)
        self._wake.set()

    def flush(self) -> None:  # noqa: B027 - nothing waits for company: the thread takes what there is at every step
        pass

    def close(self) -> None:
        if self._thread is None:
            return
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout=30)
        self._waiting.clear()
        if not self._thread.is_alive():  # a runtime that hangs must not lose its memory under way
            self._engine.close()
        self._thread = None

    def describe(self) -> Mapping[str, Any]:
        return {
            "name": self.name,
            "decoding": "greedy" if self.how.beams == 1 else f"beam search, {self.how.beams} beams",
            "end_tokens": list(self.how.ends),
            "most_new_tokens": self.how.most,
            "fewest_new_tokens": self.how.least,
            "batch": {"max": self.max_batch, "kind": "continuous: prompts join and leave at every step"},
        }

    def _work(self) -> None:
        engine = self._engine
        while not self._stopping:
            if not self._waiting and not engine.busy:
                self._wake.wait()
                self._wake.clear()
                continue
            try:
                self._advance(engine)
            except Exception as error:  # noqa: BLE001 - whatever a runtime raises must end the run, not the thread
                self._waiting.clear()
                engine.drop()
                self._sink.fail(error)

    def _advance(self, engine: Engine) -> None:
        """Let the waiting in, then one step."""
        done: list[Work] = []
        if self._waiting and engine.room:
            new = [self._waiting.popleft() for _ in range(min(engine.room, len(self._waiting)))]
            done = engine.admit(new)
            if engine.sure_tokens:
                self._tell_first(new)
        self._deliver(done)
        if engine.busy:
            self._deliver(engine.step())

    def _tell_first(self, works: Sequence[Work]) -> None:
        first_ns = time.monotonic_ns()
        self._sink.first_token(
            [work.sample_id for work in works],
            first_ns=[first_ns] * len(works),
            outputs=[np.asarray(w.made[:1], np.int64) for w in works] if self._sink.wants_outputs else None,
        )

    def _deliver(self, done: Sequence[Work]) -> None:
        if done:
            if not self._engine.sure_tokens:
                self._tell_first(done)
            outputs = [np.asarray(work.made, np.int64) for work in done]
            counts = [len(work.made) for work in done]
            self._sink.complete_samples([work.sample_id for work in done], outputs, n_tokens=counts)


def _without(batch: Batch, done: Sequence[Work]) -> Batch:
    if not done:
        return batch
    gone = {id(work) for work in done}
    return batch.only([row for row, work in enumerate(batch.works) if id(work) not in gone])


def read_prompts(model: StepModel, works: Sequence[Work], listen: Listen | None) -> tuple[Batch, NDArray[Any]]:
    """The first pass of new prompts: what is remembered of them, and scores of the next tokens (B, V)."""
    tokens, mask = prompts(works)
    heard = listen(works) if listen else {}
    logits, cache = model.step(tokens, mask, positions(mask), heard)
    return Batch(list(works), mask, cache, heard), logits


def next_pass(model: StepModel, batch: Batch, last: Sequence[int]) -> tuple[Batch, NDArray[Any]]:
    """One pass over the tokens that were written last, one of each row."""
    tokens = np.asarray(last, np.int64)[:, None]
    mask = np.concatenate([batch.mask, np.ones((len(tokens), 1), np.int64)], 1)
    logits, cache = model.step(tokens, mask, positions(mask)[:, -1:], {**batch.cache, **batch.heard})
    return Batch(batch.works, mask, cache, batch.heard), logits


def prompts(works: Sequence[Work]) -> tuple[Tokens, Tokens]:
    """Tokens and mask, (B, T) each, padded on the left to the longest prompt."""
    longest = max(len(work.prompt) for work in works)
    tokens = np.stack([_left_padded(work.prompt[None], longest, 1)[0] for work in works])
    mask = np.stack([_left_padded(np.ones((1, len(w.prompt)), np.int64), longest, 1)[0] for w in works])
    return tokens, mask


def positions(mask: Tokens) -> Tokens:
    """Places count from the first real token; padding is at place 0."""
    return np.asarray(np.maximum(mask.cumsum(1) - 1, 0), np.int64)


def _left_padded(array: NDArray[Any], longest: int, axis: int) -> NDArray[Any]:
    widths = [(0, 0)] * array.ndim
    widths[axis] = (longest - array.shape[axis], 0)
    return np.pad(array, widths) if widths[axis][0] else array
