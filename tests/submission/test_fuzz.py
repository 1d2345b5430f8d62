"""Whatever is in the files, the checker answers with findings: never a traceback, never a check that fails."""

from __future__ import annotations

import io
import json
import tarfile
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlassay.core.errors import MlassayError
from mlassay.submission.accuracy_text import search
from mlassay.submission.checker import check
from mlassay.submission.render import RENDERERS
from mlassay.submission.tree import MemoryTree, memory_tree, open_tree
from tests.submission.maker import add_power, make, to_endpoints

_CLASSIC = make("v5.1", "llama2-70b-99", suite="datacenter")
add_power(_CLASSIC)
_HTTP = make("v6.1", "llama3.1-8b-edge")
to_endpoints(_HTTP)
CONTENTS = [
    _CLASSIC.content(),
    _HTTP.content(),
    make("v0.5", "resnet", scenarios=("Server", "Offline")).content(),
    make("v6.0", "resnet").content(),
]
SHORT = {p: d[:2000] for p, d in CONTENTS[0].items()}
SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


def survives(content: dict[str, bytes]) -> None:
    report = check(memory_tree(content))
    broken = [f for f in report.findings if f.id == "CHECK001"]
    assert broken == []
    for render in RENDERERS.values():
        render(report).encode("utf-8")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
damage = st.sampled_from(["cut", "flip", "insert", "replace", "double", "empty"])


@SETTINGS
@given(data=st.data())
def test_damaged_bytes(data: st.DataObject) -> None:
    content = dict(data.draw(st.sampled_from(CONTENTS)))
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(sorted(content)))
        raw = content[path]
        at = data.draw(st.integers(0, max(0, len(raw) - 1)))
        junk = data.draw(st.binary(max_size=40))
        content[path] = {
            "cut": raw[:at],
            "flip": raw[:at] + bytes([raw[at] ^ 0xA5]) + raw[at + 1 :] if raw else raw,
            "insert": raw[:at] + junk + raw[at:],
            "replace": junk,
            "double": raw + raw,
            "empty": b"",
        }[data.draw(damage)]
    survives(content)


@SETTINGS
@given(value=json_values, which=st.integers(0, 3), data=st.data())
def test_wrong_types_in_every_json_file(value: Any, which: int, data: st.DataObject) -> None:
    content = dict(CONTENTS[which])
    path = data.draw(st.sampled_from(sorted(p for p in content if p.endswith(".json"))))
    try:
        fields = json.loads(content[path])
    except ValueError:
        fields = {}
    if isinstance(fields, dict) and fields:
        fields[data.draw(st.sampled_from(sorted(fields)))] = value
    else:
        fields = value
    content[path] = json.dumps(fields).encode("utf-8", "surrogatepass")
    survives(content)


@SETTINGS
@given(value=json_values, which=st.sampled_from([0, 1, 3]), data=st.data())
def test_wrong_types_in_every_log_line(value: Any, which: int, data: st.DataObject) -> None:
    content = dict(CONTENTS[which])
    path = data.draw(st.sampled_from(sorted(p for p in content if p.endswith("detail.txt"))))
    lines = content[path].splitlines()
    at = data.draw(st.integers(0, len(lines) - 1))
    row = json.loads(lines[at][9:])
    row[data.draw(st.sampled_from(["key", "value", "metadata", "time_ms"]))] = value
    lines[at] = b":::MLLOG " + json.dumps(row).encode("utf-8", "surrogatepass")
    content[path] = b"\n".join(lines)
    survives(content)


@SETTINGS
@given(names=st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=5), data=st.binary(max_size=50))
def test_any_names(names: list[str], data: bytes) -> None:
    content = dict(SHORT)
    base = data and sorted(content)[len(data) % len(content)].rpartition("/")[0]
    for name in names:
        clean = "/".join(p for p in name.split("/") if p not in ("", ".", ".."))
        if clean and not any(k.startswith(f"{base}/{clean}/") or k == f"{base}/{clean}" for k in content):
            content[f"{base}/{clean}"] = data
    tree = MemoryTree(label="memory", content=content)
    for path, raw in content.items():
        if not any(parent in tree.nodes for parent in _parents(path)) and path not in tree.folders:
            from mlassay.submission.tree import Node

            tree.add(path, Node(len(raw)))
    tree.finish()
    assert [f for f in check(tree).findings if f.id == "CHECK001"] == []


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts))]


def _packed(kind: str) -> bytes:
    out = io.BytesIO()
    few = dict(sorted(SHORT.items())[:12])
    if kind == "zip":
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
            for name, data in few.items():
                z.writestr(name, data)
    else:
        with tarfile.open(fileobj=out, mode=kind) as t:  # type: ignore[call-overload]
            for name, data in few.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                t.addfile(info, io.BytesIO(data))
    return out.getvalue()


PACKED = {kind: _packed(kind) for kind in ("zip", "w", "w:gz", "w:xz", "w:bz2")}


@pytest.mark.parametrize("kind", PACKED)
def test_damaged_archives(kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    place = tmp_path_factory.mktemp("fuzz") / "x.archive"

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(data=st.data())
    def damaged(data: st.DataObject) -> None:
        raw = bytearray(PACKED[kind])
        for _ in range(data.draw(st.integers(1, 6))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        place.write_bytes(raw[: data.draw(st.integers(1, len(raw)))])
        try:
            tree = open_tree(place)
            report = check(place)
        except MlassayError:
            return
        assert [f for f in report.findings if f.id == "CHECK001"] == []
        for path in tree.nodes:
            try:
                tree.read(path)
            except MlassayError:
                continue

    damaged()


@SETTINGS
@given(st.binary(max_size=400) | st.text(max_size=300).map(str.encode))
def test_any_accuracy_text(data: bytes) -> None:
    search(data)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("deep", b"[" * 1_000_000),
        ("deep objects", b'{"a":' * 200_000),
        ("one endless line", b'{"a": "' + b"x" * 5_000_000),
        ("huge number", b'{"number_of_nodes": ' + b"9" * 5000 + b"}"),
        ("surrogates", b'{"submitter": "\\ud800", "system_name": "\\u0000"}'),
        ("utf-16", '{"a": 1}'.encode("utf-16")),
        ("nul", bytes(10_000)),
    ],
)
def test_hostile_system_files(name: str, content: bytes) -> None:
    for path in ("closed/ACME/systems/box.json", "closed/ACME/measurements/box/resnet/Offline/box_torch_Offline.json"):
        survives({**make("v5.1").content(), path: content})


def test_an_endless_line_takes_bounded_memory(tmp_path: Path) -> None:
    content = make("v5.1", "rgat", suite="datacenter").content()
    for name, data in content.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    log = next(p for p in tmp_path.rglob("run_1/mlperf_log_detail.txt") if "compliance" not in str(p))
    with open(log, "ab") as out:
        out.writelines(b"x" * (1 << 20) for _ in range(100))
    tracemalloc.start()
    report = check(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300 << 20
    assert {f.id for f in report.findings} <= {"LOG001", "LOG002", "TREE007"}
    assert "TREE007" in {f.id for f in report.findings}


def test_an_accuracy_log_is_never_read_whole(tmp_path: Path) -> None:
    content = make("v5.1", "rgat", suite="datacenter").content()
    for name, data in content.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    log = next(tmp_path.rglob("accuracy/mlperf_log_accuracy.json"))
    with open(log, "wb") as out:
        out.truncate(3 << 30)  # a hole: three gigabytes that take no room
    tracemalloc.start()
    report = check(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50 << 20
    assert [f.id for f in report.findings] == ["ACC011", "TREE007"]
