"""Results as a scatter plot needs them: few columns, many rows."""

from __future__ import annotations

from dataclasses import dataclass, fields

from mlassay.results import schema as tables
from mlassay.results.queries import MAX_ROWS, Filter, conditions, joined
from mlassay.results.schema import sa


@dataclass(frozen=True, slots=True)
class PlotView:
    """One result, without what only lists show. `per_chip` as in `ResultView`."""

    id: int
    key: str
    suite: str
    benchmark: str
    scenario: str
    submitter: str
    system: str
    processor_class: str
    framework_label: str
    value: float | None
    unit: str
    higher_is_better: bool | None
    chips: int | None
    nodes: int | None
    power_value: float | None

    @property
    def per_chip(self) -> float | None:
        """Value per chip, for rates only: unofficial."""
        if self.value is None or not self.chips or not self.higher_is_better:
            return None
        return self.value / self.chips


def plotted(connection: sa.Connection, wanted: Filter, *, limit: int = MAX_ROWS) -> list[PlotView]:
    """Results that match, by number."""
    r = tables.result.c
    query = (
        sa.select(*(r[f.name] for f in fields(PlotView)))
        .select_from(joined())
        .where(*conditions(wanted))
        .order_by(r.id)
        .limit(max(0, min(limit, MAX_ROWS)))
    )
    return [PlotView(*row) for row in connection.execute(query).all()]
