"""Language models and BERT: published sizes, hand-checked parts, tiny runs, both data formats."""

from __future__ import annotations

import dataclasses
import errno
import math
import pathlib
import struct

import numpy as np
import pytest

pytest.importorskip("torch")

from mlassay.core.clock import RealClock
from mlassay.core.errors import BadFile
from mlassay.training.benchmark import Surroundings
from mlassay.training.bert import recipe as bert_recipe
from mlassay.training.bert import verify as bert_verify
from mlassay.training.bert.data import FIELDS, IGNORED, MASK, ArrayExamples, TextExamples
from mlassay.training.bert.model import BertModel
from mlassay.training.catalogue import recipe
from mlassay.training.common.engine import count_parameters
from mlassay.training.llm import recipe as llm_recipe
from mlassay.training.llm import verify as llm_verify
from mlassay.training.llm.data import Windows, load, read_indexed, write_indexed
from mlassay.training.llm.model import LanguageModel, RmsNorm, rotate, turns
from mlassay.training.loop import Status, train
from tests.training.tiny import text_like

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
pytestmark = pytest.mark.torch


@pytest.mark.parametrize(
    ("config", "size"),
    [
        (llm_recipe.gpt3_reference, 174_604_259_328),
        (llm_recipe.llama31_8b_reference, 8_030_261_248),
        (llm_recipe.llama31_405b_reference, 402_724_438_016),  # with 32,768 rows of embedding
    ],
)
def test_reference_language_models_have_the_published_sizes(config, size):
    with torch.device("meta"):
        assert count_parameters(LanguageModel(config())) == size


def test_bert_large_has_the_published_size():
    with torch.device("meta"):
        assert count_parameters(BertModel(bert_recipe.reference())) == 336_226_108


def test_bert_starts_as_wide_as_its_configuration_says():
    for c in (bert_recipe.small(), dataclasses.replace(bert_recipe.small(), init_std=0.02)):
        weights = BertModel(c).token.weight.detach()
        assert float(weights.abs().max()) <= 2 * c.init_std  # cut at two of them
        assert 0.8 < float(weights.std()) / c.init_std < 0.95  # which leaves 0.88


def test_berts_interval_follows_the_rounds_formula():
    assert bert_recipe.reference().eval_interval_samples == 225_000
    assert dataclasses.replace(bert_recipe.reference(), global_batch_size=448).eval_interval_samples == 150_000


TINY_LLM = {"n_layers": 2, "hidden": 32, "ffn": 64, "n_heads": 4, "n_kv_heads": 2, "sequence_length": 32}


def tiny_llm(path, name="llama31_8b", **changes):
    shape = {**TINY_LLM, "global_batch_size": 16, "eval_every_samples": 400, "n_eval_sequences": 16, **changes}
    if name == "gpt3":
        shape["n_kv_heads"] = 4
    config = dataclasses.replace(recipe(name).profiles["small"](), warmup_steps=5, **shape)
    return recipe(name).make(config, "small", Surroundings(seed=2, data=path))


@pytest.mark.parametrize("name", ["llama31_8b", "gpt3"])
def test_a_tiny_language_model_learns(tmp_path, name):
    events = []
    benchmark = tiny_llm(text_like(tmp_path / "text"), name, target=1.2, max_epochs=8.0)
    outcome = train(benchmark, clock=RealClock(), emit=events.append)
    assert outcome.status is Status.SUCCESS, outcome.reason
    assert next(e.metadata for e in events if e.key == "eval_accuracy") == {"samples_count": 400}


@pytest.mark.parametrize("shape", ["llama", "gpt3"])
def test_no_position_sees_the_future(shape):
    torch.manual_seed(0)
    config = dataclasses.replace(llm_recipe.small(shape), **TINY_LLM)
    net = LanguageModel(config)
    a = torch.randint(0, 256, (1, 20))
    b = a.clone()
    b[0, 12:] = torch.randint(0, 256, (8,))
    with torch.no_grad():
        torch.testing.assert_close(net(a)[0, :12], net(b)[0, :12])
        assert not torch.allclose(net(a)[0, 12:], net(b)[0, 12:])


