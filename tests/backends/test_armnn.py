"""Arm NN through Debian's pyarmnn, on the packed classifier; CpuRef is slow, so on few samples."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlassay.backends.armnn import ArmNn
from mlassay.core.errors import BadFile, MachineProblem, MissingDependency, UsageError
from mlassay.core.model import TensorSpec
from mlassay.tasks import task_registry
from mlassay.tasks.item_library import ItemLibrary
from mlassay.tasks.task import OpenTask, TaskRequest
from mlassay.testing import check_sut
from tests.backends.runtimes import TOLERANCE, installed

needs_armnn = pytest.mark.skipif(not installed("armnn"), reason="no pyarmnn")


@pytest.fixture(scope="module")
def small() -> OpenTask:
    opened: OpenTask = task_registry.load("image-classification").open(TaskRequest())
    opened.library.load(range(opened.library.total_count))
    return opened


def test_without_the_library(small: OpenTask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarmnn", None)
    with pytest.raises(MissingDependency) as caught:
        ArmNn(small.model)
    assert str(caught.value) == (
        "pyarmnn is not installed\n  next: apt-get install python3-pyarmnn, and let this Python see it"
    )
    assert caught.value.exit_code == 3


@needs_armnn
def test_outputs_are_those_of_onnx_runtime(small: OpenTask) -> None:
    ort = pytest.importorskip("mlassay.backends.onnxruntime")
    bare = replace(small.model, finish=None)
    samples = small.library.get(range(12))
    found = []
    for backend in (ArmNn(bare), ort.OnnxRuntime(bare)):
        backend.ensure_loaded()
        found.append(np.concatenate([np.asarray(backend.predict(samples[i : i + 1])) for i in range(12)]))
        backend.close()
    assert np.abs(found[0] - found[1]).max() < TOLERANCE
    assert (found[0].argmax(1) == found[1].argmax(1)).all()


@needs_armnn
def test_keeps_the_contract_of_a_sut(small: OpenTask) -> None:
    few = small.library.get(range(3)).copy()
    library = ItemLibrary("few", total_count=3, performance_count=3, prepare=few.__getitem__)
    check_sut(lambda: ArmNn(small.model, warmup=0), library, queries=2)


@needs_armnn
def test_describe_names_what_ran(small: OpenTask) -> None:
    backend = ArmNn(small.model)
    backend.ensure_loaded()
    record: dict[str, Any] = json.loads(json.dumps(backend.describe()))
    backend.close()
    assert record["runtime"] == "Arm NN"
    assert "CpuRef" in record["devices"]
    assert record["batch"] == {"max": 1, "fixed_by_model": True}


@needs_armnn
def test_what_does_not_fit(small: OpenTask, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Arm NN has no backend 'npu'"):
        ArmNn(small.model, devices="npu").ensure_loaded()
    with pytest.raises(MachineProblem, match=r"this Arm NN .* has no EthosNAcc; it has .*CpuRef"):
        ArmNn(small.model, devices="ethosnacc,cpuref").ensure_loaded()
    (tmp_path / "m.tflite").write_bytes(b"no model")
    with pytest.raises(BadFile, match=r"m\.tflite is not a model that Arm NN can load \(.*; expected a \.tflite file"):
        ArmNn(tmp_path / "m.tflite").ensure_loaded()
    other = replace(small.model, inputs=(TensorSpec("picture", (None, 3, 224, 224)),))
    with pytest.raises(BadFile, match=r"float32 \(1, 1, 28, 28\); expected picture float32 \(\?, 3, 224, 224\)"):
        ArmNn(other).ensure_loaded()
