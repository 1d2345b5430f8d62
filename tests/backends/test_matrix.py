"""Every task's small profile × every runtime that is installed × four scenarios; accuracy equal across runtimes.

The default suite runs a small part: each runtime on one packed model, and one short run a scenario. A pair that cannot
be is skipped with its reason: a runtime that is not installed, or one that the table below says cannot do the task.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from mlassay.backends import backend_registry
from mlassay.backends.exported import exported
from mlassay.core.errors import MissingDependency, MlassayError
from mlassay.core.outcome import Verdict
from mlassay.runs.api import make_request
from mlassay.runs.export import export_model
from mlassay.runs.inference import RunResults, run_inference
from mlassay.tasks import task_registry
from mlassay.tasks.task import AccuracyResult, Task, TaskRequest
from tests.backends.runtimes import GENERATORS, MODULES, installed

pytest.importorskip("onnxruntime")

ONE_PASS = ["onnxruntime", *MODULES]
SCENARIOS = ["single-stream", "multi-stream", "server", "offline"]
RELATIVE_TOLERANCE = 1e-3
"""Accuracies of one 32-bit model on two runtimes may differ by this share: a decision at a tie, or two."""

SLOW = {"armnn"}
"""Reference code off Arm's processors: a data set takes minutes."""

ONE_THREAD = {"onnx-generation": {"intra_threads": 1}} | {name: {"threads": 1} for name in list(GENERATORS)[1:]}
"""Thousands of small steps: threads that wait for each other on a busy machine take minutes."""

TFLITE = {"litert", "tensorflow", "armnn"}
"""They run TFLite files, which `mlassay export` makes where litert-torch is installed; one task brings its own."""

CANNOT = {
    ("medical-segmentation", "opencv"): "InstanceNorm",
    ("speech", "opencv"): "is not a model that OpenCV can read",
    ("translation", "opencv"): "MatMulLayerImpl",
    **{
        (task, "armnn"): "is not a model that Arm NN can load"  # of comparisons and gathering it knows nothing
        for task in ("language", "medical-segmentation", "recommendation")
    },
    **{(task, backend): "has loops or branches" for task in ("speech", "translation") for backend in TFLITE},
}
"""What a runtime has not learnt, and its words for it (OpenCV 5.0, litert-torch 0.10, Arm NN 22.0): these pairs must
fail with them, and one that does not fail must leave the table."""

TASKS = sorted(
    entry.name for entry in task_registry if entry.target.startswith("mlassay.") and entry.load().backends
)  # image-generation brings no model
_reference: dict[str, AccuracyResult] = {}


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where conversions wait: made once, by what is installed now."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _a_cache_of_its_own(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLASSAY_CACHE", str(cache))


def runtimes_of(task: str) -> list[str]:
    """The task's own first; a task that generates runs on generators alone."""
    loaded: Task = task_registry.load(task)
    family = list(GENERATORS) if loaded.backends[0] in GENERATORS else ONE_PASS
    return list(dict.fromkeys([loaded.backends[0], *family, *loaded.backends]))


PAIRS = [(task, backend) for task in TASKS for backend in runtimes_of(task)]


def run(task: str, backend: str, scenario: str, mode: str, out: Path) -> RunResults:
    """Skips what is not installed, and what fails as the table says."""
    if not installed(backend):
        pytest.skip(f"no {backend}")
    words = {"target_qps": 2.0} if scenario == "server" and mode == "performance" else {}
    request = make_request(
        task,
        scenario=scenario,
        backend=backend,
        backend_options=ONE_THREAD.get(backend, {}),
        mode=mode,
        out=out,
        duration="200ms",
        queries=3,
        samples=3,
        **words,
    )
    reason = CANNOT.get((task, backend))
    try:
        if backend in TFLITE:
            convert(task)
        results = run_inference(request)
    except MissingDependency as error:
        pytest.skip(error.message)
    except MlassayError as error:
        if reason and reason in error.message:
            pytest.skip(error.message.splitlines()[0])
        raise
    assert reason is None, "this runtime has learnt it: take the pair out of CANNOT"
    return results


def convert(task: str) -> None:
    """The task's model as TFLite into the cache, unless it comes along or is there. Skips without the converter."""
    model = task_registry.load(task).open(TaskRequest()).model
    if "tflite" in model.files or exported(model, "tflite"):
        return
    if not installed("litert_torch"):
        pytest.skip("no litert-torch, which makes .tflite files")
    export_model(TaskRequest(), task, "litert", None)


def check_accuracy(task: str, backend: str, tmp_path: Path) -> None:
    """The task's first runtime is the measure; it is asked once."""
    first = runtimes_of(task)[0]
    if task not in _reference:
        found = run(task, first, "offline", "accuracy", tmp_path / "reference").accuracy
        assert found is not None
        assert found.passed is True
        _reference[task] = found
    if backend == first:
        return
    found = run(task, backend, "offline", "accuracy", tmp_path / "found").accuracy
    assert found is not None
    assert found.passed is True
    assert found.value == pytest.approx(_reference[task].value, rel=RELATIVE_TOLERANCE)


def check_performance(task: str, backend: str, scenario: str, tmp_path: Path) -> None:
    results = run(task, backend, scenario, "performance", tmp_path / "run")
    outcome = results.outcome
    assert not outcome.faults
    assert outcome.verdict in (Verdict.VALID, Verdict.INDICATIVE, Verdict.INVALID)
    assert outcome.n_queries >= 1
    assert results.path.joinpath("mlperf_log_summary.txt").is_file()


@pytest.mark.parametrize("backend", [name for name in ONE_PASS[1:] if name not in SLOW])
def test_the_packed_classifier_is_as_accurate_everywhere(backend: str, tmp_path: Path) -> None:
    check_accuracy("image-classification", backend, tmp_path)


@pytest.mark.parametrize(
    ("backend", "scenario"), list(zip([b for b in ONE_PASS if b not in SLOW], SCENARIOS * 2, strict=False))
)
def test_each_runtime_in_a_scenario(backend: str, scenario: str, tmp_path: Path) -> None:
    check_performance("image-classification", backend, scenario, tmp_path)


@pytest.mark.parametrize("backend", list(GENERATORS))
def test_the_packed_language_model_is_as_accurate_everywhere(backend: str, tmp_path: Path) -> None:
    check_accuracy("language-generation", backend, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("task", "backend"), PAIRS)
def test_every_task_is_as_accurate_on_every_runtime(task: str, backend: str, tmp_path: Path) -> None:
    check_accuracy(task, backend, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize(("task", "backend"), PAIRS)
def test_every_task_on_every_runtime_in_every_scenario(task: str, backend: str, scenario: str, tmp_path: Path) -> None:
    check_performance(task, backend, scenario, tmp_path)


def test_the_tables_name_every_runtime_that_comes_along() -> None:
    ours = {entry.name for entry in backend_registry if entry.target.startswith("mlassay.")}
    elsewhere = {"null", "ctranslate2"}  # the second runs folders of the user's own: test_ctranslate2.py
    assert {*ONE_PASS, *GENERATORS, *elsewhere} | {name for task in TASKS for name in runtimes_of(task)} == ours


def test_every_task_is_in_the_matrix() -> None:
    """A skip for want of a runtime is seen in the report; a task without any would not be."""
    assert set(TASKS) == {task for task, _ in PAIRS}
    assert all(len(runtimes_of(task)) >= 4 for task in TASKS)
