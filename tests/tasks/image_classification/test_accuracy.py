from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlassay.core.errors import BadFile, SutFailure
from mlassay.tasks.image_classification.accuracy import score
from mlassay.tasks.image_classification.postprocess import decode, encode, finish, finish_background_first
from mlassay.tasks.task import QualityTarget

LABELS = np.array([3, 0, 999, 3, 7], np.int64)
TARGET = QualityTarget(metric="accuracy", reference=76.46, factor=0.99)


def test_official_line_and_verdict() -> None:
    result = score(((i, encode(c)) for i, c in enumerate([3, 0, 999, 3, 6])), LABELS, TARGET)
    assert result.official_line == "accuracy=80.000%, good=4, total=5"
    assert result.passed is True
    result = score(((i, encode(c)) for i, c in enumerate([3, 0, 999, 2, 6])), LABELS, TARGET)
    assert result.official_line == "accuracy=60.000%, good=3, total=5"
    assert result.passed is False
    assert score(iter([]), LABELS, None).value == 0.0


def test_without_a_target_there_is_no_verdict() -> None:
    assert score(((i, encode(c)) for i, c in enumerate(LABELS)), LABELS, None).passed is None


def test_missing_answers_never_pass() -> None:
    result = score(((i, encode(LABELS[i])) for i in range(3)), LABELS, TARGET)
    assert result.value == 100.0
    assert result.problems == ("2 of 5 samples have no answer",)
    assert result.passed is False


def test_of_several_answers_the_first_counts() -> None:
    answers = [(i, encode(c)) for i, c in enumerate([3, 0, 999, 3, 6])]
    result = score([*answers, (4, encode(7)), (0, encode(1))], LABELS, TARGET)
    assert result.value == 80.0
    assert result.n == 5
    assert result.details["repeated"] == 2


@pytest.mark.parametrize("dtype", ["<f4", "<i4", "<i8"])
@given(classes=st.lists(st.integers(-1, 1001), min_size=1, max_size=50))
def test_each_official_type_is_told_by_itself(dtype: str, classes: list[int]) -> None:
    raw = np.array(classes, dtype).view(np.uint8).reshape(len(classes), -1)
    assert decode(raw).tolist() == classes


def test_mixed_types_in_one_log() -> None:
    answers = [
        (0, np.float32(3).tobytes()),
        (1, np.int64(0).tobytes()),
        (2, np.int32(999).tobytes()),
        (3, np.int64(3).tobytes()),
        (4, np.float32(7).tobytes()),
    ]
    assert score(answers, LABELS, None).value == 100.0


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            (0, b"abc"),
            "accuracy log: qsl_idx 0 is 3 bytes; expected 4 bytes (float32 or int32) or 8 bytes (int64): one class",
        ),
        ((2, b""), "accuracy log: qsl_idx 2 is 0 bytes; expected"),
        ((5, encode(1)), "accuracy log: qsl_idx 5 is not a sample of this data set; expected 0 to 4"),
        ((-1, encode(1)), "accuracy log: qsl_idx -1 is not a sample of this data set; expected 0 to 4"),
    ],
)
def test_a_log_of_something_else_is_refused(answer: tuple[int, bytes], message: str) -> None:
    with pytest.raises(BadFile) as caught:
        score([answer], LABELS, TARGET)
    assert str(caught.value).startswith(message)


def test_long_logs_take_bounded_memory() -> None:
    n = 300_000
    labels = np.arange(n, dtype=np.int64) % 1000
    encoded = [np.float32(c).tobytes() for c in range(1001)]

    def stream() -> Iterator[tuple[int, bytes]]:
        for index in range(n):
            yield index, encoded[index % 1000 + (index % 3 == 0)]

    tracemalloc.start()
    result = score(stream(), labels, None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result.n == n
    assert result.details["good"] == 200_000
    assert peak < 20e6  # a chunk; all answers at once would take 40 MB


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (7, 7),
        (np.int64(7), 7),
        (7.0, 7),
        (np.array([7]), 7),
        (np.array([0.1, 0.7, 0.2]), 1),
        ([0.1, 0.7, 0.2], 1),
        (np.zeros((1, 1, 4)) + np.array([0, 0, 0, 1]), 3),
    ],
    ids=str,
)
def test_classes_and_scores_are_encoded(answer: object, expected: int) -> None:
    assert encode(answer) == np.float32(expected).tobytes()


@pytest.mark.parametrize("answer", [None, "cat", [], {}], ids=str)
def test_other_answers_are_the_suts_fault(answer: object) -> None:
    with pytest.raises(SutFailure, match="expected a class number or an array of scores"):
        encode(answer)


def scores(n_classes: int, classes: list[int]) -> np.ndarray:
    return np.eye(n_classes, dtype=np.float32)[classes]


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ([scores(10, [3, 9])], [3, 9]),
        ([scores(1001, [4, 1000])], [3, 999]),
        ([np.array([4, 1000]), scores(1001, [4, 1000])], [3, 999]),  # arg-max first, softmax second
        ([np.array([4, 9])], [4, 9]),
        ([scores(1000, [4, 9]).reshape(2, 1000, 1, 1)], [4, 9]),
    ],
    ids=["logits", "background", "argmax and softmax", "argmax", "pooled"],
)
def test_finishing_a_batch(outputs: list[np.ndarray], expected: list[int]) -> None:
    assert list(finish(outputs)) == expected


def test_background_said_by_the_user() -> None:
    assert list(finish_background_first([np.array([4, 1000])])) == [3, 999]
    assert list(finish_background_first([scores(1001, [4, 1000])])) == [3, 999]
    assert list(finish_background_first([scores(11, [4, 10])])) == [3, 9]
