"""Which samples each step trains on: random, each exactly once an epoch, the same for any number of processes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlassay.core.errors import UsageError

Indices = npt.NDArray[np.int64]


@dataclass
class EpochOrder:
    """Global batches by step number. Stateless apart from a cache, so a resumed run sees the same order."""

    n_samples: int
    batch_size: int
    seed: int
    drop_last: bool = False  # else the last batch of an epoch may be short
    _epoch: int = -1
    _permutation: Indices | None = None

    def __post_init__(self) -> None:
        if self.n_samples < (self.batch_size if self.drop_last else 1):
            raise UsageError(
                f"{self.n_samples} samples do not fill one batch of {self.batch_size}",
                hint="give more data, or a smaller --set global_batch_size=N",
            )

    @property
    def steps_per_epoch(self) -> int:
        full, short = divmod(self.n_samples, self.batch_size)
        return full + (1 if short and not self.drop_last else 0)

    def batch(self, step: int) -> Indices:
        """Sample numbers of the global batch of `step` (from 0)."""
        epoch, within = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch or self._permutation is None:
            self._permutation = self.permutation(epoch)
            self._epoch = epoch
        at = within * self.batch_size
        return self._permutation[at : at + self.batch_size]

    def permutation(self, epoch: int) -> Indices:
        """All samples of an epoch in the order in which they are used; a last batch that is left out may be missing."""
        return np.random.default_rng((self.seed, epoch)).permutation(self.n_samples)


def micro_batches(batch: Indices, rank: int, world_size: int, accumulation: int) -> list[Indices]:
    """This process's share of a global batch, in pieces for gradient accumulation.

    Pieces may be empty when the batch is smaller than processes × pieces; sizes differ by at most one.
    """
    mine = np.array_split(batch, world_size)[rank]
    return list(np.array_split(mine, accumulation))


def share(n: int, rank: int, world_size: int) -> range:
    """Which of n evaluation samples a process does; sizes differ by at most one."""
    per, extra = divmod(n, world_size)
    start = rank * per + min(rank, extra)
    return range(start, start + per + (rank < extra))


def eval_batches(n: int, rank: int, world_size: int, size: int) -> Iterator[tuple[Indices, int]]:
    """This process's evaluation samples in batches, and how many of each count.

    All processes get equally many batches, because with FSDP a forward pass needs them all: one that has run out of
    samples gets one more that does not count.
    """
    mine, longest = share(n, rank, world_size), len(share(n, 0, world_size))
    for at in range(0, longest, size):
        indices = np.arange(mine.start + at, min(mine.start + at + size, mine.stop))
        yield (indices, len(indices)) if len(indices) else (np.zeros(1, np.int64), 0)
