"""From a merged book to a frozen Round: units converted, shorthand spelled out, each field with its clause."""

from __future__ import annotations

from types import MappingProxyType

from mlassay.core.enums import Division
from mlassay.core.settings import Seeds, StreamVersion
from mlassay.core.units import NS_PER_S
from mlassay.rules.build_benchmark import build_benchmark
from mlassay.rules.chain import Book, Said, Tree
from mlassay.rules.round import ComplianceTest, Level, PowerRule, Round, Severity, SystemFields
from mlassay.rules.values import as_table, get, need, text, texts


def build_round(book: Book) -> Round:
    """The typed round. Raises BadFile when a value that every round needs is missing."""
    tests = {id: _test(book, id) for id in book.table("tests")}
    names = {k: str(v.value) for k, v in book.table("model_names").items() if isinstance(v, Said)}
    return Round(
        name=book.name,
        extends=book.extends,
        dates={k: text(book, "dates", k) for k in ("submission", "published", "note")},
        sources=texts(book, "sources"),
        seeds=_seeds(book, "seeds"),
        test05_seeds=_seeds(book, "test05_seeds") if book.table("test05_seeds") else None,
        min_duration_ns=round(need(book, "run", "min_duration_s") * NS_PER_S),
        early_stopping=bool(need(book, "run", "early_stopping")),
        server_runs=int(need(book, "run", "server_runs")),
        stream=StreamVersion(need(book, "run", "stream")),
        benchmarks=MappingProxyType({id: build_benchmark(book, id) for id in book.table("benchmarks")}),
        tests=MappingProxyType(tests),
        divisions=tuple(Division(d) for d in need(book, "submission", "divisions")),
        availability=tuple(need(book, "submission", "availability")),
        system_types=tuple(need(book, "submission", "system_types")),
        system_fields=_system_fields(book),
        measurement_files=tuple(need(book, "submission", "measurement_files")),
        log_format=str(need(book, "submission", "log_format")),
        layout=str(need(book, "submission", "layout")),
        truncate_accuracy_log=bool(need(book, "submission", "truncate_accuracy_log")),
        dataset_size_checked=bool(need(book, "submission", "dataset_size_checked")),
        severity={k: _severity(node) for k, node in book.table("severity").items()},
        power=_power(book),
        model_names=names,
        multistream_supported=bool(need(book, "scenarios", "multi-stream", "supported")),
        notes=tuple(get(book, "notes") or ()),
        clauses={
            "seeds": book.clause("seeds"),
            "test05_seeds": book.clause("test05_seeds"),
            "min_duration_ns": book.clause("run", "min_duration_s"),
            "early_stopping": book.clause("run", "early_stopping"),
            "server_runs": book.clause("run", "server_runs"),
            "stream": book.clause("run", "stream"),
            "severity": book.clause("severity"),
            "measurement_files": book.clause("submission", "measurement_files"),
            "layout": book.clause("submission", "layout"),
            "multistream_supported": book.clause("scenarios", "multi-stream", "supported"),
        },
        path=book.path,
    )


def _test(book: Book, id: str) -> ComplianceTest:
    at = ("tests", id)
    config = {
        selector: {
            k: int(s.value) if isinstance(s.value, str) else s.value
            for k, s in as_table(node).items()
            if isinstance(s, Said)
        }
        for selector, node in book.table(*at, "config").items()
    }
    bounds = {k: float(s.value) for k, s in book.table(*at, "bounds").items() if isinstance(s, Said)}
    return ComplianceTest(
        id=id,
        verifies=text(book, *at, "verifies"),
        config=config,
        bounds=bounds,
        test05_seeds=bool(get(book, *at, "test05_seeds")),
        clause=book.clause(*at),
    )


def _system_fields(book: Book) -> SystemFields:
    groups = [get(book, "system_fields", g) or () for g in ("basic", "detailed", "more")]
    return SystemFields(
        required=tuple(name for group in groups for name in group),
        may_be_empty=tuple(get(book, "system_fields", "may_be_empty") or ()),
        filled=bool(get(book, "system_fields", "filled")),
        network=tuple(get(book, "system_fields", "network") or ()),
        measurements=tuple(get(book, "measurement_fields", "required") or ()),
        measurements_filled=bool(get(book, "measurement_fields", "filled")),
    )


def _power(book: Book) -> PowerRule | None:
    if not book.table("power"):
        return None
    return PowerRule(
        directories=tuple(need(book, "power", "directories")),
        power_files=tuple(need(book, "power", "power_files")),
        extra_run_files=tuple(need(book, "power", "extra_run_files")),
        documents=tuple(need(book, "power", "documents")),
        max_clock_difference_ms=int(need(book, "power", "max_clock_difference_ms")),
        clause=book.clause("power"),
    )


def _severity(node: Tree | Said) -> Severity:
    if isinstance(node, Said):
        return Severity(Level(node.value))
    level, note = node.get("level"), node.get("note")
    return Severity(
        Level(level.value) if isinstance(level, Said) else Level.ABSENT, note.value if isinstance(note, Said) else ""
    )


def _seeds(book: Book, table: str) -> Seeds:
    return Seeds(**{key: int(need(book, table, key)) for key in ("qsl", "sample_index", "schedule")})
