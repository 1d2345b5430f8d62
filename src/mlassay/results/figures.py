"""The pictures of the published history as SVG and PNG: `mlassay report figures`.

Readable in print: dark marks on white, every value labelled or on an axis with a name and a unit, shapes beside
colours, and under each picture the number of results, the rule and the source.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlassay.core.errors import MissingDependency, UnknownName
from mlassay.records.atomic import machine_problems
from mlassay.results.database import Database
from mlassay.results.history import table
from mlassay.results.history_inference import SCENARIOS, TASKS
from mlassay.results.labels import benchmark_title
from mlassay.results.published_rows import closed_results
from mlassay.results.schema import sa
from mlassay.results.table import Table

COLOURS = ("#0b5394", "#b45f06", "#38761d", "#741b47", "#3d3d3d")
"""Told apart by people with any colour vision, and in grey by their lightness and marks."""
MARKS = ("o", "s", "^", "D", "v")
DPI = 200
WIDTH_IN, HEIGHT_IN = 8.0, 5.0
_PAPER = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
"""Behind a number that stands on a pattern."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One drawn figure: its files, and how many results stand in it."""

    name: str
    title: str
    n_results: int
    svg: Path
    png: Path


@dataclass(frozen=True, slots=True)
class Sketch:
    """What a drawing function hands back beside its marks."""

    title: str
    n_results: int
    rule: str
    sources: tuple[str, ...]
    note: str = ""


