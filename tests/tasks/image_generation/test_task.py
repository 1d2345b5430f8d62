"""A text-to-image system of a user's own, from captions to the two numbers; its networks are tiny, its files real."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("onnxruntime")

import mlassay
from mlassay.cli.main import cli
from mlassay.core.errors import BadFile, UsageError
from mlassay.tasks.image_generation import accuracy
from mlassay.tasks.image_generation.accuracy import Moments
from mlassay.tasks.image_generation.preprocess import for_clip, for_inception
from mlassay.tasks.image_generation.task import TASK
from mlassay.tasks.task import TaskRequest
from tests.backends import tiny_onnx

SIDE, N = 8, 24
COLOURS = np.random.default_rng(3).integers(0, 256, (N, 3), np.uint8)


def painted(captions: list[str]) -> list[np.ndarray]:
    """Each caption names its colour; the picture shows it, a little darker below."""
    shade = np.linspace(1.0, 0.8, SIDE)[:, None, None]
    return [(shade * [int(c) for c in text.split()] * np.ones((SIDE, SIDE, 3))).astype(np.uint8) for text in captions]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Captions, networks (mean of each channel) and statistics of "real" pictures."""
    texts = [" ".join(map(str, colour)) for colour in COLOURS]
    rows = "".join(f"{n}\t{n}\t{text}\n" for n, text in enumerate(texts))
    (tmp_path / "captions.tsv").write_text("id\timage_id\tcaption\n" + rows)
    tiny_onnx.brightest_channel(tmp_path / "clip.onnx", edge=224)
    tiny_onnx.brightest_channel(tmp_path / "inception.onnx", edge="side")
    seen = np.stack([for_clip(picture).mean((1, 2)) for picture in painted(texts)])
    np.save(tmp_path / "captions.npy", seen + 0.05)
    real = Moments.of(np.stack([for_inception(picture).mean((1, 2)) for picture in painted(texts)]) + 0.01)
    np.savez(tmp_path / "val.npz", mu=real.mean, sigma=real.covariance)
    return tmp_path


def options(folder: Path) -> dict[str, str]:
    names = {"clip": "clip.onnx", "caption-features": "captions.npy", "inception": "inception.onnx", "real": "val.npz"}
    return {"side": str(SIDE), **{key: str(folder / name) for key, name in names.items()}}


def test_a_system_of_one_s_own_is_scored(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accuracy, "CLIP_RANGE", (95.0, 100.0))
    monkeypatch.setattr(accuracy, "FID_RANGE", (0.0, 0.01))
    results = mlassay.run(
        "image-generation",
        scenario="offline",
        mode="accuracy",
        sut=painted,
        data=folder,
        task_options=options(folder),
        out=folder / "run",
    )
    found = results.accuracy
    assert found is not None
    assert found.problems == ()
    assert found.n == N
    assert 95 < found.details["CLIP_SCORE"] < 100
    assert found.details["FID_SCORE"] == pytest.approx(3 * 0.01**2, rel=1e-3)
    other = mlassay.run(
        "image-generation",
        scenario="offline",
        mode="accuracy",
        sut=lambda captions: painted(["250 5 90"] * len(captions)),
        data=folder,
        task_options=options(folder),
        out=folder / "grey",
    ).accuracy
    assert other is not None
    assert [p.split(" is ")[0] for p in other.problems] == ["CLIP_SCORE", "FID_SCORE"]


def test_pictures_are_scored_later(folder: Path) -> None:
    """Without networks a run keeps its pictures and does not pass; `mlassay accuracy` scores the log with them."""
    results = mlassay.run(
        "image-generation",
        scenario="offline",
        mode="accuracy",
        sut=painted,
        data=folder,
        task_options={"side": "8"},
        out=folder / "run",
    )
    assert results.accuracy is not None
    assert results.accuracy.passed is False
    assert "not scored: give --task-option clip=FILE caption-features=FILE" in results.accuracy.problems[0]
    words = [word for key, value in options(folder).items() for word in ("-o", f"{key}={value}")]
    done = CliRunner().invoke(cli, ["accuracy", str(folder / "run"), *words, "--round", "v5.0"], standalone_mode=False)
    assert done.return_value == 1, done.output  # the rule book's range is for true CLIP and Inception
    assert f"{N} of {N} samples answered (image-generation, stable-diffusion-xl)" in done.output
    assert (
        "FID_SCORE 0.00030000: v5.0 stable-diffusion-xl wants at least 23.011 and at most 23.950: MISSED" in done.output
    )
    text = (folder / "run" / "accuracy.txt").read_text()
    assert text.startswith("Accuracy Results: {'FID_SCORE': ")


def test_no_backend_runs_it(folder: Path) -> None:
    with pytest.raises(UsageError, match="no backend of mlassay runs image-generation: bring a system of your own"):
        mlassay.run("image-generation", scenario="offline", data=folder)


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        (TaskRequest(), "image-generation needs captions"),
        (TaskRequest(profile="small"), "image-generation has no profile 'small'"),
        (TaskRequest(options={"sides": "8"}), "image-generation has no option 'sides'"),
    ],
)
def test_wrong_wishes(wish: TaskRequest, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        TASK.open(wish)


def test_wrong_files(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no absent\.onnx"):
        TASK.open(TaskRequest(data=folder, options={"clip": "absent.onnx"}))
    pictures = [(i, painted(["1 2 3"])[0].tobytes()) for i in range(N)]
    np.save(folder / "captions.npy", np.zeros((3, 3)))
    with pytest.raises(BadFile, match=r"captions\.npy is of shape \(3, 3\); expected a row for each of the 24"):
        TASK.open(TaskRequest(data=folder, options=options(folder))).score(pictures)
    np.save(folder / "captions.npy", np.zeros((N, 3)))
    tiny_onnx.brightest_channel(folder / "inception.onnx", edge=299)
    with pytest.raises(
        BadFile, match=r"picture float32 \(\?, 3, 299, 299\); expected pictures float32 \(\?, 3, 8, 8\)"
    ):
        TASK.open(TaskRequest(data=folder, options=options(folder))).score(pictures)


def test_clip_sees_the_middle_of_a_wide_picture() -> None:
    wide = np.zeros((100, 200, 3), np.uint8)
    wide[:, 50:150] = 255
    seen = for_clip(wide)
    assert seen.shape == (3, 224, 224)
    assert seen.min() > 1.0  # white everywhere: the black sides are cut off
    assert for_inception(wide).shape == (3, 100, 200)
