"""`mlassay data`: is the data set of a task or training benchmark whole, and make it ready for quick loading."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import click

from mlassay.cli.output import emit_json, json_option
from mlassay.core.data_report import DataReport
from mlassay.training.benchmark import Recipe

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
    report = _verified(name, folder, dict(option.partition("=")[::2] for option in options))
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
    made = _can(name, "prepare", "need no preparation: runs read the folder as it is")(
        folder, out, told=lambda what: None if as_json else click.echo(f"  {what}", err=True)
    )
    if as_json:
        emit_json({"task": name, "prepared": str(made)})
    else:
        click.echo(f"prepared: {made}")
        click.echo(f"next: mlassay data verify {name} --data {made}")
    return 0


def _verified(name: str, folder: Path, wishes: dict[str, str]) -> DataReport:
    from mlassay.runs.training_request import override
    from mlassay.tasks.task import TaskRequest

    check = _can(name, "verify", "tell whether its data are whole")
    owner = _owner(name)
    if isinstance(owner, Recipe):
        report = check(folder, override(owner.profiles["reference"](), wishes))
    else:
        report = check(TaskRequest(data=folder, options=wishes))
    assert isinstance(report, DataReport)
    return report


def _owner(name: str) -> Any:
    """The task or the recipe of that name; UnknownName with the nearest names when there is none."""
    from mlassay.core.errors import UnknownName
    from mlassay.tasks import task_registry
    from mlassay.training.catalogue import BENCHMARKS, recipe

    tasks, benchmarks = task_registry.names(), BENCHMARKS.names()
    if name not in tasks and name not in benchmarks:
        near = difflib.get_close_matches(name, [*tasks, *benchmarks])
        raise UnknownName("task or training benchmark", name, [*tasks, *benchmarks], near)
    return task_registry.load(name) if name in tasks else recipe(name)


def _can(name: str, what: str, otherwise: str) -> Any:
    """The owner's method of that name; UsageError when it has none."""
    from mlassay.core.errors import UsageError

    method = getattr(_owner(name), what, None)
    if method is None:
        reason = f"the data of {name} {otherwise}" if what == "prepare" else f"{name} cannot {otherwise}"
        raise UsageError(reason, hint="see the task's page in docs/tasks, or docs/training")
    return method
