from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlassay.core.errors import UsageError
from mlassay.core.model import ModelSpec, TensorSpec
from mlassay.core.query import Query
from mlassay.tasks import task_registry
from mlassay.tasks.object_detection import accuracy, dataset
from mlassay.tasks.object_detection.task import DATA, TASK, packed_card, picture_input
from mlassay.tasks.task import AccuracyResult, OpenTask, TaskRequest
from mlassay.testing.task_check import check_task
from tests.tasks.object_detection.coco_folder import coco_2017

pytest.importorskip("pycocotools")


@cache
def answers() -> tuple[OpenTask, list[Any]]:
    """The packed model's answers to every packed scene, by ONNX Runtime."""
    pytest.importorskip("onnxruntime")
    from mlassay.backends.onnxruntime import OnnxRuntime

    opened = task_registry.load("object-detection").open(TaskRequest())
    n = opened.library.total_count
    opened.library.load(range(n))
    sut = OnnxRuntime(opened.model, max_batch=n, intra_threads=1, warmup=0)
    sut.open(None, opened.library)  # type: ignore[arg-type]
    outputs = sut.issue(Query(0, range(n)))
    assert outputs is not None
    sut.close()
    return opened, list(outputs)


def scored(order: list[int] | None = None) -> AccuracyResult:
    """The score when sample i is answered by what was found in picture order[i]."""
    opened, found = answers()
    order = order or list(range(len(found)))
    return opened.score((i, opened.encoded(i, found[j])) for i, j in enumerate(order))


def test_small_profile_reaches_its_target() -> None:
    result = scored()
    card = packed_card()
    assert result.value == pytest.approx(card["map_percent_packed"], abs=0.02)
    assert result.passed is True
    assert result.official_line == f"mAP={result.value:.3f}%"
    assert result.details["mAP50"] > 85
    assert "mAP_large" not in result.details  # there is no large object in 96×96


def test_keeps_the_contract_of_a_task() -> None:
    assert check_task(TASK).official_line == "mAP=100.000%"


def test_swapped_channels_fail() -> None:
    pytest.importorskip("onnxruntime")
    from mlassay.backends.onnxruntime import OnnxRuntime

    opened, _ = answers()
    images = np.ascontiguousarray(opened.library.get(range(500))[:, ::-1])
    sut = OnnxRuntime(opened.model, max_batch=500, intra_threads=1, warmup=0)
    sut.open(None, opened.library)  # type: ignore[arg-type]
    result = opened.score((i, opened.encoded(i, o)) for i, o in enumerate(sut.predict(images)))
    assert result.passed is False
    assert result.value < 10


def test_shuffled_sample_map_fails() -> None:
    opened, found = answers()
    order = [*range(250, 500), *range(250)]
    assert scored(order).passed is False
    assert scored(order).value < 10
    unaware = opened.score((i, opened.encoded(j, found[j])) for i, j in enumerate(order))
    assert unaware.problems == (
        "500 answers say inside that they belong to another sample: the sample map is mixed up",
    )


def test_wrong_label_file_fails() -> None:
    """The categories of the annotations rotated by one: every class is called by its neighbour's name."""
    opened, found = answers()
    scenes = dataset.packed_scenes()
    turned = [{**one, "category_id": one["category_id"] % 10 + 1} for one in scenes.coco["annotations"]]
    wrong = replace(scenes, coco={**scenes.coco, "annotations": turned})
    result = accuracy.score(((i, opened.encoded(i, o)) for i, o in enumerate(found)), wrong, opened.target)
    assert result.passed is False
    assert result.value < 10


def test_missing_answers_do_not_pass() -> None:
    opened, found = answers()
    result = opened.score((i, opened.encoded(i, o)) for i, o in enumerate(found[:499]))
    assert result.problems == ("1 of 500 samples have no answer",)
    assert result.passed is False


def test_card_belongs_to_the_packed_files() -> None:
    card = json.loads((DATA / "scene-ssd.json").read_text(encoding="utf-8"))
    digest = hashlib.sha256((DATA / "scene-ssd.onnx").read_bytes()).hexdigest()
    assert digest == card["model_sha256"]
    assert digest in (DATA / "README.md").read_text(encoding="utf-8")
    assert sum(path.stat().st_size for path in DATA.iterdir()) <= 1_000_000


def test_a_coco_folder_runs_with_the_packed_model(tmp_path: Path) -> None:
    """PNG files keep every byte, so the folder gives the very samples of the packed set; it has no target."""
    opened = TASK.open(TaskRequest(data=coco_2017(tmp_path)))
    packed, _ = answers()
    opened.library.load(range(4))
    assert np.array_equal(opened.library.get(range(4)), packed.library.get(range(4)))
    assert opened.target is None
    assert opened.data["name"] == "COCO 2017 validation"


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (TaskRequest(profile="yolo"), "object-detection has no profile 'yolo'"),
        (TaskRequest(options={"colour": "grey"}), "object-detection has no option 'colour'"),
        (TaskRequest(profile="retinanet"), "retinanet needs a model file"),
        (TaskRequest(model="nowhere.onnx"), "there is no model 'nowhere.onnx'"),
        (TaskRequest(options={"labels": "names"}), "labels=names is not known"),
        (TaskRequest(options={"preprocess": "vgg"}), "there is no preprocess=vgg"),
    ],
)
def test_wishes_that_cannot_be_met(request_: TaskRequest, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        TASK.open(request_)
    assert caught.value.message == message


def test_official_profile_wants_data() -> None:
    with pytest.raises(UsageError, match="ssd-mobilenet needs pictures with COCO annotations"):
        TASK.open(TaskRequest(profile="ssd-mobilenet", model=str(DATA / "scene-ssd.onnx")))


def test_official_profile_opens_a_folder_with_a_model_file(tmp_path: Path) -> None:
    """The packed file stands in for a reference export: the outputs' names say how its answers are read."""
    pytest.importorskip("onnxruntime")
    request = TaskRequest(profile="own", model=str(DATA / "scene-ssd.onnx"), data=coco_2017(tmp_path))
    opened = TASK.open(request)
    assert opened.warnings == ("preprocess=scene was assumed; give the one that the model was trained with",)
    assert opened.target is None  # four pictures are not COCO's 5,000
    assert opened.library.performance_count == 4


def model(*shape: int | None, dtype: str = "float32") -> ModelSpec:
    return ModelSpec(name="m", files={}, inputs=(TensorSpec("image", shape, dtype),))


def test_input_of_a_model_says_layout_and_size() -> None:
    assert picture_input(model(None, 3, 300, 300), 300, "") == (300, "NCHW", "float32")
    assert picture_input(model(1, None, None, 3, dtype="uint8"), 300, "") == (300, "NHWC", "uint8")
    assert picture_input(model(None, 3, None, None), 0, "320") == (320, "NCHW", "float32")


@pytest.mark.parametrize(
    ("spec", "size", "message"),
    [
        (model(None, 10), "", "m wants image float32 (?, 10); expected one input of 4 dimensions"),
        (model(None, 3, 300, 200), "", "m wants image float32 (?, 3, 300, 200): height and width are not clear"),
        (model(None, 3, 300, 300), "200", "m wants image float32 (?, 3, 300, 300): height and width are not clear"),
        (model(None, 3, 300, 300), "big", "size=big is not a number of pixels"),
        (model(None, 3, 300, 300, dtype="int64"), "", "m wants image int64 (?, 3, 300, 300); expected float32"),
    ],
)
def test_inputs_that_are_no_detectors(spec: ModelSpec, size: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        picture_input(spec, 300, size)
    assert caught.value.message.startswith(message)
