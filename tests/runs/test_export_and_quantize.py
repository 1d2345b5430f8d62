"""`mlassay export` and `mlassay quantize` as a user types them, with the runtimes that are installed."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("onnxruntime")

MLASSAY = [sys.executable, "-m", "mlassay"]


def needs(*modules: str) -> pytest.MarkDecorator:
    absent = [m for m in modules if importlib.util.find_spec(m) is None]
    return pytest.mark.skipif(bool(absent), reason=f"without {', '.join(absent)}")


def mlassay(*words: str, cache: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "MLASSAY_CACHE": str(cache)}
    return subprocess.run([*MLASSAY, *words], capture_output=True, text=True, timeout=280, check=False, env=env)


@pytest.mark.parametrize(
    ("to", "backend"),
    [
        pytest.param("onnx", "onnxruntime"),
        pytest.param("openvino", "openvino", marks=needs("openvino")),
        pytest.param("torchscript", "torch", marks=needs("torch")),
        pytest.param("litert", "litert", marks=[needs("litert_torch"), pytest.mark.slow]),
    ],
)
def test_an_exported_model_runs_as_well(to: str, backend: str, tmp_path: Path) -> None:
    suffix = {"openvino": ".xml", "litert": ".tflite"}.get(to, f".{to}")
    out = tmp_path / f"m{suffix}"
    done = mlassay("export", "image-classification", "--to", to, "--out", str(out), "--json", cache=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["samples"] == 16
    assert report["difference"]["maximum"] < 2e-5
    run = mlassay(
        "run", "image-classification", "-s", "offline", "--mode", "accuracy", "--quiet", "--backend", backend,
        "-b", f"file={out}", "--out", str(tmp_path / "run"), cache=tmp_path,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "run" / "accuracy.txt").read_text().startswith("accuracy=94.0")


def test_an_export_overwrites_nothing(tmp_path: Path) -> None:
    out = tmp_path / "m.onnx"
    out.write_text("mine")
    done = mlassay("export", "image-classification", "--to", "onnx", "--out", str(out), cache=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {out} exists already\n  next: ")
    assert out.read_text() == "mine"


@needs("torch", "openvino")
def test_a_model_with_a_loop(tmp_path: Path) -> None:
    from mlassay.core.errors import UsageError
    from mlassay.runs.export import export_model
    from mlassay.tasks.task import TaskRequest

    done = export_model(TaskRequest(), "speech", "openvino", tmp_path / "m.xml")
    assert done.difference.maximum == 0.0  # the answers are symbols
    with pytest.raises(UsageError, match=r"digits-rnnt\.onnx has loops or branches; a trace would fix how often"):
        export_model(TaskRequest(), "speech", "torchscript", tmp_path / "m.torchscript")
    with pytest.raises(UsageError, match=r"other\.onnx does not end in \.xml, as OpenVINO wants it"):
        export_model(TaskRequest(), "speech", "openvino", tmp_path / "other.onnx")


@needs("openvino")
def test_two_inputs_keep_their_order(tmp_path: Path) -> None:
    from mlassay.runs.export import export_model
    from mlassay.tasks.task import TaskRequest

    done = export_model(TaskRequest(), "recommendation", "openvino", tmp_path / "m.xml")
    assert done.difference.maximum < 1e-5


@pytest.mark.parametrize(
    ("tool", "file"),
    [
        pytest.param("onnxruntime", "model.onnx", marks=needs("onnx")),
        pytest.param("openvino", "model.xml", marks=[needs("openvino", "nncf"), pytest.mark.slow]),
    ],
)
def test_int8_with_its_method_written_down(tool: str, file: str, tmp_path: Path) -> None:
    words = ["--with", tool, "--calibration", "64", "--out", str(tmp_path / "int8"), "--json"]
    done = mlassay("quantize", "image-classification", *words, cache=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["after"]["value"] > 93.11
    method = json.loads((tmp_path / "int8" / "quantization.json").read_text())
    assert method["calibration"]["samples"] == len(method["calibration"]["indices"]) == 64
    assert method["accuracy_before"]["value"] == 94.05
    assert method["target_reached"] is True
    assert method["result"]["file"] == file
    assert (tmp_path / "int8" / file).is_file()


def test_a_bad_calibration_list(tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text("1\n2000\n")
    words = ["--calibration-list", str(listed), "--out", str(tmp_path / "q")]
    done = mlassay("quantize", "image-classification", *words, cache=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {listed} is with sample 2000; expected one or more indices from 0 to 1999")
