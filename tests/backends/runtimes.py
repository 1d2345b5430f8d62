"""The runtimes under test: which are installed, how they are run, and how far they may be from ONNX Runtime."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

MODULES = {
    "openvino": "openvino",
    "torch": "torch",
    "litert": "ai_edge_litert",
    "opencv": "cv2",
    "tensorflow": "tensorflow",
    "armnn": "pyarmnn",
}
"""Backends of one pass beside ONNX Runtime, and what must be importable for each."""

GENERATORS = {
    "onnx-generation": "onnxruntime",
    "openvino-generation": "openvino",
    "torch-generation": "torch",
    "llama-cpp": "llama_cpp",
}
"""Backends that generate token by token."""

TOLERANCE = 2e-5
"""Largest difference of the packed classifier's logits (they reach 5.5) from ONNX Runtime's; 3.4e-6 was measured."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to run a model."""

    backend: str
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return "-".join([self.backend, *(f"{k}={v}" for k, v in self.options.items())])


WAYS = [
    Way("openvino"),
    Way("openvino", {"mode": "async", "hint": "throughput"}),
    Way("openvino", {"mode": "async", "requests": 3, "shapes": "fixed", "max_batch": 4}),
    Way("openvino", {"shapes": "fixed", "max_batch": 8, "streams": 1, "threads": 1}),
    Way("torch"),
    Way("torch", {"max_batch": 7, "threads": 1}),
    Way("litert"),
    Way("litert", {"xnnpack": "no", "threads": 2}),
    Way("opencv"),
    Way("opencv", {"max_batch": 1}),
    Way("tensorflow"),
]


def installed(name: str) -> bool:
    return importlib.util.find_spec({**MODULES, **GENERATORS}.get(name, name)) is not None


def params(ways: Sequence[Way]) -> list[Any]:
    """For pytest.mark.parametrize: runtimes that are absent are skipped, by name."""
    return [
        pytest.param(way, id=str(way), marks=pytest.mark.skipif(not installed(way.backend), reason=f"no {way.backend}"))
        for way in ways
    ]
