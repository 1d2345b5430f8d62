"""How fast are the training logs and the training loop themselves?

    python benchmarks/training.py                 some minutes
    python benchmarks/training.py --quick         under a minute
    python benchmarks/training.py ssd --seconds 20 --without logs reference

logs: microseconds that one event costs a run; megabytes that one core reads in a second, fully decoded and filtered;
memory while reading. loop: for each small profile, samples per CPU second through the timed loop against a plain
PyTorch loop over the same network with batches, loss and optimiser of its own (benchmarks/training_plain.py), block by
block in turns in one process, as median, spread and ratio; and the data pipeline alone against the model's appetite.
reference: a few optimiser steps of reference profiles on made-up data of the true format
(benchmarks/training_reference.py).

One thread; the loop is timed in seconds of the processor, so that a busy machine hurts little. Needs the training and
training-data extras.
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # the tests' makers of data

from mlassay.core.clock import RealClock
from mlassay.core.errors import MlassayError
from mlassay.records.mllog import Flavour, LogWriter, iter_events, read_log
from mlassay.runs.training_log import LogSink
from mlassay.training.benchmark import Spec, Surroundings, Target
from mlassay.training.catalogue import recipe
from mlassay.training.loop import LoopSettings, Progress, TrainingEvent, train

PARTS = ("logs", "loop", "reference")
SMALL = ("ncf", "ssd", "resnet", "transformer", "maskrcnn", "gnmt", "bert", "dlrm", "llama31_8b")
NOISE = b"step 100 loss 2.345 throughput 123 samples/s eta 12:34 and some more of the usual text\n"
MOST_US_PER_EVENT = 20.0
WARM_UP_STEPS = 3


def written_events(n_events: int) -> None:
    """What one event costs a run: translated, written and flushed to a file."""
    spec = Spec(
        benchmark="ncf", log_id="ncf", profile="small", targets=(Target("hr_at_10", 0.9),), global_batch_size=64
    )
    with tempfile.TemporaryDirectory() as folder:
        sink = LogSink(Path(folder) / "result_0.txt", spec, RealClock(), flavour=Flavour.MLLOG, seed=1)
        costs = []
        for _ in range(5):
            began = time.thread_time()
            for i in range(n_events):
                sink.emit(TrainingEvent(i, "eval_accuracy", 0.5, {"epoch_num": i}))
            costs.append((time.thread_time() - began) / n_events * 1e6)
        sink.close()
    cost = statistics.median(costs)
    verdict = "within" if cost < MOST_US_PER_EVENT else "MORE THAN"
    print(
        f"log: {cost:.1f} us of CPU per event, {verdict} {MOST_US_PER_EVENT:.0f} ({min(costs):.1f} to {max(costs):.1f})"
    )


def read_events(n_events: int) -> None:
    """Megabytes that a core reads in a second of its time, by kind of log; and the memory that it takes."""
    file = io.StringIO()
    writer = LogWriter(file)
    for i in range(n_events):
        writer.event("eval_accuracy", 0.5 + i * 1e-6, {"epoch_num": i})
    events = file.getvalue().encode()
    mixed = b"".join(NOISE * 10 + line + b"\n" for line in events.splitlines()[: n_events // 4])
    few = {"run_start", "run_stop"}
    cases = (
        ("events alone, all decoded", events, None), ("events alone, two keys", events, few),
        ("mostly text, all decoded", mixed, None), ("mostly text, two keys", mixed, few),
    )  # fmt: skip
    rates: dict[str, list[float]] = {name: [] for name, _, _ in cases}
    for _ in range(5):
        for name, data, keys in cases:
            began = time.thread_time()
            sum(1 for _ in iter_events(io.BytesIO(data), [], keys=keys))
            rates[name].append(len(data) / 1e6 / (time.thread_time() - began))
    for name, found in rates.items():
        print(f"read {name}: {statistics.median(found):.0f} MB/s of a core ({min(found):.0f} to {max(found):.0f})")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.txt"
        for times in (1, 4):
            path.write_bytes(mixed * times)
            tracemalloc.start()
            read_log(path, keys={"run_start"})
            most = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            print(f"memory while reading {len(mixed) * times / 1e6:.0f} MB of log: {most / 1e6:.2f} MB at most")


class Turns:
    """Times our loop and another in turns: called by our loop at each step, it runs a block of the other's."""

    def __init__(self, other: Iterator[None] | None, n_blocks: int, block_s: float) -> None:
        self._other, self._n_blocks, self._block_s = other, n_blocks, block_s
        self._steps = 0  # in the present block of ours
        self._began = 0.0
        self.ours: list[float] = []  # steps per second of processor time: other processes do not count
        self.theirs: list[float] = []

    def __call__(self, at: Progress) -> None:
        if at.step == WARM_UP_STEPS:
            for _ in range(WARM_UP_STEPS if self._other else 0):
                next(self._other)
            self._began, self._steps = time.process_time(), 0
            return
        self._steps += 1
        now = time.process_time()
        if at.step < WARM_UP_STEPS or now - self._began < self._block_s:
            return
        self.ours.append(self._steps / (now - self._began))
        if self._other:
            began = time.process_time()
            for _ in range(self._steps):
                next(self._other)
            self.theirs.append(self._steps / (time.process_time() - began))
        if len(self.ours) == self._n_blocks:
            raise KeyboardInterrupt
        self._began, self._steps = time.process_time(), 0


