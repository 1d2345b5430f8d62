"""Composed training runs: the folder they leave, what is refused, what a crash or a full disk leaves behind."""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

pytest.importorskip("torch")

from mlassay.core.enums import Division
from mlassay.core.errors import BadFile, MachineProblem, RuleViolation, UnknownName, UsageError
from mlassay.records.mllog import Flavour, read_log
from mlassay.records.training_run import read_run
from mlassay.runs import training_resume
from mlassay.runs.score import score_tree
from mlassay.runs.train import train_benchmark
from mlassay.runs.train_all import Failed, train_all
from mlassay.runs.training_log import LogSink, repair_tail
from mlassay.runs.training_record import checkpoint_path
from mlassay.runs.training_request import TrainRequest
from mlassay.runs.training_resume import position_of, resume, saver
from mlassay.submission.checker import check
from mlassay.training.loop import Position, Status
from tests.training.tiny import fashion_like

pytestmark = pytest.mark.torch

QUICK = {"global_batch_size": "32", "base_width": "8", "target": "0.5", "max_epochs": "12", "eval_every_epochs": "1"}


def request(tmp_path, **kw):
    kw.setdefault("overrides", QUICK)
    kw.setdefault("threads", 1)
    return TrainRequest(
        benchmark="resnet", data=fashion_like(tmp_path / "data"), out=tmp_path / "out", seed=kw.pop("seed", 1), **kw
    )


def test_runs_leave_logs_records_and_a_score(tmp_path):
    result = train_benchmark(request(tmp_path, n_runs=3))
    assert result.succeeded
    assert result.seeds == (1, 2, 3)
    assert len(result.score.kept) == 1
    folder = tmp_path / "out" / "results" / "this-machine" / "resnet"
    assert result.folder == folder
    assert sorted(p.name for p in folder.iterdir()) == [f"result_{i}.{x}" for i in range(3) for x in ("json", "txt")]
    record = json.loads((folder / "result_1.json").read_text())
    assert (record["status"], record["seed"], record["schema_version"]) == ("success", 2, 1)
    assert record["config"]["base_width"] == 8
    run = read_run(folder / "result_0.txt")
    assert (run.status, run.problems, run.seeds, run.benchmark) == ("success", (), ("1",), "resnet")
    (entry,) = score_tree(tmp_path / "out").entries
    assert entry.score.minutes == pytest.approx(result.score.minutes, abs=1e-4)
    for path in (tmp_path / "out", folder, folder / "result_0.txt"):  # checked as they lie, without naming a round
        report = check(path)
        assert (report.suite, report.round, report.verdict) == ("training", "none", "pass")
        assert [(f.id, f.severity.value) for f in report.findings] == [("ROUND001", "note")]
    assert "TRN002" in {f.id for f in check(tmp_path / "out", round="v0.7").findings}


def test_a_log_has_the_keys_of_the_rules_in_their_order(tmp_path):
    result = train_benchmark(request(tmp_path))
    log = read_log(result.folder / "result_0.txt")
    keys = [e.key for e in log.events]
    wanted = ["submission_benchmark", "cache_clear", "init_start", "seed", "init_stop", "run_start", "train_samples"]
    wanted += ["block_start", "epoch_start", "epoch_stop", "block_stop", "eval_start", "eval_accuracy", "run_stop"]
    assert [k for k in dict.fromkeys(keys) if k in wanted] == wanted
    assert log.first("cache_clear").value is False  # nothing was cleared, and so it says
    assert log.first("seed").metadata["file"] == "mlassay/runs/training_log.py"
    times = [e.time_ns for e in log.events]
    assert times == sorted(times)


@pytest.mark.parametrize("name", ["v0.5", "v0.6"])
def test_old_rounds_write_their_own_flavour(tmp_path, name):
    result = train_benchmark(request(tmp_path, round=name))
    log = read_log(result.folder / "result_0.txt")
    assert {e.flavour for e in log.events} == {Flavour(name)}
    assert log.problems == ()
    run = read_run(result.folder / "result_0.txt")
    assert (run.status, run.quality[0].epoch) == ("success", 0.0 if name == "v0.5" else 1.0)
    assert run.minutes == pytest.approx(result.outcomes[0].duration_ns / 60e9, abs=1e-4)


