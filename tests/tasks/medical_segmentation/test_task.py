from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlassay.core.errors import BadFile, UsageError
from mlassay.core.query import Query
from mlassay.tasks import task_registry
from mlassay.tasks.medical_segmentation import accuracy, dataset
from mlassay.tasks.medical_segmentation.task import DATA, TASK, packed_card
from mlassay.tasks.task import AccuracyResult, OpenTask, TaskRequest
from mlassay.testing.task_check import check_task


@cache
def answers() -> tuple[OpenTask, list[Any]]:
    """The packed model's answers to every packed box, by ONNX Runtime."""
    opened = task_registry.load("medical-segmentation").open(TaskRequest())
    opened.library.load(range(opened.library.total_count))
    return opened, predicted(opened, opened.library.get(range(opened.library.total_count)))


def predicted(opened: OpenTask, samples: Any) -> list[Any]:
    pytest.importorskip("onnxruntime")
    from mlassay.backends.onnxruntime import OnnxRuntime

    sut = OnnxRuntime(opened.model, warmup=0)
    sut.open(None, opened.library)  # type: ignore[arg-type]
    found = list(sut.predict(samples))
    sut.close()
    return found


def scored(opened: OpenTask, found: list[Any]) -> AccuracyResult:
    return opened.score((i, opened.encoded(i, o)) for i, o in enumerate(found))


def test_small_profile_reaches_its_target() -> None:
    result = scored(*answers())
    assert result.n == result.expected_n == 13
    assert result.value == pytest.approx(packed_card()["dice"], abs=1e-4)
    assert result.passed is True
    assert result.official_line.startswith(f"Accuracy: mean = {result.value:.5f}, grey = ")


def test_keeps_the_contract_of_a_task() -> None:
    line = "Accuracy: mean = 1.00000, grey = 1.0000, white = 1.0000"
    assert check_task(TASK).official_line == line


def test_swapped_axes_and_inverted_intensities_fail() -> None:
    opened, _ = answers()
    samples = opened.library.get(range(13))
    turned = [np.ascontiguousarray(s.transpose(0, 3, 2, 1)) for s in samples]
    assert (
        scored(opened, [a.reshape(t.shape) for a, t in zip(predicted(opened, turned), samples, strict=True)]).passed
        is False
    )
    assert scored(opened, predicted(opened, [-s for s in samples])).passed is False


def test_shuffled_sample_map_fails() -> None:
    opened, found = answers()
    result = scored(opened, [*found[1:], found[0]])
    assert result.passed is False
    assert result.problems[0].endswith("answers have another size than their volume")


def test_wrong_labels_fail() -> None:
    """Grey and white exchanged."""
    opened, found = answers()
    volumes = dataset.packed_volumes()
    wrong = dataset.VolumeSet(
        name="wrong",
        cases=volumes.cases,
        classes=volumes.classes,
        sample=volumes.sample,
        truth=lambda i: np.array([0, 2, 1], np.uint8)[volumes.truth(i)],
    )
    result = accuracy.score(((i, opened.encoded(i, o)) for i, o in enumerate(found)), wrong, opened.target)
    assert result.passed is False
    assert result.value < 0.3


def test_one_at_a_time_is_the_same() -> None:
    pytest.importorskip("onnxruntime")
    from mlassay.backends.onnxruntime import OnnxRuntime

    opened, found = answers()
    sut = OnnxRuntime(opened.model, warmup=1)
    sut.open(None, opened.library)  # type: ignore[arg-type]
    (alone,) = sut.issue(Query(0, [7])) or ()
    sut.close()
    assert np.array_equal(alone, found[7])


def test_missing_answers_do_not_pass() -> None:
    opened, found = answers()
    result = opened.score((i, opened.encoded(i, o)) for i, o in enumerate(found[:12]))
    assert result.problems == ("1 of 13 samples have no answer",)
    assert result.passed is False


def test_card_belongs_to_the_packed_files() -> None:
    card = json.loads((DATA / "brain-unet.json").read_text(encoding="utf-8"))
    for key, name in (("model_sha256", "brain-unet.onnx"), ("data_sha256", "brain-front.npz")):
        assert hashlib.sha256((DATA / name).read_bytes()).hexdigest() == card[key]
        assert card[key] in (DATA / "README.md").read_text(encoding="utf-8")
    assert sum(path.stat().st_size for path in DATA.iterdir()) <= 1_500_000


def test_own_model_file_on_packed_boxes() -> None:
    pytest.importorskip("onnxruntime")
    opened = TASK.open(TaskRequest(model=str(DATA / "brain-unet.onnx")))
    assert opened.profile.name == "own"
    assert opened.target is None
    opened.library.load([5])
    _, found = answers()
    assert np.array_equal(predicted(opened, opened.library.get([5]))[0], found[5])


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (TaskRequest(profile="vnet"), "medical-segmentation has no profile 'vnet'"),
        (TaskRequest(options={"colour": "grey"}), "medical-segmentation has no option 'colour'"),
        (TaskRequest(profile="3d-unet"), "3d-unet needs a model file"),
        (TaskRequest(model="nowhere.onnx"), "there is no model 'nowhere.onnx'"),
        (TaskRequest(options={"variant": "98"}), "variant=98 is not known"),
        (TaskRequest(data=Path("kits")), "the packed model knows brains, not the data folder given"),
        (TaskRequest(profile="3d-unet", model=str(DATA / "brain-unet.onnx")), "3d-unet needs KiTS19"),
        (
            TaskRequest(model=str(DATA / "brain-unet.onnx"), options={"window": "big"}),
            "window=big is not a number of voxels",
        ),
    ],
)
def test_wishes_that_cannot_be_met(request_: TaskRequest, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        TASK.open(request_)
    assert caught.value.message == message


def test_a_model_of_another_kind_is_refused() -> None:
    pytest.importorskip("onnxruntime")
    other = DATA.parents[1] / "object_detection/data/scene-ssd.onnx"
    with pytest.raises(BadFile, match=r"expected one float32 \(windows, 1, D, D, D\) in"):
        TASK.open(TaskRequest(model=str(other)))


def test_window_and_file_must_agree() -> None:
    pytest.importorskip("onnxruntime")
    with pytest.raises(BadFile):
        TASK.open(TaskRequest(model=str(DATA / "brain-unet.onnx"), options={"window": "64"}))
