from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mlassay.core.errors import BadFile, SutFailure
from mlassay.tasks.language.accuracy import Scorer, exact, f1, normalised
from mlassay.tasks.language.dataset import open_questions
from mlassay.tasks.language.postprocess import answer_text, best_span, encode, finish
from mlassay.tasks.language.preprocess import WindowRule, answer_positions, windows_of
from mlassay.tasks.language.tokenizer import WordPieces
from mlassay.tasks.task import QualityTarget
from tests.tasks.language.squad import write

TARGET = QualityTarget(metric="F1", reference=90.874, factor=0.99)


@pytest.mark.parametrize(
    ("found", "wanted", "same", "score"),
    [
        ("The Alps", "alps", 1.0, 1.0),
        ("Basel, Bonn", "Basel, Bonn and Cologne", 0.0, 2 * 1.0 * 0.5 / 1.5),
        ("1,230 km", "1230 km!", 1.0, 1.0),
        ("an the", "a", 1.0, 0.0),  # nothing is left: equal, but without a common word
        ("a b b", "b b b c", 0.0, 2 * 1.0 * 0.5 / 1.5),
        ("x", "y", 0.0, 0.0),
    ],
)
def test_scores_as_squad_s_own_script(found: str, wanted: str, same: float, score: float) -> None:
    assert exact(found, wanted) == same
    assert f1(found, wanted) == pytest.approx(score)


def test_normalisation() -> None:
    assert normalised("The  U.S.A. -- an “Example” a") == "usa “example”"


class Case:
    def __init__(self, folder: Path) -> None:
        write(folder)
        self.questions = open_questions(folder)
        self.pieces = WordPieces.read(folder / "vocab.txt")
        self.windows = windows_of(self.questions, self.pieces, WindowRule())
        self.score = Scorer(
            questions=self.questions, windows=self.windows, pieces=self.pieces, length=384, target=TARGET
        )

    def truth(self, index: int) -> np.ndarray:
        window = self.windows[index]
        scores = np.zeros((384, 2), np.float32)
        first, last = answer_positions(self.questions.items[window.question], window, self.pieces) or (0, 0)
        scores[first, 0] = scores[last, 1] = 9
        return scores


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path / "squad")


def test_truth_is_perfect_and_the_line_is_official(case: Case) -> None:
    result = case.score((i, encode(case.truth(i))) for i in (2, 0, 3, 1))
    assert json.loads(result.official_line) == {"exact_match": 100.0, "f1": 100.0}
    assert result.passed is True


def test_texts_are_cut_from_the_paragraph(case: Case) -> None:
    texts = []
    for window in case.windows:
        span = best_span(window, case.truth(window.question))
        assert span is not None
        texts.append(answer_text(window, span, case.pieces))
    assert texts == ["the Alps", "1,230 km", "Basel, Bonn and Cologne", "Émile Zola"]


def test_shuffled_answers_and_missing_ones_fail(case: Case) -> None:
    shuffled = case.score((i, encode(case.truth((i + 1) % 4))) for i in range(4))
    assert shuffled.passed is False
    assert shuffled.value < 50
    short = case.score((i, encode(case.truth(i))) for i in range(3))
    assert short.problems == ("1 of 4 samples have no answer",)
    assert short.value == pytest.approx(75.0)
    assert short.passed is False


def test_the_first_answer_counts(case: Case) -> None:
    answers = [(i, encode(case.truth(i))) for i in range(4)]
    again = case.score([*answers, (1, encode(np.zeros((384, 2))))])
    assert again.value == 100.0
    assert again.details["repeated"] == 1


def test_spans_keep_the_rules(case: Case) -> None:
    window = case.windows[0]
    scores = np.zeros((384, 2), np.float32)
    scores[1, 0] = 99  # in the question
    scores[window.offset + 5, 0] = 5
    scores[window.offset + 2, 1] = 9  # ends before it begins
    scores[window.offset + 7, 1] = 1
    span = best_span(window, scores)
    assert span is not None
    assert (span.first, span.last, span.score) == (window.offset, window.offset + 2, 9.0) or span.score >= 9.0
    assert best_span(window, np.stack([np.arange(384), np.arange(384)], 1).astype(np.float32)) is None  # only padding


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"abc", "accuracy log: qsl_idx 0 is 3 bytes; expected a multiple of 4 bytes: two 32-bit scores per position"),
        (bytes(8), "accuracy log: qsl_idx 0 is scores of 1 positions; expected "),
        (bytes(8 * 400), "accuracy log: qsl_idx 0 is scores of 400 positions; expected "),
    ],
)
def test_a_log_of_something_else_is_refused(case: Case, data: bytes, message: str) -> None:
    with pytest.raises(BadFile) as caught:
        case.score([(0, data)])
    assert str(caught.value).startswith(message)
    with pytest.raises(BadFile, match="qsl_idx 4 is not a sample of this data set; expected 0 to 3"):
        case.score([(4, b"")])


def test_encoding() -> None:
    pair = finish([np.array([[1.0, 2.0]], np.float32), np.array([[3.0, 4.0]], np.float32)])
    assert np.frombuffer(encode(pair[0]), "<f4").tolist() == [1.0, 3.0, 2.0, 4.0]
    assert encode({"start_logits": [1.0, 2.0], "end_logits": [3.0, 4.0]}) == encode(pair[0])
    assert np.shape(finish([np.zeros((5, 7, 2))])) == (5, 7, 2)
    with pytest.raises(SutFailure, match=r"an answer is an array of shape \(3,\); expected \(positions, 2\)"):
        encode([1.0, 2.0, 3.0])
