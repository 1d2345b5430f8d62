"""Text to tokens and back: our own pieces for the packed model, a published tokenizer.json for others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from mlassay.core.errors import BadFile, MissingDependency

SPACE = "▁"


class Tokenizer(Protocol):
    def encode(self, text: str) -> list[int]: ...

    def decode(self, tokens: Sequence[int]) -> str:
        """Special tokens are left out."""


class Pieces:
    """The longest known piece, again and again. Piece 0 is the end of a text; a space is written ▁."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self.pieces = tuple(pieces)
        self._number = {piece: number for number, piece in enumerate(self.pieces)}
        self._longest = max(map(len, self.pieces[1:]))

    @classmethod
    def read(cls, path: Path) -> Pieces:
        """One piece a line."""
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        if len(lines) < 2:
            raise BadFile(path, found=f"{len(lines)} lines long", expected="one piece a line, the first for the end")
        return cls(lines)

    def encode(self, text: str) -> list[int]:
        """Characters that no piece has are left out."""
        text = text.replace(" ", SPACE)
        found: list[int] = []
        begin = 0
        while begin < len(text):
            ends = range(min(len(text), begin + self._longest), begin, -1)
            end = next((e for e in ends if text[begin:e] in self._number), 0)
            if end:
                found.append(self._number[text[begin:end]])
            begin = end or begin + 1
        return found

    def decode(self, tokens: Sequence[int]) -> str:
        return "".join(self.pieces[token] for token in tokens if 0 < token < len(self.pieces)).replace(SPACE, " ")


class Published:
    """A tokenizer.json as Hugging Face's models have it."""

    def __init__(self, path: Path) -> None:
        try:
            from tokenizers import Tokenizer as Reader
        except ModuleNotFoundError as error:
            raise MissingDependency("tokenizers", extra="text", why="it reads tokenizer.json") from error
        try:
            json.loads(path.read_text(encoding="utf-8"))
            self._reader: Any = Reader.from_file(str(path))
        except Exception as error:  # the library raises plain Exception for a file that it cannot use
            raise BadFile(path, found=f"not usable ({error})", expected="a tokenizer.json") from error

    def encode(self, text: str) -> list[int]:
        return list(self._reader.encode(text).ids)

    def number(self, piece: str) -> int | None:
        """Of a piece that may stand for itself, as <|endoftext|> does; None where it is not known."""
        found: int | None = self._reader.token_to_id(piece)
        return found

    def decode(self, tokens: Sequence[int]) -> str:
        return str(self._reader.decode(list(map(int, tokens)), skip_special_tokens=True))
