"""Every task's small profile, in every scenario, in both modes, on every runtime that is installed and can run it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

import mlassay
from mlassay.backends import backend_registry
from mlassay.core.errors import MissingDependency, MlassayError
from mlassay.tasks import task_registry
from mlassay.tasks.task import Task
from tests.backends.runtimes import installed

pytest.importorskip("onnxruntime")

RUNTIMES = [name for name in ("onnxruntime", "openvino", "torch", "opencv") if installed(name)]
SCENARIOS = ("single-stream", "multi-stream", "server", "offline")
TOLERANCE = 0.005
"""Share of the accuracy by which a runtime may differ from ONNX Runtime."""

CANNOT = {
    ("medical-segmentation", "opencv"),
    ("speech", "opencv"),  # loops in the graph
    ("translation", "opencv"),
}
"""Pairs that end in one clear error instead."""


def tasks() -> list[str]:
    """Those whose first backend is a runtime of one pass."""
    return [name for name in task_registry.names() if _task(name).backends[:1] == ("onnxruntime",)]


def _task(name: str) -> Task:
    task: Task = task_registry.load(name)
    return task


ACCURACY: dict[str, float] = {}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", tasks())
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_small_profile(name: str, runtime: str, tmp_path: Path) -> None:
    if (name, runtime) in CANNOT:
        with pytest.raises(MlassayError) as caught:
            mlassay.run(name, backend=runtime, scenario="offline", mode="accuracy", out=tmp_path / "a")
        assert not isinstance(caught.value, MissingDependency)
        assert len(str(caught.value)) < 1000
        return
    for scenario in SCENARIOS:
        more = {"target_qps": 4.0, "latency_bound": "30s"} if scenario == "server" else {}
        result = mlassay.run(
            name, backend=runtime, scenario=scenario, duration="50ms", queries=4, out=tmp_path / scenario, **more
        )
        assert not result.outcome.faults, scenario
        assert (tmp_path / scenario / "mlperf_log_summary.txt").is_file()
    scored = mlassay.run(name, backend=runtime, scenario="offline", mode="accuracy", out=tmp_path / "accuracy").accuracy
    assert scored is not None
    assert scored.passed is True
    reference = ACCURACY.setdefault(name, scored.value)
    assert scored.value == pytest.approx(reference, rel=TOLERANCE)


def test_every_runtime_of_the_matrix_is_registered() -> None:
    assert set(RUNTIMES) <= set(backend_registry.names())
    assert importlib.util.find_spec("onnxruntime") is not None
    assert {"image-classification", "language", "speech", "translation"} <= set(tasks())
