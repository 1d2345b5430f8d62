from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlassay.tasks.language.dataset import Question, Questions, open_questions
from mlassay.tasks.language.preprocess import WindowRule, answer_positions, split_paragraph, windows_of
from mlassay.tasks.language.tokenizer import WordPieces
from tests.tasks.language.squad import write


@pytest.fixture
def parts(tmp_path: Path) -> tuple[Questions, WordPieces]:
    folder = write(tmp_path / "squad")
    return open_questions(folder), WordPieces.read(folder / "vocab.txt")


def test_one_window(parts: tuple[Questions, WordPieces]) -> None:
    questions, pieces = parts
    windows = windows_of(questions, pieces, WindowRule())
    assert len(windows) == 4
    ids, mask, segments = windows[3].arrays(pieces, 384)
    shown = [pieces.pieces[n] for n in ids[: mask.sum()]]
    assert " ".join(shown) == "[CLS] who wrote ge ##rmin ##al ? [SEP] emile zola wrote ge ##rmin ##al in 1885 . [SEP]"
    assert segments[:8].sum() == 0
    assert segments[8 : mask.sum()].all()
    assert not segments[mask.sum() :].any()
    assert windows[3].best.all()


def test_every_answer_is_found(parts: tuple[Questions, WordPieces]) -> None:
    questions, pieces = parts
    for window in windows_of(questions, pieces, WindowRule()):
        question = questions.items[window.question]
        for which, text in enumerate(question.answers):
            first, last = answer_positions(question, window, pieces, which) or (0, 0)
            ids = window.arrays(pieces, 384)[0]
            assert [pieces.pieces[n] for n in ids[first : last + 1]] == pieces.split(text)


def test_long_paragraphs_become_windows_that_overlap() -> None:
    words = " ".join(f"w{k}" for k in range(50))
    pieces = WordPieces(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "q", *(f"w{k}" for k in range(50))])
    question = Question("1", "q q", words, ("w30",), (words.index("w30"),))
    rule = WindowRule(length=25, stride=8, question=1)
    windows = windows_of(Questions(name="", items=(question,)), pieces, rule)
    room = 25 - 1 - 3
    assert [(w.begin, w.count) for w in windows] == [(0, room), (8, room), (16, room), (24, room), (32, 18)]
    for piece in range(50):  # the reference's definition, looked at piece by piece
        scores = [
            min(piece - w.begin, w.begin + w.count - 1 - piece) + 0.01 * w.count
            if w.begin <= piece < w.begin + w.count
            else -1.0
            for w in windows
        ]
        best = int(np.argmax(scores))
        for number, window in enumerate(windows):
            if window.begin <= piece < window.begin + window.count:
                assert window.best[piece - window.begin] == (number == best)
    assert [answer_positions(question, w, pieces) is not None for w in windows] == [False, False, True, True, False]


def test_words_are_what_stands_between_spaces() -> None:
    pieces = WordPieces(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    split = split_paragraph(" a\u202fb\tc  d\n", pieces)
    assert split.words == ("a", "b", "c", "d")
    assert split.word_of_char.tolist() == [-1, 0, 0, 1, 1, 2, 2, 2, 3, 3]
