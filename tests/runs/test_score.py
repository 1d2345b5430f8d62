"""Scoring trees of logs; the published ones give the published figures."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from mlassay.core.errors import BadFile
from mlassay.records.mllog import format_mllog
from mlassay.rules.training_scoring import round_or_none, score_rule
from mlassay.runs.score import score_tree

DATA = Path(__file__).parents[3] / "shared" / "data"


def write_run(path: Path, seconds: float, status: str = "success", resumed: bool = False, division: str = "closed"):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        format_mllog("submission_division", division, {}, time_ms=0),
        format_mllog("run_start", None, {}, time_ms=1000),
        format_mllog("run_stop", None, {"status": status}, time_ms=1000 + round(1000 * seconds)),
    ]
    if resumed:
        lines.insert(2, format_mllog("resumed", True, {}, time_ms=1500))
    path.write_text("".join(line + "\n" for line in lines))


def test_a_tree_gives_one_entry_for_each_folder_of_runs(tmp_path):
    for i, seconds in enumerate((60, 120, 180)):
        write_run(tmp_path / "results" / "box" / "ncf" / f"result_{i}.txt", seconds)
    (tmp_path / "results" / "empty-box").mkdir()
    table = score_tree(tmp_path)
    (entry,) = table.entries
    assert (entry.system, entry.benchmark, entry.score.minutes) == ("box", "ncf", 2.0)
    assert [p.name for p in table.absent] == ["empty-box"]


def test_a_resumed_run_is_not_scorable_in_closed(tmp_path):
    for i in range(3):
        write_run(tmp_path / "ncf" / f"result_{i}.txt", 60, resumed=i == 1)
    (entry,) = score_tree(tmp_path).entries
    assert entry.score.dropped[0].why == "resumed after a crash: not scorable in closed"
    write_run(tmp_path / "ncf" / "result_1.txt", 60, resumed=True, division="open")
    write_run(tmp_path / "ncf" / "result_0.txt", 60, division="open")
    assert not any("resumed" in d.why for d in score_tree(tmp_path).entries[0].score.dropped)


def test_runs_are_taken_in_the_order_of_their_numbers(tmp_path):
    for i in range(12):
        write_run(tmp_path / "bert" / f"result_{i}.txt", 60 + i)
    (entry,) = score_tree(tmp_path, round_name="v5.0").entries  # ten of twelve: three windows, the middle one counts
    assert entry.score.kept == tuple(f"result_{i}.txt" for i in range(2, 10))


def test_the_rcp_factor_scales_the_score(tmp_path):
    for i in range(3):
        write_run(tmp_path / "ncf" / f"result_{i}.txt", 60)
    (tmp_path / "ncf" / "scaling.json").write_text('{"scaling_factor": 1.5}')
    assert score_tree(tmp_path).entries[0].score.minutes == 1.5
    (tmp_path / "ncf" / "scaling.json").write_text("{}")
    with pytest.raises(BadFile, match=r"scaling\.json is without a number scaling_factor"):
        score_tree(tmp_path)


def test_a_folder_without_logs_is_refused(tmp_path):
    with pytest.raises(BadFile, match=r"is without any result_\*.txt; expected training logs somewhere below"):
        score_tree(tmp_path)
    with pytest.raises(BadFile, match="is not a folder"):
        score_tree(tmp_path / "nothing")


def test_ncf_of_v05_takes_the_first_fifty():
    assert score_rule(round_or_none("v0.5"), "ncf", 100).first_converged == 50
    assert score_rule(round_or_none(""), "ncf", 100).first_converged == 0


def test_the_rule_of_a_round_comes_from_its_data():
    unet = score_rule(round_or_none("v1.1"), "unet3d", 40)
    assert (unet.runs_required, unet.drop_fastest, unet.drop_slowest, unet.max_non_converged) == (40, 4, 4, 4)
    assert not score_rule(round_or_none("v1.0"), "bert", 10).windows
    assert score_rule(round_or_none("v2.0"), "bert", 10).windows
    assert score_rule(round_or_none("v5.1"), "llama31_405b", 3).runs_required == 3
    assert score_rule(round_or_none("v5.1"), "not there", 4).runs_required == 4


PUBLISHED = {
    "v0.5": {
        ("nvidia", "dgx1_multi_ngc18.11_mxnet", "resnet"): 6.24,
        ("nvidia", "dgx2h_multi_ngc18.11_pytorch", "ssd"): 5.56,
        ("nvidia", "dgx2h_ngc18.11_pytorch", "ssd"): 14.13,
        ("nvidia", "dgx2h_ngc18.11_pytorch", "transformer"): 19.21,
        ("google", "tpu", "gnmt"): 9.717,
        ("google", "tpu", "resnet"): 59.89,
    },
    "v0.6": {
        ("google", "tpu-v3-2048", "resnet"): 1.28,
        ("google", "tpu-v3-2048", "ssd"): 1.21,
        ("google", "tpu-v3-2048", "transformer"): 0.85,
        ("google", "tpu-v3-32", "resnet"): 42.19,
        ("NVIDIA", "dgx2h_ngc19.05_pytorch", "ssd"): 11.41,
        ("NVIDIA", "dgx2h_ngc19.05_pytorch", "gnmt"): 9.874,
        ("NVIDIA", "dgx2h_ngc19.05_pytorch", "transformer"): 9.801,
        ("NVIDIA", "dgx2h_n24_ngc19.05_pytorch", "gnmt"): 1.80,
        ("Fujitsu", "abci_2048xV100_mxnet", "resnet"): 1.17,
    },
}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    trees = {}
    for name in PUBLISHED:
        archive = DATA / f"training_results_{name}.tar.xz"
        if not archive.exists():
            pytest.skip("the archives of published logs are not here")
        folder = tmp_path_factory.mktemp(name)
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        trees[name] = score_tree(folder)
    return trees


@pytest.mark.shared
def test_published_logs_score_as_published(published):
    for name, expected in PUBLISHED.items():
        for (submitter, system, benchmark), minutes in expected.items():
            found = [
                e.score.minutes
                for e in published[name].entries
                if (e.submitter, e.system, e.benchmark) == (submitter, system, benchmark)
            ]
            digits = len(str(minutes).split(".")[1])
            assert minutes in [round(m, digits) for m in found], (submitter, system, benchmark, found)


@pytest.mark.shared
def test_the_sixteen_chip_speedups_are_the_published_ones(published):
    def best(round_name, submitter, benchmark, system):
        return min(
            e.score.minutes
            for e in published[round_name].entries
            if e.submitter.lower() == submitter and e.benchmark == benchmark and system in str(e.folder)
        )

    for benchmark, old, new, ratio in (
        ("resnet", ("google", "tpuv3-32"), ("google", "tpu-v3-32"), 1.4195),
        ("ssd", ("nvidia", "dgx2h_ngc"), ("nvidia", "dgx2h_ngc"), 1.2380),
        ("gnmt", ("google", "tpuv3-32"), ("nvidia", "dgx2h_ngc"), 0.9841),
        ("transformer", ("nvidia", "dgx2h_ngc"), ("nvidia", "dgx2h_ngc"), 1.9601),
    ):
        speedup = best("v0.5", old[0], benchmark, old[1]) / best("v0.6", new[0], benchmark, new[1])
        assert speedup == pytest.approx(ratio, abs=5e-5), benchmark


@pytest.mark.shared
def test_systems_without_logs_are_named(published):
    assert len(published["v0.5"].absent) == 4
