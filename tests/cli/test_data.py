"""`mlassay data`: verify and prepare."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlassay.cli.main import main
from mlassay.tasks import task_registry
from mlassay.training.catalogue import BENCHMARKS, recipe
from tests.tasks.medical_segmentation.kits_folder import kits
from tests.tasks.object_detection.coco_folder import coco_2017, scenes_as_coco
from tests.training.tiny import movielens_like


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(["data", *words])
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


def test_a_whole_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenes_as_coco(tmp_path, 2, annotations="mine.json", pictures="images")
    code, out, _ = told(capsys, "verify", "object-detection", "--data", str(tmp_path))
    assert code == 0
    assert out.splitlines()[:2] == [f"COCO annotations mine.json in {tmp_path}: complete", "  2 pictures"]


def test_a_data_set_with_holes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    coco_2017(tmp_path)
    (tmp_path / "val2017/000000000002.png").unlink()
    code, out, _ = told(capsys, "verify", "object-detection", "--data", str(tmp_path))
    assert code == 1
    assert "  ! val2017/000000000002.png is missing; expected a picture" in out.splitlines()
    code, out, _ = told(capsys, "verify", "object-detection", "--data", str(tmp_path), "--json")
    assert code == 1
    assert json.loads(out)["complete"] is False


def test_prepare_and_verify_what_was_prepared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw, out_folder = kits(tmp_path / "raw"), tmp_path / "prepared"
    words = ["medical-segmentation", "--data", str(raw), "--out", str(out_folder)]
    code, out, err = told(capsys, "prepare", *words)
    assert code == 0
    assert out.splitlines() == [
        f"prepared: {out_folder}",
        f"next: mlassay data verify medical-segmentation --data {out_folder}",
    ]
    assert err.split()[:2] == ["case_00000", "case_00003"]
    code, out, _ = told(capsys, "verify", "medical-segmentation", "--data", str(out_folder))
    assert code == 0


def test_the_data_of_a_training_benchmark(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    code, out, _ = told(capsys, "verify", "ncf", "--data", str(movielens_like(tmp_path)))
    assert code == 1
    assert out.splitlines()[:2] == [f"MovieLens-20M in {tmp_path}: not as published", "  30 users"]
    code, _, err = told(capsys, "verify", "ncf", "--data", str(tmp_path), "-o", "mf_dims=3")
    assert code == 2
    assert "unknown setting 'mf_dims'" in err
    code, _, err = told(capsys, "verify", "nfc", "--data", str(tmp_path))
    assert (code, err.splitlines()) == (
        2,
        ["error: unknown task or training benchmark 'nfc'", "  next: did you mean ncf?"],
    )
    code, _, err = told(capsys, "prepare", "ncf", "--data", str(tmp_path), "--out", str(tmp_path / "out"))
    assert code == 2
    assert "the data of ncf need no preparation" in err


@pytest.mark.parametrize("task", task_registry.names())
def test_every_task_can_verify_and_prepares_or_says_why_not(
    task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["data", "verify", task, "--data", str(tmp_path)])  # an empty folder
    out, err = capsys.readouterr()
    assert "not as published" in out or err.startswith("error: ")
    assert "cannot tell whether" not in err
    if not hasattr(task_registry.load(task), "prepare"):
        code, _, err = told(capsys, "prepare", task, "--data", str(tmp_path), "--out", str(tmp_path / "out"))
        assert code == 2
        assert err.startswith(f"error: the data of {task} need no preparation: runs read the folder as it is")


@pytest.mark.parametrize("benchmark", BENCHMARKS.names())
def test_every_training_benchmark_reports_on_any_folder(
    benchmark: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    assert recipe(benchmark).verify is not None
    for folder in (tmp_path, tmp_path / "absent"):
        code, out, err = told(capsys, "verify", benchmark, "--data", str(folder))
        if out:
            assert (code, out.splitlines()[0].endswith(f" in {folder}: not as published")) == (1, True)
            assert any(line.startswith("  ! ") for line in out.splitlines())
        else:
            assert (code, err.startswith("error: ")) == (2, True)
            assert "unexpected" not in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["prepare", "recommendation", "--data", ".", "--out", "x"], "the data of recommendation need no preparation"),
        (["verify", "object-detektion", "--data", "."], "unknown task or training benchmark 'object-detektion'"),
        (["verify", "recommendation", "--data", "/nowhere"], "there is no folder /nowhere"),
    ],
)
def test_wishes_that_cannot_be_met(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = told(capsys, *words)
    assert code == 2
    assert message in err
