"""From the symbols that a model chose to answers, and symbols as the accuracy log writes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.core.errors import SutFailure
from mlassay.core.model import Run
from mlassay.tasks.ragged import stacked
from mlassay.training.rnnt.features import FeatureRule
from mlassay.training.rnnt.labels import Labels


def finish(outputs: Sequence[NDArray[Any]]) -> Sequence[Any]:
    """Rows of symbol numbers without their filling, which is negative."""
    return [row[row >= 0] for row in outputs[0]]


@dataclass(frozen=True, slots=True)
class HearAndRun:
    """`ModelSpec.infer`: waveforms to features, padded to the longest of the batch, run. All of it is timed."""

    rule: FeatureRule
    finish: Callable[[Sequence[Any]], Sequence[Any]] = finish

    def __call__(self, samples: Any, run: Run) -> Sequence[Any]:
        features = [self.rule.apply(wave) for wave in samples]
        lengths = np.asarray([len(rows) for rows in features], np.int64)
        return self.finish(run([stacked(features), lengths]))


@dataclass(frozen=True, slots=True)
class Encoder:
    """Symbol numbers as 64-bit integers, little-endian, as the reference logs them. A text is spelt in symbols.

    `text`: for a model that answers in tokens, what they say.
    """

    labels: Labels
    text: Callable[[Sequence[int]], str] | None = None

    def __call__(self, answer: Any) -> bytes:
        if self.text is not None and not isinstance(answer, str):
            answer = self.text(answer).strip()
        if isinstance(answer, str):
            answer = self.labels.numbers(answer.lower())
        values = (
            np.asarray(answer, None if len(answer) else np.int64) if hasattr(answer, "__len__") else np.asarray(0.0)
        )
        if values.ndim != 1 or values.dtype.kind not in "iu":
            raise SutFailure(
                f"an answer is {answer!r}; expected a text or a row of symbol numbers",
                hint="return one text, or one list of integers, per sample",
            )
        return values.astype("<i8").tobytes()
