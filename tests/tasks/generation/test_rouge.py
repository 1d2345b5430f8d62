"""ROUGE held against the rouge-score package, to the last digit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlassay.tasks.generation.rouge import porter_stem, rouge, words_of

KINDS = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
PAIRS = [
    ("The cats were running quickly.\nThey slept.", "A cat runs quickly.\nThey were sleeping soundly."),
    ("", "something"),
    ("same words here", "same words here"),
    ("one two three four five", "five four three two one"),
    ("Ünïcode and 3.14 numbers-with-dashes", "unicode and 3 14 numbers with dashes"),
]


@pytest.mark.parametrize("stem", [False, True])
@pytest.mark.parametrize(("found", "wanted"), PAIRS)
def test_equal_to_rouge_score(found: str, wanted: str, stem: bool) -> None:
    scorer = pytest.importorskip("rouge_score.rouge_scorer").RougeScorer(KINDS, use_stemmer=stem)
    theirs = scorer.score(wanted, found)
    ours = rouge(found, wanted, porter_stem() if stem else None)
    assert ours == {kind: pytest.approx(theirs[kind].fmeasure, abs=1e-15) for kind in KINDS}


texts = st.lists(
    st.lists(st.sampled_from(["run", "runs", "running", "cat", "cats", "a", "the", "7"]), max_size=7).map(" ".join),
    max_size=4,
).map("\n".join)


@given(found=texts, wanted=texts, stem=st.booleans())
def test_equal_to_rouge_score_on_anything(found: str, wanted: str, stem: bool) -> None:
    scorer = pytest.importorskip("rouge_score.rouge_scorer").RougeScorer(KINDS, use_stemmer=stem)
    theirs = scorer.score(wanted, found)
    ours = rouge(found, wanted, porter_stem() if stem else None)
    assert ours == {kind: pytest.approx(theirs[kind].fmeasure, abs=1e-15) for kind in KINDS}


def test_words() -> None:
    assert words_of("It's 3.14, isn't it?") == ["it", "s", "3", "14", "isn", "t", "it"]
