"""One side, one case of `benchmarks/loadgen.py`, measured in a process of its own: prints its figures as JSON.

python benchmarks/loadgen_case.py '{"side": "ours", "scenario": "SingleStream", "n": 100000}'
"""

from __future__ import annotations

import array
import json
import os
import queue
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SEEDS = {"qsl_rng_seed": 11, "sample_index_rng_seed": 22, "schedule_rng_seed": 33}
LIBRARY = 1024


def hold_the_lock(ms: float) -> Callable[[], None]:
    """Python work of about `ms` milliseconds that never lets go of the interpreter lock."""

    def work() -> None:
        end = time.perf_counter_ns() + int(ms * 1e6)
        while time.perf_counter_ns() < end:
            pass

    return work


def numpy_work(ms: float) -> Callable[[], None]:
    """Small numpy operations that keep the interpreter lock, for about `ms` milliseconds."""
    import numpy as np

    x = np.arange(64.0)

    def work() -> None:
        end = time.perf_counter_ns() + int(ms * 1e6)
        while time.perf_counter_ns() < end:
            np.sqrt(x)

    return work


def make_gil_holder(ms: float) -> Callable[[Any], list[int]]:
    work = hold_the_lock(ms)

    def predict(samples: Any) -> list[int]:
        work()
        return [0] * len(samples)

    return predict


class Lib:
    name, total_count, performance_count = "numbers", LIBRARY, LIBRARY

    def load(self, indices: Any) -> None: ...
    def unload(self, indices: Any) -> None: ...
    def get(self, indices: Any) -> Any:
        return indices


