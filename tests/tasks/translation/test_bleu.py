"""BLEU held against sacrebleu, to the last digit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlassay.tasks.translation.bleu import Bleu, corpus_bleu, words_13a

FOUND = [
    "the cat sat on the mat .",
    "It costs 1,000.50 euros, doesn't it? (Yes!)",
    "well-known 3-year-old &quot;facts&quot; & things",
    "in the year 1999-2000",
    "ein kleiner Test mit Umlauten: äöü ß",
]
WANTED = [
    "the cat is on the mat .",
    "It costs 1,000.50 euros, doesn't it? (No!)",
    'well-known 3-year-old "facts" & more things',
    "in the years 1999-2000",
    "ein kleiner Test mit Umlauten: äöü und ß",
]


@pytest.mark.parametrize("tokenize", ["13a", "none"])
@pytest.mark.parametrize("rows", [slice(0, 5), slice(0, 1), slice(1, 3), slice(3, 4)])
def test_equal_to_sacrebleu(tokenize: str, rows: slice) -> None:
    sacrebleu = pytest.importorskip("sacrebleu")
    wanted = sacrebleu.corpus_bleu(FOUND[rows], [WANTED[rows]], tokenize=tokenize).score
    assert corpus_bleu(FOUND[rows], WANTED[rows], tokenize) == pytest.approx(wanted, rel=1e-12)


words = st.lists(st.sampled_from(["a", "b", "c", "1,000", "x-y", "d.", "(e)"]), max_size=12).map(" ".join)


@given(pairs=st.lists(st.tuples(words, words), min_size=1, max_size=6), tokenize=st.sampled_from(["13a", "none"]))
def test_equal_to_sacrebleu_on_anything(pairs: list[tuple[str, str]], tokenize: str) -> None:
    sacrebleu = pytest.importorskip("sacrebleu")
    found, wanted = [a for a, _ in pairs], [b for _, b in pairs]
    theirs = sacrebleu.corpus_bleu(found, [wanted], tokenize=tokenize).score
    assert corpus_bleu(found, wanted, tokenize) == pytest.approx(theirs, rel=1e-9)


def test_marks_stand_apart() -> None:
    assert words_13a('He said: "1,000.5 is 3-fold", ok.') == [
        "He",
        "said",
        ":",
        '"',
        "1,000.5",
        "is",
        "3",
        "-",
        "fold",
        '"',
        ",",
        "ok",
        ".",
    ]


def test_perfect_and_hopeless() -> None:
    assert corpus_bleu(WANTED, WANTED) == pytest.approx(100.0)
    assert corpus_bleu(["x y z w"], ["a b c d"]) == 0.0
    assert Bleu().score == 0.0
