"""Two processes under torchrun: same losses, same quality, one log."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytest.importorskip("torch")

from mlassay.records.training_run import read_run
from tests.training.tiny import fashion_like, packages_like

pytestmark = [pytest.mark.torch, pytest.mark.slow]


NCF = ["global_batch_size=128", "n_eval_negatives=20", "target=0.99999", "max_epochs=3"]
SCENES = ["n_train=16", "n_eval=6", "global_batch_size=4", "base_width=4", "target=0.99999", "max_epochs=2"]
SCENES += ["eval_every_epochs=1", "learning_rate=0.001"]


def run(tmp_path, out, n, name="ncf", data=None, settings=NCF):
    data = data or packages_like(tmp_path / "Packages")
    args = ["train", name, "--data", str(data), "--seed", "5", "--threads", "1", "--out", str(tmp_path / out), "--json"]
    for setting in settings:
        args += ["--set", setting]
    launcher = [sys.executable, "-W", "ignore", "-m"]
    if n > 1:
        launcher += ["torch.distributed.run", "--standalone", "--nproc-per-node", str(n), "-m"]
    done = subprocess.run([*launcher, "mlassay", *args], capture_output=True, text=True, check=False)
    folder = tmp_path / out / "results" / "this-machine" / name
    return done, folder


def test_two_processes_train_as_one(tmp_path):
    _, folder_1 = run(tmp_path, "one", 1)
    both, folder_2 = run(tmp_path, "two", 2)
    assert len(list(folder_2.glob("result_*.txt"))) == 1, both.stderr
    one, two = (json.loads((f / "result_0.json").read_text()) for f in (folder_1, folder_2))
    assert (one["processes"], two["processes"]) == (1, 2)
    assert two["final_loss"] == pytest.approx(one["final_loss"], rel=1e-3)
    curves = [[e["quality"]["hr_at_10"] for e in r["evaluations"]] for r in (one, two)]
    assert curves[1] == pytest.approx(curves[0], abs=0.03)
    assert read_run(folder_2 / "result_0.txt").problems == ()
    assert json.loads(both.stdout)["benchmark"] == "ncf"


@pytest.mark.parametrize("name", ["ssd", "maskrcnn"])
def test_two_processes_share_the_pictures_of_a_detector(tmp_path, name):
    """Crops, mirrors and batch norm differ from those of one process, so the losses are alike, not equal."""
    data = fashion_like(tmp_path / "data")
    _, folder_1 = run(tmp_path, "one", 1, name, data, SCENES)
    both, folder_2 = run(tmp_path, "two", 2, name, data, SCENES)
    assert len(list(folder_2.glob("result_*.txt"))) == 1, both.stderr
    one, two = (json.loads((f / "result_0.json").read_text()) for f in (folder_1, folder_2))
    assert two["processes"] == 2
    assert two["final_loss"] == pytest.approx(one["final_loss"], rel=0.5)
    assert len(two["evaluations"]) == 2
    assert read_run(folder_2 / "result_0.txt").problems == ()
