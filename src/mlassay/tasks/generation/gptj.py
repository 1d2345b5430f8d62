"""GPT-J (Wang and Komatsuzaki, 2021), the rule book's summariser of rounds v3.1 to v5.0.

Attention and dense maps side by side after one normalisation; a quarter of each head's numbers is rotated, neighbours
in pairs. Needs torch; imported only by what counts or exports. Shapes as in llama.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mlassay.tasks.generation.llama import Past, may_see


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The shape of one GPT-J."""

    vocabulary: int
    width: int
    layers: int
    heads: int
    rotated: int  # numbers of each head that are rotated


GPTJ_6B = Recipe(vocabulary=50_400, width=4096, layers=28, heads=16, rotated=64)
"""6,050,882,784 parameters."""


def rotated_pairs(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """(B, H, T, R): each number against its neighbour."""
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * cos - b * sin, b * cos + a * sin], -1).flatten(-2)


class Block(nn.Module):
    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        d = recipe.width
        self.heads, self.size, self.rotated = recipe.heads, d // recipe.heads, recipe.rotated
        self.norm = nn.LayerNorm(d, eps=1e-5)
        self.query, self.key, self.value, self.mix = (nn.Linear(d, d, bias=False) for _ in range(4))
        self.wide, self.narrow = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, seen: Tensor, past: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        b, t, d = x.shape
        y = self.norm(x)
        q, k, v = (m(y).view(b, t, self.heads, self.size).transpose(1, 2) for m in (self.query, self.key, self.value))
        q, k = (self._rotate(z, cos, sin) for z in (q, k))
        if past is not None:
            k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
        weights = (q @ k.transpose(2, 3) / math.sqrt(self.size) + seen).softmax(-1)
        attended = self.mix((weights @ v).transpose(1, 2).reshape(b, t, d))
        dense = self.narrow(nn.functional.gelu(self.wide(y), approximate="tanh"))
        return x + attended + dense, (k, v)

    def _rotate(self, z: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        turned, still = z[..., : self.rotated], z[..., self.rotated :]
        return torch.cat([rotated_pairs(turned, cos, sin), still], -1)


class GptJ(nn.Module):
    """Tokens to scores of the next: (B, T) -> (B, T, V), and keys and values for the positions that follow."""

    speeds: Tensor

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.words = nn.Embedding(recipe.vocabulary, recipe.width)
        self.blocks = nn.ModuleList(Block(recipe) for _ in range(recipe.layers))
        self.last = nn.LayerNorm(recipe.width, eps=1e-5)
        self.out = nn.Linear(recipe.width, recipe.vocabulary)
        steps = torch.arange(0, recipe.rotated, 2, dtype=torch.float32, device="cpu") / recipe.rotated
        self.register_buffer("speeds", 10_000.0**-steps, persistent=False)

    @property
    def cache_shape(self) -> tuple[int, int, int]:
        return self.recipe.layers, self.recipe.heads, self.recipe.width // self.recipe.heads

    def forward(
        self, tokens: Tensor, attention_mask: Tensor, positions: Tensor, past: Past | None = None
    ) -> tuple[Tensor, Past]:
        x = self.words(tokens)
        angles = (positions[:, :, None].to(torch.float32) * self.speeds)[:, None]
        cos, sin = angles.cos(), angles.sin()
        seen = may_see(attention_mask, tokens.shape[1])
        present: Past = []
        for number, block in enumerate(self.blocks):
            x, kept = block(x, cos, sin, seen, past[number] if past else None)
            present.append(kept)
        return self.out(self.last(x)), present


def published_key(name: str) -> str:
    """Our name of a tensor to that of Hugging Face's GPTJForCausalLM."""
    part, _, kind = name.rpartition(".")
    fixed = {"words": "transformer.wte", "last": "transformer.ln_f", "out": "lm_head"}
    if part in fixed:
        return f"{fixed[part]}.{kind}"
    _, number, inner = part.split(".")
    theirs = {
        "norm": "ln_1",
        "query": "attn.q_proj",
        "key": "attn.k_proj",
        "value": "attn.v_proj",
        "mix": "attn.out_proj",
        "wide": "mlp.fc_in",
        "narrow": "mlp.fc_out",
    }[inner]
    return f"transformer.h.{number}.{theirs}.{kind}"
