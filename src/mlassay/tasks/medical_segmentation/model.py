"""The reference network: published weights loaded into our own definition, and its way to ONNX.

Needs torch; imported only when a model must be made.
"""

from __future__ import annotations

from pathlib import Path

import torch

from mlassay.tasks.checkpoint import export_onnx, load_checkpoint
from mlassay.tasks.medical_segmentation.unet import UNet3D, published_key
from mlassay.training.unet3d.scans import WINDOW


def reference_network(checkpoint: Path | None = None, *, seed: int = 0) -> UNet3D:
    """The network with the checkpoint's weights; with random ones (same seed, same weights) where none is given."""
    torch.manual_seed(seed)
    network = UNet3D()
    network.eval()
    if checkpoint is not None:
        load_checkpoint(network, checkpoint, published_key)
    return network


def export(checkpoint: Path | None, path: Path, *, window: int = WINDOW) -> None:
    """As ONNX: input "volume" (windows, 1, 128, 128, 128), output "scores" (windows, 3, 128, 128, 128)."""
    example = torch.zeros(1, 1, window, window, window)
    export_onnx(reference_network(checkpoint), (example,), path, inputs=("volume",), outputs=("scores",))
