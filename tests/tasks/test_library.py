from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlassay.core.errors import BadFile, MlassayError, UsageError
from mlassay.tasks.library import TensorLibrary


def library(n: int = 20, workers: int = 1) -> TensorLibrary:
    return TensorLibrary(
        "squares",
        total_count=n,
        performance_count=0,
        shape=(2,),
        prepare=lambda i: np.array([i, i * i], np.float32),
        workers=workers,
    )


def rows(indices: Sequence[int]) -> list[list[int]]:
    return [[i, i * i] for i in indices]


def test_neighbours_are_a_view_and_others_a_copy() -> None:
    samples = library()
    samples.load(range(20))
    assert samples.get([3]).base is samples.get([4]).base is not None
    assert np.shares_memory(samples.get([3, 4, 5]), samples.get([4]))
    assert not np.shares_memory(samples.get([3, 5]), samples.get([3]))
    assert samples.get([5, 3]).tolist() == rows([5, 3])


@settings(max_examples=50)
@given(st.lists(st.tuples(st.booleans(), st.lists(st.integers(0, 19), max_size=8)), max_size=8), st.data())
def test_loads_and_unloads_in_any_order_keep_each_sample_right(
    steps: list[tuple[bool, list[int]]], data: st.DataObject
) -> None:
    samples = library()
    there: set[int] = set()
    for is_load, indices in steps:
        if is_load:
            samples.load(indices)
            there |= set(indices)
        else:
            samples.unload(indices)
            there -= set(indices)
    if there:
        asked = data.draw(st.lists(st.sampled_from(sorted(there)), min_size=1, max_size=12))
        assert samples.get(asked).tolist() == rows(asked)
    for absent in set(range(20)) - there:
        with pytest.raises(UsageError, match=f"sample {absent} of squares is not loaded"):
            samples.get([absent])
        with pytest.raises(UsageError, match=f"sample {absent} of squares is not loaded"):
            samples.get([*sorted(there), absent])


def test_memory_is_given_back_when_nothing_is_loaded() -> None:
    samples = library()
    samples.load(range(20))
    samples.unload(range(20))
    assert samples._block.nbytes == 0


def test_threads_load_the_same() -> None:
    samples = library(workers=4)
    samples.load(range(20))
    assert samples.get(range(20)).tolist() == rows(range(20))


@pytest.mark.parametrize("workers", [1, 3])
def test_bad_files_are_reported_together(workers: int) -> None:
    def prepare(index: int) -> np.ndarray:
        if index % 2:
            raise BadFile(f"{index}.jpg", found="truncated", expected="a picture")
        return np.zeros(2, np.float32)

    samples = TensorLibrary("photos", total_count=30, performance_count=0, shape=(2,), prepare=prepare, workers=workers)
    with pytest.raises(MlassayError) as caught:
        samples.load(range(30))
    message = str(caught.value)
    assert message.startswith("photos: 15 of 30 samples cannot be read:\n    ")
    assert "1.jpg is truncated; expected a picture" in message or workers > 1
    assert "and 5 more" in message
    with pytest.raises(BadFile, match=r"3\.jpg is truncated; expected a picture"):
        samples.load([2, 3])
    samples.load([4])
    with pytest.raises(UsageError):
        samples.get([2])


def test_performance_count_is_bounded_by_the_data_set() -> None:
    samples = TensorLibrary("x", total_count=5, performance_count=1024, shape=(1,), prepare=lambda i: np.zeros(1))
    assert samples.performance_count == 5
