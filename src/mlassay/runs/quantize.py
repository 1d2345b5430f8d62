"""Post-training int8: a model rounded with a calibration set, its method written down, accuracy before and after.

The calibration set is a part of the task's own samples unless a list is given. The rules allow post-training
quantisation in closed with the round's published calibration list, and want the method described.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mlassay.backends.exported import file_sha256
from mlassay.backends.model_backend import ModelBackend
from mlassay.core.errors import BadFile, MissingDependency, UsageError
from mlassay.records.atomic import atomic_write
from mlassay.runs.export import backend_of
from mlassay.runs.feeds import Feeds, record_feeds, spread
from mlassay.tasks import task_registry
from mlassay.tasks.task import AccuracyResult, OpenTask, TaskRequest

SCHEMA = 1
TOOLS = ("onnxruntime", "openvino")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeRequest:
    """What to round and how."""

    task: str
    open: TaskRequest
    tool: str = "onnxruntime"
    out: Path
    calibration: int = 128  # samples
    calibration_list: Path | None = None  # sample indices, one a line: the round's published list
    calibrate: str = "minmax"  # onnxruntime: minmax, entropy, percentile
    per_channel: bool = True
    check: int = 0  # samples whose accuracy is measured; 0: all


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantized:
    """The int8 model, its written method, and what it costs in accuracy."""

    path: Path
    method: Path
    before: AccuracyResult
    after: AccuracyResult
    bytes_before: int
    bytes_after: int


def quantize_model(request: QuantizeRequest) -> Quantized:
    """Calibrate, round, measure, write `out`/model.onnx (or model.xml with .bin) and `out`/quantization.json."""
    task: OpenTask = task_registry.load(request.task).open(request.open)
    if "onnx" not in task.model.files:
        raise UsageError(f"{task.model.name} has no ONNX file: only those are quantised")
    source = Path(task.model.files["onnx"])
    chosen = _calibration(request, task.library.total_count)
    feeds = record_feeds(task, chosen)
    request.out.mkdir(parents=True, exist_ok=True)
    path = request.out / ("model.onnx" if request.tool == "onnxruntime" else "model.xml")
    with tempfile.TemporaryDirectory(prefix=".quantizing-", dir=request.out) as scratch:
        write = _onnxruntime if request.tool == "onnxruntime" else _openvino
        settings = write(source, feeds, request, Path(scratch))
        for made in sorted(Path(scratch).glob("model.*")):
            shutil.move(made, request.out / made.name)
    key = "onnx" if request.tool == "onnxruntime" else "openvino"
    measured = spread(task.library.total_count, request.check or task.library.total_count)
    before = _accuracy(task, backend_of("onnx", task, source), measured)
    after = _accuracy(task, backend_of(key, task, path), measured)
    result = Quantized(
        path=path,
        method=request.out / "quantization.json",
        before=before,
        after=after,
        bytes_before=source.stat().st_size,
        bytes_after=sum(p.stat().st_size for p in {path, path.with_suffix(".bin")} if p.exists()),
    )
    atomic_write(result.method, json.dumps(_method(request, task, source, chosen, settings, result), indent=2) + "\n")
    return result


def _calibration(request: QuantizeRequest, total: int) -> list[int]:
    if request.calibration_list is None:
        return spread(total, request.calibration)
    try:
        chosen = [int(line) for line in request.calibration_list.read_text(encoding="utf-8").split()]
    except (ValueError, UnicodeDecodeError) as error:
        raise BadFile(
            request.calibration_list, found=f"not a list of numbers ({error})", expected="sample indices, one a line"
        ) from error
    wrong = [i for i in chosen if not 0 <= i < total]
    if wrong or not chosen:
        raise BadFile(
            request.calibration_list,
            found=f"with sample {wrong[0]}" if wrong else "empty",
            expected=f"one or more indices from 0 to {total - 1}",
        )
    return chosen


class _Reader:
    """Calibration inputs in the form that ONNX Runtime's tool asks for."""

    def __init__(self, feeds: Feeds) -> None:
        names = [tensor.name for tensor in feeds.inputs]
        self._rows: Iterator[dict[str, Any]] = (dict(zip(names, feed.inputs, strict=True)) for feed in feeds.feeds)

    def get_next(self) -> dict[str, Any] | None:
        return next(self._rows, None)


