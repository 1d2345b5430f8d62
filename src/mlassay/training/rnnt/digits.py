"""Spoken digits, in the wheel: 450 recordings for the small profile to learn from, 150 that it and the speech task are
judged by. `scripts/train_speech.py` made them, each from draws of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlassay.training.rnnt.features import Waveform
from mlassay.training.rnnt.sound import from_mu_law

FOLDER = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class Digits:
    """Sound of 8,000 samples a second, µ-law, eight bits; and its words."""

    parts: tuple[NDArray[np.uint8], ...]
    transcripts: tuple[str, ...]

    def read(self, index: int) -> Waveform:
        return from_mu_law(self.parts[index])


def packed_digits(folder: Path = FOLDER, name: str = "digits") -> Digits:
    """`name`: "digits", or "digits-learn"."""
    with np.load(folder / f"{name}.npz", allow_pickle=False) as archive:
        sound, ends = archive["mu_law"], archive["ends"]
    transcripts = (folder / f"{name}.txt").read_text(encoding="utf-8").split("\n")[: len(ends)]
    return Digits(tuple(np.split(sound, ends[:-1])), tuple(transcripts))
