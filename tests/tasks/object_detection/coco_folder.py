"""A tiny data set in COCO's form on disk, for tests."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from mlassay.tasks.object_detection.scenes import as_coco, packed_source


def scenes_as_coco(folder: Path, n: int = 4, *, annotations: str, pictures: str) -> Path:
    """The first packed scenes as PNG files with an annotation file."""
    scenes = [packed_source().scene(number) for number in range(n)]
    (folder / annotations).parent.mkdir(parents=True, exist_ok=True)
    (folder / pictures).mkdir(parents=True, exist_ok=True)
    coco = as_coco(scenes, "test")
    (folder / annotations).write_text(json.dumps(coco), encoding="utf-8")
    for image, scene in zip(coco["images"], scenes, strict=True):
        Image.fromarray(np.asarray(scene.pixels)).save(folder / pictures / image["file_name"])
    return folder


def coco_2017(folder: Path, n: int = 4) -> Path:
    return scenes_as_coco(folder, n, annotations="annotations/instances_val2017.json", pictures="val2017")


def openimages(folder: Path, n: int = 4) -> Path:
    return scenes_as_coco(folder, n, annotations="annotations/openimages-mlperf.json", pictures="validation/data")
