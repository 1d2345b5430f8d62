"""Decoder-only language models of the Llama family (Touvron et al., arXiv:2302.13971; Llama 3: arXiv:2407.21783).

Normalisation by root mean square before each part, rotated positions, grouped keys and values, gated dense maps. The
8B and 70B shapes of the rule book, and the packed small one. Needs torch; imported only by what trains, counts or
exports. Shapes: B prompts, T new positions, P earlier ones, H heads, G groups of keys and values, D width, Z size of
a head.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

_HIDDEN = -1e9
Past = list[tuple[Tensor, Tensor]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Llama 3.1's way to longer texts: slow rotations become slower still."""

    factor: float = 8.0
    low: float = 1.0
    high: float = 4.0
    before: int = 8192  # positions that the unstretched rotations were made for


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The shape of one model."""

    vocabulary: int
    width: int
    layers: int
    heads: int
    groups: int
    inner: int
    theta: float = 10_000.0
    stretch: Stretch | None = None
    epsilon: float = 1e-5
    tied: bool = False  # the output map is the table of words


LLAMA2_70B = Recipe(vocabulary=32_000, width=8192, layers=80, heads=64, groups=8, inner=28_672)
"""68,976,648,192 parameters."""

LLAMA3_1_8B = Recipe(
    vocabulary=128_256,
    width=4096,
    layers=32,
    heads=32,
    groups=8,
    inner=14_336,
    theta=500_000.0,
    stretch=Stretch(),
)
"""8,030,261,248 parameters."""


class Norm(nn.Module):
    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + self.epsilon) * self.weight


def rotation_speeds(recipe: Recipe) -> Tensor:
    """(Z / 2,) radians per position."""
    size = recipe.width // recipe.heads
    speeds = recipe.theta ** -(torch.arange(0, size, 2, dtype=torch.float32, device="cpu") / size)
    s = recipe.stretch
    if s is None:
        return speeds
    waves = 2 * math.pi / speeds
    blend = ((s.before / waves - s.low) / (s.high - s.low)).clamp(0, 1)
    return speeds / s.factor * (1 - blend) + speeds * blend


def rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """(B, H, T, Z): the first half of a head's numbers against the second."""
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def may_see(attention_mask: Tensor, new: int) -> Tensor:
    """(B, P + T) -> (B, 1, T, P + T): 0 where a new position may look, far below 0 where not."""
    place = torch.arange(attention_mask.shape[1], device=attention_mask.device)
    later = place[None, :] > place[attention_mask.shape[1] - new :, None]  # (T, P + T)
    hidden = later[None] | (attention_mask[:, None, :] == 0)
    return hidden[:, None].to(torch.float32) * _HIDDEN


class Block(nn.Module):
    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        d, size = recipe.width, recipe.width // recipe.heads
        self.heads, self.groups, self.size = recipe.heads, recipe.groups, size
        self.before_attention, self.before_dense = Norm(d, recipe.epsilon), Norm(d, recipe.epsilon)
        self.query = nn.Linear(d, recipe.heads * size, bias=False)
        self.key, self.value = (nn.Linear(d, recipe.groups * size, bias=False) for _ in range(2))
        self.mix = nn.Linear(recipe.heads * size, d, bias=False)
        self.gate, self.up = (nn.Linear(d, recipe.inner, bias=False) for _ in range(2))
        self.down = nn.Linear(recipe.inner, d, bias=False)

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, seen: Tensor, past: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        b, t, _ = x.shape
        y = self.before_attention(x)
        q = rotated(self.query(y).view(b, t, self.heads, self.size).transpose(1, 2), cos, sin)
        k = rotated(self.key(y).view(b, t, self.groups, self.size).transpose(1, 2), cos, sin)
        v = self.value(y).view(b, t, self.groups, self.size).transpose(1, 2)
        if past is not None:
            k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)  # (B, G, P + T, Z)
        wide_k, wide_v = (self._per_head(z) for z in (k, v))
        weights = (q @ wide_k.transpose(2, 3) / math.sqrt(self.size) + seen).softmax(-1)
        x = x + self.mix((weights @ wide_v).transpose(1, 2).reshape(b, t, self.heads * self.size))
        y = self.before_dense(x)
        return x + self.down(nn.functional.silu(self.gate(y)) * self.up(y)), (k, v)

    def _per_head(self, z: Tensor) -> Tensor:
        """Each group's keys or values for all of its heads: (B, G, S, Z) -> (B, H, S, Z)."""
        share = self.heads // self.groups
        b, s = z.shape[0], z.shape[2]
        return z[:, :, None].expand(b, self.groups, share, s, self.size).reshape(b, self.heads, s, self.size)


class Llama(nn.Module):
    """Tokens to scores of the next: (B, T) -> (B, T, V), and keys and values for the positions that follow."""

    speeds: Tensor

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.words = nn.Embedding(recipe.vocabulary, recipe.width)
        self.blocks = nn.ModuleList(Block(recipe) for _ in range(recipe.layers))
        self.last = Norm(recipe.width, recipe.epsilon)
        self.out = nn.Linear(recipe.width, recipe.vocabulary, bias=False)
        if recipe.tied:
            self.out.weight = self.words.weight
        self.register_buffer("speeds", rotation_speeds(recipe), persistent=False)

    @property
    def cache_shape(self) -> tuple[int, int, int]:
        """Layers, groups and size of a head: what a memory of earlier positions is made of."""
        return self.recipe.layers, self.recipe.groups, self.recipe.width // self.recipe.heads

    def forward(
        self, tokens: Tensor, attention_mask: Tensor, positions: Tensor, past: Past | None = None
    ) -> tuple[Tensor, Past]:
        x = self.words(tokens)
        angles = (positions[:, :, None].to(torch.float32) * self.speeds)[:, None]  # (B, 1, T, Z / 2)
        cos, sin = angles.cos(), angles.sin()
        seen = may_see(attention_mask, tokens.shape[1])
        present: Past = []
        for number, block in enumerate(self.blocks):
            x, kept = block(x, cos, sin, seen, past[number] if past else None)
            present.append(kept)
        return self.out(self.last(x)), present


def published_key(name: str) -> str:
    """Our name of a tensor to that of Hugging Face's LlamaForCausalLM."""
    fixed = {"words.weight": "model.embed_tokens.weight", "last.weight": "model.norm.weight"}
    if name in fixed:
        return fixed[name]
    if name == "out.weight":
        return "lm_head.weight"
    _, number, part, kind = name.split(".")
    theirs = {
        "before_attention": "input_layernorm",
        "before_dense": "post_attention_layernorm",
        "query": "self_attn.q_proj",
        "key": "self_attn.k_proj",
        "value": "self_attn.v_proj",
        "mix": "self_attn.o_proj",
        "gate": "mlp.gate_proj",
        "up": "mlp.up_proj",
        "down": "mlp.down_proj",
    }[part]
    return f"model.layers.{number}.{theirs}.{kind}"
