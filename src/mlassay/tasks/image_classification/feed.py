"""What a model wants to be fed, read from its input, and how pictures are turned into it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.core.errors import UsageError
from mlassay.core.model import ModelSpec
from mlassay.tasks.image_classification.dataset import LabelledPictures
from mlassay.tasks.image_classification.preprocess import GREY_SCALES, RULES, Pixels

_DTYPES = ("float32", "float16", "uint8")


@dataclass(frozen=True, slots=True)
class PictureInput:
    """The one picture input of a model."""

    size: int
    channels: int  # 1 or 3
    layout: str  # "NCHW" or "NHWC"
    dtype: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one sample."""
        if self.layout == "NCHW":
            return (self.channels, self.size, self.size)
        return (self.size, self.size, self.channels)

    @property
    def sample_bytes(self) -> int:
        return self.size * self.size * self.channels * np.dtype(self.dtype).itemsize

    def preparation(self, pictures: LabelledPictures, rule: str) -> Callable[[int], NDArray[Any]]:
        """The function from a picture's number to the sample that this input takes."""
        to_pixels = self._grey(pictures, rule) if pictures.shape else self._colour(rule)
        transpose = self.layout == "NCHW"

        def prepare(index: int) -> NDArray[Any]:
            sample = to_pixels(pictures.read(index))  # (size, size, channels)
            return sample.transpose(2, 0, 1) if transpose else sample

        return prepare

    def _grey(self, pictures: LabelledPictures, rule: str) -> Callable[[Pixels], NDArray[Any]]:
        if pictures.shape != (self.size, self.size):
            found = "×".join(map(str, pictures.shape or ()))
            raise UsageError(
                f"the model wants pictures of {self.size}×{self.size}, the data set has {found}",
                hint="use a model and a data set that belong together",
            )
        if rule not in GREY_SCALES:
            raise UsageError(f"preprocess={rule} is for colour photos", hint=f"grey pictures: {', '.join(GREY_SCALES)}")
        scale, channels = GREY_SCALES[rule], self.channels
        if self.dtype == "uint8":
            return lambda pixels: np.repeat(pixels[..., None], channels, 2)
        return lambda pixels: np.repeat(scale.apply(pixels[..., None]), channels, 2)

    def _colour(self, rule: str) -> Callable[[Pixels], NDArray[Any]]:
        if self.channels == 1:
            raise UsageError("the model wants grey pictures, the data set holds colour photos")
        if rule not in RULES:
            raise UsageError(f"there is no preprocess={rule} for colour photos", hint=f"known: {', '.join(RULES)}")
        chosen, size = RULES[rule], self.size
        if self.dtype == "uint8":
            return lambda pixels: chosen.cut(pixels, size)
        return lambda pixels: chosen.apply(pixels, size)


def picture_input(model: ModelSpec, pictures: LabelledPictures, size: str) -> PictureInput:
    """Layout, size and channels from the model's input shape; UsageError says what cannot be told from it."""
    wants = f"{model.name} wants {'; '.join(map(str, model.inputs))}"
    expected = "expected one input of 4 dimensions, batch first, with 1 or 3 channels first or last"
    if len(model.inputs) != 1 or len(model.inputs[0].shape) != 4:
        raise UsageError(f"{wants}; {expected}", hint="this does not look like an image classifier")
    only = model.inputs[0]
    if only.dtype not in _DTYPES:
        raise UsageError(f"{wants}; expected {', '.join(_DTYPES)}")
    _, second, third, fourth = only.shape
    if second in (1, 3):
        layout, channels, sides = "NCHW", second, (third, fourth)
    elif fourth in (1, 3):
        layout, channels, sides = "NHWC", fourth, (second, third)
    else:
        raise UsageError(f"{wants}; {expected}", hint="export the model with a fixed number of channels")
    edge = _edge(wants, sides, size, pictures)
    return PictureInput(edge, channels or 0, layout, only.dtype)


def _edge(wants: str, sides: tuple[int | None, int | None], size: str, pictures: LabelledPictures) -> int:
    if size and not (size.isdigit() and int(size) > 0):
        raise UsageError(f"size={size} is not a number of pixels")
    known = {side for side in sides if side is not None} | ({int(size)} if size else set())
    if len(known) > 1:
        also = f" and size={size} was given" if size else ""
        raise UsageError(f"{wants}{also}; expected a square picture")
    if known:
        return known.pop()
    if pictures.shape:
        return pictures.shape[0]
    raise UsageError(f"{wants}: height and width are open", hint="say which with --task-option size=224")
