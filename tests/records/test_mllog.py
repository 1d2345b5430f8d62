"""Training logs: byte-equal to the official writer, tolerant of everything that was published."""

from __future__ import annotations

import io
import json
import logging
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlassay.records.mllog import (
    END,
    START,
    Flavour,
    LogWriter,
    format_mllog,
    format_v05,
    format_v06,
    iter_events,
    read_log,
)

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def events_of(text: str | bytes, **kw):
    problems: list = []
    raw = text.encode() if isinstance(text, str) else text
    return list(iter_events(io.BytesIO(raw), problems, **kw)), problems


# --- writing


def test_a_line_has_the_official_field_order():
    line = format_mllog("run_start", None, {"file": "a.py", "lineno": 3}, time_ms=1234, event_type=START)
    assert line == (
        ':::MLLOG {"namespace": "", "time_ms": 1234, "event_type": "INTERVAL_START", "key": "run_start", '
        '"value": null, "metadata": {"file": "a.py", "lineno": 3}}'
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (float("inf"), "Infinity"),
        (float("nan"), "NaN"),
        (np.float32(0.5), "0.5"),
        (np.arange(2), "[0, 1]"),
        ("ü", '"\\u00fc"'),
    ],
)
def test_values_are_spelled_as_the_official_writer_spells_them(value, text):
    assert f'"value": {text}, ' in format_mllog("k", value, {}, time_ms=0)


def test_a_value_that_no_log_can_hold_is_refused_by_name():
    with pytest.raises(TypeError, match="a log cannot hold a object; give a number, text, list or mapping"):
        format_mllog("k", object(), {}, time_ms=0)


@given(key=st.text(), value=JSON_VALUES, metadata=st.dictionaries(st.text(), JSON_VALUES, max_size=3))
def test_lines_equal_the_official_writer(key, value, metadata):
    official = pytest.importorskip("mlperf_logging.mllog.mllog")
    for event_type in (START, END, "POINT_IN_TIME"):
        ours = format_mllog(key, value, metadata, time_ms=17, event_type=event_type, namespace="n")
        assert ours == official._encode_log("n", 17, event_type, key, value, metadata)


def test_a_whole_line_equals_the_official_logger(capsys):
    mllog = pytest.importorskip("mlperf_logging.mllog")
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger = logging.Logger("test", level=logging.INFO)
    logger.addHandler(handler)
    official = mllog.mllog.MLLogger(logger=logger)
    ours = io.StringIO()
    writer = LogWriter(ours)
    official.end("run_stop", metadata={"status": "success"}, time_ms=5), writer.end(
        "run_stop", None, {"status": "success"}, time_ns=5_999_999
    )  # fmt: skip
    assert ours.getvalue() == stream.getvalue()


def test_old_flavours_are_written_as_published():
    assert format_v06("run_stop", None, {"status": "success"}, time_ms=1558660087930) == (
        ':::MLL 1558660087.930 run_stop: {"value": null, "metadata": {"status": "success"}}'
    )
    args = {"benchmark": "ssd", "time_ns": 1541711226776159048, "file": "train.py", "lineno": 706}
    assert format_v05("run_stop", {"success": True}, **args) == (
        ':::MLPv0.5.0 ssd 1541711226.776159048 (train.py:706) run_stop: {"success": true}'
    )
    assert format_v05("run_final", None, **args).endswith("(train.py:706) run_final")


@pytest.mark.parametrize("flavour", [Flavour.MLLOG, Flavour.V06, Flavour.V05])
@given(value=JSON_VALUES.filter(lambda v: v is not None), ns=st.integers(1, 2**62))
def test_what_is_written_is_read_back(flavour, value, ns):
    file = io.StringIO()
    LogWriter(file, flavour=flavour, benchmark="ncf").event("eval_accuracy", value, time_ns=ns)
    events, problems = events_of(file.getvalue())
    assert problems == [] or (flavour is Flavour.V06 and ns < 10**6)
    step = 1 if flavour is Flavour.V05 else 10**6
    assert [(e.key, e.value, e.flavour) for e in events] == [("eval_accuracy", value, flavour)]
    assert (events[0].time_ns or 0) == ns // step * step
    assert events[0].metadata["file"] == __file__


