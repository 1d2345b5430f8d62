"""`mlassay compare`: two results, systems, rounds or sets of runs; a regression gate for CI."""

from __future__ import annotations

from pathlib import Path

import click

from mlassay.cli.db_option import db_option
from mlassay.cli.output import emit_json, json_option

EXAMPLES = """\b
Examples:
  mlassay compare runs/before runs/after                       two runs, or two folders of repeated runs
  mlassay compare runs/before runs/after --fail-on "p99>3%"    exit code 1 when p99 rose by more than 3 %
  mlassay compare "round=v0.5,submitter=NVIDIA,system=T4x8" "round=v0.5,submitter=NVIDIA,system=T4x20"
  mlassay compare closed/Google/results/tpu-v3.8x1/resnet/offline closed/Google/results/tpu-v3.8x2/resnet/offline
"""


@click.command(epilog=EXAMPLES)
@click.argument("a")
@click.argument("b")
@db_option
@click.option("--confidence", type=click.FloatRange(50, 99.99), default=95.0, show_default=True, help="Per cent.")
@click.option("--fail-on", "conditions", multiple=True, metavar="CONDITION", help='Such as "p99>3%" or "value<-5%".')
@click.option("--strict", is_flag=True, help="Also fail for changes that may be noise.")
@click.option("--markdown", "markdown_file", type=click.Path(path_type=Path), help="Also write a Markdown summary.")
@click.option("--junit", "junit_file", type=click.Path(path_type=Path), help="Also write JUnit XML.")
@json_option
def compare(
    a: str,
    b: str,
    db: str | None,
    confidence: float,
    conditions: tuple[str, ...],
    strict: bool,
    markdown_file: Path | None,
    junit_file: Path | None,
    as_json: bool,
) -> int:
    """How B compares with A: the ratio and its confidence interval, what else differs, and what the rules say.

    A and B are run folders (or folders of repeated runs), submissions, results by key, or selections such as
    "round=v0.5,submitter=NVIDIA". With --fail-on, the exit code is 1 when a condition is met beyond noise.
    """
    from mlassay.records.atomic import atomic_write
    from mlassay.results import compare_render
    from mlassay.results.compare import compare as compare_sides
    from mlassay.results.database import open_database
    from mlassay.results.gate import parse_condition
    from mlassay.results.sides import load_side

    wanted = [parse_condition(c) for c in conditions]
    sides = [load_side(text, lambda: open_database(db, create=False)) for text in (a, b)]
    comparison = compare_sides(*sides, confidence=confidence, fail_on=wanted)
    if markdown_file:
        atomic_write(markdown_file, compare_render.markdown(comparison))
    if junit_file:
        atomic_write(junit_file, compare_render.junit(comparison))
    if as_json:
        emit_json(comparison)
    else:
        click.echo(compare_render.text(comparison))
    return 1 if comparison.failed(strict=strict) else 0
