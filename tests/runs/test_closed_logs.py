"""Closed logs of the reference profiles from v1.0 to v2.1, accepted by the official checker and by ours.

Nothing is trained: the network is built without memory, the loop's clock is virtual, and the quality is scripted. What
is logged, and in which order, is the product's own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import subprocess
import sys
from importlib import resources

import pytest

pytest.importorskip("torch")

from mlassay.core.clock import VirtualClock
from mlassay.core.enums import Division
from mlassay.records.mllog import read_log
from mlassay.rules.training_scoring import round_or_none
from mlassay.runs.training_log import LogSink
from mlassay.runs.training_request import TrainRequest
from mlassay.runs.training_rules import as_in_round, flavour_of, rule_of
from mlassay.runs.training_setup import Maker, loop_settings, submission
from mlassay.submission.checker import check
from mlassay.submission.tree import memory_tree
from mlassay.training.benchmark import Schedule, StepReport, Surroundings
from mlassay.training.catalogue import recipe
from mlassay.training.common.processes import Place
from mlassay.training.loop import Status, train

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

SIZES = {
    "bert": (156_725_653, 10_000), "dlrm": (4_195_197_692, 89_137_319), "maskrcnn": (117_266, 5_000),
    "resnet": (1_281_167, 50_000), "rnnt": (281_241, 2_703), "ssd": (117_266, 5_000),
    "unet3d": (168, 42),
}  # fmt: skip
"""Training and evaluation samples of the real data sets."""

CLOSED = [
    ("resnet", "v1.1"), ("resnet", "v2.0"), ("resnet", "v2.1"), ("ssd", "v1.1"), ("maskrcnn", "v1.1"),
    ("maskrcnn", "v2.1"), ("bert", "v1.1"), ("bert", "v2.1"), ("dlrm", "v1.1"), ("dlrm", "v2.1"),
    ("unet3d", "v1.1"), ("unet3d", "v2.0"), ("unet3d", "v2.1"),
    ("rnnt", "v1.0"), ("rnnt", "v1.1"), ("rnnt", "v2.1"),
]  # fmt: skip
"""MiniGo's network of v1.1 (19x19) and RetinaNet, "ssd" from v2.0 on, are no benchmarks of ours."""

WITHOUT_TENSORS = [("unet3d", r) for r in ("v1.0", "v3.0", "v3.1", "v4.0")]


class Unmoving:
    """The reference's spec and network; steps and evaluations take their time and nothing else."""

    def __init__(self, inner, clock, sizes):
        self.inner, self.spec, self._clock, self._sizes = inner, inner.spec, clock, sizes

    def build(self):
        self.inner.device = torch.device("meta")
        with self.inner.device:
            self.inner.build()

    def initialized_tensors(self):
        return self.inner.initialized_tensors()

    def load(self):
        n_train, n_eval = self._sizes
        return Schedule(
            train_samples=n_train, eval_samples=n_eval, steps_per_epoch=4, max_steps=40, eval_every_steps=16
        )

    def step(self):
        self._clock.advance(10**9)
        return StepReport(1.0, self.spec.global_batch_size)

    def evaluate(self):
        self._clock.advance(10**9)
        return {t.metric: t.value for t in self.spec.targets}


def closed_log(tmp_path, name, round_name):
    """The log's path, and the round's rule."""
    chosen, rules = recipe(name), round_or_none(round_name)
    rule = rule_of(rules, chosen)
    config = as_in_round(chosen.profiles["reference"](), chosen, round_name, rule, {})
    with contextlib.suppress(TypeError):
        config = dataclasses.replace(config, backbone="none")  # ImageNet's weights would be read from a file
    request = TrainRequest(
        benchmark=name, profile="reference", round=round_name, division=Division.CLOSED, out=tmp_path, system="box"
    )
    clock = VirtualClock(0)
    inner = chosen.make(config, "reference", Surroundings(seed=1))
    maker = Maker(chosen, config, request, Place(), 1)
    path = tmp_path / "result_0.txt"
    sink = LogSink(path, inner.spec, clock, flavour=flavour_of(rules), seed=1)
    sink.header(submission(maker), True, {"round": round_name, "profile": "reference"})
    settings = loop_settings(request, chosen)
    with contextlib.closing(sink):
        outcome = train(Unmoving(inner, clock, SIZES[name]), clock=clock, emit=sink.emit, settings=settings)
    assert outcome.status is Status.SUCCESS
    return path, rule


