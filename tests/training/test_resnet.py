"""ResNet: published size, one step equal to a hand computation, a whole run on tiny data."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("torch")

from mlassay.core.clock import RealClock
from mlassay.core.errors import BadFile
from mlassay.training.benchmark import Surroundings
from mlassay.training.catalogue import recipe
from mlassay.training.common.engine import count_parameters
from mlassay.training.loop import Status, train
from mlassay.training.resnet import verify as published
from mlassay.training.resnet.data import ImageFolder, crop_box
from mlassay.training.resnet.model import ResNet
from mlassay.training.resnet.recipe import small
from tests.training.tiny import fashion_like

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
pytestmark = pytest.mark.torch


def test_the_reference_has_the_published_size():
    with torch.device("meta"):
        assert count_parameters(ResNet()) == 25_557_032  # 25.557 M with 1000 classes


def test_v15_strides_in_the_3x3_convolution():
    with torch.device("meta"):
        net = ResNet()
    strided = [(m.kernel_size, m.stride) for m in net.stages.modules() if getattr(m, "stride", None) == (2, 2)]
    assert strided.count(((3, 3), (2, 2))) == 3
    assert strided.count(((1, 1), (2, 2))) == 3  # the projections


@pytest.mark.slow
def test_a_reference_step_on_imagenet_like_input_lowers_the_loss():
    torch.manual_seed(0)
    net = ResNet()
    images, labels = torch.randn(2, 3, 224, 224), torch.tensor([1, 7])
    optimizer = torch.optim.SGD(net.parameters(), 0.01)
    losses = []
    for _ in range(3):
        loss = torch.nn.functional.cross_entropy(net(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def make(folder, **changes):
    config = dataclasses.replace(small(), global_batch_size=32, base_width=8, **changes)
    return recipe("resnet").make(config, "small", Surroundings(seed=1, data=folder))


def test_one_step_equals_sgd_by_hand(tmp_path):
    benchmark = make(fashion_like(tmp_path))
    benchmark.build()
    benchmark.load()
    net, c = benchmark.net, benchmark.config
    before = {n: p.detach().clone() for n, p in net.named_parameters()}
    benchmark.step()
    rate = benchmark.learning_rate(0)
    for name, p in net.named_parameters():
        decay = c.weight_decay if p.dim() > 1 else 0.0
        g = p.grad + decay * before[name]
        by_hand = before[name] - rate * (g + c.momentum * g)  # Nesterov's first step
        torch.testing.assert_close(p.detach(), by_hand, rtol=1e-5, atol=1e-7)


def test_a_tiny_run_reaches_its_target(tmp_path):
    benchmark = make(fashion_like(tmp_path), target=0.8, max_epochs=12.0, eval_every_epochs=1.0)
    outcome = train(benchmark, clock=RealClock(), emit=lambda e: None)
    assert outcome.status is Status.SUCCESS, outcome.reason


def test_the_same_seed_gives_the_same_losses_and_a_checkpoint_continues_them(tmp_path):
    data = fashion_like(tmp_path / "data")
    first, second = make(data), make(data)
    for b in (first, second):
        b.build()
        b.load()
    losses = [first.step().loss for _ in range(6)]
    assert [second.step().loss for _ in range(3)] == losses[:3]
    second.save(tmp_path / "state")
    third = make(data)
    third.build()
    third.load()
    third.restore(tmp_path / "state")
    assert [third.step().loss for _ in range(3)] == pytest.approx(losses[3:], rel=1e-5)


def test_a_checkpoint_keeps_the_random_stream_of_the_device(tmp_path, monkeypatch):
    """Dropout on an accelerator draws from the accelerator's stream; here one that only counts."""
    drawn = []
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device: torch.tensor([7, 5], dtype=torch.uint8))
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, device: drawn.append((state.tolist(), str(device))))
    benchmark = make(fashion_like(tmp_path / "data"))
    benchmark.build()
    benchmark.device = torch.device("cuda", 0)
    benchmark.save(tmp_path / "state")
    assert not drawn
    benchmark.restore(tmp_path / "state")
    assert drawn == [([7, 5], "cuda:0")]


def test_a_torn_checkpoint_is_named(tmp_path):
    benchmark = make(fashion_like(tmp_path))
    benchmark.build()
    (tmp_path / "state").write_bytes(b"PK torn")
    with pytest.raises(BadFile, match="is not a readable checkpoint; expected a checkpoint of this benchmark"):
        benchmark.restore(tmp_path / "state")


