"""What is fed to an interpreter, with one that remembers: no TFLite file with 64-bit inputs comes along."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlassay.backends.tflite_runner import TfLiteRunner
from mlassay.core.model import TensorSpec


class Interpreter:
    """Answers with the sum of its input."""

    def __init__(self, *names: str) -> None:
        self._inputs = [
            {"name": n, "index": i, "shape": (1, 3), "dtype": np.int32, "quantization": (0.0, 0)}
            for i, n in enumerate(names)
        ]
        self.fed: dict[int, Any] = {}

    def get_input_details(self) -> list[dict[str, Any]]:
        return self._inputs

    def get_output_details(self) -> list[dict[str, Any]]:
        return [{"name": "sum", "index": 99, "shape": (1,), "dtype": np.int32, "quantization": (0.0, 0)}]

    def set_tensor(self, index: int, array: Any) -> None:
        assert array.dtype == np.int32
        self.fed[index] = array

    def invoke(self) -> None: ...

    def get_tensor(self, index: int) -> Any:
        return np.asarray([sum(int(a.sum()) for a in self.fed.values())], np.int32)


def test_numbers_of_64_bits_are_narrowed() -> None:
    wanted = [TensorSpec("ids", (None, 3), "int64"), TensorSpec("mask", (None, 3), "int32")]
    runner = TfLiteRunner(Interpreter("ids", "mask"), wanted)
    assert [tensor.dtype for tensor in runner.inputs] == ["int64", "int32"]
    fed = {"ids": np.asarray([[1, 2, 2**31 - 1 - 3]]), "mask": np.zeros((1, 3), np.int32)}
    assert runner.run(fed)[0].tolist() == [2**31 - 1]


def test_one_that_does_not_fit_is_an_error() -> None:
    runner = TfLiteRunner(Interpreter("anything"), [TensorSpec("ids", (None, 3), "int64")])
    with pytest.raises(ValueError, match="a number of 0 to 2147483648 does not fit into the model's 32 bits"):
        runner.run({"anything": np.asarray([[0, 1, 2**31]])})


def test_a_model_that_wants_32_bits_for_32_bits_is_left_alone() -> None:
    assert TfLiteRunner(Interpreter("ids")).inputs == (TensorSpec("ids", (1, 3), "int32"),)
