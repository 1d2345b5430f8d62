"""A window slides over the volume, its overlapping answers are weighed and added, the likeliest class wins.

All of it is timed: the rule book counts sliding-window inference as inference.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.core.model import Run
from mlassay.training.unet3d.windows import positions, weights


def infer(samples: Sequence[NDArray[np.float32]], run: Run, *, window: int, at_once: int = 1) -> Sequence[Any]:
    """Volumes (1, D, H, W) to labels (1, D, H, W), bytes. `at_once`: windows in one inference."""
    return [_one(sample, run, window, at_once) for sample in samples]


def encode(answer: Any) -> bytes:
    """The labels of a volume, one byte a voxel, row by row: what the reference harness logs."""
    return np.ascontiguousarray(answer, np.uint8).tobytes()


def _one(volume: NDArray[np.float32], run: Run, window: int, at_once: int) -> NDArray[np.uint8]:
    places = [tuple(slice(begin, begin + window) for begin in at) for at in positions(volume.shape[1:], window)]
    weight = weights(window)
    total: NDArray[np.float32] | None = None  # (classes, D, H, W)
    for begin in range(0, len(places), at_once):
        chosen = places[begin : begin + at_once]
        scores = run([np.stack([volume[(slice(None), *place)] for place in chosen])])[0]
        if total is None:
            total = np.zeros((scores.shape[1], *volume.shape[1:]), np.float32)
        for place, score in zip(chosen, scores, strict=True):
            total[(slice(None), *place)] += score * weight
    # every class was weighed alike, so that dividing by the sum of the weights would not change the largest
    assert total is not None, f"a volume of {volume.shape} is smaller than the window of {window}"
    return np.asarray(total.argmax(0), np.uint8)[None]
