"""The loaded sets and query counts of the published v0.5 logs, from each log's own settings and seeds."""

from __future__ import annotations

import json
import re
import tarfile
from collections import Counter
from pathlib import Path

import pytest

from mlassay.core.enums import Mode, SampleOrder, Scenario
from mlassay.core.settings import (
    IntervalMultiStream,
    Load,
    Offline,
    Seeds,
    Server,
    Settings,
    SingleStream,
    StreamVersion,
)
from mlassay.loadgen.arrivals import period_ns
from mlassay.loadgen.plan import plan
from mlassay.loadgen.streams import Toolchain

ARCHIVE = Path(__file__).parents[3] / "shared" / "data" / "inference_results_v0.5.tar.xz"
OTHER_LIBRARIES = (
    "Qualcomm/",
    "mate10pro",
    "ICL-I3-1005G1_OpenVINO-Windows",
    "tpu-rdi-v3.8x1/gnmt/",
    "tpu-rdi-v3.8x1/ssd-large/",
)
"""Builds with the C++ libraries of Android, Windows or of the submitter's own, which order samples otherwise."""

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not ARCHIVE.exists(), reason="no archive of published v0.5 results here"),
]


def settings_of(text: str) -> tuple[Settings, int, int]:
    """(settings, library size, samples in memory) as the log's effective settings state them."""
    at, end = text.index("Effective Settings:"), text.index("Requested Settings:")
    said = {k: v.strip() for k, v in re.findall(r"ns : ([\w ()]+?) ?: (.*)", text[at:end])}
    wished = {k: v.strip() for k, v in re.findall(r"ns : ([\w ()]+?) ?: (.*)", text[end:])}
    qps, size = float(said["target_qps"]), int(said["samples_per_query"])
    scenario = Scenario.parse(said["Scenario"].replace(" ", ""))
    loads: dict[Scenario, Load] = {
        Scenario.SINGLE_STREAM: SingleStream(
            expected_latency_ns=int(wished.get("single_stream_expected_latency_ns", 1e9 / qps))
        ),
        Scenario.SERVER: Server(target_qps=qps),
        Scenario.MULTI_STREAM: IntervalMultiStream(samples_per_query=size, interval_ns=period_ns(qps)),
        Scenario.OFFLINE: Offline(expected_qps=qps, min_sample_count=size),
    }
    order = SampleOrder.RANDOM
    if said["performance_issue_unique"] == "true":
        order = SampleOrder.UNIQUE
    elif said["performance_issue_same"] == "true":
        order = SampleOrder.SAME
    duration_ms = 0 if scenario is Scenario.OFFLINE else int(said["target_duration (ms)"])
    settings = Settings(
        scenario=scenario,
        load=loads[scenario],
        mode=Mode.PERFORMANCE if said["Test mode"] == "Performance" else Mode.ACCURACY,
        min_duration_ns=duration_ms * 1_000_000,
        min_query_count=int(said["min_query_count"]),
        sample_order=order,
        same_index=int(said["performance_issue_same_index"]),
        seeds=Seeds(
            qsl=int(said["qsl_rng_seed"]),
            sample_index=int(said["sample_index_rng_seed"]),
            schedule=int(said["schedule_rng_seed"]),
        ),
        stream=StreamVersion.V0_5,
    )
    total = re.search(r"QSL total size: (\d+)", text)
    assert total
    return settings, int(total[1]), int(said["performance_sample_count"])


def logs(every: int) -> list[tuple[str, str]]:
    """(path, text) of each `every`-th detail log of systems built with GNU's library."""
    with tarfile.open(ARCHIVE) as archive:
        members = [m for m in archive if m.name.endswith("mlperf_log_detail.txt") and m.size]
        ours = [m for m in members if not any(other in m.name for other in OTHER_LIBRARIES)]
        return [(m.name, archive.extractfile(m).read().decode(errors="replace")) for m in ours[::every]]  # type: ignore[union-attr]


def compare(chosen: list[tuple[str, str]]) -> Counter[Toolchain]:
    """Which toolchain explains each log; every log must be explained by one, loaded sets and counts included."""
    explained: Counter[Toolchain] = Counter()
    for name, text in chosen:
        sets = [json.loads(s) for s in re.findall(r'Loading QSL : "set" : "?(\[[\d,]*\])', text)]
        if "Effective Settings:" not in text or not sets:
            continue
        generated = re.findall(
            r'GeneratedQueries: "queries" : (\d+), "samples per query" : \d+, "duration" : (\d+)', text
        )
        arguments = settings_of(text)
        for toolchain in (Toolchain.GCC_5, Toolchain.GCC_7):
            plans = plan(*arguments, toolchain=toolchain)
            if [p.load for p in plans] == sets:
                break
        else:
            pytest.fail(f"{name}: no toolchain gives this loaded set")
        explained[toolchain] += 1
        assert [p.generated_query_count for p in plans] == [int(n) for n, _ in generated], name
        if arguments[0].scenario is Scenario.SERVER:
            assert [p.generated_duration_ns for p in plans] == [int(ns) for _, ns in generated], name
    return explained


def test_published_logs_are_explained() -> None:
    explained = compare(logs(every=60))
    assert explained[Toolchain.GCC_5] > 3
    assert explained[Toolchain.GCC_7] > 15


@pytest.mark.slow
def test_all_published_logs_are_explained() -> None:
    explained = compare(logs(every=1))
    assert sum(explained.values()) > 2400
