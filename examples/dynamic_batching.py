"""Put dynamic batching in front of a function: requests wait up to 5 ms for company, then run together.

The function costs 3 ms a call, whatever the batch. One call per request: 333 requests a second at the very best.
With batching, many more; the price is that a request may wait.
"""

import time
from collections.abc import Sequence
from typing import Any

import mlassay
from mlassay.runs.inference import RunResults


def predict(samples: Sequence[Any]) -> list[int]:
    time.sleep(0.003)
    return [0 for _ in samples]


def measure(**batching: Any) -> RunResults:
    """Offer 600 requests a second for one second."""
    return mlassay.run(
        "image-classification",
        sut=predict,
        scenario="server",
        target_qps=600,
        latency_bound="100ms",
        duration="1s",
        **batching,
    )


def main() -> None:
    for name, options in (("one by one", {}), ("batched", {"max_batch": 16, "max_delay_ms": 5})):
        outcome = measure(**options).outcome
        print(f"{name}: {outcome.verdict}, p99 latency {outcome.latency_ns['99'] / 1e6:.0f} ms")


if __name__ == "__main__":
    main()
