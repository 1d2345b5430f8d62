"""Byte pair encoding of words (Sennrich et al., arXiv:1508.07909), in the file format of subword-nmt.

A codes file begins with "#version: 0.2"; each further line is one merge, most frequent first. "@@" at a piece's end
says that the word goes on.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mlassay.core.errors import BadFile

JOINER = "@@"
WORD_BEGINS = "▁"
_LAST = "</w>"
_HEADER = "#version: 0.2"

Pair = tuple[str, str]


class Merges:
    """Splits words by the merges that were learnt."""

    def __init__(self, merges: Iterable[Pair]) -> None:
        self.merges = tuple(merges)
        self._rank = {pair: rank for rank, pair in enumerate(self.merges)}
        self.split_word = lru_cache(maxsize=100_000)(self._split_word)

    @classmethod
    def read(cls, path: Path) -> Merges:
        lines = path.read_text(encoding="utf-8").splitlines()
        if not lines or not lines[0].startswith("#version"):
            raise BadFile(path, found=repr(lines[0][:40]) if lines else "empty", expected=f"{_HEADER!r} on line 1")
        merges = []
        for number, line in enumerate(lines[1:], 2):
            parts = line.split(" ")
            if len(parts) != 2:
                raise BadFile(path, key=f"line {number}", found=repr(line[:40]), expected="two pieces to merge")
            merges.append((parts[0], parts[1]))
        return cls(merges)

    def write(self, path: Path) -> None:
        path.write_text("\n".join([_HEADER, *(" ".join(pair) for pair in self.merges)]) + "\n", encoding="utf-8")

    def split(self, text: str) -> list[str]:
        return [piece for word in text.split() for piece in self.split_word(word)]

    def _split_word(self, word: str) -> tuple[str, ...]:
        parts = [*word[:-1], word[-1] + _LAST]
        while len(parts) > 1:
            pairs = list(itertools.pairwise(parts))
            best = min(pairs, key=lambda pair: self._rank.get(pair, len(self._rank)))
            if best not in self._rank:
                break
            parts = _merged(parts, best)
        return (*(part + JOINER for part in parts[:-1]), parts[-1].removesuffix(_LAST))


def joined(pieces: Iterable[str]) -> str:
    """Pieces back to words."""
    return " ".join(pieces).replace(JOINER + " ", "").removesuffix(JOINER)


def joined_sentencepiece(pieces: Iterable[str]) -> str:
    """Pieces in SentencePiece's form, where a word begins with "▁", back to text."""
    return "".join(pieces).replace(WORD_BEGINS, " ").strip()


@dataclass(frozen=True, slots=True)
class Form:
    """How pieces make a text, and how BLEU cuts that text into words."""

    join: Callable[[Iterable[str]], str]
    tokenize: str


FORMS = {"bpe": Form(joined, "none"), "sentencepiece": Form(joined_sentencepiece, "13a")}
"""bpe: "@@" after a piece that goes on, words and marks apart; sentencepiece: "▁" before a piece that begins a word."""


def learn(words: Mapping[str, int], n_merges: int) -> Merges:
    """The merges that shorten a text most, one after the other; ties go to the pair that sorts last."""
    parts = {word: [*word[:-1], word[-1] + _LAST] for word in words}
    merges: list[Pair] = []
    while len(merges) < n_merges:
        counts: Counter[Pair] = Counter()
        for word, pieces in parts.items():
            for pair in itertools.pairwise(pieces):
                counts[pair] += words[word]
        if not counts:
            break
        best = max(counts, key=lambda pair: (counts[pair], pair))
        merges.append(best)
        for word, pieces in parts.items():
            if best[0] in pieces:
                parts[word] = _merged(pieces, best)
    return Merges(merges)


def _merged(pieces: list[str], pair: Pair) -> list[str]:
    found: list[str] = []
    for piece in pieces:
        if found and (found[-1], piece) == pair:
            found[-1] += piece
        else:
            found.append(piece)
    return found
