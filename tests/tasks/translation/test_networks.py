"""The reference GNMT has the published size, takes the published names, and its beam search keeps its definition."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from mlassay.core.errors import BadFile

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from mlassay.tasks.checkpoint import parameter_count  # noqa: E402 - after the check for torch
from mlassay.tasks.translation.beam import BeamSearch  # noqa: E402
from mlassay.tasks.translation.gnmt import END, REFERENCE, START, Gnmt, Lstm, Recipe  # noqa: E402
from mlassay.tasks.translation.model import export, load_published, published_names  # noqa: E402

TINY = Recipe(source_vocabulary=11, target_vocabulary=9, units=8, encoder_layers=3, decoder_layers=3)


def tiny(seed: int = 0) -> Gnmt:
    torch.manual_seed(seed)
    network = Gnmt(TINY).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(6)
    return network


def test_gnmt_has_the_published_size() -> None:
    with torch.device("meta"):
        assert round(parameter_count(Gnmt(REFERENCE)) / 1e6) == 211  # "210 M" in the published table


def test_lstm_is_torch_s_and_padding_changes_nothing() -> None:
    torch.manual_seed(0)
    ours, theirs = Lstm(5, 6), torch.nn.LSTM(5, 6, batch_first=True)
    with torch.no_grad():
        for name, value in (
            ("input_weight", "weight_ih_l0"),
            ("hidden_weight", "weight_hh_l0"),
            ("bias", "bias_ih_l0"),
        ):
            torch.nn.init.normal_(getattr(ours, name))
            getattr(theirs, value).copy_(getattr(ours, name))
        theirs.bias_hh_l0.zero_()
        x = torch.randn(2, 7, 5)
        padding = torch.zeros(2, 7, 1)
        padding[1, 4:] = 1
        out, memory = ours(x, padding)
        for row, length in ((0, 7), (1, 4)):
            wanted, (_, last) = theirs(x[row : row + 1, :length])
            torch.testing.assert_close(out[row, :length], wanted[0])
            torch.testing.assert_close(memory[row], last[0, 0])
        h, c = torch.zeros(1, 6), torch.zeros(1, 6)
        for step in range(7):
            h, c = ours.step(x[:1, step], h, c)
        torch.testing.assert_close(h, out[:1, -1])


def tensorflow_variables(network: Gnmt) -> dict[str, np.ndarray]:
    """What the published checkpoint would hold for this network: kernels transposed, gates i j f o, no forget bias."""
    state = {name: value.numpy() for name, value in network.state_dict().items()}
    found = {}
    for ours, theirs in published_names(TINY).items():
        if theirs.endswith("basic_lstm_cell"):
            whole = np.concatenate([state[f"{ours}.input_weight"], state[f"{ours}.hidden_weight"]], 1)
            i, f, g, o = np.split(whole, 4)
            found[f"{theirs}/kernel"] = np.concatenate([i, g, f, o]).T
            i, f, g, o = np.split(state[f"{ours}.bias"], 4)
            found[f"{theirs}/bias"] = np.concatenate([i, g, f - 1, o])
        else:
            found[theirs] = state[ours].T if theirs.endswith("kernel") else state[ours]
    return found


def test_published_variables_are_all_used(tmp_path: Path) -> None:
    network = tiny()
    variables = tensorflow_variables(network)
    assert "dynamic_seq2seq/decoder/multi_rnn_cell/cell_0_attention/attention/basic_lstm_cell/kernel" in variables
    np.savez(tmp_path / "gnmt.npz", **variables)
    loaded = load_published(tmp_path / "gnmt.npz", TINY)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], value)
    variables.popitem()
    np.savez(tmp_path / "gnmt.npz", **variables)
    with pytest.raises(BadFile, match=r"gnmt\.npz is without .*; expected every variable of the published GNMT"):
        load_published(tmp_path / "gnmt.npz", TINY)
    (tmp_path / "gnmt.npz").write_text("no archive")
    with pytest.raises(BadFile, match=r"not an \.npz of arrays"):
        load_published(tmp_path / "gnmt.npz", TINY)


def plain_search(network: Gnmt, source: list[int], beams: int, alpha: float, beta: float) -> list[int]:
    """The definition, a hypothesis at a time: (pieces, log probability, coverage, ended)."""
    x, n = torch.tensor([source]), torch.tensor([len(source)])
    hypotheses: list[tuple[list[int], float, bool]] = [([], 0.0, False)]
    for step in range(2 * len(source)):
        if all(ended for _, _, ended in hypotheses):
            break
        candidates = []
        for pieces, total, ended in hypotheses:
            logs, coverage = next_logs(network, x, n, pieces)
            for token in range(TINY.target_vocabulary) if not ended else [END]:
                new = total if ended else total + float(logs[token])
                length = len(pieces) - (END in pieces) + (not ended and token != END)
                score = new / ((5 + length) / 6) ** alpha
                if token == END:
                    score += beta * sum(math.log(min(max(c, 1e-6), 1.0)) for c in coverage)
                candidates.append((score, pieces if ended else [*pieces, token], new, ended or token == END))
        candidates.sort(key=lambda c: -c[0])
        last = step + 1 >= 2 * len(source)
        hypotheses = [(pieces, total, ended or last) for _, pieces, total, ended in candidates[:beams]]
    return hypotheses[0][0]


def next_logs(network: Gnmt, x: object, n: object, pieces: list[int]) -> tuple[object, list[float]]:
    memory, h, c = network.encoder(x, n)
    keys, padding, found = network.decoder.key(memory), torch.zeros(1, memory.shape[1]), torch.zeros_like(h[0])
    covered = torch.zeros(memory.shape[1])
    top = None
    for number, word in enumerate([START, *pieces]):
        if number and pieces[number - 1] == END:
            break
        top, found, h, c, weights = network.decoder(torch.tensor([word]), found, h, c, memory, keys, padding)
        covered = covered + weights[0]
    return network.decoder.out(top)[0].log_softmax(0), covered.tolist()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_beam_search_is_the_definition_whatever_the_batch(tmp_path: Path, seed: int) -> None:
    ort = pytest.importorskip("onnxruntime")
    network = tiny(seed)
    export(network, tmp_path / "m.onnx", beams=4, longest=24)
    session = ort.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(seed)
    sources = [rng.integers(3, 11, n).tolist() for n in (5, 1, 3, 4)]
    padded = np.zeros((4, 5), np.int64)
    for row, source in zip(padded, sources, strict=True):
        row[: len(source)] = source
    lengths = np.asarray([len(s) for s in sources])
    together = session.run(None, {"source": padded, "source_length": lengths})[0]
    in_torch = BeamSearch(network, beams=4, longest=24)(torch.from_numpy(padded), torch.from_numpy(lengths))
    assert (together == in_torch.numpy()).all()
    for row, source in zip(together.tolist(), sources, strict=True):
        alone = session.run(None, {"source": np.asarray([source]), "source_length": np.asarray([len(source)])})[0][0]
        with torch.no_grad():
            wanted = cut(plain_search(network, source, 4, 1.0, 0.1))
        assert cut(alone.tolist()) == cut(row) == wanted


def cut(row: list[int]) -> list[int]:
    row = [token for token in row if token >= 0]
    return row[: row.index(END)] if END in row else row
