"""Recordings for RNN-T's training: LibriSpeech's files, or the packed digits; batches of features and symbols."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mlassay.core.errors import BadFile
from mlassay.training.common.order import Indices
from mlassay.training.rnnt.augment import Augmentation, augmented_features, plain_features
from mlassay.training.rnnt.digits import Digits, packed_digits
from mlassay.training.rnnt.features import DIGITS, LIBRISPEECH, FeatureRule, Waveform
from mlassay.training.rnnt.labels import SPOKEN_DIGITS
from mlassay.training.rnnt.pieces import WordPieces
from mlassay.training.rnnt.recipe import RnntConfig
from mlassay.training.rnnt.recordings import Entry, part_of, short_entries
from mlassay.training.rnnt.sound import read_sound

J = TypeVar("J")


class Symbols(Protocol):
    """Texts to symbol numbers and back."""

    def numbers(self, text: str) -> list[int]: ...
    def text(self, numbers: Sequence[int]) -> str: ...


@dataclass(frozen=True, slots=True)
class Recordings:
    """One part of a data set: `read(i)` gives samples."""

    read: Callable[[int], Waveform]
    transcripts: tuple[str, ...]
    durations_s: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.transcripts)


@dataclass(frozen=True, slots=True)
class Corpus:
    """What a run learns from and is judged by."""

    train: Recordings
    evaluation: Recordings
    rule: FeatureRule
    symbols: Symbols
    n_symbols: int


@dataclass(frozen=True, slots=True)
class Heard:
    """Features (B, T, width), rows of each (B,), symbols (B, U), their counts (B,)."""

    features: Tensor
    rows: Tensor
    said: Tensor
    n_said: Tensor


def open_corpus(config: RnntConfig, folder: Path | None) -> Corpus:
    return _digits(config) if config.data_format == "digits" else _librispeech(config, folder)


def _digits(config: RnntConfig) -> Corpus:
    train = _packed(packed_digits(name="digits-learn"))
    evaluation = _packed(packed_digits(), config.n_eval)
    return Corpus(train, evaluation, DIGITS, SPOKEN_DIGITS, len(SPOKEN_DIGITS.symbols))


def _packed(digits: Digits, n: int | None = None) -> Recordings:
    durations = tuple(len(part) / DIGITS.rate_hz for part in digits.parts[:n])
    return Recordings(digits.read, digits.transcripts[:n], durations)


def _librispeech(config: RnntConfig, folder: Path | None) -> Corpus:
    if folder is None or not folder.is_dir():
        raise BadFile(
            folder or "--data",
            found="absent",
            expected=f"a folder with {', '.join(config.train_sets)}, {config.eval_set} and {config.pieces}",
        )
    pieces = WordPieces(folder / config.pieces)
    entries = [e for name in config.train_sets for e in short_entries(part_of(folder, name), config.max_duration_s)]
    evaluation = short_entries(part_of(folder, config.eval_set), float("inf"))
    return Corpus(_files(entries), _files(evaluation), LIBRISPEECH, pieces, pieces.n_symbols)


def _files(entries: list[Entry]) -> Recordings:
    return Recordings(
        lambda i: read_sound(entries[i].path, LIBRISPEECH.rate_hz),
        tuple(e.transcript for e in entries),
        tuple(e.duration_s for e in entries),
    )


class Batches:
    """Makes batches; recordings are read and turned into features by some threads."""

    def __init__(self, corpus: Corpus, how: Augmentation, n_workers: int) -> None:
        self.corpus, self.how = corpus, how
        self._pool = ThreadPoolExecutor(n_workers) if n_workers > 1 else None

    def train(self, indices: Indices, rng: np.random.Generator) -> Heard:
        seeds = rng.integers(0, 2**63, len(indices))
        jobs = [(int(i), int(seed)) for i, seed in zip(indices, seeds, strict=True)]
        corpus = self.corpus

        def one(job: tuple[int, int]) -> NDArray[np.float32]:
            rng = np.random.default_rng(job[1])
            return augmented_features(corpus.train.read(job[0]), corpus.rule, self.how, rng)

        return self._together(self._each(one, jobs), [corpus.train.transcripts[i] for i in indices])

    def evaluation(self, indices: Sequence[int]) -> Heard:
        corpus = self.corpus
        features = self._each(lambda i: plain_features(corpus.evaluation.read(i), corpus.rule), list(indices))
        return self._together(features, [corpus.evaluation.transcripts[i] for i in indices])

    def _each(self, one: Callable[[J], NDArray[np.float32]], jobs: list[J]) -> list[NDArray[np.float32]]:
        return list(self._pool.map(one, jobs) if self._pool else map(one, jobs))

    def _together(self, features: list[NDArray[np.float32]], transcripts: list[str]) -> Heard:
        said = [torch.tensor(self.corpus.symbols.numbers(text), dtype=torch.int64) for text in transcripts]
        return Heard(
            nn.utils.rnn.pad_sequence([torch.from_numpy(f) for f in features], batch_first=True),
            torch.tensor([len(f) for f in features]),
            nn.utils.rnn.pad_sequence(said, batch_first=True),
            torch.tensor([len(s) for s in said]),
        )
