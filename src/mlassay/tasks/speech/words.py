"""How a transcript and an answer are compared, word by word: as they are, or as the rule book's Whisper script does."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from mlassay.training.rnnt.labels import CHARACTERS, Labels
from mlassay.training.rnnt.wer import errors

WHISPER_CHARACTERS = Labels((*CHARACTERS.symbols, *"0123456789", "$", "¢", "£", "€", "%", "+", "-"))
"""What the rule book's Whisper harness logs its texts in."""

JOINED_AT_MOST = 3
"""Words that may be one word on the other side ("every one", "everyone")."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One answer against its transcript."""

    errors: int
    words: int  # of the transcript
    exact: bool


Compare = Callable[[str, str], Compared]
"""(answer, transcript)"""


def as_they_are(found: str, wanted: str) -> Compared:
    return _compared(found.split(), wanted.split(), len(wanted.split()))


def whisper_words(found: str, wanted: str) -> Compared:
    """After OpenAI's text normaliser: numbers, spelling, abbreviations. Split words are one where the other has it so.

    Needs the package whisper-normalizer, which holds that normaliser.
    """
    ours, theirs = (_normaliser()(text).split() for text in (found, wanted))
    n = len(theirs)
    return _compared(*side_by_side(ours, theirs), n)


def can_normalise() -> bool:
    return importlib.util.find_spec("whisper_normalizer") is not None


def side_by_side(found: Sequence[str], wanted: Sequence[str]) -> tuple[list[str], list[str]]:
    """Both, walked through together; up to three words are joined where they make the one that the other side has."""
    ours, theirs = [], []
    i = j = 0
    while i < len(wanted) and j < len(found):
        a, b = _taken(found[j : j + JOINED_AT_MOST], wanted[i : i + JOINED_AT_MOST])
        ours.append("".join(found[j : j + b]))
        theirs.append("".join(wanted[i : i + a]))
        i, j = i + a, j + b
    return ours + list(found[j:]), theirs + list(wanted[i:])


def _taken(found: Sequence[str], wanted: Sequence[str]) -> tuple[int, int]:
    """How many words of the transcript and of the answer go together."""
    for n in range(1, JOINED_AT_MOST + 1):
        if "".join(wanted[:n]) == found[0]:
            return min(n, len(wanted)), 1
        if "".join(found[:n]) == wanted[0]:
            return 1, min(n, len(found))
    return 1, 1


def _compared(found: Sequence[str], wanted: Sequence[str], n_words: int) -> Compared:
    return Compared(errors(found, wanted), n_words, list(found) == list(wanted))


@cache
def _normaliser() -> Any:
    from whisper_normalizer.english import EnglishTextNormalizer

    return EnglishTextNormalizer()
