"""The two-headed residual network of MiniGo: where to play, and who wins."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor, nn


class GoNet(nn.Module):
    """Planes (B, P, N, N) to move scores (B, N²+1) and the mover's expected result (B,) in -1…1.

    The batch norms of the two heads have neither scale nor shift, as in the reference.
    """

    def __init__(
        self, board: int, n_planes: int, n_filters: int, n_blocks: int, dense: int, conv_bias: bool, momentum: float
    ) -> None:
        super().__init__()

        def conv(n_in: int, n_out: int, kernel: int) -> nn.Conv2d:
            return nn.Conv2d(n_in, n_out, kernel, padding=kernel // 2, bias=conv_bias)

        def norm(n: int, affine: bool = True) -> nn.BatchNorm2d:
            return nn.BatchNorm2d(n, 1e-5, momentum, affine)

        self.stem = nn.Sequential(conv(n_planes, n_filters, 3), norm(n_filters), nn.ReLU())
        self.blocks = nn.ModuleList(
            nn.Sequential(
                conv(n_filters, n_filters, 3),
                norm(n_filters),
                nn.ReLU(),
                conv(n_filters, n_filters, 3),
                norm(n_filters),
            )
            for _ in range(n_blocks)
        )
        area = board * board
        self.policy = nn.Sequential(conv(n_filters, 2, 1), norm(2, False), nn.ReLU(), nn.Flatten())
        self.policy_out = nn.Linear(2 * area, area + 1)
        self.value = nn.Sequential(conv(n_filters, 1, 1), norm(1, False), nn.ReLU(), nn.Flatten())
        self.value_out = nn.Sequential(nn.Linear(area, dense), nn.ReLU(), nn.Linear(dense, 1))

    def forward(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        x = self.stem(planes)
        for block in self.blocks:
            x = F.relu(x + block(x))
        return self.policy_out(self.policy(x)), torch.tanh(self.value_out(self.value(x)))[:, 0]
