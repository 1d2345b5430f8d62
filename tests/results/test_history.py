"""The tables of the published history, cell by cell, against figures that were computed independently."""

from __future__ import annotations

import pytest

from mlassay.core.errors import UnknownName
from mlassay.results.database import Database
from mlassay.results.history import TABLES, table
from mlassay.results.table import Table, markdown, plain

pytestmark = pytest.mark.shared

TASK_SCENARIO = {
    "GNMT": (2, 0, 6, 11, 19),
    "MobileNet": (18, 3, 5, 11, 37),
    "ResNet-50": (19, 5, 10, 20, 54),
    "SSD-MobileNet": (8, 3, 5, 13, 29),
    "SSD-ResNet34": (4, 4, 7, 12, 27),
    "closed": (51, 15, 33, 67, 166),
    "open": (None, None, None, None, 429),
    "together": (None, None, None, None, 595),
}
SHARES = {"SSD-ResNet34": 16.3, "SSD-MobileNet": 17.5, "GNMT": 11.4, "MobileNet": 22.3, "ResNet-50": 32.5}
FRAMEWORKS = {
    "Arm NN": "CPU GPU",
    "Furiosa AI": "FPGA",
    "Hailo SDK": "ASIC",
    "HanGuang AI": "ASIC",
    "ONNX": "ASIC",
    "OpenVINO": "CPU",
    "PyTorch": "CPU",
    "SNPE": "DSP",
    "Synapse": "ASIC",
    "TensorFlow": "ASIC CPU GPU",
    "TensorFlow Lite": "CPU",
    "TensorRT": "GPU",
}
CLASSES = {"ASIC": 48, "CPU": 39, "DSP": 2, "FPGA": 4, "GPU": 73}
SPREAD = {("ResNet-50", "SingleStream"): 11151, ("MobileNet", "SingleStream"): 1200, ("GNMT", "Server"): 4.56}
GROWTH = {
    # benchmark: v0.5 min, chips, v0.6 min, chips, ratio
    "ResNet-50": (6.24, 640, 1.28, 1024, 1.600),
    "SSD": (5.56, 64, 1.21, 1024, 16.000),
    "Mask R-CNN": (None, 64, 18.47, 192, 3.000),
    "GNMT": (None, 256, 1.80, 384, 1.500),
    "Transformer": (None, 192, 0.85, 1024, 5.333),
}
SAME_CHIPS = {
    "ResNet-50": (59.89, 42.19, 1.4195),
    "SSD": (14.13, 11.41, 1.2380),
    "GNMT": (9.717, 9.874, 0.9841),
    "Transformer": (19.21, 9.801, 1.9601),
}


def get(database: Database, name: str) -> Table:
    with database.reading() as connection:
        return table(connection, name)


def test_results_per_task_and_scenario(history_db: Database) -> None:
    found = get(history_db, "task-scenario")
    assert {str(r[0]): r[1:] for r in found.rows} == TASK_SCENARIO
    assert found.columns == ("task", "SingleStream", "MultiStream", "Server", "Offline", "all")


def test_shares(history_db: Database) -> None:
    found = get(history_db, "shares")
    assert {str(r[0]): round(float(r[2] or 0), 1) for r in found.rows} == SHARES


def test_what_a_latency_bound_costs(history_db: Database) -> None:
    found = get(history_db, "server-offline")
    kept = {(r[0], r[2]): round(float(r[5] or 0), 3) for r in found.rows}
    assert len(kept) == 30
    assert kept["GNMT", "TitanRTXx4"] == 0.608
    assert kept["ResNet-50", "tpu-v3.8x1"] == 0.489
    assert kept["MobileNet", "T4x8"] == 0.953


def test_operations_do_not_predict_speed(history_db: Database) -> None:
    found = get(history_db, "operations")
    ratios = [round(float(r[5] or 0), 1) for r in found.rows]
    assert (len(ratios), ratios[0], ratios[-1]) == (10, 50.0, 58.3)
    assert "175 times" in found.notes[0]


def test_hyperparameters_side_by_side(history_db: Database) -> None:
    found = get(history_db, "hyperparameters")
    rows = {(r[0], r[1], r[2], r[3]): (r[4], r[5]) for r in found.rows}
    assert rows["ResNet-50", "v0.6", "opt_base_learning_rate", "31.2"][0] == 4, "three of one submitter, one of another"
    assert rows["NCF", "v0.5", "opt_hp_Adam_beta1", "0.25"][0] == 3
    assert rows["ResNet-50", "v0.5", "opt_learning_rate", "0.1"] == (1, "Intel intel_resnet_submission/skx_8180_2s_1x")
    assert not any("DEFERRED" in str(r[3]) or "{" in str(r[3]) for r in found.rows)


