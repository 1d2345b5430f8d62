"""Mask R-CNN: published size, targets and losses against formulas, masks there and back, COCO's files, tiny runs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("torch")

from mlassay.training.benchmark import Surroundings
from mlassay.training.catalogue import recipe
from mlassay.training.common.engine import count_parameters
from mlassay.training.common.roi_align import roi_align
from mlassay.training.maskrcnn import targets
from mlassay.training.maskrcnn.data import batched, prepared, resized_to
from mlassay.training.maskrcnn.masks import pasted, wanted_masks
from mlassay.training.maskrcnn.model import FrozenNorm, MaskRCNN, anchors_of
from mlassay.training.maskrcnn.recipe import reference, small
from tests.training.tiny import fashion_like
from tests.training.tiny_coco import coco_like

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
pytestmark = pytest.mark.torch

TINY = {
    "n_train": 16, "n_eval": 4, "global_batch_size": 4, "base_width": 4, "pyramid_width": 8, "n_rois": 8,
    "dense_width": 16, "mask_convolutions": 1,
}  # fmt: skip


def tiny(folder, seed=1, **changes):
    config = dataclasses.replace(small(), **(TINY | changes))
    return recipe("maskrcnn").make(config, "small", Surroundings(seed=seed, data=folder))


def ready(benchmark):
    benchmark.build()
    return benchmark.load()


def test_the_reference_has_the_published_size():
    with torch.device("meta"):
        net = MaskRCNN(reference())
    backbone = 25_557_032 - 2048 * 1000 - 1000 - 53_120  # ResNet-50 without its last layer; batch norm is constant
    pyramid = sum(w * 256 + 256 for w in (256, 512, 1024, 2048)) + 4 * (256 * 256 * 9 + 256)
    propose = 256 * 256 * 9 + 256 + 15 * 257
    box = 256 * 49 * 1024 + 1024 + 1024 * 1024 + 1024 + 81 * 5 * 1025
    mask = 4 * (256 * 256 * 9 + 256) + 256 * 256 * 4 + 256 + 81 * 257
    assert count_parameters(net) == backbone + pyramid + propose + box + mask == 44_347_573
    assert net.strides == [4, 8, 16, 32, 64]


def test_stem_and_first_stage_do_not_learn_and_strides_sit_in_the_first_1x1():
    with torch.device("meta"):
        net = MaskRCNN(reference())
    stuck = {n for n, p in net.named_parameters() if not p.requires_grad}
    assert {n.split(".")[1] + n.split(".")[2] for n in stuck} == {"stem0", "stages0", "stages1", "stages2"}
    assert net.backbone.stages[3].body[0].stride == (2, 2)
    assert net.backbone.stages[3].body[3].stride == (1, 1)


def test_a_frozen_norm_is_the_evaluated_batch_norm():
    norm, frozen = torch.nn.BatchNorm2d(3).eval(), FrozenNorm(3)
    for name in ("weight", "bias", "running_mean", "running_var"):
        getattr(norm, name).data.uniform_(0.5, 2)
        getattr(frozen, name).copy_(getattr(norm, name).data)
    x = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(frozen(x), norm(x))
    assert not list(frozen.parameters())


def test_anchors_have_equal_areas_around_the_middles_of_cells():
    (found,) = anchors_of([(2, 3)], [8], (32,))
    assert found.shape == (18, 4)
    sizes = found[:3, 2:] - found[:3, :2]
    assert sizes.prod(1).tolist() == pytest.approx([1024.0] * 3, rel=1e-4)
    assert (sizes[:, 1] / sizes[:, 0]).tolist() == pytest.approx([0.5, 1, 2], rel=1e-4)
    assert ((found[3, :2] + found[3, 2:]) / 2).tolist() == pytest.approx([12, 4], abs=1e-4)


def test_anchor_labels_follow_the_two_overlaps_and_the_best_of_each_object():
    objects = torch.tensor([[0.0, 0, 10, 10], [50, 50, 60, 60]])
    anchors = torch.tensor([[0.0, 0, 10, 9], [0, 0, 10, 5], [30, 30, 40, 40], [58, 58, 68, 68], [0, 0, 10, 10]])
    usable = torch.tensor([True, True, True, True, False])
    labels, which = targets.anchor_labels(anchors, objects, usable)
    # 0.9 is foreground; 0.5 is neither; nothing; 0.02, but the second object's best; over the rim.
    assert labels.tolist() == [1, -1, 0, 1, -1]
    assert which[[0, 3]].tolist() == [0, 1]
    assert targets.anchor_labels(anchors, objects[:0], usable)[0].tolist() == [0, 0, 0, 0, -1]


def test_samples_keep_their_share():
    positive = torch.arange(100) < 40
    found = targets.sampled(positive, ~positive, 32, 0.25, np.random.default_rng(0))
    assert len(found) == len(set(found.tolist())) == 32
    assert int(positive[found].sum()) == 8
    few = torch.arange(100) < 3
    assert int(few[targets.sampled(few, ~few, 32, 0.25, np.random.default_rng(0))].sum()) == 3


def test_proposal_loss_equals_a_loop():
    anchors = torch.tensor([[0.0, 0, 10, 10], [20, 20, 30, 30], [40, 40, 50, 50]])
    objects = torch.tensor([[1.0, 0, 11, 10]])
    scores, codes = torch.tensor([0.3, -0.2, 0.8]), torch.tensor([[0.5, 0.0, 0.1, 0.0], [1.0] * 4, [1.0] * 4])
    usable = torch.ones(3, dtype=torch.bool)
    found = targets.proposal_loss(scores, codes, anchors, objects, usable, 3, np.random.default_rng(0))
    entropy = (np.log1p(np.exp(-0.3)) + np.log1p(np.exp(-0.2)) + np.log1p(np.exp(0.8))) / 3
    place = (0.4 - 1 / 18) + 0.5 * 0.1**2 * 9  # shift 0.1 wanted, 0.5 said; scale 0 wanted, 0.1 said
    assert found.item() == pytest.approx(entropy + place / 3, rel=1e-5)


def test_region_and_mask_losses_look_at_the_true_class_only():
    regions = targets.Regions(
        torch.zeros(2, 4), torch.tensor([2, 0]), torch.tensor([[0.0, 3, 0, 0], [9.0] * 4]), torch.tensor([0, 0])
    )
    scores, codes = torch.zeros(2, 3), torch.zeros(2, 3, 4)
    codes[0, 1] = 99
    assert targets.region_loss(scores, codes, regions).item() == pytest.approx(np.log(3) + 2.5 / 2)
    masks = torch.full((1, 3, 28, 28), 50.0)
    masks[0, 2] = 0
    assert targets.mask_loss(masks, torch.tensor([2]), torch.ones(1, 28, 28)).item() == pytest.approx(np.log(2))
    assert targets.mask_loss(masks[:0], torch.zeros(0, dtype=torch.int64), torch.zeros(0, 28, 28)).item() == 0


def test_outlines_and_bitmaps_give_the_same_masks_and_pasting_undoes_it():
    pytest.importorskip("pycocotools")
    bitmap = np.zeros((60, 80), bool)
    bitmap[10:40, 20:50] = True
    outline = (np.array([[20.0, 10], [50, 10], [50, 40], [20, 40]]),)
    box = torch.tensor([[15.0, 5, 50, 45]])
    a, b = wanted_masks([bitmap], box), wanted_masks([outline], box)
    assert (a != b).float().mean() < 0.08  # they may differ along the edge
    back = pasted(b[0], box[0].tolist(), 60, 80)
    assert (back != bitmap).sum() < 0.1 * bitmap.sum()
    assert not pasted(b[0], [90.0, 90, 95, 95], 60, 80).any()
    assert wanted_masks([()], box).sum() == 0  # a crowd's run lengths are no outline


def test_pictures_are_resized_mirrored_and_padded(tmp_path):
    from mlassay.training.common.coco import CocoFolder

    assert resized_to(640, 480, 800, 1333) == (1067, 800)
    assert resized_to(2000, 500, 800, 1333) == (1333, 333)
    picture = CocoFolder(coco_like(tmp_path / "coco"), crowds=False, masks=True).train(0)
    plain, mirrored = (prepared(picture, 160, 300, m, False) for m in (False, True))
    width = plain.size[1]
    torch.testing.assert_close(mirrored.pixels, plain.pixels.flip(2))
    assert mirrored.boxes[0, 0].item() == pytest.approx(width - plain.boxes[0, 2].item(), abs=1e-3)
    assert mirrored.masks[0][0][:, 0].min() == pytest.approx(mirrored.boxes[0, 0].item(), abs=1e-3)
    left, top, right, bottom = plain.boxes[0].int().tolist()
    blue = plain.pixels[0, (top + bottom) // 2, (left + right) // 2].item()
    assert blue == pytest.approx(250 - 102.98, abs=12)  # the first picture's rectangle is (40, 180, 250)
    assert batched([plain, prepared(picture, 100, 300, False, False)]).shape[2] % 32 == 0


def test_each_region_is_looked_at_in_the_map_of_its_size():
    with torch.device("meta"):
        net = MaskRCNN(reference())
    sides = torch.tensor([20.0, 112, 224, 448, 2000])
    regions = torch.stack([torch.zeros(5), torch.zeros(5), sides, sides], 1)
    assert net._level(regions, 4).tolist() == [0, 1, 2, 3, 3]


def test_pooling_keeps_the_order_of_regions():
    net = MaskRCNN(dataclasses.replace(small(), **TINY))
    maps = [torch.randn(2, 8, s, s) for s in (16, 8, 4)]
    regions = [torch.tensor([[0.0, 0, 60, 60], [3, 3, 15, 17]]), torch.tensor([[8.0, 8, 24, 24]])]
    found = net.pooled(maps, regions, 7)
    torch.testing.assert_close(found[0], roi_align(maps[1][:1], [regions[0][:1]], 1 / 8, 7)[0])
    torch.testing.assert_close(found[1], roi_align(maps[0][:1], [regions[0][1:]], 1 / 4, 7)[0])
    torch.testing.assert_close(found[2], roi_align(maps[0][1:], [regions[1]], 1 / 4, 7)[0])


def test_one_step_equals_sgd_by_hand_biases_twice_as_fast(tmp_path):
    benchmark = tiny(fashion_like(tmp_path))
    ready(benchmark)
    before = {n: p.detach().clone() for n, p in benchmark.net.named_parameters()}
    benchmark.step()
    rate, decay = benchmark.learning_rate(0), benchmark.config.weight_decay
    for name, p in benchmark.net.named_parameters():
        bias = name.endswith("bias")
        by_hand = before[name] - rate * (2 if bias else 1) * (p.grad + (0 if bias else decay) * before[name])
        torch.testing.assert_close(p.detach(), by_hand, rtol=1e-5, atol=1e-7)


def test_the_loss_falls_on_coco_files(tmp_path):
    """The reference's path over COCO's files with frozen norm and bottlenecks, on a small net."""
    changes = {
        "data_format": "coco", "n_classes": 3, "n_workers": 2, "global_batch_size": 2, "schedule": "steps",
        "warmup_steps": 2, "learning_rate": 0.01, "block": "bottleneck", "norm": "frozen", "frozen_stages": 2,
        "min_image_size": 64, "max_image_size": 96, "clip_norm": 5.0,
    }  # fmt: skip
    benchmark = tiny(coco_like(tmp_path / "coco"), **changes)
    schedule = ready(benchmark)
    assert (schedule.train_samples, schedule.eval_samples) == (6, 4)
    losses = [benchmark.step().loss for _ in range(30)]
    assert np.mean(losses[-6:]) < 0.8 * np.mean(losses[:3])
    quality = benchmark.evaluate()
    assert set(quality) == {"bbox", "segm"}


@pytest.mark.slow
def test_the_reference_learns_on_coco_files(tmp_path):
    config = dataclasses.replace(
        reference(), backbone="none", global_batch_size=1, warmup_steps=0, learning_rate=1e-3, clip_norm=5.0,
        min_image_size=128, max_image_size=200,
    )  # fmt: skip
    data = coco_like(tmp_path / "coco", 1)
    benchmark = recipe("maskrcnn").make(config, "reference", Surroundings(seed=1, data=data))
    ready(benchmark)
    losses = [benchmark.step().loss for _ in range(5)]
    assert losses[-1] < losses[0]
