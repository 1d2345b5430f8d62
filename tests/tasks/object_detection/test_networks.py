"""The reference detectors have the published sizes and read published names. Needs the torch extra."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlassay.core.errors import BadFile
from mlassay.tasks.object_detection import anchors

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from mlassay.tasks.checkpoint import operation_count, parameter_count  # noqa: E402 - after the check for torch
from mlassay.tasks.object_detection import model, ssd_mobilenet  # noqa: E402
from mlassay.tasks.object_detection.scene_ssd import SceneSSD  # noqa: E402


@pytest.mark.parametrize(
    ("name", "parameters", "giga_operations"),
    [
        ("ssd-resnet34", 19_972_534, 432.83),  # published: 433 GOPS (36.3 M parameters, see the page of the task)
        ("ssd-mobilenet", 6_819_839, 2.4743),  # published: 2.47 GOPS, 6.91 M
        ("retinanet", 37_128_876, 402.42),
    ],
)
def test_published_sizes(name: str, parameters: int, giga_operations: float) -> None:
    network = model.REFERENCES[name].build()
    assert parameter_count(network) == parameters
    side = model.REFERENCES[name].side
    assert operation_count(network, (1, 3, side, side)) / 1e9 == pytest.approx(giga_operations, rel=1e-4)


def test_small_detector_is_the_packed_one() -> None:
    assert parameter_count(SceneSSD()) == 122_388
    boxes, scores = SceneSSD().eval()(torch.zeros(2, 3, 96, 96))
    assert boxes.shape == (2, 1080, 4)
    assert scores.sum(-1).detach().numpy() == pytest.approx(1, abs=1e-5)


def published(name: str) -> dict[str, torch.Tensor]:
    """A state as the public checkpoint names it: every value different from the initial ones."""
    reference = model.REFERENCES[name]
    network = reference.build()
    state = {reference.key_of(ours): value for ours, value in network.state_dict().items()}
    drawn = torch.Generator().manual_seed(1)
    return {
        key: torch.rand(value.shape, generator=drawn) * 0.1
        for key, value in state.items()
        if not key.endswith("num_batches_tracked")
    }


@pytest.mark.parametrize(
    ("name", "some"),
    [
        (
            "ssd-resnet34",
            ("model.layer1.0.weight", "model.layer1.4.0.conv1.weight", "model.layer1.5.0.downsample.0.weight",
             "model.layer2.0.5.bn2.running_var", "additional_blocks.4.2.bias", "loc.0.weight", "conf.5.bias"),
        ),
        (
            "retinanet",
            ("backbone.body.layer4.2.bn3.running_mean", "backbone.fpn.inner_blocks.2.weight",
             "backbone.fpn.extra_blocks.p7.bias", "head.classification_head.conv.6.weight",
             "head.classification_head.cls_logits.bias", "head.regression_head.bbox_reg.weight"),
        ),
    ],
)  # fmt: skip
def test_published_checkpoints_are_read(name: str, some: tuple[str, ...], tmp_path: Path) -> None:
    state = published(name)
    assert set(some) <= set(state)
    path = tmp_path / "weights.pth"
    torch.save({"model": state}, path)
    network = model.reference_network(name, path)
    mine = {model.REFERENCES[name].key_of(k): v for k, v in network.state_dict().items()}
    assert all(torch.equal(mine[key], value) for key, value in state.items())


def test_folded_mobilenet_checkpoint(tmp_path: Path) -> None:
    """The published file keeps a bias, or a scale and a bias, where batch normalisation was."""
    drawn = torch.Generator().manual_seed(2)
    state = {}
    for ours, value in model.REFERENCES["ssd-mobilenet"].build().state_dict().items():
        key, new = ssd_mobilenet.published_key(ours), torch.rand(value.shape, generator=drawn) * 0.1
        if key.endswith(("running_mean", "running_var", "num_batches_tracked")):
            continue
        if key.endswith("/BatchNorm.weight"):
            if "depthwise" in key:
                state[key.replace(".weight", ".scale")] = new
        else:
            state[key.replace("/BatchNorm.bias", ".bias") if key.startswith("extras.") else key] = new
    assert {"backbone.0.0/BatchNorm.bias", "backbone.1.depthwise/BatchNorm.scale", "extras.0.2.bias",
            "predictors.3.classification.weight"} <= set(state)  # fmt: skip
    path = tmp_path / "weights.pth"
    torch.save(state, path)
    network = model.reference_network("ssd-mobilenet", path)
    x = torch.rand(1, 3, 30, 30, generator=drawn)
    with torch.no_grad():
        found = network.stem(x)
        plain = torch.nn.functional.conv2d(
            torch.nn.functional.pad(x, (0, 1, 0, 1)), state["backbone.0.0.weight"], stride=2
        )
    wanted = (plain + state["backbone.0.0/BatchNorm.bias"][:, None, None]).clamp(0, 6)
    assert torch.allclose(found, wanted, atol=1e-6)


def test_tensorflow_variables_by_name(tmp_path: Path) -> None:
    network = model.REFERENCES["ssd-mobilenet"].build()
    arrays = {}
    for ours, value in network.state_dict().items():
        if not ours.endswith("num_batches_tracked"):
            name = ssd_mobilenet.tensorflow_key(ours)
            order = (2, 3, 0, 1) if name.endswith("depthwise_weights") else (2, 3, 1, 0)
            arrays[name] = (value.permute(order) if value.dim() == 4 else value).numpy() + 0.5
    wanted = {
        "FeatureExtractor/MobilenetV1/Conv2d_0/weights",
        "FeatureExtractor/MobilenetV1/Conv2d_1_depthwise/depthwise_weights",
        "FeatureExtractor/MobilenetV1/Conv2d_13_pointwise/BatchNorm/moving_variance",
        "FeatureExtractor/MobilenetV1/Conv2d_13_pointwise_1_Conv2d_2_1x1_256/weights",
        "FeatureExtractor/MobilenetV1/Conv2d_13_pointwise_2_Conv2d_5_3x3_s2_128/BatchNorm/beta",
        "BoxPredictor_0/BoxEncodingPredictor/weights", "BoxPredictor_5/ClassPredictor/biases",
    }  # fmt: skip
    assert wanted <= set(arrays)
    assert arrays["FeatureExtractor/MobilenetV1/Conv2d_1_depthwise/depthwise_weights"].shape == (3, 3, 32, 1)
    np.savez(tmp_path / "weights.npz", **arrays)
    loaded = model.reference_network("ssd-mobilenet", tmp_path / "weights.npz").state_dict()
    for name, value in network.state_dict().items():
        assert name.endswith("num_batches_tracked") or torch.equal(loaded[name], value + 0.5)


def test_foreign_checkpoints_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(BadFile, match="and with a left over; expected exactly the"):
        model.reference_network("ssd-resnet34", path)
    path.write_bytes(b"no weights")
    with pytest.raises(BadFile, match="is not a PyTorch file of weights"):
        model.reference_network("ssd-resnet34", path)
    state = published("retinanet")
    state["head.classification_head.cls_logits.weight"] = torch.zeros(9 * 91, 256, 3, 3)
    torch.save(state, path)
    with pytest.raises(
        BadFile, match=r"cls_logits.weight is of shape \(819, 256, 3, 3\); expected \(2376, 256, 3, 3\)"
    ):
        model.reference_network("retinanet", path)


def same_answers(name: str, path: Path) -> None:
    ort = pytest.importorskip("onnxruntime")
    model.export(name, None, path)
    side = model.REFERENCES[name].side
    image = np.random.default_rng(0).normal(size=(1, 3, side, side)).astype(np.float32)
    with torch.no_grad():
        wanted = model.reference_network(name)(torch.from_numpy(image))
    found = ort.InferenceSession(str(path)).run(list(model.REFERENCES[name].outputs), {"image": image})
    near = [np.abs(one - other.numpy()) <= 2e-4 for one, other in zip(found[:2], wanted[:2], strict=True)]
    assert near[1].all()  # scores
    # random weights give near ties, which RetinaNet's choice of the best may take in another order
    assert near[0].mean() > (0.99 if name == "retinanet" else 0.9999)


def test_exported_mobilenet_answers_the_same(tmp_path: Path) -> None:
    same_answers("ssd-mobilenet", tmp_path / "m.onnx")


@pytest.mark.slow
def test_exported_resnet34_answers_the_same(tmp_path: Path) -> None:
    same_answers("ssd-resnet34", tmp_path / "m.onnx")


@pytest.mark.slow
def test_exported_retinanet_answers_the_same(tmp_path: Path) -> None:
    same_answers("retinanet", tmp_path / "m.onnx")


@pytest.mark.parametrize(
    ("make", "count"),
    [(anchors.scene_anchors, 1080), (anchors.mobilenet_anchors, 1917), (anchors.resnet34_anchors, 15130),
     (anchors.retinanet_anchors, 120087)],
)  # fmt: skip
def test_default_boxes(make: object, count: int) -> None:
    found = make()  # type: ignore[operator]
    assert found.shape == (count, 4)
    assert (found[:, 2:] > 0).all()


def test_first_default_boxes_of_each_detector() -> None:
    assert anchors.resnet34_anchors()[0] == pytest.approx([0.01, 0.01, 0.07, 0.07])  # 84 of 1,200 pixels
    assert anchors.resnet34_anchors()[1] == pytest.approx([0.03, 0.01, 0.07, 0.07])  # the next is to its right
    assert anchors.mobilenet_anchors()[0] == pytest.approx([0.5 / 19, 0.5 / 19, 0.1, 0.1])
    assert anchors.mobilenet_anchors()[1] == pytest.approx([0.5 / 19, 0.5 / 19, 0.2 * 2**0.5, 0.2 / 2**0.5])
    assert anchors.mobilenet_anchors()[-1] == pytest.approx([0.5, 0.5, 0.95**0.5, 0.95**0.5])
    assert anchors.retinanet_anchors()[0] * 800 == pytest.approx([0, 0, 46, 22], abs=1e-3)  # torchvision rounds halves
    assert anchors.retinanet_grids() == (100, 50, 25, 13, 7)
