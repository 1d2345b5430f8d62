"""`mlassay replay`: a submission made by mlassay, run again from its own folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mlassay.cli.output import emit_json, json_option

EXAMPLES = """\b
Examples:
  mlassay replay submission                          every run
  mlassay replay submission --only resnet/Offline    one benchmark in one scenario
  mlassay replay submission --data /data/imagenet    with the data set where it lies here

\b
Exit codes: 0 within 2 % · 1 materially different, or INVALID · 2 usage · 3 environment · 4 the system failed
"""


@click.command("replay", epilog=EXAMPLES)
@click.argument("submission", type=click.Path(path_type=Path))
@click.option("--only", multiple=True, metavar="BENCHMARK[/SCENARIO]", help="Only these; may be given again.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the data set on this machine.")
@click.option("--model", default="", metavar="FILE", help="The model file on this machine, for runs that named one.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("replay"), show_default=True)
@click.option("--quiet", is_flag=True, help="No progress.")
@json_option
def replay(
    submission: Path, only: tuple[str, ...], data: Path | None, model: str, out: Path, quiet: bool, as_json: bool
) -> int:
    """Run SUBMISSION again and compare: more than 2 % is materially different.

    Only submissions that `mlassay pack` made can be replayed: they keep what was asked for in each run.
    """
    from mlassay.cli.progress import RunProgress
    from mlassay.core.outcome import Verdict
    from mlassay.runs.replay import ReplayRequest
    from mlassay.runs.replay import replay as run_again

    with RunProgress(quiet=quiet or as_json) as progress:
        found = run_again(
            ReplayRequest(submission=submission, only=only, out=out, data=data, model=model), progress=progress
        )
    if as_json:
        emit_json({"unverified": True, "runs": [_plain(r) for r in found]})
    else:
        for one in found:
            _show(one)
    return int(any(r.material or r.verdict is Verdict.INVALID for r in found))


def _plain(one: Any) -> dict[str, Any]:
    names = "benchmark scenario mode metric unit submitted again ratio low high material sure verdict kept path differs"
    return {name: getattr(one, name) for name in names.split()}


def _show(one: Any) -> None:
    word = "materially different" if one.material else "the same within 2 %"
    doubt = {True: "", False: " (not sure: the runs scatter by more than that)", None: ""}[one.sure]
    click.echo(f"{one.benchmark} {one.scenario.official_name} {one.mode.value}: {word}{doubt}")
    click.echo(f"  {one.metric}: submitted {one.submitted:,.6g} {one.unit}, again {one.again:,.6g}, ×{one.ratio:.4f}")
    if one.low is not None:
        click.echo(f"  ratio, 99 % sure: {one.low:.4f} to {one.high:.4f}")
    click.echo(f"  the run again is {one.verdict.value}: {one.path}")
    for text in one.differs:
        click.echo(f"  differs: {text}")
