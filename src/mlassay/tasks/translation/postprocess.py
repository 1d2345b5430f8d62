"""From the pieces that a model chose to words, and words as the accuracy log writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.core.errors import SutFailure
from mlassay.core.model import Run
from mlassay.tasks.translation.bpe import joined

END = 2
"""</s>, the third line of every vocabulary."""


class Finish:
    """Piece numbers of a batch to sentences: up to </s>, pieces joined to words."""

    def __init__(self, pieces: Sequence[str], join: Callable[[Iterable[str]], str] = joined) -> None:
        self._pieces, self._join = tuple(pieces), join

    def __call__(self, outputs: Sequence[NDArray[Any]]) -> Sequence[str]:
        return [self.text(row) for row in outputs[0].tolist()]

    def text(self, numbers: Sequence[int]) -> str:
        """Negative numbers are filling."""
        kept = []
        for number in numbers:
            if number == END:
                break
            if number >= 0:
                kept.append(self._pieces[number])
        return self._join(kept)


@dataclass(frozen=True, slots=True)
class TranslateAndJoin:
    """`ModelSpec.infer` for a runtime that takes and gives pieces as texts."""

    join: Callable[[Iterable[str]], str]

    def __call__(self, samples: Any, run: Run) -> Sequence[str]:
        return [self.join(pieces) for pieces in run([samples])[0]]


def encode(answer: Any) -> bytes:
    """The sentence in UTF-8, words between spaces: what the reference harness logs."""
    if isinstance(answer, bytes):
        return answer
    if not isinstance(answer, str | np.str_):
        raise SutFailure(
            f"an answer is {answer!r}; expected a sentence", hint="return one text per sample, words between spaces"
        )
    return str(answer).encode("utf-8")
