"""Images for ResNet: ImageNet's folders of JPEG, and the IDX files of Fashion-MNIST."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mlassay.core.errors import BadFile
from mlassay.training.common.idx import FASHION_MNIST, labelled_images
from mlassay.training.common.jpeg import pillow, read_picture
from mlassay.training.common.order import Indices

CHANNEL_MEANS = (123.68, 116.78, 103.94)  # subtracted; the reference does not divide
CROP_ATTEMPTS = 100


class ImageSource(Protocol):
    """Training and evaluation images by number; batches are (B, C, H, W) floats and (B,) class numbers."""

    n_train: int
    n_eval: int

    def train_batch(self, indices: Indices, rng: np.random.Generator) -> tuple[Tensor, Tensor]: ...
    def eval_batch(self, indices: Indices) -> tuple[Tensor, Tensor]: ...


class IdxImages:
    """The MNIST family, in memory: four IDX files, plain or gzipped, flipped at random in training."""

    MEAN, STD = 73.0, 90.0  # of Fashion-MNIST's training pixels

    def __init__(self, folder: Path | None) -> None:
        folder = folder or FASHION_MNIST
        self._train, self._eval = (_tensors(*labelled_images(folder, part)) for part in ("train", "t10k"))
        self.n_train, self.n_eval = len(self._train[1]), len(self._eval[1])

    def train_batch(self, indices: Indices, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        images, labels = self._take(self._train, indices)
        flip = torch.from_numpy(rng.random(len(indices)) < 0.5)
        images[flip] = images[flip].flip(3)
        return images, labels

    def eval_batch(self, indices: Indices) -> tuple[Tensor, Tensor]:
        return self._take(self._eval, indices)

    def _take(self, part: tuple[Tensor, Tensor], indices: Indices) -> tuple[Tensor, Tensor]:
        chosen = torch.from_numpy(indices)
        return (part[0][chosen].float() - self.MEAN) / self.STD, part[1][chosen]


def _tensors(images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(images.copy())[:, None], torch.from_numpy(labels.astype(np.int64))


class ImageFolder:
    """ImageNet as it is unpacked everywhere: train/<class>/*.JPEG and val/<class>/*.JPEG.

    Training crop: 5-100 % of the area, aspect 3/4 to 4/3, up to 100 attempts, else the whole image; resized
    bilinearly; flipped at random. Evaluation: shorter side 256/224 of the size, centre crop. Without box annotations
    the whole image is the box, so the rule that a crop covers a tenth of it always holds.
    """

    def __init__(self, folder: Path | None, size: int, n_workers: int) -> None:
        pillow()
        if folder is None or not (folder / "train").is_dir() or not (folder / "val").is_dir():
            raise BadFile(
                folder or "--data", found="absent", expected="a folder with train/<class>/*.JPEG and val/<class>/*.JPEG"
            )
        self._size = size
        classes = class_names(folder / "train")
        self._train = _files(folder / "train", classes)
        self._eval = _files(folder / "val", classes)
        self.n_train, self.n_eval = len(self._train), len(self._eval)
        self._pool = ThreadPoolExecutor(max(n_workers, 1))

    def train_batch(self, indices: Indices, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        seeds = rng.integers(0, 2**63, len(indices))
        jobs = [(*self._train[i], int(seed)) for i, seed in zip(indices, seeds, strict=True)]
        return _stack(list(self._pool.map(lambda job: self._augmented(*job), jobs)))

    def eval_batch(self, indices: Indices) -> tuple[Tensor, Tensor]:
        return _stack(list(self._pool.map(lambda i: self._centred(*self._eval[i]), indices)))

    def _augmented(self, path: Path, label: int, seed: int) -> tuple[Tensor, int]:
        rng = np.random.default_rng(seed)
        picture = read_picture(path)
        left, top, width, height = crop_box(picture.width, picture.height, rng)
        side = (self._size, self._size)
        picture = picture.resize(side, resample=2, box=(left, top, left + width, top + height))
        pixels = _centre_on_zero(picture)
        return (pixels.flip(2) if rng.random() < 0.5 else pixels), label

    def _centred(self, path: Path, label: int) -> tuple[Tensor, int]:
        picture = read_picture(path)
        scale = self._size * 256 / 224 / min(picture.size)
        picture = picture.resize((round(picture.width * scale), round(picture.height * scale)), resample=2)
        left, top = (picture.width - self._size) // 2, (picture.height - self._size) // 2
        return _centre_on_zero(picture.crop((left, top, left + self._size, top + self._size))), label


def crop_box(width: int, height: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Left, top, width, height of a random crop; the whole picture when no attempt fits."""
    for _ in range(CROP_ATTEMPTS):
        area = rng.uniform(0.05, 1.0) * width * height
        aspect = rng.uniform(0.75, 4 / 3)
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            return int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1)), w, h
    return 0, 0, width, height


def _centre_on_zero(picture: Any) -> Tensor:
    pixels = torch.from_numpy(np.asarray(picture, np.float32).copy())
    return (pixels - torch.tensor(CHANNEL_MEANS)).permute(2, 0, 1)


def _stack(samples: list[tuple[Tensor, int]]) -> tuple[Tensor, Tensor]:
    return torch.stack([s[0] for s in samples]), torch.tensor([s[1] for s in samples])


def class_names(part: Path) -> list[str]:
    """The folders of train/ or val/, in the order of their numbers."""
    return sorted(path.name for path in part.iterdir() if path.is_dir())


def pictures_of(folder: Path) -> list[Path]:
    """The pictures of one class, in order."""
    return sorted(path for path in folder.glob("*") if path.suffix.lower() in (".jpeg", ".jpg"))


def _files(folder: Path, classes: list[str]) -> list[tuple[Path, int]]:
    found = [(path, number) for number, name in enumerate(classes) for path in pictures_of(folder / name)]
    if not found:
        raise BadFile(folder, found="without JPEG files", expected="<class>/*.JPEG")
    return found
