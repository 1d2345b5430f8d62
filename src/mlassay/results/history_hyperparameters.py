"""Which hyperparameters the training submissions chose, side by side.

During review a submitter may take over another's hyperparameters and run again ("borrowing", training rules of 2018 and
2019). Values that several submitters share, and values that one has alone, are seen here.
"""

from __future__ import annotations

import json
from collections import defaultdict

from mlassay.results import schema as tables
from mlassay.results.labels import benchmark_title
from mlassay.results.published_rows import sources_of
from mlassay.results.queries import Filter, results
from mlassay.results.schema import sa
from mlassay.results.table import Table

MOST_NAMED = 4
"""So many systems are named for one value; of more, the number is given."""


def hyperparameters(connection: sa.Connection) -> Table:
    """Each hyperparameter of each benchmark and round, with its values and who used them."""
    rows = results(connection, Filter(suite=("training",), published=True))
    logged = _logged(connection)
    used: dict[tuple[str, str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    silent = 0
    for row in rows:
        values = logged.get(row.id, {})
        silent += not values
        for name, value in values.items():
            used[row.round, row.benchmark, name][value].append(f"{row.submitter} {row.system}")
    body = [
        (benchmark_title(benchmark), round_name, name, value, len(who), _names(who))
        for (round_name, benchmark, name), values in sorted(used.items(), key=lambda item: (item[0][1], item[0]))
        for value, who in sorted(values.items(), key=lambda item: -len(item[1]))
    ]
    return Table(
        id="hyperparameters",
        title="Training: hyperparameters of the published submissions",
        columns=("benchmark", "round", "hyperparameter", "value", "entries", "systems"),
        rows=tuple(body),
        rule="as the first counted run of each entry logs it; of values on a schedule, the first one logged",
        sources=sources_of(rows),
        notes=(f"{silent} entries log none, or their logs are not in this copy",) if silent else (),
    )


def _logged(connection: sa.Connection) -> dict[int, dict[str, str]]:
    """Hyperparameters by the id of the result, from its first run that has a log."""
    run = tables.run.c
    query = (
        sa.select(run.result_id, run.details)
        .join(tables.result, run.result_id == tables.result.c.id)
        .where(tables.result.c.suite == "training", tables.result.c.published.is_(True), run.used.is_(True))
        .order_by(run.result_id, run.position.desc())
    )
    return {
        result_id: json.loads(details).get("hyperparameters", {}) for result_id, details in connection.execute(query)
    }


def _names(who: list[str]) -> str:
    return (
        ", ".join(who) if len(who) <= MOST_NAMED else f"{', '.join(who[:MOST_NAMED])} and {len(who) - MOST_NAMED} more"
    )
