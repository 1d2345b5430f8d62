"""Pictures as the two scoring networks want them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.core.errors import MissingDependency

CLIP_SIDE = 224
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_DEVIATION = (0.26862954, 0.26130258, 0.27577711)
"""What CLIP's pictures were scaled with (Radford et al., arXiv:2103.00020, its published processor)."""

Picture = NDArray[np.uint8]


def for_clip(picture: Picture) -> NDArray[np.float32]:
    """(height, width, 3) -> (3, 224, 224): shorter side to 224 (bicubic), middle cut out, scaled."""
    try:
        from PIL import Image
    except ModuleNotFoundError as error:
        raise MissingDependency("pillow", extra="onnx", why="it resizes pictures for CLIP") from error
    image: Any = Image.fromarray(picture)
    factor = CLIP_SIDE / min(image.size)
    image = image.resize([round(side * factor) for side in image.size], Image.Resampling.BICUBIC)
    left, top = ((side - CLIP_SIDE) // 2 for side in image.size)
    pixels = np.asarray(image.crop((left, top, left + CLIP_SIDE, top + CLIP_SIDE)), np.float32) / 255
    scaled = (pixels - np.asarray(CLIP_MEAN, np.float32)) / np.asarray(CLIP_DEVIATION, np.float32)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1))


def for_inception(picture: Picture) -> NDArray[np.float32]:
    """(height, width, 3) -> (3, height, width), 0 to 1: networks for FID resize and scale by themselves."""
    return np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32) / np.float32(255)
