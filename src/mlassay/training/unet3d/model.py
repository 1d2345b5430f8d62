"""3D U-Net (Çiçek et al., arXiv:1606.06650; Isensee et al., nnU-Net) by our own definition, in any size.

The reference's variant: instance normalisation, strides in place of pooling, PyTorch's default initialisation.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

REFERENCE_WIDTHS = (32, 64, 128, 256, 320, 320)
"""Channels of the levels, finest first; the last is the bottleneck: 31.2 million parameters."""


class UNet3D(nn.Module):
    """Volumes (B, 1, D, H, W), edges divisible by 2 for every level but the first, to scores (B, classes, D, H, W)."""

    def __init__(self, widths: Sequence[int] = REFERENCE_WIDTHS, classes: int = 3) -> None:
        super().__init__()
        self.down = nn.ModuleList([_level(1, widths[0], 1)])
        self.down.extend(_level(inside, out, 2) for inside, out in pairwise(widths))
        self.rise = nn.ModuleList()
        self.up = nn.ModuleList()
        for inside, out in pairwise(reversed(widths)):
            self.rise.append(nn.ConvTranspose3d(inside, out, 2, 2))
            self.up.append(_level(2 * out, out, 1))
        self.output = nn.Conv3d(widths[0], classes, 1)

    def forward(self, volume: Tensor) -> Tensor:
        skipped = []
        x = volume
        for level in self.down:
            x = level(x)
            skipped.append(x)
        skipped.pop()  # the bottleneck itself
        for rise, level in zip(self.rise, self.up, strict=True):
            x = level(torch.cat([rise(x), skipped.pop()], 1))
        out: Tensor = self.output(x)
        return out


def _level(inside: int, out: int, stride: int) -> nn.Sequential:
    """Two 3×3×3 convolutions, each with instance normalisation and ReLU; the first one takes the stride."""
    layers: list[nn.Module] = []
    for channels, step in ((inside, stride), (out, 1)):
        layers += [nn.Conv3d(channels, out, 3, step, 1, bias=False), nn.InstanceNorm3d(out, affine=True), nn.ReLU()]
    return nn.Sequential(*layers)


def reference_name(parameter: str) -> str:
    """Our down.1.4.bias as the logs of v1.1 to v2.1 have it: down0_block_1_instancenorm, which holds both."""
    part, *rest = parameter.split(".")[:-1]
    if part == "output":
        return "output_conv"
    level = int(rest[0])
    if part == "rise":
        return f"up{level}_deconv"
    block, kind = divmod(int(rest[1]), 3)  # convolution, norm, ReLU
    where = f"up{level}" if part == "up" else f"down{level - 1}" if level else "input"
    return f"{where}_block_{block}_{('conv', 'instancenorm')[kind]}"
