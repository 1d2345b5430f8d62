"""The page of this task names everything that exists, and its numbers are the measured and the published ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlassay.tasks.generation import dataset
from mlassay.tasks.generation.rules import RULED
from mlassay.tasks.generation.task import PACKED_NAME, TASK, packed_card

PAGE = (Path(__file__).parents[3] / "docs/tasks/generation.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name",
    [
        *(p.name for p in TASK.profiles),
        *TASK.options,
        *dataset.TOKEN_FIELDS,
        *dataset.TEXT_FIELDS,
        *dataset.WANTED_FIELDS,
        *dataset.SUFFIXES,
        *dataset.PUBLISHED,
        PACKED_NAME,
    ],
)
def test_everything_is_on_the_page(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_numbers_are_those_of_the_card() -> None:
    card = packed_card()
    for kind, key in (("ROUGE-1", "rouge1"), ("ROUGE-2", "rouge2"), ("ROUGE-L", "rougeL")):
        assert f"{kind} {card[f'{key}_percent']:.3f} %" in PAGE
    assert f"{card['exact_match_percent']} % of the answers are right to the letter" in PAGE
    assert f"{card['parameters']:,} parameters" in PAGE
    assert f"{card['tokens_per_sample']:.2f} for an answer" in PAGE
    assert f"{card['train_cpu_s'] // 60} minutes on one core" in PAGE


def test_published_facts_are_those_of_the_code() -> None:
    for ruled in RULED.values():
        assert " / ".join(f"{value:g}" for value in ruled.rouge.values()) in PAGE
        assert f"{dataset.PUBLISHED[ruled.dataset]:,}" in PAGE
        if ruled.length:
            assert f"{ruled.length:,.0f} characters" in PAGE
