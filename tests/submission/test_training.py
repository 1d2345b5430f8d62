"""Training submissions: single changes with their exact finding, valid ones in silence, published ones read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlassay.core.errors import BadFile
from mlassay.records.mllog import format_mllog
from mlassay.submission.check import all_checks
from mlassay.submission.checker import check
from mlassay.submission.tree import memory_tree

Event = tuple[str, Any, dict[str, Any], int]
BASE = "ACME/results/box/retinanet"
ARCHIVES = Path(__file__).parents[3] / "shared" / "data"


def events(seed: int, minutes: float, division: str = "open") -> list[Event]:
    """A log that holds what v5.0 asks of an open run."""
    end = round(minutes * 60_000) + 60_000
    at = {"epoch_num": 1}
    return [
        ("cache_clear", True, {}, 1_000),
        ("submission_division", division, {}, 1_000),
        ("submission_org", "ACME", {}, 1_000),
        ("submission_benchmark", "retinanet", {}, 1_000),
        ("seed", seed, {}, 1_000),
        ("init_start", None, {}, 1_000),
        ("train_samples", 1000, {}, 1_500),
        ("eval_samples", 100, {}, 1_500),
        ("init_stop", None, {}, 2_000),
        ("run_start", None, {}, 60_000),
        ("epoch_start", None, at, 60_001),
        ("epoch_stop", None, at, end - 100),
        ("eval_start", None, at, end - 90),
        ("eval_accuracy", 0.35, at, end - 80),
        ("eval_stop", None, at, end - 70),
        ("run_stop", None, {"status": "success"}, end),
    ]


class Made:
    """Five logs and a system description."""

    def __init__(self, division: str = "open") -> None:
        self.logs = {n: events(n + 1, 10 + n, division) for n in range(5)}
        self.files: dict[str, bytes] = {"ACME/systems/box.json": b'{"division": "open", "status": "onprem"}'}
        self.folder = BASE

    def content(self) -> dict[str, bytes]:
        content = dict(self.files)
        for n, rows in self.logs.items():
            lines = [format_mllog(k, v, m, time_ms=t) for k, v, m, t in rows]
            content.setdefault(f"{self.folder}/result_{n}.txt", "".join(f"{line}\n" for line in lines).encode())
        return content


def replaced(
    rows: list[Event], key: str, value: Any = None, *, metadata: dict[str, Any] | None = None, ms: int = 0
) -> None:
    for n, (k, v, m, t) in enumerate(rows):
        if k == key:
            rows[n] = (k, value if value is not None else v, m if metadata is None else metadata, ms or t)


def without(rows: list[Event], key: str) -> list[Event]:
    return [row for row in rows if row[0] != key]


def unknown_benchmark(m: Made) -> None:
    m.folder = "ACME/results/box/retinanet51"


def four_runs(m: Made) -> None:
    del m.logs[4]


def two_failures(m: Made) -> None:
    for n in (1, 2):
        replaced(m.logs[n], "run_stop", metadata={"status": "aborted"})


def a_pointer(m: Made) -> None:
    m.files[f"{BASE}/result_2.txt"] = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"


def a_merged_line(m: Made) -> None:
    text = m.content()[f"{BASE}/result_2.txt"].decode().split("\n")
    m.files[f"{BASE}/result_2.txt"] = ("\n".join([text[0] + " " + text[1], *text[2:]])).encode()


def no_stop(m: Made) -> None:
    m.logs[0] = without(m.logs[0], "run_stop")


def backwards(m: Made) -> None:
    replaced(m.logs[0], "run_stop", ms=59_000)


def no_cache_clear(m: Made) -> None:
    m.logs[0] = without(m.logs[0], "cache_clear")


def wrong_metadata(m: Made) -> None:
    replaced(m.logs[0], "eval_accuracy", metadata={})


def one_seed(m: Made) -> None:
    replaced(m.logs[3], "seed", 1)


def no_system(m: Made) -> None:
    m.files = {"ACME/systems/README.md": b"x"}


CASES: list[tuple[Callable[[Made], None], str, str, str, str]] = [
    (unknown_benchmark, "TRN001", "warning", "ACME/results/box/retinanet51", "'retinanet51'"),
    (four_runs, "TRN002", "warning", BASE, "4 logs"),
    (a_pointer, "TRN004", "error", f"{BASE}/result_2.txt", "content is not here (a large-file pointer)"),
    (a_merged_line, "TRN005", "warning", f"{BASE}/result_2.txt", "line 1: 2 events on one line"),
    (no_stop, "TRN006", "error", f"{BASE}/result_0.txt", "no run_stop"),
    (backwards, "TRN007", "error", f"{BASE}/result_0.txt", "-0.0 minutes"),
    (no_cache_clear, "TRN009", "error", f"{BASE}/result_0.txt", "cache_clear: no lines; expected at least 1"),
    (wrong_metadata, "TRN010", "error", f"{BASE}/result_0.txt", "eval_accuracy has no epoch_num in its metadata"),
    (one_seed, "TRN011", "error", BASE, "seed 1 in result_0.txt, result_3.txt"),
    (no_system, "TRN012", "warning", "ACME/systems/box.json", "absent"),
]


@pytest.mark.parametrize(("change", "id", "severity", "where", "found"), CASES)
def test_one_change_gives_its_finding(
    change: Callable[[Made], None], id: str, severity: str, where: str, found: str
) -> None:
    made = Made()
    change(made)
    report = check(memory_tree(made.content()), round="v5.0")
    assert [(f.id, f.severity.value, f.where, f.found) for f in report.findings] == [(id, severity, where, found)]


def test_too_many_failures_give_no_score() -> None:
    made = Made()
    two_failures(made)
    report = check(memory_tree(made.content()), round="v5.0")
    assert [f.id for f in report.findings] == ["TRN003"]
    assert report.results[0].value is None


def test_success_without_the_target() -> None:
    made = Made("closed")
    made.folder = "v0.5.0/acme/one/results/box/resnet"
    made.files = {"v0.5.0/acme/one/results/box/entry.json": b"{}"}
    for n, rows in made.logs.items():
        made.logs[n] = [r for r in rows if r[0] != "submission_benchmark"]
        replaced(made.logs[n], "eval_accuracy", 0.71 if n == 2 else 0.75)
    report = check(memory_tree(made.content()))
    assert (report.suite, report.round) == ("training", "v0.5")
    assert [(f.id, f.where[-12:], f.found, f.expected) for f in report.findings] == [
        ("TRN008", "result_2.txt", "top1_accuracy 0.71", "at least 0.749")
    ]


def test_valid_runs_pass_and_are_scored() -> None:
    report = check(memory_tree(Made().content()), round="v5.0")
    assert (report.suite, report.verdict, report.findings) == ("training", "pass", ())
    (row,) = report.results
    assert (row.division, row.submitter, row.system, row.benchmark) == ("open", "ACME", "box", "retinanet")
    assert (row.metric, row.value, row.unit) == ("minutes to target", 12.0, "min")  # 11, 12 and 13; the ends go


def test_the_round_is_a_guess_for_newer_logs() -> None:
    report = check(memory_tree(Made().content()))
    assert [f.id for f in report.findings if f.id == "ROUND001"] == ["ROUND001"]


def told(round_: str, logs: range = range(5)) -> Made:
    """Logs that name their round beside the benchmark."""
    made = Made()
    for n in logs:
        replaced(made.logs[n], "submission_benchmark", metadata={"round": round_})
    return made


def test_a_log_names_its_round() -> None:
    report = check(memory_tree(told("v5.0").content()))
    assert (report.round, report.verdict, report.findings) == ("v5.0", "pass", ())


def test_the_record_beside_a_log_names_its_round() -> None:
    made = Made()
    made.files[f"{BASE}/result_0.json"] = b'{"round": "v5.0"}'
    report = check(memory_tree(made.content()))
    assert (report.round, report.findings) == ("v5.0", ())


@pytest.mark.parametrize("said", [b'{"round": "v99"}', b'{"round": 7}', b"[]", b"\xff"])
def test_a_record_that_names_no_round_is_passed_over(said: bytes) -> None:
    made = Made()
    made.files[f"{BASE}/result_0.json"] = said
    report = check(memory_tree(made.content()))
    assert next(f.found for f in report.findings if f.id == "ROUND001").startswith(
        "training logs do not name their round"
    )


def test_logs_of_several_rounds_are_told() -> None:
    content = told("v5.0").content()
    other = told("v4.1")
    other.folder = "ACME/results/other/retinanet"
    report = check(memory_tree(content | other.content()))
    (doubt,) = [f for f in report.findings if f.id == "ROUND001"]
    assert doubt.found == f"logs of several rounds (v4.1, v5.0); {report.round} was taken"


def test_runs_without_a_round_are_held_to_what_holds_for_any_run() -> None:
    made = told("none")
    no_cache_clear(made)
    report = check(memory_tree(made.content()))
    assert (report.round, report.verdict) == ("none", "pass")
    (note,) = report.findings
    assert (note.id, note.severity.value) == ("ROUND001", "note")
    assert note.found == "runs without a round's rules: only what holds for any run was checked"
    assert "--round v5.1" in note.hint
    assert [f.id for f in check(memory_tree(made.content()), round="v5.0").findings] == ["TRN009"]


def test_runs_without_a_round_must_be_whole_all_the_same() -> None:
    made = told("none")
    no_stop(made)
    report = check(memory_tree(made.content()))
    assert (report.verdict, [f.id for f in report.findings]) == ("fail", ["TRN006", "ROUND001"])


def test_a_submitters_directory_and_a_log_alone_are_recognised(tmp_path: Path) -> None:
    for name, data in told("v5.0").content().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    report = check(tmp_path / "ACME")
    assert (report.suite, report.round) == ("training", "v5.0")
    report = check(tmp_path / BASE / "result_0.txt")
    assert (report.suite, report.round, report.results[0].benchmark) == ("training", "v5.0", "retinanet")
    assert "TRN001" not in {f.id for f in report.findings}


def test_every_training_check_is_tried() -> None:
    elsewhere = {"TRN013"}  # with closed logs of our own: tests/runs/test_closed_logs.py
    tried = {case[1] for case in CASES} | {"TRN003", "TRN008"} | elsewhere
    assert {i for i in all_checks() if i.startswith("TRN")} == tried


def test_asking_for_what_is_not_there() -> None:
    with pytest.raises(BadFile, match=r"no result_<n>\.txt"):
        check(memory_tree({"a.txt": b"x"}), suite="training")


def test_as_official_what_the_tool_does_not_see_is_a_note() -> None:
    made = Made()
    backwards(made)
    report = check(memory_tree(made.content()), as_official="v5.0")
    assert (report.round, report.as_official, report.verdict) == ("v5.0", "v5.0", "pass")
    assert [(f.id, f.severity.value) for f in report.findings] == [("TRN007", "note")]


@pytest.mark.parametrize("damage", [b"\xff\xfe", b"\0" * 100, b":::MLLOG {", b'{"a": [[[[' * 1000, b""])
def test_damaged_logs(damage: bytes) -> None:
    content = Made().content()
    content[f"{BASE}/result_1.txt"] = damage + content[f"{BASE}/result_1.txt"][:300] + damage
    content["ACME/systems/box.json"] = damage
    report = check(memory_tree(content), round="v5.0")
    assert not [f for f in report.findings if f.id == "CHECK001"]
    json.dumps([f.found for f in report.findings])


@pytest.mark.shared
@pytest.mark.parametrize(("round_name", "entries"), [("v0.5", 33), ("v0.6", 51)])
def test_published_logs(round_name: str, entries: int) -> None:
    archive = ARCHIVES / f"training_results_{round_name}.tar.xz"
    if not archive.exists():
        pytest.skip("the archive of published results is not here")
    report = check(archive)
    assert (report.suite, report.round, len(report.results)) == ("training", round_name, entries)
    assert all(r.value for r in report.results)
    assert not [f for f in report.findings if f.id in ("CHECK001", "TRN004", "TRN006", "TRN008")]
