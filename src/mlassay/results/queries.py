"""Questions with names: one function each, typed rows out. The dashboard and the command line ask nothing else.

Every function takes an open connection (`Database.reading()`), so that one page sees one state. Each row carries the
key of its result and the source that it was read from. Lists are bounded by `limit`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
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

ORDERS = ("round", "submitter", "system", "benchmark", "scenario", "value", "chips", "division", "source", "per_chip")
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


def _columns() -> list[sa.ColumnElement[Any]]:
    out: list[sa.ColumnElement[Any]] = []
    for f in fields(ResultView):
        table, name = (tables.source, _SOURCE[f.name]) if f.name in _SOURCE else (tables.result, f.name)
        out.append(table.c[name].label(f.name))
    return out


def _joined() -> sa.Join:
    return tables.result.join(tables.source, tables.result.c.source_id == tables.source.c.id)


def _where(wanted: Filter, without: str = "") -> list[sa.ColumnElement[bool]]:
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
        sa.select(*_columns())
        .select_from(_joined())
        .where(*_where(wanted or Filter()))
        .order_by(*(column for name in order for column in _order(name)), tables.result.c.id)
        .limit(max(0, min(limit, MAX_ROWS)))
        .offset(max(0, offset))
    )
    return [ResultView(*row) for row in connection.execute(query)]


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
    query = sa.select(sa.func.count()).select_from(_joined()).where(*_where(wanted or Filter()))
    return int(connection.execute(query).scalar_one())


def facets(connection: sa.Connection, wanted: Filter | None = None) -> dict[str, dict[str, int]]:
    """For each filter column: its values with counts, as if that column were not filtered."""
    out = {}
    for name in FACETS:
        column = _facet(name)
        query = (
            sa.select(column, sa.func.count())
            .select_from(_joined())
            .where(*_where(wanted or Filter(), without=name))
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
    columns = [_facet(name) for name in by]
    query = (
        sa.select(*columns, sa.func.count())
        .select_from(_joined())
        .where(*_where(wanted or Filter()))
        .group_by(*columns)
        .order_by(*columns)
        .limit(MAX_ROWS)
    )
    return {tuple(str(v) for v in row[:-1]): int(row[-1]) for row in connection.execute(query)}


# one result


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One run behind a result."""

    id: int
    role: str
    name: str
    position: int
    path: str
    state: str
    reason: str
    valid: bool | None
    used: bool | None
    why_not_used: str
    value: float | None
    unit: str
    started_at: str
    duration_s: float | None
    n_queries: int | None
    n_samples: int | None
    latency_min_ns: int | None
    latency_mean_ns: int | None
    latency_p50_ns: int | None
    latency_p90_ns: int | None
    latency_p95_ns: int | None
    latency_p97_ns: int | None
    latency_p99_ns: int | None
    latency_p999_ns: int | None
    latency_max_ns: int | None
    quality: float | None
    quality_target: float | None
    converged: bool | None
    epochs: float | None
    n_errors: int | None
    n_warnings: int | None
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyView:
    metric: str
    value: float | None
    minimum: float | None
    maximum: float | None
    met: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingView:
    origin: str
    check_id: str
    severity: str
    place: str
    found: str
    expected: str
    clause: str
    hint: str
    result_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditView:
    test: str
    path: str
    state: str
    reason: str
    valid: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemView:
    id: int
    division: str
    submitter: str
    name: str
    title: str
    path: str
    state: str
    reason: str
    status: str
    system_type: str
    framework: str
    operating_system: str
    host_processor: str
    host_sockets: int | None
    nodes: int | None
    accelerator: str
    accelerators_per_node: int | None
    description: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultDetail:
    """Everything about one result."""

    result: ResultView
    details: Mapping[str, Any]
    system: SystemView | None
    runs: tuple[RunView, ...]
    accuracies: tuple[AccuracyView, ...]
    audits: tuple[AuditView, ...]
    findings: tuple[FindingView, ...]


def result(connection: sa.Connection, key: str | int) -> ResultDetail:
    """One result by its id, its key, or an unambiguous end of its key. Raises UnknownName."""
    view = _one(connection, key)
    r = tables.result.c
    details = connection.execute(sa.select(r.details).where(r.id == view.id)).scalar_one()
    mine = tables.run.c.result_id == view.id
    return ResultDetail(
        result=view,
        details=json.loads(details),
        system=system(connection, view.system_id) if view.system_id is not None else None,
        runs=tuple(_views(connection, tables.run, RunView, mine, order=(tables.run.c.position, tables.run.c.id))),
        accuracies=tuple(_views(connection, tables.accuracy, AccuracyView, tables.accuracy.c.result_id == view.id)),
        audits=tuple(_views(connection, tables.audit, AuditView, tables.audit.c.result_id == view.id)),
        findings=tuple(_views(connection, tables.finding, FindingView, tables.finding.c.result_id == view.id)),
    )


