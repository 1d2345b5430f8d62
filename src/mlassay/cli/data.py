"""`mlassay data`: is a task's data set whole, and make it ready for quick loading."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mlassay.cli.output import emit_json, json_option

EXAMPLES = """\b
Examples:
  mlassay data verify object-detection --data coco/
  mlassay data verify recommendation --data criteo/ --json
  mlassay data prepare medical-segmentation --data kits19/data --out kits19-prepared/
"""

SHOWN = 50
"""Findings printed; --json has them all."""

data_option = click.option(
    "--data", "folder", type=click.Path(path_type=Path), required=True, help="Folder of the data set."
)


@click.group(epilog=EXAMPLES)
def data() -> None:
    """Look at the data set of a task, or prepare it once for many runs."""


@data.command()
@click.argument("task")
@data_option
@click.option("-o", "--task-option", "options", multiple=True, metavar="KEY=VALUE", help="Option of the task.")
@json_option
def verify(task: str, folder: Path, options: tuple[str, ...], as_json: bool) -> int:
    """Count and check what is there: exit code 0 when it is all there, 1 when something is missing or damaged."""
    from mlassay.tasks.task import TaskRequest

    wishes = dict(option.partition("=")[::2] for option in options)
    report = _can(task, "verify", "tell whether its data are whole")(TaskRequest(data=folder, options=wishes))
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
@click.argument("task")
@data_option
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write; may hold a part already.")
@json_option
def prepare(task: str, folder: Path, out: Path, as_json: bool) -> int:
    """Convert the raw data set once, with checksums. Interrupted, it goes on where it stopped."""
    made = _can(task, "prepare", "need no preparation: runs read the folder as it is")(
        folder, out, told=lambda what: None if as_json else click.echo(f"  {what}", err=True)
    )
    if as_json:
        emit_json({"task": task, "prepared": str(made)})
    else:
        click.echo(f"prepared: {made}")
        click.echo(f"next: mlassay data verify {task} --data {made}")
    return 0


def _can(name: str, what: str, otherwise: str) -> Any:
    """The task's method of that name; UsageError when it has none."""
    from mlassay.core.errors import UsageError
    from mlassay.tasks import task_registry

    method = getattr(task_registry.load(name), what, None)
    if method is None:
        reason = f"the data of {name} {otherwise}" if what == "prepare" else f"{name} cannot {otherwise}"
        raise UsageError(reason, hint="see the task's page in docs/tasks")
    return method
