"""Labelled pictures in the forms in which people have them on disk, checked before anything runs.

packed                        the first 2,000 Fashion-MNIST test images, in the wheel
a folder of idx files         MNIST, Fashion-MNIST as published: t10k-images-idx3-ubyte[.gz], t10k-labels-...
a folder with val_map.txt     or val.txt: "ILSVRC2012_val_00000001.JPEG 65" a line, as MLPerf and Caffe ship them
a folder of class folders     n01440764/…JPEG, as torchvision expects it
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
from mlassay.tasks.image_classification.idx import read_idx
from mlassay.tasks.image_classification.preprocess import Pixels, read_picture

PACKED = Path(__file__).parent / "data"
PACKED_PREFIX = "fashion-mnist-t10k-first2000"
LABEL_FILES = ("val_map.txt", "val.txt")
SYNSET_FILES = ("synset_words.txt", "LOC_synset_mapping.txt", "synsets.txt")
PICTURES = {".jpeg", ".jpg", ".png"}
IMAGENET_VAL = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledPictures:
    """A data set: `read(i)` gives the pixels of picture i, height × width (grey) or height × width × 3."""

    name: str
    labels: NDArray[np.int64]
    read: Callable[[int], Pixels]
    shape: tuple[int, ...] | None = None  # of every picture; None where sizes differ
    about: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)


def open_pictures(folder: Path, labels: Path | None = None) -> LabelledPictures:
    """Find out what the folder holds and check it; raises one error that lists what is missing.

    `labels`: a file of "picture class" lines that is used instead of what lies in the folder.
    """
    names = _names(folder)
    if labels is None and any("-images-idx3-ubyte" in name or "-images.idx3-ubyte" in name for name in names):
        return idx_pictures(folder, names)
    if labels is None:
        beside = [folder / name for name in LABEL_FILES] + [folder.parent / name for name in LABEL_FILES]
        labels = next((path for path in beside if path.is_file()), None)
    if labels is not None:
        return listed_pictures(folder, labels)
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


def listed_pictures(folder: Path, labels: Path) -> LabelledPictures:
    """Pictures named in a label file, one "name class" a line, classes counted from 0."""
    names, classes = _read_labels(labels)
    missing = _absent(folder, names)
    if missing:
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        raise BadFile(
            folder,
            found=f"without {len(missing)} of the {len(names)} pictures that {labels.name} names: {shown}",
            expected="all of them",
        )
    return _from_files(folder.name, [folder / name for name in names], classes, labels=str(labels))


def foldered_pictures(folder: Path) -> LabelledPictures:
    """One folder per class. WordNet names (n01440764) get their ImageNet class number, others count in sorted order."""
    class_folders = _names(folder, folders=True)
    number = _class_numbers(folder, class_folders)
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


def _class_numbers(folder: Path, names: list[str]) -> dict[str, int]:
    wordnet = all(len(name) == 9 and name[0] == "n" and name[1:].isdigit() for name in names)
    if not wordnet or len(names) == 1000:
        return {name: number for number, name in enumerate(names)}
    for place in (folder, folder.parent):
        for file in SYNSET_FILES:
            if (place / file).is_file():
                lines = (place / file).read_text(encoding="utf-8").split("\n")
                known = {line.split()[0]: number for number, line in enumerate(filter(str.strip, lines))}
                if unknown := [name for name in names if name not in known]:
                    raise BadFile(
                        place / file, found=f"without {', '.join(unknown[:5])}", expected="every class folder"
                    )
                return {name: known[name] for name in names}
    raise BadFile(
        folder,
        found=f"{len(names)} of ImageNet's 1,000 class folders",
        expected="all of them, or a synset list that says which class is which number",
        hint=f"put one of {', '.join(SYNSET_FILES)} beside the class folders",
    )


def _read_labels(path: Path) -> tuple[list[str], list[int]]:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadFile(path, found="not text", expected='lines of "picture class"') from error
    except OSError as error:
        raise MachineProblem(f"{path} cannot be read: {error.strerror}") from error
    names, classes = [], []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        name, _, label = line.strip().rpartition(" ")
        if not name or not label.isdigit():
            raise BadFile(
                path, key=f"line {number}", found=repr(line[:60]), expected='a picture and its class, "x.JPEG 65"'
            )
        names.append(name.strip())
        classes.append(int(label))
    if not names:
        raise BadFile(path, found="empty", expected='lines of "picture class"')
    return names, classes


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
        about={"folder": str(paths[0].parent), "labels": labels, "pictures": len(paths)},
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
