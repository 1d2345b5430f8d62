from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlassay.tasks.metrics import meets, percent, significant
from mlassay.tasks.task import QualityTarget


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (75.6954, "75.695"),
        (75.6955, "75.696"),  # a tie: 5 is odd, up to 6
        (75.6945, "75.694"),  # a tie: 4 is even, stays
        (0.0, "0.0"),
        (100.0, "100.0"),
        (123456.5, "1.2346E+5"),
        (-75.6955, "-75.696"),
    ],
)
def test_five_significant_figures_half_to_even(value: float, text: str) -> None:
    assert significant(value) == Decimal(text)


@pytest.mark.parametrize(
    ("value", "target", "passes"),
    [
        (75.695, 75.6954, True),  # both are 75.695
        (75.6945, 75.6954, False),  # 75.694
        (75.694501, 75.6954, True),
        (76.456, 75.6954, True),
        (float("nan"), 0.0, False),
    ],
)
def test_verdict_compares_rounded_figures(value: float, target: float, passes: bool) -> None:
    assert meets(value, target) is passes


def test_lower_can_be_better() -> None:
    wer = QualityTarget(metric="WER", reference=7.0, factor=1.01, higher_is_better=False)
    assert wer.met_by(7.07)
    assert not wer.met_by(7.0708)


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_better_value_never_fails_where_a_worse_one_passes(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert not meets(low, high) or meets(high, low)
    assert meets(high, low)


def test_percent_of_nothing_is_zero() -> None:
    assert percent(0, 0) == 0.0
