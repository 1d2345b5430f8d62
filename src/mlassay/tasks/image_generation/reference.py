"""Where this task meets backends: the networks that look at pictures run on ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from mlassay.backends.onnxruntime import OnnxRuntime
from mlassay.core.errors import BadFile
from mlassay.core.model import ModelSpec, TensorSpec
from mlassay.tasks.image_generation.accuracy import Features
from mlassay.tasks.image_generation.preprocess import Picture, for_clip, for_inception

AT_ONCE = 8
"""Pictures that are looked at together."""

Look = Callable[[Sequence[Picture]], Features]
"""Pictures of one size to features: (n, D)."""


def clip_eye(path: Path) -> Look:
    """CLIP's picture side as an ONNX file, one input (n, 3, 224, 224)."""
    return _eye(path, for_clip, side=224)


def inception_eye(path: Path, side: int) -> Look:
    """Inception-v3 for FID as an ONNX file, one input (n, 3, side, side) with values 0 to 1, or sides free."""
    return _eye(path, for_inception, side=side)


def _eye(path: Path, prepare: Callable[[Picture], Features], side: int) -> Look:
    wanted = ModelSpec(name=path.name, files={"onnx": path}, inputs=(TensorSpec("pictures", (None, 3, side, side)),))
    backend = OnnxRuntime(wanted, warmup=0, max_batch=AT_ONCE)
    backend.ensure_loaded()

    def look(pictures: Sequence[Picture]) -> Features:
        (found, *_) = backend.infer([np.stack([prepare(picture) for picture in pictures])])
        if found.ndim < 2 or len(found) != len(pictures):
            shape = f"first output of shape {found.shape} for {len(pictures)} pictures"
            raise BadFile(path, found=f"a network with a {shape}", expected="a row of features each")
        return np.asarray(found.reshape(len(found), -1), np.float64)

    return look
