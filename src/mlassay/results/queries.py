"""Questions with names: one function each, typed rows out. The dashboard and the command line ask nothing else.

Every function takes an open connection (`Database.reading()`), so that one page sees one state. Each row carries the
key of its result and the source that it was read from. Lists are bounded by `limit`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from mlassay.core.errors import UnknownName, UsageError
from mlassay.results import schema as tables
from mlassay.results.schema import sa

MAX_ROWS = 20_000
"""No list is longer than this, whatever was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which results: empty tuples mean all. Texts match exactly; `search` looks in names, whatever the case."""

    suite: tuple[str, ...] = ()
    round: tuple[str, ...] = ()
    division: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    submitter: tuple[str, ...] = ()
    system: tuple[str, ...] = ()
    benchmark: tuple[str, ...] = ()
    scenario: tuple[str, ...] = ()
    system_type: tuple[str, ...] = ()
    processor_class: tuple[str, ...] = ()
    framework_label: tuple[str, ...] = ()
    accelerator: tuple[str, ...] = ()
    precision: tuple[str, ...] = ()
    verdict: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    published: bool | None = None
    has_power: bool | None = None
    search: str = ""


FACETS = tuple(f.name for f in fields(Filter) if f.name not in ("published", "has_power", "search"))
"""What results can be filtered and counted by."""

ORDERS = ("round", "submitter", "system", "benchmark", "scenario", "value", "chips", "division", "source", "per_chip",
          "framework_label", "processor_class")  # fmt: skip
"""What results can be sorted by; a minus sign in front turns the order around."""


@dataclass(frozen=True, slots=True)
class ResultView:
    """One result as lists show it. `per_chip` is ours: value per chip for rates, None for times."""

    id: int
    key: str
    suite: str
    round: str
    division: str
    category: str
    submitter: str
    submitter_written: str
    system: str
    benchmark: str
    model: str
    scenario: str
    system_type: str
    state: str
    reason: str
    metric: str
    value: float | None
    unit: str
    higher_is_better: bool | None
    quality_met: bool | None
    valid: bool | None
    inferred: bool
    verdict: str
    n_runs: int
    n_used: int | None
    spread: float | None
    framework: str
    framework_label: str
    processor_class: str
    class_from: str
    accelerator: str
    nodes: int | None
    chips: int | None
    chips_from: str
    precision: str
    power_value: float | None
    power_unit: str
    published: bool
    path: str
    system_id: int | None
    source: str
    source_kind: str
    url: str
    commit_id: str | None
    reader: str

    @property
    def per_chip(self) -> float | None:
        """Value per chip, for rates only: unofficial."""
        if self.value is None or not self.chips or not self.higher_is_better:
            return None
        return self.value / self.chips


_SOURCE = {"source": "name", "source_kind": "kind", "url": "url", "commit_id": "commit_id", "reader": "reader"}


def columns() -> list[sa.ColumnElement[Any]]:
    """What a query selects to fill ResultViews, in their order."""
    out: list[sa.ColumnElement[Any]] = []
    for f in fields(ResultView):
        table, name = (tables.source, _SOURCE[f.name]) if f.name in _SOURCE else (tables.result, f.name)
        out.append(table.c[name].label(f.name))
    return out


def joined() -> sa.Join:
    """Results with their sources."""
    return tables.result.join(tables.source, tables.result.c.source_id == tables.source.c.id)


def conditions(wanted: Filter, without: str = "") -> list[sa.ColumnElement[bool]]:
    """What a query must fulfil; `without` leaves one column's choice out."""
    r = tables.result.c
    out: list[sa.ColumnElement[bool]] = []
    for name in FACETS:
        values = getattr(wanted, name)
        if values and name != without:
            out.append(_facet(name).in_(values))
    if wanted.published is not None:
        out.append(r.published.is_(wanted.published))
    if wanted.has_power is not None:
        out.append(r.power_value.is_not(None) if wanted.has_power else r.power_value.is_(None))
    if wanted.search.strip():
        text = "%" + wanted.search.strip().replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_") + "%"
        named = (r.submitter, r.system, r.benchmark, r.model, r.accelerator, r.framework, r.path)
        out.append(sa.or_(*(c.ilike(text, escape="\\") for c in named)))
    return out


