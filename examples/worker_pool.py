"""Run a function in worker processes: for Python code that computes and so keeps the interpreter to itself.

In one process, such code would also hold up the load generator, which then sends requests late. With a pool the
generator stays punctual. `make` is called in each worker: a model would be loaded there.
"""

from collections.abc import Callable, Sequence
from typing import Any

import mlassay
from mlassay.backends.worker_pool import WorkerPoolSUT


def make() -> Callable[[Sequence[Any]], list[int]]:
    """Called once in each worker process."""

    def predict(samples: Sequence[Any]) -> list[int]:
        answers = []
        for sample in samples:
            total = 0
            for step in range(20_000):  # plain Python work: about a millisecond
                total += step
            answers.append(total % 10 + int(sample.sum()) % 2)
        return answers

    return predict


def main() -> None:
    result = mlassay.run(
        "image-classification",
        sut=WorkerPoolSUT(make, workers=2),
        scenario="server",
        target_qps=100,
        latency_bound="200ms",
        duration="1s",
    )
    overhead = result.outcome.overhead
    print(f"{result.outcome.verdict}: p99 latency {result.outcome.latency_ns['99'] / 1e6:.1f} ms")
    print(f"arrangement: {overhead.arrangement}; generator late p99 {overhead.lateness.p99 / 1000:.0f} µs")


if __name__ == "__main__":  # worker processes import this file again: this line keeps them from running it
    main()
