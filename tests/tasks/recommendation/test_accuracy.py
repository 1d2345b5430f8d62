"""AUC on a shared fixture equals scikit-learn's."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlassay.core.errors import BadFile
from mlassay.tasks.recommendation import accuracy, postprocess
from mlassay.tasks.recommendation.accuracy import area_under_curve
from mlassay.tasks.recommendation.dataset import PairSet

FIXTURE = json.loads((Path(__file__).parent / "shared_fixture.json").read_text(encoding="utf-8"))
SCIKIT_LEARN = FIXTURE["scikit_learn_1.9.1_roc_auc_score"]
LABELS, SCORES = np.array(FIXTURE["labels"]), np.array(FIXTURE["scores"], np.float32)
EDGES = np.array([0, 70, 100, 260, 400])


def pairs() -> PairSet:
    return PairSet(
        name="fixture",
        dense=np.zeros((400, 1)),
        sparse=(np.zeros((400, 1)),),
        labels=LABELS,
        edges=EDGES,
        take_log=False,
    )


def log(*, with_truth: bool) -> list[tuple[int, bytes]]:
    entries = []
    for index, (begin, end) in enumerate(itertools.pairwise(EDGES.tolist())):
        part = SCORES[begin:end]
        truth = pairs().truth(index)
        entries.append((index, postprocess.encode_with_truth(part, truth) if with_truth else postprocess.encode(part)))
    return entries


@pytest.mark.parametrize("with_truth", [True, False])
def test_equals_scikit_learn_to_the_last_digit(with_truth: bool) -> None:
    result = accuracy.score(log(with_truth=with_truth), pairs(), None)
    good = int((np.rint(SCORES) == LABELS).sum())
    assert result.official_line == (
        f"AUC={100 * SCIKIT_LEARN:.3f}%, accuracy={100 * good / 400:.3f}%, good={good}, total=400, queries=4"
    )
    assert result.value / 100 == pytest.approx(SCIKIT_LEARN, abs=1e-12)
    assert len(np.unique(SCORES)) < 300  # the fixture has ties


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=40))
def test_is_the_chance_of_a_right_order(rows: list[tuple[bool, int]]) -> None:
    labels, scores = np.array([r[0] for r in rows]), np.array([r[1] for r in rows], np.float32)
    duels = [(p > n) + (p == n) / 2 for p in scores[labels] for n in scores[~labels]]
    found = area_under_curve(labels, scores)
    assert (not duels and np.isnan(found)) or found == pytest.approx(sum(duels) / len(duels))


def test_order_and_repetition_do_not_matter() -> None:
    whole = accuracy.score(log(with_truth=True), pairs(), None)
    again = accuracy.score([*log(with_truth=True)[::-1], log(with_truth=True)[2]], pairs(), None)
    assert again.value == whole.value
    assert again.details["repeated"] == 1


def test_mixed_up_samples_are_seen_by_their_labels() -> None:
    entries = dict(log(with_truth=True))
    shuffled = PairSet(name="f", dense=None, sparse=(), labels=LABELS[::-1], edges=EDGES, take_log=False)
    result = accuracy.score(entries.items(), shuffled, None)
    assert result.problems == (
        "4 answers bear other labels than the data set: wrong labels, or the sample map is mixed up",
    )
    assert result.passed is False


def test_bad_entries() -> None:
    with pytest.raises(BadFile) as caught:
        accuracy.score([(1, b"123")], pairs(), None)
    assert caught.value.message == (
        "accuracy log: qsl_idx 1 is 3 bytes; expected a multiple of 4 bytes: 32-bit floats, one or two for each pair"
    )
    with pytest.raises(BadFile, match="qsl_idx 4 is not a sample of this data set; expected 0 to 3"):
        accuracy.score([(4, b"")], pairs(), None)


def test_not_a_number_never_passes() -> None:
    entries = [(i, postprocess.encode(np.full(int(n), np.nan))) for i, n in enumerate(np.diff(EDGES))]
    assert np.isnan(accuracy.score(entries, pairs(), None).value)


def test_answers_of_another_length_are_a_problem() -> None:
    entries = [*log(with_truth=True)[:3], (3, postprocess.encode_with_truth([0.1, 0.2], pairs().truth(3)))]
    result = accuracy.score(entries, pairs(), None)
    assert result.problems == ("1 answers hold another number of ratings than their sample has pairs",)
    assert result.details["pairs"] == 260


def test_batches_are_joined_and_cut_apart() -> None:
    samples = [(np.full((n, 2), n, np.float32), np.full((n, 3), n, np.int32)) for n in (3, 1, 5)]
    runs = []

    def run(batch: object) -> list[np.ndarray]:
        dense, ids = batch  # type: ignore[misc]
        runs.append(ids.dtype)
        assert ids.shape == (len(dense), 3)
        return [dense[:, :1] * 10]

    answers = postprocess.infer(samples, run)
    assert [a.tolist() for a in answers] == [[30] * 3, [10], [50] * 5]
    assert [a.tolist() for a in postprocess.infer(samples[:1], run)] == [[30] * 3]
    postprocess.infer_int64(samples, run)
    assert runs == [np.int32, np.int32, np.int64]


def test_very_large_batches_are_run_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postprocess, "PAIRS_AT_ONCE", 4)
    samples = [(np.arange(n, dtype=np.float32)[:, None], np.zeros((n, 1), np.int32)) for n in (3, 6)]
    sizes = []

    def run(batch: object) -> list[np.ndarray]:
        sizes.append(len(batch[0]))  # type: ignore[index]
        return [batch[0][:, 0]]  # type: ignore[index]

    assert [a.tolist() for a in postprocess.infer(samples, run)] == [[0, 1, 2], [0, 1, 2, 3, 4, 5]]
    assert sizes == [4, 4, 1]
