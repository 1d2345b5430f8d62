"""A log as a run: every published spelling of status and quality."""

from __future__ import annotations

import math

import pytest

from mlassay.records.mllog import Flavour, format_mllog
from mlassay.records.training_run import quality_values, read_run


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.76, {"": 0.76}),
        ("24.98", {"": 24.98}),
        ("75.98%", {"": 75.98}),
        ([0.37, 0.34], {"bbox": 0.37, "segm": 0.34}),
        ({"accuracy": {"BBOX": 0.37, "SEGM": 0.34}}, {"bbox": 0.37, "segm": 0.34}),
        ({"BBOX": 0.37, "SEGM": 0.34}, {"bbox": 0.37, "segm": 0.34}),
        ({"epoch": 3, "value": 0.2}, {"": 0.2}),
        (None, {}),
        (True, {}),
        ("n/a", {}),
    ],
)
def test_quality_in_every_spelling(value, expected):
    assert quality_values(value) == expected


def write(path, *lines):
    path.write_text("".join(line + "\n" for line in lines))
    return read_run(path)


def test_a_current_log(tmp_path):
    run = write(
        tmp_path / "result_0.txt",
        format_mllog("submission_benchmark", "bert", {}, time_ms=1),
        format_mllog("seed", 7, {}, time_ms=2),
        format_mllog("run_start", None, {}, time_ms=60_000),
        format_mllog("eval_accuracy", 0.7, {"samples_count": 5}, time_ms=70_000),
        format_mllog("run_stop", None, {"status": "success"}, time_ms=180_000),
    )
    assert (run.benchmark, run.status, run.minutes, run.seeds) == ("bert", "success", 2.0, ("7",))
    assert run.quality[0].samples == 5.0
    assert run.flavour is Flavour.MLLOG


def test_a_killed_run_has_no_time(tmp_path):
    run = write(tmp_path / "result_0.txt", format_mllog("run_start", None, {}, time_ms=60_000))
    assert not run.complete
    assert math.isnan(run.minutes)


@pytest.mark.parametrize(
    ("tail", "status"),
    [
        (': {"success": true}', "success"),
        (': {"success": "true"}', "success"),
        (': {"success": false}', "aborted"),
        ("", ""),
    ],
)
def test_v05_success(tmp_path, tail, status):
    line = ":::MLPv0.5.0 ncf 120.5 (a.py:1) run_stop" + tail
    run = write(tmp_path / "r.txt", ":::MLPv0.5.0 ncf 60.5 (a.py:1) run_start", line, "INFO:x:" + line)
    assert (run.status, run.minutes, run.benchmark) == (status, 1.0, "ncf")


def test_minigo_of_v06_is_scored_by_its_first_winning_checkpoint(tmp_path):
    run = write(
        tmp_path / "r.txt",
        ':::MLL 60.0 run_start: {"value": null, "metadata": {}}',
        ":::MLL 900.0 eval_result: {'value': 0.5, 'metadata': {'timestamp': 180.0}}",
    )
    assert (run.minutes, run.status) == (2.0, "success")


def test_hyperparameters_are_kept_as_first_said(tmp_path):
    run = write(
        tmp_path / "result_0.txt",
        format_mllog("opt_name", "lars", {}, time_ms=1),
        format_mllog("opt_learning_rate", "DEFERRED: 0e0ca682", {}, time_ms=2),
        format_mllog("opt_learning_rate", {"deferred": True, "value": 0}, {}, time_ms=2),
        format_mllog("opt_learning_rate", {"value": 0.1}, {}, time_ms=3),
        format_mllog("opt_learning_rate", 0.05, {}, time_ms=4),
        format_mllog("global_batch_size", 4096, {}, time_ms=5),
        format_mllog("opt_momentum", None, {}, time_ms=6),
    )
    assert run.hyperparameters == {"opt_name": "lars", "opt_learning_rate": "0.1", "global_batch_size": "4096"}
    assert run.global_batch_size == 4096.0