def test_frameworks_and_processor_classes(history_db: Database) -> None:
    found = get(history_db, "frameworks")
    marks = {str(r[0]): " ".join(c for c, x in zip(found.columns[1:], r[1:], strict=True) if x) for r in found.rows}
    extra = marks.pop("CUDA (not in the published table)")
    assert marks == FRAMEWORKS
    assert extra == "GPU"
    assert sum(len(m.split()) for m in marks.values()) == 15
    assert all("override: " in note for note in found.notes)
    assert len(found.notes) == 4


def test_closed_results_per_processor_class(history_db: Database) -> None:
    assert {str(r[0]): r[-1] for r in get(history_db, "classes").rows} == CLASSES


def test_spread_per_task_and_scenario(history_db: Database) -> None:
    found = {(r[0], r[1]): float(r[3] or 0) for r in get(history_db, "spread").rows}
    assert len(found) == 19  # GNMT has no MultiStream
    assert {k: round(found[k], 2 if v < 10 else 0) for k, v in SPREAD.items()} == SPREAD
    assert found["ResNet-50", "SingleStream"] == pytest.approx(11151.4854, abs=5e-5)
    assert found["GNMT", "Server"] == pytest.approx(4.5573, abs=5e-5)


def test_growth_in_chips(history_db: Database) -> None:
    found = get(history_db, "growth")
    for name, wanted in GROWTH.items():
        row = next(r for r in found.rows if r[0] == name)
        shown = (row[2], row[3], row[5], row[6], row[7])
        rounded = tuple(round(x, d) if isinstance(x, float) else x for x, d in zip(shown, (2, 0, 2, 0, 3), strict=True))
        assert rounded == wanted, name
    mean = found.cell("arithmetic mean", "ratio")
    assert round(float(mean or 0), 2) == 5.49
    assert round(float(mean or 0), 3) == 5.487
    quoted = [n for n in found.notes if "log absent" in n]
    assert [n.split(":")[0] for n in quoted] == ["Mask R-CNN v0.5", "Mask R-CNN v0.6", "GNMT v0.5", "Transformer v0.5"]


def test_speed_up_at_sixteen_chips(history_db: Database) -> None:
    found = get(history_db, "same-chips")
    for name, (old, new, ratio) in SAME_CHIPS.items():
        row = next(r for r in found.rows if r[0] == name)
        digits = 3 if name == "GNMT" else 2
        assert round(float(row[2] or 0), digits) == old
        assert float(row[4] or 0) == pytest.approx(new, abs=0.005)
        assert round(float(row[5] or 0), 4) == ratio
    assert found.cell("Mask R-CNN", "speed-up") is None
    assert "Mask R-CNN v0.5: not derivable" in "\n".join(found.notes)
    means = next(n for n in found.notes if n.startswith("means over the 4"))
    assert "arithmetic 1.400, geometric 1.357, harmonic 1.316, median 1.329" in means
    assert any("1.3×" in n and "quoted" in n for n in found.notes)


def test_training_scores(history_db: Database) -> None:
    old, new = get(history_db, "training-v0.5"), get(history_db, "training-v0.6")
    assert (len(old.rows), len(new.rows)) == (47, 63)
    assert sum(r[6] is not None for r in old.rows) == 33  # two more are readable in the complete repository
    assert sum(r[6] is not None for r in new.rows) == 51  # ten more are
    assert all(r[-1] == "absent" for t in (old, new) for r in t.rows if r[6] is None)
    assert all("no logs in this copy" in note for t in (old, new) for note in t.notes)
    fujitsu = next(r for r in new.rows if r[2] == "Fujitsu")
    assert (fujitsu[1], round(float(fujitsu[6] or 0), 2), fujitsu[5]) == ("open", 1.17, 2048)


def test_quotations_are_never_computed(history_db: Database) -> None:
    rows = {r[0]: r for r in get(history_db, "quotations").rows}
    assert rows["organisations in inference v0.5"][1:3] == ("14", "13")
    assert rows["results in inference v0.5"][1:3] == ("600+", "595")
    assert rows["speed-up at 16 chips, training v0.5 to v0.6"][1:3] == ("1.3×", None)


def test_every_table_names_its_rule_or_reason_and_its_source(history_db: Database) -> None:
    for name in TABLES:
        found = get(history_db, name)
        assert found.sources, name
        assert all("github.com/mlcommons/" in s and "read by mlassay" in s for s in found.sources)
        assert found.rule or name == "quotations"
        assert found.title in plain(found)
        assert markdown(found).count("\n|") == len(found.rows) + 2


def test_without_data_nothing_is_invented(database: Database) -> None:
    assert get(database, "task-scenario").cell("together", "all") == 0
    assert get(database, "growth").cell("arithmetic mean", "ratio") is None
    assert "not derivable" in "\n".join(get(database, "growth").notes)
    assert get(database, "quotations").cell("results in inference v0.5", "in the data") is None


def test_an_unknown_table_is_answered_with_its_neighbours(database: Database) -> None:
    with pytest.raises(UnknownName, match="unknown table 'grow'"):
        get(database, "grow")