@pytest.mark.parametrize("name", ["llama31_8b", "gpt3"])
def test_layers_computed_again_give_the_same_gradient(tmp_path, name):
    path = text_like(tmp_path / "text")
    losses = []
    for recompute in (False, True):
        benchmark = tiny_llm(path, name, recompute=recompute)
        benchmark.build()
        benchmark.load()
        losses.append([benchmark.step().loss for _ in range(3)])
    assert losses[0] == losses[1]


def test_rotary_scores_depend_on_distance_alone():
    torch.manual_seed(0)
    q, k = torch.randn(8), torch.randn(8)
    angles = turns(8, 64, 10_000.0)

    def score(i, j):
        at = lambda x, p: rotate(x.expand(64, 8), angles)[p]  # noqa: E731
        return float(at(q, i) @ at(k, j))

    assert score(5, 2) == pytest.approx(score(43, 40), rel=1e-4)
    assert score(5, 2) != pytest.approx(score(5, 4), rel=1e-4)


def test_rms_norm_equals_its_formula():
    x = torch.randn(3, 16)
    expected = x / (x.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(RmsNorm(16)(x), expected)


def test_llama_decays_matrices_alone_and_gpt3_everything(tmp_path):
    path = text_like(tmp_path / "text")
    for name, groups in (("llama31_8b", 2), ("gpt3", 1)):
        benchmark = tiny_llm(path, name)
        benchmark.build()
        assert len(benchmark.optimizer.param_groups) == groups


def test_windows_predict_each_token_once():
    windows = Windows(np.arange(10), 3)
    assert windows.n == 3
    taken = windows.take(np.arange(3))
    assert taken[:, 1:].flatten().tolist() == list(range(1, 10))


def test_megatron_indexed_files_are_read(tmp_path):
    documents = [np.arange(5, dtype=np.int32), np.arange(100, 107, dtype=np.int32)]
    for part in ("train", "valid"):
        write_indexed(tmp_path / part, documents)
    assert read_indexed(tmp_path / "train").tolist() == [*range(5), *range(100, 107)]
    train_part, _ = load("megatron", tmp_path, 4, 1)
    assert train_part.take(np.array([1])).tolist() == [[4, 100, 101, 102, 103]]


def cut(path, size):
    path.write_bytes(path.read_bytes()[:size])


def number(path, at, value, form="<Q"):
    data = bytearray(path.read_bytes())
    struct.pack_into(form, data, at, value)
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: (p / "train.idx").write_bytes(b"nonsense" * 5), "expected the magic MMIDIDX"),
        (lambda p: (p / "train.bin").write_bytes(b"\0" * 8), "is 2 tokens; expected 12, as train.idx says"),
        (lambda p: (p / "train.bin").write_bytes(b"\0" * 47), "is 11 tokens; expected 12, as train.idx says"),
        (lambda p: (p / "valid.bin").unlink(), "valid.bin is absent"),
        (lambda p: (p / "valid.idx").unlink(), "valid.idx is absent"),
        (lambda p: cut(p / "valid.idx", 60), "is 60 bytes long; expected 62 for 1 sequences and 2 document starts"),
        (lambda p: number(p / "valid.idx", 9, 2), "valid.idx is version 2, type 4; expected version 1, type 1 to 8"),
        (lambda p: number(p / "valid.idx", 18, 2**60), "bytes long; expected 13,835,058,055,282,163,762 for"),
        (lambda p: (number(p / "valid.idx", 18, 0), cut(p / "valid.idx", 50)), "is of 0 sequences and 2 document"),
        (lambda p: (number(p / "valid.idx", 34, 0, "<i"), cut(p / "valid.bin", 0)), "is 0 tokens; expected some, as"),
    ],
)
def test_spoilt_indexed_files_are_named(tmp_path, spoil, message):
    for part in ("train", "valid"):
        write_indexed(tmp_path / part, [np.arange(12, dtype=np.int32)])
    spoil(tmp_path)
    with pytest.raises(BadFile, match=message):
        load("megatron", tmp_path, 4, 1)


def test_too_short_a_text_is_named(tmp_path):
    (tmp_path / "text").write_text("short")
    with pytest.raises(BadFile, match="is 5 bytes long; expected at least 1024 bytes of text"):
        load("text", tmp_path / "text", 4, 1)


TINY_BERT = {"n_layers": 2, "hidden": 32, "ffn": 64, "sequence_length": 32, "global_batch_size": 32}


