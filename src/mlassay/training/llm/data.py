"""Sequences of tokens: from Megatron's indexed files (the references' format), or the bytes of a text."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mlassay.core.errors import BadFile
from mlassay.training.common import text
from mlassay.training.common.order import Indices

_MAGIC = b"MMIDIDX\x00\x00"
_TYPES: dict[int, type[np.generic]] = {
    1: np.uint8, 2: np.int8, 3: np.int16, 4: np.int32, 5: np.int64, 6: np.float64, 7: np.float32, 8: np.uint16,
}  # fmt: skip


class Sequences(Protocol):
    """Windows of length+1 tokens: inputs and, one further, targets."""

    n: int

    def take(self, indices: Indices) -> Tensor: ...


class Windows:
    """Consecutive windows of one long run of tokens; neighbours share one token, so that each is predicted once."""

    def __init__(self, tokens: npt.NDArray[Any], length: int, at_most: int | None = None) -> None:
        self._tokens, self._length = tokens, length
        self.n = (len(tokens) - 1) // length
        if at_most is not None:
            self.n = min(self.n, at_most)

    def take(self, indices: Indices) -> Tensor:
        rows = [self._tokens[i * self._length : (i + 1) * self._length + 1] for i in indices]
        return torch.from_numpy(np.stack(rows).astype(np.int64))


def load(data_format: str, path: Path | None, length: int, n_eval: int) -> tuple[Windows, Windows]:
    """Training and evaluation sequences. Raises BadFile when there are too few tokens for one of each."""
    if data_format == "text":
        train, held_out = text.split(text.load_bytes(path))
        parts = Windows(train, length), Windows(held_out, length, n_eval)
    elif path is None:
        raise BadFile("--data", found="not given", expected="a folder with train.bin/.idx and valid.bin/.idx")
    else:
        parts = (
            Windows(read_indexed(path / "train"), length),
            Windows(read_indexed(path / "valid"), length, n_eval),
        )
    for part, name in zip(parts, ("training", "evaluation"), strict=True):
        if part.n < 1:
            raise BadFile(path or "the text", key=name, found="too short", expected=f"more than {length} tokens")
    return parts


def read_indexed(stem: Path) -> npt.NDArray[Any]:
    """All tokens of a Megatron indexed dataset, mapped, not loaded: documents follow each other in the .bin file.

    .idx: the magic, version 1 (u64), type code (u8), counts of sequences and documents (u64), then lengths.
    """
    index, tokens = stem.with_suffix(".idx"), stem.with_suffix(".bin")
    for file in (index, tokens):
        if not file.exists():
            raise BadFile(file, found="absent", expected="a Megatron indexed dataset (.bin and .idx)")
    head = index.read_bytes()[:34]
    if head[:9] != _MAGIC or len(head) < 34:
        raise BadFile(index, found=f"a file starting with {head[:9]!r}", expected="the magic MMIDIDX")
    version, code, n_sequences, _ = struct.unpack("<QBQQ", head[9:34])
    if version != 1 or code not in _TYPES:
        raise BadFile(index, found=f"version {version}, type {code}", expected="version 1, type 1 to 8")
    lengths = np.fromfile(index, np.int32, n_sequences, offset=34)
    data: npt.NDArray[Any] = np.memmap(tokens, _TYPES[code], "r")
    if int(lengths.sum()) != len(data):
        raise BadFile(tokens, found=f"{len(data)} tokens", expected=f"{int(lengths.sum())}, as {index.name} says")
    return data


def write_indexed(stem: Path, documents: list[npt.NDArray[np.int32]]) -> None:
    """The same format, for preparation and tests."""
    lengths = np.array([len(d) for d in documents], np.int32)
    starts = np.r_[0, np.cumsum(lengths[:-1])].astype(np.int64) * 4
    with open(stem.with_suffix(".idx"), "wb") as file:
        file.write(_MAGIC + struct.pack("<QBQQ", 1, 4, len(documents), len(documents) + 1))
        file.writelines(part.tobytes() for part in (lengths, starts, np.arange(len(documents) + 1, dtype=np.int64)))
    np.concatenate(documents).astype(np.int32).tofile(stem.with_suffix(".bin"))
