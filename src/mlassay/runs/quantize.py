"""Post-training int8: a model rounded with a calibration set, its method written down, accuracy before and after.

The calibration set is a part of the task's own samples unless a list is given. The rules allow post-training
quantisation in closed with the round's published calibration list, and want the method described.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlassay.backends.exported import file_sha256
from mlassay.backends.model_backend import ModelBackend
from mlassay.core.errors import BadFile, UsageError
from mlassay.records.atomic import atomic_write
from mlassay.runs.export import backend_of
from mlassay.runs.feeds import Feeds, record_feeds, spread
from mlassay.runs.rounding import Share, with_onnxruntime, with_openvino
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
    activations: int = 8  # bits; onnxruntime: 8 or 16
    operators: str = "products"  # onnxruntime: products (of weights or activations) or all
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
    weights: Share


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
        settings, weights = _round(source, feeds, request, Path(scratch))
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
        weights=weights,
    )
    atomic_write(result.method, json.dumps(_method(request, task, source, chosen, settings, result), indent=2) + "\n")
    return result


def _round(source: Path, feeds: Feeds, request: QuantizeRequest, folder: Path) -> tuple[dict[str, Any], Share]:
    """The tool's settings in words, and how many of the model's weights it rounded."""
    if request.tool == "openvino":
        if (request.activations, request.operators) != (8, "products"):
            raise UsageError(
                "NNCF chooses the operators itself, at 8 bits", hint="--with onnxruntime takes these wishes"
            )
        return with_openvino(source, feeds, folder)
    return with_onnxruntime(
        source,
        feeds,
        folder,
        calibrate=request.calibrate,
        per_channel=request.per_channel,
        activations=request.activations,
        operators=request.operators,
    )


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
        "weights_rounded": {"int8": result.weights.rounded, "all": result.weights.all},
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
