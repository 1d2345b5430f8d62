"""A COCO folder with a handful of pictures, true to the format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest


def coco_like(folder: Path, n_train: int = 6, n_eval: int = 3) -> Path:
    """One bright rectangle on dark ground; category ids with gaps; one crowd; one picture without objects."""
    pil = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(4)
    (folder / "annotations").mkdir(parents=True)
    categories = [{"id": 3, "name": "dog"}, {"id": 7, "name": "cat"}]
    for part, n in (("train2017", n_train), ("val2017", n_eval)):
        (folder / part).mkdir()
        images, rows = [], []
        for k in range(n + 1):
            width, height = int(rng.integers(80, 120)), int(rng.integers(60, 100))
            pixels = rng.integers(0, 60, (height, width, 3)).astype(np.uint8)
            images.append({"id": 10 * k + 1, "file_name": f"{k:012d}.jpg", "width": width, "height": height})
            if k < n:
                x, y = (int(v) for v in rng.integers(2, 20, 2))
                w, h = (int(v) for v in rng.integers(20, 38, 2))
                pixels[y : y + h, x : x + w] = (250, 180, 40) if k % 2 else (40, 180, 250)
                rows.append(
                    {
                        "id": len(rows) + 1,
                        "image_id": 10 * k + 1,
                        "category_id": 7 if k % 2 else 3,
                        "bbox": [x, y, w, h],
                        "area": w * h,
                        "segmentation": [[x, y, x + w, y, x + w, y + h, x, y + h]],
                        "iscrowd": 0,
                    }
                )
            pil.fromarray(pixels).save(folder / part / f"{k:012d}.jpg", quality=95)
        crowd = {"counts": [10, images[0]["width"] * images[0]["height"] - 10], "size": [images[0]["height"], 1]}
        rows.append(
            {"id": len(rows) + 1, "image_id": 1, "category_id": 3, "bbox": [1, 1, 30, 9], "area": 270,
             "segmentation": crowd, "iscrowd": 1}
        )  # fmt: skip
        found = {"images": images, "annotations": rows, "categories": categories}
        (folder / "annotations" / f"instances_{part}.json").write_text(json.dumps(found))
    return folder


def by_torchvisions_names(backbone: Any) -> dict[str, Any]:
    """The tensors of a backbone with one block for each stage, by the names of torchvision's ResNet."""
    theirs = {}
    for name, tensor in backbone.state_dict().items():
        parts = name.split(".")
        if parts[0] == "stem":
            theirs[f"{'conv1' if parts[1] == '0' else 'bn1'}.{parts[2]}"] = tensor
            continue
        stage, rest = int(parts[1]) + 1, parts[2:]
        if rest[0] == "shortcut":
            theirs[f"layer{stage}.0.downsample.{rest[1]}.{rest[2]}"] = tensor
        else:
            kind = "bn" if int(rest[1]) % 3 else "conv"
            theirs[f"layer{stage}.0.{kind}{int(rest[1]) // 3 + 1}.{rest[2]}"] = tensor
    return theirs
