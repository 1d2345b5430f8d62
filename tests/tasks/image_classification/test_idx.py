from __future__ import annotations

import contextlib
import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from mlassay.core.errors import BadFile
from mlassay.tasks.image_classification.idx import read_idx, write_idx
from tests.tasks.image_classification.pictures import idx


@given(arrays(np.uint8, array_shapes(min_dims=1, max_dims=4, max_side=6)))
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, array: np.ndarray) -> None:
    path = tmp_path_factory.mktemp("idx") / "a.gz"
    write_idx(path, array)
    assert np.array_equal(read_idx(path), array)


@pytest.mark.parametrize("name", ["a-idx3-ubyte.gz", "a-idx3-ubyte"])
def test_reads_files_made_elsewhere(tmp_path: Path, name: str) -> None:
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    assert np.array_equal(read_idx(idx(tmp_path / name, array)), array)


def test_same_array_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        write_idx(tmp_path / name, np.ones((3, 3), np.uint8))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


GOOD = b"\0\0\x08\x01\0\0\0\x03abc"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not idx (begins with ); expected 00 00 08 and a dimension count"),
        (b"\x89PNG....", "is not idx (begins with 89 50 4e 47); expected 00 00 08 and a dimension count"),
        (GOOD[:-1], "is 2 bytes of data; expected 3 bytes for shape (3,)"),
        (GOOD + b"x", "is 4 bytes of data; expected 3 bytes for shape (3,)"),
        (GOOD[:6], "is 0 bytes of data; expected 0 bytes for shape ()"),
        (gzip.compress(GOOD)[:-9], "is damaged (Compressed file ended before the end-of-stream marker was reached)"),
        (gzip.compress(GOOD)[:-5] + b"\0\0\0\0\0", "is damaged (CRC check failed"),
    ],
    ids=["empty", "a picture", "short", "long", "header cut", "gzip cut", "gzip wrong"],
)
def test_a_bad_file_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "images"
    path.write_bytes(content)
    with pytest.raises(BadFile) as caught:
        read_idx(path)
    assert str(caught.value).startswith(f"{path} {message}")


@given(st.binary(max_size=40))
def test_no_bytes_crash_the_reader(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("idx") / "a"
    path.write_bytes(content)
    with contextlib.suppress(BadFile):
        read_idx(path)
