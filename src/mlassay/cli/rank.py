"""`mlassay rank`: who is fastest at a task, as submitted, per chip, per watt, per currency unit."""

from __future__ import annotations

from pathlib import Path

import click

from mlassay.cli.db_option import db_option
from mlassay.cli.output import emit_json, json_option
from mlassay.core.errors import UsageError

EXAMPLES = """\b
Examples:
  mlassay rank resnet --scenario offline --round v0.5
  mlassay rank resnet --scenario offline --round v0.5 --per chip
  mlassay rank resnet --scenario server --per currency --prices prices.toml
  mlassay rank resnet --suite training --round v0.6
  mlassay rank all --round v0.5 --weights "resnet Offline=2,gnmt Offline=1"
"""


@click.command(epilog=EXAMPLES)
@click.argument("task")
@click.option("-s", "--scenario", default="", help="single-stream, multi-stream, server, offline, interactive.")
@click.option("--round", "round_names", multiple=True, help="Round; may be given more than once.")
@click.option("--suite", type=click.Choice(["inference", "training"]), help="Default: whichever has the task.")
@click.option("--division", default="closed", show_default=True, help="closed, open, network, or all.")
@click.option("--per", type=click.Choice(["system", "chip", "watt", "currency"]), default="system", show_default=True)
@click.option("--prices", "price_file", type=click.Path(path_type=Path), help="Your price list (TOML).")
@click.option("--published/--all", "published", default=False, help="Only results of published rounds.")
@click.option("--weights", help="Your own weights over tasks, for TASK 'all': a mean of yours, labelled so.")
@click.option("--limit", default=20, show_default=True, help="Places to show; 0: all.")
@db_option
@json_option
def rank(
    task: str,
    scenario: str,
    round_names: tuple[str, ...],
    suite: str | None,
    division: str,
    per: str,
    price_file: Path | None,
    published: bool,
    weights: str | None,
    limit: int,
    db: str | None,
    as_json: bool,
) -> int:
    """Rank the results of TASK in one scenario.

    Whatever is not the official metric says so. There is no summary score over tasks; asking for one explains why.
    """
    from mlassay.core.enums import Scenario
    from mlassay.results import rank as ranking
    from mlassay.results.database import open_database
    from mlassay.results.labels import benchmark_id
    from mlassay.results.prices import read_prices
    from mlassay.results.queries import Filter
    from mlassay.results.table import plain

    if task in ("all", "summary", "overall") and not weights:
        raise UsageError(ranking.NO_SUMMARY)
    try:
        name = Scenario.parse(scenario).official_name if scenario else ""
    except ValueError as error:
        raise UsageError(str(error)) from None
    prices = read_prices(price_file) if price_file else None
    wanted = Filter(
        suite=(suite,) if suite else (),
        round=round_names,
        division=() if division == "all" else (division,),
        benchmark=() if weights else (benchmark_id(task),),
        scenario=(name,) if name else (),
        published=True if published else None,
    )
    database = open_database(db, create=False)
    with database.reading() as connection:
        if weights:
            table = ranking.own_mean(connection, wanted, ranking.parse_weights(weights), ranking.Per(per), prices)
            emit_json(table) if as_json else click.echo(plain(table))
            return 0
        found = ranking.rank(connection, wanted, per=ranking.Per(per), prices=prices)
    if as_json:
        emit_json(found)
    else:
        click.echo(plain(ranking.as_table(found, limit)))
        if limit and len(found.places) > limit:
            click.echo(f"note: {len(found.places) - limit} more places; --limit 0 shows all")
    return 0
