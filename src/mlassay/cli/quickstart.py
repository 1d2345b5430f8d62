"""`mlassay quickstart`: a first real result, in two minutes, with nothing to download."""

from __future__ import annotations

from pathlib import Path

import click

from mlassay.cli.db_option import db_option
from mlassay.cli.output import emit_json, json_option
from mlassay.core.errors import MissingDependency, MlassayError

EXAMPLES = """\b
Examples:
  mlassay quickstart
  mlassay quickstart --full          the rule book's ten minutes for each run
  mlassay quickstart --json --out first
  mlassay quickstart --no-import                    nothing is put into the results database
"""


@click.command("quickstart", epilog=EXAMPLES)
@click.option("--full", is_flag=True, help="Ten minutes each, as the rules want, instead of seconds.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for all runs. Default: a new one under ./runs.")
@click.option("--threads", type=click.IntRange(0), default=0, help="Threads of ONNX Runtime; 0: one per core.")
@click.option("--quiet", is_flag=True, help="No progress.")
@click.option("--no-import", is_flag=True, help="Do not put the results into the results database.")
@db_option
@json_option
def command(
    full: bool, out: Path | None, threads: int, quiet: bool, no_import: bool, db: str | None, as_json: bool
) -> int:
    """Measure a small MobileNet on photographs of clothing: accuracy, four scenarios, highest valid Server rate.

    Short runs are called INDICATIVE; model, pictures and labels are part of the package. The results are put into the
    results database, where the dashboard shows them.
    """
    from mlassay.cli.progress import RunProgress
    from mlassay.runs.inference import exit_code
    from mlassay.runs.quickstart import quickstart_report, quickstart_results, run_quickstart

    with RunProgress(quiet=quiet or as_json) as progress:
        found = run_quickstart(progress, full=full, out=out, threads=threads)
    kept = "" if no_import else _keep(found.path, db)
    if as_json:
        emit_json({**quickstart_report(found), "database": kept})
    else:
        _print(found, _to_dashboard(kept, db, no_import))
    return exit_code(quickstart_results(found))


def _keep(path: Path, db: str | None) -> str:
    """Put the runs into the results database; its name, or nothing where the extra for it is not installed."""
    try:
        from mlassay.results.database import open_database
        from mlassay.results.importer import import_path
    except MissingDependency:
        return ""
    try:
        database = open_database(db)
        import_path(database, path)
    except MlassayError as error:
        click.echo(f"note: not put into the results database: {error.message}", err=True)
        return ""
    return database.label


def _to_dashboard(kept: str, db: str | None, no_import: bool) -> str:
    """The command that shows the results in the browser."""
    if kept:
        return f"mlassay serve{f' --db {db}' if db else ''} --open    all of it in the dashboard"
    return (
        ""
        if no_import
        else "pip install 'mlassay[web]'    then mlassay db import runs and mlassay serve: the dashboard"
    )


def _print(found: object, to_dashboard: str) -> None:
    from rich.console import Console
    from rich.markup import escape

    from mlassay.cli.result_view import print_peak, summary_table
    from mlassay.runs.quickstart import Quickstart, shortness
    from mlassay.tasks.metrics import significant

    assert isinstance(found, Quickstart)
    console = Console()
    result = found.accuracy.accuracy
    accuracy = f"{significant(result.value)} {result.unit}" if result is not None else "?"
    rows = [(part.settings.scenario.value, part.outcome, accuracy) for part in found.scenarios]
    console.print(summary_table(rows, title="Photographs of clothing, MobileNet-v1 on ONNX Runtime"))
    console.print(f"{found.accuracy.accuracy_text}")
    if found.peak.peak is not None:
        print_peak(found.peak.peak, console)
    if why := shortness(found):
        console.print(f"[yellow]INDICATIVE[/yellow]: {why}")
    last = found.scenarios[-1].path
    console.print(f"\nresults: {found.path}", soft_wrap=True)
    for line in (
        to_dashboard,
        f"mlassay show {last}    one result with its plots",
        "mlassay run image-classification --scenario server --target-qps 200 --help    your own run",
        "mlassay run image-classification --scenario offline --model my.onnx --data photos/    your own model",
        "mlassay rules show v6.0 resnet50    what the rule book wants",
    ):
        if line:
            console.print(f"  next: {escape(line)}", soft_wrap=True)
