"""What passes between load generator and SUT in the official Python interface: samples out, responses back."""

from __future__ import annotations

from typing import Any


class QuerySample:
    """One sample of a query: `id` names it in the answer, `index` says which library sample it is."""

    __slots__ = ("id", "index")

    def __init__(self, id: int = 0, index: int = 0, /) -> None:
        self.id = id
        self.index = index

    def __reduce__(self) -> tuple[Any, ...]:
        return QuerySample, (self.id, self.index)


class QuerySampleResponse:
    """One answer: the sample's `id`, and the address and size of its output in memory.

    The bytes are read when the answer is handed in, and only where an accuracy log wants them; until then the memory
    must stay alive. `n_tokens`: tokens generated, for runs with token latencies.
    """

    __slots__ = ("data", "id", "n_tokens", "size")

    def __init__(self, id: int = 0, data: int = 0, size: int = 0, n_tokens: int = 0, /) -> None:
        self.id = id
        self.data = data
        self.size = size
        self.n_tokens = n_tokens

    def __reduce__(self) -> tuple[Any, ...]:
        return QuerySampleResponse, (self.id, self.data, self.size, self.n_tokens)


class VectorQuerySample(list[QuerySample]):
    """A list of samples by its official name."""


class VectorQuerySampleResponse(list[QuerySampleResponse]):
    """A list of responses by its official name."""
