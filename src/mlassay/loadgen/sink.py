"""Where answers arrive: stamps them, checks them against what was asked, wakes whoever waits.

The columns are plain memory that the issuing loop and the answering threads share; the interpreter lock makes each
single store whole. Nothing here waits or takes a lock on the way of a good answer.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mlassay.core.query import Query
from mlassay.core.sut import Outputs
from mlassay.core.trace import FaultKind
from mlassay.loadgen.baton import Baton
from mlassay.loadgen.faults import FaultLog

if TYPE_CHECKING:
    from numpy.typing import NDArray

Keep = Callable[[Sequence[int], Outputs], None]
"""What to do with outputs that are wanted: (sample ids, outputs)."""

MANY = 64
"""From so many samples on, a completion is checked and stored by numpy instead of one by one."""


class Columns:
    """The memory of one run, absolute monotonic times. Zero means: not yet.

    `issued` and `returned` have a row per query. `returned` is when `issue` came back: positive when it brought the
    answer, negative when the answer comes through the sink. `done`, `first` and `tokens` have a row per sample, and
    take no memory until touched.
    """

    def __init__(self, first_id: NDArray[np.int64], *, tokens: bool) -> None:
        """`first_id`: (Q + 1,) id of each query's first sample, ending with the number of samples."""
        n_queries, n_samples = len(first_id) - 1, int(first_id[-1])
        self.n_samples = n_samples
        self.first_id = first_id
        sizes = np.diff(first_id)
        regular = n_queries > 0 and bool((sizes[:-1] == sizes[0]).all()) and int(sizes[-1]) <= int(sizes[0])
        self.per_query = int(sizes[0]) if regular else 0  # 0: look it up
        self.issued = array("q", bytes(8 * n_queries))
        self.returned = array("q", bytes(8 * n_queries))
        self.done_array: NDArray[np.int64] = np.zeros(n_samples, np.int64)
        self.done = self.done_array.data
        self.first_array: NDArray[np.int64] | None = np.zeros(n_samples, np.int64) if tokens else None
        self.tokens_array: NDArray[np.int32] | None = np.zeros(n_samples, np.int32) if tokens else None

    def row(self, sample_id: int) -> int:
        """Which query holds this sample."""
        if self.per_query:
            return sample_id // self.per_query
        return int(np.searchsorted(self.first_id, sample_id, "right")) - 1

    def rows(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        if self.per_query:
            return ids // self.per_query
        return np.searchsorted(self.first_id, ids, "right") - 1


class Completions:
    """The sink of one run (core.sut.Sink)."""

    def __init__(
        self,
        columns: Columns,
        faults: FaultLog,
        now: Callable[[], int],
        keep: Keep | None = None,
        keep_first: Keep | None = None,
    ) -> None:
        self._columns = columns
        self._done = columns.done
        self._issued = columns.issued
        self._row = columns.row
        self._faults = faults
        self._now = now
        self._keep, self._keep_first = keep, keep_first
        self._closed = False
        self.baton: Baton | None = None  # set while the issuing thread waits for one query
        self.failed: str = ""  # why the run must end
        self.ending = False  # no further query is issued; what is open is waited for unless `failed`
        self.last_ns = 0  # time of the latest completion

    # ---- the SUT's side ------------------------------------------------------------------------------------------

    def complete(self, query: Query, outputs: Outputs | None = None, *, n_tokens: Sequence[int] | None = None) -> None:
        moment = self._now()
        first_id, indices = query
        count = len(indices)
        if count == 1 and n_tokens is None:
            if not self._store(first_id, moment):
                return
        else:
            self._store_many(range(first_id, first_id + count), moment, n_tokens, None)
        self.last_ns = moment
        if self._keep is not None or outputs is not None:
            self._take(range(first_id, first_id + count), outputs)
        baton = self.baton
        if baton is not None:
            baton.wake()

    def complete_samples(
        self,
        ids: Sequence[int],
        outputs: Outputs | None = None,
        *,
        n_tokens: Sequence[int] | None = None,
        done_ns: Sequence[int] | None = None,
    ) -> None:
        moment = self._now()
        if done_ns is not None and len(done_ns) != len(ids):
            self._faults.add(FaultKind.WRONG_COUNT, f"{len(done_ns)} time stamps for {len(ids)} samples")
            done_ns = None
        self._store_many(ids, moment, n_tokens, done_ns)
        self.last_ns = moment
        if self._keep is not None or outputs is not None:
            self._take(ids, outputs)
        baton = self.baton
        if baton is not None:
            baton.wake()

    def first_token(
        self, ids: Sequence[int], *, first_ns: Sequence[int] | None = None, outputs: Outputs | None = None
    ) -> None:
        moment = self._now()
        if outputs is not None and self._keep_first is not None:
            self._keep_first(ids, outputs)
        column = self._columns.first_array
        if column is None:
            return
        for position, sample_id in enumerate(ids):
            if not self._asked(sample_id):
                continue
            if column[sample_id]:
                self._faults.add(FaultKind.TWICE, "a second first token for one sample", first_id=int(sample_id))
                continue
            column[sample_id] = moment if first_ns is None else first_ns[position]

    def fail(self, error: BaseException | str, *, kind: str = FaultKind.FAILED) -> None:
        text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
        self._faults.add(kind, text)
        self.stop(f"stopped: {kind}")

    @property
    def wants_outputs(self) -> bool:
        return self._keep is not None

    # ---- the generator's side ------------------------------------------------------------------------------------

    def stop(self, why: str) -> None:
        """End the run as soon as possible; the first reason stays."""
        self.failed = self.failed or why
        self.ending = True
        if self.baton is not None:
            self.baton.wake()

    def enough(self) -> None:
        """Issue no further query; the open ones are still waited for."""
        self.ending = True

    @property
    def columns(self) -> Columns:
        """The run's memory, for an adapter that stores answers itself."""
        return self._columns

    def close(self) -> None:
        """From now on every answer is late."""
        self._closed = True

    def take_inline(self, first_id: int, count: int, outputs: Outputs) -> None:
        """Outputs that `issue` returned: counted, and kept where wanted."""
        self._take(range(first_id, first_id + count), outputs)

    # ---- inside --------------------------------------------------------------------------------------------------

    def _asked(self, sample_id: int) -> bool:
        """Was this sample issued? If not, note which fault it is."""
        if not 0 <= sample_id < self._columns.n_samples:
            self._faults.add(FaultKind.UNKNOWN_ID, f"no sample has id {sample_id}", first_id=int(sample_id))
            return False
        if not self._issued[self._row(sample_id)]:
            self._faults.add(FaultKind.NOT_ISSUED, f"sample {sample_id} was not asked for", first_id=int(sample_id))
            return False
        return True

    def _store(self, sample_id: int, moment: int) -> bool:
        if self._closed:
            self._faults.add(FaultKind.LATE, "an answer after the run's end", first_id=sample_id)
            return False
        if not self._asked(sample_id):
            return False
        if self._done[sample_id] or self._columns.returned[self._row(sample_id)] > 0:
            self._faults.add(FaultKind.TWICE, f"sample {sample_id} was answered again", first_id=sample_id)
            return False
        self._done[sample_id] = moment
        return True

    def _store_many(
        self, ids: Sequence[int], moment: int, n_tokens: Sequence[int] | None, done_ns: Sequence[int] | None
    ) -> None:
        if len(ids) >= MANY and not self._closed:
            good = self._store_array(np.asarray(ids, np.int64), moment, done_ns)
        else:
            good = []
            for position, sample_id in enumerate(ids):
                stamp = (
                    moment if done_ns is None else self._checked_stamp(int(sample_id), int(done_ns[position]), moment)
                )
                if self._store(int(sample_id), stamp):
                    good.append(position)
        if n_tokens is not None and self._columns.tokens_array is not None:
            if len(n_tokens) != len(ids):
                self._faults.add(FaultKind.WRONG_COUNT, f"{len(n_tokens)} token counts for {len(ids)} samples")
                return
            for position in good:
                self._columns.tokens_array[ids[position]] = n_tokens[position]

    def _store_array(self, ids: NDArray[np.int64], moment: int, done_ns: Sequence[int] | None) -> Sequence[int]:
        columns = self._columns
        known = (ids >= 0) & (ids < columns.n_samples)
        rows = columns.rows(np.where(known, ids, 0))
        issued = np.frombuffer(self._issued, np.int64)
        returned = np.frombuffer(columns.returned, np.int64)
        known &= issued[rows] > 0
        fresh = known & (columns.done_array[np.where(known, ids, 0)] == 0) & (returned[rows] <= 0)
        if not known.all():
            for sample_id in ids[~known][:MANY].tolist():
                self._asked(sample_id)
        if not fresh.all():
            again = ids[known & ~fresh]
            if again.size:
                self._faults.add(
                    FaultKind.TWICE,
                    f"sample {again[0]} was answered again",
                    first_id=int(again[0]),
                    count=int(again.size),
                )
        take = np.flatnonzero(fresh)
        if done_ns is None:
            columns.done_array[ids[take]] = moment
        else:
            stamps = np.asarray(done_ns, np.int64)[take]
            bad = (stamps < issued[rows[take]]) | (stamps > moment)
            if bad.any():
                self._faults.add(
                    FaultKind.BAD_STAMP, "a completion time outside issue and arrival", count=int(bad.sum())
                )
                stamps = np.where(bad, moment, stamps)
            columns.done_array[ids[take]] = stamps
        distinct = np.unique(ids[take]).size
        if distinct != take.size:
            self._faults.add(
                FaultKind.TWICE, "one batch answers a sample more than once", count=int(take.size - distinct)
            )
        return take.tolist()

    def _checked_stamp(self, sample_id: int, stamp: int, moment: int) -> int:
        known = 0 <= sample_id < self._columns.n_samples
        if known and not self._issued[self._row(sample_id)] <= stamp <= moment:
            self._faults.add(FaultKind.BAD_STAMP, "a completion time outside issue and arrival", first_id=sample_id)
            return moment
        return stamp

    def _take(self, ids: Sequence[int], outputs: Outputs | None) -> None:
        if outputs is None:
            self._faults.add(
                FaultKind.WRONG_COUNT, "no outputs where the run needs them", first_id=int(ids[0]) if ids else -1
            )
            return
        if len(outputs) != len(ids):
            self._faults.add(
                FaultKind.WRONG_COUNT,
                f"{len(outputs)} outputs for {len(ids)} samples",
                first_id=int(ids[0]) if ids else -1,
            )
            return
        if self._keep is not None:
            self._keep(ids, outputs)
