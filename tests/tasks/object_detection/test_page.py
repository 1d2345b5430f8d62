"""The page of this task names everything that exists, and its numbers are the measured ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlassay.tasks.object_detection.dataset import PUBLISHED
from mlassay.tasks.object_detection.preprocess import RULES
from mlassay.tasks.object_detection.task import TASK, packed_card

PAGE = (Path(__file__).parents[3] / "docs/tasks/object-detection.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*(p.name for p in TASK.profiles), *TASK.options, *RULES])
def test_everything_is_on_the_page(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_numbers_are_those_of_the_card() -> None:
    card = packed_card()
    assert f"mAP {card['map_percent_packed']:.3f} % on these scenes" in PAGE
    assert f"{card['map_percent_other']:.3f} % on 1,000 scenes of other test images" in PAGE
    assert f"{card['parameters']:,} parameters" in PAGE
    assert f"{card['scenes_trained_on']:,} scenes" in PAGE


def test_published_facts_are_those_of_the_code() -> None:
    for known in PUBLISHED:
        assert f"{known.counts['pictures']:,} pictures" in PAGE
        assert f"{known.counts['categories']} categories" in PAGE
        assert known.annotations in PAGE
        for name, digest in known.archives.items():
            assert f"`{name}` (MD5 {digest})" in PAGE
