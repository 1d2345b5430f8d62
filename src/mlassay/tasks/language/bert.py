"""BERT for question answering (Devlin et al., arXiv:1810.04805): the reference network, and the packed small one.

Needs torch; imported only by what trains or exports a model. Shapes: B windows, T positions, H heads, D width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The shape of one BERT."""

    vocabulary: int
    width: int
    layers: int
    heads: int
    inner: int
    positions: int = 512
    segments: int = 2


LARGE = Recipe(vocabulary=30_522, width=1024, layers=24, heads=16, inner=4096)
"""BERT-large, uncased: 334 million parameters with the two-score head and without the pooler."""


class Bert(nn.Module):
    """Numbers of pieces to begin and end scores: three times (B, T) -> twice (B, T)."""

    def __init__(self, recipe: Recipe, dropout: float = 0.0) -> None:
        super().__init__()
        d = recipe.width
        self.words = nn.Embedding(recipe.vocabulary, d)
        self.places = nn.Embedding(recipe.positions, d)
        self.segments = nn.Embedding(recipe.segments, d)
        self.norm = nn.LayerNorm(d, eps=1e-12)
        self.drop = nn.Dropout(dropout)
        self.layers = nn.ModuleList(Layer(recipe, dropout) for _ in range(recipe.layers))
        self.head = nn.Linear(d, 2)

    def forward(self, input_ids: Tensor, input_mask: Tensor, segment_ids: Tensor) -> tuple[Tensor, Tensor]:
        place = torch.arange(input_ids.shape[1], device=input_ids.device)
        x = self.words(input_ids) + self.places(place)[None] + self.segments(segment_ids)  # (B, T, D)
        x = self.drop(self.norm(x))
        hidden = (1.0 - input_mask[:, None, None, :].to(x.dtype)) * -10000.0  # (B, 1, 1, T): padding is not looked at
        for layer in self.layers:
            x = layer(x, hidden)
        scores = self.head(x)  # (B, T, 2)
        return scores[..., 0], scores[..., 1]


class Layer(nn.Module):
    """Attention and two dense maps, each with a shortcut that is normalised afterwards."""

    def __init__(self, recipe: Recipe, dropout: float) -> None:
        super().__init__()
        d = recipe.width
        self.heads, self.size = recipe.heads, d // recipe.heads
        self.query, self.key, self.value, self.mix = (nn.Linear(d, d) for _ in range(4))
        self.mix_norm = nn.LayerNorm(d, eps=1e-12)
        self.wide, self.narrow = nn.Linear(d, recipe.inner), nn.Linear(recipe.inner, d)
        self.narrow_norm = nn.LayerNorm(d, eps=1e-12)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, hidden: Tensor) -> Tensor:
        attended = self._attend(x, hidden)
        x = self.mix_norm(x + self.drop(self.mix(attended)))
        out: Tensor = self.narrow_norm(x + self.drop(self.narrow(nn.functional.gelu(self.wide(x)))))
        return out

    def _attend(self, x: Tensor, hidden: Tensor) -> Tensor:
        b, t, d = x.shape
        q, k, v = (m(x).view(b, t, self.heads, self.size).transpose(1, 2) for m in (self.query, self.key, self.value))
        weights = (q @ k.transpose(2, 3) / math.sqrt(self.size) + hidden).softmax(3)  # (B, H, T, T)
        return (weights @ v).transpose(1, 2).reshape(b, t, d)


def published_key(name: str) -> str:
    """Our name of a tensor to that of Hugging Face's BertForQuestionAnswering."""
    fixed = {
        "words.weight": "bert.embeddings.word_embeddings.weight",
        "places.weight": "bert.embeddings.position_embeddings.weight",
        "segments.weight": "bert.embeddings.token_type_embeddings.weight",
    }
    if name in fixed:
        return fixed[name]
    part, _, kind = name.rpartition(".")
    if part == "norm":
        return f"bert.embeddings.LayerNorm.{kind}"
    if part == "head":
        return f"qa_outputs.{kind}"
    _, number, inner = part.split(".")
    theirs = {
        "query": "attention.self.query",
        "key": "attention.self.key",
        "value": "attention.self.value",
        "mix": "attention.output.dense",
        "mix_norm": "attention.output.LayerNorm",
        "wide": "intermediate.dense",
        "narrow": "output.dense",
        "narrow_norm": "output.LayerNorm",
    }[inner]
    return f"bert.encoder.layer.{number}.{theirs}.{kind}"
