"""Whisper as the two ONNX files that generating backends run: an encoder, and a decoder with its memory.

Needs torch; imported only when the files are made.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from mlassay.tasks.checkpoint import export_onnx
from mlassay.tasks.generation.llama import may_see
from mlassay.tasks.speech.reference import DECODER, ENCODER
from mlassay.tasks.speech.whisper import Whisper


class Hearing(nn.Module):
    """(B, bands, F) -> of each decoder layer, keys and values of the sound, (B, H, S, size)."""

    def __init__(self, network: Whisper) -> None:
        super().__init__()
        self.network = network

    def forward(self, mel: Tensor) -> tuple[Tensor, ...]:
        heard = self.network.encode(mel)
        return tuple(tensor for layer in self.network.decoder for tensor in layer.sound.seen(heard))


class Saying(nn.Module):
    """New tokens to scores of the next: (B, T) -> (B, T, V), and the memory for the positions that follow."""

    def __init__(self, network: Whisper) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, position_ids: Tensor, *memory: Tensor
    ) -> tuple[Tensor, ...]:
        net = self.network
        pairs = [(memory[k], memory[k + 1]) for k in range(0, len(memory), 2)]
        past, heard = pairs[: len(net.decoder)], pairs[len(net.decoder) :]
        x = net.words(input_ids) + net.places(position_ids)
        hidden = may_see(attention_mask, input_ids.shape[1])
        present: list[Tensor] = []
        for layer, own, sound in zip(net.decoder, past, heard, strict=True):
            x, kept = layer.step(x, hidden, own, sound)
            present += kept
        return (net.decoder_norm(x) @ net.words.weight.t(), *present)


def export(network: Whisper, folder: Path, *, frames: int = 0, opset: int = 14) -> None:
    """Write folder/encoder.onnx and decoder.onnx. `frames`: of a recording; 0: the 30 seconds that Whisper hears."""
    network.eval()
    recipe = network.recipe
    kinds = [f"{n}.{kind}" for n in range(recipe.layers) for kind in ("key", "value")]
    past, heard = ([f"{what}.{kind}" for kind in kinds] for what in ("past_key_values", "heard"))
    present = [f"present.{kind}" for kind in kinds]
    frames = frames or 2 * recipe.frames
    folder.mkdir(parents=True, exist_ok=True)
    mel = torch.zeros(1, recipe.bands, frames)
    export_onnx(Hearing(network), (mel,), folder / ENCODER, inputs=["mel"], outputs=heard, opset=opset)

    size = recipe.width // recipe.heads
    free: dict[str, Mapping[int, str]] = {
        "input_ids": {0: "batch", 1: "new"},
        "attention_mask": {0: "batch", 1: "all"},
        "position_ids": {0: "batch", 1: "new"},
        "logits": {0: "batch", 1: "new"},
    }
    free |= {name: {0: "batch", 2: "past"} for name in past} | {name: {0: "batch"} for name in heard}
    free |= {name: {0: "batch", 2: "all"} for name in present}
    memory = [torch.zeros(2, recipe.heads, 3, size) for _ in past]
    memory += [torch.zeros(2, recipe.heads, frames // 2, size) for _ in heard]
    tokens = torch.zeros(2, 4, dtype=torch.int64)
    example = (tokens, torch.ones(2, 7, dtype=torch.int64), tokens + torch.arange(3, 7), *memory)
    names = ["input_ids", "attention_mask", "position_ids", *past, *heard]
    export_onnx(
        Saying(network), example, folder / DECODER, inputs=names, outputs=["logits", *present], opset=opset, free=free
    )
