#!/usr/bin/env python3
"""Our load generator beside the official one's Python bindings, in one run, with ratios.

    python benchmarks/loadgen.py [all|rates|work|thread|lateness|busy|memory|accuracy] [--repeat N] [--json FILE]

Every figure comes from a fresh process; the two sides take turns, so that a drifting machine hits both; the ratio is
the median of the pairwise ratios, with their smallest and largest. Needs `pip install mlcommons-loadgen`.

How figures are taken: rates are (queries - 1) / (last issue - first issue), clocked inside the SUT; "end to end" is
from settings to logs written; lateness is the time a query reached the SUT minus its scheduled time.
"""

from __future__ import annotations

import argparse
import array
import json
import os
import queue
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHILD_ENV = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
SEEDS = {"qsl_rng_seed": 11, "sample_index_rng_seed": 22, "schedule_rng_seed": 33}
LIBRARY = 1024

# ---- inside a child: one side, one case ---------------------------------------------------------------------------


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
            writer.write(ids, index[ids[0] : ids[-1] + 1].tolist(), [payload] * len(ids))

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


# ---- the parent: turns, medians, ratios ---------------------------------------------------------------------------


def run_child(case: dict[str, Any]) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, "--child", json.dumps(case)],
        capture_output=True, text=True, timeout=600, env={**os.environ, **CHILD_ENV},
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if line.startswith("@@")]
    if not lines:
        raise SystemExit(f"{case}: exit {done.returncode}\n{done.stderr[-2000:]}")
    result: dict[str, float] = json.loads(lines[-1][2:])
    return result


OURS = {"side": "ours"}
COMPAT = {"side": "bindings", "module": "mlassay.compat.mlperf_loadgen"}
OFFICIAL = {"side": "bindings", "module": "mlperf_loadgen"}


def compare(
    label: str, ours: dict[str, Any], theirs: dict[str, Any], wants: dict[str, str], args: argparse.Namespace
) -> None:
    """Take turns; print both medians and the ratio of each figure (above 1: ours is better, whichever way it runs)."""
    a, b = [], []
    for _ in range(args.repeat):
        b.append(run_child(theirs))
        a.append(run_child(ours))
    for figure, want in wants.items():
        x, y = [r[figure] for r in a], [r[figure] for r in b]
        lower = figure != "rate"
        ratios = [(v / u if lower else u / v) if u and v else float("nan") for u, v in zip(x, y, strict=True)]
        mid = statistics.median(ratios)
        digits = 0 if figure == "rate" else 2
        print(
            f"{label:<46} {figure:<14} ours {statistics.median(x):>12,.{digits}f}"
            f" ({min(x):,.{digits}f}..{max(x):,.{digits}f})"
            f"  official {statistics.median(y):>10,.{digits}f}  ratio {mid:7.2f} ({min(ratios):.2f}..{max(ratios):.2f})"
            f"  {'want ' + want if want else ''}",
            flush=True,
        )
        if args.json:
            with open(args.json, "a", encoding="utf-8") as file:
                file.write(
                    json.dumps({"label": label, "figure": figure, "ratio": mid, "ours": a, "official": b}) + "\n"
                )


def rates(args: argparse.Namespace) -> None:
    """Null SUT, answered inline."""
    cases = (("SingleStream", 300_000, "≥ 4"), ("MultiStream", 80_000, "≥ 6"), ("Server", 300_000, "≥ 5"))
    for scenario, n, want in cases:
        case = {"scenario": scenario, "n": n}
        compare(f"own seam, {scenario}, null SUT", OURS | case, OFFICIAL | case, {"rate": want}, args)
    offline = {"scenario": "Offline", "n": 1_000_000, "logs": True}
    compare("own seam, Offline 10^6, settings to logs", OURS | offline, OFFICIAL | offline, {"wall_s": "≥ 10"}, args)
    for scenario, n, _ in cases:
        case = {"scenario": scenario, "n": n}
        compare(f"compat module, {scenario}, null SUT", COMPAT | case, OFFICIAL | case, {"rate": "≥ 1.8"}, args)
    compare("compat module, Offline 10^6", COMPAT | offline, OFFICIAL | offline, {"wall_s": "≥ 1.8"}, args)