def tiny_bert(path, **changes):
    config = dataclasses.replace(bert_recipe.small(), **TINY_BERT, eval_every_samples=640, **changes)
    return recipe("bert").make(config, "small", Surroundings(seed=2, data=path))


def test_a_tiny_bert_learns(tmp_path):
    benchmark = tiny_bert(
        text_like(tmp_path / "text"), target=0.2, warmup_steps=20, training_steps=300, max_epochs=30.0
    )
    outcome = train(benchmark, clock=RealClock(), emit=lambda e: None)
    assert outcome.status is Status.SUCCESS, outcome.reason


def test_masks_hide_fifteen_percent_eight_tenths_of_it_as_mask():
    rng = np.random.default_rng(0)
    examples = TextExamples(rng.integers(97, 123, 64_000).astype(np.uint8), 128, 0.15)
    batch = examples.take(np.arange(400), rng)
    shown = batch.tokens.gather(1, batch.wanted)
    assert batch.wanted.shape == (400, 19)
    assert (shown == MASK).float().mean().item() == pytest.approx(0.8, abs=0.02)
    assert (shown == batch.answers).float().mean().item() == pytest.approx(0.1 + 0.1 / 26, abs=0.02)
    assert all(len(set(row)) == 19 for row in batch.wanted.tolist())


def test_berts_warm_up_may_start_before_the_first_step(tmp_path):
    benchmark = tiny_bert(None, warmup_steps=10, start_warmup_step=-4, training_steps=100, learning_rate=1.0)
    rates = [benchmark.learning_rate(s) for s in range(100)]
    assert rates[0] == pytest.approx(5 / 11)
    assert max(rates) == pytest.approx(max(rates[5], rates[6]))
    assert rates[99] == pytest.approx(2 / 101)


def prepared(folder, n=8, length=16, p=3):
    rng = np.random.default_rng(1)
    folder.mkdir(parents=True)
    shapes = {"input_ids": length, "input_mask": length, "segment_ids": length, "next_sentence_labels": 1}
    for name in FIELDS:
        size = shapes.get(name, p)
        array = rng.integers(0, 2, (n, size))
        if name in ("input_ids", "masked_lm_ids"):
            array = rng.integers(5, 50, (n, size))
        elif name == "masked_lm_positions":
            array = np.tile(np.arange(p), (n, 1))
        elif name == "input_mask":
            array = np.ones((n, size))
        np.save(folder / f"{name}.npy", array.astype(np.int32))


def test_prepared_examples_train_the_reference_path(tmp_path):
    for part in ("train", "eval"):
        prepared(tmp_path / part)
    config = dataclasses.replace(
        bert_recipe.reference(), vocabulary=60, n_layers=1, hidden=16, n_heads=2, ffn=32, sequence_length=16,
        n_predictions=3, global_batch_size=8, warmup_steps=2, start_warmup_step=0, learning_rate=0.02, dropout=0.0,
    )  # fmt: skip
    benchmark = recipe("bert").make(config, "reference", Surroundings(seed=1, data=tmp_path))
    benchmark.build()
    benchmark.load()
    losses = [benchmark.step().loss for _ in range(30)]
    assert losses[-1] < losses[0]
    assert math.isfinite(benchmark.evaluate()["masked_lm_accuracy"])
    answers = ArrayExamples(tmp_path / "train").take(np.arange(8), np.random.default_rng(0)).answers
    weights = np.load(tmp_path / "train" / "masked_lm_weights.npy")
    assert ((answers == IGNORED).numpy() == (weights == 0)).all()
    (tmp_path / "eval" / "segment_ids.npy").unlink()
    with pytest.raises(BadFile, match=r"segment_ids\.npy is absent"):
        benchmark.load()


def verified(folder):
    config = dataclasses.replace(bert_recipe.reference(), vocabulary=60, sequence_length=16, n_predictions=3)
    return recipe("bert").verify(folder, config)


def test_prepared_examples_are_verified(tmp_path, monkeypatch):
    for part in ("train", "eval"):
        prepared(tmp_path / part)
    report = verified(tmp_path)
    assert report.counts == {"training examples": 8, "evaluation examples": 8}
    assert [str(p) for p in report.problems] == [f"{tmp_path.name} is 8 evaluation examples; expected 10,000"]
    monkeypatch.setattr(bert_verify, "PUBLISHED", {"evaluation examples": 8})
    assert verified(tmp_path).complete
    labels = np.load(tmp_path / "eval" / "next_sentence_labels.npy")
    np.save(tmp_path / "eval" / "next_sentence_labels.npy", labels[:, 0])
    np.save(tmp_path / "eval" / "masked_lm_weights.npy", np.ones((8, 3), np.float32))
    assert verified(tmp_path).complete


