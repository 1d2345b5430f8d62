"""Power logs of a result: parsed and weighed, never produced (the measuring software is licensed).

performance/power/    client.json client.log server.json server.log ptd_logs.txt
performance/ranging/  and performance/run_1/: the load generator's logs and spl.txt, one line per reading
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from mlassay.core.enums import Scenario
from mlassay.submission import layout as lay
from mlassay.submission.tree import NotReadable, Tree

if TYPE_CHECKING:
    from mlassay.submission.model import ResultFolder

MAX_LINE_BYTES = 4096
MAX_READINGS = 50_000_000
TIME = "%m-%d-%Y %H:%M:%S.%f"


@dataclass(frozen=True, slots=True)
class Power:
    """What power a result took."""

    value: float
    unit: str  # "watts", or "millijoules" per query for the streams
    n_readings: int
    mean_watts: float


@dataclass(frozen=True, slots=True)
class Reading:
    when: datetime
    watts: float


def readings(tree: Tree, path: str, problems: list[str]) -> Iterator[Reading]:
    """The readings of spl.txt in order; malformed lines are counted in `problems` (a few of them)."""
    with tree.open(path) as stream:
        buffered = io.BufferedReader(stream, 1 << 16) if isinstance(stream, io.RawIOBase) else stream
        for number in range(1, MAX_READINGS):
            line = buffered.readline(MAX_LINE_BYTES)
            if not line:
                return
            reading = _reading(line)
            if reading is not None:
                yield reading
            elif line.strip() and len(problems) < 5:
                problems.append(f"line {number}: {line[:60].decode('latin-1').strip()}")


def _reading(line: bytes) -> Reading | None:
    """`Time,<stamp>,Watts,<number>,...`."""
    parts = [p.strip() for p in line.decode("latin-1").split(",")]
    fields = dict(zip(parts[::2], parts[1::2], strict=False))
    try:
        return Reading(datetime.strptime(fields["Time"], TIME), float(fields["Watts"]))
    except (KeyError, ValueError):
        return None


def power_of(result: ResultFolder) -> Power | None:
    """Mean watts between the log's begin and end marks; for the streams, millijoules per query. None without power."""
    if not result.has_power or result.run is None:
        return None
    from mlassay.submission.runlog import moment

    run = result.run
    begin, end = moment(run.log.get("power_begin")), moment(run.log.get("power_end"))
    if begin is None or end is None or not run.has("spl.txt"):
        return None
    total, count = 0.0, 0
    try:
        for reading in readings(run.tree, run.file("spl.txt"), []):
            if begin <= reading.when <= end and reading.watts == reading.watts:
                total, count = total + reading.watts, count + 1
    except NotReadable:
        return None
    if not count:
        return None
    mean = total / count
    if result.scenario not in (Scenario.SINGLE_STREAM, Scenario.MULTI_STREAM):
        return Power(mean, "watts", count, mean)
    queries = run.log.queries
    if not queries:
        return None
    joules = mean * (end - begin).total_seconds() / queries
    factor = 8 if result.scenario is Scenario.MULTI_STREAM and result.inferred else 1
    return Power(1000 * joules * factor, "millijoules", count, mean)


def power_folder(result: ResultFolder, name: str) -> str | None:
    folder = result.performance_folder
    return lay.child(result.tree, folder, name) if folder else None
