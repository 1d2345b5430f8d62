"""BERT's word pieces: text to pieces to numbers, by a vocabulary file of one piece a line (vocab.txt).

The rules are those of the uncased BERT models (Devlin et al., arXiv:1810.04805): clean, lower, drop accents, split at
spaces and punctuation, then take the longest known piece again and again; later pieces of a word begin with "##".
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from mlassay.core.errors import BadFile

UNKNOWN, START, SEPARATOR, PADDING = "[UNK]", "[CLS]", "[SEP]", "[PAD]"
_LONGEST_WORD = 100

CJK_RANGES = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


class WordPieces:
    """Splits text as the uncased BERT models want it."""

    def __init__(self, pieces: Sequence[str], *, origin: str = "") -> None:
        self.pieces = tuple(pieces)
        self._number = {piece: number for number, piece in enumerate(self.pieces)}
        for special in (UNKNOWN, START, SEPARATOR, PADDING):
            if special not in self._number:
                raise BadFile(origin or "vocabulary", found=f"without {special}", expected="BERT's vocab.txt")
        self._split_word = lru_cache(maxsize=100_000)(self._pieces_of)

    @classmethod
    def read(cls, path: Path) -> WordPieces:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadFile(path, found="not readable as UTF-8 text", expected="one piece a line") from error
        return cls(text.removesuffix("\n").split("\n"), origin=str(path))

    def __len__(self) -> int:
        return len(self.pieces)

    def split(self, text: str) -> list[str]:
        """Pieces of a text."""
        return [piece for word in words_of(text) for piece in self._split_word(word)]

    def numbers(self, pieces: Iterable[str]) -> list[int]:
        unknown = self._number[UNKNOWN]
        return [self._number.get(piece, unknown) for piece in pieces]

    def _pieces_of(self, word: str) -> tuple[str, ...]:
        if len(word) > _LONGEST_WORD:
            return (UNKNOWN,)
        found: list[str] = []
        begin = 0
        while begin < len(word):
            prefix = "##" if begin else ""
            end = next((e for e in range(len(word), begin, -1) if prefix + word[begin:e] in self._number), begin)
            if end == begin:
                return (UNKNOWN,)
            found.append(prefix + word[begin:end])
            begin = end
        return tuple(found)


def words_of(text: str) -> list[str]:
    """Lower-case words and single punctuation marks, accents dropped."""
    clean = "".join(_cleaned(text)).lower()
    words: list[str] = []
    for word in clean.split():
        plain = "".join(c for c in unicodedata.normalize("NFD", word) if unicodedata.category(c) != "Mn")
        words += _split_punctuation(plain)
    return words


def _cleaned(text: str) -> Iterable[str]:
    for char in text:
        code = ord(char)
        if code in (0, 0xFFFD) or (char not in "\t\n\r" and unicodedata.category(char).startswith("C")):
            continue
        if char.isspace():
            yield " "
        elif any(low <= code <= high for low, high in CJK_RANGES):
            yield f" {char} "
        else:
            yield char


def _split_punctuation(word: str) -> list[str]:
    parts, current = [], ""
    for char in word:
        if is_punctuation(char):
            parts += [current, char] if current else [char]
            current = ""
        else:
            current += char
    return [*parts, current] if current else parts


def is_punctuation(char: str) -> bool:
    """ASCII marks count even where Unicode calls them symbols ($, +, ~)."""
    code = ord(char)
    ascii_mark = 33 <= code <= 47 or 58 <= code <= 64 or 91 <= code <= 96 or 123 <= code <= 126
    return ascii_mark or unicodedata.category(char).startswith("P")
