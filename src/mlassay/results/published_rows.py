"""What every table of the published history starts from: the closed rows of a round, and their sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from weakref import WeakKeyDictionary

from mlassay.results.queries import Filter, ResultView, results
from mlassay.results.schema import sa


def closed_results(connection: sa.Connection, round_name: str, suite: str = "inference") -> list[ResultView]:
    """Published closed results of a round."""
    return published_results(connection, Filter(suite=(suite,), round=(round_name,), division=("closed",)))


_READ: WeakKeyDictionary[sa.Connection, dict[Filter, list[ResultView]]] = WeakKeyDictionary()
"""What each open reading connection has read: it sees one state throughout, and a page asks for the same rows often."""


def published_results(connection: sa.Connection, wanted: Filter) -> list[ResultView]:
    """Published results, read once for each connection of `Database.reading()`."""
    read = _READ.setdefault(connection, {})
    if wanted not in read:
        read[wanted] = results(connection, replace(wanted, published=True))
    return list(read[wanted])


def sources_of(rows: Sequence[ResultView]) -> tuple[str, ...]:
    """The published repositories behind some rows, with commit and reader."""
    seen: dict[str, str] = {}
    for row in rows:
        seen[row.source] = f"{row.url} at {row.commit_id or 'an unstated commit'}, read by {row.reader}"
    return tuple(seen[name] for name in sorted(seen))
