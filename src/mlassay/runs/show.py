"""Looking at a finished (or cut off) run: its record, a histogram in text, plots as PNG or SVG."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlassay.core.errors import MachineProblem, MissingDependency, UsageError
from mlassay.core.outcome import Outcome, Verdict
from mlassay.core.settings import IntervalMultiStream, Server, Settings
from mlassay.core.trace import Trace
from mlassay.core.units import counted, format_ns
from mlassay.loadgen.measures import Measures, measure
from mlassay.records.folder import Run, open_run
from mlassay.records.run_json import outcome_to_json, settings_to_json

BINS = 14
BAR = 40
"""Lines and width of the text histogram."""

PLOT_KINDS = (".png", ".svg", ".pdf")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRun:
    """A run, ready to be shown."""

    run: Run
    title: str
    outcome: Outcome | None
    accuracy_text: str
    incomplete: str
    changed: tuple[str, ...]
    histogram: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 for a valid or indicative complete run, else 1."""
        return int(bool(self.incomplete) or self.outcome is None or self.outcome.verdict is Verdict.INVALID)


def shown_run(path: Path) -> ShownRun:
    """Read a run folder for showing. Raises BadFile when it is none."""
    run = open_run(path)
    settings = run.settings
    request = run.record.request
    name = f"{request.get('task', settings.benchmark)} ({request.get('profile', '?')})"
    return ShownRun(
        run=run,
        title=f"{name}, {settings.scenario.value}, {settings.mode.value}, round {settings.round}",
        outcome=run.outcome,
        accuracy_text=str((run.record.accuracy or {}).get("official_line", "")),
        incomplete=run.incomplete_because,
        changed=tuple(run.changed_files()),
        histogram=tuple(_text_histogram(run)),
    )


def show_report(found: ShownRun) -> dict[str, Any]:
    """The record as JSON."""
    record = found.run.record
    return {
        "path": str(found.run.path),
        "state": record.state,
        "incomplete": found.incomplete,
        "unverified": True,
        "settings": settings_to_json(record.settings),
        "outcome": None if record.outcome is None else outcome_to_json(record.outcome),
        "accuracy": record.accuracy,
        "sut": record.sut,
        "system": record.system,
        "changed_files": list(found.changed),
    }


def _measures(run: Run) -> tuple[Trace, Measures] | None:
    try:
        trace = run.trace()
    except MachineProblem:
        return None
    found = measure(trace, run.settings)
    return (trace, found) if len(found.query_latency_ns) else None


def _text_histogram(run: Run) -> list[str]:
    """Latency per query on a logarithmic scale; nothing for a single query."""
    found = _measures(run)
    if found is None or len(found[1].query_latency_ns) < 2:
        return []
    latency = np.maximum(found[1].query_latency_ns, 1)
    low, high = int(latency.min()), int(latency.max())
    edges = np.geomspace(low, max(high, low + 1), BINS + 1)
    counts, _ = np.histogram(latency, edges)
    lines = [f"latency of {counted(len(latency), 'query')} (log scale):"]
    for begin, count in zip(edges[:-1], counts, strict=True):
        bar = "█" * round(BAR * count / counts.max()) or ("·" if count else "")
        lines.append(f"{format_ns(begin):>10} {bar} {count:,}" if count else f"{format_ns(begin):>10}")
    return lines


def write_plot(path: Path, target: Path) -> None:
    """Latency distribution with its bound, and the timeline, in one picture.

    Raises UsageError for an unknown kind of picture or a run with nothing to plot, MissingDependency without
    matplotlib.
    """
    if target.suffix.lower() not in PLOT_KINDS:
        raise UsageError(f"{target} is not a picture; expected a name ending in {', '.join(PLOT_KINDS)}")
    try:
        import matplotlib
    except ModuleNotFoundError as error:
        raise MissingDependency("matplotlib", extra="plot", why="plots need it") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    run = open_run(path)
    found = _measures(run)
    if found is None:
        raise UsageError(f"{path} has no latencies to plot")
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4))
    try:
        _plot_distribution(left, found[1], run.settings)
        _plot_timeline(right, found[0], found[1])
        outcome = run.outcome
        verdict = outcome.verdict.value if outcome is not None else "incomplete"
        figure.suptitle(
            f"{run.settings.benchmark or run.path.name}, {run.settings.scenario.value}: {verdict} (unverified)"
        )
        figure.tight_layout()
        figure.savefig(target, dpi=120)
    finally:
        pyplot.close(figure)


def _plot_distribution(axes: Any, found: Measures, settings: Settings) -> None:
    """Share of queries answered within a latency, with percentile and bound."""
    ordered = np.sort(found.query_latency_ns) / 1e6
    axes.step(ordered, np.arange(1, len(ordered) + 1) / len(ordered) * 100, where="post", color="#0072B2")
    axes.set_xscale("log")
    axes.set_xlabel("latency, ms (from when the query was due)")
    axes.set_ylabel("queries answered, %")
    axes.set_title(counted(len(ordered), "query"))
    wanted = getattr(settings.load, "percentile", None)
    if wanted is not None:
        axes.axhline(wanted, color="#777777", linestyle=":", label=f"p{wanted:g}")
    bound_ns = _bound_ns(settings)
    if bound_ns:
        axes.axvline(bound_ns / 1e6, color="#D55E00", linestyle="--", label=f"bound {format_ns(bound_ns)}")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower right")
    axes.grid(alpha=0.3)


def _bound_ns(settings: Settings) -> int:
    load = settings.load
    if isinstance(load, Server) and load.tokens is None:
        return load.latency_bound_ns
    return load.interval_ns if isinstance(load, IntervalMultiStream) else 0


def _plot_timeline(axes: Any, trace: Trace, found: Measures) -> None:
    """Latency over the run; a single query is shown by its samples' answers."""
    if trace.n_queries == len(found.query_latency_ns) and trace.n_queries > 1:
        axes.plot(trace.due_ns / 1e9, found.query_latency_ns / 1e6, ".", markersize=2, color="#0072B2", rasterized=True)
        axes.set_ylabel("latency, ms")
        axes.set_yscale("log")
        axes.set_xlabel("due, s since the start")
        axes.set_title("latency over time")
    else:
        done = np.sort(trace.done_ns[trace.done_ns >= 0]) / 1e9
        axes.plot(done, np.arange(1, len(done) + 1), color="#0072B2")
        axes.set_ylabel("samples answered")
        axes.set_xlabel("s since the start")
        axes.set_title("progress")
    axes.grid(alpha=0.3)
