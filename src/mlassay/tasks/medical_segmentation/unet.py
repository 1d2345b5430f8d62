"""The 3D U-Net of the training benchmark as inference meets it: the packed size, and the names in the published file.

Needs torch; imported only by what trains, loads, exports or counts one.
"""

from __future__ import annotations

import re

from mlassay.training.unet3d.model import REFERENCE_WIDTHS, UNet3D

__all__ = ["BRAIN_WIDTHS", "UNet3D", "published_key"]

BRAIN_WIDTHS = (8, 16, 24)
"""The packed one."""


def published_key(ours: str, levels: int = len(REFERENCE_WIDTHS)) -> str:
    """Our name to the name in the reference checkpoint (Zenodo record 5597155)."""
    ours = re.sub(r"^output\.", "output.conv.0.", ours)
    ours = re.sub(r"^rise\.(\d+)\.", r"upsample.\1.upsample_conv.0.", ours)
    found = re.match(r"(down|up)\.(\d+)\.(\d)\.(.+)$", ours)
    if not found:
        return ours
    side, level, layer, rest = found[1], int(found[2]), int(found[3]), found[4]
    unit = f"conv{layer // 3 + 1}.{layer % 3}.{rest}"
    if side == "up":
        return f"upsample.{level}.{unit}"
    if level == 0:
        return f"input_block.{unit}"
    return f"bottleneck.{unit}" if level == levels - 1 else f"downsample.{level - 1}.{unit}"
