"""Numbers that judge answers: pure functions, no files, no models."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal

SIGNIFICANT_DIGITS = 5
"""Accuracy is reported and compared with five significant figures, round half to even (inference rules)."""

_CONTEXT = Context(prec=SIGNIFICANT_DIGITS, rounding=ROUND_HALF_EVEN)


def significant(value: float) -> Decimal:
    """The value with five significant figures: 75.69545 -> 75.695, 0.2 -> 0.2.

    The shortest decimal that reads back as the same float is rounded, so that 75.6955 is a tie as people write it.
    """
    return _CONTEXT.create_decimal(repr(float(value)))


def meets(value: float, target: float, *, higher_is_better: bool = True) -> bool:
    """Whether a measured value reaches its target, both with five significant figures. NaN never does."""
    if value != value:
        return False
    found, wanted = significant(value), significant(target)
    return found >= wanted if higher_is_better else found <= wanted


def percent(part: int, whole: int) -> float:
    """Of nothing, nothing is right: 0."""
    return 100.0 * part / whole if whole else 0.0
