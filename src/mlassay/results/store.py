"""Puts batches into the database, each in one transaction, and takes sources out again.

The same batch twice changes nothing: its digest is compared before anything is written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from mlassay.core.errors import UnknownName
from mlassay.results import schema as tables
from mlassay.results.database import Database, now
from mlassay.results.rows import Batch
from mlassay.results.schema import sa


class Change(StrEnum):
    ADDED = "added"
    REPLACED = "replaced"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class StoredSource:
    """One imported source, as the database lists it."""

    id: int
    name: str
    kind: str
    suite: str
    round: str
    origin: str
    commit_id: str | None
    reader: str
    imported_at: str
    published: bool
    n_files: int
    n_results: int
    n_absent: int
    note: str


def known_signature(database: Database, name: str) -> tuple[str, str] | None:
    """(listing signature, reader version) of a stored source; None when there is none of that name."""
    with database.reading() as connection:
        row = connection.execute(
            sa.select(tables.source.c.signature, tables.source.c.reader).where(tables.source.c.name == name)
        ).first()
    return (row[0], row[1]) if row else None


def store(database: Database, batch: Batch) -> Change:
    """Write a batch in place of any older one of the same name. An interruption leaves what was there before."""
    digest = digest_of(batch)
    with database.writing() as connection:
        c = tables.source.c
        old = connection.execute(sa.select(c.id, c.digest).where(c.name == batch.source.name)).first()
        if old is not None and old.digest == digest:
            return Change.UNCHANGED
        if old is not None:
            connection.execute(sa.delete(tables.source).where(c.id == old.id))
        _insert(connection, batch, digest)
    return Change.ADDED if old is None else Change.REPLACED


def digest_of(batch: Batch) -> str:
    """A fingerprint of everything that would be stored, but for where the copy lies and when it was read."""
    source = {f.name: getattr(batch.source, f.name) for f in fields(batch.source)}
    del source["origin"], source["signature"]
    total = hashlib.sha256(repr(source).encode("utf-8", "surrogatepass"))
    kinds = (batch.systems, batch.results, batch.runs, batch.accuracies, batch.audits, batch.findings)
    for rows in (*kinds, batch.bounds, batch.traces):
        total.update(repr(rows).encode("utf-8", "surrogatepass"))
    return total.hexdigest()


def _insert(connection: sa.Connection, batch: Batch, digest: str) -> None:
    source_id = _next_id(connection, tables.source)
    source = {f.name: getattr(batch.source, f.name) for f in fields(batch.source)}
    connection.execute(
        sa.insert(tables.source), {**_clean(source), "id": source_id, "digest": digest, "imported_at": now()}
    )
    first = {t.name: _next_id(connection, t) for t in (tables.system, tables.result, tables.run)}
    _bulk(connection, tables.system, batch.systems, source_id=source_id, first=first)
    _bulk(connection, tables.result, batch.results, source_id=source_id, first=first)
    _bulk(connection, tables.run, batch.runs, first=first)
    _bulk(connection, tables.accuracy, batch.accuracies, first=first)
    _bulk(connection, tables.bound, batch.bounds, first=first)
    _bulk(connection, tables.trace, batch.traces, first=first)
    for table, rows in ((tables.audit, batch.audits), (tables.finding, batch.findings)):
        first[table.name] = _next_id(connection, table)
        _bulk(connection, table, rows, source_id=source_id, first=first)


_POINTERS = {"system_at": ("system_id", "system"), "result_at": ("result_id", "result"), "run_at": ("run_id", "run")}


def _bulk(
    connection: sa.Connection,
    table: sa.Table,
    rows: Sequence[Any],
    *,
    first: dict[str, int],
    source_id: int | None = None,
) -> None:
    if not rows:
        return
    names = [f.name for f in fields(rows[0])]
    values = []
    for number, row in enumerate(rows):
        value: dict[str, Any] = {}
        for name in names:
            said = getattr(row, name)
            if name in _POINTERS:
                column, kind = _POINTERS[name]
                value[column] = None if said is None else first[kind] + said
            else:
                value[name] = _clean_text(said) if type(said) is str else said
        if "id" in table.c:
            value["id"] = first[table.name] + number
        if source_id is not None:
            value["source_id"] = source_id
        values.append(value)
    connection.execute(sa.insert(table), values)


def _clean(row: dict[str, Any]) -> dict[str, Any]:
    return {k: _clean_text(v) if isinstance(v, str) else v for k, v in row.items()}


def _clean_text(text: str) -> str:
    """Text that both databases accept: no NUL, no lone surrogates."""
    if text.isascii():
        return text.replace("\0", "") if "\0" in text else text
    return text.replace("\0", "").encode("utf-8", "backslashreplace").decode("utf-8")


def _next_id(connection: sa.Connection, table: sa.Table) -> int:
    return int(connection.execute(sa.select(sa.func.coalesce(sa.func.max(table.c.id), 0))).scalar_one()) + 1


def sources(database: Database) -> list[StoredSource]:
    """Every imported source with what it holds, by suite, round and name."""
    s, r = tables.source.c, tables.result.c
    counted = (
        sa.select(
            r.source_id,
            sa.func.count().label("n"),
            sa.func.sum(sa.case((r.state == "absent", 1), else_=0)).label("absent"),
        )
        .group_by(r.source_id)
        .subquery()
    )
    names = [f.name for f in fields(StoredSource) if f.name not in ("n_results", "n_absent")]
    query = (
        sa.select(
            *(s[n] for n in names),
            sa.func.coalesce(counted.c.n, 0).label("n_results"),
            sa.func.coalesce(counted.c.absent, 0).label("n_absent"),
        )
        .select_from(tables.source.outerjoin(counted, s.id == counted.c.source_id))
        .order_by(s.suite, s.round, s.name)
    )
    with database.reading() as connection:
        return [StoredSource(**row) for row in connection.execute(query).mappings()]


def imported_on(connection: sa.Connection, name: str) -> str:
    """The day (YYYY-MM-DD) on which a source was imported; empty when there is none of that name."""
    s = tables.source.c
    found = connection.execute(sa.select(s.imported_at).where(s.name == name)).scalar_one_or_none()
    return str(found)[:10] if found else ""


def remove(database: Database, names: Iterable[str]) -> int:
    """Delete sources by name with all that they hold; how many. Raises UnknownName before anything is deleted."""
    c = tables.source.c
    wanted = list(dict.fromkeys(names))
    with database.writing() as connection:
        known = [row[0] for row in connection.execute(sa.select(c.name).order_by(c.name))]
        for name in wanted:
            if name not in known:
                raise UnknownName("source", name, known, [k for k in known if name.lower() in k.lower()][:3])
        connection.execute(sa.delete(tables.source).where(c.name.in_(wanted)))
    return len(wanted)
