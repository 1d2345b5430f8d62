"""mAP on a shared fixture equals what the official route and two independent libraries say."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlassay.core.errors import BadFile
from mlassay.tasks.object_detection import accuracy
from mlassay.tasks.object_detection.dataset import DetectionSet
from mlassay.tasks.object_detection.postprocess import encode_for

pytest.importorskip("pycocotools")

FIXTURE: dict[str, Any] = json.loads((Path(__file__).parent / "shared_fixture.json").read_text(encoding="utf-8"))
OTHER_LIBRARIES = [0.38500424328147, 0.5648750589344649, 0.5483734087694484, 0.7, 0.3123762376237624,
                   0.47570957095709565, 0.4085, 0.5155, 0.5155, 0.75, 0.95 / 3, 1.76 / 3]  # fmt: skip
"""hotcoco 1.3.0 and faster-coco-eval 1.8.0 on this fixture: they agree to 15 digits."""


def pictures(coco: Any = None) -> DetectionSet:
    return DetectionSet(
        name="fixture", coco=coco or FIXTURE["annotations"], read=lambda _: np.zeros((1, 1, 3), np.uint8)
    )


def log() -> list[tuple[int, bytes]]:
    return [(i, encode_for(i, np.array(rows, np.float32))) for i, rows in enumerate(FIXTURE["answers"])]


def official(entries: list[tuple[int, bytes]], folder: Path) -> str:
    """The reference script's arithmetic, through files, by the library's own loaders."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    (folder / "truth.json").write_text(json.dumps(FIXTURE["annotations"]))
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(folder / "truth.json"))
        rows, ids = [], set()
        for index, data in entries:
            image = truth.dataset["images"][index]
            ids.add(image["id"])
            values = np.frombuffer(data, np.float32)
            for at in range(0, len(values), 7):
                _, ymin, xmin, ymax, xmax, score, label = values[at : at + 7]
                ymin, ymax = ymin * np.float32(image["height"]), ymax * np.float32(image["height"])
                xmin, xmax = xmin * np.float32(image["width"]), xmax * np.float32(image["width"])
                box = [float(xmin), float(ymin), float(xmax - xmin), float(ymax - ymin)]
                rows.append({"image_id": image["id"], "category_id": int(label), "bbox": box, "score": float(score)})
        (folder / "found.json").write_text(json.dumps(rows))
        judged = COCOeval(truth, truth.loadRes(str(folder / "found.json")), iouType="bbox")
        judged.params.imgIds = list(ids)
        judged.evaluate()
        judged.accumulate()
        judged.summarize()
    return f"mAP={100.0 * judged.stats[0]:.3f}%"


def test_equals_the_official_route_to_the_last_digit(tmp_path: Path) -> None:
    result = accuracy.score(log(), pictures(), None)
    assert result.official_line == official(log(), tmp_path) == "mAP=38.500%"


def test_equals_two_other_libraries() -> None:
    rows = []
    for index, answer in enumerate(FIXTURE["answers"]):
        found, _ = accuracy._detections(
            np.frombuffer(encode_for(index, answer), "<f4").reshape(-1, 7),
            FIXTURE["annotations"]["images"][index],
            None,
        )
        rows += found
    ids = [image["id"] for image in FIXTURE["annotations"]["images"]]
    found = accuracy.coco_statistics(FIXTURE["annotations"], rows, ids)
    assert found == pytest.approx(OTHER_LIBRARIES, abs=1e-12)


def test_pictures_without_detections_still_count() -> None:
    """Were sample 3 left out when nothing is found in it, its objects would not be missed."""
    rest = [entry for entry in log() if entry[0] != 3]
    with_none = accuracy.score([*rest, (3, b"")], pictures(), None)
    without = accuracy.score(rest, pictures(), None)
    assert with_none.problems == ()
    assert without.problems == ("1 of 12 samples have no answer",)
    assert without.value > with_none.value


def test_order_and_repetition_do_not_matter() -> None:
    whole = accuracy.score(log(), pictures(), None).value
    assert accuracy.score(log()[::-1], pictures(), None).value == whole
    assert accuracy.score([*log(), (0, b""), (3, b"")], pictures(), None).value == whole


def test_gapless_labels_are_mapped_back() -> None:
    """A model that counts COCO's categories 1, 2, 3 … instead of by their ids."""
    ids = pictures().category_ids
    label_of = dict(enumerate(ids, 1))
    back = {category: label for label, category in label_of.items()}
    counted = [
        (i, encode_for(i, np.array([[*row[:5], back[row[5]]] for row in rows], np.float32)))
        for i, rows in enumerate(FIXTURE["answers"])
    ]
    assert accuracy.score(counted, pictures(), None, label_of).official_line == "mAP=38.500%"
    assert accuracy.score(counted, pictures(), None).value < 30  # the map forgotten


def test_labels_beyond_the_map_are_a_problem() -> None:
    result = accuracy.score([(0, encode_for(0, [[0, 0, 1, 1, 0.5, 81]]))], pictures(), None, {1: 1})
    assert "1 detections bear labels that the annotations do not have" in result.problems


def test_nothing_found_at_all_is_zero() -> None:
    result = accuracy.score([(i, b"") for i in range(12)], pictures(), None)
    assert result.official_line == "mAP=0.000%"
    assert result.problems == ()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ((12, b""), "accuracy log: qsl_idx 12 is not a sample of this data set; expected 0 to 11"),
        (
            (2, b"1234"),
            "accuracy log: qsl_idx 2 is 4 bytes; expected a multiple of 28: seven 32-bit floats a detection",
        ),
    ],
)
def test_bad_logs(entry: tuple[int, bytes], message: str) -> None:
    with pytest.raises(BadFile) as caught:
        accuracy.score([entry], pictures(), None)
    assert caught.value.message == message
