"""Word error rate: how far transcripts are from what was said."""

from __future__ import annotations

from collections.abc import Sequence


def errors(found: Sequence[str], wanted: Sequence[str]) -> int:
    """Fewest words to change, add or leave out to make one the other (Levenshtein)."""
    row = list(range(len(found) + 1))
    for count, word in enumerate(wanted, 1):
        above, row[0] = row[0], count
        for column, ours in enumerate(found, 1):
            above, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, above + (ours != word))
    return row[-1]


def word_error_rate(found: Sequence[str], wanted: Sequence[str]) -> float:
    """Errors of all texts over words of all references: 0 is perfect, more than 1 is possible."""
    wrong = sum(errors(ours.split(), theirs.split()) for ours, theirs in zip(found, wanted, strict=True))
    total = sum(len(theirs.split()) for theirs in wanted)
    return wrong / total if total else 0.0
