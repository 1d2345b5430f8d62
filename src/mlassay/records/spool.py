"""`trace.part`: finished rows of a run, appended while it goes on, so that a killed run can still be read.

A header, then blocks: a fixed head with counts and a checksum, then the columns as they are in memory. A block that is
not whole ends the reading; everything before it counts.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from mlassay.core.errors import BadFile, MachineProblem
from mlassay.core.trace import Trace

MAGIC = b"mlassay trace.part 1\n"
_START = struct.Struct("<qq")  # monotonic and wall clock at the start of the run
_BLOCK = struct.Struct("<4sQQIIII")  # mark, first row, first sample, rows, samples, columns present, checksum
_MARK = b"ROWS"
_HAS_FIRST, _HAS_TOKENS = 1, 2

Array = NDArray[Any]


class Rows(Protocol):
    """Finished queries in order of issue, times in ns since the run's start. R queries ask for S samples."""

    @property
    def first_row(self) -> int: ...
    @property
    def first_sample(self) -> int: ...
    @property
    def due_ns(self) -> Array:
        """(R,)"""

    @property
    def issued_ns(self) -> Array:
        """(R,)"""

    @property
    def index(self) -> Array:
        """(S,)"""

    @property
    def done_ns(self) -> Array:
        """(S,)"""


class SpoolWriter:
    """Appends blocks of rows to a file. Checksum and write let other threads run."""

    def __init__(self, path: Path | str, *, start_ns: int = 0, start_unix_ns: int = 0) -> None:
        self.path = Path(path)
        self.n_rows = 0
        self._file: BinaryIO = open(self.path, "wb", buffering=0)  # noqa: SIM115 - closed by close()
        try:
            self._file.write(MAGIC + _START.pack(start_ns, start_unix_ns))
        except OSError:
            self._file.close()
            raise

    def write(self, rows: Rows) -> None:
        """Append one block. Optional columns `size` (R,), `first_ns` and `n_tokens` (S,) are kept when rows have them.

        Raises OSError when the disk refuses; the file then ends with its last whole block.
        """
        n_rows, n_samples = len(rows.due_ns), len(rows.index)
        if not n_rows:
            return
        first, tokens = getattr(rows, "first_ns", None), getattr(rows, "n_tokens", None)
        columns = [(rows.due_ns, "<i8"), (rows.issued_ns, "<i8"), (_sizes(rows, n_rows, n_samples), "<i4")]
        columns += [(rows.index, "<i4"), (rows.done_ns, "<i8")]
        columns += [(first, "<i8")] if first is not None else []
        columns += [(tokens, "<i4")] if tokens is not None else []
        parts = [np.ascontiguousarray(column, kind).data.cast("B") for column, kind in columns if len(column)]
        present = (_HAS_FIRST if first is not None else 0) | (_HAS_TOKENS if tokens is not None else 0)
        checksum = 0
        for part in parts:
            checksum = zlib.crc32(part, checksum)
        head = _BLOCK.pack(_MARK, rows.first_row, rows.first_sample, n_rows, n_samples, present, checksum)
        begin = self._file.tell()
        try:
            for view in (memoryview(head), *parts):
                while view:
                    view = view[self._file.write(view) :]
        except OSError:
            self._file.truncate(begin)
            raise
        self.n_rows = rows.first_row + n_rows

    def close(self) -> None:
        self._file.close()


