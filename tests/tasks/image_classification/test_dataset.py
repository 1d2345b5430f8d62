from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from mlassay.core.errors import BadFile, MachineProblem, UsageError
from mlassay.tasks.image_classification import dataset
from mlassay.tasks.image_classification.dataset import open_pictures, packed_pictures
from tests.tasks.image_classification.pictures import fashion, idx, imagenet, photo, save


def test_packed_pictures_are_two_thousand_of_ten_classes() -> None:
    pictures = packed_pictures()
    assert len(pictures) == 2000
    assert pictures.shape == (28, 28)
    assert np.bincount(pictures.labels).tolist() == [200, 203, 214, 190, 219, 195, 197, 200, 194, 188]
    assert pictures.labels[:10].tolist() == [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]  # as the official test set begins


@pytest.mark.skipif(not Path("/usr/share/datasets/fashion-mnist").is_dir(), reason="needs dataset-fashion-mnist")
def test_packed_pictures_are_the_first_official_ones() -> None:
    official = open_pictures(Path("/usr/share/datasets/fashion-mnist"))
    packed = packed_pictures()
    assert len(official) == 10_000
    assert np.array_equal(official.labels[:2000], packed.labels)
    assert all(np.array_equal(official.read(i), packed.read(i)) for i in range(2000))


@pytest.mark.parametrize("suffix", ["-ubyte.gz", "-ubyte"])
def test_idx_folder(tmp_path: Path, suffix: str) -> None:
    pictures = open_pictures(fashion(tmp_path, suffix=suffix))
    assert len(pictures) == 30
    assert pictures.read(3).shape == (28, 28)


def test_idx_folder_prefers_the_test_part(tmp_path: Path) -> None:
    fashion(tmp_path)
    idx(tmp_path / "train-images-idx3-ubyte.gz", np.zeros((5, 28, 28), np.uint8))
    idx(tmp_path / "train-labels-idx1-ubyte.gz", np.zeros(5, np.uint8))
    assert len(open_pictures(tmp_path)) == 30


@pytest.mark.parametrize("label_file", ["val_map.txt", "val.txt"])
def test_listed_folder(tmp_path: Path, label_file: str) -> None:
    pictures = open_pictures(imagenet(tmp_path, [65, 970, 230], label_file=label_file))
    assert pictures.labels.tolist() == [65, 970, 230]
    assert np.abs(pictures.read(1).astype(int) - photo(2)).mean() < 4  # the second file, give or take JPEG


def test_label_file_beside_the_folder_or_given(tmp_path: Path) -> None:
    folder = imagenet(tmp_path / "val", [3, 4])
    (folder / "val_map.txt").rename(tmp_path / "val_map.txt")
    assert open_pictures(folder).labels.tolist() == [3, 4]
    other = tmp_path / "mine.txt"
    other.write_text("ILSVRC2012_val_00000002.JPEG 8\n\n")
    assert open_pictures(folder, other).labels.tolist() == [8]


