"""How a run's result is shown to people: the verdict first, then why, then what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlassay.core.enums import Mode
from mlassay.core.outcome import BoundCheck, Metric, Outcome, Verdict
from mlassay.core.units import counted, format_ns, format_rate

if TYPE_CHECKING:
    from rich.table import Table

UNVERIFIED = "unverified: measured by mlassay, not reviewed or verified by MLCommons"

COLOURS = {Verdict.VALID: "green", Verdict.INDICATIVE: "yellow", Verdict.INVALID: "red"}


def metric_text(metric: Metric | None) -> str:
    """'p90 latency 1.23 ms', 'throughput 12,345 samples/s'."""
    if metric is None:
        return "nothing measured"
    if metric.unit == "ns":
        value = format_ns(metric.value)
    elif metric.unit.endswith("/s"):
        value = format_rate(metric.value, metric.unit.removesuffix("/s"))
    else:
        value = f"{metric.value:,.6g} {metric.unit}"
    return f"{metric.name} {value}"


def print_outcome(outcome: Outcome, *, title: str, accuracy: str = "", console: Any = None) -> None:
    """One run: verdict, metric, every bound, the generator's account, advice."""
    from rich.console import Console
    from rich.table import Table

    console = console or Console()
    colour = COLOURS[outcome.verdict]
    console.print(f"[bold]{title}[/bold]")
    told = f"{metric_text(outcome.metric)}{known(outcome.metric)}" if outcome.mode is not Mode.ACCURACY else ""
    console.print(f"  [{colour}]{outcome.verdict.value}[/{colour}]  {told}")
    if accuracy:
        console.print(f"  accuracy: {accuracy}")
    amount = f"{counted(outcome.n_queries, 'query')}, {counted(outcome.n_samples, 'sample')}"
    console.print(f"  {amount}, {format_ns(outcome.duration_ns)}")
    if outcome.checks:
        table = Table(box=None, padding=(0, 1), show_header=False)
        for check in outcome.checks:
            table.add_row("", _mark(check), check.id, check.text, f"[dim]{check.clause}[/dim]" if check.clause else "")
        console.print(table)
    for line in _generator_lines(outcome):
        console.print(f"  [dim]{line}[/dim]")
    for warning in outcome.warnings:
        console.print(f"  [yellow]warning:[/yellow] {warning}")
    for advice in outcome.advice:
        console.print(f"  → {advice}")


def _mark(check: BoundCheck) -> str:
    if check.ok:
        return "[green]ok[/green]"
    return "[yellow]short[/yellow]" if check.about_length else "[red]failed[/red]"


def known(metric: Metric | None) -> str:
    """The confidence interval, where there is one."""
    if metric is None or metric.low is None or metric.high is None or metric.unit != "ns":
        return ""
    return f" (99 % sure: {format_ns(metric.low)} to {format_ns(metric.high)})"


def _generator_lines(outcome: Outcome) -> list[str]:
    overhead = outcome.overhead
    late = overhead.lateness
    lines = [
        f"generator: late p50 {format_ns(late.p50)}, p99 {format_ns(late.p99)}, p99.9 {format_ns(late.p999)}, max"
        f" {format_ns(late.max)}; {overhead.issue_cpu_s:.2f} CPU s on the issuing thread; SUT {overhead.arrangement}"
        f"{', issued in real time' if overhead.real_time else ''}",
    ]
    if overhead.reason:
        lines.append(f"limited by: {overhead.limited_by} ({overhead.reason})")
    return lines


def summary_table(rows: list[tuple[str, Outcome, str]], *, title: str) -> Table:
    """One line per run: scenario, metric, verdict, accuracy, lateness, what limits."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", caption=UNVERIFIED, caption_justify="left")
    for name in ("scenario", "result", "verdict", "accuracy", "generator late\np50 / p99", "limited by"):
        table.add_column(name, no_wrap=name in ("scenario", "verdict"))
    for name, outcome, accuracy in rows:
        late = outcome.overhead.lateness
        colour = COLOURS[outcome.verdict]
        table.add_row(
            name, metric_text(outcome.metric), f"[{colour}]{outcome.verdict.value}[/{colour}]", accuracy,
            f"{format_ns(late.p50)} / {format_ns(late.p99)}", outcome.overhead.limited_by,
        )  # fmt: skip
    return table


def print_results(results: Any) -> None:
    """All parts of one `mlassay run`: accuracy, performance, the search for the peak, and the next command."""
    from rich.console import Console

    console = Console()
    for part in results.parts:
        print_outcome(part.outcome, title=part.title, accuracy=part.accuracy_text, console=console)
    if results.peak is not None:
        print_peak(results.peak, console)
    for warning in results.warnings:
        console.print(f"  [yellow]warning:[/yellow] {warning}")
    for note in results.notes:
        console.print(f"  [dim]{note}[/dim]")
    console.print(f"  [dim]{UNVERIFIED}[/dim]")
    console.print(f"  results: {results.path}", soft_wrap=True)
    last = results.parts[-1].path if results.parts else results.path  # submissions and searches hold several runs
    console.print(f"  next: mlassay show {last}", soft_wrap=True)


def print_peak(peak: Any, console: Any) -> None:
    """What a find-peak search came to."""
    unit = "streams" if peak.streams else "queries/s"
    if peak.found.load is None:
        console.print(f"  [red]no valid load[/red]: {peak.found.certainty}; {peak.found.failing_reason}")
        return
    console.print(f"  [bold]highest valid load: {peak.found.load:,.4g} {unit}[/bold] ({peak.found.certainty})")
    if peak.found.failing is not None:
        console.print(f"  fails at {peak.found.failing:,.4g} {unit}: {peak.found.failing_reason}")
