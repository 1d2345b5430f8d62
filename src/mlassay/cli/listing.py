"""`mlassay list`: what there is to run, and where to read on."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import click

from mlassay.cli.output import emit_json, json_option


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    summary: str
    note: str = ""


def _tasks() -> list[_Row]:
    from mlassay.tasks import task_registry

    return [_Row(e.name, e.summary) for e in task_registry]


def _backends() -> list[_Row]:
    from mlassay.backends import backend_registry

    return [_Row(e.name, e.summary, e.missing) for e in backend_registry]


def _rounds() -> list[_Row]:
    from mlassay.rules.reader import load_round, rounds

    return [
        _Row(name, f"{len(load_round(name).benchmarks)} benchmarks", f"mlassay rules show {name}") for name in rounds()
    ]


def _scenarios() -> list[_Row]:
    return [
        _Row("single-stream", "one query at a time; latency percentile (p90)"),
        _Row("multi-stream", "8 samples a query, one query at a time; p99 (before v2.0: a query per interval)"),
        _Row("server", "Poisson arrivals; the highest rate within a latency bound"),
        _Row("interactive", "server with bounds on time to first token and time per token"),
        _Row("offline", "all samples at once; throughput"),
    ]


LISTS = {"tasks": _tasks, "backends": _backends, "rounds": _rounds, "scenarios": _scenarios}


@click.command("list", epilog="Examples: mlassay list tasks · mlassay list backends --json")
@click.argument("what", type=click.Choice(list(LISTS)))
@json_option
def command(what: str, as_json: bool) -> None:
    """List tasks, backends, rounds or scenarios."""
    rows = LISTS[what]()
    if as_json:
        emit_json({what: [asdict(row) for row in rows]})
        return
    width = max(len(row.name) for row in rows)
    for row in rows:
        note = f"  [{row.note}]" if row.note else ""
        click.echo(f"{row.name:<{width}}  {row.summary}{note}")