def _one(connection: sa.Connection, key: str | int) -> ResultView:
    r = tables.result.c
    text = str(key).strip().rstrip("/")
    query = sa.select(*_columns()).select_from(_joined())
    if text.isdigit():
        found = connection.execute(query.where(r.id == int(text[:9]))).mappings().all()
    else:
        found = connection.execute(query.where(r.key == text)).mappings().all()
        if not found:
            end = "%/" + text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
            found = connection.execute(query.where(r.key.like(end, escape="\\")).limit(6)).mappings().all()
    if len(found) == 1:
        return ResultView(**found[0])
    if found:
        raise UsageError(f"{text!r} names {len(found)} results", hint="one of: " + ", ".join(f["key"] for f in found))
    raise UnknownName("result", text, ["see mlassay db list and mlassay rank"], _near_keys(connection, text))


def _near_keys(connection: sa.Connection, text: str) -> list[str]:
    last = text.rpartition("/")[2] or text
    c = tables.result.c.key
    query = sa.select(c).where(c.ilike("%" + last.replace("%", "").replace("_", "") + "%")).order_by(c).limit(3)
    return [row[0] for row in connection.execute(query)]


def _views(
    connection: sa.Connection,
    table: sa.Table,
    view: Any,
    where: sa.ColumnElement[bool],
    *,
    order: Sequence[sa.ColumnElement[Any]] = (),
    limit: int = MAX_ROWS,
) -> list[Any]:
    names = [f.name for f in fields(view)]
    query = sa.select(*(table.c[n] for n in names)).where(where).order_by(*order).limit(limit)
    out = []
    for row in connection.execute(query).mappings():
        values = dict(row)
        for name in ("details", "description"):
            if name in values:
                values[name] = json.loads(values[name])
        out.append(view(**values))
    return out


def system(connection: sa.Connection, id: int) -> SystemView:
    """One described system. Raises UnknownName."""
    found = _views(connection, tables.system, SystemView, tables.system.c.id == id)
    if not found:
        raise UnknownName("system", str(id), ["see mlassay db query 'SELECT id, name FROM system'"], [])
    view: SystemView = found[0]
    return view


def runs_of(connection: sa.Connection, result_ids: Sequence[int], role: str = "") -> dict[int, list[RunView]]:
    """The runs of many results at once."""
    t = tables.run
    out: dict[int, list[RunView]] = {i: [] for i in result_ids}
    for at in range(0, len(result_ids), 500):
        some = list(result_ids[at : at + 500])
        names = [f.name for f in fields(RunView)]
        query = sa.select(t.c.result_id, *(t.c[n] for n in names)).where(t.c.result_id.in_(some))
        query = (query.where(t.c.role == role) if role else query).order_by(t.c.result_id, t.c.position)
        for row in connection.execute(query).mappings():
            values = {n: row[n] for n in names}
            out[row["result_id"]].append(RunView(**{**values, "details": json.loads(values["details"])}))
    return out


def findings(connection: sa.Connection, source: str = "", *, limit: int = 1000) -> list[FindingView]:
    """What was odd or against the rules, of one source or of all."""
    where: sa.ColumnElement[bool] = sa.true()
    if source:
        s = tables.source.c
        where = tables.finding.c.source_id.in_(sa.select(s.id).where(s.name == source))
    order = (tables.finding.c.check_id, tables.finding.c.id)
    return _views(connection, tables.finding, FindingView, where, order=order, limit=min(limit, MAX_ROWS))


# overviews


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundOverview:
    """How much of one round the database holds."""

    suite: str
    round: str
    published: bool
    n_results: int
    n_closed: int
    n_open: int
    n_absent: int
    n_submitters: int
    n_systems: int
    n_benchmarks: int


def overview(connection: sa.Connection) -> list[RoundOverview]:
    """One row per suite, round, and whether it was published."""
    r = tables.result.c
    system = r.submitter + sa.literal("/") + r.system

    def total(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
        return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)

    query = (
        sa.select(
            r.suite,
            r.round,
            r.published,
            sa.func.count().label("n_results"),
            total(r.division == "closed").label("n_closed"),
            total(r.division == "open").label("n_open"),
            total(r.state == "absent").label("n_absent"),
            sa.func.count(sa.distinct(r.submitter)).label("n_submitters"),
            sa.func.count(sa.distinct(system)).label("n_systems"),
            sa.func.count(sa.distinct(r.benchmark)).label("n_benchmarks"),
        )
        .group_by(r.suite, r.round, r.published)
        .order_by(r.suite, r.round, r.published)
    )
    return [RoundOverview(**row) for row in connection.execute(query).mappings()]


def closed(wanted: Filter) -> Filter:
    """The same filter, closed division only."""
    return replace(wanted, division=("closed",))
