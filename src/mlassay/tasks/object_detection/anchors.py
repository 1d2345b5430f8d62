"""Default boxes (anchors), where detectors expect objects: (centre x, centre y, width, height) in shares of the side.

Numpy only; the networks keep them as constants. Orders and roundings are those of the published models, since their
weights answer in that order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]


def scene_anchors(side: int = 96) -> Boxes:
    """The packed detector's 1,080: six shapes on a 12×12 and a 6×6 grid; order row, column, shape."""
    shapes = [(size * ratio**0.5, size / ratio**0.5) for size in (24, 36) for ratio in (0.5, 1.0, 2.0)]
    larger = [(w * 1.75, h * 1.75) for w, h in shapes]
    return np.concatenate([_grid(12, np.array(shapes) / side), _grid(6, np.array(larger) / side)])


def resnet34_anchors(side: int = 1200) -> Boxes:
    """SSD-ResNet34 at 1200×1200: 15,130; order feature map, shape, row, column."""
    grids = (50, 25, 13, 7, 3, 3)
    sizes = [int(size * side / 300) / side for size in (21, 45, 99, 153, 207, 261, 315)]
    ratios: Sequence[tuple[int, ...]] = ((2,), (2, 3), (2, 3), (2, 3), (2,), (2,))
    levels = []
    for level, grid in enumerate(grids):
        small, between = sizes[level], (sizes[level] * sizes[level + 1]) ** 0.5
        shapes = [(small, small), (between, between)]
        for ratio in ratios[level]:
            wide, narrow = small * ratio**0.5, small / ratio**0.5
            shapes += [(wide, narrow), (narrow, wide)]
        step = side // int(side / grid)  # the grid that the centres are spaced by
        centres = (np.arange(grid) + 0.5) / step
        for width, height in shapes:
            y, x = np.meshgrid(centres, centres, indexing="ij")
            level_boxes = np.stack([x, y, np.full_like(x, width), np.full_like(x, height)], -1)
            levels.append(level_boxes.reshape(-1, 4))
    return np.clip(np.concatenate(levels), 0, 1).astype(np.float32)


def mobilenet_anchors() -> Boxes:
    """SSD-MobileNet-v1 at 300×300: 1,917; order feature map, row, column, shape."""
    grids = (19, 10, 5, 3, 2, 1)
    scales = [*(0.2 + 0.75 * level / 5 for level in range(6)), 1.0]
    levels = []
    for level, grid in enumerate(grids):
        if level == 0:  # the finest map has three boxes only
            pairs = [(0.1, 1.0), (scales[0], 2.0), (scales[0], 0.5)]
        else:
            pairs = [(scales[level], ratio) for ratio in (1.0, 2.0, 0.5, 3.0, 1 / 3)]
            pairs.append(((scales[level] * scales[level + 1]) ** 0.5, 1.0))
        levels.append(_grid(grid, np.array([(s * r**0.5, s / r**0.5) for s, r in pairs])))
    return np.concatenate(levels)


def retinanet_anchors(side: int = 800) -> Boxes:
    """RetinaNet at 800×800: 120,087 of nine shapes; order feature map, row, column, shape. Centres lie on corners."""
    levels = []
    for grid, base in zip(retinanet_grids(side), (32, 64, 128, 256, 512), strict=True):
        sizes = [base, int(base * 2 ** (1 / 3)), int(base * 2 ** (2 / 3))]
        corners = []
        for ratio in (0.5, 1.0, 2.0):  # height over width
            tall, wide = np.float32(ratio) ** np.float32(0.5), 1 / np.float32(ratio) ** np.float32(0.5)
            corners += [(np.round(wide * size / 2) * 2, np.round(tall * size / 2) * 2) for size in sizes]
        shapes = np.array(corners, np.float64)
        centres = np.arange(grid) * (side // grid)
        y, x = np.meshgrid(centres, centres, indexing="ij")
        at = np.stack([x, y], -1).reshape(-1, 1, 2)
        boxes = np.concatenate([np.repeat(at, 9, 1), np.repeat(shapes[None], len(at), 0)], 2)
        levels.append(boxes.reshape(-1, 4) / side)
    return np.concatenate(levels).astype(np.float32)


def retinanet_grids(side: int = 800) -> tuple[int, ...]:
    """Sizes of the five feature maps: strides 8 to 128, each half of the one before, rounded up."""
    grids = [-(-side // 8)]
    while len(grids) < 5:
        grids.append(-(-grids[-1] // 2))
    return tuple(grids)


def _grid(cells: int, shapes: NDArray[np.float64]) -> Boxes:
    """Every shape (width, height) at the centre of every cell."""
    centres = (np.arange(cells) + 0.5) / cells
    y, x = np.meshgrid(centres, centres, indexing="ij")
    at = np.stack([x, y], -1).reshape(-1, 1, 2)
    both = np.concatenate([np.repeat(at, len(shapes), 1), np.repeat(shapes[None], len(at), 0)], 2)
    return both.reshape(-1, 4).astype(np.float32)
