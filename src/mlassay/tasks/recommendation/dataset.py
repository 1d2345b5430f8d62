"""Rows of user-item pairs in the forms in which people have them on disk, and a check of what is there.

packed               the 16,281 test rows of the Adult census table, in the wheel
a folder with        adult.test, as the UCI repository publishes it: the same rows
multi-hot Criteo     day_23_dense.npy, day_23_labels.npy, day_23_sparse_multi_hot.npz (DLRM-DCNv2, since v3.1)
one-hot Criteo       day_23_reordered.npz with X_int, X_cat, y, of the reference preprocessing (DLRM, v0.7 to v3.0)
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.core.data_report import DataProblem, DataReport, file_digest, problem_of
from mlassay.core.errors import BadFile, UsageError
from mlassay.tasks.recommendation import adult, aggregation
from mlassay.tasks.recommendation.tables import CRITEO_DENSE, CRITEO_HOT, CRITEO_ROWS_PER_TABLE, MOST_ROWS

PACKED = Path(__file__).parent / "data" / "adult-test.npz"
MULTI_HOT = ("day_23_dense.npy", "day_23_labels.npy", "day_23_sparse_multi_hot.npz")
ONE_HOT = "day_23_reordered.npz"
TRACE = "dlrm_trace_of_aggregated_samples.txt"
DAY_23_ROWS = 178_274_637
RAW_MD5 = {"day_23": "08e251af4f3d1e8771ea15e405f39600", "day_23.gz": "a2748bdbc67dd544b3ac470c4f1a52df"}
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PairSet:
    """A data set: rows of dense and categorical features and a label, cut into samples at `edges`.

    `dense` (rows, features) is fed as it is once `take_log` has been done; `sparse` holds one array (rows, ids per
    row) for every table.
    """

    name: str
    dense: Any
    sparse: tuple[Any, ...]
    labels: NDArray[Any]  # (rows,)
    edges: NDArray[np.int64]
    take_log: bool  # log(x + 1) is still to be taken of the dense features
    modulo: int = 0  # ids are taken modulo this (0: as they are)
    about: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.edges) - 1

    def sample(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """One sample, ready to be fed: dense (pairs, features), ids (pairs, all ids of all tables)."""
        rows = slice(int(self.edges[index]), int(self.edges[index + 1]))
        dense = np.asarray(self.dense[rows], np.float32)
        if self.take_log:
            dense = np.log1p(np.maximum(dense, 0), dtype=np.float32)
        ids = np.concatenate([np.asarray(column[rows], np.int64) for column in self.sparse], 1)
        return dense, (ids % self.modulo if self.modulo else ids).astype(np.int32)

    def truth(self, index: int) -> NDArray[np.float32]:
        return np.asarray(self.labels[int(self.edges[index]) : int(self.edges[index + 1])], np.float32)


def packed_rows() -> PairSet:
    """The test rows of the Adult table, in samples of 10 to 70 rows."""
    with np.load(PACKED, allow_pickle=False) as arrays:
        dense, ids, labels = arrays["dense"], arrays["ids"], arrays["labels"]
    return _adult(dense, ids, labels, "Adult census, 16,281 test rows", {"licence": "CC BY 4.0 (UCI)"})


def open_folder(folder: Path) -> PairSet:
    """Find out what the folder holds and check its shape; raises one error that says what is missing."""
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}", hint="name the folder that holds the data set")
    if (folder / "adult.test").is_file():
        table = adult.read_table(folder / "adult.test")
        return _adult(table.dense, table.ids, table.labels, "Adult census, adult.test", {"file": "adult.test"})
    if any((folder / name).is_file() for name in MULTI_HOT):
        return _multi_hot(folder)
    if (folder / ONE_HOT).is_file():
        return _one_hot(folder)
    raise BadFile(
        folder,
        found="without a known data set",
        expected=f"{', '.join(MULTI_HOT)}; or {ONE_HOT}; or adult.test",
        hint="docs/tasks/recommendation.md says how the files are made",
    )


def verify(folder: Path, *, scan: bool = True) -> DataReport:
    """Look at everything: rows, shapes, with `scan` every label and id; checksums of the raw files that are there."""
    problems: list[DataProblem] = []
    checksums = {}
    for name, published in RAW_MD5.items():
        if (folder / name).is_file():
            checksums[name] = file_digest(folder / name, "md5")
            if checksums[name] != published:
                problems.append(DataProblem(name, f"of MD5 {checksums[name]}", published))
    try:
        pairs = open_folder(folder)
    except BadFile as error:
        problems.append(problem_of(error.path, error))
        return DataReport(dataset="unknown", folder=folder, problems=tuple(problems), checksums=checksums)
    rows = int(pairs.edges[-1])
    counts = {"rows": int(pairs.about.get("rows", rows)), "rows used": rows, "samples": len(pairs)}
    if pairs.name.startswith("Criteo"):
        problems += _count_findings(pairs, counts)
    else:
        if rows != adult.TEST_ROWS:
            problems.append(DataProblem("adult.test", f"{rows:,} rows", f"{adult.TEST_ROWS:,}"))
    if scan:
        problems += _scan(pairs)
    notes = () if scan else ("labels and ids were not looked at",)
    return DataReport(
        dataset=pairs.name, folder=folder, counts=counts, problems=tuple(problems), checksums=checksums, notes=notes
    )


def _count_findings(pairs: PairSet, counts: Mapping[str, int]) -> Iterator[DataProblem]:
    if counts["rows"] != DAY_23_ROWS:
        yield DataProblem("day 23", f"{counts['rows']:,} rows", f"{DAY_23_ROWS:,}")
    if counts["rows used"] == aggregation.CRITEO_ROWS and aggregation.trace_md5(pairs.edges) != aggregation.TRACE_MD5:
        yield DataProblem(TRACE, "another trace than the published one", f"MD5 {aggregation.TRACE_MD5}")


def _scan(pairs: PairSet) -> Iterator[DataProblem]:
    """Labels are 0 or 1, dense features are numbers, ids lie within their tables; the first offence of each is told."""
    rows = int(pairs.edges[-1])
    limits = CRITEO_ROWS_PER_TABLE if pairs.name.startswith("Criteo") else adult.ROWS_PER_TABLE
    offended: set[str] = set()
    for begin in range(0, rows, _CHUNK):
        part = slice(begin, min(begin + _CHUNK, rows))
        looks: list[tuple[str, Any, str]] = [("labels", ~np.isin(pairs.labels[part], (0, 1)), "0 or 1")]
        looks.append(("dense features", ~np.isfinite(np.asarray(pairs.dense[part], np.float32)).all(1), "numbers"))
        for number, (column, limit) in enumerate(zip(pairs.sparse, limits, strict=True)):
            ids = np.asarray(column[part])
            beyond = (ids < 0) | (ids >= limit) if not pairs.modulo else ids < 0
            looks.append((f"ids of table {number}", beyond.any(1), f"0 to {limit - 1:,}"))
        for what, bad, expected in looks:
            if bad.any() and what not in offended:
                offended.add(what)
                row = begin + int(np.flatnonzero(bad)[0])
                yield DataProblem(f"row {row}", f"with wrong {what}", expected)


def _adult(dense: Any, ids: Any, labels: Any, name: str, about: Mapping[str, Any]) -> PairSet:
    return PairSet(
        name=name,
        dense=dense,
        sparse=tuple(ids[:, [column]] for column in range(ids.shape[1])),
        labels=np.asarray(labels),
        edges=aggregation.boundaries(len(labels), unit=10),
        take_log=True,
        about={"rows": len(labels), "origin": "Becker and Kohavi, Adult, UCI repository, 10.24432/C5XW20", **about},
    )


def _multi_hot(folder: Path) -> PairSet:
    missing = [name for name in MULTI_HOT if not (folder / name).is_file()]
    if missing:
        raise BadFile(folder, found=f"without {', '.join(missing)}", expected=", ".join(MULTI_HOT))
    dense, labels = _mapped(folder / MULTI_HOT[0]), _mapped(folder / MULTI_HOT[1])
    _expect(folder / MULTI_HOT[0], dense, (len(labels), CRITEO_DENSE), "f")
    _expect(folder / MULTI_HOT[1], labels, (len(labels), 1), "iu")
    sparse = []
    for number, hot in enumerate(CRITEO_HOT):
        column = _mapped_member(folder / MULTI_HOT[2], f"{number}.npy")
        _expect(folder / MULTI_HOT[2], column, (len(labels), hot), "iu", f"{number}.npy")
        sparse.append(column)
    return _criteo(folder, "Criteo day 23, multi-hot", dense, tuple(sparse), labels[:, 0], take_log=False)


def _one_hot(folder: Path) -> PairSet:
    path = folder / ONE_HOT
    dense, ids, labels = (_mapped_member(path, f"{name}.npy") for name in ("X_int", "X_cat", "y"))
    _expect(path, dense, (len(labels), CRITEO_DENSE), "iuf", "X_int")
    _expect(path, ids, (len(labels), len(CRITEO_HOT)), "iu", "X_cat")
    columns = tuple(_Column(ids, column) for column in range(ids.shape[1]))
    return _criteo(folder, "Criteo day 23, one-hot", dense, columns, labels, take_log=True, modulo=MOST_ROWS)


@dataclass(frozen=True, slots=True)
class _Column:
    """One column of a large table, read only where it is asked for."""

    table: Any
    number: int

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        column: NDArray[Any] = self.table[rows, self.number : self.number + 1]
        return column


def _criteo(
    folder: Path, name: str, dense: Any, sparse: tuple[Any, ...], labels: Any, *, take_log: bool, modulo: int = 0
) -> PairSet:
    rows = len(labels)
    used = rows // 2 + rows % 2 if rows == DAY_23_ROWS else rows  # the first half is for testing
    trace = folder / TRACE
    edges = aggregation.read_trace(trace, used) if trace.is_file() else aggregation.boundaries(used)
    return PairSet(
        name=name,
        dense=dense,
        sparse=sparse,
        labels=labels,
        edges=edges,
        take_log=take_log,
        modulo=modulo,
        about={"folder": str(folder), "rows": rows, "trace": TRACE if trace.is_file() else "drawn anew, seed 123"},
    )


def _mapped(path: Path) -> Any:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise BadFile(path, found=f"not readable as a numpy array ({error})", expected="a whole .npy file") from error


def _mapped_member(path: Path, member: str) -> Any:
    """One array of an .npz, mapped where it lies; arrays that were compressed are read into memory."""
    try:
        with zipfile.ZipFile(path) as archive:
            entry = archive.getinfo(member)
            if entry.compress_type != zipfile.ZIP_STORED:
                with archive.open(member) as file:
                    return np.lib.format.read_array(file, allow_pickle=False)
            with archive.open(member) as file, path.open("rb") as raw:
                raw.seek(entry.header_offset + 26)
                name_size, extra_size = np.frombuffer(raw.read(4), "<u2").tolist()
                version = np.lib.format.read_magic(file)
                reader = (
                    np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                )
                shape, fortran, dtype = reader(file)
                offset = entry.header_offset + 30 + name_size + extra_size + file.tell()
            return np.memmap(path, dtype=dtype, shape=shape, order="F" if fortran else "C", mode="r", offset=offset)
    except KeyError as error:
        raise BadFile(path, found=f"without {member}", expected="one array per table") from error
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise BadFile(path, found=f"not readable ({error})", expected="a whole .npz file") from error


def _expect(path: Path, array: Any, shape: tuple[int, ...], kinds: str, key: str = "") -> None:
    if array.shape != shape or array.dtype.kind not in kinds:
        wanted = {"f": "floats", "iu": "integers", "iuf": "numbers"}[kinds]
        raise BadFile(path, key=key, found=f"{array.dtype} {array.shape}", expected=f"{wanted} {shape}")
