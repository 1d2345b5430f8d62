"""The reference network has the published size and takes the published names. Needs the torch extra."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlassay.core.errors import BadFile

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from mlassay.tasks.checkpoint import operation_count, parameter_count  # noqa: E402 - after the check for torch
from mlassay.tasks.language.bert import LARGE, Bert, Recipe, published_key  # noqa: E402
from mlassay.tasks.language.model import export, load_published  # noqa: E402

TINY = Recipe(vocabulary=30, width=16, layers=2, heads=4, inner=32, positions=12)


def test_bert_large_has_the_published_size() -> None:
    with torch.device("meta"):
        network = Bert(LARGE)
    assert parameter_count(network) == 334_094_338  # BertForQuestionAnswering, without the pooler
    shapes = [(1, 384)] * 3
    work = operation_count(network, *shapes, dtypes=[torch.int64] * 3)
    dense = 2 * 384 * 24 * (4 * 1024**2 + 2 * 1024 * 4096)
    attention = 2 * 24 * 2 * 384 * 384 * 1024
    assert work == dense + attention + 2 * 384 * 1024 * 2


def test_published_names_are_all_used(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Bert(TINY)
    published = {published_key(name): value for name, value in network.state_dict().items()}
    assert "bert.encoder.layer.1.attention.output.LayerNorm.bias" in published
    assert "bert.embeddings.token_type_embeddings.weight" in published
    published["bert.pooler.dense.weight"] = torch.zeros(16, 16)
    older = {name.replace("qa_outputs", "classifier"): value for name, value in published.items()}
    older = {
        k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): v
        for k, v in older.items()
    }
    for content in (published, older):
        torch.save(content, tmp_path / "bert.bin")
        loaded = load_published(tmp_path / "bert.bin", TINY)
        assert all(
            torch.equal(a, b) for a, b in zip(loaded.state_dict().values(), network.state_dict().values(), strict=True)
        )
    del published["qa_outputs.bias"]
    torch.save(published, tmp_path / "bert.bin")
    with pytest.raises(BadFile, match=r"without qa_outputs\.bias"):
        load_published(tmp_path / "bert.bin", TINY)


def test_exported_file_answers_as_the_network(tmp_path: Path) -> None:
    ort = pytest.importorskip("onnxruntime")
    torch.manual_seed(1)
    network = Bert(TINY).eval()
    export(network, tmp_path / "m.onnx", 12)
    session = ort.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    ids, segments = rng.integers(0, 30, (3, 12)), rng.integers(0, 2, (3, 12))
    mask = (np.arange(12)[None] < [[12], [7], [1]]).astype(np.int64)
    found = session.run(None, {"input_ids": ids, "input_mask": mask, "segment_ids": segments})
    with torch.no_grad():
        wanted = network(*map(torch.from_numpy, (ids, mask, segments)))
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), atol=2e-6)
