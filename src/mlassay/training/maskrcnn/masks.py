"""Masks on their way: an object's outline cut to a region for training, a small mask pasted into a picture."""

from __future__ import annotations

import warnings

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from numpy.typing import NDArray
from torch import Tensor

from mlassay.core.errors import MissingDependency
from mlassay.training.common.pictures import Outlines
from mlassay.training.common.roi_align import roi_align

SIDE = 28


def wanted_masks(masks: list[Outlines | NDArray[np.bool_]], boxes: Tensor) -> Tensor:
    """One mask for each box (n, 4), n in all: what lies of the object in the box, (n, 28, 28) of 0 and 1."""
    if not masks:
        return torch.zeros(0, SIDE, SIDE)
    return torch.stack(
        [
            _from_bitmap(m, b) if isinstance(m, np.ndarray) else _from_outlines(m, b.tolist())
            for m, b in zip(masks, boxes, strict=True)
        ]
    )


def _from_bitmap(mask: NDArray[np.bool_], box: Tensor) -> Tensor:
    picture = torch.from_numpy(mask.astype(np.float32))[None, None]
    return (roi_align(picture, [box[None]], 1.0, SIDE)[0, 0] >= 0.5).float()


def _from_outlines(outlines: Outlines, box: list[float]) -> Tensor:
    """The polygons moved and stretched to the grid, then filled: as the reference does."""
    try:
        import pycocotools.mask as fill
    except ModuleNotFoundError as error:
        raise MissingDependency("pycocotools", extra="training-data", why="it fills COCO's outlines") from error
    if not outlines:
        return torch.zeros(SIDE, SIDE)
    left, top, right, bottom = box
    stretch = np.array([SIDE / max(right - left, 1.0), SIDE / max(bottom - top, 1.0)])
    moved = [((p - np.array([left, top])) * stretch).ravel().tolist() for p in outlines]
    packed = fill.merge(fill.frPyObjects(moved, SIDE, SIDE))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pycocotools 2.0.11 asks numpy 2 for a view the old way
        return torch.from_numpy(np.asarray(fill.decode(packed), np.float32))


def pasted(scores: Tensor, box: list[float], height: int, width: int) -> NDArray[np.bool_]:
    """A mask of chances (28, 28), stretched over its box, as a bitmap (height, width): true from one half on."""
    left, top = max(int(np.floor(box[0])), 0), max(int(np.floor(box[1])), 0)
    right, bottom = min(int(np.ceil(box[2])), width), min(int(np.ceil(box[3])), height)
    out = np.zeros((height, width), bool)
    if right <= left or bottom <= top:
        return out
    x = (torch.arange(left, right) + 0.5 - box[0]) / max(box[2] - box[0], 1e-6) * 2 - 1
    y = (torch.arange(top, bottom) + 0.5 - box[1]) / max(box[3] - box[1], 1e-6) * 2 - 1
    grid = torch.stack([x.expand(len(y), -1), y[:, None].expand(-1, len(x))], -1)[None]
    chances = F.grid_sample(scores[None, None], grid.float(), mode="bilinear", align_corners=False)
    out[top:bottom, left:right] = (chances[0, 0] >= 0.5).numpy()
    return out
