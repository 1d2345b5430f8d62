"""Our Offline throughput and SingleStream latency beside the runtime's own bare loop, in turns, in one run.

    python benchmarks/inference.py              packed classifier and detector, and ResNet-50 where PyTorch is
    python benchmarks/inference.py --task image-classification:resnet50:random     ResNet-50 alone, with random weights
    python benchmarks/inference.py --task object-detection --threads 2 --seconds 5 --rounds 7 --json

On ONNX Runtime, and on OpenVINO where it is installed. Both sides run the same model file with the same threads on
the same samples. The bare loop is what a person would write: a session in a for loop over a list of inputs, with a
clock around each call. Ratios are medians over the rounds, of the throughput and, for a machine that does other
things too, of the processor time a sample; the two sides take turns, and take turns in going first, so that a machine
that slows down slows both.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from mlassay.backends import backend_registry
from mlassay.core.enums import Scenario
from mlassay.core.model import ModelSpec
from mlassay.core.query import Query
from mlassay.core.settings import Offline, Settings, SingleStream
from mlassay.loadgen.drive import drive
from mlassay.loadgen.measures import measure
from mlassay.loadgen.plan import plan
from mlassay.stats.percentile import percentile
from mlassay.tasks import task_registry
from mlassay.tasks.task import OpenTask, TaskRequest

NS = 1_000_000_000
IN_MEMORY = 128
"""Pictures of noise that the full-size model is asked about."""


class Rate(NamedTuple):
    """What a throughput measurement came to; processor time hardly feels what else the machine does."""

    samples_per_s: float
    cpu_s_per_sample: float


class Bare:
    """The runtime alone: inputs prepared beforehand, outputs thrown away."""

    def __init__(self, backend: Any, opened: OpenTask, batch: int) -> None:
        self.run = backend._run
        n = opened.library.performance_count
        library = opened.library
        self.single = [[np.ascontiguousarray(library.get([i]))] for i in range(min(n, 512))]
        self.batches = [[np.ascontiguousarray(library.get(range(b, b + batch)))] for b in range(0, n - batch, batch)]
        self.batch = batch

    def throughput(self, seconds: float) -> Rate:
        began, cpu_s = time.perf_counter(), time.process_time()
        count, at = 0, 0
        while time.perf_counter() - began < seconds:
            self.run(self.batches[at])
            at = (at + 1) % len(self.batches)
            count += self.batch
        return Rate(count / (time.perf_counter() - began), (time.process_time() - cpu_s) / count)

    def p90_us(self, seconds: float) -> float:
        took, at = [], 0
        end = time.perf_counter() + seconds
        now = time.perf_counter_ns
        while time.perf_counter() < end:
            begin = now()
            self.run(self.single[at])
            took.append(now() - begin)
            at = (at + 1) % len(self.single)
        return float(percentile(np.asarray(took), 90)) / 1e3


class Ours:
    """The same through the load generator and the backend, the task's postprocessing left out on both sides."""

    def __init__(self, backend: Any, opened: OpenTask) -> None:
        self.backend, self.library = backend, opened.library

    def _drive(self, scenario: Scenario, load: Any, queries: int, seconds: float) -> Any:
        settings = Settings(
            scenario=scenario,
            load=load,
            min_duration_ns=int(seconds * NS),
            min_query_count=queries,
            early_stopping=False,
        )
        plans = plan(settings, self.library.total_count, self.library.performance_count)
        return settings, drive(settings, plans, self.backend, self.library, close=False)

    def throughput(self, seconds: float, rate: float) -> Rate:
        count = max(64, int(rate * seconds))
        spent: list[float] = []
        issue = self.backend.issue

        def watched(query: Query) -> Any:
            began = time.process_time()
            outputs = issue(query)
            self.backend.flush()
            spent.append(time.process_time() - began)
            return outputs

        self.backend.issue = watched
        try:
            _, recording = self._drive(Scenario.OFFLINE, Offline(min_sample_count=count, expected_qps=1.0), 1, 0)
        finally:
            del self.backend.issue
        trace = recording.trace
        return Rate(trace.n_samples / (int(trace.done_ns.max()) / NS), sum(spent) / trace.n_samples)

    def p90_us(self, seconds: float, expected_us: float) -> float:
        load = SingleStream(expected_latency_ns=max(1, int(expected_us * 300)))
        settings, recording = self._drive(Scenario.SINGLE_STREAM, load, 1, seconds)
        return float(percentile(measure(recording.trace, settings).query_latency_ns, 90)) / 1e3


def spec_without_answers(opened: OpenTask) -> ModelSpec:
    """The model as the task gives it, its raw outputs as answers: postprocessing belongs to neither side."""
    return replace(opened.model, finish=lambda outputs: outputs[0])


