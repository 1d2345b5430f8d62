from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlassay.backends.onnxruntime import OnnxRuntime
from mlassay.core.errors import BadFile, MachineProblem, MissingDependency, MlassayError, UsageError
from mlassay.core.query import Query
from mlassay.tasks import task_registry
from mlassay.tasks.image_classification import dataset, demo
from mlassay.tasks.image_classification.dataset import PACKED, packed_pictures
from mlassay.tasks.image_classification.task import TASK, ImageClassification
from mlassay.tasks.task import OpenTask, TaskRequest
from mlassay.testing.task_check import TaskContractBroken, check_task
from tests.backends import tiny_onnx
from tests.tasks.image_classification.pictures import fashion, imagenet, save


def run(opened: OpenTask) -> str:
    """Every sample through ONNX Runtime; the official line."""
    pytest.importorskip("onnxruntime")
    n = opened.library.total_count
    opened.library.load(range(n))
    sut = OnnxRuntime(opened.model, max_batch=64, intra_threads=1)
    sut.open(None, opened.library)  # type: ignore[arg-type]
    outputs = sut.issue(Query(0, range(n)))
    assert outputs is not None
    sut.close()
    return opened.score((i, opened.encode(o)) for i, o in enumerate(outputs)).official_line


def test_small_profile_needs_nothing() -> None:
    opened = task_registry.load("image-classification").open(TaskRequest())
    assert opened.profile.name == "small"
    assert opened.library.total_count == opened.library.performance_count == 2000
    assert opened.target is not None
    assert opened.target.reference == 94.05
    assert opened.target.value == pytest.approx(93.1095)
    assert opened.profile.official is False


def test_card_belongs_to_the_packed_files() -> None:
    card = json.loads((PACKED / "fashion-mobilenet.json").read_text())
    import hashlib

    for key, name in (
        ("model_sha256", "fashion-mobilenet.onnx"),
        ("images_sha256", f"{dataset.PACKED_PREFIX}-images-idx3-ubyte.gz"),
        ("labels_sha256", f"{dataset.PACKED_PREFIX}-labels-idx1-ubyte.gz"),
    ):
        assert hashlib.sha256((PACKED / name).read_bytes()).hexdigest() == card[key]
        assert card[key] in (PACKED / "README.md").read_text(encoding="utf-8")
    sizes = {path.name: path.stat().st_size for path in PACKED.iterdir()}
    assert all(size <= 1_000_000 for size in sizes.values())
    assert sum(size for name, size in sizes.items() if not name.endswith(".tflite")) <= 1_500_000
    assert (PACKED / "fashion-mobilenet.onnx").stat().st_size <= 1_000_000


def test_keeps_the_contract_of_a_task() -> None:
    assert check_task(TASK).official_line == "accuracy=100.000%, good=2000, total=2000"


def test_whole_official_test_set_has_its_own_reference(tmp_path: Path) -> None:
    packed = packed_pictures()
    labels = np.resize(packed.labels.astype(np.uint8), 10_000)
    from tests.tasks.image_classification.pictures import idx

    idx(tmp_path / "t10k-images-idx3-ubyte.gz", np.zeros((10_000, 28, 28), np.uint8))
    idx(tmp_path / "t10k-labels-idx1-ubyte.gz", labels)
    opened = TASK.open(TaskRequest(data=tmp_path))
    assert opened.target is not None
    assert opened.target.reference == 93.02


def test_other_grey_pictures_have_no_target(tmp_path: Path) -> None:
    opened = TASK.open(TaskRequest(data=fashion(tmp_path)))
    assert opened.target is None
    assert opened.library.total_count == 30
    assert check_task(TASK, TaskRequest(data=tmp_path)).passed is None


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("edge", [8, "side"])
def test_a_users_model_on_photos(tmp_path: Path, layout: str, edge: int | str) -> None:
    folder = imagenet(tmp_path / "val", [0, 1, 2, 0, 1, 2])
    path = tiny_onnx.brightest_channel(tmp_path / "mine.onnx", layout=layout, edge=edge)
    options = {"preprocess": "mobilenet", **({} if isinstance(edge, int) else {"size": "8"})}
    opened = TASK.open(TaskRequest(data=folder, model=str(path), options=options))
    assert opened.profile.name == "own"
    assert opened.model.layout == layout
    assert opened.target is None
    opened.library.load(range(6))
    assert opened.library.get([0]).shape == ((1, 3, 8, 8) if layout == "NCHW" else (1, 8, 8, 3))
    assert run(opened).endswith("total=6")