def put(name, array):
    return lambda folder: np.save(folder / "eval" / f"{name}.npy", array)


def pad(folder):
    mask = np.repeat([[1, 0]], [1, 15], axis=1).repeat(8, 0)
    for name, array in (("input_mask", mask), ("masked_lm_weights", np.eye(8, 3, k=-2, dtype=int))):
        put(name, array)(folder)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "eval").rename(f / "held-out"), "eval/ is absent; expected a folder of arrays"),
        (lambda f: (f / "eval/segment_ids.npy").unlink(), "eval/segment_ids.npy is absent; expected one array for"),
        (lambda f: (f / "eval/segment_ids.npy").write_bytes(b"no"), "eval/segment_ids.npy is unreadable ("),
        (put("segment_ids", np.int64(4)), "eval/segment_ids.npy is a single number; expected an example a row"),
        (put("segment_ids", np.zeros((8, 15), int)), "is (8, 15) of int64; expected (8, 16) of whole numbers"),
        (put("segment_ids", np.zeros((8, 16))), "is (8, 16) of float64; expected (8, 16) of whole numbers"),
        (put("segment_ids", np.zeros((7, 16), int)), "segment_ids.npy is 7 rows long; expected 8, as input_ids.npy"),
        (put("input_ids", np.full((8, 16), 60)), "input_ids.npy: rows 0 to 7 is from 60 to 60; expected 0 to 59"),
        (put("masked_lm_ids", np.full((8, 3), -1)), "masked_lm_ids.npy: rows 0 to 7 is from -1 to -1; expected 0 to"),
        (put("masked_lm_weights", np.full((8, 3), np.nan)), "is from nan to nan; expected 0 to 1"),
        (put("masked_lm_positions", np.full((8, 3), 16)), "is from 16 to 16; expected 0 to 15"),
        (pad, "eval/masked_lm_positions.npy: row 3 is at padding; expected positions of tokens"),
        (put("input_mask", np.zeros((8, 16), int)), "eval/input_mask.npy: row 0 is without a token"),
    ],
)
def test_what_is_wrong_with_prepared_examples_is_a_finding(tmp_path, monkeypatch, spoil, message):
    monkeypatch.setattr(bert_verify, "PUBLISHED", {"evaluation examples": 8})
    for part in ("train", "eval"):
        prepared(tmp_path / part)
    spoil(tmp_path)
    (problem,) = verified(tmp_path).problems
    assert message in str(problem)


def test_both_ends_of_long_arrays_are_looked_at_and_empty_ones_found(tmp_path, monkeypatch):
    monkeypatch.setattr(bert_verify, "PUBLISHED", {})
    monkeypatch.setattr(bert_verify, "LOOKED_AT", 3)
    for part in ("train", "eval"):
        prepared(tmp_path / part, n=10)
    ids = np.full((10, 16), 7)
    ids[4] = 99
    put("input_ids", ids)(tmp_path)
    assert verified(tmp_path).complete  # the middle is not looked at
    ids[9] = 99
    put("input_ids", ids)(tmp_path)
    assert verified(tmp_path).problems[0].where == "eval/input_ids.npy: rows 7 to 9"
    for part in ("train", "eval"):
        for field in FIELDS:
            path = tmp_path / part / f"{field}.npy"
            np.save(path, np.load(path)[:0])
    assert len(verified(tmp_path).problems) == 14
    assert verified(tmp_path).problems[0].found == "without rows"