def test_evaluation_leaves_no_trace(tmp_path):
    data = fashion_like(tmp_path)
    a, b = make(data), make(data)
    for benchmark in (a, b):
        benchmark.build()
        benchmark.load()
        benchmark.step()
    a.evaluate()
    assert a.step().loss == b.step().loss


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: f.unlink(), "is absent; expected an IDX file of the data set"),
        (lambda f: f.write_bytes(f.read_bytes()[:100]), "is not readable as gzip"),
        (lambda f: f.write_bytes(b"hello"), "is not readable as gzip"),
    ],
)
def test_a_spoilt_data_file_is_named(tmp_path, spoil, message):
    benchmark = make(fashion_like(tmp_path))
    spoil(tmp_path / "train-images-idx3-ubyte.gz")
    benchmark.build()
    with pytest.raises(BadFile, match=message):
        benchmark.load()


def test_random_crops_keep_the_rules_of_the_reference():
    rng = np.random.default_rng(0)
    for _ in range(200):
        left, top, w, h = crop_box(400, 300, rng)
        assert 0 <= left <= 400 - w
        assert 0 <= top <= 300 - h
        assert w * h >= 0.049 * 400 * 300
        assert 0.7 < w / h < 1.4
    assert crop_box(4000, 1, np.random.default_rng(1)) == (0, 0, 4000, 1)  # nothing fits: the whole picture


def imagenet_like(folder):
    pil = pytest.importorskip("PIL.Image")
    for part in ("train", "val"):
        for name, colour in (("n01", (255, 0, 0)), ("n02", (0, 0, 255))):
            (folder / part / name).mkdir(parents=True)
            pil.new("RGB", (60, 50), colour).save(folder / part / name / "a.JPEG")
    return folder


def test_imagenet_is_verified(tmp_path, monkeypatch):
    check, config = recipe("resnet").verify, recipe("resnet").profiles["reference"]()
    report = check(imagenet_like(tmp_path), config)
    assert [p.found for p in report.problems] == ["2 training pictures", "2 evaluation pictures", "2 classes"]
    monkeypatch.setattr(published, "PUBLISHED", {"training pictures": 2, "evaluation pictures": 2, "classes": 2})
    report = check(tmp_path, config)
    assert report.complete, report.problems
    assert report.counts == {"training pictures": 2, "evaluation pictures": 2, "classes": 2}


def whole_in_another_way(folder):
    import PIL.Image

    PIL.Image.new("RGB", (60, 50)).save(folder / "train" / "n01" / "a.JPEG", format="PNG")
    with (folder / "val" / "n02" / "a.JPEG").open("ab") as file:
        file.write(b"an editor's mark")


def torn(folder):
    path = folder / "train" / "n01" / "a.JPEG"
    path.write_bytes(path.read_bytes()[:-9])


def moved(folder):
    (folder / "val" / "n02").rename(folder / "val" / "n03")


def emptied(folder):
    (folder / "val" / "n02" / "a.JPEG").unlink()
    (folder / "val" / "n02" / "a.JPEG").mkdir()
    (folder / "val" / "n01" / "a.JPEG").rename(folder / "val" / "n01" / "a.txt")


def flat(folder):
    (folder / "val").rename(folder / "old")
    (folder / "val").mkdir()


@pytest.mark.parametrize(
    ("spoil", "wanted"),
    [
        (whole_in_another_way, []),  # ImageNet has a PNG, and bytes after a picture's end harm nobody
        (torn, ["train/n01/a.JPEG is unreadable (image file is truncated"]),
        (moved, ["val/n02 is absent; expected the same", "val/n03 is a class that train lacks; expected the same"]),
        (
            emptied,
            ["val/n01 is without pictures", "val/n02/a.JPEG is unreadable (Is a directory)", "1 evaluation pict"],
        ),
        (flat, ["val is without folders of classes; expected val/<class>/*.JPEG", "0 evaluation pictures; expected 2"]),
    ],
)
def test_what_imagenet_lacks_is_found(tmp_path, monkeypatch, spoil, wanted):
    monkeypatch.setattr(published, "PUBLISHED", {"training pictures": 2, "evaluation pictures": 2, "classes": 2})
    spoil(imagenet_like(tmp_path))
    found = [str(p) for p in recipe("resnet").verify(tmp_path, None).problems]
    assert len(found) == len(wanted), found
    assert all(words in line for line, words in zip(found, wanted, strict=True)), found


def test_no_imagenet_at_all(tmp_path):
    found = [p.found for p in recipe("resnet").verify(tmp_path / "nowhere", None).problems]
    assert found[:2] == ["without folders of classes"] * 2


def test_imagenet_folders_are_read(tmp_path):
    imagenet_like(tmp_path)
    data = ImageFolder(tmp_path, 32, 2)
    images, labels = data.train_batch(np.array([0, 1]), np.random.default_rng(0))
    assert images.shape == (2, 3, 32, 32)
    assert labels.tolist() == [0, 1]
    assert images[0, 0].mean() == pytest.approx(255 - 123.68, abs=3)
    (tmp_path / "val" / "n01" / "a.JPEG").write_bytes(b"\xff\xd8 torn")
    with pytest.raises(BadFile, match="expected a complete JPEG picture"):
        data.eval_batch(np.array([0]))