@pytest.mark.parametrize("maker", [tiny_onnx.brightest_channel_index, tiny_onnx.brightest_channel_bytes])
def test_models_that_end_in_arg_max_or_eat_bytes(tmp_path: Path, maker: object) -> None:
    from PIL import Image

    lines = []
    for number in range(6):
        pixels = np.full((40, 40, 3), 20, np.uint8)
        pixels[..., number % 3] = 200
        (tmp_path / "val").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "val" / f"{number}.png")
        lines.append(f"{number}.png {number % 3}\n")
    (tmp_path / "val" / "val.txt").write_text("".join(lines))
    model = maker(tmp_path / "m.onnx")  # type: ignore[operator]
    opened = TASK.open(TaskRequest(data=tmp_path / "val", model=str(model), options={"preprocess": "mobilenet"}))
    assert run(opened) == "accuracy=100.000%, good=6, total=6"
    shifted = TASK.open(
        TaskRequest(data=tmp_path / "val", model=str(model), options={"preprocess": "mobilenet", "background": "yes"})
    )
    assert run(shifted) == "accuracy=0.000%, good=0, total=6"


def test_an_assumed_preprocessing_is_said(tmp_path: Path) -> None:
    folder = imagenet(tmp_path / "val", [0, 1])
    path = tiny_onnx.brightest_channel(tmp_path / "mine.onnx")
    opened = TASK.open(TaskRequest(data=folder, model=str(path)))
    assert opened.warnings == ("preprocess=torch was assumed; give the one that the model was trained with",)


def test_official_profile_has_the_rules_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "IMAGENET_VAL", 4)
    folder = imagenet(tmp_path / "val", [0, 1, 2, 0])
    path = tiny_onnx.brightest_channel(tmp_path / "resnet.onnx")
    opened = TASK.open(TaskRequest(profile="resnet50", data=folder, model=str(path)))
    assert opened.profile.official
    assert opened.warnings == ()
    assert opened.target is not None
    assert opened.target.value == pytest.approx(75.6954)
    part = imagenet(tmp_path / "part", [0, 1, 2])
    assert TASK.open(TaskRequest(profile="resnet50", data=part, model=str(path))).target is None


def test_a_corrupt_photo_is_named_on_load(tmp_path: Path) -> None:
    folder = imagenet(tmp_path / "val", list(range(8)))
    for number in (3, 6):
        (folder / f"ILSVRC2012_val_{number:08d}.JPEG").write_bytes(b"\xff\xd8\xff\xe0cut")
    path = tiny_onnx.brightest_channel(tmp_path / "m.onnx")
    opened = TASK.open(TaskRequest(data=folder, model=str(path)))
    with pytest.raises(MlassayError) as caught:
        opened.library.load(range(8))
    text = str(caught.value)
    assert text.startswith("val: 2 of 8 samples cannot be read:")
    assert "ILSVRC2012_val_00000003.JPEG is not readable as a picture" in text
    assert "ILSVRC2012_val_00000006.JPEG is not readable as a picture" in text


