"""The page of this task names everything that exists, and says that no model comes along."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlassay.tasks.image_generation.accuracy import CLIP_RANGE, FID_RANGE
from mlassay.tasks.image_generation.task import TASK

PAGE = (Path(__file__).parents[3] / "docs/tasks/image-generation.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*(p.name for p in TASK.profiles), *TASK.options])
def test_everything_is_on_the_page(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_ranges_are_the_rule_book_s() -> None:
    assert f"CLIP score {CLIP_RANGE[0]:.5f} to {CLIP_RANGE[1]:.5f}" in PAGE
    assert f"FID {FID_RANGE[0]:.5f} to {FID_RANGE[1]:.5f}" in PAGE
    assert "No text-to-image model comes with mlassay" in PAGE
