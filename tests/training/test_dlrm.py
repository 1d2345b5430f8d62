"""DLRM and DCNv2: published sizes, parts by formula, Criteo's arrays, tiny runs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlassay.core.errors import BadFile

pytest.importorskip("torch")

from mlassay.core.clock import RealClock
from mlassay.training.benchmark import Surroundings
from mlassay.training.catalogue import recipe
from mlassay.training.common.engine import count_parameters
from mlassay.training.dlrm import data as dlrm_data
from mlassay.training.dlrm import recipe as recipes
from mlassay.training.dlrm import verify as published
from mlassay.training.dlrm.model import Cross, DlrmNet
from mlassay.training.dlrm.train import area_under_curve
from mlassay.training.loop import Status, train

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
pytestmark = pytest.mark.torch


@pytest.mark.parametrize(
    ("config", "dense"), [(recipes.dlrm_reference, 2_368_897), (recipes.dcnv2_reference, 16_044_545)]
)
def test_the_references_have_the_published_sizes(config, dense):
    with torch.device("meta"):
        net = DlrmNet(config())
    tables = count_parameters(net.tables)
    assert (tables, count_parameters(net) - tables) == (26_135_627_264, dense)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30))
def test_the_area_is_the_chance_of_a_right_order(pairs):
    scores = np.array([s for s, _ in pairs], np.float32)
    labels = np.array([y for _, y in pairs], np.float32)
    wins = [(p > n) + 0.5 * (p == n) for p in scores[labels > 0] for n in scores[labels == 0]]
    area = area_under_curve(scores, labels)
    assert area == pytest.approx(np.mean(wins)) if wins else np.isnan(area)


def test_cross_layers_equal_their_formula():
    torch.manual_seed(0)
    net = Cross(6, 2, 3)
    x0 = torch.randn(4, 6)
    x = x0
    for down, up in zip(net.down, net.up, strict=True):
        x = x0 * (x @ down.weight.T @ up.weight.T + up.bias) + x
    torch.testing.assert_close(net(x0), x)


def test_the_dot_interaction_takes_each_pair_once():
    config = dataclasses.replace(
        recipes.small("dot"), rows=(5, 7), hots=(1, 2), n_dense=3, bottom=(4,), width=4, top=(1,)
    )
    net = DlrmNet(config)
    dense, ids = torch.randn(2, 3), torch.tensor([[1, 2, 3], [4, 0, 6]])
    x = net.bottom(dense)
    a = net.tables[0].weight[ids[:, 0]]
    b = net.tables[1].weight[ids[:, 1]] + net.tables[1].weight[ids[:, 2]]  # two ids: their sum
    expected = torch.cat([x, torch.stack([(a * x).sum(1), (b * x).sum(1), (b * a).sum(1)], 1)], 1)
    torch.testing.assert_close(net(dense, ids), net.top(expected)[:, 0])


def index(path, n=600):
    rng = np.random.default_rng(2)
    lines = []
    for k in range(n):
        library = rng.random() < 0.4
        lines += [
            f"Package: {'lib' if library else ''}thing{k}",
            f"Section: {'libs' if library else 'net'}",
            f"Size: {rng.integers(100, 10_000)}",
            "Depends: libc6 (>= 2), foo | bar",
            f"Multi-Arch: {'same' if library and rng.random() < 0.9 else 'foreign'}",
            "",
        ]
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize("name", ["dlrm", "dlrm_dcnv2"])
def test_a_tiny_run_reaches_its_target(tmp_path, name):
    config = dataclasses.replace(
        recipe(name).profiles["small"](), global_batch_size=32, target=0.9, learning_rate=0.02 if "cn" in name else 0.3
    )
    benchmark = recipe(name).make(config, "small", Surroundings(seed=1, data=index(tmp_path / "Packages")))
    outcome = train(benchmark, clock=RealClock(), emit=lambda e: None)
    assert outcome.status is Status.SUCCESS, outcome.reason


def criteo(folder, hots, n=64):
    rng = np.random.default_rng(1)
    for part in ("train", "eval"):
        labels = rng.integers(0, 2, n)
        dense = rng.integers(0, 50, (n, 13))
        dense[:, 0] += 100 * labels
        np.save(folder / f"{part}_dense.npy", dense.astype(np.float32))
        np.save(folder / f"{part}_sparse.npy", rng.integers(0, 10**9, (n, sum(hots))).astype(np.int32))
        np.save(folder / f"{part}_labels.npy", labels.astype(np.int32))


@pytest.mark.parametrize("name", ["dlrm", "dlrm_dcnv2"])
def test_criteo_arrays_train_the_reference_path(tmp_path, name):
    base = recipe(name).profiles["reference"]()
    config = dataclasses.replace(
        base, rows=(50,) * 26, width=8, bottom=(16, 8), top=(16, 1), cross_rank=4, global_batch_size=16,
        learning_rate=0.01, max_epochs=15.0, target=2.0,
    )  # fmt: skip
    criteo(tmp_path, config.hots)
    benchmark = recipe(name).make(config, "reference", Surroundings(seed=1, data=tmp_path))
    losses = []
    train(benchmark, clock=RealClock(), emit=lambda e: None, progress=lambda p: losses.append(p.loss))
    assert np.mean(losses[-4:]) < np.mean(losses[:4])


def test_ids_are_taken_modulo_and_numbers_on_a_logarithmic_scale(tmp_path):
    hots = (1,) * 26
    criteo(tmp_path, hots)
    table = dlrm_data.read_arrays(tmp_path, "train", 13, (7,) * 26, hots)
    dense, ids, _ = table.take(np.array([3, 5]))
    raw = np.load(tmp_path / "train_dense.npy")
    np.testing.assert_allclose(dense, np.log(raw[[3, 5]] + 1), rtol=1e-6)
    assert (ids == np.load(tmp_path / "train_sparse.npy")[[3, 5]] % 7).all()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: (p / "eval_labels.npy").unlink(), r"eval_labels\.npy is absent; expected an array of 1 columns"),
        (lambda p: np.save(p / "train_dense.npy", np.zeros((64, 12))), r"is \(64, 12\); expected 13 columns"),
        (lambda p: np.save(p / "train_dense.npy", np.zeros((60, 13))), "expected equally many rows"),
        (lambda p: (p / "train_sparse.npy").write_bytes(b"x"), "is unreadable"),
    ],
)
def test_spoilt_arrays_are_named(tmp_path, spoil, message):
    hots = (1,) * 26
    criteo(tmp_path, hots)
    spoil(tmp_path)
    with pytest.raises(BadFile, match=message):
        dlrm_data.load("criteo", tmp_path, 13, (7,) * 26, hots)


def test_too_small_an_index_is_named(tmp_path):
    with pytest.raises(BadFile, match="is 3 packages; expected a whole distribution"):
        dlrm_data.load("debian", index(tmp_path / "Packages", 3), 6, recipes.DEBIAN_ROWS, (1,) * 8)


@pytest.mark.parametrize("name", ["dlrm", "dlrm_dcnv2"])
def test_criteo_arrays_are_verified(tmp_path, monkeypatch, name):
    config = recipe(name).profiles["reference"]()
    check = recipe(name).verify
    criteo(tmp_path, config.hots)
    report = check(tmp_path, config)
    assert report.counts == {"training rows": 64, "evaluation rows": 64}
    assert [p.found for p in report.problems] == ["64 evaluation rows"]
    monkeypatch.setattr(published, "PUBLISHED", {"evaluation rows": 64})
    assert check(tmp_path, config).complete
    np.save(tmp_path / "eval_labels.npy", np.full(64, 2))
    (problem,) = check(tmp_path, config).problems
    assert str(problem) == "eval_labels.npy is not only 0 and 1; expected 0 or 1"
    dense = np.load(tmp_path / "train_dense.npy")
    dense[3, 3] = np.inf
    np.save(tmp_path / "train_dense.npy", dense)
    assert "train_dense.npy is not finite somewhere" in str(check(tmp_path, config).problems[0])
    (tmp_path / "train_sparse.npy").unlink()
    assert "train_sparse.npy is absent" in str(check(tmp_path, config).problems[0])
