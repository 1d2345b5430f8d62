"""Whisper (Radford et al., arXiv:2212.04356): the reference network of rounds since v5.1, at full size.

Needs torch; imported only by what counts or loads it. Shapes: B recordings, F frames of mel energies, S = F / 2, T
tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The shape of one Whisper."""

    bands: int
    width: int
    layers: int  # of each side
    heads: int
    vocabulary: int
    frames: int = 1500  # encoder places: half of the frames of 30 s
    tokens: int = 448  # decoder places


LARGE_V3 = Recipe(bands=128, width=1280, layers=32, heads=20, vocabulary=51_866)
"""1,543,490,560 parameters."""

TINY = Recipe(bands=80, width=384, layers=4, heads=6, vocabulary=51_865)
"""37,760,640 parameters."""


Pair = tuple[Tensor, Tensor]
"""Keys and values, (B, H, places, size) each."""


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.size = heads, width // heads
        self.query, self.value, self.mix = (nn.Linear(width, width) for _ in range(3))
        self.key = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, source: Tensor, hidden: Tensor | None = None) -> Tensor:
        return self.looked(x, *self.seen(source), hidden)

    def seen(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """(B, S, D) -> keys and values, (B, H, S, size) each."""
        b, s, _ = source.shape
        k, v = (m(source).view(b, s, self.heads, self.size).transpose(1, 2) for m in (self.key, self.value))
        return k, v

    def looked(self, x: Tensor, k: Tensor, v: Tensor, hidden: Tensor | None = None) -> Tensor:
        b, t, d = x.shape
        q = self.query(x).view(b, t, self.heads, self.size).transpose(1, 2)
        scores = q @ k.transpose(2, 3) / math.sqrt(self.size)
        weights = (scores if hidden is None else scores + hidden).softmax(-1)
        return self.mix((weights @ v).transpose(1, 2).reshape(b, t, d))


class Layer(nn.Module):
    def __init__(self, recipe: Recipe, *, looks_at_sound: bool) -> None:
        super().__init__()
        d = recipe.width
        self.own, self.own_norm = Attention(d, recipe.heads), nn.LayerNorm(d)
        self.sound = Attention(d, recipe.heads) if looks_at_sound else None
        self.sound_norm = nn.LayerNorm(d) if looks_at_sound else None
        self.wide, self.narrow, self.dense_norm = nn.Linear(d, 4 * d), nn.Linear(4 * d, d), nn.LayerNorm(d)

    def forward(self, x: Tensor, heard: Tensor | None = None, hidden: Tensor | None = None) -> Tensor:
        y = self.own_norm(x)
        x = x + self.own(y, y, hidden)
        if self.sound is not None and self.sound_norm is not None and heard is not None:
            x = x + self.sound(self.sound_norm(x), heard)
        return x + self.narrow(nn.functional.gelu(self.wide(self.dense_norm(x))))

    def step(self, x: Tensor, hidden: Tensor, past: Pair, heard: Pair) -> tuple[Tensor, Pair]:
        """New tokens alone: `past` are the keys and values of earlier ones, `heard` those of the sound."""
        assert self.sound is not None
        assert self.sound_norm is not None
        y = self.own_norm(x)
        k, v = (torch.cat(both, 2) for both in zip(past, self.own.seen(y), strict=True))
        x = x + self.own.looked(y, k, v, hidden)
        x = x + self.sound.looked(self.sound_norm(x), *heard)
        return x + self.narrow(nn.functional.gelu(self.wide(self.dense_norm(x)))), (k, v)


class Whisper(nn.Module):
    """Mel energies and tokens so far to scores of the next: (B, bands, F), (B, T) -> (B, T, vocabulary)."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe
        d = recipe.width
        self.first = nn.Conv1d(recipe.bands, d, 3, padding=1)
        self.second = nn.Conv1d(d, d, 3, stride=2, padding=1)
        self.sound_places = nn.Embedding(recipe.frames, d)
        self.encoder = nn.ModuleList(Layer(recipe, looks_at_sound=False) for _ in range(recipe.layers))
        self.encoder_norm = nn.LayerNorm(d)
        self.words = nn.Embedding(recipe.vocabulary, d)
        self.places = nn.Embedding(recipe.tokens, d)
        self.decoder = nn.ModuleList(Layer(recipe, looks_at_sound=True) for _ in range(recipe.layers))
        self.decoder_norm = nn.LayerNorm(d)

    def encode(self, mel: Tensor) -> Tensor:
        """(B, bands, F) -> (B, S, D)."""
        x = nn.functional.gelu(self.second(nn.functional.gelu(self.first(mel)))).transpose(1, 2)
        x = x + self.sound_places.weight[: x.shape[1]]
        for layer in self.encoder:
            x = layer(x)
        return self.encoder_norm(x)

    def decode(self, tokens: Tensor, heard: Tensor) -> Tensor:
        t = tokens.shape[1]
        x = self.words(tokens) + self.places.weight[:t]
        hidden = torch.full((t, t), float("-inf"), device=x.device).triu(1)
        for layer in self.decoder:
            x = layer(x, heard, hidden)
        return self.decoder_norm(x) @ self.words.weight.t()

    def forward(self, mel: Tensor, tokens: Tensor) -> Tensor:
        return self.decode(tokens, self.encode(mel))


_PARTS = {
    "first": "model.encoder.conv1",
    "second": "model.encoder.conv2",
    "sound_places": "model.encoder.embed_positions",
    "encoder_norm": "model.encoder.layer_norm",
    "words": "model.decoder.embed_tokens",
    "places": "model.decoder.embed_positions",
    "decoder_norm": "model.decoder.layer_norm",
}
_IN_LAYER = {
    "own.query": "self_attn.q_proj",
    "own.key": "self_attn.k_proj",
    "own.value": "self_attn.v_proj",
    "own.mix": "self_attn.out_proj",
    "own_norm": "self_attn_layer_norm",
    "sound.query": "encoder_attn.q_proj",
    "sound.key": "encoder_attn.k_proj",
    "sound.value": "encoder_attn.v_proj",
    "sound.mix": "encoder_attn.out_proj",
    "sound_norm": "encoder_attn_layer_norm",
    "wide": "fc1",
    "narrow": "fc2",
    "dense_norm": "final_layer_norm",
}


def published_key(name: str) -> str:
    """Our name of a tensor to that of Hugging Face's WhisperForConditionalGeneration."""
    part, _, kind = name.rpartition(".")
    if part in _PARTS:
        return f"{_PARTS[part]}.{kind}"
    side, number, inner = part.split(".", 2)
    return f"model.{side}.layers.{number}.{_IN_LAYER[inner]}.{kind}"
