"""`mlassay show`: a run's result again, with plots as files or in the terminal."""

from __future__ import annotations

from pathlib import Path

import click

from mlassay.cli.output import emit_json, json_option

EXAMPLES = """\b
Examples:
  mlassay show runs/20260131-142501-image-classification-server
  mlassay show runs/first/offline --plot latency.png --plot timeline.svg
  mlassay show runs/first/offline --json
"""


@click.command("show", epilog=EXAMPLES)
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--plot", "plots", multiple=True, type=click.Path(path_type=Path), help="Write plots to FILE.png or .svg."
)
@json_option
def command(run: Path, plots: tuple[Path, ...], as_json: bool) -> int:
    """Show the result in RUN: verdict, bounds, latency distribution, and what would have to change.

    An incomplete run is shown as far as it was measured.
    """
    from mlassay.runs.show import show_report, shown_run, write_plot

    for path in plots:
        write_plot(run, path)
    found = shown_run(run)
    if as_json:
        emit_json(show_report(found))
        return found.exit_code
    from rich.console import Console

    from mlassay.cli.result_view import UNVERIFIED, print_outcome

    console = Console()
    if found.outcome is not None:
        print_outcome(found.outcome, title=found.title, accuracy=found.accuracy_text, console=console)
    else:
        console.print(f"[bold]{found.title}[/bold]")
    if found.incomplete:
        console.print(f"  [red]incomplete:[/red] {found.incomplete}")
    for problem in found.changed:
        console.print(f"  [yellow]warning:[/yellow] {problem}")
    for line in found.histogram:
        console.print(f"  {line}", highlight=False)
    console.print(f"  [dim]{UNVERIFIED}[/dim]")
    for path in plots:
        console.print(f"  written: {path}", soft_wrap=True)
    if not plots:
        console.print(f"  next: mlassay show {run} --plot latency.png    (needs mlassay\\[plot])", soft_wrap=True)
    return found.exit_code
