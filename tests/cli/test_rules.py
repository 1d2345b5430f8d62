"""`mlassay rules`: lists, tables, differences, JSON, and errors with their exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlassay.cli.main import main


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(["rules", *words])
    out = capsys.readouterr()
    return int(left.value.code or 0), out.out, out.err


def run_json(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    code, out, err = run(capsys, *words, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "list")
    assert code == 0
    assert len(out.splitlines()) == 14
    assert out.startswith("v0.5  2019-11-06  ssd-small, ssd-large, mobilenet, resnet, gnmt\n")
    assert run_json(capsys, "list")[0]["benchmarks"] == ["ssd-small", "ssd-large", "mobilenet", "resnet", "gnmt"]


def test_show_a_round(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "show", "v5.1")
    assert code == 0
    assert "shortest run                         10 min 0 s" in out
    assert "conf         mlcommons/inference v5.1.1:loadgen/mlperf.conf" in out
    data = run_json(capsys, "show", "v5.1")
    assert data["seeds"]["qsl"] == 1780908523862526354
    assert data["benchmarks"]["resnet"]["scenarios"]["server"]["latency_ns"] == 15_000_000


@pytest.mark.parametrize("name", ["resnet", "resnet50"])
def test_show_a_benchmark_by_either_name(capsys: pytest.CaptureFixture[str], name: str) -> None:
    code, out, _ = run(capsys, "show", "v5.1", name)
    assert code == 0
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == "resnet in v5.1"
    assert "latency bound 15.0 ms conf, since v0.5" in lines
    assert "quality acc ≥ 75.6954 (99 % of 76.46) checker, since v0.5" in lines
    assert "queries 64 rules, 'Early Stopping Criterion', since v2.0" in lines


def test_show_one_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "show", "5.1", "llama2-70b", "--scenario", "Interactive")
    assert code == 0
    assert out.count("first token 450 ms, per output token 40.0 ms") == 2  # 99 and 99.9
    assert "offline" not in out.split("sources")[0]
    data = run_json(capsys, "show", "v5.1", "llama2-70b-99", "--scenario", "interactive")
    assert (data["ttft_ns"], data["tpot_ns"]) == (450_000_000, 40_000_000)


def test_show_where_authorities_differ(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "show", "v6.0", "dlrm-v3")
    assert "80.0 ms (checker 1 min 0 s)" in out
    assert "checker 349,823, rules 34,996" in out
    _, out, _ = run(capsys, "show", "v0.7", "resnet")
    assert "rules ask, datacenter" in out


def test_diff(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "diff", "v5.0", "v5.1")
    assert code == 0
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == "v5.0 → v5.1: 34 changes (+ new, - gone, ~ changed)"
    assert "+ benchmarks.whisper = Whisper-large-v3 [checker]" in lines
    assert "- benchmarks.gptj-99 (was GPT-J 6B) [checker, since v3.1]" in lines
    assert "~ seeds.qsl: 6023615788873153749 → 1780908523862526354 [conf]" in lines
    changes = run_json(capsys, "diff", "v5.0", "v5.1")
    clause = "mlcommons/inference tools/submission/submission_checker.py @ tag v5.1.1 (6776245e)"
    assert {"path": "submission.dataset_size_checked", "old": False, "new": True, "clause": clause} in changes


def test_a_round_does_not_differ_from_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_json(capsys, "diff", "v5.1", "v5.1") == []


def test_diff_with_a_file_of_ones_own(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "house.toml"
    path.write_text('round = "house"\nextends = "v5.1"\n[run]\nmin_duration_s = 30\n')
    _, out, _ = run(capsys, "diff", "v5.1", str(path))
    assert "~ run.min_duration_s: 600 → 30  [rules, 'Scenarios']" in out


def test_compare(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "compare", "resnet", "v4.0", "v4.1", "--suite", "datacenter", "--scenario", "server")
    assert code == 0
    assert out.startswith("comparable: ResNet-50 v1.5 is comparable from v0.5 to v5.0")
    assert "  but: server counts completed samples since, scheduled before\n" in out
    code, out, _ = run(capsys, "compare", "resnet", "v5.0", "v5.1", "--suite", "datacenter")
    assert code == 1
    assert out.startswith("not comparable: ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["show", "v5.2"], "error: unknown round 'v5.2'\n  next: did you mean v5.1 or v5.0 or v6.1?\n"),
        (["show", "v5.1", "resnt"],
         "error: unknown benchmark of v5.1 'resnt'\n  next: did you mean resnet or resnet50?\n"),
        (["show", "v5.1", "rgat", "--scenario", "server"],
         "error: unknown scenario of rgat in v5.1 'server'\n  next: known: offline\n"),
        (["show", "v5.1", "rgat", "--scenario", "srv"],
         "error: unknown scenario 'srv'; known: single-stream, multi-stream, server, offline, interactive\n"),
        (["show", "nowhere.toml"], "error: nowhere.toml is missing; expected a round file\n"),
    ],
)  # fmt: skip
def test_errors(capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    assert run(capsys, *words) == (2, "", message)


def test_a_bad_file_is_named_with_key_and_value(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text('round = "bad"\nextends = "v5.1"\n[benchmarks.bert-99.server]\nlatency_ms = -130\n')
    code, _, err = run(capsys, "show", str(path))
    assert code == 2
    assert err == (
        f"error: {path}: benchmarks.bert-99.server.latency_ms is -130; expected a positive number of milliseconds\n"
    )


def test_training_rounds(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "list", "--suite", "training")
    assert code == 0
    assert out.startswith("v0.5  2018-12     resnet, ssd, maskrcnn, gnmt, transformer, ncf, minigo\n")
    code, out, _ = run(capsys, "show", "v0.5", "--suite", "training")
    assert "1 fastest, 1 slowest of the first 50" in out
    code, out, _ = run(capsys, "show", "v1.0", "bert", "--suite", "training")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "target masked_lm_accuracy ≥ 0.72 rules, 'Benchmarks'" in lines
    assert "evaluated by batch size: 150,000 at 256, 225,000 at 8,192 rules, 'Quality measure'" in lines
    assert run_json(capsys, "show", "v1.0", "bert", "--suite", "training")["runs"] == 10
    assert run_json(capsys, "show", "v5.1", "--suite", "training")["benchmarks"]["flux1"]["runs"] == 10
    code, out, _ = run(capsys, "diff", "v5.0", "v5.1", "--suite", "training")
    assert "  ~ benchmarks.llama31_405b.evaluation.samples: 46080 → 18432" in out
    code, _, err = run(capsys, "show", "v5.1", "rgat", "--scenario", "server", "--suite", "training")
    assert (code, err) == (2, "error: training has no scenarios\n  next: leave --scenario out\n")


@pytest.mark.parametrize("name", ["v0.5", "v0.6", "v2.0", "v5.1", "v6.1"])
def test_every_training_benchmark_can_be_shown(capsys: pytest.CaptureFixture[str], name: str) -> None:
    for benchmark in run_json(capsys, "show", name, "--suite", "training")["benchmarks"]:
        assert run(capsys, "show", name, benchmark, "--suite", "training")[0] == 0


@pytest.mark.parametrize("name", ["v0.5", "v1.1", "v4.1", "v6.0", "v6.1"])
def test_every_inference_benchmark_can_be_shown(capsys: pytest.CaptureFixture[str], name: str) -> None:
    for benchmark in run_json(capsys, "show", name)["benchmarks"]:
        assert run(capsys, "show", name, benchmark)[0] == 0
