"""Every benchmark keeps the promises of the contract; a benchmark that breaks one is told which."""

from __future__ import annotations

import dataclasses

import pytest

from mlassay.testing.benchmark_check import check_benchmark

pytest.importorskip("torch")

from mlassay.core.clock import VirtualClock
from mlassay.training.benchmark import Surroundings
from mlassay.training.catalogue import BENCHMARKS, recipe
from tests.training import tiny
from tests.training.scripted import Scripted
from tests.training.test_dlrm import index

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
pytestmark = pytest.mark.torch

LANGUAGE = {"n_layers": 1, "hidden": 16, "ffn": 32, "n_heads": 2, "sequence_length": 16, "global_batch_size": 8}
GO = {
    "board": 3,
    "games_per_generation": 4,
    "readouts": 4,
    "steps_per_generation": 3,
    "gating_games": 2,
    "eval_games": 2,
}
SCENES = {"n_train": 24, "n_eval": 8, "base_width": 4, "global_batch_size": 4}
SMALLER = {
    "bert": (tiny.text_like, LANGUAGE),
    "dlrm": (index, {"global_batch_size": 32}),
    "dlrm_dcnv2": (index, {"global_batch_size": 32}),
    "gnmt": (None, {"n_eval_numbers": 8, "hidden": 16, "global_batch_size": 4, "extra_pieces": 2}),
    "gpt3": (tiny.text_like, LANGUAGE | {"n_kv_heads": 2, "n_eval_sequences": 4}),
    "llama2_70b_lora": (tiny.text_like, LANGUAGE | {"n_kv_heads": 1, "n_eval_sequences": 4, "base_weights": "none"}),
    "llama31_405b": (tiny.text_like, LANGUAGE | {"n_kv_heads": 1, "n_eval_sequences": 4}),
    "llama31_8b": (tiny.text_like, LANGUAGE | {"n_kv_heads": 1, "n_eval_sequences": 4}),
    "maskrcnn": (tiny.fashion_like, SCENES | {"pyramid_width": 8, "n_rois": 8, "dense_width": 16}),
    "minigo": (None, GO | {"n_filters": 4, "n_blocks": 1, "global_batch_size": 8}),
    "ncf": (tiny.packages_like, {"global_batch_size": 64, "n_eval_negatives": 9}),
    "rnnt": (None, {"encoder": 16, "joint": 16, "prediction": 8, "n_eval": 5}),
    "resnet": (tiny.fashion_like, {"base_width": 4, "global_batch_size": 16}),
    "ssd": (tiny.fashion_like, SCENES | {"extras": ((8, 8, 2, 1),) * 2}),
    "transformer": (None, {"hidden": 16, "ffn": 16, "global_batch_size": 4, "extra_pieces": 2, "n_eval_numbers": 8}),
    "unet3d": (None, {"widths": (4, 8), "patch": 16, "windows_at_once": 16}),
}
"""For each benchmark tiny data and a smaller configuration, so that its whole path takes a moment."""


@pytest.mark.parametrize("name", BENCHMARKS.names())
def test_every_benchmark_keeps_its_promises(tmp_path, name):
    data_of, changes = SMALLER[name]
    data = data_of(tmp_path / "data") if data_of else None
    config = dataclasses.replace(recipe(name).profiles["small"](), **changes)
    check_benchmark(lambda: recipe(name).make(config, "small", Surroundings(seed=7, data=data)), tmp_path)


class Forgetful(Scripted):
    """Evaluates with a trace: the next loss is another."""

    def evaluate(self):
        self.steps += 5
        return super().evaluate()


class Vague(Scripted):
    def evaluate(self):
        return {}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Forgetful(VirtualClock(0)), "the step after an evaluation had the loss"),
        (lambda: Vague(VirtualClock(0)), "evaluation gave None for accuracy; expected a number"),
        (lambda: Scripted(VirtualClock(0), losses={1: 1.0, 2: 1.0, 3: 1.0}), "nothing is learned"),
        (lambda: Scripted(VirtualClock(0), losses={2: float("nan")}), "expected finite numbers"),
    ],
)
def test_a_broken_promise_is_named(tmp_path, make, message):
    with pytest.raises(AssertionError, match=message):
        check_benchmark(make, tmp_path)


def test_a_scripted_benchmark_passes(tmp_path):
    check_benchmark(lambda: Scripted(VirtualClock(0)), tmp_path)
