"""Each oddity of the published training rounds, in a small tree of its own (numbers as in the list of oddities)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlassay.results import oddity
from mlassay.results.database import Database
from mlassay.results.detail import findings, result
from mlassay.results.importer import import_path
from mlassay.results.queries import ResultView, results
from mlassay.results.training_rows import reaches
from tests.results.trees import ENTRY, TrainingTree, v05_log, v06_log

MINUTES = (10.0, 20.0, 30.0, 40.0, 90.0)  # mean without the extremes: 30


@pytest.fixture
def old(tmp_path: Path) -> TrainingTree:
    return TrainingTree(tmp_path, "training_results_v0.5")


@pytest.fixture
def new(tmp_path: Path) -> TrainingTree:
    return TrainingTree(tmp_path, "training_results_v0.6")


def load(database: Database, tree: TrainingTree) -> dict[str, ResultView]:
    import_path(database, tree.root)
    with database.reading() as connection:
        return {r.path: r for r in results(connection) if r.state != "absent" or r.n_runs}


def notes(database: Database, check_id: str) -> list[str]:
    with database.reading() as connection:
        return [f"{f.place}: {f.found}" for f in findings(connection) if f.check_id == check_id]


def runs(database: Database, path: str) -> Any:
    with database.reading() as connection:
        return result(connection, path).runs


def test_both_layouts_of_v05_are_told_apart_by_their_submission(database: Database, old: TrainingTree) -> None:  # 11
    short = "v0.5.0/acme/submission/results/box/resnet"
    long = "v0.5.0/google/cloud_v3.8/resnet-tpuv3-8/results/tpu/resnet"
    for folder in (short, long):
        old.entry(folder, [v05_log(m) for m in MINUTES])
    found = load(database, old)
    assert (found[short].submitter, found[short].system) == ("acme", "box")
    assert (found[long].submitter, found[long].system) == ("Google", "cloud_v3.8/tpu")
    assert found[short].value == pytest.approx(30)
    assert (found[short].n_runs, found[short].n_used, found[short].round) == (5, 3, "v0.5")


def test_stray_files_are_named_and_left_out(database: Database, old: TrainingTree) -> None:  # 11
    folder = "v0.5.0/intel/s/results/box/resnet"
    old.entry(folder, [v05_log(m) for m in MINUTES])
    for name in (".DS_Store", "intel_caffe_result_0.txt", "first_50_success_file"):
        old.write(f"{folder}/{name}", "x")
    found = load(database, old)
    assert found[folder].n_runs == 5
    assert sorted(n.split(":")[0].rpartition("/")[2] for n in notes(database, oddity.STRAY)) == [
        ".DS_Store",
        "first_50_success_file",
        "intel_caffe_result_0.txt",
    ]


def test_ncf_counts_its_first_fifty_that_converge(database: Database, old: TrainingTree) -> None:  # 11
    folder = "v0.5.0/acme/submission/results/box/ncf"
    logs = [v05_log(1 + i / 10, benchmark="ncf", success=i % 3 != 0) for i in range(100)]
    old.entry(folder, logs)
    found = load(database, old)[folder]
    converged = [1 + i / 10 for i in range(100) if i % 3][:50]
    assert found.value == pytest.approx(sum(sorted(converged)[1:-1]) / 48)
    assert found.n_used == 48


@pytest.mark.parametrize(
    "log",
    [
        v05_log(20, space=True),
        v05_log(20, end="\r\n"),
        v05_log(20, prefix="INFO:root:step 7 "),
        v05_log(20) + v05_log(20, prefix="INFO:mlperf_compliance:"),
        v05_log(20, success=None),
    ],
    ids=["space before the colon", "CRLF", "text before", "every line twice", "run_stop without payload"],
)
def test_v05_lines_in_each_published_spelling(database: Database, old: TrainingTree, log: str) -> None:  # 12
    folder = "v0.5.0/acme/submission/results/box/resnet"
    old.entry(folder, [log] * 5)
    found = load(database, old)[folder]
    assert found.value == pytest.approx(20)
    assert found.valid is True


def test_a_float32_quality_reaches_its_target(database: Database, old: TrainingTree) -> None:  # 13
    folder = "v0.5.0/acme/submission/results/box/gnmt"
    old.entry(folder, [v05_log(20, benchmark="gnmt", quality=21.799999237, target=21.8)] * 10)
    assert load(database, old)[folder].quality_met is True
    assert not reaches(21.79, 21.8)
    assert reaches(75.1, 0.749)  # per cent against a fraction


@pytest.mark.parametrize(("org", "shown"), [("Google Inc.", "Google"), ("Intel Corp.", "Intel"), ("Nvidia", "NVIDIA")])
def test_organisations_of_v05(database: Database, old: TrainingTree, org: str, shown: str) -> None:  # 14
    directory = shown.lower()
    folder = f"v0.5.0/{directory}/submission/results/box/resnet"
    old.entry(folder, [v05_log(20)] * 5)
    old.write(
        f"v0.5.0/{directory}/submission/submission.json", f'{{"org": "{org}", "poc_email": "a", "poc_email": "b"}}'
    )
    found = load(database, old)[folder]
    assert (found.submitter, found.submitter_written, found.category) == (shown, org, "available")
    assert notes(database, oddity.METADATA) == [
        f"v0.5.0/{directory}/submission/submission.json: poc_email is given twice; the last one counts"
    ]


def test_nodes_come_from_the_run_configuration_not_from_the_cluster(
    database: Database, old: TrainingTree
) -> None:  # 14
    folder = "v0.5.0/nvidia/submission/results/dgx1_multi_ngc18.11_mxnet/resnet"
    cluster = {**ENTRY, "nodes": [{"num_nodes": 128, "accelerator": "Tesla V100", "num_accelerators": 8}]}
    old.entry(folder, [v05_log(m) for m in MINUTES], description=cluster)
    config = "#!/bin/bash\nDGXNNODES=80\n#DGXNNODES=2\nDGXNGPU=8\n"
    old.write("v0.5.0/nvidia/submission/code/image_classification/mxnet/config_DGX1_multi.sh", config)
    found = load(database, old)[folder]
    assert (found.chips, found.nodes) == (640, 80)
    assert found.chips_from == "config_DGX1_multi.sh: 80 nodes × 8 GPUs"
    assert notes(database, oddity.CHIPS) == [f"{folder}: 1024 accelerators in entry.json"]


def test_fewer_runs_than_the_rules_want_are_said(database: Database, old: TrainingTree) -> None:  # 14
    folder = "v0.5.0/acme/submission/results/box/resnet"
    old.entry(folder, [v05_log(m) for m in (10, 20, 30)])
    found = load(database, old)[folder]
    assert (found.value, found.valid, found.verdict) == (20, False, "INVALID")
    assert notes(database, oddity.SHORT) == [f"{folder}: 3 runs; the rules want 5"]


def test_a_description_that_is_no_json(database: Database, new: TrainingTree) -> None:  # 15
    nodes = str({"num_nodes": "12", "num_accelerators": "16", "accelerator": "Tesla V100"})
    inner = str({"hardware": "NVIDIA DGX-2H", "framework": "PyTorch", "nodes": nodes})
    lines = "".join(
        f"{key}: {json.dumps({'value': value, 'metadata': {'lineno': 1}})}\n"
        for key, value in (("org", "NVIDIA"), ("division", "closed"), ("status", "onprem"), ("entry", inner))
    )
    folder = "NVIDIA/results/dgx2h_n12_ngc19.05_pytorch/maskrcnn"
    new.entry(
        folder,
        [v06_log(m, benchmark="maskrcnn", quality=[0.377, 0.339]) for m in MINUTES],
        description=lines,
        beside=False,
    )
    found = load(database, new)[folder]
    assert (found.chips, found.chips_from, found.framework_label) == (192, "12 nodes × 16 accelerators", "PyTorch")
    (note,) = notes(database, oddity.METADATA)
    assert note.endswith(".json: 4 'key: {json}' lines with a Python dictionary inside")


def test_broken_and_misspelled_metadata(database: Database, new: TrainingTree) -> None:  # 15
    described = {"sumitter": "Intel_Corp", "division": "closed", "status": "on-premise", "number of nodes": "32",
                 "host_processors_per_node": "2", "framework": "TensorFlow 1.13.1"}  # fmt: skip
    folder = "Intel/results/clx/minigo"
    new.entry(folder, [v06_log(m, benchmark="minigo") for m in MINUTES * 2], description=described, beside=False)
    new.write("Intel/submission.json", '{"org": "Intel", "poc_email": "a","b"}')
    found = load(database, new)[folder]
    assert (found.chips, found.chips_from) == (64, "32 nodes × 2 processor sockets")
    assert found.processor_class == "CPU"
    said = notes(database, oddity.METADATA)
    assert any("key 'sumitter'" in n for n in said)
    assert any("key 'number of nodes'" in n for n in said)


def test_status_of_log_and_description_disagree(database: Database, new: TrainingTree) -> None:  # 15
    folder = "Fujitsu/results/abci/resnet"
    described = {**ENTRY, "division": "open", "status": "research"}
    new.entry(
        folder,
        [v06_log(m, division="open", availability="cloud", org="Fujitsu") for m in MINUTES],
        description=described,
        beside=False,
    )
    found = load(database, new)[folder]
    assert (found.division, found.category) == ("open", "rdi")
    assert notes(database, oddity.METADATA) == [f"{folder}: status cloud in the logs"]


def test_the_folder_mask_and_the_org_google(database: Database, new: TrainingTree) -> None:  # 15
    folder = "Google/results/tpu-v3-128/mask"
    described = {
        "submitter": "Google",
        "number_of_nodes": "1",
        "accelerators_per_node": "64",
        "accelerator_model_name": "tpu-v3",
        "framework": "TensorFlow 1.14",
    }
    new.entry(
        folder,
        [v06_log(m, benchmark="mask", org="google", quality=[0.38, 0.34]) for m in MINUTES],
        description=described,
        beside=False,
    )
    found = load(database, new)[folder]
    assert (found.benchmark, found.model, found.submitter, found.chips) == ("maskrcnn", "mask", "Google", 64)
    assert notes(database, oddity.RENAMED) == [f"{folder}: mask"]


def test_minigo_is_timed_by_its_first_winning_checkpoint(database: Database, new: TrainingTree) -> None:  # 16
    start = 1_560_000_000.0
    lines = [f':::MLL {start:.3f} run_start: {{"value": null, "metadata": {{}}}}\n']
    for minutes in (25, 20):
        about = {"timestamp": start + minutes * 60, "iteration": 3}
        lines.append(
            f":::MLL {start + 9999 + minutes:.3f} eval_result: {json.dumps({'value': 0.51, 'metadata': about})}\n"
        )
    folder = "NVIDIA/results/dgx1/minigo"
    new.entry(folder, ["".join(lines)] * 10, beside=False)
    assert load(database, new)[folder].value == pytest.approx(20)


def test_python_dictionaries_and_merged_lines(database: Database, new: TrainingTree) -> None:  # 16
    start = 1_560_000_000.0
    log = (
        f":::MLL {start:.3f} run_start: {{'value': None, 'metadata': {{'lineno': 1}}}}\n"
        f":::MLL {start + 1:.3f} eval_start: {{'value': None, 'metadata': {{}}}}:::MLL {start + 600:.3f} run_stop: "
        "{'value': None, 'metadata': {'status': 'success'}}\n"
    )
    folder = "Intel/results/clx/minigo"
    new.entry(folder, [log] * 10, beside=False)
    assert load(database, new)[folder].value == pytest.approx(10)
    assert notes(database, oddity.LINE)


def test_a_home_made_format(database: Database, new: TrainingTree) -> None:  # 16
    log = (
        "MLPerf: resnet [06/13/19 00:30:56], run_start\nMLPerf: resnet [06/13/19 00:30:57], run_start\n"
        'MLPerf: resnet [06/13/19 00:50:00], eval_accuracy: {"value": 75.92%, "epoch": 60}\n'
        "MLPerf: resnet [06/13/19 00:50:56], run_stop\n"
    )
    folder = "Alibaba/results/sinian/resnet"
    new.entry(folder, [log] * 5)
    assert load(database, new)[folder].value == pytest.approx(20)


def test_prefixes_of_mpirun(database: Database, new: TrainingTree) -> None:  # 16
    log = "".join(f"[1,0]<stdout>:{line}\n" for line in v06_log(20).splitlines())
    folder = "Acme/results/box/resnet"
    new.entry(folder, [log] * 5, beside=False)
    assert load(database, new)[folder].value == pytest.approx(20)


@pytest.mark.parametrize(
    ("payload", "quality"),
    [(0.76, 0.76), ("0.76", 0.76), ([0.377, 0.339], 0.377), ({"accuracy": {"BBOX": 0.377, "SEGM": 0.339}}, 0.377),
     ({"value": 75.9, "epoch": 3}, 75.9)],
)  # fmt: skip
def test_accuracy_payloads(database: Database, new: TrainingTree, payload: object, quality: float) -> None:  # 17
    folder = "Acme/results/box/resnet"
    new.entry(folder, [v06_log(20, quality=payload)] * 5, beside=False)
    load(database, new)
    assert {r.quality for r in runs(database, folder)} == {quality}


def test_content_that_is_absent_is_neither_zero_nor_skipped(database: Database, new: TrainingTree) -> None:
    folder = "NVIDIA/results/dgx1_ngc19.05_pytorch/gnmt"
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"
    new.entry(folder, ["", pointer, *[""] * 8], beside=False)
    imported = import_path(database, new.root)[0]
    with database.reading() as connection:
        rows = {r.path: r for r in results(connection)}
    assert (rows[folder].state, rows[folder].value) == ("absent", None)
    assert rows[folder].reason == "absent: empty or only listed"
    listed = [r for r in rows.values() if r.n_runs == 0]
    assert len(listed) == 12
    assert all(r.reason.startswith("no logs in this copy; the repository lists the entry at commit") for r in listed)
    assert imported.n_absent == 13


def test_one_failed_run_is_the_slowest_and_two_are_too_many(database: Database, new: TrainingTree) -> None:
    good = [v06_log(m) for m in (10, 20, 30)]
    bad = v06_log(5, status="aborted")
    new.entry("Acme/results/a/resnet", [*good, v06_log(40), bad], beside=False)
    new.entry("Acme/results/b/resnet", [*good, bad, bad], beside=False)
    found = load(database, new)
    one, two = found["Acme/results/a/resnet"], found["Acme/results/b/resnet"]
    assert (one.value, one.verdict) == (pytest.approx(30), "VALID")
    assert (two.value, two.state) == (None, "unreadable")
    assert "2 runs did not converge; at most 1 may" in two.reason
    dropped = next(r for r in runs(database, one.path) if not r.converged)
    assert dropped.why_not_used == "did not converge: counts as slowest"


def test_training_of_your_own_is_unverified_and_knows_its_round(database: Database, tmp_path: Path) -> None:
    tree = TrainingTree(tmp_path, "mlassay-training")
    folder = "results/this-machine/resnet"
    for number, minutes in enumerate((10, 20, 40)):
        lines = []
        for key, at, about in (("run_start", 0, {}), ("run_stop", minutes, {"status": "success"})):
            event = {"namespace": "", "time_ms": 1_795_000_000_000 + at * 60_000, "event_type": "POINT_IN_TIME",
                     "key": key, "value": None, "metadata": about}  # fmt: skip
            lines.append(f":::MLLOG {json.dumps(event)}\n")
        tree.write(f"{folder}/result_{number}.txt", "".join(lines))
        tree.write(f"{folder}/result_{number}.json", json.dumps({"round": "none", "status": "success"}))
    found = load(database, tree)[folder]
    assert (found.round, found.value, found.n_used, found.published) == ("none", pytest.approx(20), 1, False)
    assert notes(database, oddity.STRAY) == []


@pytest.mark.shared
def test_what_the_archives_lack_is_listed(history_db: Database) -> None:
    with history_db.reading() as connection:
        rows = [r for r in results(connection) if r.suite == "training" and r.state == "absent"]
    assert {r: sum(x.round == r for x in rows) for r in ("v0.5", "v0.6")} == {"v0.5": 14, "v0.6": 12}
    assert all(r.value is None and r.chips for r in rows)
