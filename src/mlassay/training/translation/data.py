"""Sentence pairs as piece numbers: number words, or parallel files of word pieces with their vocabulary."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mlassay.core.errors import BadFile
from mlassay.training.common.order import Indices
from mlassay.training.translation.numbers import english, german
from mlassay.training.translation.recipe import TranslationConfig

PAD, UNKNOWN, BEGIN, END = 0, 1, 2, 3
SPECIALS = ("<pad>", "<unk>", "<s>", "</s>")

_WORDS = re.compile(r"[a-z]+|-")


@dataclass(frozen=True, slots=True)
class Pairs:
    """Sources and targets as piece numbers without specials, and the pieces' spelling."""

    sources: list[list[int]]
    targets: list[list[int]]
    pieces: list[str]

    def __len__(self) -> int:
        return len(self.sources)

    def batch(self, indices: Indices) -> tuple[Tensor, Tensor]:
        """Sources ending in END (B, S) and targets between BEGIN and END (B, T), padded."""
        return (
            padded([[*self.sources[i], END] for i in indices]),
            padded([[BEGIN, *self.targets[i], END] for i in indices]),
        )


def padded(rows: list[list[int]]) -> Tensor:
    out = torch.full((len(rows), max(map(len, rows))), PAD)
    for row, numbers in zip(out, rows, strict=True):
        row[: len(numbers)] = torch.tensor(numbers)
    return out


def load(config: TranslationConfig, path: Path | None) -> tuple[Pairs, Pairs]:
    """Training pairs (too long ones left out) and evaluation pairs (all)."""
    vocabulary, max_pieces = config.vocabulary, config.max_pieces
    if config.data_format == "numbers":
        return number_pairs(vocabulary, config.n_numbers, config.n_eval_numbers, config.below)
    if path is None:
        raise BadFile(
            "--data", found="not given", expected="a folder with vocab.txt, train.en, train.de, test.en, test.de"
        )
    pieces = read_vocabulary(path / "vocab.txt", vocabulary)
    number = {p: k for k, p in enumerate(pieces)}
    train, test = (_read(path, part, number, pieces) for part in ("train", "test"))
    short = [k for k in range(len(train)) if max(len(train.sources[k]), len(train.targets[k])) <= max_pieces - 2]
    kept = Pairs([train.sources[k] for k in short], [train.targets[k] for k in short], pieces)
    if not len(kept):
        raise BadFile(path, found="without sentences short enough", expected=f"at most {max_pieces - 2} pieces")
    return kept, test


def number_pairs(vocabulary: int, n_train: int, n_eval: int, below: int) -> tuple[Pairs, Pairs]:
    """English words to German letters; the split is fixed, so that every run faces the same test."""
    chosen = np.random.default_rng(20170612).choice(below, n_train + n_eval, replace=False)
    questions = [_WORDS.findall(english(int(n))) for n in chosen]
    answers = [list(german(int(n))) for n in chosen]
    pieces = [*SPECIALS, *sorted({w for q in questions for w in q} | {c for a in answers for c in a})]
    if len(pieces) > vocabulary:
        raise ValueError(f"{len(pieces)} pieces do not fit a vocabulary of {vocabulary}")
    number = {p: k for k, p in enumerate(pieces)}
    sources = [[number[w] for w in q] for q in questions]
    targets = [[number[c] for c in a] for a in answers]
    return (
        Pairs(sources[:n_train], targets[:n_train], pieces),
        Pairs(sources[n_train:], targets[n_train:], pieces),
    )


def read_vocabulary(path: Path, limit: int) -> list[str]:
    """The pieces by their numbers, specials first."""
    _there(path, "one piece a line, the four specials not among them")
    pieces = [*SPECIALS, *(piece for line in read_sentences(path) for piece in line)]
    if len(pieces) > limit:
        raise BadFile(path, found=f"{len(pieces)} pieces with the specials", expected=f"at most {limit}")
    return pieces


def read_sentences(path: Path) -> Iterator[list[str]]:
    """The pieces of each line. Lines end at a line feed alone: Unicode's other separators stand inside sentences."""
    _there(path, "one sentence a line, pieces between spaces")
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            for line in file:
                yield line.split()
    except UnicodeDecodeError as error:
        raise BadFile(path, found="not UTF-8 text", expected="pieces between spaces") from error
    except OSError as error:
        raise BadFile(path, found=f"not readable ({error.strerror})", expected="pieces between spaces") from error


def _there(path: Path, expected: str) -> None:
    if not path.is_file():
        raise BadFile(path, found="absent", expected=expected)


def _read(folder: Path, part: str, number: dict[str, int], pieces: list[str]) -> Pairs:
    sources, targets = (
        [[number.get(piece, UNKNOWN) for piece in line] for line in read_sentences(folder / f"{part}.{language}")]
        for language in ("en", "de")
    )
    if len(sources) != len(targets):
        raise BadFile(folder, key=part, found=f"{len(sources)} and {len(targets)} lines", expected="equally many")
    return Pairs(sources, targets, pieces)