def test_the_official_checker_accepts_an_open_log(tmp_path):
    pytest.importorskip("mlperf_logging")
    for name, ruleset in (("v2.0", "2.0.0"), ("v4.0", "4.0.0")):
        result = train_benchmark(request(tmp_path, round=name, system=name))
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "mlperf_logging.compliance_checker", "--usage", "training",
             "--ruleset", ruleset, "--log_output", str(tmp_path / "checked.txt"), str(result.folder / "result_0.txt")],
            capture_output=True, text=True, check=False, cwd=tmp_path,
        )  # fmt: skip
        said = done.stdout + done.stderr + (tmp_path / "checked.txt").read_text()
        assert "SUCCESS" in said, said


def test_an_unreachable_target_is_aborted_not_invented(tmp_path):
    result = train_benchmark(request(tmp_path, overrides=QUICK | {"target": "1.5", "max_epochs": "2"}))
    assert result.outcomes[0].status is Status.ABORTED
    assert result.score.minutes is None
    assert read_run(result.folder / "result_0.txt").status == "aborted"
    assert json.loads((result.folder / "result_0.json").read_text())["status"] == "aborted"


def test_a_nan_loss_is_aborted(tmp_path):
    result = train_benchmark(request(tmp_path, overrides=QUICK | {"learning_rate": "1e30"}))
    assert result.outcomes[0].reason.startswith("the loss is nan at step")
    assert read_run(result.folder / "result_0.txt").reason.startswith("the loss is nan at step")


def test_a_corrupt_data_file_leaves_an_aborted_log(tmp_path):
    wish = request(tmp_path)
    (wish.data / "train-labels-idx1-ubyte.gz").write_bytes(b"torn")
    with pytest.raises(BadFile, match="is not readable as gzip"):
        train_benchmark(wish)
    run = read_run(tmp_path / "out" / "results" / "this-machine" / "resnet" / "result_0.txt")
    assert run.status == "aborted"
    assert "train-labels-idx1-ubyte.gz is not readable as gzip" in run.reason


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"overrides": {"target": "high"}}, UsageError, "--set target is 'high'; expected a number"),
        ({"overrides": {"depths": "1,x"}}, UsageError, "--set depths is '1,x'; expected numbers between commas"),
        ({"overrides": {"nesterov": "maybe"}}, UsageError, "--set nesterov is 'maybe'; expected true or false"),
        ({"overrides": {"global_batch_size": "0"}}, UsageError, "global_batch_size is 0; expected at least 1"),
        ({"overrides": {"max_epochs": "-1"}}, UsageError, "max_epochs is -1.0; expected more than 0"),
        ({"overrides": {"learning_rat": "1"}}, UnknownName, "unknown setting 'learning_rat'"),
        ({"profile": "smal"}, UnknownName, "did you mean small"),
        ({"n_runs": 0}, UsageError, "--runs is 0; expected at least 1"),
    ],
)
def test_a_wrong_wish_is_refused_before_training(tmp_path, changes, error, message):
    with pytest.raises(error, match=message):
        train_benchmark(request(tmp_path, **changes))
    assert not (tmp_path / "out").exists()


def test_closed_refuses_what_open_records(tmp_path):
    with pytest.raises(RuleViolation, match="the small profile of resnet is not the reference"):
        train_benchmark(request(tmp_path, round="v4.0", division=Division.CLOSED))
    with pytest.raises(RuleViolation, match="depths is"):
        train_benchmark(
            request(tmp_path, round="v4.0", division=Division.CLOSED, profile="reference", overrides={"depths": "1,1"})
        )
    forbidden = {"weight_decay": "0.0003", "schedule": "poly"}
    with pytest.raises(RuleViolation, match=r"sgd_opt_weight_decay is 0\.0003; expected .*Hyperparameters"):
        train_benchmark(
            request(tmp_path, round="v4.0", division=Division.CLOSED, profile="reference", overrides=forbidden)
        )
    with pytest.raises(UnknownName, match=r"unknown training benchmark of v5\.1 'resnet'"):
        train_benchmark(request(tmp_path, round="v5.1"))
    result = train_benchmark(request(tmp_path, round="v4.0", division=Division.OPEN))
    assert "the small profile of resnet is not the reference" in result.notes
    assert any(n.startswith("base_width is 8, the profile has 16") for n in result.notes)


