"""Tables of training v0.5 and v0.6: chips of the fastest entry, speed at equal chips, every score.

Numbers that only a publication states are quoted as such, with its name.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from mlassay.results.labels import benchmark_title
from mlassay.results.published_rows import closed_results, sources_of
from mlassay.results.queries import Filter, ResultView, results
from mlassay.results.schema import sa
from mlassay.results.table import Cell, Table
from mlassay.results.training_import import published_book

TRAINING = ("resnet", "ssd", "maskrcnn", "gnmt", "transformer")
"""Benchmarks of both training rounds that the published comparison covers."""
ROUNDS = ("v0.5", "v0.6")
SAME_CHIPS = 16


@dataclass(frozen=True, slots=True)
class Fastest:
    """The fastest closed entry of one training benchmark in one round, or what is known of it without its log."""

    system: str
    minutes: float | None
    chips: int | None
    note: str = ""


def fastest(closed: Sequence[ResultView], round_name: str, benchmark: str) -> Fastest | None:
    """By the logs; where the winner's logs are not in this copy, by what the publication states of it.

    `closed` are the closed results of the round.
    """
    rows = [r for r in closed if r.benchmark == benchmark]
    read = sorted((r for r in rows if r.value is not None), key=lambda r: r.value or 0.0)
    absent = [r for r in rows if r.state == "absent"]
    best = Fastest(read[0].system, read[0].value, read[0].chips) if read else None
    for quote in published_book()["quoted"]:
        if quote["repository"] != f"training_results_{round_name}" or quote["benchmark"] != benchmark:
            continue
        if quote.get("fastest_multi_node"):
            most = max((r.chips or 0 for r in absent), default=0)
            if most > (max((r.chips or 0 for r in read), default=0)):
                return Fastest(quote["system"], None, most, f"log absent; taken as fastest: {quote['source']}")
            continue
        entry = next((r for r in absent if r.path.rpartition("/")[0] == quote["entry"]), None)
        if entry is not None and (best is None or best.minutes is None or quote["minutes"] < best.minutes):
            best = Fastest(quote["system"], quote["minutes"], entry.chips, f"log absent; quoted: {quote['source']}")
    return best


def growth(connection: sa.Connection) -> Table:
    """Chips of the fastest closed training entry, v0.5 to v0.6."""
    body: list[tuple[Cell, ...]] = []
    notes: list[str] = []
    ratios: list[float] = []
    closed = {r: closed_results(connection, r, "training") for r in ROUNDS}
    for benchmark in TRAINING:
        old, new = (fastest(closed[r], r, benchmark) for r in ROUNDS)
        ratio = new.chips / old.chips if old and new and old.chips and new.chips else None
        ratios += [ratio] if ratio is not None else []
        body.append((benchmark_title(benchmark), *_cells(old), *_cells(new), ratio))
        for round_name, each in (("v0.5", old), ("v0.6", new)):
            if each is None:
                notes.append(f"{benchmark_title(benchmark)} {round_name}: not derivable, no entry is imported")
            elif each.note:
                notes.append(f"{benchmark_title(benchmark)} {round_name}: {each.note}")
    complete = len(ratios) == len(TRAINING)
    mean = statistics.fmean(ratios) if complete else None
    body.append(("arithmetic mean", "", None, None, "", None, None, mean))
    if not complete:
        notes.append("the mean is not derivable: not every benchmark has both rounds")
    rows = [r for some in closed.values() for r in some]
    return Table(
        id="growth",
        title="Training v0.5 to v0.6: chips of the fastest closed entry",
        columns=(
            "benchmark",
            "v0.5 system",
            "v0.5 min",
            "v0.5 chips",
            "v0.6 system",
            "v0.6 min",
            "v0.6 chips",
            "ratio",
        ),
        rows=tuple(body),
        digits=(0, 0, 2, 0, 0, 2, 0, 3),
        rule="closed division; two TPU cores are one chip; nodes as configured for the run, not as listed",
        sources=sources_of(rows),
        notes=tuple(notes),
    )


def _cells(entry: Fastest | None) -> tuple[Cell, Cell, Cell]:
    return (entry.system, entry.minutes, entry.chips) if entry else (None, None, None)


def same_chips(connection: sa.Connection) -> Table:
    """Speed-up of the fastest closed 16-chip training entry, v0.5 to v0.6."""
    body: list[tuple[Cell, ...]] = []
    notes: list[str] = []
    speedups: list[float] = []
    closed = {r: closed_results(connection, r, "training") for r in ROUNDS}
    for benchmark in TRAINING:
        old, new = (_best_of_chips(closed[r], r, benchmark, notes) for r in ROUNDS)
        ratio = old.value / new.value if old and new and old.value and new.value else None
        speedups += [ratio] if ratio is not None else []
        cells = [(e.system, e.value) if e else (None, None) for e in (old, new)]
        body.append((benchmark_title(benchmark), *cells[0], *cells[1], ratio))
    rows = [r for some in closed.values() for r in some]
    if speedups:
        means = (statistics.fmean(speedups), statistics.geometric_mean(speedups), statistics.harmonic_mean(speedups))
        names = ("arithmetic", "geometric", "harmonic")
        text = ", ".join(f"{n} {m:.3f}" for n, m in zip(names, means, strict=True))
        text = f"{text}, median {statistics.median(speedups):.3f}"
        notes.append(f"means over the {len(speedups)} benchmarks with both logs: {text}")
    notes.append(
        '"1.3×" is quoted from the publication, not derivable here: the v0.5 Mask R-CNN logs are not in the archive, '
        "and the averaging method is not stated"
    )
    return Table(
        id="same-chips",
        title=f"Training v0.5 to v0.6: fastest closed entry with {SAME_CHIPS} chips",
        columns=("benchmark", "v0.5 system", "v0.5 min", "v0.6 system", "v0.6 min", "speed-up"),
        rows=tuple(body),
        digits=(0, 0, 3, 0, 3, 4),
        rule=f"closed division, exactly {SAME_CHIPS} chips; old minutes divided by new minutes",
        sources=sources_of(rows),
        notes=tuple(notes),
    )


def _best_of_chips(
    closed: Sequence[ResultView], round_name: str, benchmark: str, notes: list[str]
) -> ResultView | None:
    rows = [r for r in closed if (r.benchmark, r.chips) == (benchmark, SAME_CHIPS)]
    absent = [r.system for r in rows if r.state == "absent"]
    read = [r for r in rows if r.value is not None]
    name = f"{benchmark_title(benchmark)} {round_name}"
    if not read:
        notes.append(f"{name}: not derivable, no readable log ({', '.join(absent) or 'no entry'})")
        return None
    if absent:
        notes.append(f"{name}: logs of {', '.join(absent)} are not in this copy and are not considered")
    return min(read, key=lambda r: r.value or 0.0)


_WHO = ("benchmark", "division", "submitter", "system", "accelerator")


def training_scores(connection: sa.Connection, round_name: str) -> Table:
    """Every training entry of a round: minutes to target, or why there is no score."""
    rows = results(
        connection,
        Filter(suite=("training",), round=(round_name,), published=True),
        order=("benchmark", "value", "submitter"),
    )
    body = tuple(
        (
            benchmark_title(r.benchmark),
            r.division,
            r.submitter,
            r.system,
            r.accelerator or "CPU",
            r.chips,
            r.value,
            r.spread * 100 if r.spread is not None else None,
            f"{r.n_used or 0} of {r.n_runs}",
            r.state if r.value is None else r.verdict,
        )
        for r in rows
    )
    readable = sum(r.value is not None for r in rows)
    reasons = sorted({f"{r.state}: {r.reason}" for r in rows if r.value is None})
    return Table(
        id=f"training-{round_name}",
        title=f"Training {round_name}: {len(rows)} entries, {readable} with readable logs here",
        columns=(
            "benchmark",
            "division",
            "submitter",
            "system",
            "accelerator",
            "chips",
            "minutes",
            "spread %",
            "runs",
            "state",
        ),
        rows=body,
        digits=(0, 0, 0, 0, 0, 0, 2, 1, 0, 0),
        rule="run_stop minus run_start per run; the fastest and the slowest run dropped, mean of the rest; "
        "v0.5 NCF: the first 50 of 100 runs that converge; v0.6 MiniGo: the moment of the first winning checkpoint",
        sources=sources_of(rows),
        notes=tuple(reasons),
    )


def training_v05(connection: sa.Connection) -> Table:
    """Scores of training v0.5."""
    return training_scores(connection, "v0.5")


def training_v06(connection: sa.Connection) -> Table:
    """Scores of training v0.6."""
    return training_scores(connection, "v0.6")
