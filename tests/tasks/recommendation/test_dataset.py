from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlassay.core.errors import BadFile, UsageError
from mlassay.tasks.recommendation import adult, dataset
from tests.tasks.recommendation.criteo_folder import multi_hot, one_hot

LINES = """|1x3 Cross validator
25, Private, 226802, 11th, 7, Never-married, Machine-op-inspct, Own-child, Black, Male, 0, 0, 40, United-States, <=50K.
38, ?, 89814, HS-grad, 9, Married-civ-spouse, ?, Husband, White, Male, 7688, 0, 50, ?, >50K.

"""


def test_packed_rows() -> None:
    pairs = dataset.packed_rows()
    assert len(pairs.labels) == adult.TEST_ROWS == pairs.edges[-1]
    assert int(pairs.labels.sum()) == 3846
    dense, ids = pairs.sample(0)
    assert dense.shape == (20, 5)
    assert ids.shape == (20, 6)
    assert (dense.dtype, ids.dtype) == (np.float32, np.int32)
    assert dense[0].tolist() == pytest.approx(np.log1p([25, 7, 0, 0, 40]))
    assert [values[i] for (_, values), i in zip(adult.CATEGORIES.values(), ids[0], strict=True)] == [
        "Private", "11th", "Never-married", "Machine-op-inspct", "Own-child", "United-States"]  # fmt: skip


def test_table_as_published(tmp_path: Path) -> None:
    path = tmp_path / "adult.test"
    path.write_text(LINES)
    table = adult.read_table(path)
    assert table.dense.tolist() == [[25, 7, 0, 0, 40], [38, 9, 7688, 0, 50]]
    assert table.labels.tolist() == [0, 1]
    assert table.ids[1].tolist()[0] == 0  # "?" is a value like others
    pairs = dataset.open_folder(tmp_path)
    assert len(pairs) == 1
    report = dataset.verify(tmp_path)
    assert [str(p) for p in report.problems] == ["adult.test is 2 rows; expected 16,281"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LINES.replace(">50K.", "rich"), "line 3 is "),
        (LINES.replace("25,", "old,"), "line 2 is with invalid literal"),
        (LINES.replace("Own-child", "Neighbour"), "line 2 is with 'Neighbour'; expected published values"),
        ("|nothing\n", "is without rows"),
    ],
)
def test_bad_tables(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "adult.test"
    path.write_text(text)
    with pytest.raises(BadFile) as caught:
        adult.read_table(path)
    assert message in caught.value.message


@pytest.mark.parametrize("compressed", [False, True])
def test_multi_hot_criteo(tmp_path: Path, compressed: bool) -> None:
    pairs = dataset.open_folder(multi_hot(tmp_path, compressed=compressed))
    assert pairs.name == "Criteo day 23, multi-hot"
    assert pairs.edges[-1] == 950
    dense, ids = pairs.sample(1)
    assert dense.shape == (200, 13)
    assert ids.shape == (200, 214)
    assert np.array_equal(dense, np.load(tmp_path / "day_23_dense.npy")[200:400])  # its log was taken beforehand
    with np.load(tmp_path / "day_23_sparse_multi_hot.npz") as arrays:
        assert np.array_equal(ids[:, :3], arrays["0"][200:400])
        assert np.array_equal(ids[:, -1:], arrays["25"][200:400])


def test_one_hot_criteo(tmp_path: Path) -> None:
    pairs = dataset.open_folder(one_hot(tmp_path))
    dense, ids = pairs.sample(0)
    assert ids.shape == (200, 26)
    assert ids.max() < 40_000_000
    with np.load(tmp_path / "day_23_reordered.npz") as arrays:
        assert np.array_equal(ids, arrays["X_cat"][:200] % 40_000_000)
        assert dense == pytest.approx(np.log(np.maximum(arrays["X_int"][:200], 0) + 1), abs=1e-6)


def test_a_trace_beside_the_data_is_used(tmp_path: Path) -> None:
    multi_hot(tmp_path)
    (tmp_path / dataset.TRACE).write_text("0, 500, 500\n500, 950, 450\n")
    pairs = dataset.open_folder(tmp_path)
    assert pairs.edges.tolist() == [0, 500, 950]
    assert pairs.about["trace"] == dataset.TRACE


def test_verify_finds_wrong_counts_labels_and_ids(tmp_path: Path) -> None:
    multi_hot(tmp_path)
    labels = np.load(tmp_path / "day_23_labels.npy")
    labels[7] = 5
    np.save(tmp_path / "day_23_labels.npy", labels)
    with np.load(tmp_path / "day_23_sparse_multi_hot.npz") as arrays:
        columns = dict(arrays)
    columns["5"][11] = 3  # the table has three rows
    np.savez(tmp_path / "day_23_sparse_multi_hot.npz", **columns)
    report = dataset.verify(tmp_path)
    assert [str(p) for p in report.problems] == [
        "day 23 is 950 rows; expected 178,274,637",
        "row 7 is with wrong labels; expected 0 or 1",
        "row 11 is with wrong ids of table 5; expected 0 to 2",
    ]
    assert report.counts["samples"] == 5
    assert len(dataset.verify(tmp_path, scan=False).problems) == 1


def test_verify_checks_raw_files(tmp_path: Path) -> None:
    (multi_hot(tmp_path) / "day_23").write_text("cut off")
    found = [str(p) for p in dataset.verify(tmp_path).problems]
    assert found[0] == f"day_23 is of MD5 cc64e77e65d232d2741f5e62efa3faee; expected {dataset.RAW_MD5['day_23']}"


def test_missing_pieces(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        dataset.open_folder(tmp_path / "nowhere")
    with pytest.raises(BadFile, match="is without a known data set"):
        dataset.open_folder(tmp_path)
    assert dataset.verify(tmp_path).problems[0].found == "without a known data set"
    multi_hot(tmp_path)
    (tmp_path / "day_23_labels.npy").unlink()
    with pytest.raises(BadFile, match=r"is without day_23_labels.npy; expected day_23_dense.npy"):
        dataset.open_folder(tmp_path)


def test_wrong_shapes_and_damage(tmp_path: Path) -> None:
    multi_hot(tmp_path)
    np.save(tmp_path / "day_23_dense.npy", np.zeros((950, 12), np.float32))
    with pytest.raises(BadFile, match=r"day_23_dense.npy is float32 \(950, 12\); expected floats \(950, 13\)"):
        dataset.open_folder(tmp_path)
    (tmp_path / "day_23_dense.npy").write_bytes(b"\x93NUMPY broken")
    with pytest.raises(BadFile, match="is not readable as a numpy array"):
        dataset.open_folder(tmp_path)
    multi_hot(tmp_path)
    path = tmp_path / "day_23_sparse_multi_hot.npz"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(BadFile, match="is not readable"):
        dataset.open_folder(tmp_path)
