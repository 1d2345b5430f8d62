"""Monte-Carlo tree search (PUCT), for many games side by side so that the network sees large batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlassay.training.minigo.features import Planes, planes
from mlassay.training.minigo.go import BLACK, Position

Floats = npt.NDArray[np.float32]
Judge = Callable[[npt.NDArray[np.uint8], "Sequence[Node]"], tuple[Floats, Floats]]
"""Planes (B, P, N, N) and their nodes to move probabilities (B, N²+1) and the mover's expected results (B,)."""


@dataclass(frozen=True, slots=True)
class SearchSettings:
    puct: float
    n_past: int
    noise_share: float = 0.0  # 0 in evaluation
    leaves_at_once: int = 1

    def noise_alpha(self, board: int) -> float:
        """Dirichlet noise, as strong on any board as .03 is on 19×19."""
        return 0.03 * 361 / board**2


class Node:
    """A position in the tree. Values are Black's: +1 when Black wins."""

    __slots__ = ("boards", "children", "legal", "n", "parent", "parent_move", "position", "prior", "value", "w")

    def __init__(self, position: Position, boards: tuple[npt.NDArray[np.uint8], ...], parent: Node | None, move: int):
        self.position, self.boards, self.parent, self.parent_move = position, boards, parent, move
        self.prior: Floats | None = None  # None until the network has seen it
        self.legal = position.legal() if not position.over else np.zeros(position.pass_move + 1, bool)
        actions = position.pass_move + 1
        self.n, self.w = np.zeros(actions, np.float32), np.zeros(actions, np.float32)
        self.children: dict[int, Node] = {}
        self.value = 0.0

    def sign(self) -> float:
        """+1 when Black is to move."""
        return 1.0 if self.position.to_play == BLACK else -1.0

    def planes(self, n_past: int) -> Planes:
        return planes(self.boards, self.position.to_play, n_past)

    def best(self, puct: float) -> int:
        """The move of highest upper bound. An unvisited child is thought as good as its parent (reference)."""
        assert self.prior is not None
        q = np.where(self.n > 0, self.w / np.maximum(self.n, 1), self.value) * self.sign()
        u = puct * self.prior * (np.sqrt(max(1.0, float(self.n.sum()))) / (1 + self.n))
        return int(np.argmax(np.where(self.legal, q + u, -np.inf)))

    def child(self, move: int, n_past: int) -> Node:
        if move not in self.children:
            position = self.position.copy()
            position.play(move)
            boards = (*self.boards[-(n_past - 1) :], position.board()) if n_past > 1 else (position.board(),)
            self.children[move] = Node(position, boards, self, move)
        return self.children[move]


def root_of(position: Position) -> Node:
    return Node(position, (position.board(),), None, -1)


def search(
    roots: Sequence[Node], readouts: int, judge: Judge, settings: SearchSettings, rng: np.random.Generator | None = None
) -> None:
    """Grow each root's tree by `readouts`; all leaves of all games are judged together."""
    _judge_all([r for r in roots if r.prior is None], judge, settings)
    if settings.noise_share and rng is not None:
        for root in roots:
            _add_noise(root, settings, rng)
    done = 0
    while done < readouts:
        leaves: list[Node] = []
        for root in roots:
            for _ in range(min(settings.leaves_at_once, readouts - done)):
                leaf = _descend(root, settings)
                if leaf.position.over:
                    _back_up(leaf, 1.0 if leaf.position.score() > 0 else -1.0)
                else:
                    leaves.append(leaf)
        _judge_all(leaves, judge, settings, back_up=True)
        done += settings.leaves_at_once


def _descend(root: Node, settings: SearchSettings) -> Node:
    """Follow the best moves to a leaf, leaving a virtual loss on the way so that the next descent goes elsewhere."""
    node = root
    while node.prior is not None and not node.position.over:
        move = node.best(settings.puct)
        node.n[move] += 1
        node.w[move] -= node.sign()
        node = node.child(move, settings.n_past)
    return node


def _back_up(leaf: Node, value: float) -> None:
    """Take the virtual losses away and put the leaf's value in their place."""
    node, parent = leaf, leaf.parent
    while parent is not None:
        parent.w[node.parent_move] += value + parent.sign()
        node, parent = parent, parent.parent


def _judge_all(nodes: Sequence[Node], judge: Judge, settings: SearchSettings, back_up: bool = False) -> None:
    if not nodes:
        return
    fresh = list({id(n): n for n in nodes if n.prior is None}.values())
    if fresh:
        features = np.stack([n.planes(settings.n_past) for n in fresh])
        priors, values = judge(features, fresh)
        for node, prior, value in zip(fresh, priors, values, strict=True):
            allowed = prior * node.legal
            total = float(allowed.sum())
            node.prior = allowed / total if total > 1e-9 else (node.legal / node.legal.sum()).astype(np.float32)
            node.value = float(value) * node.sign()
    if back_up:
        for node in nodes:
            _back_up(node, node.value)


def _add_noise(root: Node, settings: SearchSettings, rng: np.random.Generator) -> None:
    assert root.prior is not None
    moves = np.nonzero(root.legal)[0]
    noise = rng.dirichlet(np.full(len(moves), settings.noise_alpha(root.position.size))).astype(np.float32)
    root.prior = root.prior.copy()
    root.prior[moves] = (1 - settings.noise_share) * root.prior[moves] + settings.noise_share * noise


def area_judge(features: npt.NDArray[np.uint8], nodes: Sequence[Node]) -> tuple[Floats, Floats]:
    """A judge without learning: every move alike, and the result that counting the area now suggests."""
    actions = nodes[0].position.pass_move + 1
    priors = np.full((len(nodes), actions), 1.0 / actions, np.float32)
    priors[:, -1] *= 0.1  # it should not pass while there is something to play
    values = [np.tanh(n.position.score() / n.position.size) * n.sign() for n in nodes]
    return priors, np.array(values, np.float32)