def test_class_folders(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        save(tmp_path / name / "b.jpeg", 1)
        save(tmp_path / name / "a.PNG", 2)
        (tmp_path / name / "notes.txt").write_text("not a picture")
    assert open_pictures(tmp_path).labels.tolist() == [0, 0, 1, 1]


def test_some_wordnet_folders_need_the_synset_list(tmp_path: Path) -> None:
    for name in ("n01440764", "n02102040"):
        save(tmp_path / "val" / name / "x.JPEG", 1)
    with pytest.raises(BadFile) as caught:
        open_pictures(tmp_path / "val")
    assert str(caught.value) == (
        f"{tmp_path / 'val'} is 2 of ImageNet's 1,000 class folders; expected all of them, or a synset list that says"
        " which class is which number\n  next: put one of synset_words.txt, LOC_synset_mapping.txt, synsets.txt beside"
        " the class folders"
    )
    synsets = tmp_path / "synset_words.txt"
    synsets.write_text("n01440764 tench\nn01443537 goldfish\nn02102040 springer\n")
    assert open_pictures(tmp_path / "val").labels.tolist() == [0, 2]
    synsets.write_text("n01440764 tench\n")
    with pytest.raises(BadFile, match=r"synset_words\.txt is without n02102040; expected every class folder"):
        open_pictures(tmp_path / "val")


def test_a_thousand_wordnet_folders_count_in_sorted_order(tmp_path: Path) -> None:
    for number in range(1000):
        (tmp_path / f"n{number:08d}").mkdir()
        (tmp_path / f"n{number:08d}" / "x.JPEG").touch()
    assert open_pictures(tmp_path).labels.tolist() == list(range(1000))


def empty(folder: Path) -> None:
    folder.mkdir()


def unlabelled(folder: Path) -> None:
    save(folder / "a.jpg", 1)


def missing_pictures(folder: Path) -> None:
    imagenet(folder, list(range(9)))
    for number in range(2, 9):
        (folder / f"ILSVRC2012_val_{number:08d}.JPEG").unlink()


def no_labels(folder: Path) -> None:
    fashion(folder)
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()


def fewer_labels(folder: Path) -> None:
    fashion(folder)
    idx(folder / "t10k-labels-idx1-ubyte.gz", np.zeros(29, np.uint8))


def no_pictures(folder: Path) -> None:
    fashion(folder, n=0)


def empty_class(folder: Path) -> None:
    save(folder / "cat" / "a.jpg", 1)
    (folder / "dog").mkdir()


def bad_line(folder: Path) -> None:
    imagenet(folder, [1, 2])
    (folder / "val_map.txt").write_text("ILSVRC2012_val_00000001.JPEG 1\nILSVRC2012_val_00000002.JPEG\n")


def empty_list(folder: Path) -> None:
    imagenet(folder, [])


def binary_list(folder: Path) -> None:
    imagenet(folder, [1])
    (folder / "val_map.txt").write_bytes(b"\xff\xfe\x00")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (empty, "is empty; expected idx files, pictures with val_map.txt or val.txt, or one folder per class"),
        (
            unlabelled,
            "is a folder of 1 files without labels; expected idx files, pictures with val_map.txt or val.txt,",
        ),
        (
            missing_pictures,
            "is without 7 of the 9 pictures that val_map.txt names: ILSVRC2012_val_00000002.JPEG,"
            " ILSVRC2012_val_00000003.JPEG, ILSVRC2012_val_00000004.JPEG, ILSVRC2012_val_00000005.JPEG,"
            " ILSVRC2012_val_00000006.JPEG and 2 more; expected all of them",
        ),
        (
            no_labels,
            "is without t10k-labels-idx1-ubyte.gz; expected the labels that belong to t10k-images-idx3-ubyte.gz",
        ),
        (fewer_labels, "/t10k-labels-idx1-ubyte.gz is 29 labels; expected 30, one for each picture"),
        (no_pictures, "/t10k-images-idx3-ubyte.gz is of shape (0, 28, 28); expected (pictures, height, width)"),
        (empty_class, "is with 1 class folders that hold no picture: dog; expected JPEG or PNG files in each"),
        (
            bad_line,
            "/val_map.txt: line 2 is 'ILSVRC2012_val_00000002.JPEG'; expected a picture and its class, \"x.JPEG 65\"",
        ),
        (empty_list, '/val_map.txt is empty; expected lines of "picture class"'),
        (binary_list, '/val_map.txt is not text; expected lines of "picture class"'),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_one_clear_error_for_bad_data(tmp_path: Path, make: object, message: str) -> None:
    assert callable(make)
    folder = tmp_path / "data"
    make(folder)
    with pytest.raises(BadFile) as caught:
        open_pictures(folder)
    assert str(caught.value).removeprefix(str(folder)).lstrip().startswith(message)


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere does not exist"):
        open_pictures(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(BadFile, match="file is a file; expected a folder"):
        open_pictures(tmp_path / "file")


def test_unreadable_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(
        dataset.os, "scandir", refuse
    )  # the superuser may read everything, so a mode bit proves nothing
    with pytest.raises(MachineProblem, match="cannot be read: Permission denied") as caught:
        open_pictures(tmp_path)
    assert caught.value.exit_code == 3
    assert os.scandir is refuse
