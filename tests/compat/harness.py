"""A small harness in the official interface, run with either module: null SUTs of the demonstration programs' kind."""

from __future__ import annotations

import json
import queue
import threading
import time
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

SEEDS = {
    "qsl_rng_seed": 2085463073848966840,
    "sample_index_rng_seed": 2747215439041700203,
    "schedule_rng_seed": 16159082839903944936,
}
PAYLOAD = array("i", [497, -1, 7, 1000])


@dataclass(slots=True)
class Result:
    """What the harness saw and what stands in the logs."""

    queries: list[list[int]] = field(default_factory=list)
    loads: list[list[int]] = field(default_factory=list)
    unloads: int = 0
    flushes: int = 0
    called_back: int = 0
    summary: str = ""
    detail: list[dict[str, Any]] = field(default_factory=list)
    accuracy: list[dict[str, Any]] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    def keys(self) -> list[str]:
        return [entry["key"] for entry in self.detail]

    def value(self, key: str) -> Any:
        return next(entry["value"] for entry in self.detail if entry["key"] == key)

    def values(self, key: str) -> list[Any]:
        return [entry["value"] for entry in self.detail if entry["key"] == key]


def settings_of(lg: ModuleType, wishes: dict[str, Any]) -> Any:
    settings = lg.TestSettings()
    for key, value in {**SEEDS, **wishes}.items():
        kind = {"scenario": lg.TestScenario, "mode": lg.TestMode}.get(key)
        setattr(settings, key, getattr(kind, value) if kind else value)
    return settings


def run(
    lg: ModuleType,
    folder: Path,
    wishes: dict[str, Any],
    *,
    answer: str = "inline",  # "inline", "thread", "batch": one call per query, from a worker, many queries a call
    fast: bool = False,
    slow_s: float = 0.0,
    audit: str = "",
    total: int = 100,
    held: int = 64,
    trace: bool = True,
) -> Result:
    """One StartTest with a null SUT that answers sixteen bytes."""
    result = Result()
    tokens = wishes.get("use_token_latencies", False)
    first_tokens = tokens and wishes["scenario"] != "Offline"
    address, length = PAYLOAD.buffer_info()
    size = length * PAYLOAD.itemsize

    def called_back(response: Any) -> None:
        assert response.size == size
        result.called_back += 1

    def complete(ids: list[int]) -> None:
        if slow_s:
            time.sleep(slow_s)
        if first_tokens:
            lg.FirstTokenComplete([lg.QuerySampleResponse(i, address, 4) for i in ids])
        count = (4,) if tokens else ()
        lg.QuerySamplesComplete([lg.QuerySampleResponse(i, address, size, *count) for i in ids], called_back)

    waiting: queue.SimpleQueue[list[int] | None] = queue.SimpleQueue()

    def work() -> None:
        while (ids := waiting.get()) is not None:
            if answer == "batch":
                while not waiting.empty() and (more := waiting.get()) is not None:
                    ids = ids + more
            complete(ids)

    def issue(samples: Any) -> None:
        assert all(type(s).__name__ == "QuerySample" for s in samples)
        result.queries.append([s.index for s in samples])
        ids = [s.id for s in samples]
        complete(ids) if answer == "inline" else waiting.put(ids)

    def issue_fast(ids: list[int], indices: list[int]) -> None:
        result.queries.append(list(indices))
        complete(ids) if answer == "inline" else waiting.put(list(ids))

    def flush() -> None:
        result.flushes += 1

    def unload(indices: list[int]) -> None:
        result.unloads += len(indices)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    output = lg.LogOutputSettings()
    output.outdir = str(folder)
    logs = lg.LogSettings()
    logs.log_output, logs.enable_trace = output, trace
    config = folder / "audit.config"
    if audit:
        config.write_text(audit)
    sut = (lg.ConstructFastSUT if fast else lg.ConstructSUT)(issue_fast if fast else issue, flush)
    library = lg.ConstructQSL(total, held, lambda indices: result.loads.append(list(indices)), unload)
    lg.StartTestWithLogSettings(sut, library, settings_of(lg, wishes), logs, str(config))
    lg.DestroyQSL(library)
    (lg.DestroyFastSUT if fast else lg.DestroySUT)(sut)
    waiting.put(None)
    worker.join()
    read_logs(result, folder)
    return result


def read_logs(result: Result, folder: Path) -> None:
    result.files = sorted(p.name for p in folder.iterdir() if p.name.startswith("mlperf_log"))
    result.summary = (folder / "mlperf_log_summary.txt").read_text()
    for line in (folder / "mlperf_log_detail.txt").read_text().splitlines():
        if line.startswith(":::MLLOG"):
            result.detail.append(json.loads(line.removeprefix(":::MLLOG")))
    result.accuracy = json.loads((folder / "mlperf_log_accuracy.json").read_text())
