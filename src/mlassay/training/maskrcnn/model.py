"""Mask R-CNN (He et al. 2017) on a feature pyramid (Lin et al. 2017): the network's four parts, no targets yet."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor, nn

from mlassay.training.common.roi_align import roi_align
from mlassay.training.maskrcnn.recipe import MaskRcnnConfig
from mlassay.training.resnet.model import BN_EPS, BN_MOMENTUM, Block

ASPECTS = (0.5, 1.0, 2.0)  # height over width
BOX_GRID, MASK_GRID = 7, 14


class FrozenNorm(nn.Module):
    """Batch norm whose statistics and scale are constants of the checkpoint: a scale and a shift of each channel."""

    def __init__(self, n: int) -> None:
        super().__init__()
        for name, value in (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)):
            self.register_buffer(name, torch.full((n,), value))
        self.weight: Tensor
        self.bias: Tensor
        self.running_mean: Tensor
        self.running_var: Tensor

    def forward(self, x: Tensor) -> Tensor:
        scale = self.weight * (self.running_var + BN_EPS).rsqrt()
        return x * scale[:, None, None] + (self.bias - self.running_mean * scale)[:, None, None]


class Backbone(nn.Module):
    """(B, 3, H, W) to one map for each stage.

    The stride of a bottleneck sits in its first 1x1, as in the weights of MSRA that the reference starts from.
    """

    def __init__(self, c: MaskRcnnConfig) -> None:
        super().__init__()
        norm = FrozenNorm if c.norm == "frozen" else partial(nn.BatchNorm2d, eps=BN_EPS, momentum=BN_MOMENTUM)
        kernel = 7 if c.stem == "imagenet" else 3
        stem: list[nn.Module] = [
            nn.Conv2d(3, c.base_width, kernel, 2, kernel // 2, bias=False),
            norm(c.base_width),
            nn.ReLU(inplace=True),
        ]
        if c.stem == "imagenet":
            stem.append(nn.MaxPool2d(3, 2, 1))
        self.stem = nn.Sequential(*stem)
        blocks: list[nn.Module] = []
        self.widths: list[int] = []
        n_in = c.base_width
        for stage, depth in enumerate(c.depths):
            for i in range(depth):
                stride = 2 if stage > 0 and i == 0 else 1
                block = Block(n_in, c.base_width * 2**stage, stride, c.block == "bottleneck", True, norm)
                n_in = block.n_out
                blocks.append(block)
            self.widths.append(n_in)
        self.stages = nn.Sequential(*blocks)
        self._ends = [sum(c.depths[: k + 1]) for k in range(len(c.depths))]
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
        frozen = [self.stem, *list(self.stages)[: sum(c.depths[: c.frozen_stages - 1])]] if c.frozen_stages else []
        for part in frozen:
            part.requires_grad_(False)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.stem(x)
        maps = []
        for number, block in enumerate(self.stages, 1):
            x = block(x)
            if number in self._ends:
                maps.append(x)
        return maps


class Pyramid(nn.Module):
    """Maps of the backbone to maps of equal width, the coarser added to the finer, and one coarser still."""

    def __init__(self, widths: list[int], out: int) -> None:
        super().__init__()
        self.inner = nn.ModuleList(nn.Conv2d(w, out, 1) for w in widths)
        self.outer = nn.ModuleList(nn.Conv2d(out, out, 3, padding=1) for _ in widths)
        _kaiming_uniform(self)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        merged: list[Tensor] = []
        for x, inner in zip(reversed(maps), reversed(self.inner), strict=True):
            here = inner(x)
            if merged:
                here = here + F.interpolate(merged[0], here.shape[2:], mode="nearest")
            merged.insert(0, here)
        out = [outer(m) for outer, m in zip(self.outer, merged, strict=True)]
        return [*out, F.max_pool2d(out[-1], 1, 2)]


class ProposalHead(nn.Module):
    """For each map and anchor: is there an object (B, H·W·A), and where (B, H·W·A, 4)?"""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.shared = nn.Conv2d(width, width, 3, padding=1)
        self.score = nn.Conv2d(width, len(ASPECTS), 1)
        self.place = nn.Conv2d(width, len(ASPECTS) * 4, 1)
        for conv in (self.shared, self.score, self.place):
            _normal(conv, 0.01)

    def forward(self, maps: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        shared = [F.relu(self.shared(m)) for m in maps]
        scores = [self.score(m).permute(0, 2, 3, 1).flatten(1) for m in shared]
        codes = [self.place(m).permute(0, 2, 3, 1).reshape(len(m), -1, 4) for m in shared]
        return scores, codes


class BoxHead(nn.Module):
    """Regions' features (R, width, 7, 7) to class scores (R, K) and box codes for each class (R, K, 4)."""

    def __init__(self, width: int, dense: int, n_classes: int) -> None:
        super().__init__()
        self.dense = nn.Sequential(
            nn.Linear(width * BOX_GRID**2, dense), nn.ReLU(inplace=True), nn.Linear(dense, dense), nn.ReLU(inplace=True)
        )
        _kaiming_uniform(self.dense)
        self.score = nn.Linear(dense, n_classes)
        self.place = nn.Linear(dense, n_classes * 4)
        _normal(self.score, 0.01)
        _normal(self.place, 0.001)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.dense(x.flatten(1))
        return self.score(x), self.place(x).reshape(len(x), -1, 4)


