"""Transformer (Vaswani et al. 2017) as the reference shapes it: pre-norm with a last norm, one matrix for embedding
and output, sinusoid positions, attention without biases."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor, nn

from mlassay.training.translation.data import PAD
from mlassay.training.translation.recipe import TranslationConfig

NORM_EPS = 1e-6


class Attention(nn.Module):
    """Queries (B, T, C) over memory (B, S, C); mask is True where attention is allowed."""

    def __init__(self, c: TranslationConfig) -> None:
        super().__init__()
        self.n_heads, self.rate = c.n_heads, c.dropout
        self.q, self.k, self.v, self.out = (nn.Linear(c.hidden, c.hidden, bias=False) for _ in range(4))

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        b, t, width = x.shape
        q, k, v = (
            f(y).view(b, y.shape[1], self.n_heads, -1).transpose(1, 2)
            for f, y in ((self.q, x), (self.k, memory), (self.v, memory))
        )
        rate = self.rate if self.training else 0.0
        mixed = F.scaled_dot_product_attention(q, k, v, mask, dropout_p=rate)
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(b, t, width))
        return out


class Layer(nn.Module):
    """Self-attention, attention to the memory where there is one, feed-forward; each normalised first."""

    def __init__(self, c: TranslationConfig, decoder: bool) -> None:
        super().__init__()
        self.norm_self, self.attention = nn.LayerNorm(c.hidden, NORM_EPS), Attention(c)
        self.norm_cross = nn.LayerNorm(c.hidden, NORM_EPS) if decoder else None
        self.cross = Attention(c) if decoder else None
        self.norm_ffn = nn.LayerNorm(c.hidden, NORM_EPS)
        self.up, self.down = nn.Linear(c.hidden, c.ffn), nn.Linear(c.ffn, c.hidden)
        self.dropout = nn.Dropout(c.dropout)

    def forward(self, x: Tensor, mask: Tensor, memory: Tensor | None = None, seen: Tensor | None = None) -> Tensor:
        y = self.norm_self(x)
        x = x + self.dropout(self.attention(y, y, mask))
        if self.cross is not None and self.norm_cross is not None:
            assert memory is not None
            x = x + self.dropout(self.cross(self.norm_cross(x), memory, seen))
        out: Tensor = x + self.dropout(self.down(self.dropout(F.relu(self.up(self.norm_ffn(x))))))
        return out


class Transformer(nn.Module):
    """Sources (B, S) and target beginnings (B, T) to next-piece scores (B, T, V)."""

    def __init__(self, c: TranslationConfig) -> None:
        super().__init__()
        self.hidden = c.hidden
        self.embedding = nn.Embedding(c.vocabulary, c.hidden)
        self.encoder = nn.ModuleList(Layer(c, False) for _ in range(c.n_layers))
        self.encoder_norm = nn.LayerNorm(c.hidden, NORM_EPS)
        self.decoder = nn.ModuleList(Layer(c, True) for _ in range(c.n_layers))
        self.decoder_norm = nn.LayerNorm(c.hidden, NORM_EPS)
        self.dropout = nn.Dropout(c.dropout)
        for name, p in self.named_parameters():
            if name == "embedding.weight":
                nn.init.normal_(p, 0.0, c.hidden**-0.5)
            elif p.dim() > 1:
                nn.init.xavier_uniform_(p)  # fan-average uniform
            elif name.endswith("bias"):
                nn.init.zeros_(p)

    def _embed(self, pieces: Tensor) -> Tensor:
        x = self.embedding(pieces) * math.sqrt(self.hidden) * (pieces != PAD)[..., None]
        out: Tensor = self.dropout(x + sinusoids(pieces.shape[1], self.hidden).to(x))
        return out

    def encode(self, sources: Tensor) -> tuple[Tensor, Tensor]:
        """Memory (B, S, C) and where it may be looked at (B, 1, 1, S)."""
        seen = (sources != PAD)[:, None, None, :]
        x = self._embed(sources)
        for layer in self.encoder:
            x = layer(x, seen)
        return self.encoder_norm(x), seen

    def decode(self, targets: Tensor, memory: tuple[Tensor, Tensor]) -> Tensor:
        t = targets.shape[1]
        causal = torch.ones(t, t, dtype=torch.bool, device=targets.device).tril()
        x = self._embed(targets)
        for layer in self.decoder:
            x = layer(x, causal, memory[0], memory[1])
        return F.linear(self.decoder_norm(x), self.embedding.weight)

    def forward(self, sources: Tensor, targets: Tensor) -> Tensor:
        return self.decode(targets, self.encode(sources))


def sinusoids(length: int, width: int) -> Tensor:
    """Positions as sines, then cosines, of wavelengths from 2π to 10000·2π: (T, C)."""
    half = width // 2
    rates = torch.exp(-math.log(10_000.0) * torch.arange(half).float() / max(half - 1, 1))
    angles = torch.outer(torch.arange(length).float(), rates)
    return torch.cat([angles.sin(), angles.cos()], 1)