def loop(name: str, seconds: float) -> None:
    import torch
    from training_plain import LOOPS

    chosen = recipe(name)
    config = chosen.profiles["small"]()
    batch = config.global_batch_size
    torch.manual_seed(1)
    n_blocks = 5
    other = LOOPS[name](config) if name in LOOPS else None
    turns = Turns(other, n_blocks, seconds / n_blocks / (2 if other else 1))
    benchmark = unevaluated(chosen.make(config, "small", Surroundings(seed=1)))
    train(benchmark, clock=RealClock(), emit=lambda event: None, settings=LoopSettings(), progress=turns)
    ours = statistics.median(turns.ours) * batch
    spread = f"{min(turns.ours) * batch:,.0f} to {max(turns.ours) * batch:,.0f}"
    text = f"{name}: loop {ours:,.0f} samples per CPU second ({spread})"
    if turns.theirs:
        ratios = [a / b for a, b in zip(turns.ours, turns.theirs, strict=True)]
        text += f", plain {statistics.median(turns.theirs) * batch:,.0f}"
        text += f", ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    alone = data_alone(benchmark, seconds / 4)
    print(f"{text}; data alone {alone:,.0f}, {alone / ours:.1f}x the appetite")


def unevaluated(benchmark: Any) -> Any:
    """Evaluations answer at once, and never meet the target."""
    benchmark.evaluate = lambda: {t.metric: float("nan") for t in benchmark.spec.targets}
    return benchmark


def data_alone(benchmark: Any, seconds: float) -> float:
    """Samples per second of the pipeline before a model that is never asked: each loss asks the data first."""

    class Asked(Exception):
        pass

    def model(*_: object) -> None:
        raise Asked

    n, began = 0, time.process_time()
    while time.process_time() - began < seconds:
        benchmark.step_number = n  # what is drawn anew each epoch counts too
        try:
            benchmark.loss(model, benchmark.order.batch(n % benchmark.order.steps_per_epoch), np.random.default_rng(n))
        except Asked:
            n += 1
    return n * benchmark.config.global_batch_size / (time.process_time() - began)


def references(names: list[str], quick: bool) -> None:
    from training_reference import PROFILES, QUICK, steps

    for name in [n for n in (QUICK if quick else PROFILES) if not names or n in names]:
        attempt(steps, name, 2 if quick else 5)


def attempt(measure: Any, name: str, *rest: Any) -> None:
    try:
        measure(name, *rest)
    except MlassayError as error:
        print(f"{name}: not measured: {error}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("benchmarks", nargs="*", help=f"default: {', '.join(SMALL)}, and every reference profile")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each benchmark of the loop")
    parser.add_argument("--quick", action="store_true", help="fewer benchmarks and steps: under a minute")
    parser.add_argument("--without", nargs="+", choices=PARTS, default=[], help="leave parts out")
    args = parser.parse_args()
    n_events, seconds = (20_000, 1.2) if args.quick else (200_000, args.seconds)
    import torch

    torch.set_num_threads(1)
    if "logs" not in args.without:
        written_events(n_events // 10)
        read_events(n_events)
    if "loop" not in args.without:
        for name in args.benchmarks or SMALL[: 4 if args.quick else None]:
            attempt(loop, name, seconds)
    if "reference" not in args.without:
        references(args.benchmarks, args.quick)


if __name__ == "__main__":
    main()
