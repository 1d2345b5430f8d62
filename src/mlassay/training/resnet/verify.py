"""Is ImageNet, in folders by class, whole?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from mlassay.core.data_report import DataProblem, DataReport, count_problems, each_checked, problem_of
from mlassay.core.errors import BadFile
from mlassay.training.resnet.data import class_names, pictures_of, read_picture
from mlassay.training.resnet.recipe import ResnetConfig

PUBLISHED = {"training pictures": 1_281_167, "evaluation pictures": 50_000, "classes": 1_000}
PARTS = {"train": "training pictures", "val": "evaluation pictures"}
BEGIN, END = b"\xff\xd8\xff", b"\xff\xd9"


def verify(folder: Path, config: ResnetConfig) -> DataReport:
    """Numbers of pictures and classes, the same classes in both parts, and the two ends of every file.

    To decode 1.3 million pictures takes too long. So a file that begins and ends as a JPEG does counts as whole, though
    it may be damaged between; only the others are decoded, and are findings if that fails (one picture of ImageNet is a
    PNG under a JPEG's name).
    """
    problems: list[DataProblem] = []
    counts = dict.fromkeys(PUBLISHED, 0)
    classes: dict[str, list[str]] = {}
    for part, what in PARTS.items():
        classes[part] = class_names(folder / part) if (folder / part).is_dir() else []
        if not classes[part]:
            problems.append(DataProblem(part, "without folders of classes", f"{part}/<class>/*.JPEG"))
        for name in classes[part]:
            pictures = [str(path) for path in pictures_of(folder / part / name)]
            counts[what] += len(pictures)
            if not pictures:
                problems.append(DataProblem(f"{part}/{name}", "without pictures", "*.JPEG"))
            problems += each_checked(pictures, partial(_picture_problem, folder))
    counts["classes"] = len(classes["train"])
    problems += _unlike_classes(set(classes["train"]), set(classes["val"]))
    problems += count_problems(counts, PUBLISHED, folder.name)
    return DataReport(
        dataset="ImageNet 2012",
        folder=folder,
        counts=counts,
        problems=tuple(problems),
        notes=(
            "of each picture the first and last bytes were looked at; the whole only where those are not a JPEG's",
            "no checksums are published for single pictures",
        ),
    )


def _picture_problem(folder: Path, name: str) -> DataProblem | None:
    try:
        if not has_ends(name):
            read_picture(Path(name))
    except BadFile as error:
        return problem_of(str(Path(name).relative_to(folder)), error)
    except OSError as error:
        found = f"unreadable ({error.strerror})"
        return DataProblem(str(Path(name).relative_to(folder)), found, "a complete JPEG picture")
    return None


def has_ends(path: str) -> bool:
    """Whether a file begins and ends as a JPEG does."""
    with open(path, "rb", buffering=0) as file:
        if file.read(len(BEGIN)) != BEGIN:
            return False
        file.seek(-len(END), os.SEEK_END)
        return file.read(len(END)) == END


def _unlike_classes(train: set[str], val: set[str]) -> Iterator[DataProblem]:
    if not train or not val:
        return
    for name in sorted(train - val):
        yield DataProblem(f"val/{name}", "absent", "the same classes as in train")
    for name in sorted(val - train):
        yield DataProblem(f"val/{name}", "a class that train lacks", "the same classes as in train")
