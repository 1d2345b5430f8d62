"""DLRM (Naumov et al. 2019) and its DCNv2 form (Wang et al. 2021)."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from mlassay.training.dlrm.recipe import DlrmConfig


def perceptron(sizes: tuple[int, ...], last_relu: bool) -> nn.Sequential:
    """Weights N(0, √(2/(in+out))), biases N(0, √(1/out)), as the reference draws them."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        linear = nn.Linear(n_in, n_out)
        nn.init.normal_(linear.weight, 0.0, math.sqrt(2 / (n_in + n_out)))
        nn.init.normal_(linear.bias, 0.0, math.sqrt(1 / n_out))
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*(layers if last_relu else layers[:-1]))


class Cross(nn.Module):
    """Low-rank cross layers: x ← x0 · (W V x + b) + x."""

    def __init__(self, width: int, n_layers: int, rank: int) -> None:
        super().__init__()
        self.down = nn.ModuleList(nn.Linear(width, rank, bias=False) for _ in range(n_layers))
        self.up = nn.ModuleList(nn.Linear(rank, width) for _ in range(n_layers))
        for layer in self.up:
            nn.init.zeros_(layer.bias)

    def forward(self, x0: Tensor) -> Tensor:
        x = x0
        for down, up in zip(self.down, self.up, strict=True):
            x = x0 * up(down(x)) + x
        return x


class DlrmNet(nn.Module):
    """Dense (B, n_dense) and ids (B, sum of hots) to logits (B,)."""

    def __init__(self, c: DlrmConfig) -> None:
        super().__init__()
        self.hots = list(c.hots)
        self.tables = nn.ModuleList(nn.EmbeddingBag(n, c.width, mode="sum") for n in c.rows)
        for table in self.tables:
            bound = math.sqrt(1 / table.num_embeddings)
            nn.init.uniform_(table.weight, -bound, bound)
        self.bottom = perceptron((c.n_dense, *c.bottom), True)
        n = len(c.rows) + 1
        self.cross = Cross(n * c.width, c.cross_layers, c.cross_rank) if c.interaction == "cross" else None
        n_top = n * c.width if self.cross is not None else n * (n - 1) // 2 + c.width
        self.top = perceptron((n_top, *c.top), False)
        self.register_buffer("pairs", torch.tril_indices(n, n, -1), persistent=False)

    def forward(self, dense: Tensor, ids: Tensor) -> Tensor:
        x = self.bottom(dense)
        parts = [table(part) for table, part in zip(self.tables, ids.split(self.hots, 1), strict=True)]
        vectors = torch.stack([x, *parts], 1)  # (B, n, width)
        if self.cross is not None:
            features = self.cross(vectors.flatten(1))
        else:
            products = vectors @ vectors.transpose(1, 2)
            features = torch.cat([x, products[:, self.pairs[0], self.pairs[1]]], 1)
        logits: Tensor = self.top(features)
        return logits[:, 0]
