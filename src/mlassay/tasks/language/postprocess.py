"""From a model's scores to words of the paragraph, and scores as the accuracy log writes them.

Every position of a window gets a score for "the answer begins here" and one for "it ends here". The log holds them all;
choosing the words is part of scoring, as in the reference (accuracy script of the language task).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.core.errors import SutFailure
from mlassay.tasks.language.preprocess import Window
from mlassay.tasks.language.tokenizer import WordPieces

N_BEST = 20
LONGEST_ANSWER = 30  # pieces


def finish(outputs: Sequence[NDArray[Any]]) -> Sequence[Any]:
    """One (positions, 2) array per window, from two outputs (batch, positions) or one (batch, positions, 2)."""
    if len(outputs) == 1:
        return outputs[0]  # type: ignore[return-value]  # an array of arrays is a sequence
    return np.stack(outputs[:2], axis=2)  # type: ignore[return-value]


def encode(answer: Any) -> bytes:
    """Begin and end score of each position in turn, 32-bit floats, little-endian.

    The answer is an array (positions, 2), or a mapping with "start_logits" and "end_logits".
    """
    if isinstance(answer, Mapping):
        answer = np.stack([answer["start_logits"], answer["end_logits"]], axis=-1)
    values = np.asarray(answer)
    if values.ndim != 2 or values.shape[1] != 2 or values.dtype.kind not in "iuf":
        raise SutFailure(
            f"an answer is an array of shape {values.shape}; expected (positions, 2)",
            hint="return two scores per position: the answer begins here, the answer ends here",
        )
    return np.ascontiguousarray(values, "<f4").tobytes()


@dataclass(frozen=True, slots=True)
class Span:
    """The best answer that one window gives."""

    score: float
    first: int  # positions in the window
    last: int


def best_span(window: Window, scores: NDArray[np.float32]) -> Span | None:
    """The pair of positions with the highest sum among the N_BEST of each side; None where none is allowed.

    Allowed: inside the paragraph, the beginning in the window that shows it with most context, not longer than
    LONGEST_ANSWER, not ending before it begins.
    """
    begins, ends = (np.argsort(-scores[:, side], kind="stable")[:N_BEST] for side in (0, 1))
    low, high = window.offset, window.offset + window.count
    begins = begins[(begins >= low) & (begins < high)]
    begins = begins[window.best[begins - low]]
    ends = ends[(ends >= low) & (ends < high)]
    if not len(begins) or not len(ends):
        return None
    sums = scores[begins, 0].astype(np.float64)[:, None] + scores[ends, 1].astype(np.float64)[None]
    length = ends[None] - begins[:, None] + 1
    sums[(length < 1) | (length > LONGEST_ANSWER)] = -np.inf
    where = int(sums.argmax())
    if sums.flat[where] == -np.inf:
        return None
    row, column = divmod(where, len(ends))
    return Span(float(sums.flat[where]), int(begins[row]), int(ends[column]))


def answer_text(window: Window, span: Span, pieces: WordPieces) -> str:
    """The words of the paragraph that the pieces came from, cut to the pieces where the letters can be matched."""
    split = window.paragraph
    begin, end = (window.begin + position - window.offset for position in (span.first, span.last))
    words = split.words[split.word_of_piece[begin] : split.word_of_piece[end] + 1]
    wanted = " ".join(" ".join(split.pieces[begin : end + 1]).replace(" ##", "").replace("##", "").split())
    return _cut(" ".join(words), wanted, pieces)


def _cut(original: str, wanted: str, pieces: WordPieces) -> str:
    """The part of the original that reads `wanted` in lower-case pieces.

    Without spaces both must be equally long, letter for letter; otherwise the original is returned whole.
    """
    shown = " ".join(pieces.split(original))
    start = shown.find(wanted)
    if start < 0:
        return original
    of_original = [i for i, char in enumerate(original) if char != " "]
    of_shown = {position: k for k, position in enumerate(i for i, char in enumerate(shown) if char != " ")}
    if len(of_original) != len(of_shown):
        return original
    first, last = of_shown.get(start), of_shown.get(start + len(wanted) - 1)
    if first is None or last is None:
        return original
    return original[of_original[first] : of_original[last] + 1]
