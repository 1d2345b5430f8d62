"""`mlassay score`: minutes to target from folders of training logs."""

from __future__ import annotations

from pathlib import Path

import click

from mlassay.cli.output import emit_json, json_option
from mlassay.runs.score import ScoredEntry, score_tree

EXAMPLES = """\b
Examples:
  mlassay score mlassay-training             what `mlassay train` has written
  mlassay score training_results_v0.6        a published round
  mlassay score mine --round v5.1 --runs     each dropped run, and why
"""


@click.command(epilog=EXAMPLES)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--round", "round_name", default="", help="Round whose scoring rule holds. Default: as the logs tell.")
@click.option("--runs", "show_runs", is_flag=True, help="List the dropped runs and why.")
@json_option
def score(folder: Path, round_name: str, show_runs: bool, as_json: bool) -> int:
    """Score every (system, benchmark) below FOLDER: the mean of the runs that count, in minutes.

    FOLDER holds result_<i>.txt logs, one folder per benchmark: results/<system>/<benchmark>/.
    """
    table = score_tree(folder, round_name=round_name)
    if as_json:
        emit_json(table)
    else:
        click.echo(describe(table.entries, show_runs))
        for path in table.absent:
            click.echo(f"content absent: {path} lists a system but holds no logs")
    return 0 if all(e.score.valid for e in table.entries) else 1


def describe(entries: tuple[ScoredEntry, ...], show_runs: bool) -> str:
    """One row per entry, problems and dropped runs beneath."""
    head = ("submitter", "system", "benchmark", "minutes", "spread", "runs", "converged")
    rows = [head]
    below: list[list[str]] = [[]]
    for e in entries:
        s = e.score
        minutes = "-" if s.minutes is None else f"{s.minutes:.2f}"
        spread = "-" if s.spread is None else f"{100 * s.spread:.1f} %"
        rows.append((e.submitter, e.system, e.benchmark, minutes, spread, str(s.n_runs), str(s.n_converged)))
        notes = [f"    problem: {p}" for p in s.problems]
        notes += [f"    incomplete: {name} has no run_stop; cut off, or still going on" for name in e.cut_off]
        if s.scaling != 1:
            notes.append(f"    slowed down by {s.scaling:.4f}: converges faster than the reference")
        if e.convergence is not None and not e.convergence.passed:
            notes.append(f"    convergence: {e.convergence.why}; `mlassay check` says more")
        if show_runs:
            notes += [f"    dropped: {d.name}, {d.minutes:.3f} min: {d.why}" for d in s.dropped]
        below.append(notes)
    widths = [max(len(r[i]) for r in rows) for i in range(len(head))]
    lines = []
    for row, notes in zip(rows, below, strict=True):
        cells = [c.ljust(w) if i < 3 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines += ["  ".join(cells).rstrip(), *notes]
    return "\n".join(lines)
