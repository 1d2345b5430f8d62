"""SSD: default boxes, loss and matching against formulas, COCO's format, a step by hand, a run on tiny data."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

pytest.importorskip("torch")

from mlassay.core.errors import BadFile
from mlassay.training.benchmark import Schedule, Surroundings
from mlassay.training.catalogue import recipe
from mlassay.training.common import coco, coco_verify
from mlassay.training.common.backbone import own_name
from mlassay.training.common.engine import count_parameters
from mlassay.training.common.scenes import Scenes
from mlassay.training.maskrcnn.model import MaskRCNN
from mlassay.training.ssd.augment import augmented, jittered, random_crop, turned
from mlassay.training.ssd.model import SSD, default_boxes, map_sides, matched, multibox_loss
from mlassay.training.ssd.recipe import reference, small
from mlassay.training.ssd.train import detections
from tests.training.tiny import fashion_like
from tests.training.tiny_coco import by_torchvisions_names, coco_like

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
pytestmark = pytest.mark.torch


def test_the_reference_has_the_published_shape():
    c = reference()
    assert map_sides(c) == (38, 19, 10, 5, 3, 1)
    assert default_boxes(c, map_sides(c)).shape == (8732, 4)
    with torch.device("meta"):
        net = SSD(c)
        codes, scores = net(torch.zeros(1, 3, 300, 300))
    assert codes.shape == (1, 8732, 4)
    assert scores.shape == (1, 8732, 81)
    # Counted from the shapes by hand: ResNet-34 to its third stage, five pairs of convolutions, twelve heads.
    blocks = 3 * 2 * 64 * 64 * 9 + 64 * 128 * 9 + 7 * 128 * 128 * 9 + 64 * 128
    blocks += 128 * 256 * 9 + 11 * 256 * 256 * 9 + 128 * 256
    norms = 2 * (64 * 7 + 128 * 9 + 256 * 13)
    extras = sum(
        (a * m + m) + (m * o * 9 + o)
        for a, m, o in ((256, 256, 512), (512, 256, 512), (512, 128, 256), (256, 128, 256), (256, 128, 256))
    )
    heads = sum(n * 85 * (w * 9 + 1) for w, n in zip((256, 512, 512, 256, 256, 256), (4, 6, 6, 6, 4, 4), strict=True))
    assert count_parameters(net) == 64 * 3 * 49 + blocks + norms + extras + heads == 19_972_534


def test_default_boxes_of_the_first_cell():
    first = default_boxes(reference(), map_sides(reference()))[:4] * 300
    centre, sizes = (first[:, :2] + first[:, 2:]) / 2, first[:, 2:] - first[:, :2]
    assert centre.flatten().tolist() == pytest.approx([4.0] * 8, abs=1e-4)
    root = 2**0.5
    wanted = [(21, 21), ((21 * 45) ** 0.5,) * 2, (21 * root, 21 / root), (21 / root, 21 * root)]
    torch.testing.assert_close(sizes, torch.tensor(wanted), rtol=1e-5, atol=1e-4)


def test_every_object_gets_a_default_box_and_close_ones_more():
    anchors = torch.tensor([[0.0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1], [0.0, 0, 0.45, 0.5], [0.9, 0.9, 1, 1]])
    objects = torch.tensor([[0.0, 0, 0.5, 0.5], [0.6, 0.6, 0.7, 0.7]])
    codes, labels = matched(objects, torch.tensor([3, 5]), anchors)
    assert labels.tolist() == [3, 5, 3, 0]  # the second overlaps by 0.04 only, but is the small object's best
    assert codes[0].tolist() == [0, 0, 0, 0]
    assert matched(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), anchors)[1].tolist() == [0] * 4


def test_the_loss_equals_a_loop():
    rng = torch.Generator().manual_seed(3)
    codes, scores, wanted = (torch.randn(2, 20, k, generator=rng) for k in (4, 5, 4))
    labels = torch.zeros(2, 20, dtype=torch.int64)
    labels[0, [3, 7]] = torch.tensor([2, 4])  # the second picture has no object and counts as 0
    entropy = -scores[0].log_softmax(1).gather(1, labels[0][:, None])[:, 0]
    negatives = sorted((e.item() for n, e in enumerate(entropy) if labels[0, n] == 0), reverse=True)[:6]
    place = 0.0
    for n in (3, 7):
        for d in (codes[0, n] - wanted[0, n]).abs().tolist():
            place += 0.5 * d * d if d < 1 else d - 0.5
    by_hand = (place + entropy[3].item() + entropy[7].item() + sum(negatives)) / 2 / 2
    assert multibox_loss(codes, scores, wanted, labels).item() == pytest.approx(by_hand, rel=1e-5)


def test_detections_are_suppressed_by_class_and_unlikely_ones_left_out():
    boxes = torch.tensor([[0.0, 0, 0.5, 0.5], [0.0, 0, 0.5, 0.52], [0.6, 0.6, 1, 1], [0.6, 0.0, 1, 0.4]])
    scores = torch.tensor([[0.1, 0.8, 0.1], [0.3, 0.6, 0.1], [0.2, 0.1, 0.7], [0.97, 0.02, 0.01]])
    found = list(zip(*(x.tolist() for x in detections(boxes, scores)[1:]), strict=True))
    assert sorted((k, round(s, 2)) for k, s in found) == [(1, 0.1), (1, 0.8), (2, 0.1), (2, 0.7)]


@pytest.mark.parametrize("attempts", [1, 50])
def test_crops_keep_objects_by_their_centres(attempts):
    rng = np.random.default_rng(0)
    boxes = torch.tensor([[0.1, 0.1, 0.4, 0.5], [0.5, 0.3, 0.9, 0.8]])
    whole = 0
    for _ in range(200):
        crop, inside = random_crop(boxes, 400, 300, attempts, rng)
        w, h = (crop[2:] - crop[:2]).tolist()
        whole += (w, h) == (1.0, 1.0)
        assert inside.any()
        assert crop.min() >= 0
        assert crop.max() <= 1
        assert min(w, h) >= 0.3 - 1e-6
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        assert inside.tolist() == [bool(((c >= crop[:2]) & (c <= crop[2:])).all()) for c in centres]
    assert 20 < whole < 180


def test_hue_turns_like_the_colour_circle():
    import colorsys

    picture = torch.rand(3, 4, 5, generator=torch.Generator().manual_seed(2))
    for turn in (0.0, 0.05, -0.05, 1 / 3):
        found = turned(picture, turn)
        for y in range(4):
            for x in range(5):
                h, s, v = colorsys.rgb_to_hsv(*picture[:, y, x].tolist())
                wanted = colorsys.hsv_to_rgb((h + turn) % 1, s, v)
                assert found[:, y, x].tolist() == pytest.approx(wanted, abs=1e-5)
    jitter = jittered(picture, np.random.default_rng(1))
    assert not torch.equal(jitter, picture)
    assert jitter.min() >= 0
    assert jitter.max() <= 1


def test_augmented_boxes_follow_their_pixels():
    pixels = torch.zeros(3, 80, 120, dtype=torch.uint8)
    pixels[:, 20:60, 30:70] = 255
    box, kind = torch.tensor([[30.0, 20, 70, 60]]), torch.tensor([4])
    for seed in range(20):
        picture, shares, classes = augmented(pixels, box, kind, 60, 50, np.random.default_rng(seed))
        assert picture.shape == (3, 60, 60)
        assert classes.tolist() == [4]
        left, top, right, bottom = (shares[0] * 60).round().int().tolist()
        middle = picture[:, (top + bottom) // 2, (left + right) // 2]
        assert (middle > picture.amin((1, 2)) + 0.5).all()
        bright = (picture[0] > (picture[0].max() + picture[0].min()) / 2).nonzero()
        assert bright[:, 1].min().item() == pytest.approx(left, abs=2)
        assert bright[:, 0].max().item() + 1 == pytest.approx(bottom, abs=2)


def tiny(folder, **changes):
    size = {"n_train": 24, "n_eval": 8, "global_batch_size": 8, "base_width": 4, "extras": ((8, 8, 2, 1),) * 2}
    config = dataclasses.replace(small(), **(size | changes))
    return recipe("ssd").make(config, "small", Surroundings(seed=1, data=folder))


def ready(benchmark):
    benchmark.build()
    return benchmark.load()


def test_one_step_equals_sgd_by_hand(tmp_path):
    benchmark = tiny(fashion_like(tmp_path))
    ready(benchmark)
    before = {n: p.detach().clone() for n, p in benchmark.net.named_parameters()}
    benchmark.step()
    rate = benchmark.learning_rate(0)
    for name, p in benchmark.net.named_parameters():
        by_hand = before[name] - rate * (p.grad + benchmark.config.weight_decay * before[name])
        torch.testing.assert_close(p.detach(), by_hand, rtol=1e-5, atol=1e-7)


def test_cut_into_pieces_the_loss_stays_nearly(tmp_path):
    """Batch norm sees smaller batches and augmentation draws in the same order, so it agrees but for the norm."""
    whole, cut = tiny(fashion_like(tmp_path)), tiny(tmp_path, gradient_accumulation_steps=2)
    assert ready(whole) == ready(cut)
    assert whole.step().loss == pytest.approx(cut.step().loss, rel=0.5)


def test_the_loss_falls_on_coco_files(tmp_path):
    """The reference's path over COCO's files, on a small net."""
    small_net = {
        "data_format": "coco", "n_classes": 3, "n_workers": 2, "global_batch_size": 3, "schedule": "steps",
        "warmup_steps": 1, "learning_rate": 0.05, "max_epochs": 40.0,
    }  # fmt: skip
    benchmark = tiny(coco_like(tmp_path / "coco"), **small_net)
    schedule = ready(benchmark)
    assert (schedule.train_samples, schedule.eval_samples) == (6, 4)  # the picture without objects is dropped
    losses = [benchmark.step().loss for _ in range(40)]
    assert np.mean(losses[-6:]) < 0.7 * np.mean(losses[:3])
    assert 0 <= benchmark.evaluate()["mAP"] <= 1


@pytest.mark.slow
def test_the_reference_learns_on_coco_files(tmp_path):
    config = dataclasses.replace(reference(), backbone="none", global_batch_size=2, warmup_steps=0, learning_rate=8e-3)
    benchmark = recipe("ssd").make(config, "reference", Surroundings(seed=1, data=coco_like(tmp_path / "coco", 2)))
    ready(benchmark)
    losses = [benchmark.step().loss for _ in range(6)]
    assert losses[-1] < losses[0]


def test_the_reference_evaluates_at_the_rounds_epochs():
    benchmark = recipe("ssd").make(reference(), "reference", Surroundings(seed=1))
    steps = benchmark.evaluation_steps(100)
    assert steps == (4000, 5000, 5500, 6000, 6500, 7000, 7500, 8000)
    schedule = Schedule(
        train_samples=1, eval_samples=1, steps_per_epoch=100, max_steps=6000, eval_every_steps=1, eval_at_steps=steps
    )
    assert [schedule.next_evaluation(s) for s in (0, 3999, 4000, 5000, 5500)] == [4000, 4000, 5000, 5500, 6000]


@pytest.mark.parametrize("counted", [True, False])
def test_weights_of_the_backbone_are_taken_by_torchvisions_names(tmp_path, counted):
    """With batch norm's count of batches, and without, as torchvision's own files are."""
    donor = SSD(dataclasses.replace(small(), base_width=4, extras=((8, 8, 2, 1),) * 2)).backbone
    theirs = {k: v for k, v in by_torchvisions_names(donor).items() if counted or "num_batches" not in k}
    fashion_like(tmp_path)
    torch.save({**theirs, "fc.weight": torch.zeros(3)}, tmp_path / "net.pth")
    benchmark = tiny(tmp_path, backbone="net.pth")
    benchmark.build()
    for name, tensor in benchmark.net.backbone.state_dict().items():
        assert torch.equal(tensor, donor.state_dict()[name]), name
    assert own_name("layer3.5.bn3.bias", {3: 7}) == "stages.12.body.7.bias"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: None, "is absent; expected the backbone's ImageNet weights"),
        (lambda p: p.write_bytes(b"PK torn"), "is not a readable state dictionary; expected a file written by"),
        (lambda p: torch.save([1], p), "is a list; expected a dictionary of tensors"),
        (
            lambda p: torch.save({"conv1.weight": torch.zeros(2)}, p),
            r"stem.0.weight is of shape \(2,\); expected shape",
        ),
    ],
)
def test_weights_that_do_not_fit_are_named(tmp_path, make, message):
    make(tmp_path / "net.pth")
    with pytest.raises(BadFile, match=message):
        tiny(tmp_path, backbone="net.pth").build()


def spoil_json(part, change):
    def spoil(folder):
        path = folder / "annotations" / f"instances_{part}.json"
        found = json.loads(path.read_text())
        change(found)
        path.write_text(json.dumps(found))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "annotations/instances_val2017.json").unlink(), "is absent; expected COCO's annotations"),
        (lambda f: (f / "annotations/instances_val2017.json").write_text("{"), "is not readable as JSON"),
        (lambda f: (f / "annotations/instances_val2017.json").write_text("[]"), "is a JSON list; expected an object"),
        (spoil_json("train2017", lambda d: d.pop("images")), "images is absent or empty; expected a list"),
        (spoil_json("train2017", lambda d: d["annotations"][1].pop("bbox")), r"annotations\[1\] is without bbox"),
        (
            spoil_json("train2017", lambda d: d["annotations"][1].update(bbox=[1, 2])),
            r"annotations\[1\] is a box \[1, 2\]",
        ),
        (
            spoil_json("train2017", lambda d: d["images"][0].update(file_name="../x.jpg")),
            r"images\[0\] is a file named '../x.jpg'",
        ),
        (
            spoil_json("train2017", lambda d: d["images"][0].update(height="5")),
            r"\[0\] is of id 1 and size \(\d+, '5'\)",
        ),
        (
            spoil_json("train2017", lambda d: d["annotations"][0].update(image_id=None)),
            "is of picture None and category",
        ),
        (spoil_json("train2017", lambda d: d["annotations"][0].update(segmentation=[[1, 2, 3]])), "is an outline that"),
        (
            spoil_json("val2017", lambda d: d["categories"][1].update(id="7")),
            r"categories\[1\] is of id '7'; expected a",
        ),
        (spoil_json("train2017", lambda d: d["images"][0].update(width=5)), "expected 5x"),
        (lambda f: (f / "train2017/000000000000.jpg").write_bytes(b"\xff\xd8 torn"), "expected a complete JPEG"),
    ],
)
def test_spoilt_coco_files_are_named(tmp_path, spoil, message):
    folder = coco_like(tmp_path / "coco")
    spoil(folder)
    with pytest.raises(BadFile, match=message):
        coco.CocoFolder(folder, crowds=False, masks=False).train(0)


TINY_COCO = {
    "training pictures": 7,
    "training pictures with boxes": 6,
    "evaluation pictures": 4,
    "evaluation boxes": 4,
    "categories": 2,
}


def tiny_start(name, folder):
    """COCO's files and a backbone's, and a configuration that they fit."""
    config = dataclasses.replace(recipe(name).profiles["small"](), data_format="coco", backbone="net.pth", base_width=4)
    net = SSD(config) if name == "ssd" else MaskRCNN(config)
    torch.save(by_torchvisions_names(net.backbone), coco_like(folder) / "net.pth")
    return config


@pytest.mark.parametrize("name", ["ssd", "maskrcnn"])
def test_coco_and_the_backbone_are_verified(tmp_path, monkeypatch, name):
    folder, check = tmp_path / "coco", recipe(name).verify
    config = tiny_start(name, folder)
    assert [p.found.partition(" ")[2] for p in check(folder, config).problems] == list(coco_verify.PUBLISHED)
    monkeypatch.setattr(coco_verify, "PUBLISHED", TINY_COCO)
    report = check(folder, config)
    assert report.complete, report.problems
    assert report.counts == TINY_COCO | {"evaluation pictures with boxes": 3, "training boxes": 7}
    (folder / "net.pth").unlink()
    assert check(folder, dataclasses.replace(config, backbone="none")).complete
    wanted = "net.pth is absent; expected the backbone's ImageNet weights, a state dictionary with torchvision's names"
    assert [str(p) for p in check(folder, config).problems] == [wanted]


@pytest.mark.parametrize(
    ("spoil", "wanted"),
    [
        (lambda f: (f / "val2017/000000000001.jpg").unlink(), "val2017/000000000001.jpg is absent; expected a picture"),
        (
            lambda f: (f / "train2017/000000000002.jpg").write_bytes(b""),
            "train2017/000000000002.jpg is unreadable (can",
        ),
        (spoil_json("val2017", lambda d: d["images"].pop()), "coco is 3 evaluation pictures; expected 4"),
        (spoil_json("val2017", lambda d: d["categories"][0].update(id=8)), "of other categories than the evaluation"),
        (
            spoil_json("train2017", lambda d: d["images"][0].update(file_name="/etc/passwd")),
            "a file named '/etc/passwd'",
        ),
        (lambda f: (f / "annotations/instances_val2017.json").unlink(), "instances_val2017.json is absent; expected"),
        (lambda f: torch.save({"conv1.weight": torch.zeros(2)}, f / "net.pth"), "net.pth: stem.0.weight is of shape"),
    ],
)
def test_what_coco_lacks_is_found(tmp_path, monkeypatch, spoil, wanted):
    monkeypatch.setattr(coco_verify, "PUBLISHED", TINY_COCO)
    config = tiny_start("ssd", tmp_path / "coco")
    spoil(tmp_path / "coco")
    assert any(wanted in str(p) for p in recipe("ssd").verify(tmp_path / "coco", config).problems)


def test_cocos_folder_gives_boxes_classes_and_outlines(tmp_path):
    folder = coco_like(tmp_path / "coco")
    with_crowds = coco.CocoFolder(folder, crowds=True, masks=False)
    without = coco.CocoFolder(folder, crowds=False, masks=True)
    assert (without.n_train, without.n_eval, without.n_classes) == (6, 4, 3)
    assert len(with_crowds.train(0).boxes) == len(without.train(0).boxes) + 1
    picture = without.train(1)
    assert picture.classes.tolist() == [2]  # category 7 is the second
    assert without.category(2) == 7
    left, top, right, bottom = picture.boxes[0].int().tolist()
    assert picture.pixels[:, (top + bottom) // 2, (left + right) // 2].tolist() == pytest.approx([250, 180, 40], abs=12)
    assert picture.masks[0][0].tolist() == [[left, top], [right, top], [right, bottom], [left, bottom]]


def test_scenes_have_exact_boxes_and_masks_and_perfect_answers_score_1(tmp_path):
    pytest.importorskip("pycocotools")
    scenes = Scenes(fashion_like(tmp_path), 4, 6, 64)
    rows = []
    for n in range(6):
        picture = scenes.eval(n)
        for box, kind, mask in zip(picture.boxes.tolist(), picture.classes.tolist(), picture.masks, strict=True):
            ys, xs = mask.nonzero()
            assert box == [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
            rows.append(
                {
                    "image_id": picture.image_id, "category_id": kind, "score": 0.9,
                    "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]], "segmentation": coco.run_lengths(mask),
                }
            )  # fmt: skip
    truth = scenes.truth()
    assert coco.average_precision(truth, rows, "bbox") == pytest.approx(1.0)
    assert coco.average_precision(truth, rows, "segm") == pytest.approx(1.0)
    assert coco.average_precision(truth, rows[:1], "bbox") < 0.5
    assert coco.average_precision(truth, [], "bbox") == 0.0
    again = Scenes(tmp_path, 4, 6, 64)
    assert torch.equal(again.train(3).pixels, scenes.train(3).pixels)
