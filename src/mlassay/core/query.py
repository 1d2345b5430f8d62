"""What the load generator hands to the system under test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Query(NamedTuple):
    """One request: `indices` name the samples in the sample library, in order.

    Every sample of a run has an id; the samples of one query have consecutive ids that start at `first_id`.
    A SUT learns nothing of the schedule: using knowledge of the load generator is forbidden (inference rules,
    "Prohibited: ... taking advantage of the load generator").
    """

    first_id: int
    indices: Sequence[int]

    @property
    def n_samples(self) -> int:
        return len(self.indices)

    @property
    def ids(self) -> range:
        """The sample ids, in the order of `indices`."""
        return range(self.first_id, self.first_id + len(self.indices))
