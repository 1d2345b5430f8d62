"""A chart as data: what is drawn, and the same numbers as a table for whoever does not look at pictures.

`static/charts.js` draws it. Categories on an axis are named by `ticks`: their positions are 0, 1, 2, …
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlassay.web.numbers import number


@dataclass(frozen=True, slots=True)
class Axis:
    title: str
    log: bool = False
    ticks: tuple[str, ...] = ()
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class Point:
    """`y` is None where a line breaks. `href` is where a click leads."""

    x: float
    y: float | None
    label: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """`kind` is points, line, steps or bars."""

    name: str
    points: tuple[Point, ...]
    kind: str = "points"


@dataclass(frozen=True, slots=True)
class Mark:
    """A straight line across, such as a bound: at `value` on the axis "x" or "y"."""

    axis: str
    value: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One chart. `about` says in a sentence what it shows, for readers who do not see it."""

    id: str
    title: str
    about: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    marks: tuple[Mark, ...] = ()
    stacked: bool = False
    tall: bool = False
    foot: tuple[str, ...] = ()

    @property
    def n_points(self) -> int:
        return sum(len(s.points) for s in self.series)

    def rows(self, limit: int = 1000) -> list[tuple[str, str, str, str, str]]:
        """Series, label, x, y, link of each point."""
        out = [
            (series.name, p.label, _said(self.x, p.x), _said(self.y, p.y), p.href)
            for series in self.series
            for p in series.points
            if p.y is not None
        ]
        return out[:limit]

    def data(self) -> dict[str, Any]:
        """For the script: plain JSON."""
        return {
            "id": self.id,
            "x": _axis(self.x),
            "y": _axis(self.y),
            "stacked": self.stacked,
            "marks": [{"axis": m.axis, "value": m.value, "label": m.label} for m in self.marks],
            "series": [{"name": s.name, "kind": s.kind, "points": _points(s.points)} for s in self.series],
        }


def _axis(axis: Axis) -> dict[str, Any]:
    return {"title": axis.title, "log": axis.log, "ticks": list(axis.ticks), "reverse": axis.reverse}


def _points(points: Sequence[Point]) -> list[list[Any]]:
    return [[_short(p.x), None if p.y is None else _short(p.y), p.label, p.href] for p in points]


def _short(value: float) -> float:
    """Seven figures draw any line; the table beside has the rest."""
    short = float(f"{value:.7g}")
    return int(short) if short.is_integer() else short


def _said(axis: Axis, value: float) -> str:
    at = round(value)
    return axis.ticks[at] if axis.ticks and 0 <= at < len(axis.ticks) else number(float(value))
