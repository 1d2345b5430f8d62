"""Measure an async function, such as a client of a service: many requests are under way at once.

The service is imaginary: it takes 20 ms for a request, however many others there are. So 100 requests a second arrive,
two are open at any moment, and none waits for another.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import mlassay


async def ask_the_service(samples: Sequence[Any]) -> list[int]:
    """Send the samples, wait for the answers. The event loop runs other requests meanwhile."""
    await asyncio.sleep(0.020)
    return [0 for _ in samples]


def main() -> None:
    result = mlassay.run(
        "image-classification",
        sut=ask_the_service,
        scenario="server",
        target_qps=100,
        latency_bound="200ms",
        duration="1s",
    )
    outcome = result.outcome
    print(f"{outcome.verdict}: p50 latency {outcome.latency_ns['50'] / 1e6:.1f} ms")
    for advice in outcome.advice:
        print(f"  next: {advice}")


if __name__ == "__main__":
    main()
