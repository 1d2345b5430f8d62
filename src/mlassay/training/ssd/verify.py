"""Is what SSD reads whole: COCO 2017 and its backbone's weights?"""

from __future__ import annotations

from pathlib import Path

import torch

from mlassay.core.data_report import DataReport
from mlassay.training.common import coco_verify
from mlassay.training.ssd.model import Backbone
from mlassay.training.ssd.recipe import SsdConfig


def verify(folder: Path, config: SsdConfig) -> DataReport:
    """What `coco_verify` looks at; the backbone is built without memory, for its shapes."""
    with torch.device("meta"):
        backbone = Backbone(config.depths, config.base_width, config.stem == "imagenet")
    return coco_verify.verify(folder, backbone, config.backbone, crowds=True, masks=False)
