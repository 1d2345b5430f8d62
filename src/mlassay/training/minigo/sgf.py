"""Games in SGF: the main line's moves, enough to judge a player by professional games."""

from __future__ import annotations

import re
from pathlib import Path

from mlassay.core.errors import BadFile
from mlassay.training.minigo.go import IllegalMove, Position

_MOVE = re.compile(r";\s*([BW])\[([a-z]{0,2})\]")
_SIZE = re.compile(r"SZ\[(\d+)\]")


def read_games(folder: Path, board: int, komi: float) -> list[tuple[Position, list[int]]]:
    """Each game's starting position and moves. Raises BadFile for another board size or an illegal move."""
    paths = sorted(folder.glob("*.sgf")) if folder.is_dir() else []
    if not paths:
        raise BadFile(folder, found="without .sgf files", expected=f"SGF games on {board}x{board}")
    return [(Position(board, komi), read_game(p, board, komi)) for p in paths]


def read_game(path: Path, board: int, komi: float) -> list[int]:
    """The moves of the main line, each tried on a board."""
    text = path.read_text(encoding="utf-8", errors="replace")
    size = _SIZE.search(text)
    if (int(size[1]) if size else 19) != board:
        raise BadFile(path, key="SZ", found=size[1] if size else "absent", expected=str(board))
    position, moves = Position(board, komi), []
    for number, (_, where) in enumerate(_MOVE.findall(text), 1):
        passed = where in ("", "tt")
        move = position.pass_move if passed else (ord(where[1]) - 97) * board + ord(where[0]) - 97
        try:
            position.play(move)
        except IllegalMove as error:
            raise BadFile(path, key=f"move {number}", found=str(error), expected="a legal move") from error
        moves.append(move)
    return moves