def _facet(name: str) -> sa.ColumnElement[Any]:
    if name not in FACETS:
        raise UnknownName("column", name, list(FACETS), [n for n in FACETS if n.startswith(name[:3])])
    return tables.source.c.name if name == "source" else tables.result.c[name]


def results(
    connection: sa.Connection,
    wanted: Filter | None = None,
    *,
    order: Sequence[str] = ("round", "benchmark", "scenario", "submitter", "system"),
    limit: int = MAX_ROWS,
    offset: int = 0,
) -> list[ResultView]:
    """Results that match, sorted; rows without a value come last when sorted by it."""
    query = (
        sa.select(*columns())
        .select_from(joined())
        .where(*conditions(wanted or Filter()))
        .order_by(*(column for name in order for column in _order(name)), tables.result.c.id)
        .limit(max(0, min(limit, MAX_ROWS)))
        .offset(max(0, offset))
    )
    return [ResultView(*row) for row in connection.execute(query).all()]


def by_ids(connection: sa.Connection, ids: Sequence[int]) -> list[ResultView]:
    """Results by number, in the order asked for; numbers that there are not are left out."""
    wanted = list(ids)[:500]
    query = sa.select(*columns()).select_from(joined()).where(tables.result.c.id.in_(wanted))
    found = {row.id: ResultView(*row) for row in connection.execute(query)}
    return [found[i] for i in wanted if i in found]


def _order(name: str) -> list[sa.ColumnElement[Any]]:
    plain, down = name.lstrip("-"), name.startswith("-")
    if plain not in ORDERS:
        raise UnknownName("order", plain, list(ORDERS), [n for n in ORDERS if n.startswith(plain[:3])])
    r = tables.result.c
    column: sa.ColumnElement[Any]
    if plain == "per_chip":
        column = r.value / sa.func.nullif(r.chips, 0)
    else:
        column = tables.source.c.name if plain == "source" else r[plain]
    return [column.is_(None), column.desc() if down else column.asc()]


def count(connection: sa.Connection, wanted: Filter | None = None) -> int:
    """How many results match."""
    query = sa.select(sa.func.count()).select_from(joined()).where(*conditions(wanted or Filter()))
    return int(connection.execute(query).scalar_one())


def facets(
    connection: sa.Connection, wanted: Filter | None = None, names: Sequence[str] = FACETS
) -> dict[str, dict[str, int]]:
    """For each filter column, or the named ones: its values with counts, as if that column were not filtered."""
    out = {}
    for name in names:
        column = _facet(name)
        query = (
            sa.select(column, sa.func.count())
            .select_from(joined())
            .where(*conditions(wanted or Filter(), without=name))
            .group_by(column)
            .order_by(sa.func.count().desc(), column)
            .limit(500)
        )
        out[name] = {str(value): int(n) for value, n in connection.execute(query)}
    return out


def grouped(connection: sa.Connection, by: Sequence[str], wanted: Filter | None = None) -> dict[tuple[str, ...], int]:
    """How many results there are per combination of columns: ("benchmark", "scenario") and the like."""
    if not by:
        raise UsageError("nothing to group by", hint=f"choose of {', '.join(FACETS)}")
    chosen = [_facet(name) for name in by]
    query = (
        sa.select(*chosen, sa.func.count())
        .select_from(joined())
        .where(*conditions(wanted or Filter()))
        .group_by(*chosen)
        .order_by(*chosen)
        .limit(MAX_ROWS)
    )
    return {tuple(str(v) for v in row[:-1]): int(row[-1]) for row in connection.execute(query)}
