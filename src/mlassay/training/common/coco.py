"""COCO's data set on disk, and its metric by pycocotools.

DATA/annotations/instances_train2017.json, instances_val2017.json; DATA/train2017/*.jpg, DATA/val2017/*.jpg
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mlassay.core.errors import BadFile, MissingDependency
from mlassay.training.common.jpeg import pillow, read_picture
from mlassay.training.common.pictures import Outlines, Picture

TRAINING, VALIDATION = "annotations/instances_train2017.json", "annotations/instances_val2017.json"
LAYOUT = "a folder with annotations/instances_{train,val}2017.json, train2017/ and val2017/"
_NEEDED = {"images": ("id", "file_name", "width", "height"), "annotations": ("image_id", "category_id", "bbox")}


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture and what is marked in it."""

    image_id: int
    file_name: str
    size: tuple[int, int]  # width, height
    boxes: NDArray[np.float32]  # (n, 4)
    classes: NDArray[np.int64]
    outlines: tuple[Outlines, ...]


class CocoFolder:
    """COCO 2017. Training pictures without boxes are dropped, as in both references; evaluation keeps them all.

    `crowds`: SSD's reference trains on crowd boxes as on any other, Mask R-CNN's leaves them out.
    """

    def __init__(self, folder: Path | None, *, crowds: bool, masks: bool) -> None:
        pillow()
        if folder is None or not (folder / "annotations").is_dir():
            raise BadFile(folder or "--data", found="absent", expected=LAYOUT)
        self._folder, self._masks = folder, masks
        self._truth = read_annotations(folder / VALIDATION)
        self._categories = sorted(c["id"] for c in self._truth["categories"])
        labels = {c: n for n, c in enumerate(self._categories, 1)}
        train = read_annotations(folder / TRAINING)
        self._train = [e for e in entries(train, labels, crowds, masks) if len(e.boxes)]
        self._eval = entries(self._truth, labels, True, False)
        for part, usable in (("train2017", self._train), ("val2017", self._eval)):
            if not usable:
                raise BadFile(folder, key=part, found="without pictures that can be used", expected=LAYOUT)
        self.n_train, self.n_eval = len(self._train), len(self._eval)
        self.n_classes = len(self._categories) + 1

    def train(self, number: int) -> Picture:
        return self._picture("train2017", self._train[number])

    def eval(self, number: int) -> Picture:
        return self._picture("val2017", self._eval[number])

    def truth(self) -> dict[str, Any]:
        return self._truth

    def category(self, label: int) -> int:
        return int(self._categories[label - 1])

    def _picture(self, part: str, entry: Entry) -> Picture:
        path = self._folder / part / entry.file_name
        pixels = np.asarray(read_picture(path))
        if (pixels.shape[1], pixels.shape[0]) != entry.size:
            raise BadFile(path, found=f"{pixels.shape[1]}x{pixels.shape[0]}", expected="{}x{}".format(*entry.size))
        return Picture(
            entry.image_id,
            torch.from_numpy(pixels.copy()).permute(2, 0, 1),
            torch.from_numpy(entry.boxes),
            torch.from_numpy(entry.classes),
            entry.outlines if self._masks else (),
        )


def read_annotations(path: Path) -> dict[str, Any]:
    """An instances_*.json, its parts and fields checked. Raises BadFile."""
    if not path.is_file():
        raise BadFile(path, found="absent", expected="COCO's annotations of objects")
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise BadFile(
            path, found=f"not readable as JSON ({error})", expected="COCO's annotations of objects"
        ) from error
    if not isinstance(found, dict):
        raise BadFile(path, found=f"a JSON {type(found).__name__}", expected="an object with images and annotations")
    for part, keys in (*_NEEDED.items(), ("categories", ("id",))):
        rows = found.get(part)
        if not isinstance(rows, list) or not rows:
            raise BadFile(path, key=part, found="absent or empty", expected="a list")
        for key in keys:
            bad = next((n for n, row in enumerate(rows) if not isinstance(row, dict) or key not in row), None)
            if bad is not None:
                raise BadFile(path, key=f"{part}[{bad}]", found=f"without {key}", expected=f"{', '.join(keys)} in each")
    complaints = {"images": _image_complaint, "annotations": _box_complaint, "categories": _category_complaint}
    for part, complaint in complaints.items():
        for n, row in enumerate(found[part]):
            if what := complaint(row):
                raise BadFile(path, key=f"{part}[{n}]", found=what[0], expected=what[1])
    return found


