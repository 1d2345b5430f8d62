"""Training rounds: targets, rhythm, runs, timing; and bad files of one's own."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mlassay.core.enums import Division
from mlassay.core.errors import BadFile, UnknownName
from mlassay.rules import training
from mlassay.rules.reader import rounds
from mlassay.rules.training import load_training_round

ALL = ["v0.5", "v0.6", "v0.7", "v1.0", "v1.1", "v2.0", "v2.1", "v3.0", "v3.1", "v4.0", "v4.1", "v5.0", "v5.1", "v6.0",
       "v6.1"]  # fmt: skip


def test_every_round_is_known_oldest_first() -> None:
    assert rounds("training") == ALL


@pytest.mark.parametrize(
    ("round_name", "benchmark", "metric", "value", "direction", "runs"),
    [
        ("v0.5", "resnet", "top1_accuracy", 0.749, "ge", 5),
        ("v0.6", "resnet", "top1_accuracy", 0.759, "ge", 5),
        ("v0.5", "ssd", "coco_box_mAP", 0.212, "ge", 5),
        ("v0.6", "ssd", "coco_box_mAP", 0.23, "ge", 5),
        ("v2.0", "ssd", "coco_box_mAP", 0.34, "ge", 5),
        ("v0.5", "gnmt", "sacrebleu", 21.8, "ge", 10),
        ("v0.7", "gnmt", "sacrebleu", 24.0, "ge", 10),
        ("v0.5", "ncf", "HR@10", 0.635, "ge", 100),
        ("v0.5", "minigo", "pro_move_prediction", 0.4, "ge", 20),
        ("v0.7", "minigo", "win_rate_vs_checkpoint", 0.5, "ge", 10),
        ("v0.7", "bert", "masked_lm_accuracy", 0.712, "ge", 10),
        ("v1.0", "bert", "masked_lm_accuracy", 0.72, "ge", 10),
        ("v1.0", "unet3d", "mean_dice", 0.908, "ge", 40),
        ("v1.0", "rnnt", "WER", 0.058, "le", 10),
        ("v3.0", "dlrm_dcnv2", "AUC", 0.80275, "ge", 10),
        ("v3.0", "gpt3", "log_perplexity", 2.69, "le", 3),
        ("v5.0", "llama31_405b", "log_perplexity", 5.6, "le", 3),
        ("v5.1", "flux1", "eval_loss", 0.586, "le", 10),
        ("v6.1", "qwen35_397b_grpo", "pass@4", 0.69, "gt", 3),
    ],
)
def test_targets_and_runs(
    round_name: str, benchmark: str, metric: str, value: float, direction: str, runs: int
) -> None:
    rule = load_training_round(round_name).benchmark(benchmark)
    (target,) = rule.targets
    assert (target.metric, target.value, target.direction, rule.runs) == (metric, value, direction, runs)


def test_a_target_is_met_as_float32_logs_meet_it() -> None:
    (gnmt,) = load_training_round("v0.5").benchmark("gnmt").targets
    assert [gnmt.met(v) for v in (21.799999237, 21.79, 22.0, float("nan"))] == [True, False, True, False]
    (loss,) = load_training_round("v5.1").benchmark("flux1").targets
    assert [loss.met(v) for v in (0.586, 0.5861, 0.1, float("nan"))] == [True, False, True, False]
    (strict,) = load_training_round("v6.1").benchmark("qwen35_397b_grpo").targets
    assert [strict.met(v) for v in (0.69, 0.7)] == [False, True]


def test_mask_rcnn_must_reach_both() -> None:
    rule = load_training_round("v0.5").benchmark("maskrcnn")
    assert rule.met({"box_mAP": 0.377, "mask_mAP": 0.34})
    assert not rule.met({"box_mAP": 0.4, "mask_mAP": 0.3})


@pytest.mark.parametrize(
    ("round_name", "benchmark", "batch", "interval", "skipped"),
    [
        ("v0.7", "bert", 256, 500_000, 0),
        ("v1.0", "bert", 256, 150_000, 0),  # floor(0.05 * (230.23 * 256 + 3e6) / 25000) * 25000
        ("v1.0", "bert", 8192, 225_000, 0),
        ("v3.0", "dlrm_dcnv2", 65_536, 3_200 * 65_536, 0),  # 4195197692 // (65536 * 20) steps
        ("v4.0", "llama2_70b_lora", 64, 384, 10),
        ("v5.1", "llama31_405b", 1152, 18_432, 14),
        ("v5.0", "llama31_405b", 1152, 46_080, 0),
        ("v5.1", "llama31_8b", 5_000, 15_000, 0),  # 12288 rounded up to whole steps
        ("v6.0", "deepseekv3_671b", 16_384, 16_384, 0),
        ("v0.5", "resnet", 256, None, 0),
    ],
)
def test_evaluation_rhythm(round_name: str, benchmark: str, batch: int, interval: int | None, skipped: int) -> None:
    rule = load_training_round(round_name).benchmark(benchmark).evaluation
    assert (rule.interval_samples(batch), rule.skipped(batch)) == (interval, skipped)


def test_other_rhythms() -> None:
    assert load_training_round("v0.5").benchmark("resnet").evaluation.epochs == 4
    assert load_training_round("v0.7").benchmark("resnet").evaluation.offset_choices == (0, 1, 2, 3)
    ssd = load_training_round("v0.5").benchmark("ssd").evaluation
    assert ssd.at_samples == tuple(32 * n for n in (120_000, 160_000, 180_000, 200_000, 220_000, 240_000))
    assert load_training_round("v0.7").benchmark("ssd").evaluation.at_epochs == (40, 50, 55, 60, 65, 70, 75, 80)
    size = load_training_round("v1.0").benchmark("unet3d").evaluation.epochs_by_size
    assert size is not None
    assert size.at(168) == (1000, 20, 10_000)
    assert size.at(160) == (1050, 21, 10_500)
    assert load_training_round("v0.6").benchmark("minigo").evaluation.offline


def test_dropping_and_scoring() -> None:
    ncf = load_training_round("v0.5").benchmark("ncf")
    assert (ncf.drop_fastest, ncf.drop_slowest, ncf.score_first) == (1, 1, 50)
    unet = load_training_round("v4.0").benchmark("unet3d")
    assert (unet.drop_fastest, unet.drop_slowest, unet.max_non_converged) == (4, 4, 4)
    windows = {n: load_training_round(n).scoring.windows for n in ("v1.0", "v1.1")}
    assert windows == {"v1.0": False, "v1.1": True}
    scaled = {n: load_training_round(n).scoring.scaled_to_rcp for n in ("v2.0", "v2.1")}
    assert scaled == {"v2.0": False, "v2.1": True}
    assert load_training_round("v0.5").scoring.reference_seconds["resnet"] == 529_877
    assert not load_training_round("v0.6").scoring.reference_seconds


@pytest.mark.parametrize(
    ("round_name", "benchmark", "division", "minutes"),
    [
        ("v0.5", "resnet", Division.CLOSED, 0),
        ("v0.7", "resnet", Division.CLOSED, 20),
        ("v1.0", "resnet", Division.CLOSED, 30),
        ("v1.1", "resnet", Division.OPEN, 20),
        ("v2.0", "resnet", Division.OPEN, 240),
        ("v3.0", "gpt3", Division.CLOSED, 60),
        ("v3.1", "gpt3", Division.CLOSED, 30),
    ],
)
def test_untimed_initialisation(round_name: str, benchmark: str, division: Division, minutes: float) -> None:
    assert load_training_round(round_name).timing.allowance_minutes(benchmark, division) == minutes


def test_seeds_and_reference_convergence() -> None:
    assert not load_training_round("v4.0").seeds_logged
    assert load_training_round("v4.1").seeds_logged
    assert load_training_round("v0.7").rcp is None
    rule = load_training_round("v5.0").rcp
    assert rule is not None
    assert (rule.drops("unet3d"), rule.drops("bert"), rule.pruned) == (4, 1, True)
    assert rule.leniency_samples["llama31_405b"] == 46_080


def test_hyperparameter_sets() -> None:
    rule = load_training_round("v5.1").benchmark("llama31_8b").hyperparameters
    assert "lr" in rule.free
    assert rule.fixed["betas"] == [0.9, 0.95]
    assert rule.bound["end_lr"] == "0.1*lr"
    assert "section 'Hyperparameters'" in rule.clause


def test_every_clause_names_a_source() -> None:
    for name in ALL:
        round_ = load_training_round(name)
        for benchmark in round_.benchmarks.values():
            clauses = [*benchmark.clauses.values(), benchmark.evaluation.clause, benchmark.hyperparameters.clause,
                       *(t.clause for t in benchmark.targets)]  # fmt: skip
            assert all(any(c.startswith(s) for s in round_.sources.values()) for c in clauses), benchmark.id


def test_loading_is_quick_and_cached() -> None:
    training._load_known.cache_clear()
    training._key_tables.cache_clear()
    start = time.perf_counter()
    first = load_training_round("v6.1")
    assert time.perf_counter() - start < 0.25  # about 25 ms on a quiet machine
    assert load_training_round("6.1") is first


def test_unknown_names() -> None:
    with pytest.raises(UnknownName, match=r"unknown training round 'v7'"):
        load_training_round("v7")
    with pytest.raises(UnknownName, match=r"unknown training benchmark of v5\.1 'brt'"):
        load_training_round("v5.1").benchmark("brt")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[benchmarks.rgat]\nruns = 0", "benchmarks.rgat.runs is 0; expected a positive whole number"),
        ("[benchmarks.rgat]\nruns = '5'", "benchmarks.rgat.runs is '5'; expected a positive whole number"),
        ("[timing]\ninit_minutes = -1", "timing.init_minutes is -1; expected a number of minutes, zero or more"),
        ("[benchmarks.rgat]\nquality.accuracy = { at_least = 0.7 }",
         "benchmarks.rgat.quality.accuracy.at_least is not a key that is known here; expected one of ge, le, gt,"
         " sane_above, checker"),
        ("[benchmarks.rgat]\nquality.accuracy = { le = 0.7 }",
         "benchmarks.rgat.quality.accuracy is given 2 bounds; expected one of ge, le, gt"),
        ("[benchmarks.rgat]\nhyperparameters = 'rgatt'",
         "benchmarks.rgat.hyperparameters is 'rgatt'; expected a table under [hyperparameters]: retinanet, dlrm_dcnv2,"
         " llama2_70b_lora, rgat, llama31_405b, llama31_8b, flux1\n  next: did you mean rgat?"),
    ],
)  # fmt: skip
def test_a_bad_value_is_named_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "house.toml"
    path.write_text(f'round = "house"\nextends = "v5.1"\n{text}\n')
    with pytest.raises(BadFile) as caught:
        load_training_round(path)
    assert str(caught.value) == f"{path}: {message}"


def test_a_users_round(tmp_path: Path) -> None:
    path = tmp_path / "house.toml"
    path.write_text('round = "house"\nextends = "v5.1"\n[benchmarks.rgat]\nquality.accuracy.ge = 0.5\nruns = 2\n')
    rule = load_training_round(path).benchmark("rgat")
    assert (rule.targets[0].value, rule.runs) == (0.5, 2)
    assert load_training_round(path).log_rules is load_training_round("v5.1").log_rules
