"""Volumes for 3D U-Net: KiTS19 as the reference's preprocessing leaves it on disk, and the packed brain.

KiTS19: 210 pairs case_00000_x.npy (image, scaled, float32) and case_00000_y.npy (labels 0 to 2, bytes), each of shape
(1, D, H, W) with edges of at least 128. 42 fixed cases are for evaluation, the other 168 for training.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlassay.core.data_report import DataProblem, problem_of
from mlassay.core.errors import BadFile
from mlassay.training.unet3d import brain
from mlassay.training.unet3d.augment import Slices, largest_parts

Volume = tuple[NDArray[np.float32], NDArray[np.uint8]]
"""Image and labels, both (D, H, W)."""

LAYOUT = "a folder with case_00000_x.npy, case_00000_y.npy and so on, 210 cases of KiTS19"
N_CASES = 210
EVAL_NUMBERS = (
    0, 3, 5, 6, 12, 24, 34, 41, 44, 49, 52, 56, 61, 65, 66, 70, 76, 78, 80, 84, 86, 87, 92, 111, 112, 125, 128, 138,
    157, 160, 161, 162, 169, 171, 176, 185, 187, 189, 198, 203, 206, 207,
)  # fmt: skip
"""The 42 cases that judge: the inference task's. Training's own list was not seen, and is taken to be the same."""


class VolumeSource(Protocol):
    """Training and evaluation volumes by number."""

    n_train: int
    n_eval: int

    def train_volume(self, index: int) -> Volume: ...
    def eval_volume(self, index: int) -> Volume: ...
    def train_parts(self, index: int) -> dict[int, list[Slices]]:
        """Where marked tissue lies in a training volume (`augment.largest_parts`)."""
        ...


class _Parts(ABC):
    """Connected parts are looked for once a volume."""

    def __init__(self) -> None:
        self._found: dict[int, dict[int, list[Slices]]] = {}

    @abstractmethod
    def train_volume(self, index: int) -> Volume: ...

    def train_parts(self, index: int) -> dict[int, list[Slices]]:
        if index not in self._found:
            self._found[index] = largest_parts(self.train_volume(index)[1])
        return self._found[index]


class KitsFolder(_Parts):
    """The reference's preprocessed files; arrays stay on disk until a crop is cut from them."""

    def __init__(self, folder: Path | None, edge: int) -> None:
        super().__init__()
        if folder is None or not folder.is_dir():
            raise BadFile(folder or "--data", found="absent", expected=LAYOUT)
        problems = kits_problems(folder, edge)
        if problems:
            shown = "; ".join(f"{p.where} is {p.found}, not {p.expected}" for p in problems[:5])
            raise BadFile(
                folder,
                found=f"not usable: {shown}" + (f" and {len(problems) - 5} more" if len(problems) > 5 else ""),
                expected="210 cases as the reference's preprocessing leaves them",
                hint="make them of KiTS19 by `mlassay data prepare unet3d`, or the reference's script",
            )
        self._folder = folder
        self._seen: set[int] = set()
        self._train = [number for number in range(N_CASES) if number not in EVAL_NUMBERS]
        self.n_train, self.n_eval = len(self._train), len(EVAL_NUMBERS)

    def train_volume(self, index: int) -> Volume:
        return self._pair(self._train[index])

    def train_parts(self, index: int) -> dict[int, list[Slices]]:
        self._check_labels(self._train[index])
        return super().train_parts(index)

    def eval_volume(self, index: int) -> Volume:
        self._check_labels(EVAL_NUMBERS[index])
        return self._pair(EVAL_NUMBERS[index])

    def _check_labels(self, number: int) -> None:
        """Once a case, when it is first used as a whole: reading all labels at the start would take minutes."""
        if number in self._seen:
            return
        check_labels(case_files(self._folder, number)[1])
        self._seen.add(number)

    def _pair(self, number: int) -> Volume:
        image, labels = (_array(path)[0] for path in case_files(self._folder, number))
        return image, labels


def case_name(number: int) -> str:
    return f"case_{number:05d}"


def case_files(folder: Path, number: int) -> tuple[Path, Path]:
    """Image and labels."""
    return folder / f"{case_name(number)}_x.npy", folder / f"{case_name(number)}_y.npy"


def kits_problems(folder: Path, edge: int) -> list[DataProblem]:
    """Every file that is missing, torn, of another type, or of another shape than its pair; only headers are read.

    `edge`: the least a volume may measure along each axis, in voxels.
    """
    found = []
    for number in range(N_CASES):
        shapes = set()
        for path, kind in zip(case_files(folder, number), (np.float32, np.uint8), strict=True):
            try:
                array = _array(path)
            except BadFile as error:
                found.append(problem_of(path.name, error))
                continue
            shapes.add(array.shape)
            if array.dtype != kind or array.ndim != 4 or array.shape[0] != 1 or min(array.shape[1:]) < edge:
                wanted = f"{np.dtype(kind)} of shape (1, D, H, W), edges from {edge} on"
                found.append(DataProblem(path.name, f"{array.dtype} of shape {array.shape}", wanted))
        if len(shapes) > 1:
            wanted = "an image and labels of equal shape"
            found.append(DataProblem(case_name(number), f"of unequal shapes: {sorted(shapes)}", wanted))
    return found


def check_labels(path: Path) -> None:
    """Reads all labels of a case. Raises BadFile."""
    largest = int(_array(path).max())
    if largest > 2:
        raise BadFile(path, found=f"with labels up to {largest}", expected="0 to 2")


def check_image(path: Path) -> None:
    """Reads a whole image. Raises BadFile."""
    if not np.isfinite(_array(path)).all():
        raise BadFile(path, found="not finite somewhere", expected="numbers")


def _array(path: Path) -> NDArray[Any]:
    if not path.is_file():
        raise BadFile(path, found="absent", expected="an array made by the reference's preprocessing")
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BadFile(path, found=f"not readable ({error})", expected="a whole .npy file") from error
    return array


class BrainBoxes(_Parts):
    """The packed template in memory: boxes of its ends to train on, boxes of its middle to be judged on."""

    def __init__(self) -> None:
        super().__init__()
        image, labels = brain.load()
        self._train, self._eval = (
            [(image[place], labels[place]) for place in places]
            for places in (brain.train_places(), brain.eval_places())
        )
        self.n_train, self.n_eval = len(self._train), len(self._eval)

    def train_volume(self, index: int) -> Volume:
        return self._train[index]

    def eval_volume(self, index: int) -> Volume:
        return self._eval[index]
