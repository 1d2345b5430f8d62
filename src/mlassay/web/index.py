"""Which pages there are: from slugs in addresses back to what they name, read once for each state of the database."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlassay.results import schema as tables
from mlassay.results.schema import sa
from mlassay.web.slugs import digest, slug


@dataclass(frozen=True, slots=True)
class Index:
    """`results`: digest of key -> id; `systems`: slug -> (submitter, system); `tasks`: slug -> (suite, benchmark);
    `rankings`: slug -> (suite, benchmark, scenario, round); `runs`: (digest of key, position) of runs of one's own."""

    state: str
    results: Mapping[str, int]
    systems: Mapping[str, tuple[str, str]]
    submitters: Mapping[str, str]
    tasks: Mapping[str, tuple[str, str]]
    rankings: Mapping[str, tuple[str, str, str, str]]
    runs: Sequence[tuple[str, int]]
    n_results: int


def state_of(connection: sa.Connection) -> str:
    """A fingerprint that changes with everything imported or removed."""
    s = tables.source.c
    total = hashlib.sha256()
    for row in connection.execute(sa.select(s.id, s.digest, s.imported_at).order_by(s.id)):
        total.update(f"{row[0]} {row[1]} {row[2]}\n".encode())
    return total.hexdigest()


def read_index(connection: sa.Connection) -> Index:
    """Everything that has a page of its own."""
    r = tables.result.c
    query = sa.select(
        r.id, r.key, r.suite, r.benchmark, r.scenario, r.round, r.submitter, r.system, r.division, r.value
    )
    results: dict[str, int] = {}
    systems: dict[str, tuple[str, str]] = {}
    submitters: dict[str, str] = {}
    tasks: dict[str, tuple[str, str]] = {}
    rankings: dict[str, tuple[str, str, str, str]] = {}
    for row in connection.execute(query.order_by(r.suite, r.benchmark, r.scenario, r.round, r.id)):
        results[digest(row.key)] = row.id
        systems.setdefault(slug(row.submitter, row.system), (row.submitter, row.system))
        submitters.setdefault(slug(row.submitter), row.submitter)
        tasks.setdefault(slug(row.suite, row.benchmark), (row.suite, row.benchmark))
        if row.value is not None and row.division == "closed":
            what = (row.suite, row.benchmark, row.scenario, row.round)
            rankings.setdefault(slug(row.suite, row.benchmark, row.scenario.lower() or "all", row.round), what)
    return Index(
        state_of(connection), results, systems, submitters, tasks, rankings, _own_runs(connection), len(results)
    )


def _own_runs(connection: sa.Connection) -> list[tuple[str, int]]:
    """Runs that have a page of their own: those of run folders."""
    own = tables.source.c.kind == "run"
    joined = tables.run.join(tables.result).join(tables.source, tables.result.c.source_id == tables.source.c.id)
    query = sa.select(tables.result.c.key, tables.run.c.position).select_from(joined).where(own)
    return [(digest(key), position) for key, position in connection.execute(query.order_by(tables.run.c.id))]


NOTHING = Index("", {}, {}, {}, {}, {}, (), 0)
"""For pages that need no database."""
