"""Sequences of tokens: from Megatron's indexed files (the references' format), or the bytes of a text."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mlassay.core.errors import BadFile
from mlassay.training.common import text
from mlassay.training.common.order import Indices

_MAGIC = b"MMIDIDX\x00\x00"
_HEAD_BYTES = 34
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


@dataclass(frozen=True, slots=True)
class Index:
    """What an .idx file says, mapped: tokens of each sequence, where in the .bin it starts, where documents start."""

    token_type: np.dtype[Any]
    lengths: npt.NDArray[np.int32]
    starts_bytes: npt.NDArray[np.int64]
    documents: npt.NDArray[np.int64]  # the first sequence of each, and at the end how many sequences there are

    @property
    def n_tokens(self) -> int:
        return int(self.lengths.sum(dtype=np.int64))


def read_index(path: Path) -> Index:
    """An .idx file: the magic, version 1 (u64), type code (u8), counts of sequences and of document starts (u64);
    then lengths (i32), starts (i64), document starts (i64), and, where there are several kinds, kinds (i8)."""
    with _opened(path) as file:
        head = file.read(_HEAD_BYTES)
    if head[:9] != _MAGIC or len(head) < _HEAD_BYTES:
        raise BadFile(path, found=f"a file starting with {head[:9]!r}", expected="the magic MMIDIDX")
    version, code, n, n_starts = struct.unpack("<QBQQ", head[9:])
    if version != 1 or code not in _TYPES:
        raise BadFile(path, found=f"version {version}, type {code}", expected="version 1, type 1 to 8")
    size, wanted = path.stat().st_size, _HEAD_BYTES + 12 * n + 8 * n_starts
    if size not in (wanted, wanted + n):
        found = f"{size:,} bytes long"
        raise BadFile(path, found=found, expected=f"{wanted:,} for {n:,} sequences and {n_starts:,} document starts")
    if not n or not n_starts:
        raise BadFile(path, found=f"of {n:,} sequences and {n_starts:,} document starts", expected="one or more")
    return Index(
        np.dtype(_TYPES[code]),
        np.memmap(path, "<i4", "r", _HEAD_BYTES, (n,)),
        np.memmap(path, "<i8", "r", _HEAD_BYTES + 4 * n, (n,)),
        np.memmap(path, "<i8", "r", _HEAD_BYTES + 12 * n, (n_starts,)),
    )


def read_indexed(stem: Path) -> npt.NDArray[Any]:
    """All tokens of a Megatron indexed dataset, mapped, not loaded: documents follow each other in the .bin file."""
    path, tokens = stem.with_suffix(".idx"), stem.with_suffix(".bin")
    index = read_index(path)
    _opened(tokens).close()
    size, wanted = tokens.stat().st_size, index.n_tokens
    if size != wanted * index.token_type.itemsize or not size:
        found = f"{size // index.token_type.itemsize} tokens"
        raise BadFile(tokens, found=found, expected=f"{wanted or 'some'}, as {path.name} says")
    data: npt.NDArray[Any] = np.memmap(tokens, index.token_type, "r")
    return data


def _opened(path: Path) -> BinaryIO:
    wanted = "a Megatron indexed dataset (.bin and .idx)"
    if not path.is_file():
        raise BadFile(path, found="absent", expected=wanted)
    try:
        return path.open("rb")
    except OSError as error:
        raise BadFile(path, found=f"not readable ({error.strerror})", expected=wanted) from error


def write_indexed(stem: Path, documents: list[npt.NDArray[np.int32]]) -> None:
    """The same format, for preparation and tests."""
    lengths = np.array([len(d) for d in documents], np.int32)
    starts = np.r_[0, np.cumsum(lengths[:-1])].astype(np.int64) * 4
    with open(stem.with_suffix(".idx"), "wb") as file:
        file.write(_MAGIC + struct.pack("<QBQQ", 1, 4, len(documents), len(documents) + 1))
        file.writelines(part.tobytes() for part in (lengths, starts, np.arange(len(documents) + 1, dtype=np.int64)))
    np.concatenate(documents).astype(np.int32).tofile(stem.with_suffix(".bin"))
