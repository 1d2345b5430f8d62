"""What a task tells a backend about a model: files, inputs, outputs, and how outputs become answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

Finish = Callable[[Sequence[Any]], Sequence[Any]]
"""Postprocessing: the model's output arrays for a batch, in the model's order, to one answer per sample. Timed."""


Run = Callable[[Sequence[Any]], Sequence[Any]]
"""One inference: an array per input, in the order of ModelSpec.inputs, to an array per output."""

Infer = Callable[[Any, Run], Sequence[Any]]
"""Everything that is timed for a batch: samples as the library gives them, and the model, to one answer per sample."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a model. The first dimension is the batch; None stands for any size."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str = "float32"  # numpy's name

    def __str__(self) -> str:
        sizes = ", ".join("?" if size is None else str(size) for size in self.shape)
        return f"{self.name} {self.dtype} ({sizes})"

    def accepts(self, other: TensorSpec) -> bool:
        """Whether a tensor of the other's shape and type may be fed here; names are not compared."""
        return (
            self.dtype == other.dtype
            and len(self.shape) == len(other.shape)
            and all(a is None or b is None or a == b for a, b in zip(self.shape[1:], other.shape[1:], strict=True))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """How a model that writes token after token is to be asked: until a token of `ends` or enough tokens."""

    ends: tuple[int, ...]
    most: int  # new tokens, the end among them
    least: int = 1  # new tokens, the end among them: no end before
    beams: int = 1  # continuations that are kept at every step; 1: greedily
    hear: Callable[[Any], Any] | None = None  # for a model with an encoder: a sample to what that is given. Timed
    start: tuple[int, ...] = ()  # with an encoder: the tokens that every answer goes on from


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """A model as a task wants it run. `files` maps a format ("onnx", "torchscript", "tflite", ...) to its file."""

    name: str
    files: Mapping[str, Path]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...] = ()
    layout: str = ""  # "NCHW", "NHWC" for pictures
    finish: Finish | None = None  # None: the answer is the first output's row
    infer: Infer | None = None  # instead of stack, run, finish: for samples of different sizes, several runs a sample
    generation: Generation | None = None  # for backends that generate; the answer is then an array of tokens
    about: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))  # licence, origin: JSON-ready
