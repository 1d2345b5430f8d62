"""The reference networks have the published sizes. Needs the torch extra."""

from __future__ import annotations

import hashlib
import json
import runpy
from pathlib import Path

import numpy as np
import pytest

from mlassay.core.errors import BadFile
from mlassay.core.query import Query
from tests.tasks.image_classification.pictures import idx

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from mlassay.tasks.image_classification import mobilenet, model  # noqa: E402 - after the check for torch
from mlassay.tasks.image_classification.efficientnet import PARAMETERS, EfficientNetLite0, published_key  # noqa: E402


def multiply_adds(network: torch.nn.Module, shape: tuple[int, ...]) -> int:
    """Counted while it runs: convolutions and fully connected layers."""
    total = 0

    def count(module: torch.nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal total
        weight = module.weight
        total += output[0].numel() * weight[0].numel()

    for part in network.modules():
        if isinstance(part, torch.nn.Conv2d | torch.nn.Linear):
            part.register_forward_hook(count)
    with torch.no_grad():
        network.eval()(torch.zeros(1, *shape))
    return total


def parameters(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def test_mobilenet_has_the_papers_size() -> None:
    network = mobilenet.MobileNetV1(mobilenet.IMAGENET)
    assert parameters(network) == 4_231_976  # "4.2 million"
    assert round(multiply_adds(network, (3, 224, 224)) / 1e6) == 569  # "569 million"


def test_small_mobilenet_is_the_packed_one() -> None:
    network = mobilenet.MobileNetV1(mobilenet.FASHION)
    assert parameters(network) == 90_890
    assert network(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


def test_efficientnet_has_the_published_size() -> None:
    network = EfficientNetLite0()
    assert parameters(network) == PARAMETERS  # "4.7 million"
    assert round(multiply_adds(network, (3, 224, 224)) / 1e6) == 385


def test_published_keys_are_all_different() -> None:
    ours = list(EfficientNetLite0().state_dict())
    assert len({published_key(key) for key in ours}) == len(ours)
    with pytest.raises(KeyError):
        published_key("tail.weight")


def test_checkpoint_round_trip_and_export(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from mlassay.backends.onnxruntime import OnnxRuntime

    torch.manual_seed(0)
    source = EfficientNetLite0().eval()
    torch.save({published_key(k): v for k, v in source.state_dict().items()}, tmp_path / "x.pth")
    loaded = model.load_checkpoint(EfficientNetLite0(), tmp_path / "x.pth", published_key)
    model.export_onnx(loaded, (3, 224, 224), tmp_path / "x.onnx")
    images = np.random.default_rng(0).normal(size=(2, 3, 224, 224)).astype(np.float32)
    with torch.no_grad():
        wanted = source(torch.from_numpy(images)).numpy()

    class Images:
        def get(self, indices: list[int]) -> np.ndarray:
            return images[indices]

    sut = OnnxRuntime(tmp_path / "x.onnx", warmup=0)
    sut.open(None, Images())  # type: ignore[arg-type]
    found = np.asarray(sut.issue(Query(0, [0, 1])))
    assert np.abs(found - wanted).max() < 1e-4 * max(1.0, float(np.abs(wanted).max()))


def test_another_checkpoint_is_refused(tmp_path: Path) -> None:
    torch.save({"_fc.weight": torch.zeros(2), "extra": torch.zeros(1)}, tmp_path / "x.pth")
    with pytest.raises(
        BadFile, match=r"x\.pth is without _conv_stem\.weight, .* and with extra left over; expected exactly"
    ):
        model.load_checkpoint(EfficientNetLite0(), tmp_path / "x.pth", published_key)


def test_training_script_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On random pictures: it learns nothing, but trains, exports, packs and writes the card."""
    pytest.importorskip("onnxruntime")
    random = np.random.default_rng(0)
    for part, n in (("train", 256), ("t10k", 2000)):
        idx(tmp_path / f"{part}-images-idx3-ubyte.gz", random.integers(0, 256, (n, 28, 28), np.uint8))
        idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", random.integers(0, 10, n).astype(np.uint8))
    script = Path(__file__).parents[3] / "scripts/train_fashion_mobilenet.py"
    out = tmp_path / "out"
    monkeypatch.setattr("sys.argv", [str(script), "--data", str(tmp_path), "--out", str(out), "--epochs", "1"])
    try:
        runpy.run_path(str(script), run_name="__main__")
    finally:
        torch.use_deterministic_algorithms(False)
    card = json.loads((out / "fashion-mobilenet.json").read_text(encoding="utf-8"))
    assert card["model_sha256"] == hashlib.sha256((out / "fashion-mobilenet.onnx").read_bytes()).hexdigest()
    assert card["model_sha256"] in (out / "README.md").read_text(encoding="utf-8")
    assert card["accuracy_percent_packed"] < 30