def _onnxruntime(source: Path, feeds: Feeds, request: QuantizeRequest, folder: Path) -> dict[str, Any]:
    try:
        from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ModuleNotFoundError as error:
        raise MissingDependency(
            error.name or "onnx", extra="quantize", why="ONNX Runtime's quantisation tools need it"
        ) from error
    methods = {
        "minmax": CalibrationMethod.MinMax,
        "entropy": CalibrationMethod.Entropy,
        "percentile": CalibrationMethod.Percentile,
    }
    if request.calibrate not in methods:
        raise UsageError(f"calibrate={request.calibrate} is not known", hint=f"one of {', '.join(methods)}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tools' own deprecations
        quant_pre_process(str(source), str(folder / "prepared.onnx"), skip_symbolic_shape=True)
        quantize_static(
            str(folder / "prepared.onnx"),
            str(folder / "model.onnx"),
            _Reader(feeds),
            quant_format=QuantFormat.QDQ,
            per_channel=request.per_channel,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=methods[request.calibrate],
        )
    return {
        "tool": f"onnxruntime.quantization.quantize_static {version('onnxruntime')}",
        "format": "QDQ",
        "weights": "int8, symmetric" + (", per channel" if request.per_channel else ", per tensor"),
        "activations": "uint8, asymmetric, per tensor",
        "ranges": request.calibrate,
    }


def _openvino(source: Path, feeds: Feeds, request: QuantizeRequest, folder: Path) -> dict[str, Any]:
    try:
        import nncf
        import openvino
    except ModuleNotFoundError as error:
        raise MissingDependency(
            error.name or "nncf", extra="quantize", why="OpenVINO's quantisation is done by NNCF"
        ) from error
    from mlassay.backends.openvino import read_model

    model = read_model(source)
    order = {name: at for at, port in enumerate(model.inputs) for name in port.get_names()}
    rows = [{order[t.name]: array for t, array in zip(feeds.inputs, feed.inputs, strict=True)} for feed in feeds.feeds]
    with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):  # the tool shows its progress by print
        warnings.simplefilter("ignore")  # of what the tool imports
        nncf.set_log_level(40)
        rounded = nncf.quantize(model, nncf.Dataset(rows), subset_size=len(rows))
        openvino.save_model(rounded, str(folder / "model.xml"), compress_to_fp16=False)
    return {
        "tool": f"nncf.quantize {version('nncf')} for OpenVINO {version('openvino')}",
        "format": "OpenVINO IR with FakeQuantize",
        "weights": "int8, symmetric, per channel",
        "activations": "the preset PERFORMANCE: int8, symmetric, per tensor",
        "ranges": "the tool's default statistics, fast bias correction",
    }


def _accuracy(task: OpenTask, backend: ModelBackend, samples: Sequence[int]) -> AccuracyResult:
    """Of these samples; a part of the data set is scored as such, without a word on the missing ones."""
    backend.ensure_loaded()
    answers: list[tuple[int, bytes]] = []
    step = min(task.library.performance_count, 512)
    for begin in range(0, len(samples), step):
        part = samples[begin : begin + step]
        task.library.load(part)
        for at in range(0, len(part), 32):
            some = part[at : at + 32]
            found = backend.predict(task.library.get(some))
            answers += [(i, task.encoded(i, answer)) for i, answer in zip(some, found, strict=True)]
        task.library.unload(part)
    backend.close()
    return task.score(iter(answers))


def _method(
    request: QuantizeRequest,
    task: OpenTask,
    source: Path,
    chosen: Sequence[int],
    settings: dict[str, Any],
    result: Quantized,
) -> dict[str, Any]:
    """For the submission: what was done, with what, and what it cost."""

    def told(accuracy: AccuracyResult) -> dict[str, Any]:
        return {
            "metric": accuracy.metric,
            "value": accuracy.value,
            "unit": accuracy.unit,
            "samples": accuracy.n,
            "official_line": accuracy.official_line,
        }

    target = result.after.target
    return {
        "schema": SCHEMA,
        "what": "post-training quantisation to int8, without retraining",
        "task": task.name,
        "profile": task.profile.name,
        **settings,
        "source": {"file": source.name, "sha256": file_sha256(source), "bytes": result.bytes_before},
        "result": {"file": result.path.name, "sha256": file_sha256(result.path), "bytes": result.bytes_after},
        "calibration": {
            "data_set": task.library.name,
            "samples": len(chosen),
            "indices": list(chosen),
            "chosen": "a given list" if request.calibration_list else "evenly spread over the data set",
            "list": request.calibration_list.name if request.calibration_list else None,
            "note": "these samples are also among those that the accuracy is measured on",
        },
        "accuracy_before": told(result.before),
        "accuracy_after": told(result.after),
        "target": None if target is None else asdict(target) | {"value": target.value},
        "target_reached": None if target is None else target.met_by(result.after.value),
    }
