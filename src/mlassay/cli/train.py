"""`mlassay train`: train a benchmark to its quality target and time it."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from mlassay.cli.output import emit_json, json_option
from mlassay.core.enums import Division
from mlassay.core.errors import UsageError
from mlassay.core.units import NS_PER_S, format_ns, parse_duration_ns
from mlassay.runs.train import TrainResult, train_benchmark
from mlassay.runs.train_all import Failed, train_all
from mlassay.runs.training_request import TrainRequest
from mlassay.runs.training_resume import resume
from mlassay.training.catalogue import BENCHMARKS
from mlassay.training.common.processes import place
from mlassay.training.loop import Progress
from mlassay.training.measured import measured

EXAMPLES = """\b
Examples:
  mlassay train list                          what can be trained
  mlassay train resnet                        the small profile, once
  mlassay train ncf --runs 5 --seed 1         five runs, then the score
  mlassay train resnet --set learning_rate=0.2
  mlassay train all --runs 5 --out mine       every small profile; then: mlassay score mine
  mlassay train all --runs 5 --out mine --only-missing     the same, after an interruption
  torchrun --nproc-per-node 2 -m mlassay train resnet
  mlassay train resnet --resume mlassay-training
"""


@click.command(epilog=EXAMPLES)
@click.argument("benchmark")
@click.option("--profile", default="small", show_default=True, help="reference or small.")
@click.option("--round", "round_name", default="none", show_default=True, help="Training round whose rules hold.")
@click.option("--division", type=click.Choice(["closed", "open"]), default="open", show_default=True)
@click.option("--runs", "n_runs", type=click.IntRange(1), default=1, show_default=True, help="How many times.")
@click.option("--only-missing", is_flag=True, help="Runs that --out holds already, with the same settings, count.")
@click.option("--seed", type=int, help="Seed of the first run; the next have the next. Default: system entropy.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the data set. Default: its usual place.")
@click.option("--set", "wishes", multiple=True, metavar="KEY=VALUE", help="Change a setting; open division records it.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("mlassay-training"), show_default=True)
@click.option("--system", default="this-machine", show_default=True, help="Name of the system in the results tree.")
@click.option("--org", default="unnamed", show_default=True, help="Who runs it.")
@click.option("--threads", type=click.IntRange(1), help="CPU threads of one process.")
@click.option("--checkpoint-every", metavar="DURATION", help="Keep a checkpoint, such as every 10m, for --resume.")
@click.option("--time-limit", metavar="DURATION", help="Give up after this long, such as 30m.")
@click.option("--drop-caches", is_flag=True, help="Ask Linux to forget its file caches first (needs root).")
@click.option("--resume", "resume_folder", type=click.Path(path_type=Path, exists=True), help="Continue cut-off runs.")
@json_option
def train(
    benchmark: str,
    profile: str,
    round_name: str,
    division: str,
    n_runs: int,
    only_missing: bool,
    seed: int | None,
    device: str,
    data: Path | None,
    wishes: tuple[str, ...],
    out: Path,
    system: str,
    org: str,
    threads: int | None,
    checkpoint_every: str | None,
    time_limit: str | None,
    drop_caches: bool,
    resume_folder: Path | None,
    as_json: bool,
) -> int:
    """Train BENCHMARK until its quality target is met, and log and time the way there.

    BENCHMARK is a name from `mlassay train list`, or `all`.
    """
    if benchmark == "list":
        return _list(as_json)
    meter = _Meter()
    if resume_folder is not None:
        outcomes = resume(resume_folder, show=meter)
        if place().leads:
            lines = "\n".join(f"{o.status.value}: {o.reason}" for o in outcomes)
            emit_json(outcomes) if as_json else click.echo(lines)
        return 0 if all(o.status.value == "success" for o in outcomes) else 1
    request = TrainRequest(
        benchmark=benchmark,
        profile=profile,
        round=round_name,
        division=Division(division),
        n_runs=n_runs,
        seed=seed,
        device=device,
        data=data,
        overrides=_pairs(wishes),
        out=out,
        threads=threads,
        checkpoint_every_s=_seconds("--checkpoint-every", checkpoint_every),
        time_limit_s=_seconds("--time-limit", time_limit),
        drop_caches=drop_caches,
        only_missing=only_missing,
        org=org,
        system=system,
    )
    if benchmark == "all":
        return _train_every(request, meter, as_json)
    result = train_benchmark(request, show=meter)
    meter.clear()
    if result.leads:
        emit_json(result) if as_json else click.echo(describe(result))
    if result.interrupted:
        return 130
    return 0 if result.succeeded else 1


def _train_every(request: TrainRequest, meter: _Meter, as_json: bool) -> int:
    """Exit code: 130 interrupted; else that of the first error; else 1 when a run missed its target."""

    def tell(one: TrainResult | Failed) -> None:
        meter.clear()
        if as_json:
            return
        if isinstance(one, Failed):
            click.echo(f"error: {one.benchmark}: {one.error}", err=True)
        elif one.leads:
            click.echo(describe(one))

    results = train_all(BENCHMARKS.names(), request, show=meter, tell=tell)
    done = [r for r in results if isinstance(r, TrainResult)]
    failed = [r for r in results if isinstance(r, Failed)]
    if as_json and all(r.leads for r in done):
        emit_json([{"benchmark": r.benchmark, "error": str(r.error)} if isinstance(r, Failed) else r for r in results])
    if any(r.interrupted for r in done):
        return 130
    if failed:
        return failed[0].error.exit_code
    return 0 if all(r.succeeded for r in done) else 1


def describe(result: TrainResult) -> str:
    """The runs of one benchmark, then the score and the next command."""
    lines = [f"{result.benchmark} ({result.profile}), {result.division.value} division, round {result.round}"]
    if not result.outcomes:
        return f"{lines[0]}\n  nothing to do: the runs are there\n  next: mlassay score {result.folder.parents[2]}"
    for i, (seed, o) in enumerate(zip(result.seeds, result.outcomes, strict=True), result.first):
        per_s = o.samples / (o.duration_ns / NS_PER_S) if o.duration_ns else 0.0
        lines.append(
            f"  run {i}: {o.status.value.upper():8} {format_ns(o.duration_ns):>12}  epochs {o.epochs:.4g}"
            f"  {per_s:,.0f} samples/s  seed {seed}"
        )
        lines.append(f"         {o.reason}")
    lines += [f"  note: {note}" for note in result.notes]
    score = result.score
    if score.minutes is not None:
        spread = f", spread {100 * score.spread:.1f} % over {len(score.kept)} runs" if score.spread is not None else ""
        lines.append(f"  score: {score.minutes:.2f} minutes to target{spread}")
        lines += [f"  dropped: {d.name} ({d.minutes:.2f} min): {d.why}" for d in score.dropped]
    lines += [f"  no valid score: {p}" for p in score.problems]
    lines.append(f"  logs: {result.folder}")
    lines.append(f"  next: mlassay score {result.folder.parents[2]}")
    return "\n".join(lines)


def _list(as_json: bool) -> int:
    entries = list(BENCHMARKS)
    if as_json:
        emit_json([{"name": e.name, "summary": e.summary, "measured": measured().get(e.name)} for e in entries])
    else:
        width = max(len(e.name) for e in entries)
        click.echo("\n".join(f"{e.name:{width}}  {e.summary}" for e in entries))
    return 0


def _pairs(wishes: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for wish in wishes:
        key, sign, value = wish.partition("=")
        if not sign or not key:
            raise UsageError(f"--set is {wish!r}; expected KEY=VALUE")
        pairs[key] = value
    return pairs


def _seconds(option: str, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return parse_duration_ns(text) / NS_PER_S
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None


class _Meter:
    """Progress on standard error: one line rewritten on a terminal, a plain line now and then when piped."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._next = 0.0

    def __call__(self, run: int, p: Progress) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + (0.2 if self._terminal else 15.0)
        quality = " ".join(f"{k} {v:.4g}" for k, v in p.quality.items()) or "no evaluation yet"
        line = (
            f"run {run}: step {p.step}/{p.max_steps} epoch {p.epoch:.2f} loss {p.loss:.4f} {quality} "
            f"{p.samples_per_second:,.0f} samples/s {format_ns(p.elapsed_ns)}, "
            f"at most {format_ns(p.budget_left_ns)} left"
        )
        sys.stderr.write(f"\r\x1b[2K{line}" if self._terminal else f"{line}\n")
        sys.stderr.flush()

    def clear(self) -> None:
        if self._terminal:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
