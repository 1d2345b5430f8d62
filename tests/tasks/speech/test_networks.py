"""The reference recognisers have the published sizes; loss and greedy search keep their definitions. Needs torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from mlassay.tasks.checkpoint import parameter_count  # noqa: E402 - after the check for torch
from mlassay.tasks.speech import whisper  # noqa: E402
from mlassay.tasks.speech.model import (  # noqa: E402
    REFERENCE,
    export,
    load_published,
    load_published_whisper,
    published_key,
)
from mlassay.training.rnnt.model import Rnnt, Shape  # noqa: E402

TINY = Shape(features=6, symbols=4, encoder=8, before=1, after=1, prediction=8, prediction_layers=2, joint=8)


def test_published_sizes() -> None:
    with torch.device("meta"):
        assert parameter_count(Rnnt(REFERENCE)) == 45_323_037
        assert parameter_count(whisper.Whisper(whisper.LARGE_V3)) == 1_543_490_560
        assert parameter_count(whisper.Whisper(whisper.TINY)) == 37_760_640


def plain(network: Rnnt, features: np.ndarray, per_row: int) -> list[int]:
    """The definition: symbols until a blank, then on to the next row."""
    heard, rows = network.encoder(torch.from_numpy(features[None]), torch.tensor([len(features)]))
    said: list[int] = []
    for t in range(int(rows[0])):
        for _ in range(per_row):
            state = network.prediction(torch.tensor([said], dtype=torch.int64))[:, -1]
            best = int(network.joint(heard[:, t], state).argmax())
            if best == TINY.symbols:
                break
            said.append(best)
    return said


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_greedy_search_is_the_definition_whatever_the_batch(tmp_path: Path, seed: int) -> None:
    ort = pytest.importorskip("onnxruntime")
    torch.manual_seed(seed)
    network = Rnnt(TINY).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(4)
    export(network, tmp_path / "m.onnx", longest=64, per_row=3)
    session = ort.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    features = np.random.default_rng(seed).normal(0, 1, (5, 11, 6)).astype(np.float32)
    lengths = np.asarray([11, 10, 3, 1, 8])
    found = session.run(None, {"features": features, "length": lengths})[0]
    with torch.no_grad():
        for row, one, length in zip(found.tolist(), features, lengths, strict=True):
            assert [symbol for symbol in row if symbol >= 0] == plain(network, one[:length], 3)


def test_published_names_are_all_used(tmp_path: Path) -> None:
    network = Rnnt(TINY)
    published = {published_key(name): value for name, value in network.state_dict().items()}
    assert "encoder.post_rnn.lstm.weight_hh_l0" in published
    assert "joint.net.3.bias" in published
    published = {name.replace("joint.net", "joint_net"): value for name, value in published.items()}
    published["audio_preprocessor.featurizer.fb"] = torch.zeros(1)
    torch.save({"state_dict": published}, tmp_path / "rnnt.pt")
    loaded = load_published(tmp_path / "rnnt.pt", TINY)
    assert all(
        torch.equal(a, b) for a, b in zip(loaded.state_dict().values(), network.state_dict().values(), strict=True)
    )


def test_whisper_runs_and_takes_the_published_names(tmp_path: Path) -> None:
    torch.manual_seed(0)
    recipe = whisper.Recipe(bands=4, width=16, layers=2, heads=4, vocabulary=20, frames=10, tokens=8)
    network = whisper.Whisper(recipe).eval()
    published = {whisper.published_key(name): value for name, value in network.state_dict().items()}
    assert "model.decoder.layers.1.encoder_attn.k_proj.weight" in published
    assert "model.encoder.conv2.bias" in published
    published["proj_out.weight"] = published["model.decoder.embed_tokens.weight"]
    torch.save(published, tmp_path / "whisper.bin")
    loaded = load_published_whisper(whisper.Whisper(recipe), tmp_path / "whisper.bin")
    mel, tokens = torch.randn(2, 4, 20), torch.randint(20, (2, 5))
    with torch.no_grad():
        whole = loaded(mel, tokens)
        assert whole.shape == (2, 5, 20)
        torch.testing.assert_close(loaded(mel, tokens[:, :3]), whole[:, :3])  # no word sees a later one
        torch.testing.assert_close(whole, network(mel, tokens))
