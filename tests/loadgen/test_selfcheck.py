"""Who limits a result: the system under test, the load generator, or a schedule that asks for no more."""

from __future__ import annotations

import numpy as np
import pytest

from mlassay.core.enums import Scenario
from mlassay.core.settings import Server, Settings
from mlassay.core.trace import Overhead, Recording, Spread, Trace
from mlassay.loadgen.selfcheck import self_checked

N = 1_000
US = 1_000


def recorded(due_ns: np.ndarray, issued_ns: np.ndarray, done_ns: np.ndarray) -> Recording:
    trace = Trace(
        start_ns=0, start_unix_ns=0, due_ns=due_ns, issued_ns=issued_ns, first_id=np.arange(N), index=np.zeros(N, int),
        done_ns=done_ns, planned_queries=N,
    )  # fmt: skip
    overhead = Overhead(lateness=Spread(100, 200, 300, 400, 500, N), arrangement="inline")
    return Recording(trace=trace, overhead=overhead, faults=(), ended="complete")


def limit(recording: Recording, bound_ns: int = 50 * US) -> tuple[str, str]:
    settings = Settings(scenario=Scenario.SERVER, load=Server(target_qps=1e4, latency_bound_ns=bound_ns))
    overhead = self_checked(recording, settings).overhead
    return overhead.limited_by, overhead.reason


@pytest.mark.parametrize(
    ("own_us", "sut_us", "who"),
    [
        (3, 0.2, "load generator"),  # a null SUT, asked for more than the loop can issue: a query a microsecond
        (0.5, 20, "SUT"),  # a SUT that answers inline and takes longer than queries come
    ],
)
def test_a_saturated_issuing_thread_names_whose_time_it_spent(own_us: float, sut_us: float, who: str) -> None:
    due = np.arange(N) * US
    issued = (np.arange(N) * (own_us + sut_us) * US).astype(np.int64)
    done = (issued + sut_us * US).astype(np.int64)
    found, why = limit(recorded(due, issued, done))
    assert found == who
    assert "against a bound of 50.0 µs" in why


def test_a_queue_in_the_sut_is_the_suts() -> None:
    due = np.arange(N) * 10 * US
    assert limit(recorded(due, due + 200, due + 200 + np.arange(N) * 5 * US))[0] == "SUT"


def test_a_system_that_keeps_up_is_limited_by_the_schedule() -> None:
    due = np.arange(N) * 100 * US
    found, why = limit(recorded(due, due + 100, due + 2 * US))
    assert found == "schedule"
    assert "--target-qps" in why