# --- reading: each published oddity, and what is said about it

CLEAN = format_mllog("eval_accuracy", 0.7, {"epoch_num": 2}, time_ms=9)

ODDITIES = {
    "rank prefix": (f"12: {CLEAN}\n", [("eval_accuracy", 0.7)], []),
    "mpirun prefix": (f"[1,0]<stdout>:{CLEAN}\r\n", [("eval_accuracy", 0.7)], []),
    "four colons": (
        "DEBUG:mlperf_compliance::::MLPv0.5.0 resnet 15.5 (a.py:4) eval_offset: 3\n",
        [("eval_offset", 3)],
        [],
    ),
    "space before the colon": (
        ':::MLPv0.5.0 resnet 15.5 (a.py:4) opt_learning_rate : { "deferred": true, "value": 0 }\n',
        [("opt_learning_rate", {"deferred": True, "value": 0})],
        [],
    ),
    "whole seconds": (
        ":::MLPv0.5.0 resnet 1540939905 (a/b.c:27) input_batch_size:  32 \n",
        [("input_batch_size", 32)],
        [],
    ),
    "no time in the preamble": (
        ':::MLL 0.0 submission_org: {"value": "google", "metadata": {}}\n',
        [("submission_org", "google")],
        ["time 0.0"],
    ),
    "Python dictionary": (
        ":::MLL 1.5 eval_result: {'value': None, 'metadata': {'file': 'a'}}\n",
        [("eval_result", None)],
        ["a Python literal: \"{'value': None, 'metadata': {'file': 'a'}}\""],
    ),
    "two events merged": (
        ':::MLL 1.5 a: {"value": 1, "metadata": {}}:::MLL 1.6 b: {"value": 2, "metadata": {}}\n',
        [("a", 1), ("b", 2)],
        ["2 events on one line"],
    ),
    "home-made text": (
        'MLPerf: resnet [06/13/19 00:55:21], eval_accuracy: {"value": 75.98000%, "epoch": 79}\n',
        [("eval_accuracy", {"value": 75.98, "epoch": 79})],
        ["a home-made 'MLPerf:' line"],
    ),
    "missing fields": (
        ':::MLLOG {"namespace": "", "time_ms": 5, "event_type": "", "key": "seed"}\n',
        [("seed", None)],
        ["no value, metadata in seed"],
    ),
    "a time that is text": (
        ':::MLLOG {"namespace": "", "time_ms": "5", "event_type": "", "key": "seed", "value": 1, "metadata": {}}\n',
        [("seed", 1)],
        ["time_ms '5'"],
    ),
    "metadata over two lines": (
        CLEAN.replace('{"epoch_num": 2}', '{"epoch_num":\n 2}') + "\n",
        [],
        [repr(CLEAN[9:69]), f"no JSON object with a key: {CLEAN[9:69]!r}"],
    ),
    "a control character in a key": (
        CLEAN.replace("eval_accuracy", "eval\taccuracy") + "\n",
        [("eval\taccuracy", 0.7)],
        [f"a Python literal: {CLEAN[9:69]!r}"],
    ),
    "cut by a kill": (CLEAN[:40], [], ["a Python", "no JSON object", "a last line without its end"]),
    "unknown marker": (":::MLQ hello\n", [], ["':::MLQ hello'"]),
    "not UTF-8": (
        b':::MLL 1.5 poc: {"value": "\xe9", "metadata": {}}\n',
        [("poc", "é")],
        ["bytes that are not UTF-8 (read as Latin-1)"],
    ),
}


@pytest.mark.parametrize("name", ODDITIES)
def test_an_oddity_is_read_and_reported(name):
    text, expected, said = ODDITIES[name]
    events, problems = events_of(text)
    assert [(e.key, e.value) for e in events] == expected
    if name == "cut by a kill":
        assert problems[-1].found == "a last line without its end"
    else:
        assert [p.found for p in problems] == said


