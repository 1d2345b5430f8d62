"""From a question and its paragraph to windows of a fixed number of pieces: [CLS] question [SEP] paragraph part [SEP].

A paragraph that does not fit becomes several windows that overlap; each is one sample. The sizes are the rule book's:
384 pieces, a new window every 128, at most 64 pieces of question.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlassay.tasks.language.dataset import Question, Questions
from mlassay.tasks.language.tokenizer import SEPARATOR, START, WordPieces


@dataclass(frozen=True, slots=True)
class WindowRule:
    """How long windows are."""

    length: int = 384
    stride: int = 128
    question: int = 64  # pieces of question that are kept


@dataclass(frozen=True, slots=True)
class SplitParagraph:
    """A paragraph in words, and its pieces with the word that each comes from."""

    words: tuple[str, ...]
    word_of_char: NDArray[np.int32]
    pieces: tuple[str, ...]
    word_of_piece: NDArray[np.int32]
    first_piece: NDArray[np.int32]  # of each word


@dataclass(frozen=True, slots=True)
class Window:
    """One sample. Position `offset + k` holds piece `begin + k` of the paragraph, for `count` pieces."""

    question: int  # number of the question
    question_pieces: tuple[str, ...]
    paragraph: SplitParagraph
    begin: int
    count: int
    best: NDArray[np.bool_]  # (count,) whether this window gives the piece the most context

    @property
    def offset(self) -> int:
        return len(self.question_pieces) + 2

    def arrays(self, pieces: WordPieces, length: int) -> tuple[NDArray[np.int64], ...]:
        """input_ids, input_mask, segment_ids: each (length,)."""
        shown = self.paragraph.pieces[self.begin : self.begin + self.count]
        numbers = pieces.numbers([START, *self.question_pieces, SEPARATOR, *shown, SEPARATOR])
        ids, mask, segments = (np.zeros(length, np.int64) for _ in range(3))
        ids[: len(numbers)] = numbers
        mask[: len(numbers)] = 1
        segments[self.offset : len(numbers)] = 1
        return ids, mask, segments


def windows_of(questions: Questions, pieces: WordPieces, rule: WindowRule) -> list[Window]:
    """Every window of every question, in order: the samples of the task."""
    found: list[Window] = []
    last_text, split = "", None
    for number, question in enumerate(questions.items):
        if split is None or question.paragraph != last_text:
            last_text, split = question.paragraph, split_paragraph(question.paragraph, pieces)
        asked = tuple(pieces.split(question.text)[: rule.question])
        found += _windows(number, asked, split, rule)
    return found


def split_paragraph(text: str, pieces: WordPieces) -> SplitParagraph:
    """Words are what stands between spaces."""
    words: list[str] = []
    word_of_char = np.zeros(len(text), np.int32)
    inside = False
    for position, char in enumerate(text):
        if char in " \t\r\n" or ord(char) == 0x202F:
            inside = False
        elif inside:
            words[-1] += char
        else:
            words.append(char)
            inside = True
        word_of_char[position] = len(words) - 1
    split = [pieces.split(word) for word in words]
    first = np.cumsum([0, *(len(part) for part in split)])[:-1].astype(np.int32)
    owner = [number for number, part in enumerate(split) for _ in part]
    flat = tuple(piece for part in split for piece in part)
    return SplitParagraph(tuple(words), word_of_char, flat, np.asarray(owner, np.int32), first)


def _windows(number: int, asked: tuple[str, ...], split: SplitParagraph, rule: WindowRule) -> Iterator[Window]:
    room = rule.length - len(asked) - 3
    spans: list[tuple[int, int]] = []
    begin = 0
    while begin < len(split.pieces):
        count = min(len(split.pieces) - begin, room)
        spans.append((begin, count))
        if begin + count == len(split.pieces):
            break
        begin += min(count, rule.stride)
    best = _most_context(spans, len(split.pieces))
    for which, (begin, count) in enumerate(spans):
        yield Window(number, asked, split, begin, count, best[begin : begin + count] == which)


def _most_context(spans: list[tuple[int, int]], n_pieces: int) -> NDArray[np.int32]:
    """(pieces,) the window in which a piece has the most neighbours on its poorer side, the first of equals.

    A hundredth of the window's length is added, as in the reference, so that longer windows win ties.
    """
    best_score = np.full(n_pieces, -1.0)
    best = np.zeros(n_pieces, np.int32)
    for which, (begin, count) in enumerate(spans):
        left = np.arange(count)
        score = np.minimum(left, count - 1 - left) + 0.01 * count
        better = score > best_score[begin : begin + count]
        best_score[begin : begin + count][better] = score[better]
        best[begin : begin + count][better] = which
    return best


def answer_positions(question: Question, window: Window, pieces: WordPieces, which: int = 0) -> tuple[int, int] | None:
    """First and last position in the window of one answer; None where the window does not hold it whole.

    Words hold more than the answer at times ("1895" in "(1895-1943)"): the answer's own pieces are looked for in them.
    """
    split, start, text = window.paragraph, question.starts[which], question.answers[which]
    first_word = int(split.word_of_char[start])
    last_word = int(split.word_of_char[start + len(text) - 1])
    first = int(split.first_piece[first_word])
    last = len(split.pieces) - 1
    if last_word + 1 < len(split.first_piece):
        last = int(split.first_piece[last_word + 1]) - 1
    first, last = _narrowed(split.pieces, first, last, tuple(pieces.split(text)))
    if first < window.begin or last >= window.begin + window.count:
        return None
    return first - window.begin + window.offset, last - window.begin + window.offset


def _narrowed(all_pieces: tuple[str, ...], first: int, last: int, wanted: tuple[str, ...]) -> tuple[int, int]:
    for begin in range(first, last - len(wanted) + 2):
        if wanted and all_pieces[begin : begin + len(wanted)] == wanted:
            return begin, begin + len(wanted) - 1
    return first, last
