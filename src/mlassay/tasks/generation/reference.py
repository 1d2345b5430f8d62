"""Where this task meets backends: models of users as ONNX or GGUF files, and the tokenizer that a GGUF file brings."""

from __future__ import annotations

from pathlib import Path

from mlassay.backends.llama_cpp import GgufTokenizer
from mlassay.backends.onnxruntime import model_tensors
from mlassay.core.errors import BadFile, UsageError
from mlassay.core.model import Generation, ModelSpec


def model_of_file(path: Path, how: Generation) -> ModelSpec:
    """A user's ONNX file with past keys and values, or a GGUF file."""
    if path.suffix == ".gguf":
        return ModelSpec(name=path.name, files={"gguf": path}, inputs=(), generation=how)
    if path.suffix != ".onnx":
        raise UsageError(f"{path.name} is neither .onnx nor .gguf", hint="give --model FILE.onnx or FILE.gguf")
    inputs, outputs = model_tensors(path)
    if "input_ids" not in {tensor.name for tensor in inputs}:
        raise BadFile(
            path,
            key="inputs",
            found="; ".join(map(str, inputs)),
            expected="input_ids, attention_mask, past_key_values.N.key and .value",
        )
    return ModelSpec(name=path.name, files={"onnx": path}, inputs=inputs, outputs=outputs, generation=how)


def gguf_tokenizer(path: Path) -> GgufTokenizer:
    """The tokenizer inside; UsageError where there is none."""
    return GgufTokenizer(path)
