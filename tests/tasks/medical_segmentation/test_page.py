"""The page of this task names everything that exists, and its numbers are the measured ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlassay.tasks.medical_segmentation.task import REFERENCE_DICE, TASK, packed_card

PAGE = (Path(__file__).parents[3] / "docs/tasks/medical-segmentation.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*(p.name for p in TASK.profiles), *TASK.options])
def test_everything_is_on_the_page(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_numbers_are_those_of_the_card() -> None:
    card = packed_card()
    assert f"mean Dice {card['dice']} on these boxes" in PAGE
    assert f"{card['parameters']:,} parameters" in PAGE
    assert f"{card['boxes']} boxes" in PAGE
    assert f"{card['windows_trained_on']:,} windows" in PAGE
    assert f"{REFERENCE_DICE:.5f}" in PAGE
