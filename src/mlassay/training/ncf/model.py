"""NeuMF: matrix factorisation and a perceptron side by side (He et al. 2017), as the v0.5 reference shapes it."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn


class NeuMF(nn.Module):
    """Users (B,) and items (B,) to logits (B,)."""

    def __init__(self, n_users: int, n_items: int, mf_dim: int = 64, mlp_dims: tuple[int, ...] = (256, 256, 128, 64)):
        super().__init__()
        half = mlp_dims[0] // 2
        self.mf_user, self.mf_item = nn.Embedding(n_users, mf_dim), nn.Embedding(n_items, mf_dim)
        self.mlp_user, self.mlp_item = nn.Embedding(n_users, half), nn.Embedding(n_items, half)
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(mlp_dims):
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]
        self.mlp = nn.Sequential(*layers)
        self.final = nn.Linear(mf_dim + mlp_dims[-1], 1)
        self._initialise()

    def _initialise(self) -> None:
        """Embeddings N(0, 0.01); perceptron Glorot-uniform; last layer LeCun-uniform."""
        for m in self.modules():
            if isinstance(m, nn.Embedding):
                nn.init.normal_(m.weight, 0.0, 0.01)
            elif isinstance(m, nn.Linear):
                nn.init.xavier_uniform_(m.weight)
                nn.init.zeros_(m.bias)
        bound = math.sqrt(3.0 / self.final.in_features)
        nn.init.uniform_(self.final.weight, -bound, bound)

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        product = self.mf_user(users) * self.mf_item(items)
        deep = self.mlp(torch.cat([self.mlp_user(users), self.mlp_item(items)], -1))
        logits: Tensor = self.final(torch.cat([product, deep], -1))
        return logits[..., 0]
