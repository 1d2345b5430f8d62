"""The seam between the load generator and the system under test (SUT).

Two ways to answer, freely mixed by one SUT:
  * at once: `issue` returns the outputs, one per sample, in order;
  * later:   `issue` returns None, and any thread calls the sink that `open` received.

A SUT may also have a method `prepare(indices)`: called, untimed, each time the library has loaded a set of samples,
for SUTs that move samples to a device or to other processes beforehand.

And it may have `collect(timeout_s) -> bool`, for answers that other processes leave somewhere: called by the issuing
thread whenever it has nothing to do, it brings them to the sink, some tens of microseconds' worth at a time, and says
whether there were any; where there are none it may wait up to `timeout_s`. Such answers carry their own time
(`done_ns`), and no thread of the SUT has to compete with the issuing one for the interpreter lock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from mlassay.core.query import Query
from mlassay.core.trace import FaultKind

Outputs = Sequence[Any]
"""One output per sample. Accuracy runs need outputs that a task can encode to bytes."""


class Sink(Protocol):
    """Where a SUT delivers answers. Every method may be called from any thread and stamps the time on entry."""

    def complete(self, query: Query, outputs: Outputs | None = None, *, n_tokens: Sequence[int] | None = None) -> None:
        """The whole of one query is answered. `n_tokens`: tokens generated per sample, for token latencies."""

    def complete_samples(
        self,
        ids: Sequence[int],
        outputs: Outputs | None = None,
        *,
        n_tokens: Sequence[int] | None = None,
        done_ns: Sequence[int] | None = None,
    ) -> None:
        """Any batch of samples, across queries, is answered.

        `done_ns`: when each answer was ready, on the monotonic clock, for answers that crossed a process
        boundary; stamps that lie before the issue or after now are reported as faults.
        """

    def first_token(
        self, ids: Sequence[int], *, first_ns: Sequence[int] | None = None, outputs: Outputs | None = None
    ) -> None:
        """The first token of these samples is out (TTFT).

        `outputs`: the answers so far, one token each, where `wants_outputs` says so: compliance test TEST06 holds them
        against the whole answers.
        """

    def fail(self, error: BaseException | str, *, kind: str = FaultKind.FAILED) -> None:
        """The SUT cannot go on. Ends the run; what was measured is kept."""

    @property
    def wants_outputs(self) -> bool:
        """False when outputs would only be dropped: a SUT may then save itself moving them about."""


class SampleLibrary(Protocol):
    """The samples that queries refer to (QSL, query sample library)."""

    @property
    def name(self) -> str: ...

    @property
    def total_count(self) -> int:
        """Samples in the data set: an accuracy run asks for each of them once."""

    @property
    def performance_count(self) -> int:
        """Samples that fit in memory together: a performance run draws from that many."""

    def load(self, indices: Sequence[int]) -> None:
        """Bring these samples into memory, ready to be fed; untimed."""

    def unload(self, indices: Sequence[int]) -> None: ...

    def get(self, indices: Sequence[int]) -> Sequence[Any]:
        """The loaded samples, in the order asked for. Called while the clock runs: no decoding here."""


@runtime_checkable
class SUT(Protocol):
    """A system under test."""

    def open(self, sink: Sink, samples: SampleLibrary) -> None:
        """Get ready (untimed): load the model, warm up with samples of your own, start threads."""

    def issue(self, query: Query) -> Outputs | None:
        """Take a query. Return its outputs, or None when they will come through the sink."""

    def flush(self) -> None:
        """No more queries will come for now: finish what is waiting in a batch."""

    def close(self) -> None:
        """Stop threads and processes, release memory. `open` may follow again."""

    def describe(self) -> Mapping[str, Any]:
        """What ran: name, runtime, versions, model, options. JSON-ready."""
