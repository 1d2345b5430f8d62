"""The page of this task names everything that exists, and its numbers are the measured ones."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from mlassay.backends.onnxruntime import Options
from mlassay.tasks.image_classification.preprocess import GREY_SCALES, RULES
from mlassay.tasks.image_classification.task import TASK, packed_card

PAGE = (Path(__file__).parents[3] / "docs/tasks/image-classification.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name",
    [*(p.name for p in TASK.profiles), *TASK.options, *RULES, *GREY_SCALES, *(f.name for f in fields(Options))],
)
def test_everything_is_on_the_page(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_numbers_are_those_of_the_card() -> None:
    card = packed_card()
    assert f"{card['accuracy_percent_packed']} % on these 2,000 pictures (1,881 right)" in PAGE
    assert f"{card['accuracy_percent_10000']} % on all 10,000" in PAGE
    assert f"{card['parameters']:,} parameters" in PAGE
    assert f"{card['epochs']} epochs" in PAGE
