"""`mlassay rules`: what a round asks for, where it is written, and what changed."""

from __future__ import annotations

import click

from mlassay.cli.output import emit_json, json_option

EXAMPLES = """\b
Examples:
  mlassay rules list
  mlassay rules show v5.1
  mlassay rules show v5.1 resnet50 --scenario server
  mlassay rules diff v5.0 v5.1
  mlassay rules compare resnet v4.1 v5.0 --suite datacenter
"""

suite_option = click.option(
    "--suite", type=click.Choice(["inference", "training"]), default="inference", help="Which rule book."
)


@click.group(epilog=EXAMPLES)
def rules() -> None:
    """Show the rules of every round, each value with its source.

    ROUND is a name such as v5.1, or the path of a round file of your own (it may say: extends = "v5.1").
    """


@rules.command("list")
@suite_option
@json_option
def list_rounds(suite: str, as_json: bool) -> None:
    """List the rounds, oldest first."""
    from mlassay.rules.tables import round_list

    listing = round_list(suite)
    if as_json:
        emit_json([{"round": n, "published": p, "benchmarks": b} for n, p, b in listing])
        return
    for name, published, benchmarks in listing:
        click.echo(f"{name:5} {published:10}  {', '.join(benchmarks)}")


@rules.command()
@click.argument("round_name", metavar="ROUND")
@click.argument("benchmark", required=False, default="")
@click.option("--scenario", default="", help="Only this scenario of the benchmark.")
@suite_option
@json_option
def show(round_name: str, benchmark: str, scenario: str, suite: str, as_json: bool) -> None:
    """Show a round, or one benchmark of it: an id (resnet) or a name from configuration files (resnet50)."""
    from mlassay.rules import tables

    data, text = tables.show(round_name, benchmark, scenario, suite)
    if as_json:
        emit_json(data)
    else:
        click.echo(text)


@rules.command()
@click.argument("old", metavar="ROUND")
@click.argument("new", metavar="ROUND")
@suite_option
@json_option
def diff(old: str, new: str, suite: str, as_json: bool) -> None:
    """Show what changed from one round to another, and where it is written."""
    from mlassay.rules import tables

    found, text = tables.diff(old, new, suite)
    if as_json:
        emit_json(found)
    else:
        click.echo(text)


@rules.command()
@click.argument("model")
@click.argument("round_a", metavar="ROUND")
@click.argument("round_b", metavar="ROUND")
@click.option("--suite", type=click.Choice(["datacenter", "edge"]), required=True, help="Which system type.")
@click.option("--scenario", default="", help="Also what changed in this scenario.")
@json_option
def compare(model: str, round_a: str, round_b: str, suite: str, scenario: str, as_json: bool) -> int:
    """Say whether results of two rounds may be compared. Exit code 1: they may not."""
    from mlassay.rules import tables
    from mlassay.rules.compatibility import comparable

    answer = comparable(model, round_a, round_b, suite, tables.scenario_named(scenario))
    if as_json:
        emit_json(answer)
    else:
        click.echo(f"{'comparable' if answer else 'not comparable'}: {answer.reason}")
        for caution in answer.cautions:
            click.echo(f"  but: {caution}")
    return 0 if answer else 1