def compare(opened: OpenTask, name: str, options: dict[str, Any], args: argparse.Namespace) -> dict[str, Any]:
    backend = backend_registry.load(name)(spec_without_answers(opened), max_batch=args.batch, **options)
    backend.ensure_loaded()
    opened.library.load(range(opened.library.performance_count))
    bare, ours = Bare(backend, opened, args.batch), Ours(backend, opened)
    keys = ("bare_sps", "our_sps", "bare_p90_us", "our_p90_us", "bare_cpu_us", "our_cpu_us")
    rows: dict[str, list[float]] = {key: [] for key in keys}
    rate, p90 = bare.throughput(0.5).samples_per_s, bare.p90_us(0.5)
    for number in range(args.rounds):
        sides = [
            ("bare_sps", lambda: bare.throughput(args.seconds)),
            ("our_sps", lambda: ours.throughput(args.seconds, rate)),
            ("bare_p90_us", lambda: bare.p90_us(args.seconds)),
            ("our_p90_us", lambda: ours.p90_us(args.seconds, p90)),
        ]
        for key, run in sides if number % 2 == 0 else [sides[1], sides[0], sides[3], sides[2]]:
            found = run()
            if isinstance(found, Rate):
                rows[key].append(found.samples_per_s)
                rows[key.replace("sps", "cpu_us")].append(found.cpu_s_per_sample * 1e6)
            else:
                rows[key].append(found)
            opened.library.load(range(opened.library.performance_count))
    added = own_cost_us(backend, opened)
    backend.close()
    middle = {key: statistics.median(values) for key, values in rows.items()}
    ratios = [o / b for o, b in zip(rows["our_sps"], rows["bare_sps"], strict=True)]
    cpu_ratios = [b / o for o, b in zip(rows["our_cpu_us"], rows["bare_cpu_us"], strict=True)]
    gaps = [o - b for o, b in zip(rows["our_p90_us"], rows["bare_p90_us"], strict=True)]
    return {
        "task": opened.name,
        "model": opened.model.name,
        "backend": name,
        **middle,
        "throughput_ratio": statistics.median(ratios),
        "throughput_ratio_range": [min(ratios), max(ratios)],
        "cpu_ratio": statistics.median(cpu_ratios),
        "cpu_ratio_range": [min(cpu_ratios), max(cpu_ratios)],
        "p90_added_us": statistics.median(gaps),
        "p90_added_us_range": [min(gaps), max(gaps)],
        "backend_own_us_per_query": added,
    }


def own_cost_us(backend: Any, opened: OpenTask) -> float:
    """What the backend's own code and the load generator add to a query, with a runtime that answers at once."""
    answer = [np.zeros((1, 10), np.float32)]
    real, backend._run = backend._run, lambda batch: answer
    try:
        if getattr(backend, "_pool", None) is not None:
            return float("nan")
        settings = Settings(
            scenario=Scenario.SINGLE_STREAM, load=SingleStream(), min_duration_ns=0, min_query_count=20_000
        )
        costs = []
        for _ in range(3):
            plans = plan(settings, opened.library.total_count, opened.library.performance_count)
            trace = drive(settings, plans, backend, opened.library, close=False).trace
            costs.append(int(trace.done_ns.max()) / trace.n_queries / 1e3)
            opened.library.load(range(opened.library.performance_count))
        assert backend.issue(Query(0, [0])) is not None
        return min(costs)
    finally:
        backend._run = real


