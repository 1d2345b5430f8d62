"""The page of this task names everything that exists, and its numbers are the measured ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlassay.tasks.language import dataset
from mlassay.tasks.language.task import TASK, packed_card

PAGE = (Path(__file__).parents[3] / "docs/tasks/language.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*(p.name for p in TASK.profiles), *TASK.options])
def test_everything_is_on_the_page(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_numbers_are_those_of_the_card() -> None:
    card = packed_card()
    f1 = card["f1_percent"]
    assert f"F1 {f1:.3f} %, exact match {card['exact_match_percent']:.3f} % on these questions" in PAGE
    assert f"99 % of {f1:.3f} %, that is {0.99 * f1:.3f} %" in PAGE
    assert f"{card['parameters']:,} parameters" in PAGE
    assert f"{card['steps']:,} steps of {card['batch']} windows" in PAGE
    for count in (dataset.SQUAD_TITLES, dataset.SQUAD_PARAGRAPHS, dataset.SQUAD_QUESTIONS, dataset.SQUAD_FEATURES):
        assert f"{count:,}" in PAGE
