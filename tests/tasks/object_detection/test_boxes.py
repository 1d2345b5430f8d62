from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlassay.core.errors import SutFailure, UsageError
from mlassay.core.model import TensorSpec
from mlassay.tasks.object_detection.boxes import SSD_RESNET34, Selection, chosen, overlaps
from mlassay.tasks.object_detection.postprocess import encode, encode_for, finish_dense, finish_for, reordered

CORNERS = st.tuples(*[st.integers(0, 20)] * 2, *[st.integers(1, 10)] * 2).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)
CANDIDATES = st.lists(st.tuples(CORNERS, st.integers(1, 100), st.integers(1, 3)), min_size=1, max_size=25)


def plain_iou(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    """Overlap counted cell by cell."""
    cells = [{(y, x) for y in range(c[0], c[2]) for x in range(c[1], c[3])} for c in (a, b)]
    return len(cells[0] & cells[1]) / len(cells[0] | cells[1])


@given(CANDIDATES)
def test_suppression_is_the_greedy_rule(candidates: list[tuple[tuple[int, ...], int, int]]) -> None:
    boxes, scores, labels = (np.array(part, np.float32) for part in zip(*candidates, strict=True))
    answer = chosen(boxes, scores / 100, labels, Selection(score=0.1, iou=0.5, most=10))
    kept: list[tuple[tuple[int, ...], int, int]] = []
    for one in sorted(candidates, key=lambda c: -c[1]):
        rivals = [k for k in kept if k[2] == one[2]]
        if one[1] > 10 and all(plain_iou(k[0], one[0]) <= 0.5 for k in rivals):
            kept.append(one)
    # equal scores may be taken in any order: the sorted scores agree
    assert answer[:, 4].tolist() == pytest.approx([k[1] / 100 for k in kept[:10]]) or len(
        {c[1] for c in candidates}
    ) < len(candidates)


@given(CORNERS, CORNERS)
def test_overlap(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    found = float(overlaps(np.array([a], np.float32), np.array([b], np.float32))[0, 0])
    assert found == pytest.approx(plain_iou(a, b), abs=1e-6)


def test_empty_boxes_overlap_nothing() -> None:
    flat = np.array([[1, 1, 1, 1], [0, 0, 2, 2]], np.float32)
    assert overlaps(flat, flat)[0].tolist() == [0, 0]


def test_background_is_no_answer() -> None:
    boxes = np.array([[[0, 0, 1, 1], [0, 0, 0.5, 0.5]]], np.float32)
    scores = np.array([[[0.99, 0.01, 0.0], [0.1, 0.2, 0.7]]], np.float32)
    (answer,) = finish_dense([boxes, scores], SSD_RESNET34)
    assert answer[:, 5].tolist() == [2, 1]
    assert answer[:, 4].tolist() == pytest.approx([0.7, 0.2])


def test_nothing_found_is_an_empty_answer() -> None:
    boxes, scores = np.zeros((1, 3, 4), np.float32), np.zeros((1, 3, 5), np.float32)
    (answer,) = finish_dense([boxes, scores], SSD_RESNET34)
    assert answer.shape == (0, 6)
    assert encode_for(3, answer) == b""


def test_logged_bytes_are_the_official_ones() -> None:
    row = np.array([[0.1, 0.2, 0.3, 0.4, 0.9, 17]], np.float32)
    assert encode_for(5, row) == np.array([5, 0.1, 0.2, 0.3, 0.4, 0.9, 17], "<f4").tobytes()
    assert np.frombuffer(encode(row), "<f4")[0] == -1


def test_an_answer_of_another_shape_is_the_suts_fault() -> None:
    with pytest.raises(SutFailure, match=r"an answer has shape \(3,\); expected \(detections, 6\)"):
        encode_for(0, [1, 2, 3])


def spec(name: str, *shape: int | None) -> TensorSpec:
    return TensorSpec(name, shape)


def test_tensorflow_outputs() -> None:
    outputs = [spec("num_detections:0", None), spec("detection_boxes:0", None, None, 4),
               spec("detection_scores:0", None, None), spec("detection_classes:0", None, None)]  # fmt: skip
    order, finish = finish_for(outputs, SSD_RESNET34, side=300)
    assert order[0] == "num_detections:0"
    boxes = np.array([[[0.1, 0.2, 0.3, 0.4], [0, 0, 0, 0]]], np.float32)
    (answer,) = finish([np.array([1.0]), boxes, np.array([[0.8, 0.0]]), np.array([[18.0, 1.0]])])
    assert answer.tolist() == np.array([[0.1, 0.2, 0.3, 0.4, 0.8, 18]], np.float32).tolist()


def test_published_ssd_resnet34_outputs() -> None:
    outputs = [spec("bboxes", None, None, 4), spec("labels", None, None), spec("scores", None, None)]
    _, finish = finish_for(outputs, SSD_RESNET34, side=1200)
    boxes = np.array([[[0.2, 0.1, 0.4, 0.3], [0.5, 0.5, 0.6, 0.6]]], np.float32)  # left, top, right, bottom
    (answer,) = finish([boxes, np.array([[7, 8]]), np.array([[0.9, 0.04]])])
    assert answer.tolist() == np.array([[0.1, 0.2, 0.3, 0.4, 0.9, 7]], np.float32).tolist()


def test_published_retinanet_outputs_are_pixels_without_a_batch() -> None:
    outputs = [spec("boxes", None, 4), spec("scores", None), spec("labels", None)]
    order, finish = finish_for(outputs, SSD_RESNET34, side=800)
    assert order == ("boxes", "labels", "scores")
    finish = reordered(finish, [0, 2, 1])
    (answer,) = finish([np.array([[80, 160, 400, 800]], np.float32), np.array([0.5], np.float32), np.array([3])])
    assert answer.tolist() == np.array([[0.2, 0.1, 1.0, 0.5, 0.5, 3]], np.float32).tolist()


def test_our_retinanet_outputs_are_candidates() -> None:
    outputs = [spec("boxes", None, 5000, 4), spec("scores", None, 5000), spec("labels", None, 5000)]
    _, finish = finish_for(outputs, SSD_RESNET34, side=800)
    box = [0.1, 0.1, 0.5, 0.5]
    (answer,) = finish([np.array([[box, box, box]], np.float32), np.array([[0.9, 0.8, 0.7]]), np.array([[4, 4, 0]])])
    assert answer[:, 4].tolist() == pytest.approx([0.9, 0.7])  # the second is the first again; the third another class


def test_unknown_outputs_are_named() -> None:
    with pytest.raises(UsageError, match=r"the model answers logits float32 \(\?, 10\); expected outputs named"):
        finish_for([spec("logits", None, 10)], SSD_RESNET34, side=300)
