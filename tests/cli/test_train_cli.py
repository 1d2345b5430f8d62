"""`mlassay train` and `mlassay score` as typed: lists without torch, JSON, exit codes, clear refusals."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from mlassay.cli.main import cli, main
from mlassay.records.mllog import format_mllog


def run(*args):
    return CliRunner().invoke(cli, args)


def exit_code(*args):
    with pytest.raises(SystemExit) as stopped:
        main(list(args))
    return stopped.value.code


def test_every_benchmark_is_listed_with_its_summary():
    listed = json.loads(run("train", "list", "--json").output)
    assert {"resnet", "ncf", "bert", "minigo", "gnmt", "transformer", "dlrm"} <= {b["name"] for b in listed}
    assert "recommendation: NeuMF" in run("train", "list").output


WITHOUT_TORCH = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
sys.meta_path.insert(0, Absent())
from mlassay.cli.main import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    "words", [["train", "gnmt", "--out", "."], ["data", "verify", "gnmt", "--data", "."]], ids=["train", "data"]
)
def test_without_torch_the_message_says_how_to_get_it(words, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *words], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 3
    assert done.stderr.splitlines()[:2] == [
        "error: torch is not installed (gnmt needs it)",
        "  next: pip install 'mlassay[training]'",
    ]


def test_listing_and_help_load_no_torch():
    code = "import sys; from click.testing import CliRunner; from mlassay.cli.main import cli; "
    code += "[CliRunner().invoke(cli, a) for a in (['train', 'list'], ['train', '--help'], ['score', '--help'])]; "
    code += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["train", "resnat"], "unknown training benchmark 'resnat'\n  next: did you mean resnet"),
        (["train", "ncf", "--set", "target"], "--set is 'target'; expected KEY=VALUE"),
        (["train", "ncf", "--time-limit", "soon"], "--time-limit: 'soon' is not a duration"),
        (["train", "ncf", "--round", "v9"], "unknown training round 'v9'"),
        (["train", "ncf", "--round", "v0.6"], "unknown training benchmark of v0.6 'ncf'"),
        (["score", "/nowhere-at-all"], "/nowhere-at-all is not a folder"),
    ],
)
def test_a_wrong_wish_is_one_clear_error(args, message, capsys):
    assert exit_code(*args) == 2
    assert message in capsys.readouterr().err


def test_scores_are_printed_and_given_as_json(tmp_path, capsys):
    for i, status in enumerate(("success", "success", "success", "aborted")):
        folder = tmp_path / "results" / "box" / "ncf"
        folder.mkdir(parents=True, exist_ok=True)
        lines = [
            format_mllog("run_start", None, {}, time_ms=0),
            format_mllog("run_stop", None, {"status": status}, time_ms=60_000 * (i + 1)),
        ]
        (folder / f"result_{i}.txt").write_text("\n".join(lines) + "\n")
    assert exit_code("score", str(tmp_path), "--runs") == 0
    said = capsys.readouterr().out
    assert "ncf" in said
    assert "2.50" in said
    assert "dropped: result_3.txt, inf min: did not converge: counts as slowest" in said
    assert exit_code("score", str(tmp_path), "--json") == 0
    (entry,) = json.loads(capsys.readouterr().out)["entries"]
    assert entry["score"]["minutes"] == 2.5


def test_no_valid_score_is_exit_code_one(tmp_path):
    (tmp_path / "ncf").mkdir()
    (tmp_path / "ncf" / "result_0.txt").write_text(format_mllog("run_start", None, {}, time_ms=0) + "\n")
    assert exit_code("score", str(tmp_path)) == 1


@pytest.mark.torch
def test_a_run_prints_its_way_its_score_and_the_next_command(tmp_path, capsys):
    pytest.importorskip("torch")
    from tests.training.tiny import packages_like

    args = ["train", "ncf", "--data", str(packages_like(tmp_path / "Packages")), "--out", str(tmp_path / "out")]
    args += ["--seed", "3", "--threads", "1", "--set", "global_batch_size=256", "--set", "n_eval_negatives=20"]
    assert exit_code(*args, "--set", "learning_rate=0.01", "--set", "target=0.7") == 0
    said = capsys.readouterr()
    assert "run 0: SUCCESS" in said.out
    assert "target met: hr_at_10" in said.out
    assert f"next: mlassay score {tmp_path / 'out'}" in said.out
    assert "loss" in said.err
    assert exit_code(*args, "--set", "target=2", "--set", "max_epochs=1", "--json") == 1
    assert json.loads(capsys.readouterr().out)["outcomes"][0]["status"] == "aborted"