def test_a_full_disk_ends_in_a_clear_message_and_an_aborted_log(tmp_path, monkeypatch):
    wish = request(tmp_path)
    real = LogSink._write
    count = [0]

    def failing(self, event):
        count[0] += 1
        if event.key == "eval_start" and count[0] < 10_000:
            count[0] = 10_000
            raise OSError(28, "No space left on device")
        real(self, event)

    monkeypatch.setattr(LogSink, "_write", failing)
    with pytest.raises(MachineProblem, match="no space left on device"):
        train_benchmark(wish)
    run = read_run(tmp_path / "out" / "results" / "this-machine" / "resnet" / "result_0.txt")
    assert run.status == "aborted"
    assert "no space left on device" in run.reason


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limit_bytes", "left"),
    [(8_000, []), (70_000, ["result_0.json", "result_0.txt"])],  # not even the reserve; some epochs
)
def test_a_file_that_may_not_grow_ends_in_a_clear_message(tmp_path, limit_bytes, left):
    process = start(tmp_path, "--threads", "1", limit_bytes=limit_bytes)
    _, said = process.communicate()
    assert process.returncode == 3, said
    assert "result_0.txt: file too large" in said
    assert "raise the file size limit (ulimit -f)" in said
    folder = tmp_path / "out" / "results" / "this-machine" / "resnet"
    assert sorted(p.name for p in folder.iterdir()) == left
    if left:
        record = json.loads((folder / "result_0.json").read_text())
        assert (record["status"], "file too large" in record["reason"]) == ("aborted", True)
        assert score_tree(tmp_path / "out").entries[0].cut_off == ("result_0.txt",)


def start(tmp_path, *more, limit_bytes=None):
    code = "import sys; from mlassay.cli.main import main; main(sys.argv[1:])"
    sets = [x for k, v in (QUICK | {"target": "1.5", "max_epochs": "4000"}).items() for x in ("--set", f"{k}={v}")]
    args = ["train", "resnet", "--data", str(fashion_like(tmp_path / "data")), "--out", str(tmp_path / "out"), *sets]

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    return subprocess.Popen(
        [sys.executable, "-c", code, *args, *more], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        preexec_fn=limited if limit_bytes else None,
    )  # fmt: skip


