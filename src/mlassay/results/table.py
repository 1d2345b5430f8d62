"""A table as data: columns, cells, and under it the rule, the sources, and what could not be derived."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

Cell = str | int | float | None
SIX_FIGURES = -1
"""In place of a number of decimals: six significant figures, as the official summaries print them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """`digits`: decimals by column (or SIX_FIGURES). A None cell is shown as a dash and explained in `notes`."""

    id: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    digits: tuple[int, ...] = ()
    rule: str = ""
    sources: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def cell(self, row: str, column: str) -> Cell:
        """The cell in the row whose first cell is `row`."""
        at = self.columns.index(column)
        return next(r[at] for r in self.rows if str(r[0]) == row)

    def column(self, name: str) -> list[Cell]:
        at = self.columns.index(name)
        return [r[at] for r in self.rows]


def cell_text(value: Cell, digits: int = 2) -> str:
    """A cell as people read it: thousands marks, a dash for nothing."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return _six_figures(value) if digits == SIX_FIGURES else f"{value:,.{digits}f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _six_figures(value: float) -> str:
    """1,038,510; 69,306.6; 1.5: zeros that say nothing are left out."""
    return f"{value:,.0f}" if abs(value) >= 1e5 else f"{value:,.6g}"


def _texts(table: Table) -> list[list[str]]:
    digits = table.digits or (2,) * len(table.columns)
    return [[cell_text(c, d) for c, d in zip(row, digits, strict=True)] for row in table.rows]


def _numeric(table: Table, at: int) -> bool:
    cells = [row[at] for row in table.rows if row[at] is not None]
    return bool(cells) and all(isinstance(c, int | float) for c in cells)


def plain(table: Table) -> str:
    """For a terminal: aligned columns, then the rule, the sources and the notes."""
    rows = _texts(table)
    widths = [max([len(h), *(len(r[i]) for r in rows)]) for i, h in enumerate(table.columns)]
    right = [_numeric(table, i) for i in range(len(table.columns))]

    def line(cells: Sequence[str]) -> str:
        padded = [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(cells, widths, right, strict=True)]
        return "  ".join(padded).rstrip()

    out = [table.title, line(table.columns), "  ".join("-" * w for w in widths), *(line(r) for r in rows)]
    return "\n".join([*out, *_below(table)])


def markdown(table: Table) -> str:
    """For a page: a pipe table with its foot lines."""
    right = [_numeric(table, i) for i in range(len(table.columns))]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(c.replace("|", "\\|").replace("\n", " ") for c in cells) + " |"

    rule = "|" + "|".join("---:" if r else "---" for r in right) + "|"
    rows = [line(table.columns), rule, *(line(r) for r in _texts(table))]
    return "\n".join([f"### {table.title}", "", *rows, "", *(f"{text}  " for text in _below(table))]).rstrip()


def _below(table: Table) -> list[str]:
    out = [f"rule: {table.rule}"] if table.rule else []
    out += [f"source: {s}" for s in table.sources]
    return [*out, *(f"note: {n}" for n in table.notes)]


def as_csv(table: Table) -> str:
    """Raw cells, comma separated, no foot lines."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(["" if c is None else c for c in row] for row in table.rows)
    return out.getvalue()
