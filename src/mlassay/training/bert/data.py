"""Masked examples: prepared ones in .npy files (the reference's fields), or made from the bytes of a text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from mlassay.core.errors import BadFile
from mlassay.training.common import text
from mlassay.training.common.order import Indices

MASK = 256
IGNORED = -100

FIELDS = (
    "input_ids",
    "input_mask",
    "segment_ids",
    "masked_lm_positions",
    "masked_lm_ids",
    "masked_lm_weights",
    "next_sentence_labels",
)
"""As `create_pretraining_data` names them; one array each, an example a row."""


@dataclass(frozen=True, slots=True)
class Masked:
    """A batch: what the model sees, where it must answer, and the answers (IGNORED where there is none)."""

    tokens: Tensor  # (B, T)
    segments: Tensor  # (B, T)
    padding: Tensor | None  # (B, T), 1 where there is a token
    wanted: Tensor  # (B, P)
    answers: Tensor  # (B, P)
    is_next: Tensor | None  # (B,)


class Examples(Protocol):
    n: int

    def take(self, indices: Indices, rng: np.random.Generator) -> Masked: ...


class TextExamples:
    """Windows of bytes. Of the chosen 15 %: 80 % become the mask, 10 % another byte, 10 % stay."""

    def __init__(self, tokens: np.ndarray[tuple[int], np.dtype[np.uint8]], length: int, share: float) -> None:
        self.n = len(tokens) // length
        self._rows = tokens[: self.n * length].reshape(self.n, length)
        self._n_wanted = max(1, round(length * share))

    def take(self, indices: Indices, rng: np.random.Generator) -> Masked:
        rows = self._rows[indices].astype(np.int64)
        wanted = np.argsort(rng.random(rows.shape), axis=1)[:, : self._n_wanted]
        answers = np.take_along_axis(rows, wanted, 1)
        fate = rng.random(wanted.shape)
        others = answers.ravel()[rng.integers(0, answers.size, wanted.shape)]  # bytes as frequent as in the text
        shown = np.where(fate < 0.8, MASK, np.where(fate < 0.9, others, answers))
        np.put_along_axis(rows, wanted, shown, 1)
        tokens = torch.from_numpy(rows)
        return Masked(tokens, torch.zeros_like(tokens), None, torch.from_numpy(wanted), torch.from_numpy(answers), None)


class ArrayExamples:
    """Prepared examples, mapped from disk: masks were chosen when they were made."""

    def __init__(self, folder: Path) -> None:
        self._fields = {name: read_field(folder, name) for name in FIELDS}
        counts = {name: len(a) for name, a in self._fields.items()}
        if len(set(counts.values())) != 1:
            raise BadFile(folder, found=f"{counts}", expected="equally many examples in every array")
        self.n = counts["input_ids"]

    def take(self, indices: Indices, rng: np.random.Generator) -> Masked:
        rows = {
            name: torch.from_numpy(np.ascontiguousarray(a[indices]).astype(np.int64))
            for name, a in self._fields.items()
        }
        answers = rows["masked_lm_ids"].masked_fill(rows["masked_lm_weights"] == 0, IGNORED)
        return Masked(
            rows["input_ids"],
            rows["segment_ids"],
            rows["input_mask"],
            rows["masked_lm_positions"],
            answers,
            rows["next_sentence_labels"].reshape(-1),
        )


def read_field(folder: Path, name: str) -> np.ndarray[tuple[int, ...], np.dtype[Any]]:
    """One field of all examples, mapped from disk. BadFile when it is absent, torn or no array of rows."""
    path = folder / f"{name}.npy"
    if not path.exists():
        raise BadFile(path, found="absent", expected=f"one array for each of {', '.join(FIELDS)}")
    try:
        array: np.ndarray[tuple[int, ...], np.dtype[Any]] = np.load(path, mmap_mode="r")
    except (ValueError, EOFError, OSError) as error:
        raise BadFile(path, found=f"unreadable ({error})", expected="a .npy array") from error
    if not array.ndim:
        raise BadFile(path, found="a single number", expected="an example a row")
    return array


def load(data_format: str, path: Path | None, length: int, share: float) -> tuple[Examples, Examples]:
    """Training and evaluation examples."""
    if data_format == "text":
        train, held_out = text.split(text.load_bytes(path), 0.02)
        parts = TextExamples(train, length, share), TextExamples(held_out, length, share)
        if min(parts[0].n, parts[1].n) < 1:
            raise BadFile(path or "the text", found="too short", expected=f"at least {50 * length} bytes")
        return parts
    if path is None:
        raise BadFile("--data", found="not given", expected="a folder with train/ and eval/ arrays")
    return ArrayExamples(path / "train"), ArrayExamples(path / "eval")
