"""Mean Dice of logged segmentations: twice what is common, by what both marked; over classes, then over volumes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlassay.tasks.answers import FirstAnswers
from mlassay.tasks.medical_segmentation.dataset import VolumeSet
from mlassay.tasks.task import AccuracyResult, Answers, QualityTarget
from mlassay.training.unet3d.dice import dice


def score(answers: Answers, volumes: VolumeSet, target: QualityTarget | None) -> AccuracyResult:
    """Stream the answers; one volume is in memory at a time. Of several answers for one sample the first counts."""
    classes = len(volumes.classes)
    first = FirstAnswers(answers, len(volumes))
    scores: list[NDArray[np.float64]] = []
    unfit = strange = 0
    for index, data in first:
        wanted = volumes.truth(index)
        found = np.frombuffer(data, np.uint8)
        if found.size != wanted.size:
            unfit += 1
        elif found.max(initial=0) >= classes:
            strange += 1
        else:
            scores.append(dice(found, wanted, classes))
            continue
        scores.append(np.zeros(classes - 1))
    per_class = np.mean(scores, 0) if scores else np.zeros(classes - 1)
    value = float(np.mean([one.mean() for one in scores])) if scores else 0.0
    names = [name if volumes.official else name.split()[0] for name in volumes.classes[1:]]
    parts = ", ".join(f"{name} = {share:.4f}" for name, share in zip(names, per_class, strict=True))
    problems = list(first.problems)
    if unfit:
        problems.append(f"{unfit} answers have another size than their volume")
    if strange:
        problems.append(f"{strange} answers hold classes beyond {classes - 1}")
    return AccuracyResult(
        metric="DICE",
        value=value,
        unit="",
        n=first.n,
        expected_n=len(volumes),
        official_line=f"Accuracy: mean = {value:.5f}, {parts}",
        target=target,
        problems=tuple(problems),
        details={**dict(zip(volumes.classes[1:], per_class.tolist(), strict=True)), "repeated": first.repeated},
    )
