"""The page of this task names everything that exists, and its numbers are the measured ones."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from mlassay.backends.ctranslate2 import Options
from mlassay.tasks.translation import dataset
from mlassay.tasks.translation.task import TASK, packed_card

PAGE = (Path(__file__).parents[3] / "docs/tasks/translation.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name", [*(p.name for p in TASK.profiles), *TASK.options, *(field.name for field in fields(Options))]
)
def test_everything_is_on_the_page(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_numbers_are_those_of_the_card() -> None:
    card = packed_card()
    assert f"BLEU {card['bleu']:.3f} on these sentences; {card['exact']} of {card['sentences']} word for word" in PAGE
    assert f"99 % of {card['bleu']:.3f}, that is {0.99 * card['bleu']:.3f}" in PAGE
    assert f"{card['parameters']:,} parameters" in PAGE
    assert f"{card['units']} units" in PAGE
    assert f"{card['steps']:,} steps of {card['batch']}" in PAGE
    assert f"{dataset.NEWSTEST_LINES:,} sentences" in PAGE
