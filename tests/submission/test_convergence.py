"""RCP: closed submissions held against the reference convergence points; each check fails and passes, and so does the
official tool on the same folders."""

from __future__ import annotations

import json
import logging
import math
import random
import re
from pathlib import Path

import pytest

from mlassay.cli.score import describe
from mlassay.records.mllog import format_mllog
from mlassay.rules.reader import rounds
from mlassay.rules.training import load_training_round
from mlassay.rules.training_scoring import convergence_rule
from mlassay.runs.score import score_folder
from mlassay.stats.convergence import references
from mlassay.submission.checker import check
from mlassay.submission.training import TrainingEntry
from mlassay.submission.training_checker import open_training
from mlassay.submission.tree import directory_tree

# v5.0 BERT: batch sizes 256 to 16384; logs count samples in epoch_num


def write(
    folder: Path, values: list[float], batch_size: int | list[int], benchmark: str = "bert", unit: str = "epoch_num"
):
    """One closed log per value: where the run converged; infinity for one that did not."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, value in enumerate(values):
        size = batch_size[i] if isinstance(batch_size, list) else batch_size
        at = {} if math.isinf(value) else {unit: value}
        metrics = (("FID", 80.0), ("CLIP", 0.2)) if benchmark == "stable_diffusion" else ((None, 0.9),)
        lines = [
            format_mllog("submission_benchmark", benchmark, {}, time_ms=1),
            format_mllog("submission_division", "closed", {}, time_ms=1),
            format_mllog("global_batch_size", size, {}, time_ms=1),
            format_mllog("seed", i, {}, time_ms=1),
            format_mllog("run_start", None, {}, time_ms=1000),
        ]
        for metric, quality in metrics:
            about = {**(at or {unit: 1}), **({"metric": metric} if metric else {})}
            lines.append(format_mllog("eval_accuracy", quality, about, time_ms=2000))
        status = "aborted" if math.isinf(value) else "success"
        lines.append(format_mllog("run_stop", None, {"status": status}, time_ms=61_000))
        (folder / f"result_{i}.txt").write_text("".join(f"{line}\n" for line in lines))


def found(folder: Path, round_name: str = "v5.0", **kw: str) -> list[tuple[str, str, str]]:
    report = check(folder, round=round_name, suite="training", only=["RCP*"], **kw)
    return [(f.id, f.found, f.expected) for f in report.findings]


def reference_mean(batch_size: int) -> float:
    rule = convergence_rule(load_training_round("v5.0"), "bert")
    assert rule is not None
    return next(r.mean for r in references(rule) if r.batch_size == batch_size)


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    return tmp_path / "ACME/results/box/bert"


def test_as_slow_as_the_reference_passes(tmp_path: Path, bert: Path) -> None:
    write(bert, [reference_mean(448)] * 10, 448)
    assert found(tmp_path) == []


def test_faster_convergence_is_found(tmp_path: Path, bert: Path) -> None:
    write(bert, [1_000_000.0] * 10, 448)
    ((id, seen, wanted),) = found(tmp_path)
    assert (id, seen) == ("RCP001", "mean 1e+06 at batch size 448")
    assert re.fullmatch(r"at least 2\.\d+e\+06 \(reference at batch size 448: mean 2\.\d+e\+06\)", wanted)


def test_a_batch_size_without_reference(tmp_path: Path, bert: Path) -> None:
    write(bert, [9e9] * 10, 20_000)
    assert found(tmp_path) == [
        (
            "RCP002",
            "no reference at batch size 20000: the largest is 16384",
            "a batch size between two that the round has",
        )
    ]


def test_logs_of_two_batch_sizes(tmp_path: Path, bert: Path) -> None:
    write(bert, [9e9] * 10, [256] * 9 + [512])
    assert [f[:2] for f in found(tmp_path)] == [("RCP003", "one batch size is wanted, the logs tell 256, 512")]


def test_a_factor_of_ones_own_making(tmp_path: Path, bert: Path) -> None:
    mean = reference_mean(448)
    write(bert, [mean * 0.99] * 10, 448)
    assert found(tmp_path) == []
    assert score_folder(bert, round_name="v5.0").score.scaling == pytest.approx(1 / 0.99)
    (bert / "scaling.json").write_text(json.dumps({"scaling_factor": 1 / 0.99}))
    assert found(tmp_path) == []
    (bert / "scaling.json").write_text('{"scaling_factor": 1}')
    assert [f[:2] for f in found(tmp_path)] == [("RCP004", "scaling_factor 1")]
    (bert / "scaling.json").write_text('{"scaling_factor": "1"}')
    assert [f[:2] for f in found(tmp_path)] == [("RCP004", "scaling_factor '1'")]


def test_score_tells_why_it_is_slower(bert: Path) -> None:
    write(bert, [reference_mean(448) * 0.99] * 10, 448)
    entry = score_folder(bert, round_name="v5.0")
    assert "slowed down by 1.0101: converges faster than the reference" in describe((entry,), show_runs=False)
    write(bert, [1.0] * 10, 448)
    entry = score_folder(bert, round_name="v5.0")
    assert "convergence: reference at batch size 448; `mlassay check` says more" in describe((entry,), show_runs=False)


def test_open_and_early_rounds_are_not_held_against_it(tmp_path: Path, bert: Path) -> None:
    write(bert, [1.0] * 10, 448)
    assert found(tmp_path, "v0.7") == []
    for log in bert.iterdir():
        log.write_text(log.read_text().replace('"closed"', '"open"'))
    assert found(tmp_path) == []


def test_the_benchmarks_of_every_round_have_their_points() -> None:
    """But MiniGo, which is exempt, and the rounds before the rule."""
    for name in rounds("training"):
        round_ = load_training_round(name)
        for benchmark in round_.benchmarks:
            rule = convergence_rule(round_, benchmark)
            assert (rule is None) == (round_.rcp is None or benchmark == "minigo"), (name, benchmark)
            if rule is not None:
                assert all(len(p.values) > 2 * rule.drop for p in rule.points)
                assert [p.batch_size for p in rule.points] == sorted({p.batch_size for p in rule.points})


CASES = [
    (name, benchmark)
    for name in rounds("training")[3:]
    for benchmark in load_training_round(name).benchmarks
    if benchmark not in ("minigo", "dlrm")  # the tool has no number of runs for them
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "benchmark"), CASES)
def test_the_official_tool_agrees(name: str, benchmark: str, tmp_path: Path) -> None:
    """The same folders to both: at, between and outside the reference's batch sizes, near the limit and far from it."""
    official = pytest.importorskip("mlperf_logging.rcp_checker.rcp_checker")
    logging.getLogger().setLevel(logging.CRITICAL)
    round_ = load_training_round(name)
    rule = convergence_rule(round_, benchmark)
    assert rule is not None
    dice = random.Random(f"{name} {benchmark}")
    known = references(rule, as_official=True)
    sizes = [p.batch_size for p in rule.points]
    runs = round_.benchmarks[benchmark].runs
    tried = [*dice.sample(sizes, min(3, len(sizes))), (sizes[0] + sizes[-1]) // 2 + 1, sizes[-1] + 1, sizes[0] - 1]
    for i, size in enumerate(tried):
        near = min(known, key=lambda r: abs(r.batch_size - size))
        for share in (0.7, 0.97, 0.99, 1.0, 1.1):
            values = [round(near.mean * share * dice.uniform(0.995, 1.005), 3) for _ in range(runs)]
            if rule.unit != "epoch_num":
                values = [float(round(v)) for v in values]
            folder = tmp_path / f"{i}-{share}" / "ACME/results/box" / benchmark
            write(folder, values, size, benchmark, rule.unit)
            theirs = official.check_directory(
                str(folder), "training", name[1:] + ".0", False, False, rcp_pass="pruned_rcps"
            )
            tree = open_training(directory_tree(tmp_path / f"{i}-{share}"), round=name)
            tree.as_official = True
            entry: TrainingEntry = tree.entries[0]
            ours = entry.convergence
            assert ours is not None
            assert ours.passed == theirs[0], (size, share, theirs, ours)
            if ours.passed:
                assert ours.factor == pytest.approx(theirs[2], rel=1e-9), (size, share)
