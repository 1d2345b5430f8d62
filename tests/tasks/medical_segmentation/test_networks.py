"""The reference U-Net has the published size and reads published names. Needs the torch extra."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlassay.core.errors import BadFile

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from mlassay.tasks.checkpoint import operation_count, parameter_count  # noqa: E402 - after the check for torch
from mlassay.tasks.medical_segmentation import model, reference  # noqa: E402
from mlassay.tasks.medical_segmentation.unet import BRAIN_WIDTHS, UNet3D, published_key  # noqa: E402


def test_published_size() -> None:
    with torch.device("meta"):
        network = UNet3D()
    assert parameter_count(network) == 31_190_243  # published
    assert operation_count(network, (1, 1, 128, 128, 128)) / 1e9 == pytest.approx(954.60, rel=1e-3)


def test_packed_network() -> None:
    network = UNet3D(BRAIN_WIDTHS)
    assert parameter_count(network) == 68_587
    assert network(torch.zeros(1, 1, 32, 32, 32)).shape == (1, 3, 32, 32, 32)


def test_published_checkpoint_is_read(tmp_path: Path) -> None:
    state = {published_key(ours): torch.rand_like(value) for ours, value in UNet3D().state_dict().items()}
    some = {"input_block.conv1.0.weight", "input_block.conv2.1.bias", "downsample.0.conv1.0.weight",
            "downsample.3.conv2.1.weight", "bottleneck.conv1.0.weight", "upsample.0.upsample_conv.0.weight",
            "upsample.4.upsample_conv.0.bias", "upsample.4.conv2.1.bias", "output.conv.0.weight"}  # fmt: skip
    assert some <= set(state)
    assert state["bottleneck.conv1.0.weight"].shape == (320, 320, 3, 3, 3)
    assert state["upsample.0.conv1.0.weight"].shape == (320, 640, 3, 3, 3)
    assert state["upsample.4.upsample_conv.0.weight"].shape == (64, 32, 2, 2, 2)
    path = tmp_path / "checkpoint.pth"
    torch.save({"best_model_state_dict": state, "epoch": 1}, path)
    loaded = model.reference_network(path).state_dict()
    assert all(torch.equal(state[published_key(ours)], value) for ours, value in loaded.items())
    del state["output.conv.0.bias"]
    torch.save(state, path)
    with pytest.raises(BadFile, match=r"is without output\.conv\.0\.bias"):
        model.reference_network(path)


def test_exported_network_answers_the_same(tmp_path: Path) -> None:
    """The reference network on a small window: its levels need 64 voxels an edge."""
    ort = pytest.importorskip("onnxruntime")
    model.export(None, tmp_path / "m.onnx", window=64)
    volume = np.random.default_rng(0).normal(size=(1, 1, 64, 64, 64)).astype(np.float32)
    found = ort.InferenceSession(str(tmp_path / "m.onnx")).run(None, {"volume": volume})[0]
    with torch.no_grad():
        wanted = model.reference_network()(torch.from_numpy(volume)).numpy()
    assert found == pytest.approx(wanted, abs=1e-3)
    spec = reference.model_of_file(tmp_path / "m.onnx", classes=3)
    (answer,) = spec.infer([volume[0, :, :, :, :]], lambda batch: [found[: len(batch[0])]])  # type: ignore[misc]
    assert np.array_equal(answer[0], found[0].argmax(0))
