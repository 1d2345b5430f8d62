"""3D U-Net: published size, loss and score by hand, the reference's crops and schedule, a whole run on tiny data."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")
pytest.importorskip("scipy")

from mlassay.core.clock import RealClock
from mlassay.core.errors import BadFile, UsageError
from mlassay.training.benchmark import Surroundings
from mlassay.training.catalogue import recipe
from mlassay.training.common.engine import count_parameters
from mlassay.training.loop import Status, train
from mlassay.training.unet3d import augment, brain
from mlassay.training.unet3d.data import EVAL_NUMBERS, LAYOUT, BrainBoxes, KitsFolder, case_files
from mlassay.training.unet3d.model import UNet3D
from mlassay.training.unet3d.recipe import reference, small
from mlassay.training.unet3d.train import dice_and_cross_entropy
from mlassay.training.unet3d.windows import fit
from tests.training.tiny import kits_like

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
pytestmark = pytest.mark.torch

TINY = {"data_format": "kits19", "widths": (4, 8), "patch": 8, "global_batch_size": 8, "padding": -2.2}


@pytest.fixture(scope="module")
def kits(tmp_path_factory):
    return kits_like(tmp_path_factory.mktemp("kits"))


def make(folder, seed=1, **changes):
    config = dataclasses.replace(small(), **(TINY | changes))
    return recipe("unet3d").make(config, "small", Surroundings(seed=seed, data=folder))


def ready(folder, **changes):
    benchmark = make(folder, **changes)
    benchmark.build()
    return benchmark, benchmark.load()


def test_the_reference_has_the_published_size():
    with torch.device("meta"):
        assert count_parameters(UNet3D(reference().widths, reference().n_classes)) == 31_190_243


@pytest.mark.slow
def test_reference_steps_on_format_true_data_lower_the_loss(tmp_path):
    """The whole network and recipe; volumes and crops of 64 voxels, where 128 would take minutes on a small machine."""
    config = dataclasses.replace(reference(), patch=64, warmup_epochs=0, learning_rate=0.02)
    folder = kits_like(tmp_path, size=64, only=1)
    benchmark = recipe("unet3d").make(config, "reference", Surroundings(seed=0, data=folder))
    benchmark.build()
    benchmark.load()
    losses = [benchmark.step().loss for _ in range(3)]
    assert losses[2] < losses[0]


def test_loss_by_hand():
    """Two voxels, three classes: p = (1/2, 1/4, 1/4) at both; the labels are 1 and 0."""
    scores = torch.tensor([2.0, 1.0, 1.0]).log()[None, :, None, None, None].expand(1, 3, 1, 1, 2)
    labels = torch.tensor([1, 0])[None, None, None].to(torch.uint8)
    of_class_1 = (2 * 0.25 + 1e-6) / (0.5 + 1 + 1e-6)
    of_class_2 = 1e-6 / (0.5 + 0 + 1e-6)
    soft_dice = 1 - (of_class_1 + of_class_2) / 2
    cross_entropy = -(math.log(0.25) + math.log(0.5)) / 2
    assert float(dice_and_cross_entropy(scores, labels)) == pytest.approx((soft_dice + cross_entropy) / 2, rel=1e-6)


def test_a_sure_and_right_answer_costs_nothing():
    labels = torch.arange(27).reshape(1, 3, 3, 3) % 3
    scores = 50.0 * torch.nn.functional.one_hot(labels, 3).movedim(-1, 1)
    assert float(dice_and_cross_entropy(scores, labels)) == pytest.approx(0, abs=1e-6)


def test_one_step_equals_nesterov_by_hand(kits):
    benchmark, _ = ready(kits)
    net, c = benchmark.net, benchmark.config
    before = {n: p.detach().clone() for n, p in net.named_parameters()}
    benchmark.step()
    for name, p in net.named_parameters():
        by_hand = before[name] - benchmark.learning_rate(0) * (p.grad + c.momentum * p.grad)
        torch.testing.assert_close(p.detach(), by_hand, rtol=1e-5, atol=1e-7)


def test_the_rate_climbs_epoch_by_epoch_and_falls_at_boundaries(kits):
    benchmark, schedule = ready(
        kits, learning_rate=0.8, initial_learning_rate=1e-4, warmup_epochs=200, decay_boundary_epochs=(300, 400),
        decay_factor=0.5,
    )  # fmt: skip
    n = schedule.steps_per_epoch
    rate = benchmark.learning_rate
    assert rate(0) == rate(n - 1) == pytest.approx(1e-4 + (0.8 - 1e-4) / 200)
    assert rate(n) == pytest.approx(1e-4 + (0.8 - 1e-4) / 100)
    assert rate(199 * n) == rate(200 * n) == rate(300 * n - 1) == pytest.approx(0.8)
    assert rate(300 * n) == pytest.approx(0.4)
    assert rate(400 * n) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("batch", "steps", "first", "every", "last"),
    [
        (2, 84, 1000, 20, 10_000),  # nothing is left over
        (32, 5, 1050, 21, 10_500),  # 160 of 168 samples an epoch
        (56, 3, 1000, 20, 10_000),
        (80, 2, 1050, 21, 10_500),
    ],
)
def test_evaluations_wait_for_the_samples_of_a_thousand_epochs(kits, batch, steps, first, every, last):
    """Training rules: CEILING(1000*168/samples per epoch), then every CEILING(20*168/samples per epoch)."""
    pace = {k: getattr(reference(), k) for k in ("first_eval_epoch", "eval_every_epochs", "max_epochs")}
    _, schedule = ready(kits, global_batch_size=batch, **pace)
    assert (schedule.train_samples, schedule.eval_samples, schedule.steps_per_epoch) == (168, 42, steps)
    assert schedule.next_evaluation(0) == first * steps
    assert schedule.next_evaluation(first * steps) == (first + every) * steps
    assert schedule.max_steps == last * steps


stretch = st.tuples(st.integers(0, 40), st.integers(1, 40)).map(lambda t: slice(t[0], t[0] + t[1]))


@given(st.tuples(stretch, stretch, stretch), st.integers(1, 24), st.integers(0, 2**32))
@settings(max_examples=200, deadline=None)
def test_a_crop_around_a_part_holds_it_or_lies_within(part, edge, seed):
    shape = [max(s.stop + 3, edge) for s in part]
    place = augment.crop(shape, edge, {1: [part]}, 1.0, np.random.default_rng(seed))
    for found, wanted, size in zip(place, part, shape, strict=True):
        assert found.stop - found.start == edge
        assert 0 <= found.start <= found.stop <= size
        if edge >= wanted.stop - wanted.start:
            assert found.start <= wanted.start
            assert wanted.stop <= found.stop
        else:
            assert wanted.start <= found.start
            assert found.stop <= wanted.stop


def test_two_of_five_crops_are_cut_around_marked_tissue():
    """A single marked voxel in a corner that a crop anywhere can hardly hold."""
    labels = np.zeros((60, 60, 60), np.uint8)
    labels[58, 58, 58] = 2
    parts = augment.largest_parts(labels)
    rng = np.random.default_rng(0)
    hits = sum(labels[augment.crop(labels.shape, 8, parts, 0.4, rng)].any() for _ in range(1000))
    assert hits / 1000 == pytest.approx(0.4, abs=0.05)


def test_the_two_largest_parts_of_each_class():
    labels = np.zeros((20, 20, 20), np.uint8)
    labels[0:2, 0:2, 0:2] = labels[5:9, 5:9, 5:9] = labels[12:15, 12:15, 12:15] = 1
    labels[18, 18, 18] = 2
    wide, middle, one = ((slice(a, b),) * 3 for a, b in ((5, 9), (12, 15), (18, 19)))
    assert augment.largest_parts(labels) == {1: [middle, wide], 2: [one]}
    assert augment.largest_parts(np.zeros((4, 4, 4), np.uint8)) == {}
    anywhere = augment.crop((9, 9, 9), 4, {}, 1.0, np.random.default_rng(0))  # nothing marked
    assert all(s.stop - s.start == 4 for s in anywhere)


def test_augmentation_is_the_references():
    image = np.random.default_rng(0).random((6, 7, 8), np.float32) + 1
    labels = (image > 1.5).astype(np.uint8)
    mirrored, ratios, noisy = np.zeros(3), [], 0
    for seed in range(3000):
        found, marks = augment.augmented(image, labels, np.random.default_rng(seed))
        axes = [a for a in range(3) if not np.array_equal(marks, np.flip(marks, a))]
        assert found.dtype == np.float32
        back = next(f for f in _mirrors() if np.array_equal(np.flip(marks, f), labels))
        mirrored[list(back)] += 1
        ratio = np.flip(found, back) / image
        noisy += bool(np.ptp(ratio) > 1e-4)
        ratios.append(float(np.median(ratio)))
        assert len(axes) == 3
    assert mirrored / 3000 == pytest.approx(1 / 3, abs=0.03)
    bright = [r for r in ratios if r > 1.5]
    assert len(bright) / 3000 == pytest.approx(0.1, abs=0.02)
    assert min(bright) > 1.65
    assert max(bright) < 2.35
    assert noisy / 3000 == pytest.approx(0.1, abs=0.02)


def _mirrors():
    return [tuple(a for a in range(3) if bits >> a & 1) for bits in range(8)]


@pytest.mark.parametrize(("size", "cut", "padded"), [(128, 128, 128), (150, 128, 128), (170, 170, 192), (130, 128, 128),
                                                     (100, 100, 128), (300, 300, 320), (65, 64, 128)])  # fmt: skip
def test_edges_are_cut_or_padded_to_the_grid(size, cut, padded):
    volume = np.arange(size**1 * 4, dtype=np.float32).reshape(size, 2, 2)
    how = fit((size, 128, 128), 128)
    whole = np.zeros((size, 128, 128), np.float32)
    whole[:, :2, :2] = volume
    assert how.cut(whole).shape[0] == cut
    fitted = how.apply(whole, -2.2)
    assert fitted.shape[0] == padded
    assert np.array_equal(how.unpad(fitted), how.cut(whole))
    if padded > cut:
        assert fitted[0, 0, 0] == np.float32(-2.2) or padded - cut == 1


class Oracle(torch.nn.Module):
    """Reads the class off the image: what is 0, 1 or 2 there is so marked; padding is taken for class 2."""

    def forward(self, volume):
        marks = torch.where(volume < 0, 2.0, volume)[:, 0].round().long()
        return torch.nn.functional.one_hot(marks, 3).movedim(-1, 1).float()


def test_each_volume_weighs_the_same_and_padding_is_not_judged(tmp_path):
    """Of 42 volumes of three sizes one is answered wrongly in class 1: 41 halves and what is left of one."""
    folder = kits_like(tmp_path, size=8)
    for k, number in enumerate(EVAL_NUMBERS):
        image, labels = case_files(folder, number)
        truth = np.random.default_rng(number).integers(0, 3, (1, 8, 9 + 2 * (k % 3), 11)).astype(np.uint8)
        np.save(labels, truth)
        np.save(image, np.where((truth == 1) & (number == 0), 0, truth).astype(np.float32))
    benchmark, _ = ready(folder)
    benchmark.model = Oracle()
    assert benchmark.evaluate()["mean_dice"] == pytest.approx((41 + 0.5) / 42, abs=1e-6)


def test_a_tiny_run_reaches_its_target(kits):
    benchmark = make(kits, target=0.8, max_epochs=8, first_eval_epoch=1, eval_every_epochs=1, warmup_epochs=1)
    outcome = train(benchmark, clock=RealClock(), emit=lambda e: None)
    assert outcome.status is Status.SUCCESS, outcome.reason


def test_the_cases_are_split_as_the_rules_have_it(kits):
    data = KitsFolder(kits, 8)
    assert (data.n_train, data.n_eval) == (168, 42)
    firsts = [np.load(case_files(kits, number)[0])[0, 0, 0, 0] for number in range(210)]
    trained = [data.train_volume(i)[0][0, 0, 0] for i in range(168)]
    judged = [data.eval_volume(i)[0][0, 0, 0] for i in range(42)]
    assert trained == [first for number, first in enumerate(firsts) if number not in EVAL_NUMBERS]
    assert judged == [firsts[number] for number in EVAL_NUMBERS]
    assert case_files(kits, 7)[1].name == "case_00007_y.npy"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda x, y: y.unlink(),
            r"is not usable: case_00007_y.npy is absent, not an array made by [^;]*; expected 210 cases",
        ),
        (lambda x, y: x.write_bytes(x.read_bytes()[:300]), "case_00007_x.npy is not readable"),
        (lambda x, y: x.write_bytes(b"hello"), "case_00007_x.npy is not readable"),
        (lambda x, y: np.save(x, np.zeros((1, 9, 9, 9))), r"case_00007_x.npy is float64 of shape \(1, 9, 9, 9\), not"),
        (
            lambda x, y: np.save(y, np.zeros((1, 8, 9, 9), np.uint8)),
            r"unequal shapes: \[\(1, 8, 9, 9\), \(1, 9, 9, 9\)\]",
        ),
        (lambda x, y: np.save(x, np.zeros((1, 9, 9, 7), np.float32)), r"edges from 8 on"),
    ],
)
def test_a_spoilt_case_is_named(tmp_path, spoil, message):
    folder = kits_like(tmp_path)
    benchmark = make(folder)
    spoil(*case_files(folder, 7))
    benchmark.build()
    with pytest.raises(BadFile, match=message):
        benchmark.load()


@pytest.mark.parametrize("folder", [None, "absent"])
def test_absent_data_are_named(tmp_path, folder):
    benchmark = make(tmp_path / folder if folder else None)
    benchmark.build()
    with pytest.raises(BadFile, match=r"is absent; expected a folder with case_00000_x\.npy"):
        benchmark.load()


def test_a_folder_that_would_not_be_read_is_refused(tmp_path):
    benchmark = make(tmp_path, data_format="brain")
    benchmark.build()
    with pytest.raises(UsageError, match=r"the packed brain is no folder: .* would not be read"):
        benchmark.load()


def test_a_batch_that_no_epoch_fills_is_refused():
    benchmark = make(None, data_format="brain", global_batch_size=19)
    benchmark.build()
    with pytest.raises(UsageError, match="18 samples do not fill one batch of 19"):
        benchmark.load()


def test_labels_beyond_the_classes_are_named(tmp_path):
    folder = kits_like(tmp_path)
    np.save(case_files(folder, 0)[1], np.full((1, 9, 9, 9), 5, np.uint8))
    benchmark, _ = ready(folder)
    with pytest.raises(BadFile, match=r"case_00000_y.npy is with labels up to 5; expected 0 to 2"):
        benchmark.evaluate()


def verified(folder, **changes):
    return recipe("unet3d").verify(folder, dataclasses.replace(small(), **(TINY | changes)))


def test_prepared_kits_is_verified(kits, tmp_path):
    report = verified(kits)
    assert report.complete, report.problems
    assert report.counts == {"training cases": 168, "evaluation cases": 42}
    assert report.notes == ("MD5 sums: not compared: there is no checksum.json here",)
    assert len(verified(kits, patch=128).problems) == 420
    absent = verified(tmp_path / "nowhere")
    assert [str(p) for p in absent.problems] == [f"{tmp_path / 'nowhere'} is absent; expected {LAYOUT}"]


def with_a_hole(x, y):
    image = np.load(x)
    image[0, 1, 2, 3] = np.nan
    np.save(x, image)


@pytest.mark.parametrize(
    ("spoil", "wanted"),
    [
        (
            lambda x, y: y.unlink(),
            "case_00007_y.npy is absent; expected an array made by the reference's preprocessing",
        ),
        (with_a_hole, "case_00007_x.npy is not finite somewhere; expected numbers"),
        (
            lambda x, y: np.save(y, np.full((1, 9, 9, 9), 3, np.uint8)),
            "case_00007_y.npy is with labels up to 3; expected",
        ),
        (
            lambda x, y: np.save(y, np.zeros((1, 8, 9, 9), np.uint8)),
            "case_00007 is of unequal shapes: [(1, 8, 9, 9), (1",
        ),
        (
            lambda x, y: (x.parent / "checksum.json").write_text("[]"),
            "checksum.json is of another form; expected an ob",
        ),
        (lambda x, y: (x.parent / "checksum.json").write_text("{"), "checksum.json is not readable as JSON"),
        (
            lambda x, y: (x.parent / "checksum.json").write_text(json.dumps({x.name: "0" * 32, "other": "1"})),
            "case_00007_x.npy is of MD5 ",
        ),
    ],
)
def test_what_prepared_kits_lacks_is_found(tmp_path, spoil, wanted):
    spoil(*case_files(kits_like(tmp_path), 7))
    report = verified(tmp_path)
    (problem,) = report.problems
    assert str(problem).startswith(wanted)
    assert sum(report.counts.values()) == 210 - ("absent" in wanted)


def test_the_references_checksums_are_compared(tmp_path):
    folder = kits_like(tmp_path)
    sums = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in folder.glob("*.npy")}
    (folder / "checksum.json").write_text(json.dumps(sums))
    report = verified(folder)
    assert report.complete, report.problems
    assert report.notes == ("MD5 sums: compared with the reference's checksum.json",)


def test_the_brain_is_split_with_a_gap():
    data = BrainBoxes()
    assert (data.n_train, data.n_eval) == (18, 4)
    assert len({data.eval_volume(i)[0].shape for i in range(4)}) == 4
    shared = np.zeros((72, 90, 72), int)
    for place in brain.train_places():
        shared[place] |= 1
    for place in brain.eval_places():
        shared[place] += 2
    along = [set(np.unique(shared[:, y])) for y in range(90)]
    assert along[:26] == [{1}] * 26
    assert along[26:30] == along[62:66] == [{0}] * 4
    assert along[30:62] == [{2}] * 32  # every voxel once
    assert along[66:] == [{1}] * 24
    for volume in (data.train_volume(0), data.eval_volume(0)):
        assert volume[0].shape == volume[1].shape
        assert set(np.unique(volume[1])) == {0, 1, 2}


def test_nothing_of_the_brain_is_cut_or_padded():
    data = BrainBoxes()
    for i in range(data.n_eval):
        shape = data.eval_volume(i)[0].shape
        assert fit(shape, small().patch).apply(np.zeros(shape), 1.0).shape == shape


def test_the_card_is_of_the_packed_brain():
    card = (brain.PACKED.parent / "README.md").read_text(encoding="utf-8")
    assert hashlib.sha256(brain.PACKED.read_bytes()).hexdigest() in card
