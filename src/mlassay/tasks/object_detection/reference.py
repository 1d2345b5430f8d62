"""Where this task meets backends: the pairing with ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

from mlassay.backends.onnxruntime import model_tensors
from mlassay.core.model import ModelSpec
from mlassay.tasks.object_detection.boxes import Selection
from mlassay.tasks.object_detection.postprocess import finish_for, reordered


def model_of_file(path: Path, rule: Selection, *, side: int) -> ModelSpec:
    """A user's ONNX file, with the inputs and outputs that it declares; its answers are told by the outputs' names."""
    inputs, outputs = model_tensors(path)
    wanted, finish = finish_for(outputs, rule, side=side)
    order = [next(i for i, tensor in enumerate(outputs) if tensor.name == name) for name in wanted]
    return ModelSpec(
        name=path.name, files={"onnx": path}, inputs=inputs, outputs=outputs, finish=reordered(finish, order)
    )
