"""Labelled pictures in the forms in which people have them on disk, checked before anything runs.

packed                        the first 2,000 Fashion-MNIST test images, in the wheel
a folder of idx files         MNIST, Fashion-MNIST as published: t10k-images-idx3-ubyte[.gz], t10k-labels-...
a folder with val_map.txt     or val.txt: "ILSVRC2012_val_00000001.JPEG 65" a line, as MLPerf and Caffe ship them
a folder of class folders     n01440764/…JPEG, as torchvision expects it
a tar file                    ILSVRC2012_img_val.tar with val_map.txt or val.txt beside it, or class folders inside
parquet files                 columns image and label: validation-00000-of-00014.parquet, as the Hugging Face hub has it
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.core.errors import BadFile, MachineProblem, UsageError
from mlassay.tasks.image_classification import archives
from mlassay.tasks.image_classification.idx import read_idx
from mlassay.tasks.image_classification.labels import class_numbers, read_labels
from mlassay.tasks.image_classification.preprocess import Pixels, read_picture

PACKED = Path(__file__).parent / "data"
PACKED_PREFIX = "fashion-mnist-t10k-first2000"
LABEL_FILES = ("val_map.txt", "val.txt")
PICTURES = {".jpeg", ".jpg", ".png"}
IMAGENET_VAL = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledPictures:
    """A data set: `read(i)` gives the pixels of picture i, height × width (grey) or height × width × 3."""

    name: str
    labels: NDArray[np.int64]
    read: Callable[[int], Pixels]
    where: Callable[[int], str] = str  # for people: the name of picture i
    shape: tuple[int, ...] | None = None  # of every picture; None where sizes differ
    about: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)


def open_pictures(folder: Path, labels: Path | None = None, *, missing: list[str] | None = None) -> LabelledPictures:
    """Find out what the folder or archive holds and check it; raises one error that lists what is missing.

    `labels`: a file of "picture class" lines that is used instead of what lies in the folder. `missing`: pictures that
    such a file names and that are not there are noted here and left out, instead of being an error.
    """
    if folder.is_file() and folder.suffix in (".tar", ".parquet"):
        names, folder = [folder.name], folder.parent
    else:
        names = _names(folder)
    if labels is None and any("-images-idx3-ubyte" in name or "-images.idx3-ubyte" in name for name in names):
        return idx_pictures(folder, names)
    if found := [name for name in names if name.endswith(".parquet")]:
        return parquet_pictures([folder / name for name in found])
    if labels is None:
        beside = [folder / name for name in LABEL_FILES] + [folder.parent / name for name in LABEL_FILES]
        labels = next((path for path in beside if path.is_file()), None)
    if tars := [name for name in names if name.endswith(".tar")]:
        return tar_pictures(folder / tars[0], labels, missing)
    if labels is not None:
        return listed_pictures(folder, labels, missing)
    if _names(folder, folders=True):
        return foldered_pictures(folder)
    raise BadFile(
        folder,
        found=f"a folder of {len(names)} files without labels" if names else "empty",
        expected="idx files, pictures with val_map.txt or val.txt, or one folder per class",
        hint="give the label file with --task-option labels=FILE"
        if names
        else "name the folder that holds the data set",
    )


def packed_pictures() -> LabelledPictures:
    """The 2,000 pictures in the wheel."""
    return _from_idx(
        "Fashion-MNIST, first 2,000 test images",
        PACKED / f"{PACKED_PREFIX}-images-idx3-ubyte.gz",
        PACKED / f"{PACKED_PREFIX}-labels-idx1-ubyte.gz",
    )


def idx_pictures(folder: Path, names: Sequence[str]) -> LabelledPictures:
    """The test part of a folder of idx files; the training part where there is no test part."""
    images = sorted((n for n in names if "-images" in n and "idx3-ubyte" in n), key=lambda n: n.startswith("train"))
    labels = images[0].replace("images", "labels").replace("idx3", "idx1")
    found = next((n for n in (labels, labels.removesuffix(".gz"), labels + ".gz") if n in names), None)
    if found is None:
        raise BadFile(folder, found=f"without {labels}", expected=f"the labels that belong to {images[0]}")
    return _from_idx(f"{folder.name}/{images[0]}", folder / images[0], folder / found)


def listed_pictures(folder: Path, labels: Path, missing: list[str] | None = None) -> LabelledPictures:
    """Pictures named in a label file, one "name class" a line, classes counted from 0."""
    classes = read_labels(labels)
    names = _those_there(folder, labels, list(classes), set(_absent(folder, list(classes))), missing)
    return _from_files(folder.name, [folder / name for name in names], [classes[n] for n in names], labels=str(labels))


def tar_pictures(path: Path, labels: Path | None, missing: list[str] | None = None) -> LabelledPictures:
    """Pictures of a tar file: those that the label file names, or all where class folders say what they are."""
    archive = archives.open_tar(path)
    number_of = {name: number for number, name in enumerate(archive.names)}
    if labels is not None:
        classes = read_labels(labels)
        names = _those_there(path, labels, list(classes), classes.keys() - number_of.keys(), missing)
    else:
        kinds = {name: os.path.basename(os.path.dirname(name)) for name in archive.names}
        if not all(kinds.values()):
            raise BadFile(
                path,
                found="a tar file of pictures without labels",
                expected="val_map.txt or val.txt beside it, or class folders inside",
                hint="give the label file with --task-option labels=FILE",
            )
        number = class_numbers(path.parent, sorted(set(kinds.values())))
        names, classes = list(archive.names), {name: number[kind] for name, kind in kinds.items()}
    return LabelledPictures(
        name=path.name,
        labels=np.asarray([classes[name] for name in names], np.int64),
        read=lambda index: archive.read(number_of[names[index]]),
        where=lambda index: f"{path.name}/{names[index]}",
        about={"archive": str(path), "labels": str(labels or "class folders"), "pictures": len(names)},
    )


def parquet_pictures(files: Sequence[Path]) -> LabelledPictures:
    """Rows of parquet files, in the order of their names; the validation part where there are several parts."""
    parts = [file for file in files if file.name.startswith(("validation", "val"))] or list(files)
    rows = archives.ParquetPictures(parts)
    labels = rows.labels()
    return LabelledPictures(
        name=f"{parts[0].parent.name}/{parts[0].name}",
        labels=labels,
        read=rows.read,
        where=rows.where,
        about={"folder": str(parts[0].parent), "files": len(parts), "pictures": len(labels)},
    )


def _those_there(
    folder: Path, labels: Path, names: list[str], absent: set[str], missing: list[str] | None
) -> list[str]:
    """The names without those that are absent; these are noted in `missing`, or an error."""
    lost = [name for name in names if name in absent]
    if missing is not None:
        missing += lost
    elif lost:
        shown = ", ".join(lost[:5]) + (f" and {len(lost) - 5} more" if len(lost) > 5 else "")
        raise BadFile(
            folder,
            found=f"without {len(lost)} of the {len(names)} pictures that {labels.name} names: {shown}",
            expected="all of them",
            hint="`mlassay data verify` lists every one",
        )
    return [name for name in names if name not in absent]


def foldered_pictures(folder: Path) -> LabelledPictures:
    """One folder per class. WordNet names (n01440764) get their ImageNet class number, others count in sorted order."""
    class_folders = _names(folder, folders=True)
    number = class_numbers(folder, class_folders)
    paths, classes, empty = [], [], []
    for name in class_folders:
        pictures = sorted(p for p in _names(folder / name) if Path(p).suffix.lower() in PICTURES)
        empty += [] if pictures else [name]
        paths += [folder / name / p for p in pictures]
        classes += [number[name]] * len(pictures)
    if empty:
        raise BadFile(
            folder,
            found=f"with {len(empty)} class folders that hold no picture: {', '.join(empty[:5])}",
            expected="JPEG or PNG files in each",
        )
    return _from_files(folder.name, paths, classes, labels="class folders")


def _absent(folder: Path, names: Sequence[str]) -> list[str]:
    """Names that are not there; each folder is listed once instead of asking for every file."""
    parents = {os.path.dirname(name) for name in names}
    there = {
        os.path.join(parent, name)
        for parent in parents
        if (folder / parent).is_dir()
        for name in _names(folder / parent)
    }
    return [name for name in names if name not in there]


def _names(folder: Path, *, folders: bool = False) -> list[str]:
    """Names of the files (or folders) in it, sorted."""
    if not folder.exists():
        raise UsageError(f"{folder} does not exist", hint="name the folder that holds the data set")
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if (entry.is_dir() if folders else entry.is_file()))
    except NotADirectoryError as error:
        raise BadFile(folder, found="a file", expected="a folder") from error
    except OSError as error:
        raise MachineProblem(f"{folder} cannot be read: {error.strerror}", hint="check its permissions") from error


def _from_files(name: str, paths: list[Path], classes: list[int], labels: str) -> LabelledPictures:
    return LabelledPictures(
        name=name,
        labels=np.asarray(classes, np.int64),
        read=lambda index: read_picture(paths[index]),
        where=lambda index: f"{paths[index].parent.name}/{paths[index].name}",
        about={"folder": str(paths[0].parent) if paths else name, "labels": labels, "pictures": len(paths)},
    )


def _from_idx(name: str, images: Path, labels: Path) -> LabelledPictures:
    pixels, classes = read_idx(images), read_idx(labels)
    if pixels.ndim != 3 or not len(pixels):
        raise BadFile(
            images, found=f"of shape {pixels.shape}", expected="(pictures, height, width), one or more pictures"
        )
    if classes.shape != (len(pixels),):
        raise BadFile(labels, found=f"{classes.size} labels", expected=f"{len(pixels)}, one for each picture")
    return LabelledPictures(
        name=name,
        labels=classes.astype(np.int64),
        read=pixels.__getitem__,
        shape=pixels.shape[1:],
        about={"images": str(images), "labels": str(labels), "pictures": len(pixels)},
    )
