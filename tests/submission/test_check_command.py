"""`mlassay check` on the command line: what it accepts, what it prints, how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mlassay.cli.check import check as command
from mlassay.cli.main import main
from tests.submission.maker import Made, make


def write(made: Made, root: Path) -> Path:
    for name, data in made.content().items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def run(*arguments: str | Path) -> tuple[int, Result]:
    result = CliRunner().invoke(command, [str(a) for a in arguments], standalone_mode=False)
    code = result.return_value if result.exception is None else -1
    return code, result


def end_of(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    assert isinstance(caught.value.code, int)
    return caught.value.code, out, err


def test_pass_is_zero_and_fail_is_one(tmp_path: Path) -> None:
    made = make("v5.1")
    good = write(made, tmp_path / "good")
    code, result = run(good, "--jobs", "1")
    assert code == 0
    assert result.output.startswith("PASS: inference v5.1")
    made.log("Offline")["result_validity"] = "INVALID"
    code, result = run(write(made, tmp_path / "bad"), "--json", "--jobs", "1")
    assert code == 1
    document = json.loads(result.output)
    assert document["verdict"] == "fail"
    assert [f["id"] for f in document["findings"]] == ["PERF004"]


def test_two_for_what_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = end_of(capsys, "check", tmp_path / "none", "--json")
    assert (code, out) == (2, "")
    assert "absent; expected a directory, an archive or a log" in err
    (tmp_path / "x.bin").write_bytes(b"\x00\x01\x02" * 100)
    code, out, err = end_of(capsys, "check", tmp_path / "x.bin")
    assert (code, out) == (2, "")
    assert "is no log, no archive, no submission" in err


def test_an_empty_directory_is_a_fail(tmp_path: Path) -> None:
    code, result = run(tmp_path)
    assert code == 1
    assert "TREE001" in result.output


def test_a_result_inside_a_submission_is_checked_with_its_surroundings(tmp_path: Path) -> None:
    made = make("v5.1")
    made.log("Offline")["result_validity"] = "INVALID"
    made.system_json["status"] = "avaliable"
    write(made, tmp_path)
    code, result = run(tmp_path / made.result("SingleStream"), "--json")
    document = json.loads(result.output)
    assert (code, [r["scenario"] for r in document["results"]], document["findings"]) == (0, ["SingleStream"], [])
    code, result = run(tmp_path / made.base, "--json")
    assert [f["id"] for f in json.loads(result.output)["findings"]] == ["PERF004", "SYS006"]
    code, result = run(tmp_path / made.run("Offline"), "--json")
    document = json.loads(result.output)
    assert (code, [f["id"] for f in document["findings"]]) == (1, ["PERF004"])


def test_single_logs_and_runs(tmp_path: Path) -> None:
    made = make("v5.1")
    write(made, tmp_path)
    lone = tmp_path / "some.txt"
    lone.write_bytes((tmp_path / made.run("Offline") / "mlperf_log_detail.txt").read_bytes())
    code, result = run(lone, "--json")
    document = json.loads(result.output)
    assert (code, document["round"], document["findings"]) == (0, "v5.1", [])
    assert [(r["scenario"], r["value"]) for r in document["results"]] == [("Offline", 37.2364)]
    code, result = run(lone, "--json", "--benchmark", "rgat")
    assert "PERF009" in [f["id"] for f in json.loads(result.output)["findings"]]
    wrong = lone.read_text().replace("1780908523862526354", "1")
    lone.write_text(wrong)
    code, result = run(lone, "--json", "--round", "v5.1")
    assert (code, [f["id"] for f in json.loads(result.output)["findings"]]) == (1, ["PERF008"])


def test_a_submitters_directory_by_itself(tmp_path: Path) -> None:
    made = make("v5.1")
    write(made, tmp_path)
    (tmp_path / made.base).rename(tmp_path / "ACME")
    code, result = run(tmp_path / "ACME", "--json")
    document = json.loads(result.output)
    assert (code, document["findings"], len(document["results"])) == (0, [], 3)
    assert {r["division"] for r in document["results"]} == {"closed"}


@pytest.mark.parametrize(
    ("flag", "start"), [("--sarif", "{"), ("--junit", "<?xml"), ("--csv", "Org"), ("--html", "<!d")]
)
def test_other_forms(flag: str, start: str, tmp_path: Path) -> None:
    code, result = run(write(make("v5.1"), tmp_path), flag)
    assert code == 0
    assert result.output.startswith(start)


def test_only_and_as_official(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = make("v6.0")
    made.log("SingleStream")["result_validity"] = "INVALID"
    made.files[f"{made.base}/.DS_Store"] = b"x"
    write(made, tmp_path)
    code, result = run(tmp_path, "--only", "TREE*", "--json")
    assert [f["id"] for f in json.loads(result.output)["findings"]] == ["TREE008"]
    code, result = run(tmp_path, "--as-official", "v6.0", "--json")
    document = json.loads(result.output)
    assert (code, document["verdict"], document["as_official"]) == (0, "pass", "v6.0")
    assert {f["severity"] for f in document["findings"]} == {"note"}
    code, out, err = end_of(capsys, "check", tmp_path, "--only", "PREF*")
    assert (code, out) == (2, "")
    assert "unknown check 'PREF*'" in err


def test_explain_needs_no_path() -> None:
    code, result = run("--explain", "LOG005")
    assert code == 0
    assert result.output.startswith("LOG005  load generator reported errors")


def test_no_path_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = end_of(capsys, "check")
    assert (code, out) == (2, "")
    assert "Missing argument 'PATH'" in err


def test_several_processes_find_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlassay.submission import checker

    made = make("v5.1")
    made.log("Offline")["result_validity"] = "INVALID"
    write(made, tmp_path)
    alone = checker.check(tmp_path)
    monkeypatch.setattr(checker, "POOL_FROM_RESULTS", 1)
    monkeypatch.setattr(checker, "CHUNK_RESULTS", 1)
    shared = checker.check(tmp_path, jobs=2)
    assert (shared.results, shared.findings) == (alone.results, alone.findings)
