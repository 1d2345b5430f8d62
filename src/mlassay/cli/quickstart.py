"""`mlassay quickstart`: a first real result, in two minutes, with nothing to download."""

from __future__ import annotations

from pathlib import Path

import click

from mlassay.cli.output import emit_json, json_option

EXAMPLES = """\b
Examples:
  mlassay quickstart
  mlassay quickstart --full          the rule book's ten minutes for each run
  mlassay quickstart --json --out first
"""


@click.command("quickstart", epilog=EXAMPLES)
@click.option("--full", is_flag=True, help="Ten minutes each, as the rules want, instead of seconds.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for all runs. Default: a new one under ./runs.")
@click.option("--threads", type=click.IntRange(0), default=0, help="Threads of ONNX Runtime; 0: one per core.")
@click.option("--quiet", is_flag=True, help="No progress.")
@json_option
def command(full: bool, out: Path | None, threads: int, quiet: bool, as_json: bool) -> int:
    """Measure a small MobileNet on photographs of clothing: accuracy, four scenarios, highest valid Server rate.

    Short runs are called INDICATIVE; model, pictures and labels are part of the package.
    """
    from mlassay.cli.progress import RunProgress
    from mlassay.runs.inference import exit_code
    from mlassay.runs.quickstart import quickstart_report, quickstart_results, run_quickstart

    with RunProgress(quiet=quiet or as_json) as progress:
        found = run_quickstart(progress, full=full, out=out, threads=threads)
    if as_json:
        emit_json(quickstart_report(found))
    else:
        _print(found)
    return exit_code(quickstart_results(found))


def _print(found: object) -> None:
    from rich.console import Console

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
        f"mlassay show {last}    one result with its plots",
        "mlassay run image-classification --scenario server --target-qps 200 --help    your own run",
        "mlassay run image-classification --scenario offline --model my.onnx --data photos/    your own model",
        "mlassay rules show v6.0 resnet50    what the rule book wants",
    ):
        console.print(f"  next: {line}", soft_wrap=True)