@given(st.binary(max_size=200), st.sampled_from([b":::MLLOG ", b":::MLL ", b":::MLPv0.5.0 ", b"MLPerf: "]))
def test_no_bytes_crash_the_reader(noise, token):
    for raw in (token + noise, CLEAN.encode() + b"\n" + token + noise + b"\n"):
        events_of(raw)
        events_of(raw, keys={"seed"})


def test_line_numbers_count_the_text_between():
    events, _ = events_of(f"hello\n{CLEAN}\n\nloss 3\n{CLEAN}\n")
    assert [e.line for e in events] == [2, 5]


@given(st.lists(st.sampled_from([CLEAN, "noise", ":::MLPv0.5.0 ncf 5.5 (a:1) run_start", CLEAN.replace("0.7", "NaN")])))
def test_a_filter_gives_the_same_events_as_choosing_afterwards(lines):
    text = "".join(line + "\n" for line in lines)
    everything, _ = events_of(text)
    chosen, _ = events_of(text, keys={"run_start"})
    assert chosen == [e for e in everything if e.key == "run_start"]


def test_chunks_do_not_cut_events(monkeypatch):
    monkeypatch.setattr("mlassay.records.mllog.read.CHUNK_BYTES", 7)
    events, problems = events_of(f"{CLEAN}\nnoise\n{CLEAN}\n")
    assert [e.line for e in events] == [1, 3]
    assert problems == []


def test_a_million_bytes_of_text_parse_quickly(tmp_path: Path):
    noise = b"step 100 loss 2.345 throughput 123 samples/s eta 12:34\n" * 40
    path = tmp_path / "log.txt"
    path.write_bytes((noise + CLEAN.encode() + b"\n") * 4000)
    began = time.perf_counter()
    log = read_log(path, keys={"run_start"})
    rate = path.stat().st_size / (time.perf_counter() - began)
    assert (log.events, log.n_lines) == ((), 4000 * 41)
    assert rate > 30e6, f"{rate / 1e6:.0f} MB/s"


def test_read_log_answers_by_key(tmp_path: Path):
    path = tmp_path / "log.txt"
    path.write_text(CLEAN + "\n" + CLEAN + "\n")
    log = read_log(path)
    assert len(log.all("eval_accuracy")) == 2
    assert log.first("eval_accuracy") == log.events[0]
    assert log.first("seed") is None
    assert json.loads(CLEAN.removeprefix(":::MLLOG "))["value"] == log.events[0].value


ODD_METADATA = (
    '{"file": "a.py", "lineno": 1}',
    '{"file": "a.py", "lineno": 1, "x": {"y": [1]}}',
    "{}",
    '{"a": 1}, {"b": 2}',
    "7",
)
ODD_VALUES = (
    "1",
    "-1.5e-3",
    "NaN",
    "null",
    '"a, b"',
    '"q\\"q"',
    "[1, 2]",
    '{"a": 1}',
    "[[1], [2]]",
    "01",
    "1.2.3",
    "1, 2",
)


@given(st.lists(st.tuples(st.sampled_from(ODD_VALUES), st.sampled_from(ODD_METADATA)), min_size=1, max_size=5))
def test_whole_blocks_read_as_line_by_line(rows: list[tuple[str, str]]) -> None:
    """The fast ways against the patient one: a line alone with a broken neighbour is always read patiently."""
    head = ':::MLLOG {"namespace": "", "time_ms": 5, "event_type": "POINT_IN_TIME", "key": "k", "value": '
    text = [f'{head}{v}, "metadata": {m}}}\n' for v, m in rows]
    together, _ = events_of("".join(text))
    patient = []
    for number, line in enumerate(text, 1):
        events, _ = events_of(line + ":::MLLOG {\n")
        patient += [e._replace(line=number) for e in events]
    assert repr(together) == repr(patient)
