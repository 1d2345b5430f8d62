from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlassay.core.trace import NOT_YET, Trace
from mlassay.records.loadgen_log import read_detail, read_trace, write_trace_json
from tests.records.samples import cases, needs_samples, official


def trace(sizes: list[int], *, tokens: bool = False) -> Trace:
    random = np.random.default_rng(5)
    n, q = sum(sizes), len(sizes)
    due = np.sort(random.integers(0, 10**9, q))
    query = np.repeat(np.arange(q), sizes)
    done = due[query] + random.integers(1000, 10**7, n)
    return Trace(
        start_ns=123,
        start_unix_ns=1_795_300_321_719_316_750,
        due_ns=due,
        issued_ns=due + random.integers(0, 5000, q),
        first_id=np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.int64),
        index=random.integers(0, 64, n).astype(np.int32),
        done_ns=done,
        first_ns=(due[query] + 500) if tokens else None,
    )


@given(st.lists(st.integers(1, 5), min_size=1, max_size=30), st.booleans())
def test_round_trip_and_valid_json(sizes: list[int], tokens: bool) -> None:
    import tempfile

    ours = trace(sizes, tokens=tokens)
    ours.done_ns[0] = NOT_YET
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.json"
        write_trace_json(path, ours, opened_unix_ns=ours.start_unix_ns - 1_000_000)
        content = path.read_bytes()
    log = read_trace(content)
    assert log.problems == ()
    query = np.repeat(np.arange(len(sizes)), sizes)
    assert np.array_equal(log.sample_seq, np.arange(ours.n_samples))
    assert np.array_equal(log.query_seq, query)
    assert np.array_equal(log.sample_idx, ours.index)
    assert np.array_equal(log.issue_delay_ns, (ours.issued_ns - ours.due_ns)[query])
    assert log.latency_ns[0] == NOT_YET
    assert np.array_equal(log.latency_ns[1:], (ours.done_ns - ours.due_ns[query])[1:])
    assert np.allclose(log.due_us, ours.due_ns[query] / 1000 + 1000, atol=0.001)
    assert np.array_equal(log.first_token_ns, np.full(ours.n_samples if tokens else 0, 500))
    events = json.loads(content)["traceEvents"]
    assert sum(e["name"] == "Sample" and e["ph"] == "b" for e in events) == ours.n_samples
    assert sum(e["name"] == "Sample" and e["ph"] == "e" for e in events) == ours.n_samples - 1
    assert all({"name", "ph", "ts", "pid"} <= set(e) for e in events)


@needs_samples
@pytest.mark.parametrize("run", cases())
def test_official_files(run: str) -> None:
    log = read_trace(official()[f"{run}/mlperf_log_trace.json"])
    detail = read_detail(official()[f"{run}/mlperf_log_detail.txt"])
    assert log.problems == ()
    assert log.n_samples > 0
    assert log.latency_ns.min() > 0
    if "result_query_count" in detail and "find_peak" not in run and "submission" not in run:
        assert len(np.unique(log.query_seq)) == detail["result_query_count"]
        assert log.latency_ns.max() == detail["result_max_latency_ns"]


@needs_samples
@pytest.mark.parametrize("run", ["Server/performance", "SingleStream/performance_tokens"])
def test_sample_events_have_the_official_shape(run: str, tmp_path: Path) -> None:
    write_trace_json(tmp_path / "t.json", trace([1, 1, 1], tokens="tokens" in run))
    ours = json.loads((tmp_path / "t.json").read_bytes())
    content = official()[f"{run}/mlperf_log_trace.json"].decode().splitlines()
    for name, phase in (("Sample", "b"), ("Sample", "e"), ("Token", "b")):
        theirs = [json.loads(x.rstrip(",")) for x in content if x.startswith(f'{{"name":"{name}","cat"')]
        shape = next((list(e) + list(e.get("args", {})) for e in theirs if e["ph"] == phase), None)
        mine = [e for e in ours["traceEvents"] if e["name"] == name and e["ph"] == phase]
        assert shape == (list(mine[0]) + list(mine[0].get("args", {})) if mine else None)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "no sample"),
        (b"[]", "no sample"),
        (b'{"name":"Sample","cat":"default","ph":"b","pid":1,"id":0,"ts"', "1 samples that cannot be read"),
    ],
)
def test_oddities_are_named(content: bytes, found: str) -> None:
    log = read_trace(content)
    assert log.n_samples == 0
    assert found in [p.found for p in log.problems]


@given(st.binary(max_size=200))
def test_no_bytes_raise(junk: bytes) -> None:
    head = b'{"name":"Sample","cat":"default","ph":"b","pid":1,"id":0,"ts":'
    read_trace(
        junk + head + junk + b"\n" + head + b'1..2,"args":{"sample_seq":1,"query_seq":1,"sample_idx":1,'
        b'"issue_start_ns":1,"complete_ns":1}},\n'
    )
