"""`mlassay data`: is the data set of a task or training benchmark whole, and make it ready for quick loading."""

from __future__ import annotations

from pathlib import Path

import click

from mlassay.cli.output import emit_json, json_option

EXAMPLES = """\b
Examples:
  mlassay data verify object-detection --data coco/
  mlassay data verify recommendation --data criteo/ --json
  mlassay data verify ncf --data ml-20m/                       what `mlassay train ncf --profile reference` reads
  mlassay data prepare medical-segmentation --data kits19/data --out kits19-prepared/
  mlassay data prepare unet3d --data kits19/data --out kits19-training/
"""

SHOWN = 50
"""Findings printed; --json has them all."""

data_option = click.option(
    "--data", "folder", type=click.Path(path_type=Path), required=True, help="Folder of the data set."
)


@click.group(epilog=EXAMPLES)
def data() -> None:
    """Look at the data set of a task or training benchmark, or prepare it once for many runs."""


@data.command()
@click.argument("name")
@data_option
@click.option(
    "-o", "--task-option", "options", multiple=True, metavar="KEY=VALUE",
    help="Option of the task, or setting of the benchmark's reference profile.",
)  # fmt: skip
@json_option
def verify(name: str, folder: Path, options: tuple[str, ...], as_json: bool) -> int:
    """Count and check what is there: exit code 0 when it is all there, 1 when something is missing or damaged.

    NAME is a task (`mlassay run` lists them) or a training benchmark (`mlassay train list`).
    """
    from mlassay.runs import data_sets

    report = data_sets.verify(name, folder, dict(option.partition("=")[::2] for option in options))
    if as_json:
        emit_json(report.as_json())
        return 0 if report.complete else 1
    click.echo(f"{report.dataset} in {report.folder}: {'complete' if report.complete else 'not as published'}")
    for what, count in report.counts.items():
        click.echo(f"  {count:,} {what}")
    for problem in report.problems[:SHOWN]:
        click.echo(f"  ! {problem}")
    if len(report.problems) > SHOWN:
        click.echo(f"  and {len(report.problems) - SHOWN} more: see --json")
    for note in report.notes:
        click.echo(f"  note: {note}")
    return 0 if report.complete else 1


@data.command()
@click.argument("name")
@data_option
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write; may hold a part already.")
@json_option
def prepare(name: str, folder: Path, out: Path, as_json: bool) -> int:
    """Convert the raw data set of a task or training benchmark once. Interrupted, it goes on where it stopped."""
    from mlassay.runs import data_sets

    told = (lambda _: None) if as_json else (lambda what: click.echo(f"  {what}", err=True))
    made = data_sets.prepare(name, folder, out, told=told)
    if as_json:
        emit_json({"task": name, "prepared": str(made)})
    else:
        click.echo(f"prepared: {made}")
        click.echo(f"next: mlassay data verify {name} --data {made}")
    return 0
