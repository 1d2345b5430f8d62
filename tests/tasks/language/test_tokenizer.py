from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlassay.core.errors import BadFile
from mlassay.tasks.language.tokenizer import WordPieces, words_of
from tests.tasks.language.squad import VOCABULARY

PIECES = WordPieces(list(dict.fromkeys(VOCABULARY)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The Rhine (1,230 km)", "the rhine ( 1 , 230 km )"),
        ("Émile's 中文 caf\u00e9\u0000!", "emile ' s 中 文 cafe !"),
        ("tab\tnew\nline\u200bzero $5 a+b", "tab new linezero $ 5 a + b"),
        ("", ""),
    ],
)
def test_words(text: str, words: str) -> None:
    assert words_of(text) == words.split()


def test_longest_pieces_first() -> None:
    assert PIECES.split("Cologne, Germinal") == ["co", "##log", "##ne", ",", "ge", "##rmin", "##al"]
    assert PIECES.split("Colognes") == ["[UNK]"]
    assert PIECES.split("x" * 101) == ["[UNK]"]
    assert PIECES.numbers(["[PAD]", "[UNK]", "nothing"]) == [0, 1, 1]


@given(st.text(st.sampled_from("RhineCologneÉ(1,). \t中'?-ßİ"), max_size=30))
def test_equal_to_the_tokenizers_library(text: str) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    theirs = tokenizers.BertWordPieceTokenizer(
        {piece: number for number, piece in enumerate(PIECES.pieces)}, lowercase=True
    )
    assert PIECES.split(text) == theirs.encode(text, add_special_tokens=False).tokens


def test_a_file_that_is_no_vocabulary(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("a\nb\n")
    with pytest.raises(BadFile, match=r"vocab\.txt is without \[UNK\]; expected BERT's vocab\.txt"):
        WordPieces.read(tmp_path / "vocab.txt")
    with pytest.raises(BadFile, match="not readable as UTF-8 text"):
        WordPieces.read(tmp_path)
