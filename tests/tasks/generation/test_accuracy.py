from __future__ import annotations

import ast

import numpy as np
import pytest

from mlassay.core.errors import BadFile, SutFailure
from mlassay.tasks.generation.accuracy import Bounds, Scorer
from mlassay.tasks.generation.postprocess import encode
from mlassay.tasks.generation.rules import RULED
from mlassay.tasks.generation.tokenizer import Pieces
from mlassay.tasks.task import QualityTarget

PIECES = Pieces(["<end>", "▁", *"abcdefgh"])
WANTED = ["ab cd", "ef gh ab", "h g f"]
TARGET = QualityTarget(metric="ROUGE-1", reference=100.0, factor=0.99)


def scorer(**more: object) -> Scorer:
    return Scorer(n=3, wanted=WANTED.__getitem__, tokenizer=PIECES, target=TARGET, **more)  # type: ignore[arg-type]


def answers(texts: list[str]) -> list[tuple[int, bytes]]:
    return [(i, encode([*PIECES.encode(text), 0])) for i, text in enumerate(texts)]


def test_truth_is_perfect_and_the_line_is_official() -> None:
    result = scorer()(answers(WANTED)[::-1])
    assert ast.literal_eval(result.official_line) == {
        "rouge1": "100.0",
        "rouge2": "100.0",
        "rougeL": "100.0",
        "rougeLsum": "100.0",
        "gen_len": 18,
        "gen_num": 3,
    }
    assert result.passed is True
    assert result.details["exact_match"] == 100.0
    assert result.details["tokens"] == 21
    by_tokens = ast.literal_eval(scorer(by_tokens=True)(answers(WANTED)).official_line)
    assert by_tokens["gen_tok_len"] == 21
    assert by_tokens["tokens_per_sample"] == 7.0


def test_shuffled_and_missing_answers_fail() -> None:
    shuffled = scorer()(answers([WANTED[1], WANTED[2], WANTED[0]]))
    assert shuffled.passed is False
    assert shuffled.value < 50
    assert scorer()(answers(WANTED)[:2]).problems == ("1 of 3 samples have no answer",)
    assert scorer()([]).value == 0.0


def test_bounds_beside_the_target() -> None:
    bounds = Bounds(least={"rouge2": 100.5}, length=(19.0, 21.0), tokens_per_sample=(1.0, 6.5))
    result = scorer(bounds=bounds)(answers(WANTED))
    assert result.problems == (
        "rouge2 is 100 %; expected 100.5 % or more",
        "gen_len is 18; expected 19 to 21",
        "tokens_per_sample is 7; expected 1 to 6.5",
    )
    assert result.passed is False
    assert scorer(bounds=Bounds(least={"rouge2": 99.0}, length=(17.0, 18.0)))(answers(WANTED)).passed is True


def test_sentences_stand_on_lines_of_their_own() -> None:
    """ROUGE-Lsum compares line with line; the others do not see lines."""
    result = scorer(by_lines=lambda text: text.replace(" ", "\n"))(answers(["cd ab", *WANTED[1:]]))
    assert result.details["rougeLsum"] == 100.0
    assert result.details["rougeL"] < 100.0
    assert result.details["gen_len"] == 18


def test_a_log_of_something_else_is_refused() -> None:
    with pytest.raises(BadFile, match="qsl_idx 0 is 3 bytes; expected a multiple of 8 bytes: token numbers, 64-bit"):
        scorer()([(0, b"abc")])


def test_encoding() -> None:
    assert np.frombuffer(encode(np.asarray([1, 2], np.int32)), "<i8").tolist() == [1, 2]
    with pytest.raises(SutFailure, match=r"an answer is float64 of shape \(2,\); expected a row of token numbers"):
        encode([0.5, 1.0])


def test_the_rule_book_s_targets() -> None:
    eight = RULED["llama3.1-8b"]
    assert eight.target("llama3.1-8b").value == pytest.approx(38.3914, abs=1e-4)
    assert eight.bounds.least["rouge2"] == pytest.approx(15.7484, abs=1e-4)
    assert eight.bounds.length == pytest.approx((7.35088e6, 8.98441e6), rel=1e-5)
    assert RULED["gptj-99.9"].bounds.length == pytest.approx((3.61519e6, float("inf")), rel=1e-5)
    assert RULED["llama2-70b-99"].bounds.tokens_per_sample == pytest.approx((265.005, 323.895))
