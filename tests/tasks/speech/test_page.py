"""The page of this task names everything that exists, and its numbers are the measured ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlassay.tasks.speech import dataset
from mlassay.tasks.speech.task import TASK, packed_card

PAGE = (Path(__file__).parents[3] / "docs/tasks/speech.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*(p.name for p in TASK.profiles), *TASK.options])
def test_everything_is_on_the_page(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_numbers_are_those_of_the_card() -> None:
    card = packed_card()
    assert f"word error rate {card['wer_percent']:.3f} %: {card['errors']} of {card['words']} words wrong" in PAGE
    assert (
        f"99 % of {card['word_accuracy_percent']:.3f} %, that is {0.99 * card['word_accuracy_percent']:.3f} %" in PAGE
    )
    assert f"{card['parameters']:,} parameters" in PAGE
    assert f"{card['train_utterances']} other utterances" in PAGE
    assert f"{card['steps']:,} steps" in PAGE
    for count in (dataset.DEV_CLEAN, dataset.DEV_CLEAN_SHORT, dataset.PACKED_30_S):
        assert f"{count:,}" in PAGE
