"""Each oddity of the published inference round, in a small tree of its own (numbers as in the list of oddities)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlassay.results import oddity
from mlassay.results.database import Database
from mlassay.results.detail import findings, result
from mlassay.results.importer import Imported, import_path
from mlassay.results.queries import ResultView, results
from tests.results.trees import InferenceTree, summary


@pytest.fixture
def tree(tmp_path: Path) -> InferenceTree:
    tree = InferenceTree(tmp_path)
    tree.system()
    return tree


def load(database: Database, tree: InferenceTree) -> Imported:
    (imported,) = import_path(database, tree.root)
    return imported


def rows(database: Database) -> list[ResultView]:
    with database.reading() as connection:
        return results(connection)


def notes(database: Database, check_id: str) -> list[str]:
    with database.reading() as connection:
        return [f"{f.place}: {f.found}" for f in findings(connection) if f.check_id == check_id]


def details(database: Database, path: str) -> Any:
    with database.reading() as connection:
        return result(connection, path)


def test_lower_case_scenarios_and_other_names_of_a_benchmark(database: Database, tree: InferenceTree) -> None:  # 1
    tree.result(scenario="offline", benchmark="resnet50")
    load(database, tree)
    (row,) = rows(database)
    assert (row.scenario, row.benchmark, row.model) == ("Offline", "resnet", "resnet50")
    assert [n.split(": ")[1] for n in notes(database, oddity.RENAMED)] == ["offline", "resnet50"]


def test_a_system_called_0(database: Database, tree: InferenceTree) -> None:  # 1
    tree.system("0")
    tree.result("0")
    load(database, tree)
    (row,) = rows(database)
    assert (row.system, row.chips) == ("0", 4)


@pytest.mark.parametrize("folder", ["performance/run_1", "performance", "Performance/run_1", "performance/run_0"])
def test_where_performance_logs_lie(database: Database, tree: InferenceTree, folder: str) -> None:  # 2
    path = tree.result(folder=folder)
    load(database, tree)
    assert details(database, path).result.value == 100
    odd = [n for n in notes(database, oddity.RENAMED) if n.endswith("Performance")]
    assert len(odd) == (1 if folder.startswith("P") else 0)


def test_of_five_server_runs_the_slowest_is_the_result(database: Database, tree: InferenceTree) -> None:  # 2
    for number, value in enumerate(("105", "101", "103", "99", "102")):
        path = tree.result(scenario="Server", folder=f"performance/run_{number}", logs=summary("Server", value))
    load(database, tree)
    found = details(database, path)
    assert found.result.value == 99
    performance = [r for r in found.runs if r.role == "performance"]
    assert [r.used for r in performance] == [False, False, False, True, False]
    assert performance[0].why_not_used == "another run is slower, and the slowest counts"
    assert notes(database, oddity.SHORT) == []


def test_two_runs_where_one_is_due(database: Database, tree: InferenceTree) -> None:  # 2
    for number in (1, 2):
        tree.result(scenario="SingleStream", folder=f"performance/run_{number}")
    load(database, tree)
    assert notes(database, oddity.SHORT) == ["closed/Acme/results/one/resnet/SingleStream: 2 runs"]


def test_audit_runs_are_no_results(database: Database, tree: InferenceTree) -> None:  # 3
    path = tree.result()
    tree.write(f"{path}/test_4a/performance/mlperf_log_summary.txt", summary(valid="INVALID"))
    tree.write(
        "closed/Acme/audit/one/resnet/Offline/TEST01/performance/run_1/mlperf_log_summary.txt", summary(valid="INVALID")
    )
    imported = load(database, tree)
    assert (imported.n_results, imported.n_audits) == (1, 2)
    found = details(database, path)
    assert found.result.verdict == "VALID"
    assert {(a.test, a.valid) for a in found.audits} == {("test_4a", False), ("TEST01", False)}


@pytest.mark.parametrize(
    ("directory", "file"),
    [("ICL-I3-1005G1_OpenVINO-Windows", "ICL-i31005G1_openvino"), ("nnpi-1000-2x_onnx", "nnpi-1000_onnx")],
)
def test_a_description_spelled_otherwise(
    database: Database, tree: InferenceTree, directory: str, file: str
) -> None:  # 4
    tree.system(file, accelerators_per_node=2)
    tree.result(directory)
    load(database, tree)
    (row,) = rows(database)
    assert row.framework == "TensorRT 6.0"
    assert notes(database, oddity.RENAMED) == [f"closed/Acme/results/{directory}/resnet/Offline: systems/{file}.json"]


def test_no_description_at_all_is_said_and_nothing_is_guessed(database: Database, tree: InferenceTree) -> None:  # 4
    tree.result("stranger")
    load(database, tree)
    (row,) = rows(database)
    assert (row.chips, row.processor_class, row.framework) == (None, "", "")
    assert row.chips_from == "the system description gives no count"
    assert notes(database, oddity.SYSTEM) == ["closed/Acme/results/stranger/resnet/Offline: no systems/stranger.json"]


def test_metadata_missing_doubled_and_as_text(database: Database, tree: InferenceTree) -> None:  # 5
    tree.system("bare", submitter="Acme", accelerators_per_node="8", number_of_nodes="2")
    tree.write("closed/Acme/systems/submission_checklist.md", "# checklist\n")
    tree.write("closed/Acme/systems/twice.json", '{"submitter": "Acme", "status": "RDI", "status": "rdi"}')
    tree.write("closed/Acme/systems/nobody.json", '{"status": "available"}')
    tree.result("bare")
    tree.result("twice", scenario="Server")
    load(database, tree)
    by_system = {r.system: r for r in rows(database)}
    assert (by_system["bare"].chips, by_system["bare"].chips_from) == (16, "2 nodes × 8 accelerators")
    assert by_system["twice"].category == "rdi"
    found = notes(database, oddity.METADATA)
    assert "closed/Acme/systems/twice.json: status is given twice; the last one counts" in found
    assert "closed/Acme/systems/nobody.json: no submitter" in found


@pytest.mark.parametrize(("written", "shown"), [("DELL EMC", "DellEMC"), ("Intel_Corp", "Intel"), ("Acme", "Acme")])
def test_one_spelling_per_organisation(database: Database, tmp_path: Path, written: str, shown: str) -> None:  # 5
    tree = InferenceTree(tmp_path)
    tree.system(submitter=written)
    tree.result(submitter=written)
    load(database, tree)
    (row,) = rows(database)
    assert row.submitter == shown


@pytest.mark.parametrize(
    ("system", "listed", "chips"),
    [("tpu-v3.8x1", 8, 4), ("tpu-v3.8x32", 256, 128), ("tpu-rdi-v3.8x1", 8, 4), ("T4x20", 20, 20)],
)
def test_tpu_entries_count_cores(
    database: Database, tree: InferenceTree, system: str, listed: int, chips: int
) -> None:  # 5
    tree.system(
        system, accelerators_per_node=listed, accelerator_model_name="tpu-v3.8" if "tpu" in system else "Tesla T4"
    )
    tree.result(system)
    load(database, tree)
    (row,) = rows(database)
    assert row.chips == chips
    assert ("cores, 2 to a chip" in row.chips_from) == ("tpu" in system)


def test_odd_bytes_in_logs(database: Database, tree: InferenceTree) -> None:  # 6
    odd = summary(name="Goya\0\0").replace("\n", "\r\n").encode()
    path = tree.result(logs=odd)
    load(database, tree)
    assert details(database, path).result.value == 100
    assert [n.split(": ")[1] for n in notes(database, oddity.TEXT)] == ["NUL bytes", "line ends of another system (CR)"]


@pytest.mark.parametrize(("text", "value"), [("1.03851e+06", 1_038_510.0), ("69306.6", 69306.6)])
def test_numbers_in_any_spelling_and_an_empty_name(
    database: Database, tree: InferenceTree, text: str, value: float
) -> None:  # 6
    path = tree.result(logs=summary(value=text, name=""))
    load(database, tree)
    assert details(database, path).result.value == value


def test_mode_submission_is_read_all_the_same(database: Database, tree: InferenceTree) -> None:  # 6
    path = tree.result(scenario="SingleStream", logs=summary("Single Stream", "450000", mode="Submission"))
    load(database, tree)
    found = details(database, path).result
    assert (found.value, found.unit, found.metric) == (0.45, "ms", "p90 latency")


def test_error_lines_of_an_accepted_result_are_listed(database: Database, tree: InferenceTree) -> None:  # 7
    path = tree.result()
    line = '"pid": 1, "tid": 1, "ts": 5ns : ERROR : CAS failed.\n'
    tree.write(f"{path}/performance/run_1/mlperf_log_detail.txt", line)
    load(database, tree)
    (note,) = notes(database, oddity.LOGGED_ERRORS)
    assert note.endswith("mlperf_log_detail.txt: 1 ERROR lines: CAS failed.")
    assert details(database, path).result.verdict == "VALID"


def test_generated_queries_count_not_the_setting(database: Database, tree: InferenceTree) -> None:  # 8
    path = tree.result(scenario="Server")
    lines = (
        '"pid": 1, "tid": 1, "ts": 5ns : Effective Settings:\n"pid": 1, "tid": 1, "ts": 5ns : min_query_count : 1024\n'
        '"pid": 1, "tid": 1, "ts": 6ns : \n'
        '"pid": 1, "tid": 1, "ts": 7ns : GeneratedQueries: '
        '"queries" : 270336, "samples per query" : 1, "duration" : 5\n'
    )
    tree.write(f"{path}/performance/run_1/mlperf_log_detail.txt", lines)
    load(database, tree)
    run = next(r for r in details(database, path).runs if r.role == "performance")
    assert run.n_queries == 270336


@pytest.mark.parametrize(
    ("benchmark", "text", "metric", "met"),
    [
        ("resnet", "accuracy=76.456%, good=38228, total=50000", "acc", True),
        ("resnet", "accuracy=75.000%, good=37500, total=50000", "acc", False),
        ("ssd-small", "mAP=22.627%", "mAP", True),
        ("gnmt", "BLEU: 23.8", "bleu", True),
    ],
)
def test_accuracy_in_each_spelling(
    database: Database, tree: InferenceTree, benchmark: str, text: str, metric: str, met: bool
) -> None:  # 9
    path = tree.result(benchmark=benchmark, accuracy=text)
    load(database, tree)
    found = details(database, path)
    assert found.result.quality_met is met
    assert [(a.metric, a.met) for a in found.accuracies] == [(metric, met)]


def test_absent_accuracy_is_said_and_never_zero(database: Database, tree: InferenceTree) -> None:  # 9
    path = tree.result(accuracy=None)
    tree.write(f"{path}/accuracy/mlperf_log_summary.txt", "No warnings encountered during test.\n")
    load(database, tree)
    found = details(database, path)
    assert found.result.quality_met is None
    assert [(a.metric, a.value) for a in found.accuracies] == [("acc", None)]
    assert notes(database, oddity.ACCURACY) == [f"{path}/accuracy/accuracy.txt: absent"]


@pytest.mark.parametrize(
    ("model", "benchmark"),
    [
        ("mobilenet-v1-1.0-224-quantized", "mobilenet"),
        ("ssd-mobilenet-v1-quantized-coco", "ssd-small"),
        ("rcnn-nas-lowproposals-coco", "ssd-small"),
        ("never-heard-of-it", "never-heard-of-it"),
    ],
)
def test_model_names_of_the_open_division(
    database: Database, tree: InferenceTree, model: str, benchmark: str
) -> None:  # 10
    tree.system(division="open")
    tree.result(benchmark=model, division="open")
    load(database, tree)
    (row,) = rows(database)
    assert (row.benchmark, row.model, row.division) == (benchmark, model, "open")


def test_a_result_without_its_log_is_a_row_that_says_so(database: Database, tree: InferenceTree) -> None:
    path = "closed/Acme/results/one/resnet/Offline"
    tree.write(f"{path}/accuracy/accuracy.txt", "accuracy=76.46%")
    tree.result(scenario="Server", logs="")
    load(database, tree)
    by_scenario = {r.scenario: r for r in rows(database)}
    assert (by_scenario["Offline"].state, by_scenario["Offline"].reason) == ("absent", "no performance run")
    assert by_scenario["Offline"].value is None
    assert (by_scenario["Server"].state, by_scenario["Server"].value) == ("unreadable", None)
    assert "mlperf_log_summary.txt: empty" in by_scenario["Server"].reason


@pytest.mark.shared
def test_counts_that_the_published_round_is_known_by(history_db: Database) -> None:
    with history_db.reading() as connection:
        ask = connection.exec_driver_sql
        invalid = dict(ask("SELECT division, COUNT(*) FROM audit WHERE NOT valid GROUP BY division").fetchall())
        assert invalid == {"closed": 251, "open": 73}
        met = ask(
            "SELECT COUNT(*) FROM result WHERE division = 'closed' AND quality_met AND suite = 'inference'"
        ).scalar()
        assert met == 164
        assert ask("SELECT COUNT(*) FROM result WHERE suite = 'inference' AND verdict <> 'VALID'").scalar() == 0
        models = dict(
            ask(
                "SELECT benchmark, COUNT(*) FROM result WHERE division = 'open' AND suite = 'inference' GROUP BY 1"
            ).fetchall()
        )
        assert models == {"gnmt": 2, "mobilenet": 371, "resnet": 6, "ssd-large": 2, "ssd-small": 48}
        dividiti = ask("SELECT COUNT(*) FROM result WHERE division = 'open' AND submitter = 'dividiti'").scalar()
        assert dividiti == 418
