"""Time and memory of `mlassay check` on generated trees, on one core and on two.

    python benchmarks/checker.py                       2,000 and 50,000 files
    python benchmarks/checker.py --files 50000 --keep /tmp/tree

The large tree has the proportions of a whole published round: 50,000 files, 1,400 results of 27 submitters with their
compliance runs, logs with the long lines that real ones have, and a part of all files below code/. Each figure is the
best of three warm runs of the whole command, with the CPU seconds of all its processes; memory is their sum.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.submission.maker import Made, detail_line, make

KINDS = (
    ("resnet", "edge"),
    ("retinanet", "datacenter"),
    ("bert-99", "edge"),
    ("llama2-70b-99", "datacenter"),
    ("stable-diffusion-xl", "datacenter"),
    ("3d-unet-99", "edge"),
    ("dlrm-v2-99", "datacenter"),
    ("whisper", "edge"),
)
SHA1 = detail_line("loadgen_file_sha1", {f"/file{n}.cc": "a" * 40 for n in range(50)})


def loaded(n: int) -> str:
    return detail_line("loaded_qsl_set", list(range(n)))


def build(root: Path, n_files: int) -> tuple[int, int]:
    """Write a tree of about `n_files`; (files, bytes)."""
    results_wanted = max(24, n_files * 28 // 1000)
    extra = {n: SHA1 + loaded(n) for n in (1024, 5000, 24576)}
    files = size = results = submitter = 0
    while results < results_wanted:
        name = f"S{submitter % 27:02}"
        benchmark, suite = KINDS[submitter % len(KINDS)]
        made = make("v5.1", benchmark, suite=suite, submitter=name, system=f"sys{submitter}")
        made.system_json["system_name"] = f"System {submitter}"
        for folder in made.logs:
            made.extra_lines[folder] = extra[(1024, 1024, 5000, 24576)[submitter % 4]]
        written, wrote = write(made, root)
        files, size = files + written, size + wrote
        results += sum(1 for f in made.logs if f.endswith("/performance/run_1") and "/results/" in f)
        submitter += 1
    number = 0
    while files < n_files:
        folder = root / f"closed/S{number % 27:02}/code/shared/part{number // 2000}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file{number}.py").write_bytes(b"# code\n" * 300)
        number, files, size = number + 1, files + 1, size + 2100
    return files, size


def write(made: Made, root: Path) -> tuple[int, int]:
    size = 0
    content = made.content()
    for path, data in content.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        size += len(data)
    return len(content), size


class Memory(threading.Thread):
    """The largest sum of proportional memory over a process and its children."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.peak_kib, self.stop = pid, 0, threading.Event()

    def run(self) -> None:
        while not self.stop.wait(0.02):
            self.peak_kib = max(self.peak_kib, sum(map(self._pss, self._family())))

    def _family(self) -> list[int]:
        family = [self.pid]
        for pid in family:
            try:
                text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
            except OSError:
                continue
            family += map(int, text.split())
        return family

    @staticmethod
    def _pss(pid: int) -> int:
        try:
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    return int(line.split()[1])
        except OSError:
            pass
        return 0


def measure(root: Path, jobs: int) -> tuple[float, float, float, dict[str, object]]:
    """(seconds, CPU seconds, MiB, counts) of one run of the command."""
    begin, cpu = time.perf_counter(), _children_cpu_s()
    words = [sys.executable, "-m", "mlassay", "check", str(root), "--json", "--jobs", str(jobs)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE)
    memory = Memory(process.pid)
    memory.start()
    out, _ = process.communicate()
    seconds = time.perf_counter() - begin
    memory.stop.set()
    return seconds, _children_cpu_s() - cpu, memory.peak_kib / 1024, json.loads(out)["counts"]


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, nargs="+", default=[2000, 50_000])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="Directory for the trees, kept and used again.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for n_files in arguments.files:
            root = (arguments.keep or Path(scratch)) / f"tree{n_files}"
            if not root.exists():
                files, size = build(root, n_files)
                print(f"built {files:,} files, {size / 1e6:,.0f} MB", flush=True)
            measure(root, 1)  # warms the page cache
            for jobs in (1, 2):
                runs = [measure(root, jobs) for _ in range(arguments.repeat)]
                best, cpu = (min(r[n] for r in runs) for n in (0, 1))
                peak = max(r[2] for r in runs)
                counts = runs[0][3]
                print(
                    f"{n_files:>7,} files  {jobs} process{'es' if jobs > 1 else ' '}  {best:6.2f} s  {cpu:6.2f} s CPU  "
                    f"{peak:5.0f} MiB  {counts['results']} results, {counts['errors']} errors",
                    flush=True,
                )


if __name__ == "__main__":
    main()
