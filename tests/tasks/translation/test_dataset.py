from __future__ import annotations

from pathlib import Path

import pytest

from mlassay.core.errors import BadFile, UsageError
from mlassay.tasks.translation import dataset
from mlassay.tasks.translation.accuracy import score
from mlassay.tasks.translation.bpe import FORMS
from mlassay.tasks.translation.dataset import open_sentences, verify

VOCABULARY = "<unk>\n<s>\n</s>\n{}\n"


def newstest(
    folder: Path, source: str = "he@@ llo world\ngood day\n", target: str = "ha@@ llo Welt\nguten Tag\n"
) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "newstest2014.tok.bpe.32000.en").write_text(source)
    (folder / "newstest2014.tok.bpe.32000.de").write_text(target)
    (folder / "vocab.bpe.32000.en").write_text(VOCABULARY.format("he@@\nllo\nworld\ngood\nday"))
    (folder / "vocab.bpe.32000.de").write_text(VOCABULARY.format("ha@@\nllo\nWelt\nguten\nTag"))
    return folder


def test_the_usual_files(tmp_path: Path) -> None:
    sentences = open_sentences(newstest(tmp_path / "data"))
    assert sentences.source[0] == ("he@@", "llo", "world")
    assert sentences.wanted == ("hallo Welt", "guten Tag")
    assert sentences.numbers(0) == [3, 4, 5]
    assert sentences.target_pieces[:3] == ("<unk>", "<s>", "</s>")


def test_one_vocabulary_for_both(tmp_path: Path) -> None:
    folder = newstest(tmp_path / "data")
    (folder / "vocab.bpe.32000.en").unlink()
    (folder / "vocab.bpe.32000.de").unlink()
    (folder / "vocab.bpe.32000").write_text(VOCABULARY.format("llo\nworld"))
    sentences = open_sentences(folder)
    assert sentences.numbers(0) == [0, 3, 4]  # an unknown piece is 0
    assert "llo" in sentences.target_pieces


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda f: (f / "newstest2014.tok.bpe.32000.de").unlink(),
            "data is a folder with 0 files *.text.de; expected one",
        ),
        (
            lambda f: (f / "newstest2014.tok.bpe.32000.de").write_text("guten Tag\n"),
            "newstest2014.tok.bpe.32000.de is 1 lines long; expected 2, as newstest2014.tok.bpe.32000.en",
        ),
        (
            lambda f: (f / "vocab.bpe.32000.de").write_text("a\nb\nc\n"),
            "vocab.bpe.32000.de: lines 1 to 3 is a, b, c; expected <unk>, <s>, </s>",
        ),
        (
            lambda f: (f / "newstest2014.tok.bpe.32000.en").write_text("he@@ llo\n\n"),
            "newstest2014.tok.bpe.32000.en: line 2 is empty; expected a sentence",
        ),
        (
            lambda f: (f / "newstest2014.tok.bpe.32000.en").write_bytes(b"\xff\xfe"),
            "newstest2014.tok.bpe.32000.en is not UTF-8 text; expected one sentence a line",
        ),
    ],
)
def test_bad_folders(tmp_path: Path, change: object, message: str) -> None:
    folder = newstest(tmp_path / "data")
    change(folder)  # type: ignore[operator]
    with pytest.raises(BadFile) as caught:
        open_sentences(folder)
    assert message in str(caught.value)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a folder"):
        open_sentences(tmp_path / "absent")


def test_verify_lists_every_deviation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = newstest(tmp_path / "data")
    monkeypatch.setattr(dataset, "NEWSTEST_LINES", 2)
    report = verify(folder)
    assert report.complete
    assert report.counts["newstest2014.tok.bpe.32000.en"] == 2
    assert len(report.checksums) == 2
    monkeypatch.setattr(dataset, "NEWSTEST_LINES", 3003)
    (folder / "newstest2014.tok.bpe.32000.de").write_text("ha@@ llo Welt\n\n")
    assert [str(p) for p in verify(folder).problems] == [
        "newstest2014.tok.bpe.32000.en is 2 lines long; expected 3,003",
        "newstest2014.tok.bpe.32000.de is 2 lines long; expected 3,003",
        "newstest2014.tok.bpe.32000.de: line 2 is empty; expected a sentence",
    ]
    (folder / "newstest2014.tok.bpe.32000.en").write_text("these are strange\nwords indeed\n")
    assert "made of 5 unknown pieces of 5" in str(verify(folder).problems[3])
    (folder / "vocab.bpe.32000.en").unlink()
    assert "0 files *.vocabulary.en" in str(verify(folder).problems[0])


def test_sentencepiece_and_a_model_s_own_vocabulary(tmp_path: Path) -> None:
    """Text is put together at the marks, and BLEU cuts it as sacrebleu does by default."""
    folder = newstest(tmp_path / "data", "▁he llo ▁world !\n▁good\n", "▁ha llo , ▁Welt !\n▁gut en ▁Tag\n")
    for path in folder.glob("vocab*"):
        path.unlink()
    sentences = open_sentences(folder, form=FORMS["sentencepiece"], with_vocabularies=False)
    assert sentences.source[0] == ("▁he", "llo", "▁world", "!")
    assert sentences.wanted == ("hallo, Welt!", "guten Tag")
    sacrebleu = pytest.importorskip("sacrebleu")
    found = ["hallo, Welt (!)", "guten Tag, Tag"]
    result = score(((i, text.encode()) for i, text in enumerate(found)), sentences, None)
    assert result.value == pytest.approx(sacrebleu.corpus_bleu(found, [list(sentences.wanted)]).score, rel=1e-12)
    with pytest.raises(BadFile, match=r"files \*\.vocabulary\.en"):
        open_sentences(folder)
