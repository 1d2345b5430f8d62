"""What a recogniser can say: symbols by number, and how they make words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Labels:
    """Symbols in the order of their numbers; `joint` stands between them."""

    symbols: tuple[str, ...]
    joint: str = ""

    def text(self, numbers: Iterable[int]) -> str:
        return self.joint.join(self.symbols[number] for number in numbers if 0 <= number < len(self.symbols))

    def numbers(self, text: str) -> list[int]:
        """Of a text; symbols that are not known are left out."""
        known = {symbol: number for number, symbol in enumerate(self.symbols)}
        parts = text.split(self.joint) if self.joint else list(text)
        return [known[part] for part in parts if part in known]


CHARACTERS = Labels((" ", *"abcdefghijklmnopqrstuvwxyz", "'"))
"""The rule book's RNN-T for inference: 28 characters; the network adds a blank as number 28."""

SPOKEN_DIGITS = Labels(("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"), " ")
"""The packed model, and the small profile of training."""
