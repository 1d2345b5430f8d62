from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlassay.core.errors import BadFile
from mlassay.tasks.translation.bpe import Merges, joined, learn

WORDS = {"low": 5, "lower": 2, "newest": 6, "widest": 3}


def test_the_paper_s_example() -> None:
    """Sennrich et al., algorithm 1: e s, es t, est </w> come first; equal counts go to the pair that sorts last."""
    merges = learn(WORDS, 4).merges
    assert set(merges[:2]) == {("s", "t</w>"), ("e", "st</w>")}
    assert joined(Merges(merges).split("newest lowest")) == "newest lowest"


@given(st.lists(st.text("abcdeä", min_size=1, max_size=8), min_size=1, max_size=6), st.integers(0, 12))
def test_splitting_loses_nothing(words: list[str], n: int) -> None:
    merges = learn(dict.fromkeys(words, 1), n)
    text = " ".join(words)
    assert joined(merges.split(text)) == text


def test_files_round_trip(tmp_path: Path) -> None:
    merges = learn(WORDS, 6)
    merges.write(tmp_path / "codes")
    assert Merges.read(tmp_path / "codes").merges == merges.merges
    assert (tmp_path / "codes").read_text().startswith("#version: 0.2\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "codes is empty; expected '#version: 0.2' on line 1"),
        ("e s\n", "codes is 'e s'; expected '#version: 0.2' on line 1"),
        ("#version: 0.2\ne s\nest\n", "codes: line 3 is 'est'; expected two pieces to merge"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "codes").write_text(text)
    with pytest.raises(BadFile) as caught:
        Merges.read(tmp_path / "codes")
    assert str(caught.value).endswith(message)
