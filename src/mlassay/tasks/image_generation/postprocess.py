"""Pictures as the accuracy log writes them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.core.errors import BadFile, SutFailure

SIDE = 1024
"""Height and width of the rule book's pictures (stable-diffusion-xl)."""


def encode(answer: Any) -> bytes:
    """Height × width × 3 bytes, red, green, blue: what the reference harness logs."""
    picture = np.asarray(answer)
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise SutFailure(
            f"an answer is {picture.dtype} of shape {picture.shape}; expected uint8 (height, width, 3)",
            hint="return pictures with values 0 to 255, channels last",
        )
    return np.ascontiguousarray(picture).tobytes()


def decode(index: int, data: bytes, side: int = SIDE) -> NDArray[np.uint8]:
    """The picture (side, side, 3) of one logged answer; BadFile when the size is another."""
    if len(data) != side * side * 3:
        raise BadFile(
            "accuracy log", key=f"qsl_idx {index}", found=f"{len(data):,} bytes", expected=f"{side} × {side} × 3 bytes"
        )
    return np.frombuffer(data, np.uint8).reshape(side, side, 3)
