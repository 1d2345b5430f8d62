"""Where this task meets backends: the pairing with ONNX Runtime."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from mlassay.backends.onnxruntime import model_tensors
from mlassay.core.errors import BadFile
from mlassay.core.model import ModelSpec
from mlassay.tasks.medical_segmentation import postprocess


def model_of_file(path: Path, *, classes: int, window: int = 0) -> ModelSpec:
    """A user's ONNX file; the window is read from its input, or is `window` where the file leaves it open."""
    inputs, outputs = model_tensors(path)
    shape = inputs[0].shape if len(inputs) == 1 else ()
    edges = {size for size in shape[2:] if size is not None} | ({window} if window else set())
    answers = outputs[0].shape if outputs else ()
    fits = len(shape) == 5 and shape[1] in (1, None) and inputs[0].dtype == "float32" and len(edges) == 1
    if not fits or len(answers) != 5 or answers[1] not in (classes, None):
        raise BadFile(
            path,
            key="inputs and outputs",
            found="; ".join(map(str, (*inputs, *outputs))),
            expected=f"one float32 (windows, 1, D, D, D) in, (windows, {classes}, D, D, D) out",
            hint="where the file leaves D open, say it with the task option window=128",
        )
    at_once = shape[0] or 1
    return ModelSpec(
        name=path.name,
        files={"onnx": path},
        inputs=inputs,
        outputs=outputs,
        layout="NCDHW",
        infer=partial(postprocess.infer, window=edges.pop(), at_once=at_once),
    )
