"""Pictures that lie in archives: a tar file as ImageNet is published, and parquet files as the Hugging Face hub has it.

Nothing is unpacked: of a tar file the places of the pictures are noted when it is opened, of parquet files the number
of rows; pictures are read one by one when they are asked for.
"""

from __future__ import annotations

import os
import tarfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.core.errors import BadFile, MachineProblem, MissingDependency
from mlassay.tasks.image_classification.preprocess import Pixels, read_picture

SUFFIXES = {".jpeg", ".jpg", ".png"}
GROUPS_KEPT = 4
"""Row groups of parquet files that are held at a time: neighbours are asked for one after the other."""


@dataclass(frozen=True, slots=True)
class TarPictures:
    """The pictures of a tar file: names in the archive's order, and where each lies (begin, bytes)."""

    path: Path
    names: tuple[str, ...]
    places: tuple[tuple[int, int], ...]

    def read(self, index: int) -> Pixels:
        begin, size = self.places[index]
        with self.path.open("rb") as file:
            data = os.pread(file.fileno(), size, begin)
        return read_picture(self.path / self.names[index], data)


def open_tar(path: Path) -> TarPictures:
    """Note where every picture of the archive lies. It must not be compressed, or nothing could be found quickly."""
    names, places = [], []
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                if member.isfile() and PurePosixPath(member.name).suffix.lower() in SUFFIXES:
                    names.append(member.name.removeprefix("./"))
                    places.append((member.offset_data, member.size))
    except tarfile.TarError as error:
        raise BadFile(
            path, found=f"not readable as a tar file ({error})", expected="a complete tar file, not compressed"
        ) from error
    except OSError as error:
        raise MachineProblem(f"{path} cannot be read: {error.strerror}") from error
    if not names:
        raise BadFile(path, found="without pictures", expected="JPEG or PNG files")
    return TarPictures(path, tuple(names), tuple(places))


class ParquetPictures:
    """Rows of parquet files with the columns `image` (bytes, or a struct that holds them) and `label`."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = tuple(files)
        self._lock = threading.Lock()  # a file is read by one thread at a time; decoding goes on beside it
        self._opened = [_opened(file) for file in self.files]
        self._file_ends = np.cumsum([file.metadata.num_rows for file in self._opened])
        self._groups = [
            (number, group) for number, file in enumerate(self._opened) for group in range(file.num_row_groups)
        ]
        sizes = [self._opened[number].metadata.row_group(group).num_rows for number, group in self._groups]
        self._group_ends = np.cumsum(sizes)
        self._rows_of = lru_cache(GROUPS_KEPT)(self._read_group)

    def labels(self) -> NDArray[np.int64]:
        parts = [file.read(columns=["label"])["label"].to_numpy() for file in self._opened]
        return np.concatenate(parts).astype(np.int64)

    def where(self, index: int) -> str:
        """For people: file and row."""
        file, row = _located(self._file_ends, index)
        return f"{self.files[file].name}/row {row}"

    def read(self, index: int) -> Pixels:
        group, row = _located(self._group_ends, index)
        with self._lock:
            data = self._rows_of(group)[row].as_py()
        data = data.get("bytes") if isinstance(data, dict) else data
        place = self.files[0].parent / self.where(index)
        if not isinstance(data, bytes):
            raise BadFile(place, found="without the bytes of a picture", expected="a JPEG or PNG in column image")
        return read_picture(place, data)

    def _read_group(self, group: int) -> Any:
        number, part = self._groups[group]
        return self._opened[number].read_row_group(part, columns=["image"])["image"]


def _located(ends: NDArray[np.int64], index: int) -> tuple[int, int]:
    """In which of the pieces that end at `ends` the index lies, and where in it."""
    piece = int(np.searchsorted(ends, index, "right"))
    return piece, index - (int(ends[piece - 1]) if piece else 0)


def _opened(path: Path) -> Any:
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ModuleNotFoundError as error:
        raise MissingDependency("pyarrow", extra="parquet", why="it reads .parquet files") from error
    try:
        file = parquet.ParquetFile(path)
    except (OSError, pyarrow.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise BadFile(path, found=f"not readable ({reason})", expected="a complete parquet file") from error
    names = set(file.schema_arrow.names)
    if not {"image", "label"} <= names:
        raise BadFile(path, found=f"with the columns {', '.join(sorted(names))}", expected="image and label")
    return file
