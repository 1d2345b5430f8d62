"""Where this task meets backends: the pairing with ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

from mlassay.backends.onnxruntime import model_tensors
from mlassay.core.errors import BadFile
from mlassay.core.model import ModelSpec
from mlassay.tasks.language import postprocess

_ORDER = (("input_ids",), ("input_mask", "attention_mask"), ("segment_ids", "token_type_ids"))
"""What the task feeds, by the names that exporters use."""


def model_of_file(path: Path) -> ModelSpec:
    """A user's ONNX file: its three inputs in the order in which the task feeds them."""
    inputs, outputs = model_tensors(path)
    by_name = {tensor.name: tensor for tensor in inputs}
    chosen = [next((by_name[name] for name in names if name in by_name), None) for names in _ORDER]
    if None in chosen or len(inputs) != len(_ORDER) or any(t is not None and len(t.shape) != 2 for t in chosen):
        raise BadFile(
            path,
            key="inputs",
            found="; ".join(map(str, inputs)),
            expected="input_ids, input_mask (or attention_mask), segment_ids (or token_type_ids), each (batch, pieces)",
        )
    return ModelSpec(
        name=path.name,
        files={"onnx": path},
        inputs=tuple(t for t in chosen if t is not None),
        outputs=outputs,
        finish=postprocess.finish,
    )