def child_ours(case: dict[str, Any]) -> dict[str, float]:
    """The own seam: settings, plan, drive, judge, logs."""
    from functools import partial

    import numpy as np

    from mlassay.backends.batching import BatchingSUT
    from mlassay.backends.functions import FunctionSUT
    from mlassay.backends.null import NullSUT
    from mlassay.backends.worker_pool import WorkerPoolSUT
    from mlassay.core.enums import Mode, Scenario
    from mlassay.core.settings import MultiStream, Offline, Seeds, Server, Settings, SingleStream
    from mlassay.loadgen.drive import drive
    from mlassay.loadgen.judge import judge
    from mlassay.loadgen.plan import plan

    n, qps = case["n"], case.get("qps", 1e8)
    loads: dict[str, Any] = {
        "SingleStream": (Scenario.SINGLE_STREAM, SingleStream()),
        "MultiStream": (Scenario.MULTI_STREAM, MultiStream()),
        "Server": (Scenario.SERVER, Server(target_qps=qps)),
        "Offline": (Scenario.OFFLINE, Offline(min_sample_count=n)),
    }
    scenario, load = loads[case["scenario"]]
    settings = Settings(
        scenario=scenario, load=load, min_duration_ns=int(case.get("seconds", 0) * 1e9),
        min_query_count=1 if case["scenario"] == "Offline" else n, seeds=Seeds(qsl=11, sample_index=22, schedule=33),
        mode=Mode.ACCURACY if case.get("accuracy") else Mode.PERFORMANCE,
    )  # fmt: skip
    sut: Any = NullSUT()
    kind = case.get("sut", "null")
    if kind == "thread":

        class ThreadSUT(NullSUT):
            def open(self, sink: Any, samples: Any) -> None:
                self.queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
                self.sink = sink
                self.issue = self.queue.put  # type: ignore[method-assign,assignment]
                threading.Thread(target=self.work, daemon=True).start()

            def work(self) -> None:
                while (query := self.queue.get()) is not None:
                    self.sink.complete(query)

        sut = ThreadSUT()
    elif kind.startswith("sleep"):
        sut = FunctionSUT(lambda s: (time.sleep(float(kind[5:]) / 1e3), [0] * len(s))[1])
    elif kind.startswith("numpy"):
        work = numpy_work(float(kind[5:]))
        sut = FunctionSUT(lambda s: (work(), [0] * len(s))[1])
    elif kind.startswith("pool"):
        sut = WorkerPoolSUT(partial(make_gil_holder, float(kind[4:])), workers=case.get("workers", 1), max_batch=1)
    elif kind.startswith("gilthread"):
        sut = BatchingSUT(make_gil_holder(float(kind[9:])), max_batch=1, max_delay_ms=0)
    out = Path(tempfile.mkdtemp())
    total = case.get("total", LIBRARY)
    lib = Lib()
    lib.total_count = lib.performance_count = total  # type: ignore[misc]
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, cpu = time.perf_counter(), time.process_time()
    plans = plan(settings, total, total)
    keep = None
    if case.get("accuracy"):
        from mlassay.records.loadgen_log.accuracy import AccuracyLogWriter

        writer = AccuracyLogWriter(out / "mlperf_log_accuracy.json")
        index, payload = plans[0].index, b"\x01\x02\x03\x04"

        def keep(ids: Any, outputs: Any) -> None:
            writer.write(ids, index[ids[0] : ids[-1] + 1], [payload] * len(ids))

    recording = drive(settings, plans, sut, lib, keep=keep)
    outcome = judge(recording, settings)
    if case.get("accuracy"):
        writer.close()
    if case.get("logs"):
        write_our_logs(out, settings, plans, recording, outcome)
    wall = time.perf_counter() - began
    trace = recording.trace
    span = (trace.issued_ns[-1] - trace.issued_ns[0]) / 1e9 if trace.n_queries > 1 else 0
    late = np.sort(trace.issued_ns - trace.due_ns)[:]
    if kind.startswith(("numpy", "sleep")):  # inline: the SUT's own queue is not the generator's lateness
        late = np.array([recording.overhead.lateness.p50, recording.overhead.lateness.p99])
    pick = lambda p: float(late[min(len(late) - 1, int(len(late) * p))]) / 1e3  # noqa: E731
    return {
        "rate": (trace.n_queries - 1) / span if span else 0,
        "wall_s": wall, "cpu_s": time.process_time() - cpu,
        "rss_mib": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - rss) / 1024,
        "late_p50_us": pick(0.5), "late_p99_us": pick(0.99), "late_p999_us": pick(0.999),
        "latency_p50_us": outcome.latency_ns.get("50", 0) / 1e3,
    }  # fmt: skip


def write_our_logs(out: Path, settings: Any, plans: Any, recording: Any, outcome: Any) -> None:
    """Everything a run folder holds, through the public records."""
    from mlassay.records.loadgen_log.detail import write_detail
    from mlassay.records.loadgen_log.facts import LogFacts, Phase
    from mlassay.records.loadgen_log.summary import write_summary

    trace = recording.trace
    phase = Phase(
        mode=plans[0].mode, loaded=plans[0].load, query_count=plans[0].generated_query_count,
        samples_per_query=plans[0].samples_per_query, begin_unix_ns=trace.start_unix_ns,
        end_unix_ns=trace.start_unix_ns + outcome.duration_ns,
    )  # fmt: skip
    facts = LogFacts(figures=plans[0].effective, phases=(phase,), opened_unix_ns=trace.start_unix_ns)
    write_summary(out / "mlperf_log_summary.txt", settings, outcome, facts)
    write_detail(out / "mlperf_log_detail.txt", settings, outcome, facts)


