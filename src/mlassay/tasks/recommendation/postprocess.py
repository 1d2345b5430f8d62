"""From a model's outputs to one probability per pair, and the answer as the accuracy log writes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.core.model import Run

PAIRS_AT_ONCE = 65_536
"""Most pairs in one inference; what is more is run in pieces."""


def infer(samples: Sequence[tuple[NDArray[Any], NDArray[Any]]], run: Run) -> Sequence[Any]:
    """All pairs of all samples of a batch in one inference, then cut apart again. All of it is timed."""
    dense, ids = (parts[0] if len(parts) == 1 else np.concatenate(parts) for parts in zip(*samples, strict=True))
    pieces = [
        run((dense[begin : begin + PAIRS_AT_ONCE], ids[begin : begin + PAIRS_AT_ONCE]))[0].reshape(-1)
        for begin in range(0, len(dense), PAIRS_AT_ONCE)
    ]
    clicks = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
    if len(samples) == 1:
        return [clicks]
    return np.split(clicks, np.cumsum([len(sample[0]) for sample in samples[:-1]]))


def infer_int64(samples: Sequence[tuple[NDArray[Any], NDArray[Any]]], run: Run) -> Sequence[Any]:
    """The same for models that want 64-bit ids."""
    return infer(samples, lambda batch: run((batch[0], batch[1].astype(np.int64))))


def encode(answer: Any) -> bytes:
    """Probabilities alone, 32-bit floats: the form that the official script reads with --day-23-file."""
    return np.asarray(answer, "<f4").reshape(-1).tobytes()


def encode_with_truth(answer: Any, truth: NDArray[np.float32]) -> bytes:
    """Probability and true label of every pair in turn, 32-bit floats: the form of the reference harness.

    An answer of another length is logged without labels; the score then names it.
    """
    values = np.asarray(answer, "<f4").reshape(-1)
    if len(values) != len(truth):
        return values.tobytes()
    return np.stack([values, truth], 1).astype("<f4").tobytes()
