"""Reference detectors: published weights loaded into our own definitions, and their way to ONNX.

Needs torch; imported only when a model must be made. The networks stand in ssd_resnet34.py, ssd_mobilenet.py,
retinanet.py and, for the packed one, scene_ssd.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mlassay.core.errors import BadFile
from mlassay.tasks.checkpoint import Key, export_onnx, load_weights, read_checkpoint
from mlassay.tasks.object_detection import retinanet, ssd_mobilenet, ssd_resnet34
from mlassay.tasks.object_detection.scene_ssd import SceneSSD


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One reference network and how its published weights are named."""

    build: Callable[[], nn.Module]
    side: int
    outputs: tuple[str, ...]
    key_of: Key = str
    prepare: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict  # published state to the names of key_of


REFERENCES: Mapping[str, Reference] = {
    "ssd-resnet34": Reference(
        build=ssd_resnet34.SSDResNet34,
        side=1200,
        outputs=("boxes", "scores"),
        key_of=ssd_resnet34.published_key,
    ),
    "ssd-mobilenet": Reference(
        build=ssd_mobilenet.SSDMobileNetV1,
        side=300,
        outputs=("boxes", "scores"),
        key_of=ssd_mobilenet.published_key,
        prepare=ssd_mobilenet.unfolded,
    ),
    "retinanet": Reference(
        build=retinanet.RetinaNet,
        side=800,
        outputs=("boxes", "scores", "labels"),
        key_of=retinanet.published_key,
    ),
}


def reference_network(name: str, checkpoint: Path | None = None, *, seed: int = 0) -> nn.Module:
    """The network with the checkpoint's weights; with random ones (same seed, same weights) where none is given.

    A checkpoint is a state dictionary saved by torch, or for ssd-mobilenet an .npz of TensorFlow's variables by name.
    """
    reference = REFERENCES[name]
    torch.manual_seed(seed)
    network = reference.build().eval()
    if checkpoint is None:
        return network
    if checkpoint.suffix == ".npz" and name == "ssd-mobilenet":
        return load_weights(network, _tensorflow_arrays(checkpoint), ssd_mobilenet.tensorflow_key, checkpoint)
    return load_weights(network, reference.prepare(read_checkpoint(checkpoint)), reference.key_of, checkpoint)


def export(name: str, checkpoint: Path | None, path: Path) -> None:
    """The reference network as ONNX, input "image" (batch, 3, side, side)."""
    reference = REFERENCES[name]
    export_detector(reference_network(name, checkpoint), reference.side, reference.outputs, path)


def export_detector(network: nn.Module, side: int, outputs: tuple[str, ...], path: Path) -> None:
    export_onnx(network, (torch.zeros(1, 3, side, side),), path, inputs=("image",), outputs=outputs)


def export_scene(network: SceneSSD, path: Path) -> None:
    export_detector(network, SceneSSD.side, ("boxes", "scores"), path)


def _tensorflow_arrays(path: Path) -> dict[str, torch.Tensor]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: ssd_mobilenet.from_tensorflow(name, torch.from_numpy(arrays[name])) for name in arrays.files}
    except (OSError, ValueError) as error:
        raise BadFile(path, found=f"not readable ({error})", expected="an .npz of arrays by variable name") from error
