"""From a model's outputs to one class per picture, and the class as the accuracy log writes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.core.errors import SutFailure

BACKGROUND_CLASSES = 1001
"""TensorFlow's ImageNet models put a background class first: their class n is label n - 1."""


def finish(outputs: Sequence[NDArray[Any]]) -> Sequence[Any]:
    """The class of each picture of a batch. Knows logits, probabilities, and models that end in an arg-max.

    A model with several outputs (softmax and arg-max) is answered from its scores, since their count says whether
    there is a background class.
    """
    scores = outputs[0]
    if scores.ndim < 2:
        scores = next((o for o in outputs[1:] if o.ndim >= 2), scores)
    if scores.ndim < 2:
        return scores  # type: ignore[return-value]  # an array of classes is a sequence
    if scores.ndim > 2:
        scores = scores.reshape(len(scores), -1)
    classes: NDArray[np.int64] = scores.argmax(1)
    if scores.shape[1] == BACKGROUND_CLASSES:
        classes -= 1
    return classes  # type: ignore[return-value]


def finish_background_first(outputs: Sequence[NDArray[Any]]) -> Sequence[Any]:
    """For models whose class 0 is background and that do not show it by 1,001 scores: the arg-max of such a model."""
    classes = np.asarray(finish(outputs))
    scores = next((o for o in outputs if o.ndim >= 2), None)
    return classes if scores is not None and scores.shape[1] == BACKGROUND_CLASSES else classes - 1  # type: ignore[return-value]


def encode(answer: Any) -> bytes:
    """One class as a 32-bit float, little-endian: what the reference harness logs and its scoring script expects.

    The answer is a class, or scores of which the largest counts.
    """
    values = np.asarray(answer)
    if values.size == 0 or values.dtype.kind not in "iufb":
        raise SutFailure(
            f"an answer is {answer!r}; expected a class number or an array of scores",
            hint="return one answer per sample: an integer, or one score per class",
        )
    return np.float32(values.reshape(-1).argmax() if values.size > 1 else values.reshape(-1)[0]).tobytes()


def decode(data: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Classes from encoded answers of equal size, (n, 4) or (n, 8) bytes, little-endian.

    Eight bytes are int64. Four bytes are float32 (the reference's default) or int32: a small int32 read as a float is
    a denormal number and never a class, so each answer says itself which it is.
    """
    if data.shape[1] == 8:
        return np.ascontiguousarray(data).view("<i8").reshape(-1).astype(np.int64)
    raw = np.ascontiguousarray(data)
    floats, integers = raw.view("<f4").reshape(-1), raw.view("<i4").reshape(-1)
    is_float = np.isfinite(floats) & (np.abs(floats) >= 1) & (np.abs(floats) < 2**24) & (floats == np.trunc(floats))
    classes = integers.astype(np.int64)
    classes[is_float] = floats[is_float].astype(np.int64)
    return classes
