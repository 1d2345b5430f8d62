"""Area under the ROC curve of logged probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlassay.tasks.answers import FirstAnswers, numbers
from mlassay.tasks.recommendation.dataset import PairSet
from mlassay.tasks.task import AccuracyResult, Answers, QualityTarget


def area_under_curve(labels: NDArray[np.bool_], scores: NDArray[np.float32]) -> float:
    """The chance that a random positive is rated above a random negative, ties counting half (0-1).

    NaN where one of the two kinds is absent, or a score is no number. Equal to scikit-learn's roc_auc_score.
    """
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives or not np.isfinite(scores).all():
        return float("nan")
    order = np.argsort(scores, kind="stable")
    ranked, hits = scores[order], labels[order]
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))  # the end of each group of equal scores
    found = np.cumsum(hits)[last]  # positives up to there
    here = np.diff(found, prepend=0)
    below = last + 1 - found  # negatives up to there
    misses = np.diff(below, prepend=0)
    # whole numbers until the last division: each positive beats the negatives below and half of its equals
    doubled = int((here * (2 * (below - misses) + misses)).sum())
    return doubled / (2 * positives * negatives)


def score(answers: Answers, pairs: PairSet, target: QualityTarget | None) -> AccuracyResult:
    """AUC over all pairs that were answered, labels from the data set.

    An answer is one float per pair, or two: probability and true label, as the reference harness logs them. Labels
    that differ from the data set's betray a wrong label file or a mixed-up sample map.
    """
    rows = int(pairs.edges[-1])
    scores = np.zeros(rows, np.float32)
    answered = np.zeros(rows, np.bool_)
    first = FirstAnswers(answers, len(pairs))
    strange = unfit = 0
    for index, data in first:
        part = slice(int(pairs.edges[index]), int(pairs.edges[index + 1]))
        found, labels = _decoded(index, data, part.stop - part.start)
        if found is None:
            unfit += 1
            continue
        scores[part], answered[part] = found, True
        strange += labels is not None and bool((labels != pairs.truth(index)).any())
    truth = np.asarray(pairs.labels[:rows])[answered] == 1
    value = 100.0 * area_under_curve(truth, scores[answered])
    good = int((np.rint(scores[answered]) == truth).sum())
    total = int(answered.sum())
    right = 100.0 * good / total if total else 0.0
    problems = list(first.problems)
    if strange:
        problems.append(
            f"{strange} answers bear other labels than the data set: wrong labels, or the sample map is mixed up"
        )
    if unfit:
        problems.append(f"{unfit} answers hold another number of ratings than their sample has pairs")
    return AccuracyResult(
        metric="AUC",
        value=value,
        unit="%",
        n=first.n,
        expected_n=len(pairs),
        official_line=f"AUC={value:.3f}%, accuracy={right:.3f}%, good={good}, total={total}, queries={first.n}",
        target=target,
        problems=tuple(problems),
        details={"good": good, "pairs": total, "repeated": first.repeated},
    )


def _decoded(index: int, data: bytes, pairs: int) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
    """Probabilities and logged labels, None where there are none; no probabilities where their number is wrong."""
    values = numbers(index, data, "<f4", "32-bit floats, one or two for each pair")
    if len(values) == pairs:
        return values, None
    if len(values) == 2 * pairs:
        return values[0::2], values[1::2]
    return None, None