def draw(database: Database, folder: Path, names: Sequence[str] = ()) -> list[Figure]:
    """Draw all figures, or the named ones, into `folder`. Raises MissingDependency without matplotlib."""
    for name in names:
        if name not in FIGURES:
            raise UnknownName("figure", name, list(FIGURES), [n for n in FIGURES if n.startswith(name[:4])])
    with machine_problems(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with database.reading() as connection:
        return [_draw_one(connection, folder, name) for name in names or FIGURES]


def _draw_one(connection: sa.Connection, folder: Path, name: str) -> Figure:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure as Canvas
    except ModuleNotFoundError as error:
        raise MissingDependency("matplotlib", extra="plot", why="figures need it") from error
    canvas = Canvas(figsize=(WIDTH_IN, HEIGHT_IN), layout="constrained")
    FigureCanvasAgg(canvas)
    sketch = FIGURES[name](connection, canvas)
    canvas.suptitle(sketch.title, fontsize=12, fontweight="bold")
    parts = [
        f"{sketch.n_results} results. Rule: {sketch.rule}.",
        *(f"Source: {s}." for s in sketch.sources),
        sketch.note,
    ]
    foot = "\n".join(line for part in parts if part for line in textwrap.wrap(part, 130))
    canvas.supxlabel(foot, fontsize=7, x=0.01, ha="left")
    svg, png = folder / f"{name}.svg", folder / f"{name}.png"
    about = {"Title": sketch.title, "Description": foot}
    import matplotlib

    with machine_problems(folder), matplotlib.rc_context({"svg.hashsalt": "mlassay", "svg.fonttype": "none"}):
        canvas.savefig(svg, metadata={**about, "Date": None})
        canvas.savefig(png, dpi=DPI, metadata={"Title": sketch.title, "Software": None})
    return Figure(name, sketch.title, sketch.n_results, svg, png)


def _from_table(found: Table, n_results: int, note: str = "") -> Sketch:
    return Sketch(found.title, n_results, found.rule, found.sources, note)


def task_scenario(connection: sa.Connection, canvas: Any) -> Sketch:
    """Stacked bars: closed results per task, by scenario."""
    found = table(connection, "task-scenario")
    axes = canvas.subplots()
    names = [benchmark_title(t) for t in TASKS]
    bottom = [0] * len(names)
    hatches = ("", "//", "..", "xx")
    for scenario, colour, hatch in zip(SCENARIOS, COLOURS, hatches, strict=False):
        values = [int(found.cell(n, scenario) or 0) for n in names]
        bars = axes.bar(names, values, bottom=bottom, label=scenario, color=colour, hatch=hatch, edgecolor="white")
        axes.bar_label(bars, [str(v) if v else None for v in values], label_type="center", fontsize=8, bbox=_PAPER)
        bottom = [b + v for b, v in zip(bottom, values, strict=True)]
    axes.set_ylabel("closed results")
    axes.legend(frameon=False)
    _tidy(axes)
    return _from_table(found, int(found.cell("closed", "all") or 0))


def shares(connection: sa.Connection, canvas: Any) -> Sketch:
    """Bars: share of each model."""
    found = table(connection, "shares")
    axes = canvas.subplots()
    names, values = [str(r[0]) for r in found.rows], [float(r[2] or 0) for r in found.rows]
    bars = axes.barh(names, values, color=COLOURS[0])
    axes.bar_label(bars, [f"{v:.1f} %" for v in values], padding=3)
    axes.set_xlabel("share of closed results (%)")
    axes.set_xlim(0, max([*values, 1]) * 1.15)
    _tidy(axes)
    return _from_table(found, sum(int(r[1] or 0) for r in found.rows))


def spread(connection: sa.Connection, canvas: Any) -> Sketch:
    """Dots on a logarithmic axis: each closed result over the slowest of its task and scenario."""
    rows = [r for r in closed_results(connection, "v0.5") if r.value]
    axes = canvas.subplots()
    labels: list[str] = []
    shown = 0
    for t, task in enumerate(TASKS):
        for scenario in SCENARIOS:
            values = [r.value if r.higher_is_better else 1 / (r.value or 1) for r in rows
                      if (r.benchmark, r.scenario) == (task, scenario)]  # fmt: skip
            if not values:
                continue
            lowest = min(v or 0 for v in values)
            relative = [(v or 0) / lowest for v in values]
            axes.scatter(relative, [len(labels)] * len(values), s=18, marker=MARKS[t], color=COLOURS[t], alpha=0.75)
            labels.append(f"{benchmark_title(task)} {scenario} ({len(values)})")
            shown += len(values)
    axes.set_xscale("log")
    axes.set_yticks(range(len(labels)), labels, fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel("performance relative to the slowest result of the row (log)")
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    _tidy(axes)
    return _from_table(table(connection, "spread"), shown)


def server_offline(connection: sa.Connection, canvas: Any) -> Sketch:
    """Dots: what each system keeps of its Offline throughput under a latency bound."""
    found = table(connection, "server-offline")
    axes = canvas.subplots()
    tasks = [benchmark_title(t) for t in TASKS]
    for t, task in enumerate(tasks):
        kept = [_number(r[5]) for r in found.rows if r[0] == task]
        axes.scatter([t] * len(kept), kept, s=30, marker=MARKS[t], color=COLOURS[t], alpha=0.75)
    axes.set_xticks(range(len(tasks)), [f"{task}\n({sum(r[0] == task for r in found.rows)})" for task in tasks])
    axes.set_ylim(0, 1.05)
    axes.set_ylabel("Server rate / Offline throughput")
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    _tidy(axes)
    return _from_table(found, len(found.rows))


def frameworks(connection: sa.Connection, canvas: Any) -> Sketch:
    """A grid of marks: framework by processor class."""
    found = table(connection, "frameworks")
    axes = canvas.subplots()
    kinds = found.columns[1:]
    for y, row in enumerate(found.rows):
        for x, mark in enumerate(row[1:]):
            if mark:
                axes.scatter(x, y, marker="s", s=90, color=COLOURS[0])
    axes.set_xticks(range(len(kinds)), kinds)
    axes.set_yticks(range(len(found.rows)), [str(r[0]) for r in found.rows], fontsize=8)
    axes.set_xlim(-0.5, len(kinds) - 0.5)
    axes.invert_yaxis()
    axes.grid(color="#dddddd", linewidth=0.6)
    _tidy(axes)
    from mlassay.results.history_inference import INFERENCE
    from mlassay.results.queries import count

    return _from_table(found, count(connection, INFERENCE), "Overrides of declared frameworks: mlassay report tables.")


def growth(connection: sa.Connection, canvas: Any) -> Sketch:
    """Pairs of bars on a logarithmic axis: chips of the fastest entry in two rounds."""
    found = table(connection, "growth")
    rows = [r for r in found.rows if r[0] != "arithmetic mean" and r[7] is not None]
    axes = canvas.subplots()
    _pairs(axes, [str(r[0]) for r in rows], [_number(r[3]) for r in rows], [_number(r[6]) for r in rows], "{:,.0f}")
    for at, row in enumerate(rows):
        axes.text(at, _number(row[6]) * 1.6, f"×{_number(row[7]):.3g}", ha="center", fontweight="bold")
    axes.set_yscale("log")
    axes.set_ylabel("chips of the fastest closed entry (log)")
    axes.set_ylim(10, 10_000)
    _tidy(axes)
    mean = found.cell("arithmetic mean", "ratio")
    quoted = "; ".join(n.split(":")[0] for n in found.notes if "log absent" in n)
    note = f"Arithmetic mean ×{mean:.2f}. " if isinstance(mean, float) else "Mean not derivable. "
    return _from_table(found, 2 * len(rows), note + (f"Logs absent, quoted: {quoted}." if quoted else ""))


def same_chips(connection: sa.Connection, canvas: Any) -> Sketch:
    """Pairs of bars: minutes of the fastest 16-chip entry in two rounds."""
    found = table(connection, "same-chips")
    rows = [r for r in found.rows if r[5] is not None]
    axes = canvas.subplots()
    _pairs(axes, [str(r[0]) for r in rows], [_number(r[2]) for r in rows], [_number(r[4]) for r in rows], "{:,.2f}")
    for at, row in enumerate(rows):
        top = max(_number(row[2]), _number(row[4]))
        axes.text(at, top + 3.5, f"{_number(row[5]):.2f}× as fast", ha="center", fontweight="bold", fontsize=9)
    axes.set_ylabel("minutes to the round's target")
    axes.margins(y=0.15)
    _tidy(axes)
    missing = ", ".join(str(r[0]) for r in found.rows if r[5] is None)
    return _from_table(found, 2 * len(rows), f"Not derivable: {missing}." if missing else "")


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _pairs(axes: Any, names: list[str], old: list[float], new: list[float], form: str) -> None:
    at = range(len(names))
    for shift, values, label, colour, hatch in (
        (-0.2, old, "v0.5", COLOURS[1], "//"),
        (0.2, new, "v0.6", COLOURS[0], ""),
    ):
        bars = axes.bar(
            [x + shift for x in at], values, 0.38, label=label, color=colour, hatch=hatch, edgecolor="white"
        )
        axes.bar_label(bars, [form.format(v) for v in values], padding=2, fontsize=8)
    axes.set_xticks(list(at), names)
    axes.legend(frameon=False)


def training_scores(connection: sa.Connection, canvas: Any) -> Sketch:
    """Minutes against chips of every readable training entry, both rounds, on logarithmic axes."""
    rows = [r for name in ("v0.5", "v0.6") for r in closed_results(connection, name, "training")]
    rows = [r for r in rows if r.value and r.chips]
    axes = canvas.subplots()
    benchmarks = ("resnet", "ssd", "maskrcnn", "gnmt", "transformer")
    for benchmark, colour, mark in zip(benchmarks, COLOURS, MARKS, strict=True):
        for name, face in (("v0.5", "none"), ("v0.6", colour)):
            some = [r for r in rows if (r.benchmark, r.round) == (benchmark, name)]
            label = f"{benchmark_title(benchmark)} {name} ({len(some)})"
            axes.scatter([r.chips for r in some], [r.value for r in some], marker=mark, edgecolors=colour,
                         facecolors=face, s=30, label=label)  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel("chips (log)")
    axes.set_ylabel("minutes to the round's target (log)")
    axes.grid(color="#eeeeee", linewidth=0.6)
    axes.legend(frameon=False, fontsize=7, ncols=2)
    _tidy(axes)
    found = table(connection, "training-v0.6")
    shown = sum(r.benchmark in benchmarks for r in rows)
    note = (
        "Targets rose from v0.5 to v0.6 for ResNet-50, SSD and GNMT: minutes of the two rounds do not compare directly."
    )
    sources = tuple(dict.fromkeys((*table(connection, "training-v0.5").sources, *found.sources)))
    return Sketch("Training v0.5 and v0.6: minutes and chips, closed division", shown, found.rule, sources, note)


def _tidy(axes: Any) -> None:
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


FIGURES: dict[str, Callable[[sa.Connection, Any], Sketch]] = {
    "task-scenario": task_scenario,
    "shares": shares,
    "spread": spread,
    "server-offline": server_offline,
    "frameworks": frameworks,
    "growth": growth,
    "same-chips": same_chips,
    "training-scores": training_scores,
}
"""Every figure by the name that the command line uses."""