class MaskHead(nn.Module):
    """Regions' features (R, width, 14, 14) to mask scores for each class (R, K, 28, 28)."""

    def __init__(self, width: int, n_convolutions: int, n_classes: int) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for _ in range(n_convolutions):
            parts += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU(inplace=True)]
        parts += [nn.ConvTranspose2d(width, width, 2, 2), nn.ReLU(inplace=True), nn.Conv2d(width, n_classes, 1)]
        self.body = nn.Sequential(*parts)
        for m in self.body:
            if isinstance(m, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
                assert m.bias is not None
                nn.init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return out


class MaskRCNN(nn.Module):
    """All parts. `forward` does what `step` of the training needs, so that DistributedDataParallel sees one call."""

    def __init__(self, c: MaskRcnnConfig) -> None:
        super().__init__()
        self.config = c
        self.backbone = Backbone(c)
        self.pyramid = Pyramid(self.backbone.widths[c.first_level :], c.pyramid_width)
        self.propose = ProposalHead(c.pyramid_width)
        self.box = BoxHead(c.pyramid_width, c.dense_width, c.n_classes)
        self.mask = MaskHead(c.pyramid_width, c.mask_convolutions, c.n_classes)
        self.strides = [2 ** (k + c.first_level + (2 if c.stem == "imagenet" else 1))
                        for k in range(len(c.anchor_sizes))]  # fmt: skip

    def maps(self, pictures: Tensor) -> list[Tensor]:
        found: list[Tensor] = self.pyramid(self.backbone(pictures)[self.config.first_level :])
        return found

    def pooled(self, maps: list[Tensor], regions: list[Tensor], grid: int) -> Tensor:
        """Features of each region, from the map that fits its size: (Σn, width, grid, grid), in the regions' order."""
        finest_to_coarsest = maps[:-1]  # the last serves proposals only
        flat = torch.cat(regions)
        level = self._level(flat, len(finest_to_coarsest))
        out = maps[0].new_zeros(len(flat), maps[0].shape[1], grid, grid)
        cuts = [len(r) for r in regions]
        for k, features in enumerate(finest_to_coarsest):
            here = level == k
            if bool(here.any()):
                chosen = [r[m] for r, m in zip(regions, here.split(cuts), strict=True)]
                out = out.index_put((here.nonzero()[:, 0],), roi_align(features, chosen, 1 / self.strides[k], grid))
        return out

    def _level(self, regions: Tensor, n: int) -> Tensor:
        side = (regions[:, 2:] - regions[:, :2]).clamp(min=0).prod(1).sqrt()
        level = torch.floor(self.config.canonical_level + torch.log2(side / self.config.canonical_size + 1e-6))
        return level.clamp(0, n - 1).long()

    def forward(self, pictures: Tensor, losses: object) -> Tensor:
        """`losses` is called with this network and the pictures' maps; the result is the loss."""
        assert callable(losses)
        out: Tensor = losses(self, self.maps(pictures))
        return out


def anchors_of(sides: list[tuple[int, int]], strides: list[int], sizes: tuple[int, ...]) -> list[Tensor]:
    """For each map (H·W·3, 4): boxes of equal area and three aspects around the middle of each cell."""
    found = []
    for (height, width), stride, size in zip(sides, strides, sizes, strict=True):
        shapes = torch.tensor([(size / a**0.5, size * a**0.5) for a in ASPECTS])  # width, height
        y, x = torch.meshgrid(torch.arange(height) * stride, torch.arange(width) * stride, indexing="ij")
        centres = (torch.stack([x, y], -1).reshape(-1, 1, 2) + stride / 2).expand(-1, len(shapes), 2)
        half = (shapes / 2).expand(len(centres), -1, 2)
        found.append(torch.cat([centres - half, centres + half], -1).reshape(-1, 4))
    return found


def _kaiming_uniform(module: nn.Module) -> None:
    for m in module.modules():
        if isinstance(m, nn.Conv2d | nn.Linear):
            nn.init.kaiming_uniform_(m.weight, a=1)
            nn.init.zeros_(m.bias)


def _normal(module: nn.Conv2d | nn.Linear, deviation: float) -> None:
    nn.init.normal_(module.weight, 0.0, deviation)
    nn.init.zeros_(module.bias)


_NAMES = {
    "propose.shared": "RPNHead_conv", "propose.score": "RPNHead_cls", "propose.place": "RPNHead_bbox",
    "box.dense.0": "ROI_BOX_FEATURE_EXTRACTOR_fc6", "box.dense.2": "ROI_BOX_FEATURE_EXTRACTOR_fc7",
    "box.score": "ROI_BOX_PREDICTOR_cls", "box.place": "ROI_BOX_PREDICTOR_bbox",
    "mask.body.8": "ROI_MASK_PREDICTOR_fcn5", "mask.body.10": "ROI_MASK_PREDICTOR_fcn_logits",
}  # fmt: skip


def reference_names(parameter: str) -> tuple[str, ...]:
    """Our layers by their names in the logs of v1.1 to v2.1, which leave the backbone out."""
    part = parameter.rpartition(".")[0]
    section, _, number = part.rpartition(".")
    if section in ("pyramid.inner", "pyramid.outer"):
        return (f"FPN_{'inner' if section.endswith('inner') else 'layer'}_block{int(number) + 1}",)
    if section == "mask.body" and part not in _NAMES:
        return (f"ROI_MASK_FEATURE_EXTRACTOR_fcn{int(number) // 2 + 1}",)
    return (_NAMES[part],) if part in _NAMES else ()
