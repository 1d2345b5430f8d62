"""Two processes under torchrun, with the whole model each or a part: same losses, same quality, one log."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch

from mlassay.records.mllog import read_log
from mlassay.records.training_run import read_run
from tests.training.tiny import fashion_like, packages_like, text_like

pytestmark = [pytest.mark.torch, pytest.mark.slow]


PACKED = "the benchmark's own"
NCF = ["global_batch_size=128", "n_eval_negatives=20", "target=0.99999", "max_epochs=3"]
SCENES = ["n_train=16", "n_eval=6", "global_batch_size=4", "base_width=4", "target=0.99999", "max_epochs=2"]
SCENES += ["eval_every_epochs=1", "learning_rate=0.001"]
LANGUAGE = ["n_layers=2", "hidden=32", "ffn=64", "sequence_length=32", "global_batch_size=16", "target=0.1"]
LANGUAGE += ["eval_every_samples=160", "n_eval_sequences=33", "max_epochs=1000"]

MORE = {
    "gpt3": ["n_kv_heads=4", "warmup_steps=5"],
    "llama31_8b": ["warmup_steps=5"],
    "llama2_70b_lora": ["base_weights=none", "init_std=0.2", "lora_dropout=0", "skip_evals=-2", "recompute=true"],
}


def command(n, *words):
    launcher = [sys.executable, "-W", "ignore", "-m"]
    if n > 1:
        launcher += ["torch.distributed.run", "--standalone", "--nproc-per-node", str(n), "-m"]
    return [*launcher, "mlassay", "train", *words]


def wishes(tmp_path, out, name, data, settings):
    words = [
        name,
        *([] if data == PACKED else ["--data", str(data)]),
        "--seed",
        "5",
        "--threads",
        "1",
        "--out",
        str(tmp_path / out),
        "--json",
    ]
    return words + [word for setting in settings for word in ("--set", setting)]


def run(tmp_path, out, n, name="ncf", data=None, settings=NCF):
    data = data or packages_like(tmp_path / "Packages")
    words = wishes(tmp_path, out, name, data, settings)
    done = subprocess.run(command(n, *words), capture_output=True, text=True, check=False)
    return done, tmp_path / out / "results" / "this-machine" / name


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


def test_two_processes_share_the_volumes(tmp_path):
    """A volume's crop, mirrors and noise are drawn for the volume: the losses are the same to float32's last digits."""
    settings = ["target=0.99999", "max_epochs=1", "first_eval_epoch=1", "eval_every_epochs=1"]
    _, folder_1 = run(tmp_path, "one", 1, "unet3d", PACKED, settings)
    both, folder_2 = run(tmp_path, "two", 2, "unet3d", PACKED, settings)
    assert len(list(folder_2.glob("result_*.txt"))) == 1, both.stderr
    one, two = (json.loads((f / "result_0.json").read_text()) for f in (folder_1, folder_2))
    assert two["processes"] == 2
    assert two["final_loss"] == pytest.approx(one["final_loss"], rel=1e-3)
    dice_1, dice_2 = (r["evaluations"][-1]["quality"]["mean_dice"] for r in (one, two))
    assert dice_2 == pytest.approx(dice_1, abs=2e-3)


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


@pytest.mark.parametrize(
    ("name", "metric"),
    [("gpt3", "log_perplexity"), ("llama31_8b", "log_perplexity"), ("llama2_70b_lora", "eval_loss")],
)
def test_two_processes_with_a_part_of_each_layer_train_as_one(tmp_path, name, metric):
    """33 evaluation sequences and 3 pieces of 8: neither divides evenly between the two."""
    data, settings = text_like(tmp_path / "text"), [*LANGUAGE, *MORE[name], "max_steps=30"]
    _, folder_1 = run(tmp_path, "one", 1, name, data, settings)
    apart = [*settings, "parallel=fsdp", "gradient_accumulation_steps=3"]
    both, folder_2 = run(tmp_path, "two", 2, name, data, apart)
    assert len(list(folder_2.glob("result_*.txt"))) == 1, both.stderr
    one, two = (json.loads((f / "result_0.json").read_text()) for f in (folder_1, folder_2))
    assert (one["processes"], two["processes"], two["config"]["parallel"]) == (1, 2, "fsdp")
    curves = [[e["quality"][metric] for e in r["evaluations"]] for r in (one, two)]
    assert curves[0][0] > curves[0][-1]
    assert curves[1] == pytest.approx(curves[0], rel=1e-4)
    assert two["final_loss"] == pytest.approx(one["final_loss"], rel=1e-4)
    assert read_run(folder_2 / "result_0.txt").problems == ()


def kill_all_of(folder):
    """Every process of this test: torchrun's workers outlive it otherwise."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder).encode() in entry.read_bytes() and int(entry.parent.name) != os.getpid():
                os.kill(int(entry.parent.name), signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError):
            continue


