"""DLRM (Naumov et al., arXiv:1906.00091) and DLRM-DCNv2 (Wang et al., arXiv:2008.13535) by our own definition.

Needs torch; imported only when a checkpoint is loaded, exported or counted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from mlassay.tasks.recommendation.adult import NUMBERS, ROWS_PER_TABLE
from mlassay.tasks.recommendation.tables import CRITEO_DENSE, CRITEO_HOT, CRITEO_ROWS_PER_TABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The shape of one network."""

    dense: int
    rows: Sequence[int]  # of each table
    hot: Sequence[int]  # ids per row and table
    width: int  # of an embedding
    bottom: Sequence[int]
    top: Sequence[int]
    cross_layers: int = 0  # 0: pairwise products (DLRM); else low-rank cross layers (DCNv2)
    cross_rank: int = 0


DLRM = Recipe(
    dense=CRITEO_DENSE,
    rows=CRITEO_ROWS_PER_TABLE,
    hot=(1,) * len(CRITEO_ROWS_PER_TABLE),
    width=128,
    bottom=(512, 256, 128),
    top=(1024, 1024, 512, 256, 1),
)
DLRM_DCNV2 = Recipe(
    dense=CRITEO_DENSE,
    rows=CRITEO_ROWS_PER_TABLE,
    hot=CRITEO_HOT,
    width=128,
    bottom=(512, 256, 128),
    top=(1024, 1024, 512, 256, 1),
    cross_layers=3,
    cross_rank=512,
)
ADULT = Recipe(
    dense=len(NUMBERS), rows=ROWS_PER_TABLE, hot=(1,) * len(ROWS_PER_TABLE), width=16, bottom=(64, 16), top=(64, 32, 1)
)
"""The packed one."""


class ClickNetwork(nn.Module):
    """Dense features (N, dense) and ids (N, sum of hot) to click probabilities (N,)."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.tables = nn.ModuleList(nn.Embedding(rows, recipe.width) for rows in recipe.rows)
        self.bottom = _perceptron((recipe.dense, *recipe.bottom), ends_linear=False)
        vectors = len(recipe.rows) + 1
        self.cross: nn.ModuleList | None = None
        if recipe.cross_layers:
            inside = vectors * recipe.width
            self.cross = nn.ModuleList(_Cross(inside, recipe.cross_rank) for _ in range(recipe.cross_layers))
        else:
            inside = vectors * (vectors - 1) // 2 + recipe.width
            row, column = torch.tril_indices(vectors, vectors, -1)
            self.register_buffer("below", row * vectors + column, persistent=False)
        self.top = _perceptron((inside, *recipe.top), ends_linear=True)

    def forward(self, dense: Tensor, ids: Tensor) -> Tensor:
        return self.logits(dense, ids).sigmoid()

    def logits(self, dense: Tensor, ids: Tensor) -> Tensor:
        numbers = self.bottom(dense)
        vectors = [numbers]
        begin = 0
        for table, hot in zip(self.tables, self.recipe.hot, strict=True):
            looked_up = table(ids[:, begin : begin + hot])  # (N, hot, width)
            vectors.append(looked_up[:, 0] if hot == 1 else looked_up.sum(1))
            begin += hot
        stacked = torch.stack(vectors, 1)  # (N, vectors, width)
        if self.cross is not None:
            first = mixed = stacked.flatten(1)
            for layer in self.cross:
                mixed = layer(first, mixed)
        else:
            products = torch.matmul(stacked, stacked.transpose(1, 2)).flatten(1)
            mixed = torch.cat([numbers, products.index_select(1, self.below)], 1)
        out: Tensor = self.top(mixed)[:, 0]
        return out


class _Cross(nn.Module):
    """One low-rank cross layer: first · (W V mixed + bias) + mixed."""

    def __init__(self, inside: int, rank: int) -> None:
        super().__init__()
        self.narrow = nn.Linear(inside, rank, bias=False)
        self.wide = nn.Linear(rank, inside)

    def forward(self, first: Tensor, mixed: Tensor) -> Tensor:
        return first * self.wide(self.narrow(mixed)) + mixed


def embedding_parameters(network: nn.Module) -> int:
    return sum(p.numel() for name, p in network.named_parameters() if name.startswith("tables."))


def dlrm_key(ours: str) -> str:
    """Our name to the name in tb00_40M.pt, the reference checkpoint of DLRM."""
    ours = re.sub(r"^tables\.", "emb_l.", ours)
    return re.sub(r"^(bottom|top)\.", lambda found: {"bottom": "bot_l.", "top": "top_l."}[found[1]], ours)


def torchrec_key(ours: str) -> str:
    """Our name to TorchRec's name, as in the reference snapshot of DLRM-DCNv2 once it is gathered in one file."""
    part, number, *rest = ours.split(".")
    if part == "tables":
        return f"sparse_arch.embedding_bag_collection.embedding_bags.t_cat_{number}.weight"
    if part == "cross":
        kind = {"narrow.weight": "V_kernels", "wide.weight": "W_kernels", "wide.bias": "bias"}[".".join(rest)]
        return f"inter_arch.crossnet.{kind}.{number}"
    if part == "bottom":
        return f"dense_arch.model._mlp.{int(number) // 2}._linear.{rest[0]}"
    if int(number) == 2 * (len(DLRM_DCNV2.top) - 1):  # the last layer stands by itself
        return f"over_arch.model.1.{rest[0]}"
    return f"over_arch.model.0._mlp.{int(number) // 2}._linear.{rest[0]}"


def _perceptron(sizes: Sequence[int], *, ends_linear: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inside, out in pairwise(sizes):
        layers += [nn.Linear(inside, out), nn.ReLU()]
    return nn.Sequential(*(layers[:-1] if ends_linear else layers))
