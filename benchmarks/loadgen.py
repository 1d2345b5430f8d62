#!/usr/bin/env python3
"""Our load generator beside the official one's Python bindings, in one run, with ratios and aims.

    python benchmarks/loadgen.py [all|rates|work|thread|lateness|busy|memory|accuracy] [--repeat N] [--json FILE]

Every figure comes from a fresh process (`loadgen_case.py`); the two sides take turns, so that a drifting machine hits
both; the ratio is the median of the pairwise ratios, with their smallest and largest. Each row says whether its aim is
reached, by the median. Needs `pip install mlcommons-loadgen`.

How figures are taken: rates are (queries - 1) / (last issue - first issue), clocked inside the SUT; "end to end" is
from settings to logs written; lateness is the time a query reached the SUT minus its scheduled time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CASE = Path(__file__).with_name("loadgen_case.py")
CHILD_ENV = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Aim:
    """A bound on our own figure or on the ratio (above 1: ours is better)."""

    ratio: float = 0.0
    ours: float = 0.0

    def reached(self, ours: float, ratio: float) -> bool:
        return ours <= self.ours if self.ours else ratio >= self.ratio

    def __str__(self) -> str:
        return f"ours ≤ {self.ours:g}" if self.ours else f"ratio ≥ {self.ratio:g}"


REPORT = Aim()
"""No aim: shown for information."""

verdicts: list[tuple[str, bool]] = []


def run_child(case: dict[str, Any]) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, str(CASE), json.dumps(case)],
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
    label: str, ours: dict[str, Any], theirs: dict[str, Any], aims: dict[str, Aim], args: argparse.Namespace
) -> None:
    """Take turns; print both medians, the ratio of each figure and whether its aim is reached."""
    a, b = [], []
    for _ in range(args.repeat):
        b.append(run_child(theirs))
        a.append(run_child(ours))
    for figure, aim in aims.items():
        tell(label, figure, [r[figure] for r in a], [r[figure] for r in b], aim)
    if args.json:
        with open(args.json, "a", encoding="utf-8") as file:
            file.write(json.dumps({"label": label, "ours": a, "official": b}) + "\n")


def tell(label: str, figure: str, ours: list[float], theirs: list[float], aim: Aim) -> None:
    """One row: medians with their spread, ratio, verdict."""
    lower = figure != "rate"
    ratios = [(v / u if lower else u / v) if u and v else float("nan") for u, v in zip(ours, theirs, strict=True)]
    middle, ratio = statistics.median(ours), statistics.median(ratios)
    digits = 0 if figure == "rate" else 2
    verdict = ""
    if aim is not REPORT:
        reached = aim.reached(middle, ratio)
        verdicts.append((f"{label}, {figure}", reached))
        verdict = f"  {aim}: {'reached' if reached else 'NOT REACHED'}"
    print(
        f"{label:<46} {figure:<14} ours {middle:>12,.{digits}f} ({min(ours):,.{digits}f}..{max(ours):,.{digits}f})"
        f"  official {statistics.median(theirs):>10,.{digits}f} ({min(theirs):,.{digits}f}..{max(theirs):,.{digits}f})"
        f"  ratio {ratio:7.2f} ({min(ratios):.2f}..{max(ratios):.2f}){verdict}",
        flush=True,
    )


def rates(args: argparse.Namespace) -> None:
    """Null SUT, answered inline."""
    cases = (("SingleStream", 300_000, 4), ("MultiStream", 80_000, 6), ("Server", 300_000, 5))
    for scenario, n, least in cases:
        case = {"scenario": scenario, "n": n}
        compare(f"own seam, {scenario}, null SUT", OURS | case, OFFICIAL | case, {"rate": Aim(ratio=least)}, args)
    offline = {"scenario": "Offline", "n": 1_000_000, "logs": True}
    compare(
        "own seam, Offline 10^6, settings to logs", OURS | offline, OFFICIAL | offline, {"wall_s": Aim(ratio=10)}, args
    )
    for scenario, n, _ in cases:
        case = {"scenario": scenario, "n": n}
        compare(f"compat module, {scenario}, null SUT", COMPAT | case, OFFICIAL | case, {"rate": Aim(ratio=1.8)}, args)
    compare("compat module, Offline 10^6", COMPAT | offline, OFFICIAL | offline, {"wall_s": Aim(ratio=1.8)}, args)


def work(args: argparse.Namespace) -> None:
    """SUTs that work 1 or 10 ms a query: numpy holding the interpreter lock, or sleeping without it."""
    for kind in ("sleep1", "sleep10", "numpy1", "numpy10"):
        case = {"scenario": "SingleStream", "n": int(600 / float(kind[5:])), "sut": kind}
        label = f"own seam, SingleStream, SUT {kind} ms"
        compare(label, OURS | case, OFFICIAL | case, {"rate": REPORT, "cpu_s": REPORT}, args)
    for kind in ("sleep1", "numpy1"):
        for scenario, n in (("MultiStream", 400), ("Offline", 1000)):
            case = {"scenario": scenario, "n": n, "sut": kind}
            compare(f"own seam, {scenario}, SUT {kind} ms", OURS | case, OFFICIAL | case, {"wall_s": REPORT}, args)


def thread(args: argparse.Namespace) -> None:
    """Answered from another Python thread: latency as reported, and queries per second."""
    case = {"scenario": "SingleStream", "n": 20_000, "sut": "thread"}
    wants = {"rate": Aim(ratio=1 / 0.6), "latency_p50_us": REPORT}
    compare("own seam, SingleStream, thread", OURS | case, OFFICIAL | case, wants, args)
    compare("compat, SingleStream, thread", COMPAT | case, OFFICIAL | case, wants, args)


LATE = {"late_p50_us": Aim(ours=10), "late_p99_us": Aim(ratio=1 / 0.7), "late_p999_us": REPORT}


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
        wants = {"late_p50_us": REPORT, "late_p99_us": Aim(ours=200)}
        compare(f"lock held {ms} ms, Server {qps}/s, worker process", ours, theirs, wants, args)
        same = OURS | case | {"sut": f"gilthread{ms}"}
        compare(f"lock held {ms} ms, Server {qps}/s, both in a thread", same, theirs, {"late_p99_us": REPORT}, args)


def memory(args: argparse.Namespace) -> None:
    """Bytes per sample of a large Offline run: 10^7 samples of ours, 2·10^6 of the official, null SUTs included."""
    ours, theirs = [], []
    for _ in range(min(args.repeat, 3)):
        theirs.append(run_child(OFFICIAL | {"scenario": "Offline", "n": 2_000_000})["rss_mib"] * 2**20 / 2e6)
        ours.append(run_child(OURS | {"scenario": "Offline", "n": 10_000_000})["rss_mib"] * 2**20 / 1e7)
    tell("memory per sample, Offline", "bytes", ours, theirs, Aim(ours=48))


def accuracy(args: argparse.Namespace) -> None:
    """Accuracy run of 10^6 samples with 4 bytes each, log written."""
    case = {"scenario": "Offline", "n": 1, "accuracy": True, "total": 1_000_000}
    compare(
        "accuracy run and log of 10^6 samples",
        OURS | case,
        OFFICIAL | case,
        {"wall_s": Aim(ratio=3), "rss_mib": REPORT},
        args,
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
    missed = [label for label, reached in verdicts if not reached]
    print(
        f"--- {len(verdicts) - len(missed)} of {len(verdicts)} aims reached"
        + "".join(f"\n    not: {m}" for m in missed)
    )


if __name__ == "__main__":
    main()
