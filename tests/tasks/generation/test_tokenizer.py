from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlassay.core.errors import BadFile
from mlassay.tasks.generation.tokenizer import Pieces, Published

PIECES = Pieces(["<end>", "▁", "a", "b", "c", "ab", "▁ab", "abc"])


def test_longest_piece_first() -> None:
    assert PIECES.encode("ab abc") == [5, 6, 4]
    assert PIECES.decode([5, 6, 4, 0]) == "ab abc"
    assert PIECES.encode("a?b") == [2, 3]
    assert PIECES.decode([99, -1, 2]) == "a"


@given(st.text("abc ", max_size=20))
def test_nothing_is_lost(text: str) -> None:
    assert PIECES.decode(PIECES.encode(text)) == text


def test_files(tmp_path: Path) -> None:
    (tmp_path / "pieces.txt").write_text("\n".join(PIECES.pieces) + "\n", encoding="utf-8")
    assert Pieces.read(tmp_path / "pieces.txt").pieces == PIECES.pieces
    (tmp_path / "pieces.txt").write_text("<end>\n")
    with pytest.raises(BadFile, match=r"pieces\.txt is 1 lines long"):
        Pieces.read(tmp_path / "pieces.txt")


def test_published_tokenizers(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    model = tokenizers.models.WordLevel({"[UNK]": 0, "hello": 1, "world": 2, "</s>": 3}, unk_token="[UNK]")
    made = tokenizers.Tokenizer(model)
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.add_special_tokens(["</s>"])
    made.save(str(tmp_path / "tokenizer.json"))
    published = Published(tmp_path / "tokenizer.json")
    assert published.encode("hello world") == [1, 2]
    assert published.decode([1, 2, 3]) == "hello world"
    (tmp_path / "tokenizer.json").write_text('{"model": 3}')
    with pytest.raises(BadFile, match=r"tokenizer\.json is not usable .*; expected a tokenizer\.json"):
        Published(tmp_path / "tokenizer.json")
