"""`mlassay accuracy`: score the answers of a run again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mlassay.cli.output import emit_json, json_option
from mlassay.cli.run import pairs

EXAMPLES = """\b
Examples:
  mlassay accuracy runs/20260131-142501-image-classification-offline
  mlassay accuracy results/mlperf_log_accuracy.json --task image-classification --profile resnet50 \\
      --model resnet50.onnx --data imagenet/val --round v5.1
  mlassay accuracy runs/first --json
"""


@click.command("accuracy", epilog=EXAMPLES)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--task", default="", help="Which task the answers belong to; a run folder says it itself.")
@click.option("--profile", default="", help="Profile of the task.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the data set that the run used.")
@click.option("--model", default="", help="Model of the run, where the profile needs one to be opened.")
@click.option("-o", "--task-option", multiple=True, metavar="KEY=VALUE", help="Option of the task.")
@click.option("--round", "round", default="", help="Judge by this round's target instead of the run's own.")
@click.option("--benchmark", default="", help="Benchmark of the round, where the profile stands for several.")
@click.option("--scenario", default="", help="Scenario, where the round's target depends on it.")
@click.option("--out", type=click.Path(path_type=Path), help="Where to write. Default: accuracy.txt beside the log.")
@click.option("--no-write", is_flag=True, help="Write nothing.")
@json_option
def accuracy(run: Path, as_json: bool, no_write: bool, task_option: tuple[str, ...], **words: Any) -> int:
    """Score the accuracy log of RUN, a run folder or an mlperf_log_accuracy.json, and write accuracy.txt.

    The log is read once, in bounded memory, whatever its length. Value and target are compared with five significant
    figures, round half to even. Exit code 1: the target was missed, or answers are missing.
    """
    from mlassay.runs.accuracy import AccuracyRequest, score_accuracy

    options = pairs(task_option, "--task-option")
    scored = score_accuracy(AccuracyRequest(run=run, task_options=options, write=not no_write, **words))
    if as_json:
        from mlassay.runs.record import accuracy_report

        emit_json(
            {
                "log": scored.log,
                "written": scored.written,
                "task": scored.task,
                "profile": scored.profile,
                "passed": scored.passed,
                "accuracy": accuracy_report(scored.result),
                "verdicts": scored.verdicts,
                "log_problems": scored.log_problems,
            }
        )
    else:
        _print(scored)
    return int(scored.passed is False)


def _print(scored: Any) -> None:
    result = scored.result
    click.echo(result.official_line)
    click.echo(f"  {result.n:,} of {result.expected_n:,} samples answered ({scored.task}, {scored.profile})")
    for verdict in scored.verdicts:
        bounds = [f"at least {verdict.minimum}"] * bool(verdict.minimum)
        bounds += [f"at most {verdict.maximum}"] * bool(verdict.maximum)
        word = "reached" if verdict.reached else "MISSED"
        wanted = f"{verdict.round} {verdict.benchmark} wants {' and '.join(bounds)}"
        click.echo(f"  {verdict.metric} {verdict.value}: {wanted}: {word} ({verdict.clause})")
    if scored.verdicts and not scored.official:
        click.echo(f"  note: {scored.profile} is not the rule book's model and data set: open division only")
    if not scored.verdicts:
        click.echo(f"  {_own_target(result)}")
    for problem in (*result.problems, *scored.log_problems[:10]):
        click.echo(f"  ! {problem}")
    if scored.written is not None:
        click.echo(f"  written: {scored.written}")


def _own_target(result: Any) -> str:
    from mlassay.tasks.metrics import significant

    if result.target is None:
        return "no target: the model or the data set is not one that a target is known for"
    word = "reached" if result.passed else "MISSED"
    wanted = f"target {significant(result.target.value)}"
    return f"{result.metric} {significant(result.value)}: {wanted}: {word} ({result.target.source})"
