"""Is COCO 2017 whole, with the weights that a detector starts from?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from torch import nn

from mlassay.core.data_report import DataProblem, DataReport, count_problems, problem_of
from mlassay.core.errors import BadFile
from mlassay.training.common.backbone import backbone_tensors
from mlassay.training.common.coco import TRAINING, VALIDATION, entries, read_annotations
from mlassay.training.common.jpeg import LOOKED_AT, picture_problems

PUBLISHED = {
    "training pictures": 118_287,
    "training pictures with boxes": 117_266,
    "evaluation pictures": 5_000,
    "evaluation boxes": 36_781,
    "categories": 80,
}
PARTS = {"training": (TRAINING, "train2017"), "evaluation": (VALIDATION, "val2017")}


def verify(folder: Path, backbone: nn.Module, weights: str, *, crowds: bool, masks: bool) -> DataReport:
    """Annotations as training reads them, their numbers, every picture that they name, and the backbone's file.

    `weights` is the file's name, or "none"; `crowds` and `masks` are those of `CocoFolder`. Not every picture is
    decoded, for time; `picture_problems` says which.
    """
    problems: list[DataProblem] = []
    counts: dict[str, int] = {}
    categories: dict[str, list[int]] = {}
    for part, (marks, pictures) in PARTS.items():
        try:
            found = read_annotations(folder / marks)
        except BadFile as error:
            problems.append(problem_of(marks, error))
            continue
        categories[part] = sorted(category["id"] for category in found["categories"])
        labels = {category: number for number, category in enumerate(categories[part], 1)}
        rows = entries(found, labels, crowds, masks)
        counts[f"{part} pictures"] = len(rows)
        counts[f"{part} pictures with boxes"] = sum(len(row.boxes) > 0 for row in rows)
        counts[f"{part} boxes"] = len(found["annotations"])
        counts["categories"] = len(labels)
        problems += picture_problems(folder, [f"{pictures}/{row.file_name}" for row in rows])
    if len(categories) == 2 and categories["training"] != categories["evaluation"]:
        problems.append(DataProblem(TRAINING, "of other categories than the evaluation", "the same ids"))
    problems += count_problems(counts, PUBLISHED, folder.name)
    problems += _weights_problem(folder, backbone, weights)
    return DataReport(
        dataset="COCO 2017",
        folder=folder,
        counts=counts,
        problems=tuple(problems),
        notes=(
            LOOKED_AT,
            "no published number of training boxes is known here: it was not compared",
            "the backbone's tensors are known by name and shape; their values are not",
        ),
    )


def _weights_problem(folder: Path, backbone: nn.Module, weights: str) -> Iterator[DataProblem]:
    try:
        if weights != "none":
            backbone_tensors(backbone, folder / weights)
    except BadFile as error:
        yield problem_of(weights, error)