REFERENCES = {  # what the evaluation wants: sequences, tokens in each, vocabulary
    "gpt3": (24_567, 2048, 50_257),
    "llama31_8b": (1024, 8192, 128_256),
    "llama31_405b": (5760, 8192, 32_768),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_indexed_files_are_verified(tmp_path, name):
    n_eval, length, vocabulary = REFERENCES[name]
    check, config = recipe(name).verify, recipe(name).profiles["reference"]()
    for part in ("train", "valid"):
        write_indexed(tmp_path / part, [np.arange(length, dtype=np.int32), np.full(length + 1, vocabulary - 1)])
    report = check(tmp_path, config)
    assert [str(p) for p in report.problems] == [
        f"valid.bin is 2 sequences of {length:,} tokens; expected {n_eval:,} or more"
    ]
    assert report.counts == {
        "training documents": 2, "training tokens": 2 * length + 1, "training sequences": 2,
        "evaluation documents": 2, "evaluation tokens": 2 * length + 1, "evaluation sequences": 2,
    }  # fmt: skip
    assert check(tmp_path, dataclasses.replace(config, n_eval_sequences=2)).complete
    write_indexed(tmp_path / "train", [np.arange(length, dtype=np.int32), np.full(length + 1, vocabulary)])
    (problem,) = check(tmp_path, dataclasses.replace(config, n_eval_sequences=2)).problems
    assert str(problem) == (
        f"train.bin: tokens 0 to {2 * length:,} is from 0 to {vocabulary}; expected 0 to {vocabulary - 1:,}"
    )


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: cut(p / "train.bin", 0), "train.bin is 0 tokens; expected 24, as train.idx says"),
        (lambda p: (p / "train.idx").unlink(), "train.idx is absent; expected a Megatron indexed dataset"),
        (lambda p: cut(p / "train.bin", 90), "train.bin is 22 tokens; expected 24, as train.idx says"),
        (lambda p: number(p / "train.idx", 17, 7, "<B"), "train.idx is of float32 tokens; expected whole numbers"),
        (lambda p: number(p / "train.idx", 50, 44), "train.idx: sequence 1 is at byte 44; expected 48, after sequence"),
        (lambda p: number(p / "train.idx", 42, 8), "train.idx: sequence 0 is at byte 8; expected 0"),
        (lambda p: number(p / "train.idx", 74, 3), "train.idx: documents is from 0 to 3; expected from 0 to 2"),
        (lambda p: number(p / "train.idx", 66, 7), "train.idx: documents is in disorder; expected rising starts"),
        (lambda p: (p / "train.bin").write_bytes(bytes(96)), "train.bin: tokens 0 to 23 is all 0; expected a text"),
        (lambda p: write_indexed(p / "train", [np.arange(4)]), "train.bin is 0 sequences of 4 tokens; expected 1 or"),
    ],
)
def test_what_is_wrong_with_indexed_files_is_a_finding(tmp_path, spoil, message):
    for part in ("train", "valid"):
        write_indexed(tmp_path / part, [np.arange(12, dtype=np.int32)] * 2)
    spoil(tmp_path)
    config = dataclasses.replace(llm_recipe.llama31_8b_reference(), sequence_length=4, n_eval_sequences=2)
    (problem,) = recipe("llama31_8b").verify(tmp_path, config).problems
    assert message in str(problem)


def test_the_ends_of_long_token_files_are_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(llm_verify, "LOOKED_AT", 4)
    config = dataclasses.replace(llm_recipe.llama31_8b_reference(), sequence_length=4, n_eval_sequences=2)
    tokens = np.arange(12)
    write_indexed(tmp_path / "valid", [tokens])
    tokens[6] = 1 << 20
    write_indexed(tmp_path / "train", [tokens])
    assert recipe("llama31_8b").verify(tmp_path, config).complete  # the middle is not looked at
    tokens[11] = -1
    write_indexed(tmp_path / "train", [tokens])
    (problem,) = recipe("llama31_8b").verify(tmp_path, config).problems
    assert str(problem) == "train.bin: tokens 8 to 11 is from -1 to 10; expected 0 to 128,255"


def test_files_that_cannot_be_read_are_findings(tmp_path, monkeypatch):
    for part in ("train", "valid"):
        write_indexed(tmp_path / part, [np.arange(12, dtype=np.int32)] * 2)
    whole = pathlib.Path.open

    def guarded(path, *args, **named):
        if path.name == "train.bin":
            raise PermissionError(errno.EACCES, "Permission denied")
        return whole(path, *args, **named)

    monkeypatch.setattr(pathlib.Path, "open", guarded)
    config = dataclasses.replace(llm_recipe.llama31_8b_reference(), sequence_length=4, n_eval_sequences=2)
    (problem,) = recipe("llama31_8b").verify(tmp_path, config).problems
    assert str(problem).startswith("train.bin is not readable (Permission denied); expected a Megatron indexed")