def benchmark_app(opened: OpenTask, args: argparse.Namespace) -> dict[str, float] | None:
    """OpenVINO's own tool on the same file and threads, where it is installed."""
    beside = os.path.join(os.path.dirname(sys.executable), "benchmark_app")
    tool = beside if os.path.exists(beside) else shutil.which("benchmark_app")
    if tool is None or "onnx" not in opened.model.files:
        return None
    shape = [str(s or 1) for s in opened.model.inputs[0].shape]
    shape[0] = str(args.batch)
    words = [tool, "-m", str(opened.model.files["onnx"]), "-d", "CPU", "-api", "sync", "-nireq", "1"]
    words += [
        "-t",
        str(max(1, round(args.seconds * 2))),
        "-nthreads",
        str(args.threads),
        "-hint",
        "none",
        "-nstreams",
        "1",
    ]
    words += ["-shape", f"{opened.model.inputs[0].name}[{','.join(shape)}]", "-infer_precision", "f32"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    found = re.search(r"Throughput:\s*([\d.]+)\s*FPS", done.stdout)
    return {"sps": float(found[1])} if found else None


def decoding(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Reading JPEG pictures: the task's way on all cores, against the plain library loop (decode, resize, scale)."""
    import io
    import tempfile
    from pathlib import Path

    from PIL import Image

    from mlassay.tasks.image_classification.dataset import open_pictures
    from mlassay.tasks.image_classification.preprocess import RULES
    from mlassay.tasks.library import TensorLibrary

    generator = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        lines = []
        for i in range(args.pictures):
            coarse = generator.integers(0, 255, (16, 16, 3), np.uint8)
            picture = Image.fromarray(coarse).resize((500, 375), Image.Resampling.BICUBIC)
            buffer = io.BytesIO()
            picture.save(buffer, "JPEG", quality=90)
            (Path(folder) / f"{i:04}.jpg").write_bytes(buffer.getvalue())
            lines.append(f"{i:04}.jpg 0")
        (Path(folder) / "val_map.txt").write_text("\n".join(lines))
        pictures = open_pictures(Path(folder))
        rule = RULES["torch"]

        def prepare(index: int) -> Any:
            return rule.apply(pictures.read(index), 224)

        def ours() -> float:
            shape = prepare(0).shape
            library = TensorLibrary("b", total_count=len(pictures), performance_count=0, shape=shape, prepare=prepare)
            began = time.perf_counter()
            library.load(range(len(pictures)))
            return len(pictures) / (time.perf_counter() - began)

        def plain() -> float:
            mean, deviation = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
            began = time.perf_counter()
            for i in range(len(pictures)):
                with Image.open(Path(folder) / f"{i:04}.jpg") as image:
                    small = image.convert("RGB").resize((341, 256), Image.Resampling.BILINEAR)
                    pixels = np.asarray(small.crop((58, 16, 282, 240)), np.float32)
                _ = (pixels / 255 - mean) / deviation
            return len(pictures) / (time.perf_counter() - began)

        rows = [(ours(), plain()) for _ in range(args.rounds)]
    ratio = statistics.median(o / p for o, p in rows)
    ours_rate, plain_rate = (statistics.median(column) for column in zip(*rows, strict=True))
    cores = len(os.sched_getaffinity(0))
    return [
        {"what": "JPEG to tensor", "ours_per_s": ours_rate, "plain_per_s": plain_rate, "ratio": ratio, "cores": cores}
    ]


def subjects() -> list[str]:
    """Packed models answer in less than a millisecond, the full-size classifier takes tens of them."""
    found = ["image-classification", "object-detection"]
    if importlib.util.find_spec("torch") and importlib.util.find_spec("onnx"):
        found.append("image-classification:resnet50:random")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--task", action="append", help="TASK, or TASK:PROFILE:MODEL as in mlassay run; may be repeated"
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="for each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--pictures", type=int, default=200, help="for the comparison of decoding; 0: none")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    report: dict[str, Any] = {"load_average": os.getloadavg()[0], "rows": [], "decoding": []}
    runtimes: list[tuple[str, dict[str, Any]]] = [("onnxruntime", {"intra_threads": args.threads})]
    try:
        import openvino  # noqa: F401 - asked for whether it is there

        runtimes.append(("openvino", {"threads": args.threads, "streams": 1}))
    except ModuleNotFoundError:
        pass
    for subject in args.task or subjects():
        task, profile, model = (*subject.split(":"), "", "")[:3]
        request = TaskRequest(profile=profile, model=model, performance_count=IN_MEMORY if model else 0)
        opened: OpenTask = task_registry.load(task).open(request)
        for name, options in runtimes:
            row = compare(opened, name, options, args)
            if name == "openvino" and (tool := benchmark_app(opened, args)):
                row["benchmark_app_sps"] = tool["sps"]
                row["ours_to_benchmark_app"] = row["our_sps"] / tool["sps"]
            report["rows"].append(row)
            if not args.json:
                show(row)
    if args.pictures:
        report["decoding"] = decoding(args)
    if args.json:
        print(json.dumps(report, indent=2))
        return
    for row in report["decoding"]:
        print(
            f"{row['what']}: ours {row['ours_per_s']:.0f}/s on {row['cores']} cores,"
            f" plain loop {row['plain_per_s']:.0f}/s, ratio {row['ratio']:.2f}"
        )
    print(f"load average when begun: {report['load_average']:.1f}")


def show(row: dict[str, Any]) -> None:
    low, high = row["throughput_ratio_range"]
    print(f"{row['task']}, {row['model']} on {row['backend']}")
    print(
        f"  Offline       ours {row['our_sps']:>9.1f}/s   bare loop {row['bare_sps']:>9.1f}/s"
        f"   ratio {row['throughput_ratio']:.3f} ({low:.3f} to {high:.3f})"
    )
    low, high = row["cpu_ratio_range"]
    print(
        f"  of the CPU    ours {row['our_cpu_us']:>8.1f} us   bare loop {row['bare_cpu_us']:>8.1f} us"
        f"   ratio {row['cpu_ratio']:.3f} ({low:.3f} to {high:.3f}), a sample"
    )
    print(
        f"  SingleStream  ours p90 {row['our_p90_us']:>8.1f} us   bare loop {row['bare_p90_us']:>8.1f} us"
        f"   added {row['p90_added_us']:+.1f} us;"
        f" load generator and backend alone: {row['backend_own_us_per_query']:.1f} us"
    )
    if "benchmark_app_sps" in row:
        print(f"  benchmark_app {row['benchmark_app_sps']:>9.1f}/s   ours to it {row['ours_to_benchmark_app']:.3f}")


if __name__ == "__main__":
    main()
