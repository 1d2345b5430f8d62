"""Recordings of like length together, so that little of a batch is padding; the batches in random order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlassay.training.common.order import EpochOrder, Indices


class BucketOrder(EpochOrder):
    """Cut by length into buckets; each bucket shuffled, cut into batches, the batches shuffled.

    What does not fill a last batch is left out, other recordings in each epoch.
    """

    def __init__(self, durations_s: Sequence[float], batch_size: int, seed: int, n_buckets: int) -> None:
        super().__init__(len(durations_s), batch_size, seed, drop_last=True)
        self._buckets = np.array_split(np.argsort(durations_s, kind="stable"), n_buckets)

    def permutation(self, epoch: int) -> Indices:
        rng = np.random.default_rng((self.seed, epoch))
        order = np.concatenate([rng.permutation(bucket) for bucket in self._buckets])
        n_left_out = len(order) % self.batch_size
        kept = np.delete(order, rng.choice(len(order), n_left_out, replace=False))
        return rng.permutation(kept.reshape(-1, self.batch_size), axis=0).reshape(-1).astype(np.int64)
