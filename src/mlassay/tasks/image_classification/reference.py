"""Where this task meets backends: the pairing with ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

from mlassay.backends.onnxruntime import model_tensors
from mlassay.core.model import ModelSpec
from mlassay.tasks.image_classification import postprocess


def model_of_file(path: Path, *, background: bool = False) -> ModelSpec:
    """A user's ONNX file, with the inputs and outputs that it declares."""
    inputs, outputs = model_tensors(path)
    return ModelSpec(
        name=path.name,
        files={"onnx": path},
        inputs=inputs,
        outputs=outputs,
        finish=postprocess.finish_background_first if background else postprocess.finish,
    )
