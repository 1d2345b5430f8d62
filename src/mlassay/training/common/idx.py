"""The IDX files of the MNIST family, plain or gzipped, checked to the byte."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mlassay.core.errors import BadFile

FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")  # Debian's dataset-fashion-mnist


def labelled_images(folder: Path, part: str) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Images (N, H, W) and labels (N,) of `part`, "train" or "t10k", plain or gzipped. Raises BadFile."""
    if not folder.is_dir():
        raise BadFile(
            folder,
            found="absent",
            expected="a folder with the four Fashion-MNIST files",
            hint="apt-get install dataset-fashion-mnist, or pass --data FOLDER",
        )
    images, labels = (read_idx(_with_or_without_gz(folder / f"{part}-{kind}-ubyte"))
                      for kind in ("images-idx3", "labels-idx1"))  # fmt: skip
    if len(images) != len(labels):
        raise BadFile(folder, key=part, found=f"{len(images)} images, {len(labels)} labels", expected="equal counts")
    return images, labels


def _with_or_without_gz(path: Path) -> Path:
    packed = path.with_name(path.name + ".gz")
    return packed if packed.exists() else path


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """An array of unsigned bytes. Raises BadFile when absent, torn, or of another type."""
    if not path.exists():
        raise BadFile(path, found="absent", expected="an IDX file of the data set")
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise BadFile(path, found=f"not readable as gzip ({error})", expected="a complete gzip file") from error
    if len(raw) < 4 or raw[:3] != b"\0\0\x08":
        raise BadFile(path, found=f"a file starting with {raw[:4]!r}", expected="an IDX file of unsigned bytes")
    n_dims = raw[3]
    shape = struct.unpack_from(f">{n_dims}I", raw, 4)
    wanted, found = int(np.prod(shape)), len(raw) - 4 - 4 * n_dims
    if wanted != found:
        raise BadFile(path, found=f"{found} bytes of data", expected=f"{wanted} for shape {tuple(shape)}")
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * n_dims).reshape(shape)
