from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlassay.core.errors import BadFile
from mlassay.tasks.recommendation.aggregation import (
    CRITEO_ROWS,
    TRACE_MD5,
    boundaries,
    read_trace,
    trace_md5,
    trace_text,
)


def test_samples_of_criteo_are_the_published_ones() -> None:
    """The trace that the reference publishes (Zenodo 3941795), drawn anew: the same bytes."""
    edges = boundaries(CRITEO_ROWS)
    assert len(edges) - 1 == 330_067
    assert trace_md5(edges) == TRACE_MD5
    first = "0, 200, 200\n200, 400, 200\n400, 600, 200\n600, 800, 200\n800, 1300, 500\n1300, 2000, 700\n"
    assert trace_text(edges[:7]) == first


@given(st.integers(1, 5000), st.sampled_from([1, 10, 100]), st.integers(0, 1000))
def test_every_row_is_in_one_sample(rows: int, unit: int, seed: int) -> None:
    edges = boundaries(rows, unit=unit, seed=seed)
    assert edges[0] == 0
    assert edges[-1] == rows
    sizes = np.diff(edges)
    assert (sizes > 0).all()
    assert sizes.max() <= 7 * unit
    assert (sizes[:-1] % unit == 0).all()


def test_trace_file_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "trace.txt"
    edges = boundaries(5000)
    path.write_text(trace_text(edges))
    assert read_trace(path, 5000).tolist() == edges.tolist()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0, 200\n", "line 1 is '0, 200'; expected \"begin, end, size\""),
        ("0, 200, 200\n300, 400, 100\n", "line 2 is '300, 400, 100'; expected a sample that begins at row 200"),
        ("0, 200, 100\n", "line 1 is '0, 200, 100'; expected a sample that begins at row 0"),
        ("0, 900, 900\n", "is a trace of 900 rows; expected at most the 800 of the data set"),
        ("", "is a trace of 0 rows"),
    ],
)
def test_bad_traces(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "trace.txt"
    path.write_text(text)
    with pytest.raises(BadFile) as caught:
        read_trace(path, 800)
    assert message in caught.value.message