def _image_complaint(row: Mapping[str, Any]) -> tuple[str, str] | None:
    name, size = row["file_name"], (row["width"], row["height"])
    if not isinstance(name, str) or name in ("", ".", "..") or "/" in name or "\0" in name:
        return f"a file named {name!r}", "the name of a file in the folder of pictures"
    if not isinstance(row["id"], int) or not all(isinstance(v, int) and v > 0 for v in size):
        return f"of id {row['id']!r} and size {size}", "whole numbers"
    return None


def _box_complaint(row: Mapping[str, Any]) -> tuple[str, str] | None:
    box = row["bbox"]
    if not (isinstance(box, list) and len(box) == 4 and all(isinstance(v, int | float) and isfinite(v) for v in box)):
        return f"a box {box}", "[x, y, width, height]"
    if not isinstance(row["image_id"], int) or not isinstance(row["category_id"], int):
        return f"of picture {row['image_id']!r} and category {row['category_id']!r}", "whole numbers"
    polygons = row.get("segmentation")
    if isinstance(polygons, list) and not all(isinstance(p, list) and len(p) % 2 == 0 for p in polygons):
        return "an outline that is no list of x and y", "polygons [x, y, x, y, …]"
    return None


def _category_complaint(row: Mapping[str, Any]) -> tuple[str, str] | None:
    return None if isinstance(row["id"], int) else (f"of id {row['id']!r}", "a whole number")


def entries(found: Mapping[str, Any], labels: Mapping[int, int], crowds: bool, masks: bool) -> list[Entry]:
    """The pictures of an annotation file; `labels` gives a category's class number."""
    rows_of: dict[int, list[Mapping[str, Any]]] = {image["id"]: [] for image in found["images"]}
    for row in found["annotations"]:
        crowd = bool(row.get("iscrowd"))
        width, height = row["bbox"][2:]
        if (crowds or not crowd) and width > 0 and height > 0 and row["category_id"] in labels:
            rows_of.setdefault(row["image_id"], []).append(row)
    result = []
    for image in found["images"]:
        rows = rows_of[image["id"]]
        boxes = np.array([r["bbox"] for r in rows], np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        classes = np.array([labels[r["category_id"]] for r in rows], np.int64)
        outlines = tuple(_outlines(r) for r in rows) if masks else ()
        size = (image["width"], image["height"])
        result.append(Entry(image["id"], image["file_name"], size, boxes, classes, outlines))
    return result


def _outlines(row: Mapping[str, Any]) -> Outlines:
    polygons = row.get("segmentation") or ()
    return tuple(np.asarray(p, np.float64).reshape(-1, 2) for p in polygons if isinstance(p, list) and len(p) >= 6)


def run_lengths(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """A bitmap (H, W) in COCO's compressed form."""
    try:
        import pycocotools.mask
    except ModuleNotFoundError as error:
        raise MissingDependency("pycocotools", extra="training-data", why="it packs masks for COCO's AP") from error
    packed: dict[str, Any] = pycocotools.mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return packed


def average_precision(truth: Mapping[str, Any], detections: Sequence[Mapping[str, Any]], kind: str) -> float:
    """COCO's AP (mean over IoU 0.50 to 0.95, all areas, 100 detections); `kind` is "bbox" or "segm".

    Detections are COCO result rows. 0 without any.
    """
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ModuleNotFoundError as error:
        raise MissingDependency("pycocotools", extra="training-data", why="it computes COCO's AP") from error
    if not detections:
        return 0.0
    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO()
        known.dataset = {**truth, "annotations": [dict(row) for row in truth["annotations"]]}
        known.createIndex()
        judge = COCOeval(known, known.loadRes([dict(row) for row in detections]), kind)
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return float(judge.stats[0])
