"""`trace.npz`, the columns of a run as small as they go.

An ordinary uncompressed NumPy archive. Times are kept as steps and distances, which fit into small
integers, and a column of equal values as that one value:

    start           (3,)   monotonic clock and wall clock at the start in ns, length of the generated query list
    shape           (2,)   number of queries Q and of samples N
    due_step_ns     (Q,)   due time minus the due time before it
    issue_delay_ns  (Q,)   issued minus due
    size            (Q,)   samples per query
    index           (N,)   position in the sample library
    latency_ns      (N,)   done minus due, plus one; 0: never answered
    first_ns        (N,)   first token, in the same way; only with token latencies
    n_tokens        (N,)   only with token latencies
    skipped         (Q,)   intervals skipped before the query; only v0.5 MultiStream
"""

from __future__ import annotations

import io
import mmap
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mlassay.core.errors import BadFile, MachineProblem
from mlassay.core.trace import NOT_YET, Trace
from mlassay.records.atomic import atomic_open

Column = NDArray[np.integer[Any]]

MAX_HEADER_BYTES = 10_000
SMALL_TYPES = (np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32)


def write_trace(path: Path | str, trace: Trace) -> None:
    """Write the columns of a run, whole or not at all; run.json holds the checksum that notices a power cut."""
    with atomic_open(path, sync=False) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, column in pack(trace).items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                header = io.BytesIO()
                np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(column))
                member.write(header.getvalue())
                member.write(np.ascontiguousarray(column).data)


def pack(trace: Trace) -> dict[str, Column]:
    """The columns of the file."""
    sizes = np.diff(trace.first_id, append=trace.n_samples)
    small_sizes = smallest(sizes)
    due = trace.due_ns if len(trace.due_ns) == trace.n_samples else np.repeat(trace.due_ns, sizes)
    columns = {
        "start": np.array([trace.start_ns, trace.start_unix_ns, trace.planned_queries], np.int64),
        "shape": np.array([trace.n_queries, trace.n_samples], np.int64),
        "due_step_ns": smallest(np.diff(trace.due_ns, prepend=np.int64(0))),
        "issue_delay_ns": smallest(trace.issued_ns - trace.due_ns),
        "size": small_sizes,
        "index": smallest(trace.index),
        "latency_ns": smallest(_distance(trace.done_ns, due)),
    }
    if trace.first_ns is not None:
        columns["first_ns"] = smallest(_distance(trace.first_ns, due))
    if trace.n_tokens is not None:
        columns["n_tokens"] = smallest(trace.n_tokens)
    if trace.skipped is not None:
        columns["skipped"] = smallest(trace.skipped)
    return columns


def unpack(columns: Mapping[str, Column]) -> Trace:
    """The trace that `pack` was given. Raises KeyError or ValueError for columns that do not belong together."""
    start_ns, start_unix_ns, planned = (int(value) for value in columns["start"])
    n_queries, n_samples = (int(value) for value in columns["shape"])
    sizes = _whole(columns["size"], n_queries)
    first_id = np.cumsum(sizes) - sizes
    if n_queries and int(first_id[-1] + sizes[-1]) != n_samples:
        raise ValueError(f"queries of {int(sizes.sum())} samples in all, but {n_samples} samples")
    due_ns = np.cumsum(_whole(columns["due_step_ns"], n_queries))
    due = due_ns if n_queries == n_samples else np.repeat(due_ns, sizes)
    first = columns.get("first_ns")
    tokens, skipped = columns.get("n_tokens"), columns.get("skipped")
    return Trace(
        start_ns=start_ns,
        start_unix_ns=start_unix_ns,
        planned_queries=planned,
        due_ns=due_ns,
        issued_ns=due_ns + _whole(columns["issue_delay_ns"], n_queries),
        first_id=first_id,
        index=_whole(columns["index"], n_samples, np.int32),
        done_ns=_moment(_whole(columns["latency_ns"], n_samples), due),
        first_ns=None if first is None else _moment(_whole(first, n_samples), due),
        n_tokens=None if tokens is None else _whole(tokens, n_samples, np.int32),
        skipped=None if skipped is None else _whole(skipped, n_queries, np.int32),
    )


def smallest(column: Column) -> Column:
    """The same values in the smallest integers that hold them; equal values as one."""
    if not len(column):
        return np.empty(0, np.uint8)
    low, high = int(column.min()), int(column.max())
    if low == high:
        return np.array(low, _type_for(low, high))
    return column.astype(_type_for(low, high), copy=False)


def _type_for(low: int, high: int) -> type[np.integer[Any]]:
    for kind in SMALL_TYPES:
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return kind
    return np.int64


def _whole(column: Column, length: int, kind: type[np.integer[Any]] = np.int64) -> Any:
    if column.ndim == 0:
        return np.full(length, column, kind)
    if column.shape != (length,):
        raise ValueError(f"a column of {column.shape} values, expected {length}")
    return column.astype(kind)


def _distance(moment: Column, due: Column) -> Column:
    """Moment minus due as a number that is 0 only for NOT_YET: distances from 0 up are moved up by one."""
    distance = moment - due
    distance += distance >= 0
    if moment.min(initial=0) == NOT_YET:
        distance[moment == NOT_YET] = 0
    return distance


def _moment(distance: Column, due: Column) -> Any:
    moment = distance + due
    moment -= distance > 0
    if not distance.all():
        moment[distance == 0] = NOT_YET
    return moment


def read_trace_file(path: Path | str) -> Trace:
    """Read `trace.npz`. Raises BadFile when it is not one, or damaged."""
    path = Path(path)
    try:
        with open(path, "rb") as file:
            return unpack(_columns(file))
    except OSError as error:
        raise MachineProblem(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
    except (ValueError, KeyError, zipfile.BadZipFile, EOFError, struct.error, NotImplementedError) as error:
        found = f"damaged or foreign ({error})"
        raise BadFile(path, found=found, expected="the columns of a run, as mlassay writes them") from error


def _columns(file: BinaryIO) -> dict[str, Column]:
    """Columns as views of the mapped file: nothing is copied before it is used."""
    view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    found: dict[str, Column] = {}
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
                raise ValueError(f"{member.filename} is compressed")
            begin = _content_at(view, member)
            content = view[begin : begin + member.file_size]
            if zlib.crc32(content) != member.CRC:
                raise ValueError(f"{member.filename} has a wrong checksum")
            found[member.filename.removesuffix(".npy")] = _array(content)
    return found


def _content_at(view: memoryview, member: zipfile.ZipInfo) -> int:
    """Where a member's bytes begin: behind its local header, whose two lengths stand at 26."""
    header = bytes(view[member.header_offset : member.header_offset + 30])
    if len(header) < 30 or not header.startswith(b"PK\x03\x04"):
        raise ValueError(f"{member.filename} has no header")
    name, extra = struct.unpack_from("<HH", header, 26)
    return member.header_offset + 30 + int(name) + int(extra)


def _array(content: memoryview) -> Column:
    """A view of one member; what its header claims is believed only as far as the bytes go."""
    stream = io.BytesIO(content[:MAX_HEADER_BYTES])
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("an array in an unknown version of the format")
    shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    if dtype.kind not in "iu" or len(shape) > 1:
        raise ValueError(f"a column of {dtype} in {len(shape)} dimensions")
    count = shape[0] if shape else 1
    column = np.frombuffer(content, dtype, count, stream.tell())
    return column if shape else column.reshape(())
