"""A SUT that does nothing: what remains is the load generator's own cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlassay.core.query import Query
from mlassay.core.sut import Outputs, SampleLibrary, Sink

_ONE: Outputs = (None,)


class NullSUT:
    """Answers every query at once with nothing."""

    def open(self, sink: Sink, samples: SampleLibrary) -> None:
        pass

    def issue(self, query: Query) -> Outputs:
        count = len(query[1])
        return _ONE if count == 1 else [None] * count

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def describe(self) -> Mapping[str, Any]:
        return {"name": "null", "what": "answers at once with nothing; measures the load generator alone"}
