"""`mlassay run`, `show`, `list` as a user types them: real model, real pictures, exit codes, clear errors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlassay.records.folder import open_run

pytest.importorskip("onnxruntime")

MLASSAY = [sys.executable, "-m", "mlassay"]
RUN = ["run", "image-classification", "-b", "intra_threads=1", "--quiet"]


def mlassay(*words: str, cwd: Path | None = None, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*MLASSAY, *words], capture_output=True, text=True, cwd=cwd, timeout=timeout, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One short Server run."""
    path = tmp_path_factory.mktemp("runs") / "server"
    done = mlassay(
        *RUN, "-s", "server", "--target-qps", "100", "--duration", "1s", "--latency-bound", "1s", "--out", str(path)
    )
    assert done.returncode == 0, done.stderr
    return path


def test_a_run_leaves_a_complete_folder(folder: Path) -> None:
    run = open_run(folder)
    assert run.complete
    assert run.changed_files() == []
    names = {p.name for p in folder.iterdir()}
    assert names == {
        "run.json", "trace.npz", "mlperf_log_summary.txt", "mlperf_log_detail.txt", "mlperf_log_accuracy.json"
    }  # fmt: skip
    trace = run.trace()
    assert run.outcome is not None
    assert trace.n_queries == run.outcome.n_queries
    assert (trace.done_ns > trace.due_ns).all()
    assert run.outcome.overhead.calibration_lateness.count > 0
    assert run.outcome.overhead.limited_by in ("SUT", "load generator", "schedule")


@pytest.mark.parametrize("scenario", ["single-stream", "multi-stream", "offline"])
def test_every_scenario_as_json(scenario: str, tmp_path: Path) -> None:
    done = mlassay(
        *RUN, "-s", scenario, "--duration", "300ms", "--queries", "5", "--json", "--out", str(tmp_path / "r")
    )
    report = json.loads(done.stdout)
    (part,) = report["parts"]
    assert done.returncode in (0, 1)
    assert part["scenario"] == scenario
    assert part["outcome"]["n_samples"] > 0
    assert part["outcome"]["faults"] == []
    assert report["unverified"] is True


def test_accuracy_is_the_packed_models(tmp_path: Path) -> None:
    done = mlassay(*RUN, "-s", "single-stream", "--mode", "accuracy", "--json", "--out", str(tmp_path / "r"))
    assert done.returncode == 0
    accuracy = json.loads(done.stdout)["parts"][0]["accuracy"]
    assert accuracy["n"] == 2000
    assert accuracy["value"] == pytest.approx(94.05, abs=0.11)
    assert accuracy["passed"] is True
    assert (tmp_path / "r" / "accuracy.txt").read_text().startswith("accuracy=94")


def test_submission_mode_makes_both_runs(tmp_path: Path) -> None:
    done = mlassay(
        *RUN, "-s", "offline", "--mode", "submission", "--duration", "300ms", "--samples", "100", "--json",
        "--out", str(tmp_path / "r"),
    )  # fmt: skip
    parts = json.loads(done.stdout)["parts"]
    assert [Path(p["path"]).relative_to(tmp_path).as_posix() for p in parts] == ["r/accuracy", "r/performance/run_1"]


def test_a_bound_that_fails_exits_with_one_and_says_why(tmp_path: Path) -> None:
    done = mlassay(
        *RUN,
        "-s",
        "server",
        "--target-qps",
        "50",
        "--duration",
        "1s",
        "--latency-bound",
        "1us",
        "--out",
        str(tmp_path / "r"),
    )
    assert done.returncode == 1
    assert "INVALID" in done.stdout
    assert "p99 latency is" in done.stdout
    assert "lower the rate (--target-qps)" in done.stdout


def test_a_round_makes_a_short_run_indicative(tmp_path: Path) -> None:
    done = mlassay(*RUN, "-s", "single-stream", "--round", "v5.1", "--duration", "500ms", "--out", str(tmp_path / "r"))
    assert done.returncode == 0, done.stderr
    assert "INDICATIVE" in done.stdout
    assert "wanted 10 min 0 s" in done.stdout


def test_find_peak_finds_and_remembers(tmp_path: Path) -> None:
    words = (
        *RUN, "-s", "server", "--mode", "find-peak", "--duration", "500ms", "--queries", "20", "--target-qps", "20",
        "--latency-bound", "200ms", "--backend", "null", "--json",
    )  # fmt: skip
    words = tuple(w for w in words if w not in ("-b", "intra_threads=1"))
    done = mlassay(*words, "--max-duration", "1s", "--out", str(tmp_path / "r"))
    peak = json.loads(done.stdout)["peak"]
    state = json.loads((tmp_path / "r" / "find-peak.json").read_text())
    assert len(state["probes"]) == len(peak["found"]["probes"])


