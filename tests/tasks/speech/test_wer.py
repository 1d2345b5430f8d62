"""Word error rate held against jiwer, to the last digit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlassay.tasks.speech.words import side_by_side
from mlassay.training.rnnt.wer import errors, word_error_rate

FOUND = ["the cat sat", "", "one two three four", "a b c d e"]
WANTED = ["the cat sat down", "hello", "one too three", "b c d e a"]


def test_counts() -> None:
    assert [errors(a.split(), b.split()) for a, b in zip(FOUND, WANTED, strict=True)] == [1, 1, 2, 2]
    assert word_error_rate(FOUND, WANTED) == 6 / 13
    assert word_error_rate(WANTED, WANTED) == 0.0
    assert word_error_rate([], []) == 0.0


words = st.lists(st.sampled_from(["one", "two", "three", "four", "five"]), max_size=8).map(" ".join)


@given(pairs=st.lists(st.tuples(words, words.filter(bool)), min_size=1, max_size=5))
def test_equal_to_jiwer(pairs: list[tuple[str, str]]) -> None:
    jiwer = pytest.importorskip("jiwer")
    found, wanted = [a for a, _ in pairs], [b for _, b in pairs]
    assert word_error_rate(found, wanted) == jiwer.wer(wanted, found)


@pytest.mark.parametrize(
    ("found", "wanted", "n_errors"),
    [
        ("every one knows", "everyone knows", 0),
        ("everyone knows", "every one knows", 0),
        ("a b c d", "abc d", 0),
        ("abcd", "a b c d", 4),  # more than three words are not joined; three are missing, one is wrong
        ("x y", "x z", 1),
        ("x", "x y z", 2),
        ("", "x", 1),
    ],
)
def test_split_words_are_one_where_the_other_side_has_it_so(found: str, wanted: str, n_errors: int) -> None:
    ours, theirs = side_by_side(found.split(), wanted.split())
    assert errors(ours, theirs) == n_errors
    assert "".join(ours) == "".join(found.split())
    assert "".join(theirs) == "".join(wanted.split())
