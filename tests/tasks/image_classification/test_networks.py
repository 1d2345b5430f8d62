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


def test_resnet50_has_the_published_size() -> None:
    from mlassay.tasks.checkpoint import operation_count, parameter_count
    from mlassay.tasks.image_classification.resnet50 import ResNet50

    with torch.device("meta"):
        network = ResNet50()
    assert parameter_count(network) == 25_557_032
    assert operation_count(network, (1, 3, 224, 224)) == 2 * 4_089_184_256


def test_resnet50_reads_torchvision_s_names() -> None:
    from mlassay.tasks.image_classification.resnet50 import ResNet50, published_key

    with torch.device("meta"):
        names = {published_key(name) for name in ResNet50().state_dict()}
    assert len(names) == 320
    assert {
        "conv1.weight",
        "bn1.running_var",
        "layer1.0.downsample.1.bias",
        "layer4.2.conv3.weight",
        "layer3.5.bn2.num_batches_tracked",
        "fc.bias",
    } <= names


@pytest.mark.slow
@pytest.mark.parametrize(("scenario", "words"), [("single-stream", {"queries": 3}), ("offline", {"samples": 4})])
def test_resnet50_at_full_size_runs(
    scenario: str, words: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With random weights, said loudly, and never in the closed division."""
    pytest.importorskip("onnxruntime")
    import mlassay
    from mlassay.core.errors import RuleViolation

    monkeypatch.setenv("MLASSAY_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    asked = {"profile": "resnet50", "model": "random", "backend_options": {"max_batch": 4, "intra_threads": 1}}
    results = mlassay.run("image-classification", scenario=scenario, duration="100ms", **asked, **words)  # type: ignore[arg-type]
    assert not results.outcome.faults
    assert "RANDOM WEIGHTS" in (results.path / "run.json").read_text(encoding="utf-8")
    with pytest.raises(RuleViolation, match="it can only be entered in open"):
        mlassay.run("image-classification", scenario="offline", round="v5.1", division="closed", **asked)  # type: ignore[arg-type]


def test_resnet50_from_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    from mlassay.tasks.image_classification import resnet50_files
    from mlassay.tasks.image_classification.resnet50 import ResNet50, published_key

    monkeypatch.setenv("MLASSAY_CACHE", str(tmp_path / "cache"))
    torch.manual_seed(1)
    network = ResNet50().eval()
    torch.save({published_key(k): v for k, v in network.state_dict().items()}, tmp_path / "resnet50.pth")
    spec = resnet50_files.converted(tmp_path / "resnet50.pth")
    from mlassay.backends.onnxruntime import OnnxRuntime

    backend = OnnxRuntime(spec, warmup=0, intra_threads=1)
    backend.ensure_loaded()
    pictures = np.random.default_rng(0).normal(size=(1, 3, 224, 224)).astype(np.float32)
    with torch.no_grad():
        wanted = network(torch.from_numpy(pictures)).numpy()
    assert np.abs(backend.infer([pictures])[0] - wanted).max() < 1e-4 * np.abs(wanted).max()
    torch.save({"fc.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(BadFile, match=r"other\.pth is without conv1\.weight"):
        resnet50_files.converted(tmp_path / "other.pth")
