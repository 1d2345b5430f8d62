"""Games: of the player against itself, for its lessons; and of two players against each other, for their strength."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from mlassay.training.minigo.features import Planes
from mlassay.training.minigo.go import BLACK, Position
from mlassay.training.minigo.recipe import MinigoConfig
from mlassay.training.minigo.search import Judge, Node, SearchSettings, root_of, search


@dataclass(frozen=True, slots=True)
class Lesson:
    """A position of a finished game: what the search preferred there, and who won."""

    planes: Planes
    policy: npt.NDArray[np.float32]  # (N²+1,)
    result: float  # +1 when the mover of this position won


def longest_game(board: int) -> int:
    """A game is scored as it stands after so many moves."""
    return 2 * board * board


def self_play(config: MinigoConfig, judge: Judge, n_games: int, rng: np.random.Generator) -> list[Lesson]:
    """Play games side by side, sampling moves by visits in the opening and taking the most visited later."""
    settings = SearchSettings(config.puct, config.n_past, config.noise_share, config.leaves_at_once)
    roots = {k: root_of(Position(config.board, config.komi)) for k in range(n_games)}
    stories: dict[int, list[tuple[Planes, npt.NDArray[np.float32], int]]] = {k: [] for k in roots}
    may_resign = {k: rng.random() >= config.never_resign_share for k in roots}
    opening = config.board**2 // 12
    lessons: list[Lesson] = []
    while roots:
        search(list(roots.values()), config.readouts, judge, settings, rng)
        for k, root in list(roots.items()):
            policy = _policy(root, config.policy_power if root.position.moves < opening else 1.0)
            stories[k].append((root.planes(config.n_past), policy, root.position.to_play))
            early = root.position.moves < opening
            move = int(rng.choice(len(policy), p=policy / policy.sum())) if early else int(np.argmax(policy))
            best_value = _best_value(root)
            following = root.child(move, config.n_past)
            winner = 0
            if may_resign[k] and best_value < config.resign_at:
                winner = 3 - root.position.to_play
            elif following.position.over or following.position.moves >= longest_game(config.board):
                winner = BLACK if following.position.score() > 0 else 3 - BLACK
            if winner:
                lessons += [Lesson(f, p, 1.0 if mover == winner else -1.0) for f, p, mover in stories.pop(k)]
                del roots[k]
            else:
                following.parent = None
                roots[k] = following
    return lessons


def match(
    config: MinigoConfig, first: Judge, second: Judge, starts: Sequence[Position], readouts: tuple[int, int]
) -> float:
    """Share of games that `first` wins. Each start is played twice, `first` having Black and then White."""
    settings = SearchSettings(config.puct, config.n_past, 0.0, max(1, config.leaves_at_once // 2))
    games = {k: start.copy() for k, start in enumerate(s for s in starts for _ in range(2))}
    n_games, wins = len(games), 0
    while games:
        for player, judge in enumerate((first, second)):
            turn = {k: p for k, p in games.items() if (p.to_play == BLACK) == (k % 2 == player)}
            if not turn:
                continue
            roots = {k: root_of(p) for k, p in turn.items()}
            search(list(roots.values()), readouts[player], judge, settings)
            for k, root in roots.items():
                games[k].play(int(np.argmax(_policy(root, 1.0))))
                if games[k].over or games[k].moves >= longest_game(config.board):
                    black_wins = games[k].score() > 0
                    wins += black_wins == (k % 2 == 0)
                    del games[k]
    return wins / n_games


def openings(board: int, komi: float, n: int, rng: np.random.Generator) -> list[Position]:
    """`n` positions after a stone of either colour, drawn without return (then anew) from those no symmetry joins."""
    pairs = opening_moves(board)
    order = np.concatenate([rng.permutation(len(pairs)) for _ in range(-(-n // len(pairs)))])[:n]
    return [_position(board, komi, pairs[i]) for i in order]


@lru_cache
def opening_moves(board: int) -> tuple[tuple[int, int], ...]:
    """Points of Black's and White's first stones, one for each class of the square's eight symmetries."""
    points = np.arange(board * board).reshape(board, board)
    turns = [np.rot90(side, k).ravel() for side in (points, points[:, ::-1]) for k in range(4)]
    every = ((int(a), int(b)) for a in range(board * board) for b in range(board * board) if a != b)
    return tuple(pair for pair in every if pair == min((int(t[pair[0]]), int(t[pair[1]])) for t in turns))


def _position(board: int, komi: float, moves: tuple[int, int]) -> Position:
    position = Position(board, komi)
    for move in moves:
        position.play(move)
    return position


def _policy(root: Node, power: float) -> npt.NDArray[np.float32]:
    visits = root.n.astype(np.float64) ** power
    if not visits.sum():
        assert root.prior is not None
        visits = root.prior.astype(np.float64)
    shares: npt.NDArray[np.float32] = (visits / visits.sum()).astype(np.float32)
    return shares


def _best_value(root: Node) -> float:
    """The mover's expectation after its most visited move."""
    move = int(np.argmax(root.n))
    return float(root.w[move] / max(root.n[move], 1.0)) * root.sign()
