"""How fast are the training logs and the training loop themselves?

    python benchmarks/training.py [--seconds 5] [BENCHMARK ...]

Logs: microseconds per written event; megabytes per second read (filtered, whole, and a log that is mostly text);
memory while reading. Loop: for each named small profile, samples per second through the timed loop against a plain
PyTorch loop over the same model and optimiser, measured in turns in one run, and the data pipeline alone against the
model's appetite. Needs the training extra for the second part; take the figures on an otherwise idle machine.
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np

from mlassay.core.clock import RealClock
from mlassay.core.errors import MlassayError
from mlassay.records.mllog import LogWriter, iter_events, read_log

N_EVENTS = 200_000
NOISE = b"step 100 loss 2.345 throughput 123 samples/s eta 12:34 and some more of the usual text\n"


def logs() -> None:
    file = io.StringIO()
    writer = LogWriter(file)
    began = time.perf_counter()
    for i in range(N_EVENTS):
        writer.event("eval_accuracy", 0.5 + i * 1e-6, {"epoch_num": i})
    print(f"write: {(time.perf_counter() - began) / N_EVENTS * 1e6:.1f} us per event")
    events = file.getvalue().encode()
    mixed = b"".join(NOISE * 10 + line + b"\n" for line in events.splitlines()[:50_000])
    for name, data, keys in (
        ("events alone, all decoded", events, None),
        ("events alone, two keys", events, {"run_start", "run_stop"}),
        ("mostly text, all decoded", mixed, None),
        ("mostly text, two keys", mixed, {"run_start", "run_stop"}),
    ):
        began = time.perf_counter()
        n = sum(1 for _ in iter_events(io.BytesIO(data), [], keys=keys))
        seconds = time.perf_counter() - began
        print(f"read {name}: {len(data) / 1e6 / seconds:.0f} MB/s ({n} events of {len(data) / 1e6:.0f} MB)")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.txt"
        path.write_bytes(mixed)
        tracemalloc.start()
        read_log(path, keys={"run_start"})
        print(
            f"memory while reading {len(mixed) / 1e6:.0f} MB: {tracemalloc.get_traced_memory()[1] / 1e6:.1f} MB at most"
        )
        tracemalloc.stop()


def loop(name: str, seconds: float) -> None:
    import torch

    from mlassay.training.benchmark import Surroundings
    from mlassay.training.catalogue import recipe
    from mlassay.training.common.order import Indices
    from mlassay.training.loop import LoopSettings, train

    chosen = recipe(name)
    config = chosen.profiles["small"]()

    def fresh():
        benchmark = chosen.make(config, "small", Surroundings(seed=1))
        benchmark.evaluate = lambda: {benchmark.spec.targets[0].metric: float("nan")}
        return benchmark

    def through_the_loop() -> float:
        benchmark = fresh()
        reached = {"n": 0}
        start = {"t": 0.0}

        def progress(p):
            now = time.perf_counter()
            if p.step == 3:
                start["t"], start["n"] = now, p.step
            reached["n"] = p.step
            if p.step > 3 and now - start["t"] > seconds:
                start["end"] = now
                raise KeyboardInterrupt

        train(benchmark, clock=RealClock(), emit=lambda e: None, settings=LoopSettings(), progress=progress)
        end = start.get("end", time.perf_counter())
        return (reached["n"] - 3) * config.global_batch_size / (end - start["t"])

    def plainly() -> float:
        """The loop that anyone would write: batch, loss, backward, step."""
        benchmark = fresh()
        benchmark.build()
        benchmark.load()
        model, optimizer = benchmark.model, benchmark.optimizer
        model.train()
        began, n = 0.0, 0
        for step in range(1_000_000):
            if step == 3:
                began = time.perf_counter()
            benchmark.step_number = step
            loss = benchmark.loss(model, benchmark.order.batch(step), np.random.default_rng(step))
            optimizer.zero_grad()
            loss.backward()
            if config.clip_norm > 0:
                torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
            optimizer.step()
            if step >= 3:
                n += config.global_batch_size
                if time.perf_counter() - began > seconds:
                    break
        return n / (time.perf_counter() - began)

    def data_alone() -> float:
        """The pipeline with a model that answers without work; only where the loss asks the data first."""
        benchmark = fresh()
        benchmark.build()
        benchmark.load()

        class Stop(Exception):
            pass

        def stop(*_: object) -> None:
            raise Stop

        n, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds / 2:
            batch: Indices = benchmark.order.batch(n % benchmark.order.steps_per_epoch)
            try:
                benchmark.loss(stop, batch, np.random.default_rng(n))
            except Stop:
                n += 1
        return n * config.global_batch_size / (time.perf_counter() - began)

    ours, plain = [], []
    for _ in range(3):  # in turns, so that a busy machine hurts both alike
        ours.append(through_the_loop())
        plain.append(plainly())
    a, b, d = statistics.median(ours), statistics.median(plain), data_alone()
    print(
        f"{name}: loop {a:,.0f} samples/s, plain {b:,.0f}, ratio {a / b:.2f}; "
        f"data alone {d:,.0f}, {d / a:.1f}x the appetite"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("benchmarks", nargs="*", default=["ncf", "resnet", "transformer", "dlrm", "llama31_8b"])
    parser.add_argument("--seconds", type=float, default=5.0, help="for each measurement")
    args = parser.parse_args()
    logs()
    for name in args.benchmarks:
        try:
            loop(name, args.seconds)
        except MlassayError as error:
            print(f"{name}: not measured: {error}")


if __name__ == "__main__":
    main()
