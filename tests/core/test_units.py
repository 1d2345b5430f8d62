"""Amounts as people read them."""

from __future__ import annotations

import pytest

from mlassay.core.units import counted, format_ns


@pytest.mark.parametrize(
    ("number", "what", "text"),
    [
        (0, "query", "0 queries"),
        (1, "query", "1 query"),
        (1.0, "sample", "1 sample"),
        (270_336, "query", "270,336 queries"),
        (2, "sample", "2 samples"),
    ],
)
def test_a_count_agrees_with_its_noun(number: float, what: str, text: str) -> None:
    assert counted(number, what) == text


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (999, "999 ns"),
        (1_234, "1.23 µs"),
        (59_940_000_000, "59.9 s"),
        (600 * 10**9, "10 min 0 s"),
        (659_700_000_000, "11 min 0 s"),  # not "10 min 60 s"
        (-90 * 10**9, "-1 min 30 s"),
    ],
)
def test_a_time_has_the_unit_that_fits(ns: float, text: str) -> None:
    assert format_ns(ns) == text
