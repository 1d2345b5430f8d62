"""ResNet v1.5: the stride of a bottleneck sits in its 3x3 convolution (training rules v0.5 on).

Written from the published architecture (He et al. 2015) and the reference's facts: v1 order convolution-BN-ReLU, ReLU
after the addition, projection shortcut in the first block of a stage, no convolution biases.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from torch import Tensor, nn

BN_MOMENTUM = 0.1  # PyTorch's way of saying the reference's 0.9
BN_EPS = 1e-5


def _conv(n_in: int, n_out: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(n_in, n_out, kernel, stride, padding=(kernel - 1) // 2, bias=False)


def _norm(n: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(n, eps=BN_EPS, momentum=BN_MOMENTUM)


class Block(nn.Module):
    """Bottleneck (1x1, 3x3, 1x1 to four times the width) or basic (two 3x3) residual block.

    `first_strides`: the original form of a bottleneck, whose stride sits in the first 1x1.
    """

    def __init__(
        self,
        n_in: int,
        width: int,
        stride: int,
        bottleneck: bool,
        first_strides: bool = False,
        norm: Callable[[int], nn.Module] = _norm,
    ) -> None:
        super().__init__()
        n_out = width * 4 if bottleneck else width
        if bottleneck:
            first, second = (stride, 1) if first_strides else (1, stride)
            shape = [(n_in, width, 1, first), (width, width, 3, second), (width, n_out, 1, 1)]
        else:
            shape = [(n_in, width, 3, stride), (width, width, 3, 1)]
        parts: list[nn.Module] = []
        for i, (a, b, kernel, s) in enumerate(shape):
            parts += [_conv(a, b, kernel, s), norm(b)]
            if i < len(shape) - 1:
                parts.append(nn.ReLU(inplace=True))
        self.body = nn.Sequential(*parts)
        project = stride != 1 or n_in != n_out
        self.shortcut = nn.Sequential(_conv(n_in, n_out, 1, stride), norm(n_out)) if project else nn.Identity()
        self.relu = nn.ReLU(inplace=True)
        self.n_out = n_out

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.relu(self.body(x) + self.shortcut(x))
        return out


class ResNet(nn.Module):
    """Images (B, C, H, W) to class scores (B, n_classes)."""

    def __init__(
        self,
        depths: tuple[int, ...] = (3, 4, 6, 3),
        base_width: int = 64,
        bottleneck: bool = True,
        imagenet_stem: bool = True,
        n_classes: int = 1000,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        stem: list[nn.Module] = [
            _conv(in_channels, base_width, 7, 2) if imagenet_stem else _conv(in_channels, base_width, 3),
            _norm(base_width),
            nn.ReLU(inplace=True),
        ]
        if imagenet_stem:
            stem.append(nn.MaxPool2d(3, 2, 1))
        self.stem = nn.Sequential(*stem)
        blocks: list[nn.Module] = []
        n_in = base_width
        for stage, depth in enumerate(depths):
            for i in range(depth):
                stride = 2 if stage > 0 and i == 0 else 1
                block = Block(n_in, base_width * 2**stage, stride, bottleneck)
                n_in = block.n_out
                blocks.append(block)
        self.stages = nn.Sequential(*blocks)
        self.head = nn.Linear(n_in, n_classes)
        self._initialise()

    def _initialise(self) -> None:
        """Convolutions: truncated normal, variance 1/fan-in; dense: N(0, 0.01); BN scale 1 (no zero-gamma trick)."""
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                fan_in = m.weight[0].numel()
                # 0.8796 is the deviation of a normal cut at two deviations: the cut one must have 1/fan-in again.
                std = math.sqrt(1.0 / fan_in) / 0.87962566103423978
                nn.init.trunc_normal_(m.weight, 0.0, std, -2 * std, 2 * std)
        nn.init.normal_(self.head.weight, 0.0, 0.01)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.head(self.stages(self.stem(x)).mean((2, 3)))
        return scores


def reference_name(parameter: str, depths: Sequence[int]) -> str:
    """Our stages.3.body.4.bias as the logs of v1.1 to v2.1 have it: stage2_unit1_bn2_beta."""
    part, _, kind = parameter.rpartition(".")
    norm_kind = {"weight": "gamma", "bias": "beta"}[kind]
    if part in ("stem.0", "head"):
        return {"stem.0": "conv0_", "head": "fc1_"}[part] + kind
    if part == "stem.1":
        return f"bn0_{norm_kind}"
    _, block, branch, number = part.split(".")
    stage, unit = place_of(int(block), depths)
    where = f"stage{stage + 1}_unit{unit + 1}"
    layer = "sc" if branch == "shortcut" else str(int(number) // 3 + 1)
    is_norm = int(number) % 3 == 1
    if layer == "sc":
        return f"{where}_bnsc_{norm_kind}" if is_norm else f"{where}_conv1sc_weight"
    return f"{where}_bn{layer}_{norm_kind}" if is_norm else f"{where}_conv{layer}_weight"


def place_of(block: int, depths: Sequence[int]) -> tuple[int, int]:
    """Stage and place in it, both from 0, of a block counted through all stages."""
    for stage, depth in enumerate(depths):
        if block < depth:
            return stage, block
        block -= depth
    raise ValueError(f"no block {block} behind stages of {tuple(depths)}")