def cut_off(tmp_path, n, name, data, settings):
    """A run killed after a checkpoint; the step of that checkpoint, and the record's path."""
    words = [*wishes(tmp_path, "cut", name, data, settings), "--checkpoint-every", "1ms"]
    process = subprocess.Popen(command(n, *words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    record = tmp_path / "cut" / "results" / "this-machine" / name / "result_0.json"
    end = time.monotonic() + 200
    while not record.with_suffix(".position.json").exists() and time.monotonic() < end and process.poll() is None:
        time.sleep(0.02)
    kill_all_of(tmp_path / "cut")
    process.wait()
    return json.loads(record.with_suffix(".position.json").read_text())["step"], record


def carried_on(tmp_path, n, name, data, settings, step, record, per_epoch):
    """The cut run after ten steps more, by `n` processes, and a run of as many steps that nobody cut."""
    body = json.loads(record.read_text())
    assert body["status"] == "running"
    end = f"{(step + 10) / per_epoch:.9f}"
    body["overrides"]["max_epochs"] = end
    record.write_text(json.dumps(body))
    done = subprocess.run(
        command(n, name, "--resume", str(tmp_path / "cut"), "--json"), capture_output=True, text=True, check=False
    )
    assert len(json.loads(done.stdout)) == 1, done.stderr  # only the first process speaks
    resumed = json.loads(record.read_text())
    assert (resumed["status"], resumed["resumed"], resumed["steps"]) == ("aborted", True, step + 10), done.stderr
    assert read_run(record.with_suffix(".txt")).resumed
    _, whole = run(tmp_path, "whole", 1, name, data, [*settings, f"max_epochs={end}"])
    return resumed, json.loads((whole / "result_0.json").read_text())


@pytest.mark.parametrize(
    ("name", "before", "after"), [("llama31_8b", 2, 1), ("llama31_8b", 1, 2), ("llama2_70b_lora", 2, 2)]
)
def test_a_run_with_a_part_of_each_layer_is_resumed(tmp_path, name, before, after):
    """By any number of processes: what is saved is whole, and what comes after is as if nothing had happened."""
    data, settings = text_like(tmp_path / "text"), [*LANGUAGE, *MORE[name], "max_steps=20000"]
    step, record = cut_off(tmp_path, before, name, data, [*settings, "parallel=fsdp"])
    saved = torch.load(record.with_name(f"result_0.{step}.checkpoint"), weights_only=True)["model"]
    assert all(("lora_" in key) == (name == "llama2_70b_lora") for key in saved)
    n_train = read_log(record.with_suffix(".txt")).first("train_samples").value
    resumed, without = carried_on(tmp_path, after, name, data, settings, step, record, n_train // 16)
    assert resumed["final_loss"] == pytest.approx(without["final_loss"], rel=1e-4)


@pytest.mark.parametrize(("before", "after"), [(2, 2), (2, 1), (1, 2)])
def test_a_run_with_the_whole_model_in_each_process_is_resumed(tmp_path, before, after):
    data = packages_like(tmp_path / "Packages")
    settings = ["global_batch_size=128", "n_eval_negatives=20", "target=2"]  # out of reach
    step, record = cut_off(tmp_path, before, "ncf", data, [*settings, "max_epochs=1000"])
    n_train = read_log(record.with_suffix(".txt")).first("train_samples").value
    per_epoch = -(-5 * n_train // 128)  # four negatives beside each
    resumed, without = carried_on(tmp_path, after, "ncf", data, settings, step, record, per_epoch)
    assert resumed["final_loss"] == pytest.approx(without["final_loss"], rel=1e-3)
