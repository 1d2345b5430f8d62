from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mlassay.core.errors import BadFile, UsageError
from mlassay.tasks.object_detection import dataset
from mlassay.tasks.object_detection.scenes import packed_source
from tests.tasks.object_detection.coco_folder import coco_2017, openimages, scenes_as_coco


def test_packed_scenes_are_the_same_everywhere() -> None:
    """A digest of the first scenes: another machine or library version that draws otherwise is found out."""
    source = packed_source()
    first = np.stack([source.scene(number).pixels for number in range(20)])
    assert int(first.astype(np.uint64).sum()) == 57_857_838
    assert len(dataset.packed_scenes().coco["annotations"]) == 1652
    boxes = np.concatenate([source.scene(number).boxes for number in range(20)])
    assert (boxes[:, 2:] - boxes[:, :2]).min() >= 4
    assert boxes.min() >= 0
    assert boxes.max() <= 96


def test_reads_coco_and_openimages(tmp_path: Path) -> None:
    for make, name in ((coco_2017, "COCO 2017 validation"), (openimages, "OpenImages, MLPerf's validation subset")):
        found = dataset.open_folder(make(tmp_path / name[:4]))
        assert found.name == name
        assert len(found) == 4
        assert found.category_ids == list(range(1, 11))
        assert np.array_equal(found.read(2), packed_source().scene(2).pixels)


def test_reads_any_coco_folder(tmp_path: Path) -> None:
    scenes_as_coco(tmp_path, 2, annotations="annotations/mine.json", pictures="images")
    assert dataset.open_folder(tmp_path).name == tmp_path.name
    (tmp_path / "annotations/other.json").write_text("{}")
    with pytest.raises(BadFile, match="with 2 annotation files"):
        dataset.open_folder(tmp_path)
    assert len(dataset.open_folder(tmp_path, tmp_path / "annotations/mine.json")) == 2


def test_missing_pictures_are_listed(tmp_path: Path) -> None:
    coco_2017(tmp_path)
    (tmp_path / "val2017/000000000002.png").unlink()
    (tmp_path / "val2017/000000000003.png").unlink()
    with pytest.raises(BadFile) as caught:
        dataset.open_folder(tmp_path)
    assert caught.value.message == (
        f"{tmp_path}/val2017 is without 2 of the 4 pictures that instances_val2017.json names:"
        " 000000000002.png, 000000000003.png; expected all of them"
    )


def test_verify_lists_everything_that_is_wrong(tmp_path: Path) -> None:
    from PIL import Image

    coco_2017(tmp_path)
    pictures = tmp_path / "val2017"
    (pictures / "000000000001.png").unlink()
    (pictures / "000000000002.png").write_bytes(b"not a picture")
    Image.new("RGB", (50, 40)).save(pictures / "000000000003.png")
    report = dataset.verify(tmp_path)
    assert report.dataset == "COCO 2017 validation"
    assert not report.complete
    assert report.counts["pictures present"] == 3
    found = [str(problem) for problem in report.problems]
    assert found[0] == "annotations/instances_val2017.json is 4 pictures; expected 5,000"
    assert found[2] == "annotations/instances_val2017.json is 10 categories; expected 80"
    assert found[3].startswith("annotations/instances_val2017.json is of SHA-256 ")
    assert found[4] == "val2017/000000000001.png is missing; expected a picture"
    assert found[5].startswith("val2017/000000000002.png is not readable as a picture")
    assert found[6] == "val2017/000000000003.png is 50×40 pixels; expected 96×96, as the annotations say"
    assert len(found) == 7
    assert json.loads(json.dumps(report.as_json()))["complete"] is False


def test_verify_is_content_with_a_whole_data_set(tmp_path: Path) -> None:
    scenes_as_coco(tmp_path, 3, annotations="mine.json", pictures="images")
    report = dataset.verify(tmp_path)
    assert report.complete
    assert report.counts == {"pictures": 3, "annotations": report.counts["annotations"], "categories": 10,
                             "pictures present": 3}  # fmt: skip
    assert list(report.checksums) == ["mine.json"]
    assert dataset.verify(tmp_path, decode=False).notes == ("pictures were not decoded",)


def test_verify_of_an_empty_folder_is_a_finding(tmp_path: Path) -> None:
    report = dataset.verify(tmp_path)
    assert [p.found for p in report.problems] == ["without annotations"]
    with pytest.raises(UsageError, match="there is no folder"):
        dataset.verify(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("categories"), "is without images, annotations and categories"),
        (lambda c: c["annotations"][0].update(image_id=99), "annotations[0] is for picture 99, which is not in images"),
        (lambda c: c["annotations"][1].update(category_id=77), "annotations[1] is of category 77"),
        (lambda c: c["annotations"][1].update(bbox=[1, 2, 3]), "annotations[1] is with the box [1, 2, 3]"),
        (lambda c: c["annotations"][1].update(bbox=[1, 2, 3, float("nan")]), "annotations[1] is with the box"),
        (lambda c: c["annotations"][0].pop("area"), "annotations[0] is without id, area or iscrowd"),
        (lambda c: c["images"][1].pop("width"), "images[1] is without id, file_name, height or width"),
        (lambda c: c["images"][1].update(id=1), "images is with ids that occur twice"),
    ],
)
def test_bad_annotations_name_their_place(tmp_path: Path, change: object, message: str) -> None:
    coco_2017(tmp_path)
    path = tmp_path / "annotations/instances_val2017.json"
    coco = json.loads(path.read_text())
    change(coco)  # type: ignore[operator]
    path.write_text(json.dumps(coco))
    with pytest.raises(BadFile) as caught:
        dataset.open_folder(tmp_path)
    assert message in caught.value.message


def test_cut_off_annotations(tmp_path: Path) -> None:
    coco_2017(tmp_path)
    path = tmp_path / "annotations/instances_val2017.json"
    path.write_text(path.read_text()[:100])
    with pytest.raises(BadFile, match="is not JSON"):
        dataset.open_folder(tmp_path)
