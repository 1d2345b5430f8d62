"""SSD-MobileNet-v1 at 300×300, the rule book's light detector of v0.5 to v2.0, by our own definition.

Needs torch; imported only when a checkpoint is loaded, exported or counted.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlassay.tasks.object_detection.anchors import mobilenet_anchors

CLASSES = 91  # COCO's category ids run to 90; 0 is background
_BODY = ((32, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1), (256, 512, 2), *((512, 512, 1),) * 5,
         (512, 1024, 2), (1024, 1024, 1))  # fmt: skip
_EXTRA = ((1024, 256, 512), (512, 128, 256), (256, 128, 256), (256, 64, 128))
_TAPS = (10, 12)  # blocks whose output is looked at
_SHAPES = (3, 6, 6, 6, 6, 6)
_CENTRE, _SIZE = 0.1, 0.2
_EPSILON = 1e-3  # TensorFlow's, of batch normalisation


class SSDMobileNetV1(nn.Module):
    """Pictures (B, 3, 300, 300), scaled to -1..1, to boxes (B, 1917, 4) as shares (ymin, xmin, ymax, xmax) and class
    probabilities (B, 1917, 91), each class by its own sigmoid, background first."""

    side = 300

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Unit(3, 32, 3, 2)
        self.depthwise = nn.ModuleList(_Unit(inside, inside, 3, stride, groups=inside) for inside, _, stride in _BODY)
        self.pointwise = nn.ModuleList(_Unit(inside, out, 1, 1) for inside, out, _ in _BODY)
        self.narrow = nn.ModuleList(_Unit(inside, narrow, 1, 1) for inside, narrow, _ in _EXTRA)
        self.wide = nn.ModuleList(_Unit(narrow, out, 3, 2) for _, narrow, out in _EXTRA)
        channels = (512, 1024, *(out for *_, out in _EXTRA))
        self.loc = nn.ModuleList(nn.Conv2d(c, n * 4, 1) for c, n in zip(channels, _SHAPES, strict=True))
        self.conf = nn.ModuleList(nn.Conv2d(c, n * CLASSES, 1) for c, n in zip(channels, _SHAPES, strict=True))
        self.register_buffer("anchors", torch.from_numpy(mobilenet_anchors()), persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x, maps = self.stem(images), []
        for number, (depthwise, pointwise) in enumerate(zip(self.depthwise, self.pointwise, strict=True)):
            x = pointwise(depthwise(x))
            if number in _TAPS:
                maps.append(x)
        for narrow, wide in zip(self.narrow, self.wide, strict=True):
            x = wide(narrow(x))
            maps.append(x)
        offsets = torch.cat([_rows(head(m), 4) for head, m in zip(self.loc, maps, strict=True)], 1)
        logits = torch.cat([_rows(head(m), CLASSES) for head, m in zip(self.conf, maps, strict=True)], 1)
        return _decoded(offsets, self.anchors), logits.sigmoid()


class _Unit(nn.Module):
    """Convolution padded as TensorFlow pads ("SAME": the odd pixel at the end), batch normalisation, ReLU6."""

    def __init__(self, inside: int, out: int, kernel: int, stride: int, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, out, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(out, eps=_EPSILON)
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        sides = []
        for size in (int(x.shape[3]), int(x.shape[2])):
            whole = max((-(-size // self.stride) - 1) * self.stride + self.kernel - size, 0)
            sides += [whole // 2, whole - whole // 2]
        out: Tensor = functional.relu6(self.norm(self.conv(functional.pad(x, sides))))
        return out


def tensorflow_key(ours: str) -> str:
    """Our name to the variable in TensorFlow's ssd_mobilenet_v1_coco_2018_01_28."""
    part, number, *rest = ours.split(".")
    tail = rest[-1]
    if part in ("loc", "conf"):
        kind = "BoxEncodingPredictor" if part == "loc" else "ClassPredictor"
        return f"BoxPredictor_{number}/{kind}/{'weights' if tail == 'weight' else 'biases'}"
    if part == "stem":
        layer, rest = "Conv2d_0", [number]
    elif part in ("depthwise", "pointwise"):
        layer = f"Conv2d_{int(number) + 1}_{part}"
    else:
        step = int(number)
        size = f"1_Conv2d_{step + 2}_1x1_{_EXTRA[step][1]}" if part == "narrow" else None
        layer = f"Conv2d_13_pointwise_{size or f'2_Conv2d_{step + 2}_3x3_s2_{_EXTRA[step][2]}'}"
    names = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
    if rest[0] == "conv":
        leaf = "depthwise_weights" if part == "depthwise" else "weights"
    else:
        leaf = f"BatchNorm/{names.get(tail, tail)}"
    return f"FeatureExtractor/MobilenetV1/{layer}/{leaf}"


def published_key(ours: str) -> str:
    """Our name to the name in the state of ssd_mobilenet_v1.pytorch (Zenodo record 3239977), once `unfolded`."""
    part, number, *rest = ours.split(".")
    if part in ("loc", "conf"):
        return f"predictors.{number}.{'regression' if part == 'loc' else 'classification'}.{rest[0]}"
    if part == "stem":
        unit, rest = "backbone.0.0", [number, *rest]
    elif part in ("depthwise", "pointwise"):
        unit = f"backbone.{int(number) + 1}.{part}"
    else:
        unit = f"extras.{number}.{0 if part == 'narrow' else 2}"
    return f"{unit}.weight" if rest[0] == "conv" else f"{unit}/BatchNorm.{rest[1]}"


def unfolded(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The published state with full batch normalisations: there they are folded into a scale and a bias, or a bias."""
    whole = {}
    for name, value in published.items():
        if not name.endswith(("/BatchNorm.scale", "/BatchNorm.bias")):
            folded = name.startswith("extras.") and name.endswith(".bias")  # a convolution's own bias
            whole[name.replace(".bias", "/BatchNorm.bias") if folded else name] = value
        elif name.endswith(".bias"):
            whole[name] = value
    for name in [n for n in whole if n.endswith("/BatchNorm.bias")]:
        unit, bias = name.removesuffix(".bias"), whole[name]
        whole[f"{unit}.weight"] = published.get(f"{unit}.scale", torch.ones_like(bias))
        whole[f"{unit}.running_mean"] = torch.zeros_like(bias)
        whole[f"{unit}.running_var"] = torch.full_like(bias, 1 - _EPSILON)
    return whole


def from_tensorflow(name: str, array: Tensor) -> Tensor:
    """A TensorFlow array in PyTorch's order of dimensions."""
    if name.endswith("depthwise_weights"):
        return array.permute(2, 3, 0, 1)  # (H, W, C, 1) -> (C, 1, H, W)
    return array.permute(3, 2, 0, 1) if array.dim() == 4 else array  # (H, W, in, out) -> (out, in, H, W)


def _rows(answers: Tensor, width: int) -> Tensor:
    """(B, shapes · width, H, W) to (B, H · W · shapes, width)."""
    moved = answers.permute(0, 2, 3, 1)
    return moved.reshape(moved.shape[0], -1, width)


def _decoded(offsets: Tensor, anchors: Tensor) -> Tensor:
    """TensorFlow's offsets (y, x, h, w) against anchors (cx, cy, w, h) to corners (ymin, xmin, ymax, xmax)."""
    place, extent = anchors[:, [1, 0]], anchors[:, [3, 2]]
    centre = place + _CENTRE * offsets[..., :2] * extent
    half = extent * (_SIZE * offsets[..., 2:]).exp() / 2
    return torch.cat([centre - half, centre + half], -1)
