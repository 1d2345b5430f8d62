"""What the published results say about load and work: the price of a latency bound, and operations against speed.

Both are observations of the inference paper (arXiv 1911.02549, VI-B with figure 6, and VII), computed from the imported
results of round v0.5, closed division.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from mlassay.results.history_inference import TASKS
from mlassay.results.labels import benchmark_title
from mlassay.results.published_rows import closed_results, sources_of
from mlassay.results.queries import ResultView
from mlassay.results.schema import sa
from mlassay.results.table import Cell, Table

HEAVY_GOPS, LIGHT_GOPS = 433.0, 2.47
"""Operations per input of SSD-ResNet34 at 1200x1200 and SSD-MobileNet-v1 at 300x300 (paper, table I)."""


def server_offline(connection: sa.Connection) -> Table:
    """How much of its Offline throughput each system keeps when every query has a latency bound."""
    rows = closed_results(connection, "v0.5")
    pairs = [
        (benchmark_title(task), server.submitter, server.system, server.value, offline.value)
        for task in TASKS
        for server, offline in _both(rows, (task, "Server"), (task, "Offline"))
    ]
    body: list[tuple[Cell, ...]] = [(*pair, _ratio(pair[3], pair[4])) for pair in pairs]
    kept = {task: [r[5] for r in body if r[0] == task and isinstance(r[5], float)] for task in {r[0] for r in body}}
    notes = [
        f"{task}: median {median(values):.3f} of {len(values)} systems"
        for task, values in sorted(kept.items())
        if values
    ]
    return Table(
        id="server-offline",
        title="Inference v0.5: what a latency bound costs, closed division",
        columns=("task", "submitter", "system", "Server queries/s", "Offline samples/s", "Server / Offline"),
        rows=tuple(sorted(body, key=lambda r: (str(r[0]), -float(r[5] or 0)))),
        digits=(0, 0, 0, 2, 2, 3),
        rule="Server rate divided by Offline throughput of the same system; systems with both results",
        sources=sources_of(rows),
        notes=tuple(notes),
    )


def operations(connection: sa.Connection) -> Table:
    """Operations do not predict speed: the two SSD detectors on the same systems."""
    rows = closed_results(connection, "v0.5")
    pairs = [
        (light.submitter, light.system, scenario, light.value, heavy.value, _ratio(light.value, heavy.value))
        for scenario in ("Server", "Offline")
        for light, heavy in _both(rows, ("ssd-small", scenario), ("ssd-large", scenario))
    ]
    return Table(
        id="operations",
        title="Inference v0.5: SSD-MobileNet against SSD-ResNet34 on the same systems, closed division",
        columns=("submitter", "system", "scenario", "SSD-MobileNet /s", "SSD-ResNet34 /s", "speed ratio"),
        rows=tuple(sorted(pairs, key=lambda r: float(r[5] or 0))),
        digits=(0, 0, 0, 2, 2, 1),
        rule="throughput of the light detector divided by that of the heavy one; Server and Offline; systems with both",
        sources=sources_of(rows),
        notes=(
            f"operations per input differ {HEAVY_GOPS / LIGHT_GOPS:.0f} times ({HEAVY_GOPS:g} and {LIGHT_GOPS:g} GOPS, "
            "as published)",
        ),
    )


def _both(
    rows: Sequence[ResultView], one: tuple[str, str], other: tuple[str, str]
) -> list[tuple[ResultView, ResultView]]:
    """Results of the same system for two (task, scenario) cells."""
    there = {(r.submitter, r.system): r for r in rows if (r.benchmark, r.scenario) == other and r.value}
    here = [r for r in rows if (r.benchmark, r.scenario) == one and r.value]
    return [(r, there[r.submitter, r.system]) for r in here if (r.submitter, r.system) in there]


def _ratio(a: float | None, b: float | None) -> float | None:
    return a / b if a and b else None