def test_show_tells_the_same_again(folder: Path, tmp_path: Path) -> None:
    shown = mlassay("show", str(folder))
    assert shown.returncode == 0
    assert "INDICATIVE" in shown.stdout  # too few queries for early stopping at p99
    assert "log scale" in shown.stdout
    assert "unverified" in shown.stdout
    report = json.loads(mlassay("show", str(folder), "--json").stdout)
    assert report["outcome"]["verdict"] == "INDICATIVE"


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_show_draws(folder: Path, tmp_path: Path, kind: str) -> None:
    pytest.importorskip("matplotlib")
    target = tmp_path / f"plot.{kind}"
    assert mlassay("show", str(folder), "--plot", str(target)).returncode == 0
    start = target.read_bytes()[:60]
    assert start.startswith(b"\x89PNG") if kind == "png" else b"<?xml" in start


@pytest.mark.parametrize(("what", "name"), [("tasks", "image-classification"), ("backends", "onnxruntime"), ("rounds", "v5.1"), ("scenarios", "server")])  # fmt: skip  # noqa: E501
def test_list(what: str, name: str) -> None:
    assert name in mlassay("list", what).stdout
    assert name in [row["name"] for row in json.loads(mlassay("list", what, "--json").stdout)[what]]


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_ended_leaves_what_it_measured(tmp_path: Path, end: signal.Signals) -> None:
    path = tmp_path / "r"
    words = (*RUN, "-s", "server", "--target-qps", "50", "--duration", "60s", "--out", str(path))
    process = subprocess.Popen([*MLASSAY, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up and not (path / "trace.part").exists():
        time.sleep(0.1)
    time.sleep(1.5)
    process.send_signal(end)
    process.communicate(timeout=30)
    assert process.returncode == (130 if end is signal.SIGINT else -signal.SIGKILL)
    run = open_run(path)
    assert not run.complete
    assert ("interrupted" if end is signal.SIGINT else "cut off") in run.incomplete_because
    assert run.trace().n_queries >= 20
    shown = mlassay("show", str(path))
    assert shown.returncode == 1
    assert "incomplete" in shown.stdout


ERRORS = [
    (("run", "image-clasification", "-s", "offline"), 2, "did you mean image-classification"),
    (("run", "image-classification", "-s", "server"), 2, "let --mode find-peak find the highest valid one"),
    (("run", "image-classification", "-s", "offline", "--model", "nope.onnx"), 2, "there is no model 'nope.onnx'"),
    (("run", "image-classification", "-s", "offline", "--data", "nowhere"), 2, "nowhere does not exist"),
    (("run", "image-classification", "-s", "offline", "--backend", "tensorrtt"), 2, "unknown backend 'tensorrtt'"),
    (("run", "image-classification", "-s", "offline", "-b", "threads=1"), 2, "has no option 'threads'"),
    (("run", "image-classification", "-s", "offline", "-b", "intra_threads"), 2, "is not key=value"),
    (("run", "image-classification", "-s", "offline", "--round", "v9"), 2, "unknown round 'v9'"),
    (("run", "image-classification", "-s", "offline", "--duration", "ten"), 2, "'ten' is not a duration"),
    (("run", "image-classification", "-s", "multi-stream", "--round", "v1.1"), 2, "has no multi-stream scenario"),
    (("run", "image-classification", "-s", "offline", "--round", "v5.1", "--division", "closed"), 2, "only be entered"),
    (("run", "image-classification", "-s", "offline", "--mode", "find-peak"), 2, "find-peak searches a rate"),
    (("show", "nowhere"), 2, "nowhere is absent"),
    (("rnu",), 2, "Did you mean run"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "code", "message"), ERRORS, ids=[" ".join(e[0][1:])[-40:] for e in ERRORS])
def test_mistakes_get_one_clear_error(words: tuple[str, ...], code: int, message: str, tmp_path: Path) -> None:
    done = mlassay(*words, cwd=tmp_path)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    done = mlassay(*RUN, "-s", "offline", "--model", "bad.onnx", cwd=tmp_path)
    assert done.returncode == 2
    assert "not a model that ONNX Runtime can load" in done.stderr


def test_a_folder_that_holds_a_run_is_not_written_over(folder: Path) -> None:
    done = mlassay(*RUN, "-s", "offline", "--mode", "accuracy", "--out", str(folder))
    assert done.returncode == 2
    assert "holds a run already" in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write anything")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    done = mlassay(*RUN, "-s", "offline", "--mode", "accuracy", "--out", str(tmp_path / "r"))
    assert done.returncode == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "r"
    path.mkdir()
    (path / "mlperf_log_accuracy.json").symlink_to("/dev/full")
    done = mlassay(*RUN, "-s", "offline", "--mode", "accuracy", "--out", str(path))
    assert done.returncode == 3
    assert "no space left" in done.stderr.lower()
    assert "Traceback" not in done.stderr
