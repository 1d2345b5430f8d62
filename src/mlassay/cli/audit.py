"""`mlassay audit`: the compliance tests of a round, run on the SUT of a run and verified."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mlassay.cli.output import emit_json, json_option
from mlassay.cli.run import request_of, run_options
from mlassay.core.errors import UsageError

EXAMPLES = """\b
Examples:
  mlassay audit runs/first                             every test that the round wants of the benchmark
  mlassay audit runs/first --test TEST01 --test TEST04
  mlassay audit runs/first --tests-of v4.1 --test TEST05     another round's test
  mlassay audit image-classification --scenario offline --duration 5s     run, then audit
  mlassay audit runs/first --until-sure                short tests, lengthened only while a verdict is in doubt
  mlassay audit runs/first --as-official               verdicts as the official scripts give them

\b
Exit codes: 0 all passed · 1 a test failed · 2 usage · 3 environment · 4 the system under test failed
"""


@click.command("audit", epilog=EXAMPLES)
@click.argument("run")
@click.option("--test", "tests", multiple=True, metavar="NAME", help="TEST01, TEST04-A, …; may be given again.")
@click.option("--tests-of", default="", metavar="ROUND", help="Round whose tests are run. Default: the run's.")
@click.option("--accuracy", type=click.Path(path_type=Path), help="An accuracy run of the same system. Default: made.")
@click.option("--as-official", is_flag=True, help="Judge by the official scripts' arithmetic, flaws included.")
@click.option(
    "--until-sure",
    is_flag=True,
    help="Begin with 1/16 of the run's length; lengthen only until 99 % sure. Not to pack.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the test runs. Default: beside the run.")
@click.option("--quiet", is_flag=True, help="No progress.")
@run_options
@json_option
def audit(
    run: str,
    tests: tuple[str, ...],
    tests_of: str,
    accuracy: Path | None,
    as_official: bool,
    until_sure: bool,
    out: Path | None,
    quiet: bool,
    as_json: bool,
    **words: Any,
) -> int:
    """Run the compliance tests on the system that made RUN, and verify them.

    RUN is the folder of a performance run, or the name of a task: then the run is made first, by the options of
    `mlassay run`. Each test leaves a run folder with the official verify_*.txt files; give those folders to
    `mlassay pack` together with the run.
    """
    from mlassay.cli.progress import RunProgress
    from mlassay.runs.audit import AuditRequest, audit_run
    from mlassay.runs.inference import run_inference

    with RunProgress(quiet=quiet or as_json) as progress:
        path = Path(run)
        if not path.exists():
            if not words.get("scenario"):
                raise UsageError(
                    f"there is no run {run}", hint="give a run folder, or a task with --scenario: the run is then made"
                )
            path = run_inference(request_of(run, "performance", None, False, words), progress=progress).path
        request = AuditRequest(
            run=path,
            tests=tests,
            round=tests_of,
            accuracy=accuracy,
            out=out,
            official=as_official,
            until_sure=until_sure,
        )
        results = audit_run(request, progress=progress)
    if as_json:
        emit_json(results_json(results))
    else:
        show(results)
    return int(not results.passed)


for _option in audit.params:
    if _option.name == "scenario":
        _option.required = False  # a run folder has its own


def results_json(results: Any) -> dict[str, Any]:
    """One document: every test with its checks."""
    return {
        "run": results.run,
        "path": results.path,
        "round": results.round,
        "benchmark": results.benchmark,
        "passed": results.passed,
        "as_official": results.official,
        "unverified": True,
        "tests": [
            {
                "test": r.test,
                "passed": r.passed,
                "verifies": r.verifies,
                "path": r.path,
                "length": r.length,
                "checks": r.checks,
            }
            for r in results.reports
        ],
        "notes": results.notes,
    }


def show(results: Any) -> None:
    click.echo(f"compliance tests of {results.round} {results.benchmark} on {results.run}")
    if results.official:
        click.echo("  judged as the official scripts judge, flaws included")
    for report in results.reports:
        short = "" if report.length == 1 else f"  (sure after {report.length:.3g} of the run's length)"
        click.echo(f"{'PASS' if report.passed else 'FAIL'}  {report.test}  {report.verifies}{short}")
        for check in report.checks:
            click.echo(f"      {'ok  ' if check.passed else 'FAIL'}  {check.text}")
    for note in results.notes:
        click.echo(f"note: {note}")
    click.echo("unverified: measured by mlassay, not reviewed or verified by MLCommons")
    click.echo(f"test runs: {results.path}")
    if any(report.length < 1 for report in results.reports):
        click.echo("next: for a submission, audit without --until-sure: its tests must be of full length")
    elif results.passed:
        folders = " ".join(str(r.path) for r in results.reports)
        click.echo(f"next: mlassay pack {results.run} {folders} …")
