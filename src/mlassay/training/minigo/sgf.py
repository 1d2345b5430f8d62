"""Games in SGF: the stones set up at the start and the main line's moves, enough to judge a player by other games."""

from __future__ import annotations

import re
from pathlib import Path

from mlassay.core.errors import BadFile
from mlassay.training.minigo.go import BLACK, WHITE, IllegalMove, Position

_TOKEN = re.compile(r"\[(?:\\.|[^\]\\])*\]|[()]", re.DOTALL)
_MOVE = re.compile(r";\s*([BW])\s*\[([a-z]{0,2})\]")
_SETUP = re.compile(r"A([BW])((?:\s*\[[a-z]{2}\])+)")
_SIZE = re.compile(r"SZ\[(\d+)\]")
_NEXT = re.compile(r"PL\[([BW])")

Game = tuple[Position, list[int]]
"""Where it starts, and the moves from there."""


def read_games(source: Path, board: int, komi: float) -> list[Game]:
    """The games of one file, or of all in a folder. Raises BadFile for another board size or an illegal move."""
    paths = [source] if source.is_file() else sorted(source.glob("*.sgf"))
    games = [game for path in paths for game in _games(path, board, komi)]
    if not games:
        raise BadFile(source, found="without games", expected=f"SGF games on {board}x{board}")
    return games


def _games(path: Path, board: int, komi: float) -> list[Game]:
    lines = main_lines(path.read_text(encoding="utf-8", errors="replace"))
    return [_game(path, text, board, komi) for text in lines]


def main_lines(text: str) -> list[str]:
    """Of each game of a file the text up to the end of its first variation; brackets in comments do not count."""
    lines, depth, start = [], 0, 0
    for token in _TOKEN.finditer(text):
        if token[0] == "(":
            start = token.start() if depth == 0 else start
            depth += 1
        elif token[0] == ")":
            if start >= 0 and depth:
                lines.append(text[start : token.start()])
                start = -1
            depth = max(0, depth - 1)
    return lines


def _game(path: Path, text: str, board: int, komi: float) -> Game:
    size = _SIZE.search(text)
    if (int(size[1]) if size else 19) != board:
        raise BadFile(path, key="SZ", found=size[1] if size else "absent", expected=str(board))
    stones = [
        (BLACK if colour == "B" else WHITE, where)
        for colour, places in _SETUP.findall(text)
        for where in re.findall(r"[a-z]{2}", places)
    ]
    played = _MOVE.findall(text)
    side = _NEXT.search(text) or _MOVE.search(text)  # after handicap stones White begins, said or not
    to_play = WHITE if side and side[1] == "W" else BLACK
    try:
        start = Position(board, komi)
        start.set_up([(_point(where, board), colour) for colour, where in stones], to_play)
    except IllegalMove as error:
        raise BadFile(path, key="AB, AW", found=str(error), expected=f"stones on {board}x{board}") from error
    position, moves = start.copy(), []
    for number, (colour, where) in enumerate(played, 1):
        if colour != " BW"[position.to_play]:
            other = "Black" if colour == "B" else "White"
            raise BadFile(path, key=f"move {number}", found=f"{other}'s again", expected="moves of both in turn")
        move = position.pass_move if where in ("", "tt") else _point(where, board)
        try:
            position.play(move)
        except IllegalMove as error:
            raise BadFile(path, key=f"move {number}", found=str(error), expected="a legal move") from error
        moves.append(move)
    return start, moves


def _point(where: str, board: int) -> int:
    column, row = (ord(letter) - 97 for letter in where)
    return row * board + column if column < board else -1
