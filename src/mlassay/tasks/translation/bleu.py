"""BLEU of a whole test set (Papineni et al. 2002), equal to sacrebleu's numbers (Post, arXiv:1804.08771).

Two ways to cut text into words: "none" takes what stands between spaces, for text that is tokenised already, as the
rule book's script does; "13a" is sacrebleu's usual one, after NIST's mteval-v13a.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

ORDER = 4

_ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))
_SPLITS = (
    (re.compile(r"([{-~\[-` -&(-+:-@/])"), r" \1 "),  # marks that are not . , - '
    (re.compile(r"([^0-9])([.,])"), r"\1 \2 "),  # . and , unless digits precede
    (re.compile(r"([.,])([^0-9])"), r" \1 \2"),  # . and , unless digits follow
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),  # a dash after a digit
)


def words_13a(text: str) -> list[str]:
    text = text.replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for entity, char in _ENTITIES:
        text = text.replace(entity, char)
    text = f" {text} "
    for pattern, replacement in _SPLITS:
        text = pattern.sub(replacement, text)
    return text.split()


TOKENIZERS: dict[str, Callable[[str], list[str]]] = {"none": str.split, "13a": words_13a}


@dataclass(slots=True)
class Bleu:
    """Collects sentences one by one; holds counts only."""

    tokenize: str = "none"
    right: list[int] = field(default_factory=lambda: [0] * ORDER)
    given: list[int] = field(default_factory=lambda: [0] * ORDER)
    length: int = 0
    reference_length: int = 0

    def add(self, found: str, wanted: str) -> None:
        """One translation and its one reference."""
        cut = TOKENIZERS[self.tokenize]
        ours, theirs = cut(found.rstrip()), cut(wanted.rstrip())
        self.length += len(ours)
        self.reference_length += len(theirs)
        for n in range(1, ORDER + 1):
            a, b = _runs(ours, n), _runs(theirs, n)
            self.given[n - 1] += max(len(ours) - n + 1, 0)
            self.right[n - 1] += sum(min(count, b[run]) for run, count in a.items())

    @property
    def score(self) -> float:
        """0 to 100. Orders without a match are smoothed as mteval does: half, a quarter, ... of one match."""
        if not self.length or not any(self.right):
            return 0.0
        smooth, logs = 1.0, 0.0
        for right, given in zip(self.right, self.given, strict=True):
            if not given:
                return 0.0
            if not right:
                smooth *= 2
            logs += math.log(100.0 * right / given if right else 100.0 / (smooth * given))
        brevity = 1.0 if self.length >= self.reference_length else math.exp(1 - self.reference_length / self.length)
        return brevity * math.exp(logs / ORDER)


def corpus_bleu(found: Sequence[str], wanted: Sequence[str], tokenize: str = "13a") -> float:
    """BLEU of translations against one reference each."""
    bleu = Bleu(tokenize)
    for ours, theirs in zip(found, wanted, strict=True):
        bleu.add(ours, theirs)
    return bleu.score


def _runs(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
