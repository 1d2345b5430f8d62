"""The page of this task names everything that exists, and its numbers are the measured ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlassay.tasks.recommendation import adult, aggregation, dataset
from mlassay.tasks.recommendation.task import TASK, packed_card

PAGE = (Path(__file__).parents[3] / "docs/tasks/recommendation.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*(p.name for p in TASK.profiles), *TASK.options, *dataset.MULTI_HOT, dataset.ONE_HOT])
def test_everything_is_on_the_page(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_numbers_are_those_of_the_card() -> None:
    card = packed_card()
    assert f"AUC {card['auc_percent']:.3f} % on these rows" in PAGE
    assert f"{card['parameters']:,} parameters" in PAGE
    assert f"{adult.TEST_ROWS:,} official test rows" in PAGE
    assert f"{adult.TRAIN_ROWS:,} official training rows, {card['epochs']} epochs" in PAGE


def test_published_facts_are_those_of_the_code() -> None:
    assert aggregation.TRACE_MD5 in PAGE
    assert f"{aggregation.CRITEO_ROWS:,} rows" in PAGE
    assert f"{dataset.DAY_23_ROWS:,} rows" in PAGE
    assert f"`{dataset.TRACE}`" in PAGE
