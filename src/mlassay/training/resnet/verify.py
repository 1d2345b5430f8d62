"""Is ImageNet, in folders by class, whole?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mlassay.core.data_report import DataProblem, DataReport, count_problems
from mlassay.training.common.jpeg import LOOKED_AT, picture_problems
from mlassay.training.resnet.data import class_names, pictures_of
from mlassay.training.resnet.recipe import ResnetConfig

PUBLISHED = {"training pictures": 1_281_167, "evaluation pictures": 50_000, "classes": 1_000}
PARTS = {"train": "training pictures", "val": "evaluation pictures"}


def verify(folder: Path, config: ResnetConfig) -> DataReport:
    """Numbers of pictures and classes, the same classes in both parts, and the two ends of every file.

    Not every picture is decoded, for time; `picture_problems` says which. One picture of ImageNet is a PNG under a
    JPEG's name, and no finding.
    """
    problems: list[DataProblem] = []
    counts = dict.fromkeys(PUBLISHED, 0)
    classes: dict[str, list[str]] = {}
    for part, what in PARTS.items():
        classes[part] = class_names(folder / part) if (folder / part).is_dir() else []
        if not classes[part]:
            problems.append(DataProblem(part, "without folders of classes", f"{part}/<class>/*.JPEG"))
        for name in classes[part]:
            pictures = pictures_of(folder / part / name)
            counts[what] += len(pictures)
            if not pictures:
                problems.append(DataProblem(f"{part}/{name}", "without pictures", "*.JPEG"))
            problems += picture_problems(folder, [f"{part}/{name}/{path.name}" for path in pictures])
    counts["classes"] = len(classes["train"])
    problems += _unlike_classes(set(classes["train"]), set(classes["val"]))
    problems += count_problems(counts, PUBLISHED, folder.name)
    return DataReport(
        dataset="ImageNet 2012",
        folder=folder,
        counts=counts,
        problems=tuple(problems),
        notes=(LOOKED_AT, "no checksums are published for single pictures"),
    )


def _unlike_classes(train: set[str], val: set[str]) -> Iterator[DataProblem]:
    if not train or not val:
        return
    for name in sorted(train - val):
        yield DataProblem(f"val/{name}", "absent", "the same classes as in train")
    for name in sorted(val - train):
        yield DataProblem(f"val/{name}", "a class that train lacks", "the same classes as in train")
