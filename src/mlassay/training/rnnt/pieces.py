"""Word pieces by a sentencepiece model, as the reference makes one of LibriSpeech's transcripts. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlassay.core.errors import BadFile, MissingDependency


class WordPieces:
    """Texts to pieces and back; the blank is no piece."""

    def __init__(self, path: Path) -> None:
        try:
            import sentencepiece
        except ModuleNotFoundError as error:
            raise MissingDependency("sentencepiece", extra="training-data", why="it reads word pieces") from error
        if not path.is_file():
            raise BadFile(path, found="absent", expected="a sentencepiece model of 1,023 word pieces")
        try:
            self._model = sentencepiece.SentencePieceProcessor(model_file=str(path))
        except (RuntimeError, OSError) as error:
            raise BadFile(path, found="not a sentencepiece model", expected="a file of spm_train") from error
        self.n_symbols = int(self._model.get_piece_size())

    def numbers(self, text: str) -> list[int]:
        return [int(piece) for piece in self._model.encode(text)]

    def text(self, numbers: Sequence[int]) -> str:
        return str(self._model.decode(list(numbers)))
