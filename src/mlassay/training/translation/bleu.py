"""Corpus BLEU over pieces (Papineni et al. 2002): four n-gram sizes, one reference, no smoothing.

Equal to sacrebleu's with tokenize="none" and smooth_method="none"; the test holds them side by side. Real WMT scores
must be taken with sacrebleu itself on detokenised text.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

MAX_N = 4


def corpus_bleu(answers: Sequence[Sequence[str]], truths: Sequence[Sequence[str]]) -> float:
    """0 to 100."""
    right, asked = [0] * MAX_N, [0] * MAX_N
    for answer, truth in zip(answers, truths, strict=True):
        for n in range(1, MAX_N + 1):
            ours, theirs = _grams(answer, n), _grams(truth, n)
            right[n - 1] += sum((ours & theirs).values())
            asked[n - 1] += max(len(answer) - n + 1, 0)
    if not all(right):
        return 0.0
    mean = sum(math.log(r / a) for r, a in zip(right, asked, strict=True)) / MAX_N
    n_answer, n_truth = sum(map(len, answers)), sum(map(len, truths))
    brevity = min(0.0, 1.0 - n_truth / n_answer)
    return 100.0 * math.exp(mean + brevity)


def _grams(pieces: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    if n == 2:
        return Counter(pairwise(pieces))
    return Counter(tuple(pieces[i : i + n]) for i in range(len(pieces) - n + 1))
