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
from mlassay.core.query import Query
from mlassay.tasks import task_registry
from mlassay.tasks.recommendation import accuracy, dataset
from mlassay.tasks.recommendation.task import DATA, TASK, packed_card
from mlassay.tasks.task import AccuracyResult, OpenTask, TaskRequest
from mlassay.testing.task_check import check_task
from tests.tasks.recommendation.criteo_folder import multi_hot, one_hot


@cache
def answers() -> tuple[OpenTask, list[Any]]:
    """The packed model's answers to every packed sample, by ONNX Runtime, in batches of 32."""
    opened = task_registry.load("recommendation").open(TaskRequest())
    opened.library.load(range(opened.library.total_count))
    return opened, predicted(opened, opened.library.get(range(opened.library.total_count)))


def predicted(opened: OpenTask, samples: Any) -> list[Any]:
    pytest.importorskip("onnxruntime")
    from mlassay.backends.onnxruntime import OnnxRuntime

    sut = OnnxRuntime(opened.model, intra_threads=1, warmup=1)
    sut.open(None, opened.library)  # type: ignore[arg-type]
    found: list[Any] = []
    for begin in range(0, len(samples), 32):
        found += sut.predict(samples[begin : begin + 32])
    sut.close()
    return found


def scored(opened: OpenTask, found: list[Any]) -> AccuracyResult:
    return opened.score((i, opened.encoded(i, o)) for i, o in enumerate(found))


def test_small_profile_reaches_its_target() -> None:
    result = scored(*answers())
    assert result.n == result.expected_n == 600
    assert result.value == pytest.approx(packed_card()["auc_percent"], abs=0.001)
    assert result.passed is True
    assert result.official_line.startswith(f"AUC={result.value:.3f}%, accuracy=")
    assert result.official_line.endswith("total=16281, queries=600")


def test_one_at_a_time_is_the_same() -> None:
    pytest.importorskip("onnxruntime")
    from mlassay.backends.onnxruntime import OnnxRuntime

    opened, found = answers()
    sut = OnnxRuntime(opened.model, intra_threads=1)
    sut.open(None, opened.library)  # type: ignore[arg-type]
    for index in (0, 17, 599):
        (alone,) = sut.issue(Query(0, [index])) or ()
        assert alone == pytest.approx(found[index], abs=1e-6)
    sut.close()


def test_keeps_the_contract_of_a_task() -> None:
    assert check_task(TASK).official_line == "AUC=100.000%, accuracy=100.000%, good=16281, total=16281, queries=600"


def test_swapped_columns_fail() -> None:
    opened, _ = answers()
    samples = [(dense[:, [1, 0, 2, 3, 4]], ids) for dense, ids in opened.library.get(range(600))]
    assert scored(opened, predicted(opened, samples)).passed is False
    education, occupation = 1, 3  # as many values, nearly
    turned = [0, occupation, 2, education, 4, 5]
    samples = [(dense, np.minimum(ids[:, turned], 14)) for dense, ids in opened.library.get(range(600))]
    assert scored(opened, predicted(opened, samples)).passed is False


def test_shuffled_sample_map_fails() -> None:
    """Samples of equal size swapped: the lengths fit, the ratings do not."""
    opened, found = answers()
    twenties = [i for i, one in enumerate(found) if len(one) == 20]
    order = list(range(600))
    for here, there in zip(twenties, twenties[1:] + twenties[:1], strict=True):
        order[here] = there
    result = opened.score((i, opened.encoded(i, found[j])) for i, j in enumerate(order))
    assert result.passed is False
    assert result.value < 75


def test_wrong_label_file_fails() -> None:
    opened, found = answers()
    pairs = dataset.packed_rows()
    wrong = replace(pairs, labels=np.roll(pairs.labels, 1))
    log = [(i, opened.encoded(i, o)) for i, o in enumerate(found)]
    result = accuracy.score(log, wrong, opened.target)
    assert result.passed is False
    assert result.value < 60
    assert "bear other labels than the data set" in result.problems[0]


def test_missing_answers_do_not_pass() -> None:
    opened, found = answers()
    result = opened.score((i, opened.encoded(i, o)) for i, o in enumerate(found[:595]))
    assert result.problems == ("5 of 600 samples have no answer",)
    assert result.passed is False


def test_variants_and_log_forms() -> None:
    opened = TASK.open(TaskRequest(options={"variant": "99.9", "log": "alone"}))
    assert opened.target is not None
    assert opened.target.factor == pytest.approx(0.999)
    assert len(opened.encoded(0, np.zeros(20))) == 80
    assert len(TASK.open(TaskRequest()).encoded(0, np.zeros(20))) == 160


def test_card_belongs_to_the_packed_files() -> None:
    card = json.loads((DATA / "adult-dlrm.json").read_text(encoding="utf-8"))
    for key, name in (("model_sha256", "adult-dlrm.onnx"), ("data_sha256", "adult-test.npz")):
        assert hashlib.sha256((DATA / name).read_bytes()).hexdigest() == card[key]
        assert card[key] in (DATA / "README.md").read_text(encoding="utf-8")
    assert sum(path.stat().st_size for path in DATA.iterdir()) <= 500_000


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (TaskRequest(profile="ncf"), "recommendation has no profile 'ncf'"),
        (TaskRequest(options={"colour": "grey"}), "recommendation has no option 'colour'"),
        (TaskRequest(profile="dlrm"), "dlrm needs a model file"),
        (TaskRequest(model="nowhere.onnx"), "there is no model 'nowhere.onnx'"),
        (TaskRequest(options={"variant": "98"}), "variant=98 is not known"),
        (TaskRequest(options={"log": "none"}), "log=none is not known"),
        (TaskRequest(profile="dlrm-v2", model=str(DATA / "adult-dlrm.onnx")), "dlrm-v2 needs Criteo's day 23"),
    ],
)
def test_wishes_that_cannot_be_met(request_: TaskRequest, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        TASK.open(request_)
    assert caught.value.message == message


def test_data_and_profile_must_belong_together(tmp_path: Path) -> None:
    model = str(DATA / "adult-dlrm.onnx")
    for make, profile, ids, wanted in ((multi_hot, "dlrm", 214, 26), (one_hot, "dlrm-v2", 26, 214)):
        with pytest.raises(UsageError, match=f"has {ids} ids a row; {profile} wants {wanted}"):
            TASK.open(TaskRequest(profile=profile, model=model, data=make(tmp_path / profile)))


def test_a_model_of_other_inputs_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    request = TaskRequest(profile="dlrm", model=str(DATA / "adult-dlrm.onnx"), data=one_hot(tmp_path))
    with pytest.raises(Exception, match=r"expected dense float32 \(\?, 13\); ids int32 \(\?, 26\) \(or int64\)"):
        TASK.open(request)


def test_own_model_file_on_packed_rows() -> None:
    opened = TASK.open(TaskRequest(model=str(DATA / "adult-dlrm.onnx")))
    assert opened.profile.name == "own"
    assert opened.target is None
    opened.library.load([3])
    _, found = answers()
    assert predicted(opened, opened.library.get([3]))[0] == pytest.approx(found[3], abs=1e-6)
