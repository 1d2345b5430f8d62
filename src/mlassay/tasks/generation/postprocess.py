"""New tokens as the accuracy log writes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlassay.core.errors import SutFailure


def encode(answer: Any) -> bytes:
    """Token numbers without the prompt, 64-bit integers, little-endian: what the reference harnesses log."""
    values = np.asarray(answer)
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise SutFailure(
            f"an answer is {values.dtype} of shape {values.shape}; expected a row of token numbers",
            hint="return the new tokens of each sample as integers",
        )
    return values.astype("<i8").tobytes()
