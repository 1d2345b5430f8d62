"""Is what Mask R-CNN reads whole: COCO 2017 and its backbone's weights?"""

from __future__ import annotations

from pathlib import Path

import torch

from mlassay.core.data_report import DataReport
from mlassay.training.common import coco_verify
from mlassay.training.maskrcnn.model import Backbone
from mlassay.training.maskrcnn.recipe import MaskRcnnConfig


def verify(folder: Path, config: MaskRcnnConfig) -> DataReport:
    """What `coco_verify` looks at; the backbone is built without memory, for its shapes."""
    with torch.device("meta"):
        backbone = Backbone(config)
    return coco_verify.verify(folder, backbone, config.backbone, crowds=False, masks=True)
