"""`mlassay run`: one inference run, from words to a run folder."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from mlassay.cli.output import emit_json, json_option
from mlassay.core.enums import Division, Mode, SampleOrder, Scenario, Suite
from mlassay.core.errors import UsageError
from mlassay.core.units import parse_duration_ns

EXAMPLES = """\b
Examples:
  mlassay run image-classification --scenario single-stream --duration 5s
  mlassay run image-classification --scenario offline --mode accuracy
  mlassay run image-classification --scenario server --target-qps 500 --latency-bound 10ms
  mlassay run image-classification --scenario server --mode find-peak --latency-bound 10ms
  mlassay run image-classification --scenario offline -b intra_threads=1 --round v5.1
  mlassay run image-classification --scenario single-stream --model my.onnx --data photos/
"""


class DurationType(click.ParamType[int]):
    """'250ms', '10s', '2m' to nanoseconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return parse_duration_ns(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


DURATION = DurationType()
SCENARIOS = [s.value for s in Scenario]
DIVISIONS = [d.value for d in Division]


def pairs(values: tuple[str, ...], option: str) -> dict[str, str]:
    """key=value words to a dict; raises UsageError naming the word."""
    found = {}
    for value in values:
        key, equals, rest = value.partition("=")
        if not equals or not key:
            raise UsageError(f"{option} {value!r} is not key=value")
        found[key.strip()] = rest.strip()
    return found


def run_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that decide a run; `run` shares them with `audit` and others."""
    options = [
        click.option("--scenario", "-s", required=True, type=click.Choice(SCENARIOS), help="How load arrives."),
        click.option("--backend", default="", help="See mlassay list backends. Default: the task's first."),
        click.option("-b", "--backend-option", multiple=True, metavar="KEY=VALUE", help="Option of the backend."),
        click.option("--workers", type=click.IntRange(0), default=0, help="Run the model in so many processes."),
        click.option("--profile", default="", help="Profile of the task: small, or the rule book's model."),
        click.option("--model", default="", help="A model that the task knows, or a model file of yours."),
        click.option("--data", type=click.Path(path_type=Path), help="Folder of the data set."),
        click.option("-o", "--task-option", multiple=True, metavar="KEY=VALUE", help="Option of the task."),
        click.option("--performance-samples", type=click.IntRange(1), help="Samples to hold in memory."),
        click.option("--round", "round_name", default="none", show_default=True, help="Round whose rules hold."),
        click.option("--division", type=click.Choice(DIVISIONS), help="Default: what the data allow."),
        click.option("--suite", type=click.Choice([s.value for s in Suite]), help="datacenter or edge."),
        click.option("--target-qps", type=float, help="Server: arrivals a second. Offline: expected samples a second."),
        click.option("--latency-bound", type=DURATION, help="Server: bound. v0.5 MultiStream: interval."),
        click.option("--ttft", type=DURATION, help="Bound on time to first token."),
        click.option("--tpot", type=DURATION, help="Bound on time per output token."),
        click.option("--percentile", type=float, help="Percentile that is judged, such as 99."),
        click.option("--expected-latency", type=DURATION, help="SingleStream, MultiStream: sizes the query list."),
        click.option("--samples-per-query", type=click.IntRange(1), help="MultiStream: samples (streams) a query."),
        click.option("--duration", type=DURATION, help="Shortest duration, such as 10s."),
        click.option("--max-duration", type=DURATION, help="Stop after this long."),
        click.option("--queries", type=click.IntRange(1), help="Fewest queries."),
        click.option("--samples", type=click.IntRange(1), help="Offline: fewest samples in the query."),
        click.option("--order", type=click.Choice([o.value for o in SampleOrder]), help="Which samples are asked for."),
        click.option("--seed", type=int, help="One seed for all three random streams (without a round)."),
        click.option("--coalesce", is_flag=True, help="Server: hand over all that is due as one query."),
        click.option("--max-async", type=click.IntRange(1), help="Server: most queries in flight."),
        click.option("--user-conf", type=click.Path(path_type=Path), help="Settings in the official user.conf format."),
        click.option("--audit-config", type=click.Path(path_type=Path), help="An audit.config to lay on top."),
        click.option("--stall-timeout", type=DURATION, help="Longest wait for any answer. Default 5m."),
    ]  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def request_of(task: str, mode: str, out: Path | None, trace_json: bool, words: dict[str, Any]) -> Any:
    """The RunRequest that the words ask for."""
    from mlassay.runs.api import make_request

    words = dict(words)
    return make_request(
        task,
        mode=mode,
        out=out,
        trace_json=trace_json,
        command=shlex.join(["mlassay", *sys.argv[1:]]),
        backend_options=pairs(words.pop("backend_option"), "--backend-option"),
        task_options=pairs(words.pop("task_option"), "--task-option"),
        round=words.pop("round_name"),
        coalesce=words.pop("coalesce") or None,
        performance_count=words.pop("performance_samples") or 0,
        **words,
    )


@click.command("run", epilog=EXAMPLES)
@click.argument("task")
@run_options
@click.option("--mode", type=click.Choice([m.value for m in Mode]), default="performance", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Run folder. Default: a new one under ./runs.")
@click.option("--trace", "trace_json", is_flag=True, help="Also write mlperf_log_trace.json for a Chrome-trace viewer.")
@click.option("--quiet", is_flag=True, help="No progress.")
@json_option
def command(task: str, mode: str, out: Path | None, trace_json: bool, quiet: bool, as_json: bool, **words: Any) -> int:
    """Run TASK in one scenario and judge the result.

    Without --round the run has no rules but your own; with one, its bounds, counts and seeds hold.
    """
    from mlassay.cli.progress import RunProgress
    from mlassay.runs.inference import exit_code, run_inference, run_report

    request = request_of(task, mode, out, trace_json, words)
    with RunProgress(quiet=quiet or as_json) as progress:
        results = run_inference(request, progress=progress)
    if as_json:
        emit_json(run_report(results))
    else:
        from mlassay.cli.result_view import print_results

        print_results(results)
    return exit_code(results)
