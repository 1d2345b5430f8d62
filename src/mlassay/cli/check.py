"""`mlassay check`: is a submission, a result or a single log valid, and if not, what must change?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

EXAMPLES = """\b
Examples:
  mlassay check my-submission/                    a tree with closed/ or open/
  mlassay check results.tar.gz --html > r.html    an archive, read without unpacking
  mlassay check run_1/mlperf_log_detail.txt       a single log
  mlassay check tree/ --as-official v5.1          the verdict of that round's official tool
  mlassay check tree/ --only 'PERF*' --json       some checks, one JSON document
  mlassay check --explain PERF004                 what a check is about
"""

FORMATS = ("json", "sarif", "junit", "csv", "html")


@click.command(epilog=EXAMPLES)
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--suite", type=click.Choice(["auto", "inference", "training"]), default="auto", show_default=True)
@click.option("--round", "round_", default="auto", show_default=True, help="Round to check by, such as v5.1.")
@click.option("--as-official", metavar="ROUND", default="", help="The verdict that the round's official tool gives.")
@click.option("--benchmark", default="", help="Benchmark of a single run, which its log does not name.")
@click.option("--only", multiple=True, metavar="ID", help="Only these checks; * stands for anything. May be repeated.")
@click.option("--waivers", type=click.Path(path_type=Path), help="TOML file of findings that are to stand.")
@click.option("--explain", metavar="ID", help="Say what a check is about, and stop.")
@click.option("--fix", is_flag=True, help="Mend what is safe to mend in a directory, listing each change, then check.")
@click.option("--plan", is_flag=True, help="With --fix: list the changes without making them.")
@click.option("--jobs", type=click.IntRange(0), default=0, help="Processes; 0 is one per core.", show_default=True)
@click.option("--json", "form", flag_value="json", help="One JSON document on standard output, nothing else.")
@click.option("--sarif", "form", flag_value="sarif", help="SARIF 2.1.0, for code hosts.")
@click.option("--junit", "form", flag_value="junit", help="JUnit XML, for build servers.")
@click.option("--csv", "form", flag_value="csv", help="The columns of the official summary.csv.")
@click.option("--html", "form", flag_value="html", help="One page that stands alone.")
def check(
    path: Path | None,
    suite: str,
    round_: str,
    as_official: str,
    benchmark: str,
    only: tuple[str, ...],
    waivers: Path | None,
    explain: str | None,
    fix: bool,
    plan: bool,
    jobs: int,
    form: str | None,
) -> int:
    """Check a submission tree, one result, a run, a single log, or an archive of any round.

    Exit code 0: passes; 1: at least one error; 2: cannot be read at all.
    """
    from mlassay.submission.checker import check as check_tree
    from mlassay.submission.fix import fix_tree
    from mlassay.submission.reference import explain_check
    from mlassay.submission.render import RENDERERS
    from mlassay.submission.waivers import read_waivers

    if explain:
        click.echo(explain_check(explain, form == "json"))
        return 0
    if path is None:
        raise click.UsageError("Missing argument 'PATH'.")
    if fix:
        for change in fix_tree(path, plan=plan, round=as_official or round_):
            click.echo(f"{'would ' if plan else ''}{change}", err=True)
        if plan:
            return 0
    report = check_tree(
        path,
        suite=suite,
        round=round_,
        as_official=as_official,
        only=only,
        waivers=read_waivers(waivers) if waivers else (),
        benchmark=benchmark,
        jobs=jobs,
    )
    sys.stdout.write(RENDERERS[form or "text"](report).encode("utf-8", "backslashreplace").decode())
    return 0 if report.verdict == "pass" else 1
