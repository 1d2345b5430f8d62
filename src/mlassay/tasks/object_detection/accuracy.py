"""COCO mean average precision of logged answers, by the COCO authors' own library (pycocotools)."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.core.errors import BadFile, MissingDependency
from mlassay.tasks.object_detection.dataset import DetectionSet
from mlassay.tasks.object_detection.postprocess import FIELDS
from mlassay.tasks.task import AccuracyResult, Answers, QualityTarget

STATISTICS = ("mAP", "mAP50", "mAP75", "mAP_small", "mAP_medium", "mAP_large")
"""The first six of COCO's twelve numbers, as the details of a result name them."""


def score(
    answers: Answers, pictures: DetectionSet, target: QualityTarget | None, label_of: Mapping[int, int] | None = None
) -> AccuracyResult:
    """Mean average precision over the pictures that were answered. Of several answers for one the first counts.

    `label_of`: from a logged label to COCO's category id, for models that number the categories without gaps.
    The arithmetic on boxes is 32-bit, as in the official script, so that numbers agree to the last printed digit.
    """
    seen: dict[int, NDArray[np.float32]] = {}
    foreign = 0
    for index, data in answers:
        _check(index, data, len(pictures))
        if index not in seen:
            rows = np.frombuffer(data, "<f4").reshape(-1, FIELDS)
            foreign += bool(((rows[:, 0] != index) & (rows[:, 0] != -1)).any())
            seen[index] = rows
    detections: list[dict[str, Any]] = []
    unknown = 0
    for index, rows in seen.items():
        found, strange = _detections(rows, pictures.coco["images"][index], label_of)
        detections += found
        unknown += strange
    statistics = coco_statistics(
        pictures.coco, detections, [int(pictures.coco["images"][index]["id"]) for index in seen]
    )
    value = 100.0 * statistics[0]
    return AccuracyResult(
        metric="mAP",
        value=value,
        unit="%",
        n=len(seen),
        expected_n=len(pictures),
        official_line=f"mAP={value:.3f}%",
        target=target,
        problems=_problems(len(seen), len(pictures), foreign, unknown),
        details={
            **{name: 100.0 * share for name, share in zip(STATISTICS, statistics, strict=False) if share >= 0},
            "detections": len(detections),
        },
    )


def coco_statistics(
    annotations: Mapping[str, Any], detections: Sequence[Mapping[str, Any]], image_ids: Sequence[int]
) -> tuple[float, ...]:
    """COCO's twelve numbers (0-1; -1 where nothing was to be found) for boxes on the given pictures."""
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ModuleNotFoundError as error:
        raise MissingDependency("pycocotools", extra="coco", why="it computes COCO mAP") from error
    if not detections or not image_ids:
        return (0.0,) * 12
    with contextlib.redirect_stdout(io.StringIO()):  # the library reports its progress by print
        truth = COCO()
        truth.dataset = dict(annotations)
        truth.createIndex()
        # the library adds fields to what it is given: it gets its own dictionaries
        judged = COCOeval(truth, truth.loadRes([dict(one) for one in detections]), iouType="bbox")
        judged.params.imgIds = list(image_ids)
        judged.evaluate()
        judged.accumulate()
        judged.summarize()
    return tuple(float(number) for number in judged.stats)


def _detections(
    rows: NDArray[np.float32], image: Mapping[str, Any], label_of: Mapping[int, int] | None
) -> tuple[list[dict[str, Any]], int]:
    """One picture's answer in COCO's form, and how many labels mean nothing."""
    size = np.array([image["height"], image["width"]], np.float32)
    low, high = rows[:, 1:3] * size, rows[:, 3:5] * size
    extent = high - low
    found, unknown = [], 0
    for place, sides, row in zip(low.tolist(), extent.tolist(), rows, strict=True):
        label = int(row[6])
        if label_of is not None:
            if label not in label_of:
                unknown += 1
                continue
            label = label_of[label]
        box = [place[1], place[0], sides[1], sides[0]]
        found.append({"image_id": image["id"], "category_id": label, "bbox": box, "score": float(row[5])})
    return found, unknown


def _check(index: int, data: bytes, n: int) -> None:
    if not 0 <= index < n:
        raise BadFile(
            "accuracy log",
            key=f"qsl_idx {index}",
            found="not a sample of this data set",
            expected=f"0 to {n - 1}",
            hint="score the log with the data set that the run used",
        )
    if len(data) % (4 * FIELDS):
        raise BadFile(
            "accuracy log",
            key=f"qsl_idx {index}",
            found=f"{len(data)} bytes",
            expected=f"a multiple of {4 * FIELDS}: seven 32-bit floats a detection",
        )


def _problems(n: int, expected: int, foreign: int, unknown: int) -> tuple[str, ...]:
    problems = []
    if n < expected:
        problems.append(f"{expected - n} of {expected} samples have no answer")
    if foreign:
        problems.append(f"{foreign} answers say inside that they belong to another sample: the sample map is mixed up")
    if unknown:
        problems.append(f"{unknown} detections bear labels that the annotations do not have")
    return tuple(problems)
