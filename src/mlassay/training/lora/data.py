"""Sequences to fine-tune on: the reference's packed rows, from parquet files or arrays, or the bytes of a text.

Packed: texts with their summaries, joined and cut into rows of 8192 tokens. `labels` repeats `input_ids`, with -100
where nothing is to be predicted (in the validation part, all but the summaries).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mlassay.core.errors import BadFile, MissingDependency
from mlassay.training.common import text
from mlassay.training.common.order import Indices
from mlassay.training.llm.data import Windows
from mlassay.training.lora.manuals import load_manuals

IGNORED = -100
HELD_OUT = 12  # every twelfth window of a text is for evaluation, so that both parts are of one kind
WANTED = "a folder with train*.parquet and validation*.parquet, or train.npy and validation.npy"

Rows = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Labelled:
    """`n` rows of tokens, and what is to be predicted of each: (n, T) both."""

    tokens: Rows
    labels: Rows

    @property
    def n(self) -> int:
        return len(self.tokens)

    def take(self, indices: Indices) -> tuple[Tensor, Tensor]:
        tokens, labels = (torch.from_numpy(np.asarray(a[indices], np.int64)) for a in (self.tokens, self.labels))
        return tokens, labels


def load(data_format: str, path: Path | None, length: int, vocabulary: int, n_eval: int) -> tuple[Labelled, Labelled]:
    """Training and evaluation rows. Raises BadFile naming the file that is absent, torn or does not fit the model."""
    if data_format == "text":
        return _text(path, length, n_eval)
    if path is None:
        raise BadFile("--data", found="not given", expected=WANTED)
    train, held_out = (read_packed(path, part, length, vocabulary) for part in ("train", "validation"))
    return train, Labelled(held_out.tokens[:n_eval], held_out.labels[:n_eval])


def _text(path: Path | None, length: int, n_eval: int) -> tuple[Labelled, Labelled]:
    raw = load_manuals() if path is None else text.load_bytes(path)
    windows = Windows(raw, length)
    if windows.n < HELD_OUT:
        raise BadFile(path or "the text", found=f"{len(raw)} bytes long", expected=f"at least {HELD_OUT * length + 1}")
    everything = np.asarray(windows.take(np.arange(windows.n)))
    out = np.arange(windows.n) % HELD_OUT == HELD_OUT - 1
    train, held_out = everything[~out], everything[out][:n_eval]
    return Labelled(train, train), Labelled(held_out, held_out)


def read_packed(folder: Path, part: str, length: int, vocabulary: int) -> Labelled:
    """The rows of one part, of `length` tokens each, wherever they lie in the folder."""
    tables = sorted(folder.glob(f"{part}*.parquet"))
    if tables:
        where, columns = tables[0], [_parquet(table, length) for table in tables]
        tokens, labels = (np.concatenate([pair[i] for pair in columns]) for i in (0, 1))
    else:
        where = folder / f"{part}.npy"
        tokens = _array(where, length, WANTED)
        beside = folder / f"{part}_labels.npy"
        labels = _array(beside, length, "labels") if beside.exists() else tokens
    if labels.shape != tokens.shape:
        raise BadFile(where, found=f"{len(labels)} rows of labels", expected=f"{len(tokens)}, as of tokens")
    _check(where, tokens, labels, vocabulary)
    return Labelled(tokens, labels)


def _check(where: Path, tokens: Rows, labels: Rows, vocabulary: int) -> None:
    if not len(tokens):
        raise BadFile(where, found="without rows", expected="one or more")
    low, high = int(tokens.min()), int(tokens.max())
    if low < 0 or high >= vocabulary:
        raise BadFile(where, key="input_ids", found=f"from {low} to {high}", expected=f"0 to {vocabulary - 1}")
    asked = labels != IGNORED
    if not asked[:, 1:].any(1).all():
        row = int(np.argmin(asked[:, 1:].any(1)))
        raise BadFile(where, key=f"labels of row {row}", found="all -100", expected="something to predict")
    if not np.array_equal(labels[asked], tokens[asked]):
        raise BadFile(where, key="labels", found="other than input_ids", expected="the same, or -100")


def _parquet(path: Path, length: int) -> tuple[Rows, Rows]:
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ModuleNotFoundError as error:
        raise MissingDependency("pyarrow", extra="parquet", why="it reads .parquet files") from error
    try:
        file = parquet.ParquetFile(path)
        names = set(file.schema_arrow.names)
        if "input_ids" not in names:
            raise BadFile(path, found=f"with the columns {', '.join(sorted(names))}", expected="input_ids and labels")
        table = file.read([name for name in ("input_ids", "labels") if name in names])
    except (OSError, pyarrow.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise BadFile(path, found=f"not readable ({reason})", expected="a complete parquet file") from error
    tokens = _column(path, table, "input_ids", length)
    return tokens, _column(path, table, "labels", length) if "labels" in names else tokens


def _column(path: Path, table: Any, name: str, length: int) -> Rows:
    """A column of equally long lists as (rows, length) 32-bit numbers."""
    column = table[name].combine_chunks()
    sizes = column.value_lengths().to_numpy(zero_copy_only=False) if hasattr(column, "value_lengths") else None
    if sizes is None:
        raise BadFile(path, key=name, found=str(column.type), expected="lists of whole numbers")
    if len(sizes) and not (sizes == length).all():
        row = int(np.argmax(sizes != length))
        raise BadFile(path, key=f"{name} of row {row}", found=f"{sizes[row]} tokens long", expected=f"{length}")
    values = column.flatten().to_numpy(zero_copy_only=False)
    if len(sizes) and values.dtype.kind not in "iu":
        raise BadFile(path, key=name, found=f"of {values.dtype}", expected="whole numbers")
    numbers = values.astype(np.int32)
    if not np.array_equal(numbers, values):
        raise BadFile(path, key=name, found=f"from {values.min()} to {values.max()}", expected="numbers of 32 bits")
    rows: Rows = numbers.reshape(len(sizes), length)
    return rows


def _array(path: Path, length: int, expected: str) -> Rows:
    if not path.exists():
        raise BadFile(path, found="absent", expected=expected)
    try:
        array: Rows = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        hint = "arrays of objects need pickle, which runs whatever a file says; store whole numbers"
        raise BadFile(path, found=f"unreadable ({error})", expected="an array of whole numbers", hint=hint) from error
    if array.ndim != 2 or array.shape[1] != length or array.dtype.kind not in "iu":
        raise BadFile(path, found=f"{array.shape} of {array.dtype}", expected=f"(rows, {length}) of whole numbers")
    return array
