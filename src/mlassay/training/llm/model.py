"""Decoder-only transformers in two shapes.

gpt3: LayerNorm before each part, learned positions, GELU, biases everywhere, output tied to the embedding.
llama: RMSNorm, rotary positions, SwiGLU, grouped queries, no biases, its own output matrix.
Shapes: B batch, T positions, H heads, D head width, C hidden width.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mlassay.training.llm.recipe import ModelShape


class RmsNorm(nn.Module):
    def __init__(self, width: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), self.weight, self.eps)


class Attention(nn.Module):
    """Causal self-attention with one fused projection for queries, keys and values."""

    def __init__(self, c: ModelShape) -> None:
        super().__init__()
        bias = c.shape == "gpt3"
        self.n_heads, self.n_kv = c.n_heads, c.n_kv_heads
        self.width = c.hidden // c.n_heads
        self.qkv = nn.Linear(c.hidden, (c.n_heads + 2 * c.n_kv_heads) * self.width, bias=bias)
        self.out = nn.Linear(c.n_heads * self.width, c.hidden, bias=bias)

    def forward(self, x: Tensor, turn: Tensor | None) -> Tensor:
        b, t, _ = x.shape
        sizes = [n * self.width for n in (self.n_heads, self.n_kv, self.n_kv)]
        q, k, v = (y.view(b, t, -1, self.width).transpose(1, 2) for y in self.qkv(x).split(sizes, -1))  # (B, H, T, D)
        if turn is not None:
            q, k = rotate(q, turn), rotate(k, turn)
        if self.n_kv != self.n_heads:
            k, v = (y.repeat_interleave(self.n_heads // self.n_kv, 1) for y in (k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        mixed: Tensor = self.out(y.transpose(1, 2).reshape(b, t, -1))
        return mixed


def turns(width: int, length: int, theta: float) -> Tensor:
    """Rotation angles of the rotary embedding: (T, D/2)."""
    rates = theta ** (-torch.arange(0, width, 2).float() / width)
    return torch.outer(torch.arange(length).float(), rates)


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """Turn each pair (first half, second half) of the head width by its position's angle."""
    a, b = x.chunk(2, -1)
    angles = angles[: x.shape[-2]]
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


class FeedForward(nn.Module):
    def __init__(self, c: ModelShape) -> None:
        super().__init__()
        self.gated = c.shape == "llama"
        self.up = nn.Linear(c.hidden, c.ffn * (2 if self.gated else 1), bias=not self.gated)
        self.down = nn.Linear(c.ffn, c.hidden, bias=not self.gated)

    def forward(self, x: Tensor) -> Tensor:
        if self.gated:
            gate, value = self.up(x).chunk(2, -1)
            out: Tensor = self.down(F.silu(gate) * value)
        else:
            out = self.down(F.gelu(self.up(x)))
        return out


class Layer(nn.Module):
    def __init__(self, c: ModelShape) -> None:
        super().__init__()
        norm = RmsNorm if c.shape == "llama" else nn.LayerNorm
        self.norm_1, self.attention = norm(c.hidden), Attention(c)
        self.norm_2, self.feed_forward = norm(c.hidden), FeedForward(c)

    def forward(self, x: Tensor, turn: Tensor | None) -> Tensor:
        x = x + self.attention(self.norm_1(x), turn)
        out: Tensor = x + self.feed_forward(self.norm_2(x))
        return out


class LanguageModel(nn.Module):
    """Tokens (B, T) to next-token scores (B, T, vocabulary)."""

    def __init__(self, c: ModelShape) -> None:
        super().__init__()
        llama = c.shape == "llama"
        self.recompute = c.recompute
        self.embedding = nn.Embedding(c.vocabulary, c.hidden)
        self.position = None if llama else nn.Embedding(c.sequence_length, c.hidden)
        self.layers = nn.ModuleList(Layer(c) for _ in range(c.n_layers))
        self.norm = RmsNorm(c.hidden) if llama else nn.LayerNorm(c.hidden)
        self.head = nn.Linear(c.hidden, c.vocabulary, bias=False) if llama else None
        if llama:
            self.register_buffer("turn", turns(c.hidden // c.n_heads, c.sequence_length, c.rope_theta), False)
        else:
            self.turn = None
        self._initialise(c)

    def _initialise(self, c: ModelShape) -> None:
        """Normal; the matrices that write into the residual stream are scaled down by √(2·layers)."""
        for name, p in self.named_parameters():
            if p.dim() > 1:
                residual = name.endswith(("out.weight", "down.weight"))
                nn.init.normal_(p, 0.0, c.init_std / math.sqrt(2 * c.n_layers) if residual else c.init_std)
            elif name.endswith("bias"):
                nn.init.zeros_(p)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        if self.position is not None:
            x = x + self.position.weight[: tokens.shape[1]]
        for layer in self.layers:
            again = self.recompute and torch.is_grad_enabled()
            x = checkpoint(layer, x, self.turn, use_reentrant=False) if again else layer(x, self.turn)
        x = self.norm(x)
        scores: Tensor = F.linear(x, self.embedding.weight) if self.head is None else self.head(x)
        return scores