def wait_for(path, what, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if path.exists() and what in path.read_text():
            return
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come")


@pytest.mark.slow
def test_killing_a_run_leaves_it_readable_incomplete_and_resumable(tmp_path):
    process = start(tmp_path, "--checkpoint-every", "1ms")
    folder = tmp_path / "out" / "results" / "this-machine" / "resnet"
    wait_for(folder / "result_0.position.json", "run_start_wall_ns")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    log = folder / "result_0.txt"
    run = read_run(log)
    assert (run.complete, run.status) == (False, "")
    assert json.loads((folder / "result_0.json").read_text())["status"] == "running"
    with open(log, "a") as file:
        file.write(':::MLLOG {"namespace": "", "ti')  # the torn line of a crash
    record = json.loads((folder / "result_0.json").read_text())
    record["overrides"]["target"] = "0.5"
    (folder / "result_0.json").write_text(json.dumps(record))
    (outcome,) = resume(tmp_path / "out")
    assert (outcome.status, outcome.resumed) == (Status.SUCCESS, True)
    run = read_run(log)
    assert (run.status, run.resumed, run.problems) == ("success", True, ())
    assert sum(e.key == "run_start" for e in read_log(log).events) == 1


def test_a_kill_between_checkpoint_and_position_leaves_the_pair_before(tmp_path, monkeypatch):
    log = tmp_path / "result_0.txt"
    keeps = SimpleNamespace(save=lambda path: path.write_text("weights"))
    save = saver(log, keeps, SimpleNamespace(wall_offset_ns=0))
    save(Position(10, 100, 1))
    save(Position(20, 200, 1))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["result_0.20.checkpoint", "result_0.position.json"]

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(training_resume, "atomic_write", killed)
    with pytest.raises(KeyboardInterrupt):
        save(Position(30, 300, 1))
    position = position_of(tmp_path / "result_0.position.json", 0)
    assert position.step == 20
    assert checkpoint_path(log, position.step).read_text() == "weights"


MOMENTS = {
    "the record is there": lambda folder, text: (folder / "result_0.json").exists(),
    "init": lambda folder, text: "init_start" in text,
    "between steps": lambda folder, text: "block_start" in text,
    "evaluation": lambda folder, text: '"eval_start"' in text.rstrip("\n").rpartition("\n")[2],
    "after some evaluations": lambda folder, text: text.count("eval_stop") > 3,
}


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_at_any_moment_leaves_a_folder_that_says_incomplete(tmp_path, moment):
    process = start(tmp_path, "--threads", "1")
    folder = tmp_path / "out" / "results" / "this-machine" / "resnet"
    log, end = folder / "result_0.txt", time.monotonic() + 60
    while not MOMENTS[moment](folder, log.read_text() if log.exists() else ""):
        assert time.monotonic() < end, f"no {moment}"
        time.sleep(0.001)
    process.kill()
    process.communicate()
    run = read_run(log)
    assert (run.complete, run.converged) == (False, False)
    assert json.loads((folder / "result_0.json").read_text())["status"] == "running"
    (entry,) = score_tree(tmp_path / "out").entries
    assert (entry.score.valid, entry.cut_off) == (False, ("result_0.txt",))
    report = check(tmp_path / "out")
    assert (report.suite, report.verdict) == ("training", "fail")
    found = {f.id for f in report.findings}
    assert "ROUND001" in found
    assert found & {"TRN003", "TRN004"}  # no score; or nothing in the log yet
    again = train_benchmark(request(tmp_path, seed=2))
    assert (again.first, again.succeeded) == (1, True)  # a new run goes beside it


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_interrupting_a_run_says_so(tmp_path, end):
    process = start(tmp_path)
    folder = tmp_path / "out" / "results" / "this-machine" / "resnet"
    wait_for(folder / "result_0.txt", "eval_accuracy")
    process.send_signal(end)
    process.communicate()
    assert process.returncode == 130
    assert read_run(folder / "result_0.txt").reason == "interrupted"


def test_nothing_to_resume_is_said(tmp_path):
    with pytest.raises(UsageError, match="nothing to resume in"):
        resume(tmp_path)


@pytest.mark.parametrize(("text", "kept"), [("a\nb\n", "a\nb\n"), ("a\nb", "a\n"), ("torn", ""), ("", "")])
def test_a_torn_last_line_is_cut(tmp_path, text, kept):
    path = tmp_path / "log.txt"
    path.write_text(text)
    assert repair_tail(path) is (text != kept)
    assert path.read_text() == kept


def test_runs_that_are_there_already_count_towards_the_wish(tmp_path):
    first = train_benchmark(request(tmp_path, n_runs=1))
    more = train_benchmark(request(tmp_path, n_runs=3, only_missing=True))
    assert (first.seeds, more.seeds, more.first) == ((1,), (2, 3), 1)
    assert train_benchmark(request(tmp_path, n_runs=3, only_missing=True)).outcomes == ()
    record = more.folder / "result_1.json"
    cut_off = json.loads(record.read_text()) | {"status": "running"}
    record.write_text(json.dumps(cut_off))
    other = train_benchmark(request(tmp_path, n_runs=1, only_missing=True, overrides={**QUICK, "target": "0.4"}))
    again = train_benchmark(request(tmp_path, n_runs=3, only_missing=True))
    assert (other.seeds, again.seeds) == ((1,), (2,)), "another configuration, and a run that was cut off"


def test_one_benchmark_that_cannot_run_does_not_stop_the_others(tmp_path):
    told = []
    wish = request(tmp_path, overrides={})
    results = train_all(["ncf", "resnet"], dataclasses.replace(wish, overrides=QUICK), tell=told.append)
    assert told == results
    failed, done = results
    assert isinstance(failed, Failed)
    assert "base_width" in str(failed.error)
    assert done.succeeded
