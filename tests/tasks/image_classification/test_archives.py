"""Pictures in tar and parquet files, and the look at whether a data set is whole."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from mlassay.core.errors import BadFile, MissingDependency
from mlassay.tasks.image_classification import verify as verifying
from mlassay.tasks.image_classification.dataset import open_pictures
from mlassay.tasks.image_classification.task import TASK
from mlassay.tasks.image_classification.verify import verify
from mlassay.tasks.task import TaskRequest
from tests.tasks.image_classification.pictures import fashion, imagenet, photo, save


def tar_of(folder: Path, path: Path, mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for file in sorted(folder.rglob("*.JPEG")):
            archive.add(file, f"./{file.relative_to(folder)}")
    return path


def parquet_of(path: Path, labels: list[int], *, first: int = 1, group: int = 2, plain: bool = False) -> Path:
    """As the Hugging Face hub has ImageNet: a struct of bytes and path, and a label."""
    arrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    rows = []
    for number in range(first, first + len(labels)):
        file = save(path.parent / "one.JPEG", number)
        rows.append(file.read_bytes() if plain else {"bytes": file.read_bytes(), "path": f"{number}.JPEG"})
        file.unlink()
    parquet.write_table(arrow.table({"image": rows, "label": labels}), path, row_group_size=group)
    return path


def near(found: np.ndarray, seed: int) -> bool:
    return bool(np.abs(found.astype(int) - photo(seed)).mean() < 4)


def test_a_tar_file_with_labels_beside_it(tmp_path: Path) -> None:
    folder = imagenet(tmp_path / "val", [65, 970, 230])
    tar = tar_of(folder, tmp_path / "ILSVRC2012_img_val.tar")
    (folder / "val_map.txt").rename(tmp_path / "val_map.txt")
    for place in (tar, tmp_path):
        pictures = open_pictures(place)
        assert pictures.labels.tolist() == [65, 970, 230]
        assert all(near(pictures.read(i), i + 1) for i in range(3))
    assert pictures.where(1) == "ILSVRC2012_img_val.tar/ILSVRC2012_val_00000002.JPEG"
    (tmp_path / "val_map.txt").unlink()
    with pytest.raises(BadFile, match=r"is a tar file of pictures without labels; expected val_map\.txt"):
        open_pictures(tar)


def test_a_tar_file_of_class_folders(tmp_path: Path) -> None:
    save(tmp_path / "in/dog/a.JPEG", 2)
    save(tmp_path / "in/cat/b.JPEG", 1)
    pictures = open_pictures(tar_of(tmp_path / "in", tmp_path / "mine.tar"))
    assert pictures.labels.tolist() == [0, 1]
    assert near(pictures.read(1), 2)


@pytest.mark.parametrize("plain", [False, True])
def test_parquet_files_in_order(tmp_path: Path, plain: bool) -> None:
    parquet_of(tmp_path / "validation-00000-of-00002.parquet", [7, 8, 9], plain=plain)
    parquet_of(tmp_path / "validation-00001-of-00002.parquet", [10, 11], first=4, plain=plain)
    parquet_of(tmp_path / "train-00000-of-00001.parquet", [1], first=9, plain=plain)
    pictures = open_pictures(tmp_path)
    assert pictures.labels.tolist() == [7, 8, 9, 10, 11]
    assert all(near(pictures.read(i), i + 1) for i in (4, 0, 3, 2, 1))
    assert [pictures.where(i) for i in (2, 3)] == [
        "validation-00000-of-00002.parquet/row 2",
        "validation-00001-of-00002.parquet/row 0",
    ]
    assert open_pictures(tmp_path / "validation-00001-of-00002.parquet").labels.tolist() == [10, 11]
    assert verify(tmp_path).complete


def cut_tar(folder: Path) -> Path:
    tar = tar_of(imagenet(folder / "val", [1, 2]), folder / "x.tar")
    tar.write_bytes(tar.read_bytes()[:1500])
    (folder / "val.txt").write_text("ILSVRC2012_val_00000001.JPEG 1\n")
    return tar


def pressed_tar(folder: Path) -> Path:
    return tar_of(imagenet(folder / "val", [1]), folder / "x.tar", "w:gz")


def empty_tar(folder: Path) -> Path:
    with tarfile.open(folder / "x.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("notes.txt"), io.BytesIO())
    return folder / "x.tar"


def cut_parquet(folder: Path) -> Path:
    path = parquet_of(folder / "x.parquet", [1])
    path.write_bytes(path.read_bytes()[:100])
    return path


def other_columns(folder: Path) -> Path:
    arrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    parquet.write_table(arrow.table({"text": ["a"], "label": [1]}), folder / "x.parquet")
    return folder / "x.parquet"


def no_bytes(folder: Path) -> Path:
    arrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    parquet.write_table(arrow.table({"image": ["a.JPEG"], "label": [1]}), folder / "x.parquet")
    return folder / "x.parquet"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (cut_tar, "not readable as a tar file ("),
        (pressed_tar, "not readable as a tar file ("),
        (empty_tar, "without pictures; expected JPEG or PNG files"),
        (cut_parquet, "not readable ("),
        (other_columns, "with the columns label, text; expected image and label"),
        (no_bytes, "without the bytes of a picture; expected a JPEG or PNG in column image"),
    ],
)
def test_damaged_archives(tmp_path: Path, make: object, message: str) -> None:
    assert callable(make)
    path = make(tmp_path)
    with pytest.raises(BadFile) as caught:
        open_pictures(path).read(0)
    assert f" is {message}" in str(caught.value)
    report = verify(path)
    assert not report.complete
    assert message in str(report.problems[0])


def test_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    path = parquet_of(tmp_path / "x.parquet", [1])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependency, match="pyarrow is not installed"):
        open_pictures(path)


def test_verify_lists_every_deviation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = imagenet(tmp_path / "val", [0, 1, 2, 0, 1, 2])
    monkeypatch.setattr(verifying, "IMAGENET_VAL", 6)
    monkeypatch.setattr(verifying, "IMAGENET_CLASSES", 3)
    report = verify(folder)
    assert report.complete, report.problems
    assert report.dataset == "ImageNet 2012 validation"
    assert report.counts == {"pictures": 6, "pictures readable": 6, "classes": 3}
    picture = folder / "ILSVRC2012_val_00000002.JPEG"
    picture.write_bytes(picture.read_bytes()[:200])
    (folder / "ILSVRC2012_val_00000003.JPEG").unlink()
    report = verify(folder)
    assert report.counts["pictures readable"] == 4
    assert [str(p).split(" (")[0] for p in report.problems] == [
        "ILSVRC2012_val_00000003.JPEG is missing; expected a picture",
        "val/ILSVRC2012_val_00000002.JPEG is not readable as a picture",
    ]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, 2, 0, 1], "val is of 5 pictures; expected 6"),
        ([1, 2, 3, 1, 2, 3], "labels is up to 3; expected 0 to 2: classes are counted from 0"),
        ([0, 1, 2, 0, 1, 1], "labels is such that 2 classes have other than 50 pictures, class 1 the first"),
    ],
)
def test_verify_counts(labels: list[int], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "IMAGENET_VAL", 6)
    monkeypatch.setattr(verifying, "IMAGENET_CLASSES", 3)
    assert str(verify(imagenet(tmp_path / "val", labels)).problems[0]).startswith(message)


def test_verify_compares_the_published_checksum(tmp_path: Path) -> None:
    folder = imagenet(tmp_path / "val", [1, 2])
    tar = tar_of(folder, tmp_path / "ILSVRC2012_img_val.tar")
    report = TASK.verify(TaskRequest(data=tar, options={"labels": str(folder / "val_map.txt")}))
    assert str(report.problems[-1]).endswith("expected 29b22e2961454d5413ddabcf34fc5622")
    assert report.checksums.keys() == {"ILSVRC2012_img_val.tar"}


def test_verify_other_data_sets(tmp_path: Path) -> None:
    report = verify(fashion(tmp_path))
    assert report.complete
    assert report.counts == {"pictures": 30, "pictures readable": 30, "classes": 10}
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    assert "is without t10k-labels-idx1-ubyte.gz" in str(verify(tmp_path).problems[0])


def test_a_label_file_that_names_a_picture_twice(tmp_path: Path) -> None:
    folder = imagenet(tmp_path, [1, 2])
    with (folder / "val_map.txt").open("a") as file:
        file.write("ILSVRC2012_val_00000001.JPEG 3\n")
    with pytest.raises(BadFile, match=r"line 3 is ILSVRC2012_val_00000001\.JPEG again; expected a new picture"):
        open_pictures(folder)
