"""Beam search over a decoder: several continuations of each prompt are kept at every step, and the likeliest whole
answer wins.

The rules are those that the rule book's GPT-J is asked by (Hugging Face's `generate` with `num_beams`, length penalty
1, early stopping): at each step twice as many candidates as beams are looked at, in the order of their summed log
probabilities; one that ends is kept as an answer if it stands among the first `beams`; a prompt is finished when it
has `beams` answers, or as many tokens as it may. Answers compare by log probability per token, the end among them.

Shapes: K beams, B prompts, rows of the batch are B x K, the beams of one prompt side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.backends.generation import Batch, Listen, StepModel, Work, next_pass, read_prompts
from mlassay.core.model import Generation


@dataclass(slots=True)
class Search:
    """The beams of one prompt."""

    work: Work
    rows: list[list[int]]  # tokens of each beam so far
    scores: NDArray[np.float64]  # (K,): their summed log probabilities
    answers: list[tuple[float, list[int]]] = field(default_factory=list)  # finished: score per token, tokens

    def take(self, logits: NDArray[Any], how: Generation) -> tuple[list[int], bool]:
        """Logits (K, V) of the beams -> for each new beam, which of the old ones it goes on from; finished?"""
        n_beams = how.beams
        made = len(self.rows[0]) + 1
        likely = log_softmax(logits)
        if made < how.least:
            likely[:, list(how.ends)] = -np.inf
        totals = self.scores[:, None] + likely
        parents: list[int] = []
        rows, scores = [], []
        for rank, flat in enumerate(_best(totals, 2 * n_beams)):
            parent, token = divmod(int(flat), totals.shape[1])
            total, tokens = float(totals[parent, token]), [*self.rows[parent], token]
            if token in how.ends:
                if rank < n_beams:
                    self._answer(total, tokens, n_beams)
            elif len(parents) < n_beams:
                parents.append(parent)
                rows.append(tokens)
                scores.append(total)
        if made >= how.most and len(self.answers) < n_beams:
            for total, tokens in zip(scores, rows, strict=True):
                self._answer(total, tokens, n_beams)
        finished = made >= how.most or len(self.answers) >= n_beams or not rows
        if finished:
            self.work.made = self.answers[0][1]
        self.rows, self.scores = rows, np.asarray(scores, np.float64)
        return parents, finished

    def _answer(self, total: float, tokens: list[int], n_beams: int) -> None:
        """Only the best `n_beams` are kept; of equals, the first."""
        self.answers.append((total / len(tokens), tokens))
        self.answers.sort(key=lambda answer: -answer[0])
        del self.answers[n_beams:]


class BeamGenerator:
    """An Engine that searches by beams: pure of clocks and threads. No token is sure before the whole answer is."""

    sure_tokens = False

    def __init__(self, model: StepModel, how: Generation, max_batch: int, listen: Listen | None = None) -> None:
        self._model, self._how, self._max_batch, self._listen = model, how, max_batch, listen
        self._searches: list[Search] = []
        self._batch = Batch()
        self.steps = self.tokens = 0

    @property
    def room(self) -> int:
        return self._max_batch - len(self._searches)

    @property
    def busy(self) -> bool:
        return bool(self._searches)

    def admit(self, works: Sequence[Work]) -> list[Work]:
        read, logits = read_prompts(self._model, works, self._listen)
        batch, going, done = self._advanced(read, [Search(work, [[]], np.zeros(1)) for work in works], logits)
        self._batch = self._batch.joined(batch) if going else self._batch
        self._searches += going
        return done

    def step(self) -> list[Work]:
        last = [row[-1] for search in self._searches for row in search.rows]
        moved, logits = next_pass(self._model, self._batch, last)
        self._batch, self._searches, done = self._advanced(moved, self._searches, logits)
        return done

    def drop(self) -> None:
        self._batch, self._searches = Batch(), []

    def close(self) -> None:
        self.drop()

    def _advanced(
        self, batch: Batch, searches: Sequence[Search], logits: NDArray[Any]
    ) -> tuple[Batch, list[Search], list[Work]]:
        """One token more for every beam: rows are put in the order of the new beams, finished prompts left out."""
        self.steps += 1
        kept: list[int] = []
        going: list[Search] = []
        done: list[Work] = []
        begin = 0
        for search in searches:
            n_rows = len(search.rows)
            parents, finished = search.take(logits[begin : begin + n_rows], self._how)
            if finished:
                done.append(search.work)
                self.tokens += len(search.work.made)
            else:
                kept += [begin + parent for parent in parents]
                going.append(search)
            begin += n_rows
        return (batch.only(kept) if kept else Batch()), going, done


def log_softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Over the last axis, in 64 bits: (..., V) -> (..., V)."""
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    found: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return found


def _best(totals: NDArray[np.float64], n: int) -> NDArray[np.int64]:
    """Flat places of the n largest that are possible at all, the largest first; of equals, the first."""
    flat = totals.reshape(-1)
    n = min(n, len(flat))
    bound = np.partition(flat, len(flat) - n)[len(flat) - n]
    places = np.flatnonzero((flat >= bound) & np.isfinite(flat))
    order = np.argsort(-flat[places], kind="stable")[:n]
    return np.asarray(places[order], np.int64)
