"""The rules of Go on a board of any size: captures, suicide forbidden, positional superko, area scoring.

Tromp-Taylor rules without suicide. Points are numbered row by row; the number size² is a pass. Inside, the board has
a border, so that neighbours need no edge test.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

EMPTY, BLACK, WHITE, BORDER = 0, 1, 2, 3


class IllegalMove(ValueError):
    """A move that the rules forbid; says which."""


@lru_cache
def _zobrist(size: int) -> list[list[int]]:
    """A random number for each colour and point, to recognise positions; the same in every process."""
    rng = np.random.default_rng(361 * size)
    return [[int(x) for x in rng.integers(0, 2**62, (size + 2) ** 2)] for _ in range(3)]


class Position:
    """A game in progress. `play` changes it; `copy` is cheap."""

    __slots__ = (
        "_board",
        "_hash",
        "_seen",
        "_width",
        "_zobrist",
        "captured",
        "komi",
        "last",
        "moves",
        "passes",
        "size",
        "to_play",
    )

    def __init__(self, size: int = 9, komi: float = 7.5) -> None:
        self.size, self.komi = size, komi
        self._width = size + 2
        self._board = bytearray([BORDER]) * self._width**2
        for row in range(1, size + 1):
            start = row * self._width + 1
            self._board[start : start + size] = bytes(size)
        self._zobrist = _zobrist(size)
        self._hash = 0
        self._seen: set[int] = {0}
        self.to_play, self.passes, self.moves = BLACK, 0, 0
        self.last: int | None = None
        self.captured = 0  # by the last move

    def copy(self) -> Position:
        new: Position = object.__new__(Position)
        new.size, new.komi, new._width, new._zobrist = self.size, self.komi, self._width, self._zobrist
        new._board, new._hash, new._seen = self._board[:], self._hash, set(self._seen)
        new.to_play, new.passes, new.moves = self.to_play, self.passes, self.moves
        new.last, new.captured = self.last, self.captured
        return new

    # --- questions

    @property
    def pass_move(self) -> int:
        return self.size * self.size

    @property
    def over(self) -> bool:
        return self.passes >= 2

    def board(self) -> npt.NDArray[np.uint8]:
        """Stones as (size, size) of EMPTY, BLACK, WHITE."""
        whole = np.frombuffer(bytes(self._board), np.uint8).reshape(self._width, self._width)
        return whole[1:-1, 1:-1]

    def legal(self) -> npt.NDArray[np.bool_]:
        """Which of the size²+1 moves the rules allow; the pass always."""
        out = np.zeros(self.pass_move + 1, bool)
        out[-1] = True
        for row in range(self.size):
            base = (row + 1) * self._width + 1
            for column in range(self.size):
                if self._board[base + column] == EMPTY:
                    out[row * self.size + column] = self._why_illegal(base + column) is None
        return out

    def score(self) -> float:
        """Black's area minus White's, minus komi: stones, and empty regions that touch one colour only."""
        board, width = self._board, self._width
        area = [0, board.count(BLACK), board.count(WHITE)]
        seen = bytearray(len(board))
        for start, stone in enumerate(board):
            if stone != EMPTY or seen[start]:
                continue
            seen[start] = 1
            region, borders, count = [start], 0, 0
            while region:
                point = region.pop()
                count += 1
                for near in (point - 1, point + 1, point - width, point + width):
                    colour = board[near]
                    if colour == EMPTY:
                        if not seen[near]:
                            seen[near] = 1
                            region.append(near)
                    elif colour != BORDER:
                        borders |= colour
            if borders in (BLACK, WHITE):
                area[borders] += count
        return area[BLACK] - area[WHITE] - self.komi

    # --- playing

    def set_up(self, stones: Iterable[tuple[int, int]], to_play: int) -> None:
        """Put (point, colour) on an empty board, as handicaps and puzzles begin; what was before is not history."""
        for point, colour in stones:
            if not 0 <= point < self.pass_move:
                raise IllegalMove(f"a stone that is not on a board of {self.size}")
            row, column = divmod(point, self.size)
            place = (row + 1) * self._width + column + 1
            if self._board[place] != EMPTY:
                raise IllegalMove(f"two stones at row {row}, column {column}")
            self._board[place] = colour
            self._hash ^= self._zobrist[colour - 1][place]
        self._seen = {self._hash}
        self.to_play = to_play

    def play(self, move: int) -> None:
        """Make a move for `to_play`. Raises IllegalMove and changes nothing when the rules forbid it."""
        if move == self.pass_move:
            self.passes += 1
            self.captured = 0
        else:
            if not 0 <= move < self.pass_move:
                raise IllegalMove(f"move {move} is not on a board of {self.size}")
            row, column = divmod(move, self.size)
            point = (row + 1) * self._width + column + 1
            why = self._why_illegal(point)
            if why:
                raise IllegalMove(f"{why} at row {row}, column {column}")
            self._put(point)
            self.passes = 0
        self.to_play = 3 - self.to_play
        self.last = move
        self.moves += 1

    def _put(self, point: int) -> None:
        dead = self._captures(point)
        board, numbers = self._board, self._zobrist
        board[point] = self.to_play
        self._hash ^= numbers[self.to_play - 1][point]
        for stone in dead:
            board[stone] = EMPTY
            self._hash ^= numbers[2 - self.to_play][stone]
        self.captured = len(dead)
        self._seen.add(self._hash)

    def _why_illegal(self, point: int) -> str | None:
        board = self._board
        if board[point] != EMPTY:
            return "occupied"
        dead = self._captures(point)
        if not dead and not self._breathes(point):
            return "suicide"
        numbers, key = self._zobrist, self._hash ^ self._zobrist[self.to_play - 1][point]
        for stone in dead:
            key ^= numbers[2 - self.to_play][stone]
        return "superko" if key in self._seen else None

    def _captures(self, point: int) -> list[int]:
        """Enemy stones whose last liberty is `point`."""
        board, enemy, width = self._board, 3 - self.to_play, self._width
        dead: list[int] = []
        for near in (point - 1, point + 1, point - width, point + width):
            if board[near] == enemy and near not in dead:
                group = self._group_without_liberty(near, point)
                if group:
                    dead += group
        return dead

    def _group_without_liberty(self, start: int, but: int) -> list[int]:
        """The group at `start` when it has no liberty other than `but`; else nothing."""
        board, width = self._board, self._width
        colour = board[start]
        group, seen, at = [start], {start}, 0
        while at < len(group):
            point = group[at]
            at += 1
            for near in (point - 1, point + 1, point - width, point + width):
                there = board[near]
                if there == EMPTY:
                    if near != but:
                        return []
                elif there == colour and near not in seen:
                    seen.add(near)
                    group.append(near)
        return group

    def _breathes(self, point: int) -> bool:
        """Whether a stone of `to_play` at `point` would have a liberty without capturing."""
        board, width = self._board, self._width
        for near in (point - 1, point + 1, point - width, point + width):
            there = board[near]
            if there == EMPTY:
                return True
            if there == self.to_play and not self._group_without_liberty(near, point):
                return True
        return False


def from_picture(picture: str, to_play: int = BLACK, komi: float = 7.5) -> Position:
    """A position from rows of . X O, for tests and puzzles; its history is itself alone."""
    rows = picture.split()
    position = Position(len(rows), komi)
    marks = "".join(rows)
    position.set_up([(k, ".XO".index(mark)) for k, mark in enumerate(marks) if mark != "."], to_play)
    return position
