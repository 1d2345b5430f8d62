"""The reference ResNet-50 as ONNX files in the cache: from a checkpoint, or with random weights, to see its speed."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mlassay.core.data_report import file_digest
from mlassay.core.errors import MissingDependency
from mlassay.core.fetch import cache_dir, make_once
from mlassay.core.model import ModelSpec, TensorSpec
from mlassay.tasks.image_classification import postprocess
from mlassay.tasks.image_classification.dataset import LabelledPictures

RANDOM = "RANDOM WEIGHTS: this ResNet-50 knows nothing; its speed is real, its accuracy says nothing"
SEED = 50
NOISE_PICTURES = 256


def random_weights() -> ModelSpec:
    """Full size, weights from a fixed seed."""
    path = make_once(cache_dir() / "models" / f"resnet50-random-{SEED}.onnx", partial(_export, None))
    return _spec(path, "resnet50 with random weights", {"origin": f"random weights, seed {SEED}", "trained": False})


def converted(checkpoint: Path) -> ModelSpec:
    """A state dictionary with torchvision's names."""
    digest = file_digest(checkpoint)
    path = make_once(cache_dir() / "models" / f"resnet50-{digest[:16]}.onnx", partial(_export, checkpoint))
    return _spec(path, checkpoint.name, {"origin": checkpoint.name, "checkpoint_sha256": digest})


def noise() -> LabelledPictures:
    """Pictures of noise with labels drawn by lot: something to feed, nothing to learn from."""
    draw = np.random.default_rng(SEED)
    return LabelledPictures(
        name=f"{NOISE_PICTURES} pictures of noise",
        labels=draw.integers(0, 1000, NOISE_PICTURES),
        read=lambda index: np.random.default_rng(index).integers(0, 256, (256, 256, 3), np.uint8),
        about={"origin": "drawn by lot", "pictures": NOISE_PICTURES},
    )


def _spec(path: Path, name: str, about: dict[str, Any]) -> ModelSpec:
    return ModelSpec(
        name=name,
        files={"onnx": path},
        inputs=(TensorSpec("image", (None, 3, 224, 224)),),
        outputs=(TensorSpec("logits", (None, 1000)),),
        finish=postprocess.finish,
        about=about,
    )


def _export(checkpoint: Path | None, path: Path) -> None:
    try:
        import torch

        from mlassay.tasks.image_classification.model import export_onnx
        from mlassay.tasks.image_classification.resnet50 import ResNet50, published_key
    except ModuleNotFoundError as error:
        raise MissingDependency(error.name or "torch", extra="torch", why="the network is made in PyTorch") from error
    from mlassay.tasks.checkpoint import load_checkpoint

    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        network: Any = ResNet50()
    export_onnx(load_checkpoint(network, checkpoint, published_key) if checkpoint else network, (3, 224, 224), path)
