"""The idx file format of MNIST and its descendants: a header of dimensions, then bytes. Plain or gzip-compressed."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlassay.core.errors import BadFile

_UNSIGNED_BYTE = 0x08


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array that the file holds. Only unsigned bytes, as all MNIST-like sets use; otherwise BadFile."""
    raw = path.read_bytes()
    if raw[:2] == b"\x1f\x8b":
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise BadFile(path, found=f"damaged ({error})", expected="a complete gzip file") from error
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] != _UNSIGNED_BYTE:
        raise BadFile(
            path, found=f"not idx (begins with {raw[:4].hex(' ')})", expected="00 00 08 and a dimension count"
        )
    n_dims = raw[3]
    start = 4 + 4 * n_dims
    shape = struct.unpack(f">{n_dims}I", raw[4:start]) if len(raw) >= start else ()
    size = int(np.prod(shape, dtype=np.int64)) if shape else 0
    if not shape or len(raw) - start != size:
        raise BadFile(
            path, found=f"{max(0, len(raw) - start)} bytes of data", expected=f"{size} bytes for shape {shape}"
        )
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


def write_idx(path: Path, array: NDArray[np.uint8]) -> None:
    """Write gzip-compressed idx; the same array always gives the same bytes."""
    header = bytes([0, 0, _UNSIGNED_BYTE, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes(), compresslevel=9, mtime=0))
