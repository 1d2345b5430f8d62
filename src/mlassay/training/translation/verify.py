"""Are the parallel files of WMT English-German whole, and of one vocabulary?"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mlassay.core.data_report import DataProblem, DataReport, count_problems, problem_in
from mlassay.core.errors import BadFile
from mlassay.training.translation.data import SPECIALS, read_sentences, read_vocabulary
from mlassay.training.translation.recipe import TranslationConfig

PUBLISHED = {"test pairs": 3_003}
"""Sentences of newstest2014. A shorter list of 2,737 was long in circulation."""

LOOKED_AT = 1000
"""Lines of either end of a file whose pieces are looked up."""

STRANGE = {"train": 0.0, "test": 0.05}
"""Share of pieces that a vocabulary made from the training text may not know."""


@dataclass(frozen=True, slots=True)
class Side:
    """One language of one part."""

    sizes: npt.NDArray[np.int32]  # pieces of each line
    ends: tuple[tuple[int, list[str]], ...]  # the first and last lines, with their numbers from 1


def verify(folder: Path, config: TranslationConfig) -> DataReport:
    """Counts all lines of the four files; looks up the pieces of the first and last thousand in the vocabulary."""
    counts: dict[str, int] = {}
    problems: list[DataProblem] = []
    known: frozenset[str] = frozenset()
    try:
        pieces = read_vocabulary(folder / "vocab.txt", config.vocabulary)[len(SPECIALS) :]
        known = frozenset(pieces)
        counts["pieces in vocab.txt"] = len(pieces)
        problems += _odd_pieces(pieces)
    except BadFile as error:
        problems.append(problem_in(folder, error))
    for part in STRANGE:
        sides = []
        for name in (f"{part}.en", f"{part}.de"):
            try:
                sides.append(_side(folder / name))
                problems += _faults(name, sides[-1], known, STRANGE[part])
            except BadFile as error:
                problems.append(problem_in(folder, error))
        if len(sides) == 2:
            problems += _pairs(part, sides, config.max_pieces, counts)
    published = {what: n for what, n in PUBLISHED.items() if what in counts}
    return DataReport(
        dataset="WMT English-German in word pieces",
        folder=folder,
        counts=counts,
        problems=(*problems, *count_problems(counts, published, folder.name)),
        notes=("no published number of training pairs is known here: it was not compared",),
    )


def _side(path: Path) -> Side:
    sizes = array("i")
    first: list[tuple[int, list[str]]] = []
    last: deque[tuple[int, list[str]]] = deque(maxlen=LOOKED_AT)
    for number, pieces in enumerate(read_sentences(path), 1):
        sizes.append(len(pieces))
        (first if number <= LOOKED_AT else last).append((number, pieces))
    return Side(np.array(sizes, np.int32), (*first, *last))


def _pairs(part: str, sides: list[Side], max_pieces: int, counts: dict[str, int]) -> Iterator[DataProblem]:
    """Adds to the counts; a part whose languages do not fit together is a finding."""
    english, german = (side.sizes for side in sides)
    counts[f"{part} pairs"] = min(len(english), len(german))
    if len(english) != len(german):
        yield DataProblem(part, f"{len(english):,} and {len(german):,} lines", "equally many")
    elif part == "train":
        short = int((np.maximum(english, german) <= max_pieces - 2).sum())
        counts[f"of them of at most {max_pieces - 2} pieces"] = short
        if not short:
            yield DataProblem(part, "without sentences short enough", f"at most {max_pieces - 2} pieces")


def _odd_pieces(pieces: list[str]) -> Iterator[DataProblem]:
    if not pieces:
        yield DataProblem("vocab.txt", "empty", "one piece a line")
    special = [piece for piece in SPECIALS if piece in pieces]
    if special:
        yield DataProblem("vocab.txt", f"with {', '.join(special)}", "pieces without the specials")
    twice = len(pieces) - len(set(pieces))
    if twice:
        yield DataProblem("vocab.txt", f"with {twice:,} pieces that stand there before", "each once")


def _faults(name: str, side: Side, known: frozenset[str], share: float) -> Iterator[DataProblem]:
    if not len(side.sizes):
        yield DataProblem(name, "empty", "sentences")
    elif name.startswith("test") and not side.sizes.all():
        yield DataProblem(f"{name}: line {int(np.argmin(side.sizes)) + 1}", "empty", "a sentence")
    strange = [(number, piece) for number, pieces in side.ends for piece in pieces if piece not in known]
    total = sum(len(pieces) for _, pieces in side.ends)
    if known and len(strange) > share * total:
        number, piece = strange[0]
        found = f"with {len(strange):,} unknown pieces of {total:,} looked at, {piece!r} in line {number:,} the first"
        yield DataProblem(name, found, "pieces of vocab.txt")
