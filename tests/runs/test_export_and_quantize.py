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


@pytest.mark.slow
@needs("litert_torch", "ai_edge_litert")
@pytest.mark.parametrize(
    "task", ["language", "medical-segmentation", "object-detection", "recommendation"]
)  # 64-bit numbers; volumes; two outputs; pieces of any length
def test_litert_takes_what_has_no_loop(task: str, tmp_path: Path) -> None:
    out = tmp_path / "m.tflite"
    done = mlassay("export", task, "--to", "litert", "--out", str(out), "--json", cache=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["difference"]["maximum"] < 1e-5 * report["difference"]["scale"]
    words = ["--mode", "accuracy", "--quiet", "--backend", "litert", "-b", f"file={out}", "--json"]
    run = mlassay("run", task, "-s", "offline", *words, "--out", str(tmp_path / "run"), cache=tmp_path)
    assert run.returncode == 0, run.stderr


@needs("torch")
def test_litert_refuses_in_words(tmp_path: Path) -> None:
    words = ["--to", "litert", "--batch", "4"]
    done = mlassay("export", "image-classification", *words, cache=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: the cache keeps files of batch 1, not 4\n  next: ")
    done = mlassay("export", "speech", "--to", "litert", "--out", str(tmp_path / "m.tflite"), cache=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: digits-rnnt.onnx has loops or branches")


def test_a_form_that_differs_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlassay.runs import export
    from mlassay.tasks.task import TaskRequest

    monkeypatch.setattr(export, "TOLERANCE", -1.0)
    with pytest.raises(export.ExportDiffers, match=r"m\.onnx differs from fashion-mobilenet\.onnx by 0 where"):
        export.export_model(TaskRequest(), "image-classification", "onnx", tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


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


@needs("onnx")
def test_attention_keeps_its_mask_in_floats(tmp_path: Path) -> None:
    done = mlassay("quantize", "language", "--operators", "all", "--out", str(tmp_path / "int8"), cache=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    method = json.loads((tmp_path / "int8" / "quantization.json").read_text())
    assert method["accuracy_after"]["value"] > 99
    assert method["kept_in_float"] == [f"/layers.{n}/{op}" for n in range(4) for op in ("Add", "Softmax")]
    assert method["weights_rounded"]["int8"] > 0.9 * method["weights_rounded"]["all"]


@needs("onnx")
def test_how_much_was_rounded_is_told(tmp_path: Path) -> None:
    """Most of a recogniser stands in recurrent layers and a loop, where the tool does not look."""
    words = ["--calibration", "8", "--check", "4", "--out", str(tmp_path / "int8")]
    done = mlassay("quantize", "speech", *words, cache=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "  int8: 8,192 of 223,584 weights (3.7 %)" in done.stdout


@pytest.mark.parametrize(
    ("task", "words", "complaint"),
    [
        pytest.param(
            "medical-segmentation",
            ["--calibrate", "percentile"],
            "calibrate=percentile wants samples of one size; these differ\n  next: --calibrate minmax",
            marks=needs("onnx"),
        ),
        pytest.param(
            "speech",
            ["--with", "openvino"],
            "digits-rnnt.onnx has loops or branches, which NNCF cannot calibrate\n  next: --with onnxruntime rounds",
            marks=needs("openvino", "nncf"),
        ),
        pytest.param(
            "image-classification",
            ["--with", "openvino", "--activations", "16"],
            "NNCF chooses the operators itself, at 8 bits\n  next: --with onnxruntime",
        ),
    ],
)
def test_what_a_tool_cannot(task: str, words: list[str], complaint: str, tmp_path: Path) -> None:
    done = mlassay("quantize", task, *words, "--calibration", "8", "--out", str(tmp_path / "q"), cache=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {complaint}")
    assert not list((tmp_path / "q").iterdir())


@pytest.mark.slow
@needs("onnx")
def test_sixteen_bits_of_activations_are_nearer(tmp_path: Path) -> None:
    done = mlassay("quantize", "medical-segmentation", "--out", str(tmp_path / "8"), cache=tmp_path)
    assert done.returncode == 1
    assert "MISSED" in done.stdout
    assert done.stdout.endswith("  next: --activations 16 is nearer to the source, or --with openvino\n")
    words = ["--activations", "16", "--out", str(tmp_path / "16")]
    done = mlassay("quantize", "medical-segmentation", *words, cache=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "reached" in done.stdout


def test_a_bad_calibration_list(tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text("1\n2000\n")
    words = ["--calibration-list", str(listed), "--out", str(tmp_path / "q")]
    done = mlassay("quantize", "image-classification", *words, cache=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {listed} is with sample 2000; expected one or more indices from 0 to 1999")
