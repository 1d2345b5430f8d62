"""Run folders with known latencies, made by the writer that real runs use."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mlassay.core.enums import Mode, Scenario
from mlassay.core.outcome import BoundCheck, Metric, Outcome, Verdict
from mlassay.core.settings import Settings, SingleStream
from mlassay.core.trace import Overhead, Recording, Trace
from mlassay.records.folder import RunFolder


def trace_of(latencies_ns: np.ndarray, *, unanswered: int = 0) -> Trace:
    """One query after the other, each due when the one before is done."""
    done = np.cumsum(latencies_ns).astype(np.int64)
    due = np.concatenate(([0], done[:-1])).astype(np.int64)
    n = len(done)
    done = done.copy()
    if unanswered:
        done[-unanswered:] = -1
    return Trace(
        start_ns=0,
        start_unix_ns=1_795_000_000_000_000_000,
        due_ns=due,
        issued_ns=due + 500,
        first_id=np.arange(n, dtype=np.int64),
        index=np.zeros(n, np.int32),
        done_ns=done,
        planned_queries=n,
    )


def write_run(
    folder: Path,
    latencies_ns: np.ndarray,
    *,
    task: str = "toy",
    round_name: str = "none",
    verdict: Verdict = Verdict.VALID,
    runtime: str = "ONNX Runtime",
    provider: str = "CPUExecutionProvider",
    finish: bool = True,
) -> Path:
    """A finished SingleStream run (or one that was cut off) with exactly these latencies."""
    settings = Settings(scenario=Scenario.SINGLE_STREAM, load=SingleStream(), round=round_name, benchmark=task)
    run = RunFolder.create(
        folder,
        settings,
        command=("mlassay run toy",),
        request={"task": task},
        sut={"name": "onnxruntime", "runtime": runtime, "version": "1", "providers": [provider]},
    )
    if not finish:
        return folder
    trace = trace_of(latencies_ns)
    ordered = np.sort(latencies_ns)
    p90 = int(ordered[int(np.ceil(len(ordered) * 0.9)) - 1])
    outcome = Outcome(
        scenario=Scenario.SINGLE_STREAM,
        mode=Mode.PERFORMANCE,
        verdict=verdict,
        metric=Metric("p90 latency", p90, "ns", False),
        n_queries=len(ordered),
        n_samples=len(ordered),
        duration_ns=int(latencies_ns.sum()),
        latency_ns={
            "min": int(ordered[0]),
            "mean": int(ordered.mean()),
            "50": int(ordered[len(ordered) // 2]),
            "90": p90,
            "99": int(ordered[-1 - len(ordered) // 100]),
        },
        checks=(BoundCheck("min-queries", True, len(ordered), 64, "queries", "enough queries", "rules"),),
        warnings=("a warning",),
    )
    run.finish(Recording(trace=trace, overhead=Overhead()), outcome)
    return folder


def lognormal(seed: int, n: int = 5000, middle_ns: float = 1e6) -> np.ndarray:
    return (np.random.default_rng(seed).lognormal(0, 0.3, n) * middle_ns).astype(np.int64)