def _sizes(rows: Rows, n_rows: int, n_samples: int) -> Array:
    """Samples per query: as given, or all alike."""
    given = getattr(rows, "size", None)
    if given is not None:
        sizes: Array = given
        return sizes
    if n_samples % n_rows:
        raise ValueError(f"{n_samples} samples in {n_rows} queries of unknown size")
    return np.full(n_rows, n_samples // n_rows, np.int32)


@dataclass(frozen=True, slots=True)
class Spooled:
    """What a spool file holds: rows from the first on, without gaps."""

    trace: Trace
    cut_off: bool  # the last block was not whole


def read_spool(path: Path | str) -> Spooled:
    """Read a spool file as far as it is whole. Raises BadFile for what is none."""
    path = Path(path)
    try:
        with open(path, "rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise BadFile(path, found="no spool file of a run", expected="a file that begins as trace.part does")
            start = file.read(_START.size)
            start_ns, start_unix_ns = _START.unpack(start) if len(start) == _START.size else (0, 0)
            blocks = list(_blocks(file))
            end = file.tell()
            size = file.seek(0, 2)
    except OSError as error:
        raise MachineProblem(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
    return Spooled(_joined(blocks, start_ns, start_unix_ns), cut_off=end != size)


@dataclass(frozen=True, slots=True)
class NewRows:
    """Rows that came since the last look, times in ns since the run's start; per sample but for `issued_ns`."""

    due_ns: Array  # (S,)
    done_ns: Array  # (S,)
    issued_ns: Array  # (R,)


class SpoolFollower:
    """Reads a spool file while it is being written: each look gives what came since the one before."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._offset = len(MAGIC) + _START.size
        self._row = self._sample = 0

    def look(self, *, most_blocks: int = 256) -> list[NewRows]:
        """The next whole blocks, at most so many; none while there is no file. Raises BadFile for another file."""
        try:
            with open(self.path, "rb") as file:
                begin = file.read(len(MAGIC))
                if begin != MAGIC[: len(begin)]:
                    raise BadFile(self.path, found="no spool file of a run", expected="a file as trace.part begins")
                file.seek(self._offset)
                found = list(islice(_blocks(file, self._row, self._sample), most_blocks))
        except FileNotFoundError:
            return []
        for block in found:
            self._row += len(block["due"])
            self._sample += len(block["done"])
            self._offset += _BLOCK.size + sum(column.nbytes for column in block.values())
        return [NewRows(np.repeat(b["due"], b["size"]), b["done"], b["issued"]) for b in found]


def _blocks(file: BinaryIO, row: int = 0, sample: int = 0) -> Iterator[dict[str, Array]]:
    """Whole blocks in order, from the one that begins with a row and a sample; leaves the file behind the last."""
    while True:
        begin = file.tell()
        head = file.read(_BLOCK.size)
        if len(head) < _BLOCK.size:
            break
        mark, first_row, first_sample, n_rows, n_samples, present, checksum = _BLOCK.unpack(head)
        spans = [("due", "<i8", n_rows), ("issued", "<i8", n_rows), ("size", "<i4", n_rows)]
        spans += [("index", "<i4", n_samples), ("done", "<i8", n_samples)]
        spans += [("first", "<i8", n_samples)] if present & _HAS_FIRST else []
        spans += [("tokens", "<i4", n_samples)] if present & _HAS_TOKENS else []
        length = sum(np.dtype(kind).itemsize * count for _, kind, count in spans)
        if mark != _MARK or (first_row, first_sample) != (row, sample) or length > _left(file):
            break
        body = file.read(length)
        if len(body) < length or zlib.crc32(body) != checksum:
            break
        row, sample, at, block = row + n_rows, sample + n_samples, 0, dict[str, Array]()
        for name, kind, count in spans:
            block[name] = np.frombuffer(body, kind, count, at)
            at += block[name].nbytes
        if int(block["size"].sum()) != n_samples:
            break
        yield block
    file.seek(begin)


def _left(file: BinaryIO) -> int:
    here = file.tell()
    end = file.seek(0, 2)
    file.seek(here)
    return end - here


def _joined(blocks: list[dict[str, Array]], start_ns: int, start_unix_ns: int) -> Trace:
    def column(name: str, kind: type[np.integer[Any]]) -> Any:
        parts = [block[name] for block in blocks if name in block]
        return np.concatenate(parts).astype(kind) if parts else np.empty(0, kind)

    sizes = column("size", np.int64)
    return Trace(
        start_ns=start_ns,
        start_unix_ns=start_unix_ns,
        due_ns=column("due", np.int64),
        issued_ns=column("issued", np.int64),
        first_id=np.cumsum(sizes) - sizes,
        index=column("index", np.int32),
        done_ns=column("done", np.int64),
        first_ns=column("first", np.int64) if blocks and all("first" in b for b in blocks) else None,
        n_tokens=column("tokens", np.int32) if blocks and all("tokens" in b for b in blocks) else None,
        planned_queries=0,
    )
