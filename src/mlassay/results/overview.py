"""What is in the database at large: rounds, the newest runs, what needs attention, one task across the rounds."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mlassay.core.enums import Scenario
from mlassay.core.errors import MlassayError
from mlassay.results import schema as tables
from mlassay.results.queries import MAX_ROWS, Filter, ResultView, columns, joined, results
from mlassay.results.schema import sa
from mlassay.rules.compatibility import comparable
from mlassay.rules.reader import rounds


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


def newest(connection: sa.Connection, *, limit: int = 20) -> list[ResultView]:
    """Your own latest results, by when their runs began."""
    r = tables.result.c
    began = (
        sa.select(tables.run.c.result_id, sa.func.max(tables.run.c.started_at).label("at"))
        .group_by(tables.run.c.result_id)
        .subquery()
    )
    query = (
        sa.select(*columns())
        .select_from(joined().outerjoin(began, began.c.result_id == r.id))
        .where(r.published.is_(False))
        .order_by(began.c.at.desc(), r.id.desc())
        .limit(min(limit, MAX_ROWS))
    )
    return [ResultView(*row) for row in connection.execute(query)]


def attention(connection: sa.Connection, *, limit: int = 50) -> list[ResultView]:
    """Your own results that cannot be used as they are: INVALID, INDICATIVE, unreadable, inaccurate, rejected."""
    r = tables.result.c
    trouble = sa.or_(
        r.verdict.in_(("INVALID", "INDICATIVE")),
        r.state != "read",
        r.quality_met.is_(False),
        r.accepted.is_(False),
    )
    query = (
        sa.select(*columns())
        .select_from(joined())
        .where(r.published.is_(False), trouble)
        .order_by(r.id.desc())
        .limit(min(limit, MAX_ROWS))
    )
    return [ResultView(*row) for row in connection.execute(query)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundPoint:
    """One round of one task's history: its best result, and whether it may be compared with the round before."""

    round: str
    n_results: int
    best: ResultView
    comparable: bool | None  # with the round before; None for the first, and where no rule speaks
    reason: str
    cautions: tuple[str, ...] = ()


def across_rounds(
    connection: sa.Connection, benchmark: str, scenario: str, wanted: Filter | None = None
) -> list[RoundPoint]:
    """The best result of a task in every round that has one, oldest first; breaks in comparability are marked.

    Training benchmarks have no scenario: "". `wanted` narrows the results, such as to one submitter or one system type;
    division closed unless it says otherwise.
    """
    chosen = replace(wanted or Filter(), benchmark=(benchmark,))
    chosen = replace(chosen, scenario=(scenario,)) if scenario else replace(chosen, suite=("training",))
    chosen = chosen if chosen.division else replace(chosen, division=("closed",))
    by_round: dict[str, list[ResultView]] = {}
    for row in results(connection, chosen):
        if row.value is not None and row.verdict != "INVALID":
            by_round.setdefault(row.round, []).append(row)
    points: list[RoundPoint] = []
    for name in sorted(by_round, key=_age):
        rows = by_round[name]
        best = (max if rows[0].higher_is_better else min)(rows, key=lambda r: r.value or 0.0)
        allowed, reason, cautions = _link(points[-1].best if points else None, best)
        points.append(
            RoundPoint(round=name, n_results=len(rows), best=best, comparable=allowed, reason=reason, cautions=cautions)
        )
    return points


def _age(name: str) -> tuple[int, str]:
    known = rounds()
    return (known.index(name) if name in known else len(known), name)


def _link(before: ResultView | None, now: ResultView) -> tuple[bool | None, str, tuple[str, ...]]:
    if before is None:
        return None, "the first round here", ()
    if now.suite == "training":
        return False, "no official table says that training rounds compare", ()
    if before.unit != now.unit:
        return False, f"the metric changed from {before.unit} to {now.unit}", ()
    suite = "edge" if now.system_type == "edge" else "datacenter"
    try:
        answer = comparable(now.benchmark, before.round, now.round, suite, Scenario.parse(now.scenario))
    except (MlassayError, ValueError) as error:
        return None, str(error).split("\n")[0], ()
    return answer.comparable, answer.reason, answer.cautions
