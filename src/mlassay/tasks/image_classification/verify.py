"""Is a data set of labelled pictures whole? Counts, labels, and every picture decoded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mlassay.core.data_report import DataProblem, DataReport, each_checked, file_digest, problem_of
from mlassay.core.errors import BadFile
from mlassay.tasks.image_classification.dataset import IMAGENET_VAL, LabelledPictures, open_pictures

IMAGENET_CLASSES = 1_000
IMAGENET_TAR = "ILSVRC2012_img_val.tar"
IMAGENET_TAR_MD5 = "29b22e2961454d5413ddabcf34fc5622"
"""Of the validation pictures, as image-net.org publishes it (6.3 GB)."""


def verify(folder: Path, labels: Path | None = None) -> DataReport:
    """Every picture that should be there and is not, or cannot be decoded, is a finding; so are odd numbers of them."""
    missing: list[str] = []
    try:
        pictures = open_pictures(folder, labels, missing=missing)
    except BadFile as error:
        return DataReport(dataset="unknown", folder=folder, problems=(problem_of(str(error.path), error),))
    imagenet = _is_imagenet(pictures, missing)
    problems = [DataProblem(name, "missing", "a picture") for name in missing]
    problems += each_checked([str(i) for i in range(len(pictures))], lambda i: _look(pictures, int(i)))
    counts = {
        "pictures": len(pictures) + len(missing),
        "pictures readable": len(pictures) + len(missing) - len(problems),
        "classes": len(np.unique(pictures.labels)),
    }
    checksums = {}
    if imagenet:
        problems += _as_published(pictures, len(missing), folder)
        tar = folder if folder.is_file() else folder / IMAGENET_TAR
        if tar.name == IMAGENET_TAR and tar.is_file():
            checksums[tar.name] = file_digest(tar, "md5")
            if checksums[tar.name] != IMAGENET_TAR_MD5:
                problems.append(DataProblem(tar.name, f"of MD5 {checksums[tar.name]}", IMAGENET_TAR_MD5))
    return DataReport(
        dataset="ImageNet 2012 validation" if imagenet else pictures.name,
        folder=folder,
        counts=counts,
        problems=tuple(problems),
        checksums=checksums,
        notes=("no checksums are published for single pictures",) if imagenet and not checksums else (),
    )


def _is_imagenet(pictures: LabelledPictures, missing: list[str]) -> bool:
    """By the names of the pictures, or by a thousand classes."""
    name = pictures.where(0) if len(pictures) else missing[0]
    return "ILSVRC2012_val_" in name or len(np.unique(pictures.labels)) == IMAGENET_CLASSES


def _as_published(pictures: LabelledPictures, n_missing: int, folder: Path) -> Iterator[DataProblem]:
    n = len(pictures) + n_missing
    if n != IMAGENET_VAL:
        yield DataProblem(folder.name, f"of {n:,} pictures", f"{IMAGENET_VAL:,}")
    if not len(pictures):
        return
    if pictures.labels.max() >= IMAGENET_CLASSES:
        found = f"up to {pictures.labels.max()}"
        yield DataProblem("labels", found, f"0 to {IMAGENET_CLASSES - 1}: classes are counted from 0")
    of_each = np.bincount(pictures.labels, minlength=IMAGENET_CLASSES)
    uneven = np.flatnonzero(of_each != IMAGENET_VAL // IMAGENET_CLASSES)
    if n == IMAGENET_VAL and not n_missing and len(uneven):
        found = f"such that {len(uneven)} classes have other than 50 pictures, class {uneven[0]} the first"
        yield DataProblem("labels", found, "50 pictures of each class")


def _look(pictures: LabelledPictures, index: int) -> DataProblem | None:
    try:
        pictures.read(index)
    except BadFile as error:
        return problem_of(pictures.where(index), error)
    return None
