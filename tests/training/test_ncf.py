"""NCF: published size, ranking quirks by brute force, negatives, accumulation, tiny runs over both formats."""

from __future__ import annotations

import dataclasses
import gzip

import numpy as np
import pytest

pytest.importorskip("torch")

from mlassay.core.clock import RealClock
from mlassay.core.errors import BadFile
from mlassay.training.benchmark import Surroundings
from mlassay.training.catalogue import recipe
from mlassay.training.common.engine import count_parameters
from mlassay.training.loop import Status, train
from mlassay.training.ncf import data as ncf_data
from mlassay.training.ncf import verify as published
from mlassay.training.ncf.model import NeuMF
from mlassay.training.ncf.recipe import reference, small
from mlassay.training.ncf.train import first_of_each
from tests.training.tiny import movielens_like, packages_like

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
pytestmark = pytest.mark.torch


def test_the_reference_has_the_published_size():
    c = reference()
    with torch.device("meta"):
        assert count_parameters(NeuMF(c.n_users, c.n_items, c.mf_dim, c.mlp_dims)) == 31_832_577


def make(path, **changes):
    config = dataclasses.replace(small(), global_batch_size=256, n_eval_negatives=20, **changes)
    return recipe("ncf").make(config, "small", Surroundings(seed=3, data=path))


def ready(path, **changes):
    benchmark = make(path, **changes)
    benchmark.build()
    benchmark.load()
    return benchmark


def test_a_tiny_run_reaches_its_target(tmp_path):
    benchmark = make(packages_like(tmp_path / "Packages"), target=0.75, learning_rate=0.01)
    outcome = train(benchmark, clock=RealClock(), emit=lambda e: None)
    assert outcome.status is Status.SUCCESS, outcome.reason


def test_hits_equal_a_plain_count_with_the_quirks(tmp_path):
    benchmark = ready(packages_like(tmp_path / "Packages"))
    for _ in range(20):
        benchmark.step()
    users = np.arange(benchmark.data.n_users)
    hits = 0
    with torch.no_grad():
        for u in users:
            positive = int(benchmark.data.test_items[u])
            negatives = set(benchmark._eval_negatives[u].tolist()) - {positive}  # de-duplicated
            items = torch.tensor([*negatives, positive])
            scores = benchmark.net(torch.full_like(items, int(u)), items)
            hits += int((scores[:-1] >= scores[-1]).sum() < 10)  # ties favour the negatives
    assert benchmark.evaluate() == {"hr_at_10": hits / len(users)}


def test_equal_scores_are_no_hit(tmp_path):
    benchmark = ready(packages_like(tmp_path / "Packages"))
    with torch.no_grad():
        for p in benchmark.net.parameters():
            p.zero_()
    assert benchmark.evaluate()["hr_at_10"] < 0.05


def test_first_of_each_marks_one_of_every_item():
    marks = first_of_each(np.array([[3, 1, 3, 1, 1], [2, 2, 2, 2, 2]]))
    assert marks.tolist() == [[True, True, False, False, False], [True, False, False, False, False]]


def test_negatives_are_never_training_items(tmp_path):
    data = ncf_data.load("debian", packages_like(tmp_path / "Packages"), 5)
    users = np.repeat(np.arange(data.n_users), 50)
    drawn = ncf_data.draw_negatives(data, users, data.codes(), np.random.default_rng(0))
    known = set(zip(data.users.tolist(), data.items.tolist(), strict=True))
    assert not any((u, i) in known for u, i in zip(users.tolist(), drawn.tolist(), strict=True))


def test_each_user_holds_out_one_item_that_is_not_in_training(tmp_path):
    data = ncf_data.load("debian", packages_like(tmp_path / "Packages"), 5)
    known = set(zip(data.users.tolist(), data.items.tolist(), strict=True))
    assert len(data.test_items) == data.n_users
    assert not any((u, int(i)) in known for u, i in enumerate(data.test_items))


def test_movielens_holds_out_the_last_item_by_time(tmp_path):
    folder = movielens_like(tmp_path)
    data = ncf_data.load("movielens", folder, 20)
    assert (data.n_users, data.n_items) == (30, 40)
    first = np.loadtxt(folder / "ratings.csv", delimiter=",", skiprows=1)
    mine = first[first[:, 0] == first[:, 0].min()]
    items = np.unique(first[:, 1])
    assert items[data.test_items[0]] == mine[np.argmax(mine[:, 3]), 1]


def test_accumulated_gradients_equal_the_whole_batch(tmp_path):
    path = packages_like(tmp_path / "Packages")
    grads = []
    for pieces in (1, 3):
        benchmark = ready(path, gradient_accumulation_steps=pieces)
        benchmark.step()
        grads.append([p.grad.clone() for p in benchmark.net.parameters()])
    for whole, in_pieces in zip(*grads, strict=True):
        torch.testing.assert_close(whole, in_pieces, rtol=1e-4, atol=1e-7)


def test_negatives_change_from_epoch_to_epoch_and_with_the_seed(tmp_path):
    benchmark = ready(packages_like(tmp_path / "Packages"))
    benchmark._draw_for_epoch(0)
    first = benchmark._negatives.copy()
    benchmark._draw_for_epoch(1)
    assert not np.array_equal(first, benchmark._negatives)
    benchmark._draw_for_epoch(0)
    assert np.array_equal(first, benchmark._negatives)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("Packages", b"Package: a\nDepends: b\n", "is without packages that depend on enough others"),
        ("Packages.gz", gzip.compress(b"x" * 100)[:20], "is unreadable"),
        ("Packages", None, "is absent; expected a Debian Packages file"),
    ],
)
def test_a_spoilt_index_is_named(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BadFile, match=message):
        make(tmp_path / name).load()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("userId,movieId,rating,timestamp\n1,2,x,4\n", "ratings.csv is unreadable"),
        ("userId,movieId,rating\n1,2,3\n", "ratings.csv is 3 columns; expected user, item, rating, time"),
    ],
)
def test_spoilt_ratings_are_named(tmp_path, text, message):
    (tmp_path / "ratings.csv").write_text(text)
    with pytest.raises(BadFile, match=message):
        ncf_data.load("movielens", tmp_path, 1)


def test_movielens_must_be_given():
    with pytest.raises(BadFile, match="--data is not given; expected the MovieLens folder"):
        ncf_data.load("movielens", None, 20)


def test_movielens_is_verified(tmp_path, monkeypatch):
    check, config = recipe("ncf").verify, recipe("ncf").profiles["reference"]()
    monkeypatch.setattr(published, "PUBLISHED", {"users": 30, "items": 40, "training pairs": 720})
    report = check(movielens_like(tmp_path), config)
    assert (report.complete, report.counts) == (True, {"users": 30, "items": 40, "training pairs": 720})
    monkeypatch.undo()
    report = check(tmp_path, config)
    assert f"{tmp_path.name} is 30 users; expected 138,493" in [str(p) for p in report.problems]
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,2,x,4\n")
    (problem,) = check(tmp_path, config).problems
    assert problem.where == "ratings.csv"
