"""Where this task meets backends: the pairing with generation on ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

from mlassay.backends.onnxruntime import model_tensors
from mlassay.core.errors import BadFile
from mlassay.core.model import Generation, ModelSpec


def model_of_file(path: Path, how: Generation) -> ModelSpec:
    """A user's ONNX file with past keys and values."""
    inputs, outputs = model_tensors(path)
    if "input_ids" not in {tensor.name for tensor in inputs}:
        raise BadFile(
            path,
            key="inputs",
            found="; ".join(map(str, inputs)),
            expected="input_ids, attention_mask, past_key_values.N.key and .value",
        )
    return ModelSpec(name=path.name, files={"onnx": path}, inputs=inputs, outputs=outputs, generation=how)