def work(args: argparse.Namespace) -> None:
    """SUTs that work 1 or 10 ms a query: numpy holding the interpreter lock, or sleeping without it."""
    for kind in ("sleep1", "sleep10", "numpy1", "numpy10"):
        case = {"scenario": "SingleStream", "n": int(600 / float(kind[5:])), "sut": kind}
        label = f"own seam, SingleStream, SUT {kind} ms"
        compare(label, OURS | case, OFFICIAL | case, {"rate": "≥ 1", "cpu_s": ""}, args)
    for kind in ("sleep1", "numpy1"):
        for scenario, n in (("MultiStream", 400), ("Offline", 1000)):
            case = {"scenario": scenario, "n": n, "sut": kind}
            compare(f"own seam, {scenario}, SUT {kind} ms", OURS | case, OFFICIAL | case, {"wall_s": "≥ 1"}, args)


def thread(args: argparse.Namespace) -> None:
    """Answered from another Python thread: latency as reported, and queries per second."""
    case = {"scenario": "SingleStream", "n": 20_000, "sut": "thread"}
    wants = {"latency_p50_us": "≥ 1.67", "rate": "≥ 1.67"}
    compare("own seam, SingleStream, thread", OURS | case, OFFICIAL | case, wants, args)
    compare("compat, SingleStream, thread", COMPAT | case, OFFICIAL | case, wants, args)


LATE = {"late_p50_us": "ours ≤ 10", "late_p99_us": "≥ 1.43", "late_p999_us": ""}


def lateness(args: argparse.Namespace) -> None:
    """Server: how late queries reach the SUT, in µs."""
    for qps in (1_000, 10_000):
        for kind in ("null", "thread"):
            case = {"scenario": "Server", "n": int(qps * args.seconds), "qps": qps, "seconds": args.seconds}
            case |= {"sut": kind, "late": True}
            compare(f"own seam, Server {qps:,}/s, {kind}", OURS | case, OFFICIAL | case, LATE, args)


def busy(args: argparse.Namespace) -> None:
    """A SUT that holds the interpreter lock: ours in a worker process; the official one can only use a thread."""
    for ms, qps in ((1, 400), (10, 40)):
        case = {"scenario": "Server", "n": int(qps * args.seconds), "qps": qps, "seconds": args.seconds, "late": True}
        ours, theirs = OURS | case | {"sut": f"pool{ms}"}, OFFICIAL | case | {"sut": f"gilthread{ms}"}
        wants = {"late_p50_us": "", "late_p99_us": "ours ≤ 200"}
        compare(f"lock held {ms} ms, Server {qps}/s, worker process", ours, theirs, wants, args)
        same = OURS | case | {"sut": f"gilthread{ms}"}
        compare(f"lock held {ms} ms, Server {qps}/s, both in a thread", same, theirs, {"late_p99_us": ""}, args)


def memory(args: argparse.Namespace) -> None:
    """Bytes per sample of a large Offline run."""
    case = {"scenario": "Offline", "n": 10_000_000}
    ours = run_child(OURS | case)
    theirs = run_child(OFFICIAL | case | {"n": 2_000_000})
    per = lambda r, n: r["rss_mib"] * 2**20 / n  # noqa: E731
    print(f"memory per sample, Offline: ours {per(ours, 1e7):.0f} B (10^7 samples), official {per(theirs, 2e6):.0f} B"
          " (2·10^6 samples, Python null SUT included)  want ≤ 48 B")  # fmt: skip


def accuracy(args: argparse.Namespace) -> None:
    """Accuracy run of 10^6 samples with 4 bytes each, log written."""
    case = {"scenario": "Offline", "n": 1, "accuracy": True, "total": 1_000_000}
    compare(
        "accuracy run and log of 10^6 samples", OURS | case, OFFICIAL | case, {"wall_s": "≥ 3", "rss_mib": ""}, args
    )


PARTS = {
    "rates": rates,
    "work": work,
    "thread": thread,
    "lateness": lateness,
    "busy": busy,
    "memory": memory,
    "accuracy": accuracy,
}


def main() -> None:
    if len(sys.argv) > 2 and sys.argv[1] == "--child":
        case = json.loads(sys.argv[2])
        print("@@" + json.dumps((child_ours if case["side"] == "ours" else child_bindings)(case)))
        sys.stdout.flush()
        os._exit(0)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", default="all", choices=["all", *PARTS])
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--json")
    args = parser.parse_args()
    machine = f"CPUs {os.cpu_count()}, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}"
    print(f"{machine}; ratio > 1: ours is better")
    for name, part in PARTS.items():
        if args.part in ("all", name):
            print(f"--- {name}: {part.__doc__}")
            part(args)


if __name__ == "__main__":
    main()
