"""The tables of the first published rounds, computed from what was imported: `mlassay report tables`.

Where the data give a number, it is computed; where they do not, the cell is empty and a note says why.
"""

from __future__ import annotations

from collections.abc import Callable

from mlassay.core.errors import UnknownName
from mlassay.results import history_hyperparameters as chosen
from mlassay.results import history_inference as inference
from mlassay.results import history_load as load
from mlassay.results import history_training as training
from mlassay.results.schema import sa
from mlassay.results.table import Table

TABLES: dict[str, Callable[[sa.Connection], Table]] = {
    "task-scenario": inference.task_scenario,
    "shares": inference.shares,
    "frameworks": inference.frameworks,
    "classes": inference.classes,
    "spread": inference.spread,
    "server-offline": load.server_offline,
    "operations": load.operations,
    "growth": training.growth,
    "same-chips": training.same_chips,
    "training-v0.5": training.training_v05,
    "training-v0.6": training.training_v06,
    "hyperparameters": chosen.hyperparameters,
    "inference-v0.5": inference.inference_scores,
    "quotations": inference.quotations,
}
"""Every table by the name that the command line uses."""


def table(connection: sa.Connection, name: str) -> Table:
    """One table. Raises UnknownName with the nearest names."""
    if name not in TABLES:
        raise UnknownName("table", name, list(TABLES), [n for n in TABLES if n.startswith(name[:4])])
    return TABLES[name](connection)
