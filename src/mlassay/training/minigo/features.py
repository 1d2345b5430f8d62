"""What the network sees: the last positions from the mover's side, and the mover's colour."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mlassay.training.minigo.go import BLACK

Planes = npt.NDArray[np.uint8]


def planes(boards: Sequence[npt.NDArray[np.uint8]], to_play: int, n_past: int) -> Planes:
    """(2·n_past+1, N, N): for each of the newest boards own stones and the other's, then 1 when Black moves.

    `boards` are oldest first; where the game is younger than n_past, planes are zero.
    """
    size = boards[-1].shape[0]
    out = np.zeros((2 * n_past + 1, size, size), np.uint8)
    for k, board in enumerate(reversed(boards[-n_past:])):
        out[2 * k] = board == to_play
        out[2 * k + 1] = board == 3 - to_play
    out[-1] = to_play == BLACK
    return out


def turned(
    features: npt.NDArray[np.uint8], policy: npt.NDArray[np.float32], which: int
) -> tuple[Planes, npt.NDArray[np.float32]]:
    """One of the eight symmetries of the square, applied to planes (P, N, N) and policy (N²+1,) alike."""
    size = features.shape[-1]
    board = policy[:-1].reshape(size, size)
    features, board = np.rot90(features, which % 4, (1, 2)), np.rot90(board, which % 4)
    if which >= 4:
        features, board = features[:, :, ::-1], board[:, ::-1]
    return np.ascontiguousarray(features), np.append(board.ravel(), policy[-1]).astype(np.float32)