class Case:
    """Makes the parts of one wrong request."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def photos(self) -> Path:
        return imagenet(self.folder / "val", [0, 1])

    @property
    def grey(self) -> Path:
        return fashion(self.folder / "grey")

    def model(self, **how: object) -> str:
        return str(tiny_onnx.brightest_channel(self.folder / "m.onnx", **how))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("request_of", "message"),
    [
        (lambda c: TaskRequest(profile="huge"), "image-classification has no profile 'huge'\n  next: it has small, "),
        (
            lambda c: TaskRequest(model="resnet"),
            "there is no model 'resnet'\n  next: give a path to an ONNX file, or none at all",
        ),
        (lambda c: TaskRequest(profile="resnet50"), "resnet50 needs a model file\n  next: give --model FILE.onnx"),
        (
            lambda c: TaskRequest(profile="resnet50", model=c.model()),
            "resnet50 needs the ImageNet validation set\n  next: give --data FOLDER",
        ),
        (
            lambda c: TaskRequest(options={"lables": "x"}),
            "image-classification has no option 'lables'\n  next: it has labels,",
        ),
        (
            lambda c: TaskRequest(model=c.model(channels=4), data=c.photos),
            "m.onnx wants picture float32 (?, 4, 8, 8); expected one input of 4 dimensions, batch first,",
        ),
        (
            lambda c: TaskRequest(model=c.model(edge="side"), data=c.photos),
            "m.onnx wants picture float32 (?, 3, ?, ?): height and width are open\n"
            "  next: say which with --task-option size=224",
        ),
        (
            lambda c: TaskRequest(model=c.model(), data=c.photos, options={"size": "9"}),
            "m.onnx wants picture float32 (?, 3, 8, 8) and size=9 was given; expected a square picture",
        ),
        (
            lambda c: TaskRequest(model=c.model(), data=c.photos, options={"size": "big"}),
            "size=big is not a number of pixels",
        ),
        (
            lambda c: TaskRequest(model=str(tiny_onnx.difference(c.folder / "d.onnx")), data=c.photos),
            "d.onnx wants left float32 (?, 2); right float32 (?, 2); expected one input of 4 dimensions",
        ),
        (
            lambda c: TaskRequest(model=c.model(channels=1), data=c.photos),
            "the model wants grey pictures, the data set holds colour photos",
        ),
        (
            lambda c: TaskRequest(model=c.model(channels=1), data=c.grey),
            "the model wants pictures of 8×8, the data set has 28×28\n  next: use a model and a data set that belong",
        ),
        (
            lambda c: TaskRequest(model=c.model(), data=c.photos, options={"preprocess": "caffe"}),
            "there is no preprocess=caffe for colour photos\n  next: known: resnet50, mobilenet, torch, lite",
        ),
        (
            lambda c: TaskRequest(data=c.grey, options={"preprocess": "torch"}),
            "preprocess=torch is for colour photos\n  next: grey pictures: fashion, unit, signed",
        ),
        (lambda c: TaskRequest(data=c.photos), "the model wants grey pictures, the data set holds colour photos"),
    ],
)
def test_a_wrong_request_gets_one_clear_error(tmp_path: Path, request_of: object, message: str) -> None:
    assert callable(request_of)
    with pytest.raises(UsageError) as caught:
        TASK.open(request_of(Case(tmp_path)))
    assert str(caught.value).startswith(message)


def test_a_model_that_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_text("hello")
    with pytest.raises(BadFile, match=r"m\.onnx is not a model that ONNX Runtime can load"):
        TASK.open(TaskRequest(model=str(path)))


class Swapped(ImageClassification):
    """Keeps all but one promise."""

    def __init__(self, **wrong: object) -> None:
        self._wrong = wrong

    def open(self, request: TaskRequest) -> OpenTask:
        return replace(super().open(request), **self._wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"truth": lambda i: i % 10}, "image-classification: the truth scores .* fails its target"),
        ({"truth": lambda i: 3, "target": None}, "answers swapped between samples score"),
        ({"encode": lambda a: b"\0" * 4}, "the truth scores .* fails its target"),
        ({"data": {"folder": Path("/")}}, "data is not JSON"),
        (
            {"score": lambda answers: TASK.open(TaskRequest()).score(list(answers)[:-1])},
            "2000 true answers were scored as 1999 of 2000",
        ),
    ],
    ids=["shuffled labels", "one class", "encoder", "record", "scorer"],
)
def test_a_broken_task_is_caught(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(TaskContractBroken, match=message):
        check_task(Swapped(**wrong))


def test_demo_without_torch_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "fetched", lambda pinned: dict.fromkeys(pinned.members, tmp_path / "x_1.jpg"))
    monkeypatch.setenv("MLASSAY_CACHE", str(tmp_path))
    for name in [n for n in sys.modules if n.startswith(("torch.", f"{demo.__package__}.e", f"{demo.__package__}.m"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(
        MissingDependency, match=r"torch is not installed \(it turns the checkpoint into ONNX\)"
    ) as caught:
        demo.efficientnet_lite0()
    assert caught.value.hint == "pip install 'mlassay[torch]'"


def test_demo_offline_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLASSAY_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with pytest.raises(MachineProblem) as caught:
        TASK.open(TaskRequest(model="efficientnet-lite0"))
    text = str(caught.value)
    assert text.startswith("foolbox 3.3.4 (1.7 MB) could not be downloaded (")
    assert f"into {tmp_path}/packages/foolbox-3.3.4" in text
    assert caught.value.exit_code == 3


def test_demo_photos_placed_by_hand_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import hashlib

    folder = tmp_path / "packages" / "foolbox-3.3.4"
    path = save(folder / "imagenet_00_243.jpg", 1)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setenv("MLASSAY_CACHE", str(tmp_path))
    package = replace(demo.photo_package(), members={"foolbox/data/imagenet_00_243.jpg": digest})
    monkeypatch.setattr(demo, "photo_package", lambda: package)
    pictures = demo.photos()
    assert pictures.labels.tolist() == [243]
    assert pictures.read(0).shape == (40, 60, 3)


def test_twenty_photos_are_pinned() -> None:
    pinned = demo.photo_package()
    assert len(pinned.members) == 20
    assert all(len(digest) == 64 for digest in pinned.members.values())
