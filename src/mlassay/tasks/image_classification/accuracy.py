"""Top-1 accuracy of a stream of logged answers, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from mlassay.core.errors import BadFile
from mlassay.tasks.image_classification.postprocess import decode
from mlassay.tasks.metrics import percent
from mlassay.tasks.task import AccuracyResult, Answers, QualityTarget

_CHUNK = 65_536


def score(answers: Answers, labels: NDArray[np.int64], target: QualityTarget | None) -> AccuracyResult:
    """Count right classes. Of several answers for one sample the first counts, as in the official script."""
    seen = np.zeros(len(labels), np.bool_)
    good = n = repeated = 0
    for indices, classes in _chunks(iter(answers), len(labels)):
        first = np.zeros(len(indices), np.bool_)
        first[np.unique(indices, return_index=True)[1]] = True
        first &= ~seen[indices]
        seen[indices] = True
        repeated += int((~first).sum())
        n += int(first.sum())
        good += int((classes[first] == labels[indices[first]]).sum())
    value = percent(good, n)
    return AccuracyResult(
        metric="accuracy",
        value=value,
        unit="%",
        n=n,
        expected_n=len(labels),
        official_line=f"accuracy={value:.3f}%, good={good}, total={n}",
        target=target,
        problems=_problems(n, len(labels)),
        details={"good": good, "repeated": repeated},
    )


def _chunks(
    answers: Iterator[tuple[int, bytes]], n_labels: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Sample indices and classes, checked, some ten thousand at a time; a chunk holds answers of one size."""
    while chunk := list(islice(answers, _CHUNK)):
        for size in sorted({len(data) for _, data in chunk}):
            if size not in (4, 8):
                index = next(i for i, data in chunk if len(data) == size)
                raise BadFile(
                    "accuracy log",
                    key=f"qsl_idx {index}",
                    found=f"{size} bytes",
                    expected="4 bytes (float32 or int32) or 8 bytes (int64): one class",
                )
            part = [(i, data) for i, data in chunk if len(data) == size]
            indices = np.fromiter((i for i, _ in part), np.int64, len(part))
            wrong = indices[(indices < 0) | (indices >= n_labels)]
            if len(wrong):
                raise BadFile(
                    "accuracy log",
                    key=f"qsl_idx {wrong[0]}",
                    found="not a sample of this data set",
                    expected=f"0 to {n_labels - 1}",
                    hint="score the log with the data set that the run used",
                )
            yield indices, decode(np.frombuffer(b"".join(data for _, data in part), np.uint8).reshape(-1, size))


def _problems(n: int, expected: int) -> tuple[str, ...]:
    return (f"{expected - n} of {expected} samples have no answer",) if n < expected else ()
