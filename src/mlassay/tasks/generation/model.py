"""The reference language models: published checkpoints into our own definitions, and their way to ONNX with a memory.

Needs torch; imported only when a model must be made or measured.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mlassay.core.errors import BadFile
from mlassay.tasks.checkpoint import export_onnx, load_weights, read_checkpoint
from mlassay.tasks.generation import gptj, llama
from mlassay.tasks.generation.gptj import GptJ
from mlassay.tasks.generation.llama import Llama

_UNUSED = (".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq")
_SAFE = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def load_published(network: Llama | GptJ, path: Path) -> nn.Module:
    """Weights of Hugging Face's LlamaForCausalLM or GPTJForCausalLM: a file, or a folder of parts."""
    key = llama.published_key if isinstance(network, Llama) else gptj.published_key
    published = {name: value for name, value in _read(path).items() if not name.endswith(_UNUSED)}
    if "lm_head.weight" not in published and isinstance(network, Llama):
        published["lm_head.weight"] = published.get("model.embed_tokens.weight")  # tied: stored once
    return load_weights(network, published, key, path)


def _read(path: Path) -> dict[str, Any]:
    if path.is_dir():
        parts = sorted(path.glob("*.safetensors")) or sorted(path.glob("pytorch_model*.bin"))
        if not parts:
            raise BadFile(path, found="a folder without .safetensors or pytorch_model*.bin", expected="a checkpoint")
        return {name: value for part in parts for name, value in _read(part).items()}
    return read_safetensors(path) if path.suffix == ".safetensors" else read_checkpoint(path)


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The safetensors format: length, a JSON table of name, type, shape and place, then the numbers."""
    try:
        with path.open("rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            table: dict[str, Any] = json.loads(file.read(size))
    except (OSError, ValueError, struct.error, MemoryError, OverflowError) as error:
        raise BadFile(path, found=f"not readable ({error})", expected="a .safetensors file") from error
    whole = torch.from_file(str(path), shared=False, size=path.stat().st_size, dtype=torch.uint8)
    found = {}
    for name, entry in table.items():
        if name == "__metadata__":
            continue
        if entry.get("dtype") not in _SAFE:
            raise BadFile(path, key=name, found=str(entry.get("dtype")), expected=", ".join(_SAFE))
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        found[name] = whole[begin:end].clone().view(_SAFE[entry["dtype"]]).view(entry["shape"]).to(torch.float32)
    return found


class WithMemory(nn.Module):
    """The network with its keys and values as plain inputs and outputs, as exporters name them."""

    def __init__(self, network: Llama | GptJ) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, position_ids: Tensor, *past: Tensor
    ) -> tuple[Tensor, ...]:
        pairs = [(past[k], past[k + 1]) for k in range(0, len(past), 2)]
        logits, present = self.network(input_ids, attention_mask, position_ids, pairs)
        return (logits, *(tensor for pair in present for tensor in pair))


def export(network: Llama | GptJ, path: Path, opset: int = 14) -> None:
    """One ONNX file for prompts and for single steps; sizes of batch, past and new positions free."""
    layers, groups, size = network.cache_shape
    names = [f"{n}.{kind}" for n in range(layers) for kind in ("key", "value")]
    inputs = ["input_ids", "attention_mask", "position_ids", *(f"past_key_values.{n}" for n in names)]
    outputs = ["logits", *(f"present.{n}" for n in names)]
    free: dict[str, Mapping[int, str]] = {
        "input_ids": {0: "batch", 1: "new"},
        "attention_mask": {0: "batch", 1: "all"},
        "position_ids": {0: "batch", 1: "new"},
        "logits": {0: "batch", 1: "new"},
    }
    free |= {name: {0: "batch", 2: "past"} for name in inputs[3:]}
    free |= {name: {0: "batch", 2: "all"} for name in outputs[1:]}
    past = [torch.zeros(2, groups, 3, size) for _ in names]
    tokens = torch.zeros(2, 4, dtype=torch.int64)
    example = (tokens, torch.ones(2, 7, dtype=torch.int64), tokens + torch.arange(3, 7), *past)
    export_onnx(WithMemory(network), example, path, inputs=inputs, outputs=outputs, opset=opset, free=free)