def child_bindings(case: dict[str, Any]) -> dict[str, float]:
    """The official API, in the official module or in our drop-in."""
    import importlib

    import numpy as np

    lg = importlib.import_module(case["module"])
    settings = lg.TestSettings()
    settings.scenario = getattr(lg.TestScenario, case["scenario"])
    settings.mode = lg.TestMode.AccuracyOnly if case.get("accuracy") else lg.TestMode.PerformanceOnly
    settings.min_duration_ms = int(case.get("seconds", 0) * 1e3)
    settings.min_query_count = case["n"]
    settings.server_target_qps = case.get("qps", 1e8)
    settings.offline_expected_qps = 1.0
    settings.single_stream_expected_latency_ns = 1_000_000
    for name, value in SEEDS.items():
        setattr(settings, name, value)
    response, complete, clock = lg.QuerySampleResponse, lg.QuerySamplesComplete, time.time_ns
    stamps = array.array("q")
    kind = case.get("sut", "null")
    waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
    payload = array.array("B", b"\x01\x02\x03\x04")
    address, size = (payload.buffer_info()[0], 4) if case.get("accuracy") else (0, 0)

    def answer(queries: Any) -> None:
        complete([response(q.id, address, size) for q in queries])

    if kind == "null":

        def issue(queries: Any) -> None:
            stamps.append(clock())
            answer(queries)
    elif kind == "thread" or kind.startswith("gilthread"):
        work = hold_the_lock(float(kind[9:])) if kind.startswith("gilthread") else None

        def worker() -> None:
            while (queries := waiting.get()) is not None:
                if work:
                    work()
                answer(queries)

        threading.Thread(target=worker, daemon=True).start()

        def issue(queries: Any) -> None:
            stamps.append(clock())
            waiting.put(queries)
    else:
        ms = float(kind[5:])
        busy = numpy_work(ms) if kind.startswith("numpy") else lambda: time.sleep(ms / 1e3)

        def issue(queries: Any) -> None:
            stamps.append(clock())
            busy()
            answer(queries)

    out = tempfile.mkdtemp()
    output = lg.LogOutputSettings()
    output.outdir = out
    logs = lg.LogSettings()
    logs.log_output = output
    logs.enable_trace = bool(case.get("trace"))
    total = case.get("total", LIBRARY)
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, cpu = time.perf_counter(), time.process_time()
    sut = lg.ConstructSUT(issue, lambda: None)
    library = lg.ConstructQSL(total, total, lambda x: None, lambda x: None)
    lg.StartTestWithLogSettings(sut, library, settings, logs)
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    span = (stamps[-1] - stamps[0]) / 1e9 if len(stamps) > 1 else 0
    result = {
        "rate": (len(stamps) - 1) / span if span else 0, "wall_s": wall, "cpu_s": cpu,
        "rss_mib": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - rss) / 1024,
    }  # fmt: skip
    for line in Path(out, "mlperf_log_detail.txt").read_text(encoding="utf-8", errors="replace").splitlines():
        if '"result_50.00_percentile_latency_ns"' in line:
            result["latency_p50_us"] = json.loads(line.removeprefix(":::MLLOG "))["value"] / 1e3
    if case.get("late"):
        from mlassay.core.enums import Scenario
        from mlassay.core.settings import Seeds, Server, Settings
        from mlassay.loadgen.plan import plan

        same = Settings(
            scenario=Scenario.SERVER, load=Server(target_qps=case["qps"]), min_query_count=case["n"],
            min_duration_ns=int(case["seconds"] * 1e9), seeds=Seeds(qsl=11, sample_index=22, schedule=33),
        )  # fmt: skip
        due = plan(same, LIBRARY, LIBRARY)[0].due_ns[: len(stamps)]
        offset = np.frombuffer(stamps, np.int64)[: len(due)] - due
        late = np.sort(offset - offset.min())  # the start is not logged: lateness relative to the most punctual query
        for name, p in (("late_p50_us", 0.5), ("late_p99_us", 0.99), ("late_p999_us", 0.999)):
            result[name] = float(late[int(len(late) * p)]) / 1e3
    return result


if __name__ == "__main__":
    case = json.loads(sys.argv[1])
    print("@@" + json.dumps((child_ours if case["side"] == "ours" else child_bindings)(case)))
    sys.stdout.flush()
    os._exit(0)