@pytest.mark.parametrize(("name", "round_name"), CLOSED + WITHOUT_TENSORS)
def test_the_official_checker_accepts_our_closed_logs(tmp_path, name, round_name):
    pytest.importorskip("mlperf_logging")
    path, _ = closed_log(tmp_path, name, round_name)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "mlperf_logging.compliance_checker", "--usage", "training",
         "--ruleset", f"{round_name[1:]}.0", "--log_output", str(tmp_path / "said.txt"), str(path)],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    said = done.stdout + done.stderr + (tmp_path / "said.txt").read_text()
    assert "SUCCESS" in said, said[:2000]


@pytest.mark.parametrize(("name", "round_name"), CLOSED)
def test_our_checker_asks_for_the_same_tensors(tmp_path, name, round_name):
    path, rule = closed_log(tmp_path, name, round_name)
    text = path.read_text()
    assert tensor_findings(text, rule.id, round_name) == []
    lines = text.splitlines(keepends=True)
    first = next(k for k, line in enumerate(lines) if '"weights_initialization"' in line)
    tensor = re.search('"tensor": "([^"]+)"', lines[first])[1]
    n = sum('"weights_initialization"' in line for line in lines)
    broken = "".join(lines[:first] + lines[first + 1 :])
    assert tensor_findings(broken, rule.id, round_name) == [
        f"weights_initialization: of {n} tensors 1 missing ({tensor})"
    ]
    assert tensor_findings(text.replace(tensor + '"', 'other"'), rule.id, round_name) == [
        f"weights_initialization: of {n} tensors 1 missing ({tensor}), 1 unknown (other)"
    ]
    twice = "".join(lines[: first + 1] + lines[first:])
    assert tensor_findings(twice, rule.id, round_name) == [
        f"weights_initialization: of {n} tensors 1 more than once ({tensor})"
    ]


def tensor_findings(text, benchmark, round_name):
    tree = memory_tree({f"ACME/results/box/{benchmark}/result_0.txt": text.encode()})
    return [f.found for f in check(tree, round=round_name).findings if f.id == "TRN013"]


def test_a_log_of_v1_1_counts_samples_in_both_words(tmp_path):
    path, _ = closed_log(tmp_path, "bert", "v1.1")
    (point,) = read_log(path).all("eval_accuracy")
    assert point.metadata["epoch_num"] == point.metadata["samples_count"] == 16 * 8192


@pytest.mark.parametrize(("round_name", "epochs"), [("v3.0", 4), ("v3.1", 32), ("v4.0", 32)])
def test_unet3d_counts_samples_from_v3_1_on_as_its_convergence_points_do(tmp_path, round_name, epochs):
    """Sixteen steps of two samples, four to an epoch. The rule files go on asking for epoch_num."""
    path, _ = closed_log(tmp_path, "unet3d", round_name)
    (point,) = read_log(path).all("eval_accuracy")
    assert point.metadata["epoch_num"] == epochs
    assert point.metadata.get("samples_count") == (None if round_name == "v3.0" else epochs)


@pytest.mark.parametrize("round_name", ["v1.0", "v1.1", "v2.0", "v2.1"])
def test_the_lists_are_the_official_tools(round_name):
    """Names alone are read from its rule files, as text."""
    package = pytest.importorskip("mlperf_logging")
    folder = resources.files(package) / "compliance_checker" / f"training_{round_name[1:]}.0"
    tables = round_or_none(round_name).log_rules.tables
    compared = 0
    for table, keys in tables.items():
        if "weights_initialization" in keys and table.startswith("closed_"):
            end = (folder / f"{table}.yaml").read_text().split("sorted(s['initialized_tensors'])")[1]
            names = re.findall(r"""["']([^"'\n]+)["']""", end.partition("])")[0])
            assert sorted(keys["weights_initialization"].tensors) == sorted(names), table
            compared += 1
    assert compared == {"v1.0": 1, "v1.1": 8}.get(round_name, 7)
