"""Run folders in the database, and what every single query tells."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlassay.core.errors import BadFile
from mlassay.core.outcome import Verdict
from mlassay.results import schema
from mlassay.results.database import Database
from mlassay.results.detail import result
from mlassay.results.importer import import_path
from mlassay.results.per_query import (
    effective_count,
    histogram,
    latencies_of,
    pack,
    percentile,
    tail_ratio,
    timeline,
    unpack,
)
from mlassay.results.queries import results
from mlassay.results.schema import sa
from mlassay.results.store import Change, sources
from tests.results.runs import lognormal, trace_of, write_run


def test_a_run_folder_is_one_unverified_source(database: Database, tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "one", lognormal(1))
    write_run(tmp_path / "runs" / "two", lognormal(2), verdict=Verdict.INDICATIVE)
    imported = import_path(database, tmp_path / "runs")
    assert [i.change for i in imported] == [Change.ADDED, Change.ADDED]
    assert [i.change for i in import_path(database, tmp_path / "runs")] == [Change.UNCHANGED] * 2
    with database.reading() as connection:
        rows = {Path(r.path).name: r for r in results(connection)}
        found = result(connection, rows["one"].key)
        bounds = connection.execute(sa.select(schema.bound.c.name, schema.bound.c.ok)).all()
    assert {n: r.verdict for n, r in rows.items()} == {"one": "VALID", "two": "INDICATIVE"}
    assert not any(r.published for r in rows.values())
    one = rows["one"]
    assert (one.benchmark, one.scenario, one.unit, one.metric) == ("toy", "SingleStream", "ms", "p90 latency")
    ordered = np.sort(lognormal(1))
    assert one.value == pytest.approx(int(ordered[4499]) / 1e6)
    assert (one.framework, one.processor_class) == ("ONNX Runtime 1", "CPU")
    assert found.runs[0].latency_p90_ns == int(ordered[4499])
    assert found.details["warnings"] == ["a warning"]
    assert [tuple(b) for b in bounds] == [("min-queries", True)] * 2
    assert {s.kind for s in sources(database)} == {"run"}


def test_a_moved_folder_is_the_same_run(database: Database, tmp_path: Path) -> None:
    first = write_run(tmp_path / "a", lognormal(1))
    import_path(database, first)
    first.rename(tmp_path / "b")
    import_path(database, tmp_path / "b")
    assert len(sources(database)) == 1


def test_every_latency_comes_back(database: Database, tmp_path: Path) -> None:
    latencies = lognormal(3)
    import_path(database, write_run(tmp_path / "r", latencies))
    with database.reading() as connection:
        row = connection.execute(sa.select(schema.trace)).one()
    assert (row.n, row.n_unanswered) == (5000, 0)
    assert (unpack(row.latencies) == latencies).all()
    line = json.loads(row.timeline)
    assert sum(line["done_per_s"]) * line["bucket_s"] == pytest.approx(5000, rel=1e-3)


def test_a_run_that_was_cut_off_is_said_to_be(database: Database, tmp_path: Path) -> None:
    import_path(database, write_run(tmp_path / "r", lognormal(1), finish=False))
    with database.reading() as connection:
        (row,) = results(connection)
    assert (row.state, row.value) == ("unreadable", None)
    assert "the run" in row.reason


def test_a_changed_file_is_noticed(database: Database, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "r", lognormal(1))
    with open(folder / "trace.npz", "ab") as file:
        file.write(b"x")
    import_path(database, folder)
    with database.reading() as connection:
        found = result(connection, results(connection)[0].id)
        notes = [r[0] for r in connection.execute(sa.select(schema.finding.c.found))]
    assert "trace.npz was changed after the run" in notes
    assert found.result.value is not None


def test_a_folder_that_holds_nothing(database: Database, tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="nothing that can be imported; expected run folders, a submission"):
        import_path(database, tmp_path)


@given(st.lists(st.integers(-(2**40), 2**62), max_size=50))
def test_packing_loses_nothing(values: list[int]) -> None:
    array = np.array(values, np.int64)
    assert unpack(pack(array)).tolist() == values
    assert pack(array) == pack(array)


def test_damaged_latencies_are_refused() -> None:
    with pytest.raises(BadFile, match="trace table is damaged"):
        unpack(b"not packed at all")


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=200), st.sampled_from([50, 90, 99, 99.9]))
def test_percentiles_by_nearest_rank(values: list[int], p: float) -> None:
    ordered = np.sort(np.array(values, np.int64))
    found = percentile(ordered, p)
    at_or_below = sum(v <= found for v in values)
    assert at_or_below * 100 >= p * len(values) - 1e-6
    assert sum(v < found for v in values) * 100 < p * len(values) + 1e-6


def test_unanswered_samples_are_counted_and_not_timed() -> None:
    latencies, missing = latencies_of(trace_of(np.full(10, 1000, np.int64), unanswered=3))
    assert (len(latencies), missing) == (7, 3)
    assert timeline(trace_of(np.full(10, 1000, np.int64), unanswered=10))["p99_ns"].count(None) > 0


def test_histogram_holds_every_query() -> None:
    found = histogram(lognormal(4))
    assert sum(found["counts"]) == 5000
    assert len(found["edges_ns"]) == len(found["counts"]) + 1
    assert histogram(np.zeros(0, np.int64)) == {"edges_ns": [], "counts": []}


def test_the_same_system_twice_is_not_different() -> None:
    hits = 0
    for seed in range(40):
        found = tail_ratio(lognormal(seed), lognormal(1000 + seed), 99)
        hits += found.low <= 1 <= found.high
    assert hits >= 34  # 95 % of 40 is 38; below 34 happens less than once in a hundred times


def test_a_slower_tail_is_seen_with_its_size() -> None:
    slower = lognormal(8)
    slower[slower > np.percentile(slower, 95)] *= 2
    found = tail_ratio(lognormal(7), slower, 99)
    assert found.low > 1.5
    assert found.high < 2.5
    assert 1 - 0.1 < tail_ratio(lognormal(7), slower, 50).ratio < 1 + 0.1


def test_alike_neighbours_are_worth_less() -> None:
    independent = lognormal(5, n=20_000)
    bursts = np.repeat(lognormal(6, n=400), 50)
    assert effective_count(independent, percentile(np.sort(independent), 90)) > 10_000
    assert effective_count(bursts, percentile(np.sort(bursts), 90)) < 2_000
    wide, narrow = tail_ratio(bursts, bursts, 90), tail_ratio(independent, independent, 90)
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)
