"""How fast is the results database? `python benchmarks/results.py [ARCHIVE…]`

Imports the first published rounds (archives found beside the repository, or the paths given), asks every named
question, builds every kind of page, writes the dashboard as files, packs and aggregates a million per-query rows, and
prints times, sizes and memory. Aims: import of inference v0.5 ≤ 5 s, each page ≤ 50 ms at the 95th percentile of the
server's time when it is built anew, the site under 3 MB compressed.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mlassay.core.trace import Trace
from mlassay.results import detail, history, overview, per_query, queries, schema
from mlassay.results.database import Database, open_database
from mlassay.results.importer import import_path
from mlassay.results.rank import rank
from mlassay.results.schema import sa
from mlassay.results.store import sources
from mlassay.web.index import read_index
from mlassay.web.routes import ALONE, every_path
from mlassay.web.server import Dashboard
from mlassay.web.site import write_site
from mlassay.web.texts import load_texts

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
ARCHIVES = ("inference_results_v0.5", "training_results_v0.5", "training_results_v0.6")
QUERIES = 1_000_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archives", nargs="*", type=Path)
    parser.add_argument("--repeat", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    archives = given.archives or [p for n in ARCHIVES if (p := SHARED / f"{n}.tar.xz").is_file()]
    report: dict[str, object] = {"import": [], "queries": {}, "per_query": {}}
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(Path(folder) / "results.db")
        report["import"] = [timed_import(database, path) for path in archives]
        report["database_bytes"] = sum(p.stat().st_size for p in Path(folder).iterdir())
        if archives:
            report["queries"] = timed_queries(database, given.repeat)
            report["pages"] = timed_pages(database, given.repeat)
            report["site"] = timed_site(database, Path(folder))
        report["per_query"] = timed_per_query(database)
        database.close()
    report["peak_memory_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(report, indent=1) if given.json else text(report))
    return 0


def timed_import(database: Database, path: Path) -> dict[str, object]:
    begin, cpu = time.perf_counter(), time.process_time()
    (imported,) = import_path(database, path)
    spent = {"wall_s": time.perf_counter() - begin, "cpu_s": time.process_time() - cpu}
    begin = time.perf_counter()
    import_path(database, path)
    stored = next(s for s in sources(database) if s.name == imported.source)
    return {"source": imported.source, "files": stored.n_files, "results": imported.n_results, "runs": imported.n_runs,
            **spent, "again_s": time.perf_counter() - begin}  # fmt: skip


def timed_queries(database: Database, repeat: int) -> dict[str, dict[str, float]]:
    resnet = queries.Filter(benchmark=("resnet",), scenario=("Offline",), round=("v0.5",), division=("closed",))
    with database.reading() as connection:
        keys = [r.key for r in queries.results(connection, limit=50)]
    asked: dict[str, Callable[[sa.Connection], object]] = {
        "overview": overview.overview,
        "all results": queries.results,
        "a page of results": lambda c: queries.results(c, order=("-value",), limit=50),
        "facets": queries.facets,
        "facets, filtered": lambda c: queries.facets(c, resnet),
        "search": lambda c: queries.results(c, queries.Filter(search="tesla"), limit=50),
        "one result": lambda c: detail.result(c, keys[0]),
        "rank": lambda c: rank(c, resnet),
        "findings": detail.findings,
        **{f"table {n}": lambda c, n=n: history.table(c, n) for n in history.TABLES},  # type: ignore[misc]
    }
    out = {}
    for name, ask in asked.items():
        times = []
        for _ in range(repeat):
            with database.reading() as connection:
                begin = time.perf_counter()
                ask(connection)
                times.append((time.perf_counter() - begin) * 1000)
        out[name] = {"median_ms": statistics.median(times), "p95_ms": sorted(times)[int(0.95 * (len(times) - 1))]}
    return out


def timed_pages(database: Database, repeat: int) -> dict[str, dict[str, float]]:
    """Every kind of page: built anew each time, and as it was kept. Seven different ones of each kind that has many."""
    anew, keeping = (Dashboard(database, load_texts(), keep=keep) for keep in (0, 256))
    with database.reading() as connection:
        index = read_index(connection)
    asked: dict[str, list[tuple[str, str]]] = {path or "overview": [(path, "")] for path in ALONE}
    asked["results, filtered"] = [
        ("results", "round=v0.5&scenario=Offline&division=closed&sort=-value&group=submitter")
    ]
    asked["results, drawn"] = [("results", "view=chart")]
    for path in every_path(index):
        kind, _, rest = path.partition("/")
        if rest and len(asked.setdefault(f"{kind}/…", [])) < 7:
            asked[f"{kind}/…"].append((path, ""))
    out = {}
    for name, pages in asked.items():
        spent: dict[str, list[float]] = {"anew": [], "cpu": [], "kept": []}
        for page in pages:
            anew.html(*page)
            keeping.html(*page)
            for _ in range(repeat):
                begin, cpu = time.perf_counter(), time.process_time()
                anew.html(*page)
                spent["anew"].append((time.perf_counter() - begin) * 1000)
                spent["cpu"].append((time.process_time() - cpu) * 1000)
                begin = time.perf_counter()
                keeping.html(*page)
                spent["kept"].append((time.perf_counter() - begin) * 1000)
        out[name] = {"median_ms": statistics.median(spent["anew"]), "p95_ms": p95(spent["anew"]),
                     "cpu_p95_ms": p95(spent["cpu"]), "kept_p95_ms": p95(spent["kept"])}  # fmt: skip
    return out


def p95(values: list[float]) -> float:
    return sorted(values)[int(0.95 * (len(values) - 1))]


def timed_site(database: Database, folder: Path) -> dict[str, float]:
    begin = time.perf_counter()
    site = write_site(database, folder / "site")
    spent = time.perf_counter() - begin
    with tarfile.open(folder / "site.tgz", "w:gz") as archive:
        archive.add(site.path, "site")
    packed = (folder / "site.tgz").stat().st_size
    return {"write_s": spent, "pages": site.n_pages, "mb": site.n_bytes / 1e6, "compressed_mb": packed / 1e6}


def timed_per_query(database: Database) -> dict[str, float]:
    """A million queries: packed, stored, read back, summed up. Python lists of them never exist."""
    rng = np.random.default_rng(1)
    latencies = (rng.lognormal(0, 0.4, QUERIES) * 2e6).astype(np.int64)
    due = np.cumsum(rng.exponential(1e5, QUERIES)).astype(np.int64)
    ids = np.arange(QUERIES, dtype=np.int64)
    trace = Trace(start_ns=0, start_unix_ns=0, due_ns=due, issued_ns=due + 900, first_id=ids,
                  index=np.zeros(QUERIES, np.int32), done_ns=due + latencies)  # fmt: skip
    out: dict[str, float] = {"queries": QUERIES}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def clock(name: str, work: Callable[[], object]) -> object:
        begin = time.perf_counter()
        result = work()
        out[f"{name}_s"] = time.perf_counter() - begin
        return result

    packed = clock("pack", lambda: per_query.pack(latencies))
    assert isinstance(packed, bytes)
    clock("timeline", lambda: per_query.timeline(trace))
    with database.writing() as connection:
        blank = {c.name: "" for c in schema.source.c if isinstance(c.type, sa.Text) and not c.nullable}
        source = {**blank, "id": 9999, "published": False, "n_files": 0}
        connection.execute(sa.insert(schema.source), source)
        texts = {c.name: "" for c in schema.result.c if isinstance(c.type, sa.Text) and not c.nullable}
        row = {**texts, "id": 9999, "source_id": 9999, "key": "x", "inferred": False, "n_runs": 1, "published": False}
        connection.execute(sa.insert(schema.result), row)
        run = {c.name: "" for c in schema.run.c if isinstance(c.type, sa.Text) and not c.nullable}
        connection.execute(sa.insert(schema.run), {**run, "id": 9999, "result_id": 9999, "position": 0})
        kept = {"run_id": 9999, "n": QUERIES, "n_unanswered": 0, "latencies": packed, "timeline": "{}"}
        connection.execute(sa.insert(schema.trace), kept)

    def read() -> np.ndarray:
        with database.reading() as connection:
            data = connection.execute(sa.select(schema.trace.c.latencies)).scalar_one()
        return per_query.unpack(data)

    back = clock("read", read)
    assert isinstance(back, np.ndarray)
    assert (back == latencies).all()
    ordered = np.sort(back)
    clock("percentiles", lambda: [per_query.percentile(np.sort(back), p) for p in (50, 90, 99, 99.9)])
    clock("histogram", lambda: per_query.histogram(back))
    clock("tail_ratio", lambda: per_query.tail_ratio(back, ordered, 99))
    out["packed_bytes_per_query"] = len(packed) / QUERIES
    out["added_memory_mib"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return out


def text(report: dict[str, object]) -> str:
    lines = ["import"]
    for entry in report["import"]:  # type: ignore[attr-defined]
        lines.append("  {source:<24} {files:>6} files {results:>5} results {runs:>5} runs  {wall_s:6.2f} s "
                     "({cpu_s:.2f} s CPU), again {again_s:.2f} s".format(**entry))  # fmt: skip
    lines.append(f"  database: {int(str(report['database_bytes'])) / 2**20:.1f} MiB")
    lines.append("questions (ms)                     median      p95")
    for name, spent in report["queries"].items():  # type: ignore[attr-defined]
        lines.append(f"  {name:<30} {spent['median_ms']:8.1f} {spent['p95_ms']:8.1f}")
    lines.append("pages (ms)                         median      p95  p95 CPU p95 kept")
    for name, spent in report.get("pages", {}).items():  # type: ignore[attr-defined]
        lines.append(
            f"  {name:<30} {spent['median_ms']:8.1f} {spent['p95_ms']:8.1f} {spent['cpu_p95_ms']:8.1f} "
            f"{spent['kept_p95_ms']:8.1f}"
        )
    lines.append("the dashboard as files")
    lines += [f"  {name:<24} {value:12.3f}" for name, value in report.get("site", {}).items()]  # type: ignore[attr-defined]
    lines.append("one million queries")
    lines += [f"  {name:<24} {value:12.3f}" for name, value in report["per_query"].items()]  # type: ignore[attr-defined]
    lines.append(f"peak memory: {report['peak_memory_mib']:.0f} MiB")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
