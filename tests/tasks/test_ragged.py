"""Samples of different lengths, samples of any kind, and streams of answers."""

from __future__ import annotations

import numpy as np
import pytest

from mlassay.core.errors import BadFile, UsageError
from mlassay.tasks.answers import FirstAnswers, numbers
from mlassay.tasks.item_library import ItemLibrary
from mlassay.tasks.ragged import PadAndRun, stacked


def test_shorter_ones_are_filled_with_zeros() -> None:
    assert stacked([np.array([1, 2]), np.array([3])]).tolist() == [[1, 2], [3, 0]]
    assert stacked([np.int64(1), np.int64(2)]).tolist() == [1, 2]
    whole = stacked([np.ones((1, 3), np.float32), np.ones((2, 2), np.float32)])
    assert whole.tolist() == [[[1, 1, 1], [0, 0, 0]], [[1, 1, 0], [1, 1, 0]]]
    assert whole.dtype == np.float32


def test_each_input_gets_its_batch() -> None:
    infer = PadAndRun(lambda outputs: [row.sum() for row in outputs[0]])
    samples = [(np.array([1, 2, 3]), np.int64(3)), (np.array([4]), np.int64(1))]
    assert infer(samples, lambda batch: [batch[0] * batch[1][:, None]]) == [18, 4]


def test_a_library_holds_what_was_loaded() -> None:
    made: list[int] = []

    def prepare(index: int) -> str:
        made.append(index)
        return f"sample {index}"

    library = ItemLibrary("texts", total_count=5, performance_count=0, prepare=prepare)
    assert library.performance_count == 5
    library.load([3, 1, 3])
    library.load([1])
    assert made == [3, 1]
    assert library.get([1, 3, 1]) == ["sample 1", "sample 3", "sample 1"]
    library.unload([1])
    with pytest.raises(UsageError, match="sample 1 of texts is not loaded"):
        library.get([3, 1])


def test_first_answers() -> None:
    stream = FirstAnswers([(1, b"a"), (0, b"b"), (1, b"c")], 3)
    assert list(stream) == [(1, b"a"), (0, b"b")]
    assert (stream.n, stream.repeated) == (2, 1)
    assert stream.problems == ("1 of 3 samples have no answer",)
    with pytest.raises(BadFile, match="qsl_idx 3 is not a sample of this data set; expected 0 to 2"):
        list(FirstAnswers([(3, b"")], 3))
    with pytest.raises(BadFile, match="qsl_idx 7 is 5 bytes; expected a multiple of 8 bytes: counts"):
        numbers(7, bytes(5), "<i8", "counts")
