"""The reference recommenders have the published sizes and read published names. Needs the torch extra."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlassay.core.errors import BadFile

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from mlassay.core.query import Query  # noqa: E402 - after the check for torch
from mlassay.tasks.checkpoint import operation_count, parameter_count  # noqa: E402
from mlassay.tasks.recommendation import model  # noqa: E402
from mlassay.tasks.recommendation.networks import ADULT, DLRM, DLRM_DCNV2, ClickNetwork, embedding_parameters  # noqa: E402
from mlassay.tasks.recommendation.task import TASK  # noqa: E402
from mlassay.tasks.task import TaskRequest  # noqa: E402
from tests.tasks.recommendation.criteo_folder import multi_hot, one_hot  # noqa: E402


@pytest.mark.parametrize(
    ("recipe", "dense", "mega_operations"),
    [(DLRM, 2_368_897, 4.92), (DLRM_DCNV2, 16_044_545, 32.06)],  # published: 2.37 M and 16.04 M beside the tables
)
def test_published_sizes(recipe: object, dense: int, mega_operations: float) -> None:
    with torch.device("meta"):
        network = ClickNetwork(recipe)  # type: ignore[arg-type]
    assert embedding_parameters(network) == 204_184_588 * 128  # 26.14 billion
    assert parameter_count(network) - embedding_parameters(network) == dense
    shapes = ((1, 13), (1, sum(recipe.hot)))  # type: ignore[attr-defined]
    found = operation_count(network, *shapes, dtypes=(torch.float32, torch.int32)) / 1e6
    assert found == pytest.approx(mega_operations, abs=0.01)


def test_packed_network() -> None:
    assert parameter_count(ClickNetwork(ADULT)) == 7_489


def test_dlrm_is_what_the_paper_says() -> None:
    """Against a plain reckoning: bottom, pairwise products below the diagonal, top."""
    network = model.reference_network("dlrm", most_rows=20).eval()
    dense, ids = torch.rand(3, 13), torch.randint(0, 3, (3, 26))
    with torch.no_grad():
        numbers = network.bottom(dense)
        vectors = [numbers] + [table(ids[:, i]) for i, table in enumerate(network.tables)]
        products = [(vectors[i] * vectors[j]).sum(1) for i in range(27) for j in range(i)]
        wanted = torch.sigmoid(network.top(torch.cat([numbers, torch.stack(products, 1)], 1))[:, 0])
        assert torch.allclose(network(dense, ids), wanted, atol=1e-6)


def test_dcnv2_is_what_the_paper_says() -> None:
    recipe = replace(DLRM_DCNV2, rows=(20,) * 26)
    network = ClickNetwork(recipe).eval()
    dense, ids = torch.rand(3, 13), torch.randint(0, 20, (3, 214))
    with torch.no_grad():
        begin, vectors = 0, [network.bottom(dense)]
        for table, hot in zip(network.tables, recipe.hot, strict=True):
            vectors.append(table(ids[:, begin : begin + hot]).sum(1))
            begin += hot
        first = mixed = torch.cat(vectors, 1)
        for layer in network.cross:
            mixed = first * (mixed @ layer.narrow.weight.T @ layer.wide.weight.T + layer.wide.bias) + mixed
        assert torch.allclose(network(dense, ids), torch.sigmoid(network.top(mixed)[:, 0]), atol=1e-5)


def small(name: str) -> ClickNetwork:
    return model.reference_network(name, most_rows=3)


@pytest.mark.parametrize(
    ("name", "some"),
    [
        ("dlrm", ("emb_l.0.weight", "emb_l.25.weight", "bot_l.4.bias", "top_l.0.weight", "top_l.8.weight")),
        (
            "dlrm-v2",
            ("sparse_arch.embedding_bag_collection.embedding_bags.t_cat_7.weight",
             "dense_arch.model._mlp.2._linear.bias",
             "inter_arch.crossnet.W_kernels.2", "inter_arch.crossnet.bias.0", "over_arch.model.0._mlp.3._linear.weight",
             "over_arch.model.1.bias"),
        ),
    ],
)  # fmt: skip
def test_published_checkpoints_are_read(name: str, some: tuple[str, ...], tmp_path: Path) -> None:
    network = small(name)
    key_of = model.REFERENCES[name][1]
    state = {key_of(ours): torch.rand_like(value) for ours, value in network.state_dict().items()}
    assert set(some) <= set(state)
    torch.save({"state_dict": state}, tmp_path / "weights.pt")
    loaded = model.reference_network(name, tmp_path / "weights.pt", most_rows=3)
    assert all(torch.equal(state[key_of(ours)], value) for ours, value in loaded.state_dict().items())
    with pytest.raises(BadFile, match="of shape"):
        model.reference_network(name, tmp_path / "weights.pt", most_rows=4)


def test_rank_of_torchrec_kernels() -> None:
    """V narrows 3,456 to 512, W widens again."""
    state = small("dlrm-v2").state_dict()
    assert state["cross.0.narrow.weight"].shape == (512, 3456)
    assert state["cross.0.wide.weight"].shape == (3456, 512)


@pytest.mark.parametrize(("name", "make"), [("dlrm", one_hot), ("dlrm-v2", multi_hot)])
def test_exported_networks_run_on_criteo(name: str, make: object, tmp_path: Path) -> None:
    """Reference shape with cut tables, synthetic rows in Criteo's form, the whole path on ONNX Runtime."""
    pytest.importorskip("onnxruntime")
    from mlassay.backends.onnxruntime import OnnxRuntime

    data = make(tmp_path)  # type: ignore[operator]
    network = model.reference_network(name, most_rows=3)
    model.export(network, tmp_path / "m.onnx")
    opened = TASK.open(TaskRequest(profile=name, model=str(tmp_path / "m.onnx"), data=data))
    opened.library.load(range(5))
    cut = [(dense.copy(), ids % 3) for dense, ids in opened.library.get(range(5))]
    sut = OnnxRuntime(opened.model, intra_threads=1)
    sut.open(None, opened.library)  # type: ignore[arg-type]
    found = sut.predict(cut)
    sut.close()
    with torch.no_grad():
        wanted = [network(torch.from_numpy(dense), torch.from_numpy(ids)).numpy() for dense, ids in cut]
    for one, other in zip(found, wanted, strict=True):
        assert one == pytest.approx(other, abs=1e-4)
    result = opened.score((i, opened.encoded(i, o)) for i, o in enumerate(found))
    assert result.problems == ()
    assert result.target is None  # 950 rows are not Criteo's
    assert np.isfinite(result.value)
    assert Query(0, [0]).n_samples == 1
