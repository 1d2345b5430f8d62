"""`mlassay accuracy`: a run's answers scored again, its verdict, what is wrong with a log, and its memory."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mlassay.records.loadgen_log.accuracy import AccuracyLogWriter
from mlassay.rules.round import QualityTarget
from mlassay.runs.accuracy import judged
from mlassay.tasks import task_registry
from mlassay.tasks.task import AccuracyResult, OpenTask, TaskRequest

MLASSAY = [sys.executable, "-m", "mlassay"]
FASHION = ["--task", "image-classification"]


def mlassay(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*MLASSAY, *words], capture_output=True, text=True, timeout=180, check=False)


@pytest.fixture(scope="module")
def small() -> OpenTask:
    opened: OpenTask = task_registry.load("image-classification").open(TaskRequest())
    return opened


def write(path: Path, classes: list[int], indices: list[int]) -> Path:
    with AccuracyLogWriter(path) as log:
        log.write(range(len(classes)), indices, [np.float32(c).tobytes() for c in classes])
    return path


def test_a_run_folder_is_scored_again(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    run = tmp_path / "run"
    done = mlassay("run", "image-classification", "-s", "offline", "--mode", "accuracy", "--quiet", "--out", str(run))
    assert done.returncode == 0, done.stderr
    (run / "accuracy.txt").unlink()
    done = mlassay("accuracy", str(run))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "accuracy=94.050%, good=1881, total=2000"
    assert "accuracy 94.05: target 93.110: reached" in done.stdout
    assert (run / "accuracy.txt").read_text() == "accuracy=94.050%, good=1881, total=2000\n"
    assert mlassay("show", str(run), "--json").stdout.count("was changed after the run") == 0


def test_a_bare_log(tmp_path: Path, small: OpenTask) -> None:
    log = write(tmp_path / "mlperf_log_accuracy.json", [small.truth(i) for i in range(2000)], list(range(2000)))
    report = json.loads(mlassay("accuracy", str(log), *FASHION, "--json", "--no-write").stdout)
    assert report["passed"] is True
    assert report["accuracy"]["value"] == 100.0
    assert not (tmp_path / "accuracy.txt").exists()
    asked = mlassay("accuracy", str(log))
    assert asked.returncode == 2
    assert asked.stderr.startswith("error: which task do these answers belong to?\n  next: give --task")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("missing", "! 1 of 2000 samples have no answer"),
        ("shifted", "MISSED"),
    ],
)
def test_bad_answers_fail(tmp_path: Path, small: OpenTask, change: str, says: str) -> None:
    classes, indices = [small.truth(i) for i in range(2000)], list(range(2000))
    if change == "missing":
        classes, indices = classes[1:], indices[1:]
    else:
        indices = indices[1:] + indices[:1]
    done = mlassay("accuracy", str(write(tmp_path / "a.json", classes, indices)), *FASHION)
    assert done.returncode == 1
    assert says in done.stdout


def test_a_log_that_is_cut_off_fails(tmp_path: Path, small: OpenTask) -> None:
    log = write(tmp_path / "a.json", [small.truth(i) for i in range(2000)], list(range(2000)))
    log.write_bytes(log.read_bytes()[:-40])
    done = mlassay("accuracy", str(log), *FASHION)
    assert done.returncode == 1
    assert "a last entry that is cut off" in done.stdout


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.json", None, "error: there is no run "),
        ("empty.json", b"", " is without answers ("),
        ("text.json", b"hello", " is without answers ("),
    ],
)
def test_what_is_no_log(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    done = mlassay("accuracy", str(path), *FASHION)
    assert done.returncode == 2
    assert message in done.stderr


def test_an_answer_for_a_sample_that_is_not_there(tmp_path: Path) -> None:
    done = mlassay("accuracy", str(write(tmp_path / "a.json", [1], [2000])), *FASHION)
    assert done.returncode == 2
    assert "qsl_idx 2000 is not a sample of this data set; expected 0 to 1999" in done.stderr


def result(value: float, metric: str = "accuracy", problems: tuple[str, ...] = (), **details: float) -> AccuracyResult:
    return AccuracyResult(
        metric=metric, value=value, unit="%", n=1, expected_n=1, official_line="", problems=problems, details=details
    )


@pytest.mark.parametrize(
    ("value", "minimum", "reached", "why"),
    [
        (75.6954, 75.6954, True, "equal"),
        (75.69449, 75.6954, False, "75.694 is less than 75.695"),
        (75.6945, 75.6945, True, "a tie goes to the even digit on both sides"),
        (75.6955, 75.696, True, "75.6955 is 75.696: the even digit"),
        (75.6945, 75.695, False, "75.6945 is 75.694: the even digit"),
        (float("nan"), 1.0, False, "NaN reaches nothing"),
    ],
)
def test_five_significant_figures_half_to_even(value: float, minimum: float, reached: bool, why: str) -> None:
    target = QualityTarget(metric="acc", minimum=minimum, clause="c")
    assert judged("v5.1", "resnet", target, result(value)).reached is reached, why


def test_every_metric_of_a_round_is_judged() -> None:
    rouge = result(44.0, "ROUGE-1", rouge2=21.0)
    assert judged("r", "b", QualityTarget(metric="ROUGE1", minimum=43.9), rouge).reached
    assert not judged("r", "b", QualityTarget(metric="ROUGE2", minimum=21.8), rouge).reached
    absent = judged("r", "b", QualityTarget(metric="ROUGEL", minimum=1.0), rouge)
    assert (absent.value, absent.reached) == ("not measured", False)
    assert not judged("r", "b", QualityTarget(metric="GEN_LEN", minimum=1, maximum=2), result(3, "gen_len")).reached
    assert not judged("r", "b", QualityTarget(metric="acc", minimum=1), result(2, problems=("one missing",))).reached


MEASURE = """
import resource, sys
from pathlib import Path
from mlassay.runs.accuracy import AccuracyRequest, score_accuracy
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
score_accuracy(AccuracyRequest(run=Path(sys.argv[1]), task="image-classification", write=False))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.slow
def test_a_million_answers_in_bounded_memory(tmp_path: Path) -> None:
    assert resource.getpagesize() > 0
    n = 1_000_000
    with AccuracyLogWriter(tmp_path / "a.json") as log:
        for begin in range(0, n, 50_000):
            part = range(begin, begin + 50_000)
            log.write(part, [i % 2000 for i in part], [b"\0\0\x80\x3f"] * len(part))
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path / "a.json")], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 150  # MiB on top of what is imported
