"""From a detector's outputs to one answer per picture, and the answer as the accuracy log writes it.

An answer is an array (n, 6): ymin, xmin, ymax, xmax as shares of height and width, score, label.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.core.errors import SutFailure, UsageError
from mlassay.core.model import Finish, TensorSpec
from mlassay.tasks.object_detection.boxes import Floats, Selection, chosen

FIELDS = 7
"""Floats per detection in the accuracy log: sample index, ymin, xmin, ymax, xmax, score, label."""

Arrays = Sequence[NDArray[Any]]


def finish_dense(outputs: Arrays, rule: Selection) -> Sequence[Any]:
    """Boxes (B, A, 4) and probabilities (B, A, classes with background first): our SSDs. Suppression is timed."""
    answers = []
    for boxes, scores in zip(outputs[0], outputs[1], strict=True):
        where, label = np.nonzero(scores[:, 1:] > rule.score)
        answers.append(chosen(boxes[where], scores[where, label + 1], label + 1, rule))
    return answers


def finish_candidates(outputs: Arrays, rule: Selection) -> Sequence[Any]:
    """Boxes (B, N, 4), scores (B, N), labels (B, N), already sifted: our RetinaNet. Suppression is timed."""
    return [chosen(b, s, label, rule) for b, s, label in zip(*outputs, strict=True)]


def finish_tensorflow(outputs: Arrays) -> Sequence[Any]:
    """The published SSD-MobileNet: num_detections (B,), detection_boxes, _scores, _classes, in that order."""
    answers = []
    for n, boxes, scores, labels in zip(*outputs, strict=True):
        count = int(n)
        answers.append(_answer(boxes[:count], scores[:count], labels[:count]))
    return answers


def finish_final(outputs: Arrays, *, least: float, corners: str, side: int = 1) -> Sequence[Any]:
    """Published SSD-ResNet34 and RetinaNet: boxes, labels, scores, best first, suppression done inside.

    `corners`: "yxyx" or "xyxy". `side`: pixels that make one whole. RetinaNet's lack the batch dimension.
    """
    boxes, labels, scores = outputs
    if boxes.ndim == 2:
        boxes, labels, scores = boxes[None], labels[None], scores[None]
    answers = []
    for b, name, s in zip(boxes, labels, scores, strict=True):
        below = np.flatnonzero(s < least)
        n = int(below[0]) if len(below) else len(s)
        places = np.asarray(b[:n], np.float32) / np.float32(side)
        answers.append(_answer(places if corners == "yxyx" else places[:, [1, 0, 3, 2]], s[:n], name[:n]))
    return answers


def finish_for(outputs: Sequence[TensorSpec], rule: Selection, *, side: int) -> tuple[tuple[str, ...], Finish]:
    """What to do with the outputs of a model file, told by their names; UsageError when they are of no known kind.

    Returns the order in which the outputs are wanted, by name, and the function that takes them so.
    """
    names = {tensor.name.removesuffix(":0"): tensor for tensor in outputs}
    kinds: tuple[tuple[tuple[str, ...], Callable[..., Sequence[Any]]], ...] = (
        (("num_detections", "detection_boxes", "detection_scores", "detection_classes"), finish_tensorflow),
        (
            ("detection_bboxes", "detection_classes", "detection_scores"),
            partial(finish_final, least=0.05, corners="yxyx"),
        ),
        (("bboxes", "labels", "scores"), partial(finish_final, least=0.05, corners="xyxy")),
        (("boxes", "scores", "labels"), partial(finish_candidates, rule=rule)),
        (("boxes", "scores"), partial(finish_dense, rule=rule)),
    )
    for wanted, function in kinds:
        if set(wanted) == set(names):
            if wanted == ("boxes", "scores", "labels") and len(names["boxes"].shape) == 2:  # the published RetinaNet
                wanted = ("boxes", "labels", "scores")
                function = partial(finish_final, least=0.05, corners="xyxy", side=side)
            return tuple(names[name].name for name in wanted), function
    found = "; ".join(map(str, outputs))
    known = " | ".join(", ".join(wanted) for wanted, _ in kinds)
    raise UsageError(f"the model answers {found}; expected outputs named {known}", hint="export it with these names")


def reordered(function: Finish, order: Sequence[int]) -> Finish:
    """The same function for outputs that come in another order."""
    return function if list(order) == sorted(order) else partial(_in_order, function=function, order=tuple(order))


def encode(answer: Any) -> bytes:
    """An answer whose sample is not known: index -1. Accuracy runs use `encode_for`."""
    return encode_for(-1, answer)


def encode_for(index: int, answer: Any) -> bytes:
    """32-bit floats, little-endian, seven a detection, the sample's index first; nothing for a picture without any."""
    values = np.asarray(answer, np.float32)
    if values.size == 0:
        return b""
    if values.ndim != 2 or values.shape[1] != FIELDS - 1:
        raise SutFailure(
            f"an answer has shape {values.shape}; expected (detections, 6):"
            " ymin, xmin, ymax, xmax as shares of the picture, score, label",
            hint="return one such array per sample, empty when nothing was found",
        )
    rows = np.empty((len(values), FIELDS), "<f4")
    rows[:, 0], rows[:, 1:] = index, values
    return rows.tobytes()


def _in_order(outputs: Arrays, *, function: Finish, order: tuple[int, ...]) -> Sequence[Any]:
    return function([outputs[i] for i in order])


def _answer(boxes: NDArray[Any], scores: NDArray[Any], labels: NDArray[Any]) -> Floats:
    return np.concatenate([boxes, scores[:, None], labels[:, None]], 1).astype(np.float32)
