"""A task's model in another format, checked against the source on real samples."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlassay.backends.exported import SUFFIXES, place_of
from mlassay.backends.model_backend import ModelBackend
from mlassay.core.errors import MissingDependency, MlassayError, UsageError
from mlassay.core.fetch import make_once
from mlassay.runs.feeds import Difference, Feeds, compare, record_feeds, spread
from mlassay.tasks import task_registry
from mlassay.tasks.task import OpenTask, TaskRequest

FORMATS = {"onnx": "onnx", "openvino": "openvino", "litert": "tflite", "torchscript": "torchscript"}
"""What --to says to the key of ModelSpec.files."""

TOLERANCE = 1e-3
"""A form of the same 32-bit arithmetic may differ from the source by this share of the largest output."""

CHECKED_SAMPLES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A converted model. `difference` was measured on real samples."""

    path: Path
    source: Path
    format: str
    samples: int
    difference: Difference


class ExportDiffers(MlassayError):
    """The converted model does not answer like the source."""

    exit_code = 1


def export_model(request: TaskRequest, task_name: str, to: str, out: Path | None, *, batch: int = 1) -> Exported:
    """Convert the task's model and compare it with the source; raises ExportDiffers when they do not agree.

    Without `out` the file goes into the cache, where the backend of that format finds it by itself. `batch`: the
    batch size of formats that fix it (LiteRT).
    """
    task: OpenTask = task_registry.load(task_name).open(request)
    if "onnx" not in task.model.files:
        raise UsageError(
            f"{task.model.name} comes as {', '.join(task.model.files) or 'nothing'}: only ONNX models are converted"
        )
    source = Path(task.model.files["onnx"])
    key = FORMATS[to]
    feeds = record_feeds(task, spread(task.library.total_count, CHECKED_SAMPLES), batch=batch)
    target = out or place_of(source, key)
    if out is not None and out.exists():
        raise UsageError(f"{out} exists already", hint="give another name, or remove it first")
    if out is not None and key == "openvino" and out.suffix != SUFFIXES[key]:
        raise UsageError(f"{out} does not end in {SUFFIXES[key]}, as OpenVINO wants it", hint=f"--out {out.stem}.xml")

    if out is None and key == "tflite" and batch != 1:
        raise UsageError(
            f"the cache keeps files of batch 1, not {batch}", hint="give this one a name: --out FILE.tflite"
        )
    checked: list[Difference] = []

    def write(fresh: Path) -> None:
        """Checked before it is put where backends look."""
        _WRITERS[to](source, feeds, fresh)
        checked.append(_checked(fresh, key, task, feeds))

    path = _made(target, write)
    difference = checked[0] if checked else _checked(path, key, task, feeds)
    return Exported(path=path, source=source, format=key, samples=len(feeds.samples), difference=difference)


def _checked(path: Path, key: str, task: OpenTask, feeds: Feeds) -> Difference:
    """How far the file is from the source; ExportDiffers where that is too far."""
    source = task.model.files["onnx"]
    backend = backend_of(key, task, path)
    try:
        difference = compare(backend, feeds)
    finally:
        backend.close()
    if not difference.maximum <= TOLERANCE * max(difference.scale, 1e-6):
        raise ExportDiffers(
            f"{path.name} differs from {source.name} by {difference.maximum:.3g} where outputs reach"
            f" {difference.scale:.3g}; expected at most {TOLERANCE:g} of that",
            hint="a file like this is of no use; report the model",
        )
    return difference


def backend_of(key: str, task: OpenTask, path: Path) -> ModelBackend:
    """The backend that runs files of this format, with this file."""
    if key == "openvino":
        from mlassay.backends.openvino import OpenVino

        return OpenVino(task.model, file=str(path), warmup=0)
    if key == "tflite":
        from mlassay.backends.litert import LiteRt

        return LiteRt(task.model, file=str(path), warmup=0)
    if key == "torchscript":
        from mlassay.backends.torch import Torch

        return Torch(task.model, file=str(path), warmup=0)
    from mlassay.backends.onnxruntime import OnnxRuntime

    return OnnxRuntime(task.model, file=str(path), warmup=0)


def _made(path: Path, make: Callable[[Path], None]) -> Path:
    """Atomically. An OpenVINO model is two files: the weights are put in place first."""

    def both(fresh: Path) -> None:
        make(fresh)
        weights = fresh.with_suffix(".bin")
        if fresh.suffix == ".xml" and weights.exists():
            weights.replace(path.with_suffix(".bin"))

    return make_once(path, both)


def _write_onnx(source: Path, feeds: Feeds, path: Path) -> None:
    shutil.copyfile(source, path)


def _write_openvino(source: Path, feeds: Feeds, path: Path) -> None:
    from mlassay.backends.openvino import read_model

    model = read_model(source)
    import openvino

    openvino.save_model(model, str(path), compress_to_fp16=False)


def _write_torchscript(source: Path, feeds: Feeds, path: Path) -> None:
    module = _module(source, feeds)
    import torch

    from mlassay.backends.torch import SHAPES_FILE, shapes_text

    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        warnings.simplefilter("ignore", DeprecationWarning)  # TorchScript's own: it is what was asked for
        warnings.simplefilter("ignore", FutureWarning)
        traced = torch.jit.trace(module, _example(feeds, torch), check_trace=False)
        text = shapes_text(feeds.inputs, feeds.outputs)
        traced.save(str(path), _extra_files={SHAPES_FILE: text.encode()})


def _write_litert(source: Path, feeds: Feeds, path: Path) -> None:
    module = _module(source, feeds)
    import torch

    from mlassay.runs.export_litert import write_tflite

    write_tflite(module, _example(feeds, torch), path)


def _module(source: Path, feeds: Feeds) -> Any:
    """The ONNX file as a PyTorch module that takes its inputs in the task's order."""
    try:
        from mlassay.backends.onnx_torch import module_of
    except ModuleNotFoundError as error:
        raise MissingDependency("torch", extra="torch", why="the model is rebuilt in PyTorch first") from error
    module = module_of(source)[0]
    if module.has_flow:
        raise UsageError(
            f"{source.name} has loops or branches; a trace would fix how often they run",
            hint="--to openvino keeps them, and backend torch runs the ONNX file itself",
        )
    module.inputs = [tensor.name for tensor in feeds.inputs]
    return module


def _example(feeds: Feeds, torch: Any) -> tuple[Any, ...]:
    return tuple(torch.from_numpy(np.ascontiguousarray(a)) for a in feeds.feeds[0].inputs)


_WRITERS: dict[str, Callable[[Path, Feeds, Path], None]] = {
    "onnx": _write_onnx,
    "openvino": _write_openvino,
    "litert": _write_litert,
    "torchscript": _write_torchscript,
}
assert set(_WRITERS) == set(FORMATS)
assert set(FORMATS.values()) == set(SUFFIXES)
