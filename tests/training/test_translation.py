"""Translation: published sizes, number words, losses by formula, BLEU and beam search, tiny runs."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlassay.core.errors import BadFile
from mlassay.training.translation.bleu import corpus_bleu
from mlassay.training.translation.numbers import english, german

pytest.importorskip("torch")

from mlassay.core.clock import RealClock
from mlassay.training.benchmark import Surroundings
from mlassay.training.catalogue import recipe
from mlassay.training.common.engine import count_parameters
from mlassay.training.loop import Status, train
from mlassay.training.translation import recipe as recipes
from mlassay.training.translation import verify as published
from mlassay.training.translation.beam import beam_search, length_penalty
from mlassay.training.translation.data import BEGIN, END, PAD, load, number_pairs, padded
from mlassay.training.translation.gnmt import BahdanauAttention, Gnmt
from mlassay.training.translation.train import smoothed_loss
from mlassay.training.translation.transformer import Transformer, sinusoids

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
pytestmark = pytest.mark.torch


@pytest.mark.parametrize(
    ("make", "config", "size"),
    [(Gnmt, recipes.gnmt_reference, 160_671_297), (Transformer, recipes.transformer_reference, 210_808_832)],
)
def test_the_references_have_the_published_sizes(make, config, size):
    with torch.device("meta"):
        assert count_parameters(make(config())) == size


def test_gnmt_starts_between_the_bounds_of_its_configuration():
    for c in (recipes.gnmt_small(), dataclasses.replace(recipes.gnmt_small(), init_bound=0.1)):
        weights = Gnmt(c).both_ways.weight_hh_l0.detach().abs()
        assert 0.95 * c.init_bound < float(weights.max()) <= c.init_bound


@pytest.mark.parametrize(
    ("n", "en", "de"),
    [
        (0, "zero", "null"),
        (1, "one", "eins"),
        (21, "twenty-one", "einundzwanzig"),
        (30, "thirty", "dreißig"),
        (101, "one hundred one", "einhunderteins"),
        (1000, "one thousand", "eintausend"),
        (42_107, "forty-two thousand one hundred seven", "zweiundvierzigtausendeinhundertsieben"),
        (99_999, "ninety-nine thousand nine hundred ninety-nine", "neunundneunzigtausendneunhundertneunundneunzig"),
        (101_001, "one hundred one thousand one", "einhunderteintausendeins"),
    ],
)
def test_number_words(n, en, de):
    assert (english(n), german(n)) == (en, de)


@given(st.integers(0, 999_999), st.integers(0, 999_999))
def test_different_numbers_have_different_words(a, b):
    assert (a == b) == (german(a) == german(b)) == (english(a) == english(b))


def test_training_and_test_numbers_do_not_meet():
    train_part, test_part = number_pairs(96, 12_000, 400, 100_000)
    assert not {tuple(s) for s in train_part.sources} & {tuple(s) for s in test_part.sources}
    assert (len(train_part), len(test_part)) == (12_000, 400)


def test_batches_end_sources_and_frame_targets():
    pairs, _ = number_pairs(96, 12_000, 400, 100_000)
    sources, targets = pairs.batch(np.array([0, 1, 2]))
    assert (targets[:, 0] == BEGIN).all()
    for row in (*sources, *targets):
        assert row[row != PAD][-1] == END
    assert padded([[1, 2], [3]]).tolist() == [[1, 2], [3, PAD]]


# --- losses, BLEU, search


@pytest.mark.parametrize("over_others", [True, False])
def test_smoothed_losses_equal_their_formulas(over_others):
    torch.manual_seed(1)
    scores, answers = torch.randn(2, 3, 7, dtype=torch.float64), torch.tensor([[4, 5, PAD], [6, PAD, PAD]])
    s, v, total, n = 0.1, 7, 0.0, 0
    for i, j in itertools.product(range(2), range(3)):
        a = int(answers[i, j])
        if a == PAD:
            continue
        p = scores[i, j].exp() / scores[i, j].exp().sum()
        if over_others:
            q = [1 - s if k == a else s / (v - 1) for k in range(v)]
            total += sum(-w * math.log(p[k]) for k, w in enumerate(q)) + sum(w * math.log(w) for w in q)
        else:
            total += -(1 - s) * math.log(p[a]) - s * sum(math.log(x) for x in p) / v
        n += 1
    assert float(smoothed_loss(scores, answers, s, over_others)) == pytest.approx(total / n, rel=1e-9)


WORDS = st.lists(st.sampled_from("abcd"), min_size=1, max_size=12)


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=5))
def test_bleu_equals_sacrebleu(pairs):
    sacrebleu = pytest.importorskip("sacrebleu")
    answers, truths = [list(x) for x in zip(*pairs, strict=True)]
    theirs = sacrebleu.corpus_bleu(
        [" ".join(a) for a in answers],
        [[" ".join(t) for t in truths]],
        tokenize="none",
        smooth_method="none",
        force=True,
    ).score
    assert corpus_bleu(answers, truths) == pytest.approx(theirs, abs=1e-6)


def test_a_perfect_answer_scores_a_hundred():
    assert corpus_bleu([list("abcdef")], [list("abcdef")]) == pytest.approx(100.0)
    assert corpus_bleu([list("fedcba")], [list("abcdef")]) == 0.0


class Scripted:
    """A translator whose next-piece probabilities depend on the last piece alone."""

    def __init__(self, table):
        self.table = torch.tensor(table).log()

    def encode(self, sources):
        return sources[..., None].float(), sources == PAD

    def decode(self, targets, memory):
        return self.table[targets]


def test_a_wider_beam_finds_the_better_answer():
    """Greedy takes 4 (.6) and then must go on unsurely; the better whole begins with 5 (.4)."""
    e = 1e-9
    table = [[e] * 7 for _ in range(7)]
    table[BEGIN] = [e, e, e, e, 0.6, 0.4, e]
    table[4] = [e, e, e, 0.3, 0.3, e, 0.4]
    table[6] = [e, e, e, 0.3, 0.3, e, 0.4]
    table[5] = [e, e, e, 1.0, e, e, e]
    sources = torch.tensor([[4, END]])
    assert beam_search(Scripted(table), sources, 1, 0.0, 3) != [[5]]
    assert beam_search(Scripted(table), sources, 2, 0.0, 3) == [[5]]


def test_the_length_penalty_is_gnmts():
    assert length_penalty(1, 0.6) == 1.0
    assert length_penalty(7, 0.6) == pytest.approx(2**0.6)


# --- models


@pytest.mark.parametrize("kind", ["transformer", "gnmt"])
def test_no_target_sees_the_future_and_padding_changes_nothing(kind):
    torch.manual_seed(0)
    config = getattr(recipes, f"{kind}_small")()
    net = (Gnmt if kind == "gnmt" else Transformer)(config).eval()
    sources = torch.tensor([[5, 6, 7, END]])
    a, b = torch.tensor([[BEGIN, 8, 9, 10]]), torch.tensor([[BEGIN, 8, 11, 12]])
    with torch.no_grad():
        torch.testing.assert_close(net(sources, a)[:, :2], net(sources, b)[:, :2])
        longer = torch.cat([sources, torch.full((1, 3), PAD)], 1)
        torch.testing.assert_close(net(longer, a), net(sources, a), rtol=1e-4, atol=1e-5)


def test_attention_equals_its_formula():
    torch.manual_seed(0)
    net = BahdanauAttention(4)
    for p in net.parameters():
        torch.nn.init.normal_(p)
    q, m = torch.randn(1, 1, 4), torch.randn(1, 3, 4)
    v = net.v / net.v.norm() * net.length
    sums = [net.query.weight @ q[0, 0] + net.key.weight @ m[0, s] + net.bias for s in range(2)]
    scores = [(v @ torch.tanh(x)).item() for x in sums]
    weights = torch.tensor(scores).softmax(0)
    expected = weights[0] * m[0, 0] + weights[1] * m[0, 1]
    padding = torch.tensor([[False, False, True]])
    torch.testing.assert_close(net(q, m, padding)[0, 0], expected)


def test_sinusoids_start_with_zeros_and_ones():
    table = sinusoids(3, 8)
    assert table[0].tolist() == [0.0] * 4 + [1.0] * 4
    assert float(table[1, 0]) == pytest.approx(math.sin(1.0))


def parallel(folder, n=48):
    """A toy language in the reference's file format: each piece is translated by its capital, in reverse order."""
    rng = np.random.default_rng(3)
    letters = list("abcdef")
    (folder / "vocab.txt").write_text("\n".join([*letters, *map(str.upper, letters)]))
    for part in ("train", "test"):
        rows = [rng.choice(letters, rng.integers(2, 5)).tolist() for _ in range(n if part == "train" else 8)]
        (folder / f"{part}.en").write_text("\n".join(" ".join(r) for r in rows))
        (folder / f"{part}.de").write_text("\n".join(" ".join(x.upper() for x in r) for r in rows))
    return folder


@pytest.mark.parametrize("name", ["transformer", "gnmt"])
def test_a_tiny_run_over_parallel_files_learns(tmp_path, name):
    config = dataclasses.replace(
        recipe(name).profiles["small"](),
        data_format="pieces",
        hidden=32,
        ffn=64,
        global_batch_size=16,
        max_epochs=10.0,
        eval_every_epochs=5.0,
        warmup_steps=20,
        extra_pieces=3,
        learning_rate=0.5 if name == "transformer" else 0.01,
    )
    benchmark = recipe(name).make(config, "small", Surroundings(seed=4, data=parallel(tmp_path, 100)))
    losses = []
    outcome = train(benchmark, clock=RealClock(), emit=lambda e: None, progress=lambda p: losses.append(p.loss))
    assert (outcome.status, len(outcome.evaluations)) == (Status.ABORTED, 2)
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])


def pieces(vocabulary):
    return dataclasses.replace(recipes.gnmt_small(), data_format="pieces", vocabulary=vocabulary, max_pieces=50)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: (p / "vocab.txt").unlink(), r"vocab\.txt is absent; expected one piece a line"),
        (lambda p: (p / "test.de").unlink(), r"test\.de is absent"),
        (lambda p: (p / "train.de").write_text("A"), "train is 48 and 1 lines; expected equally many"),
    ],
)
def test_spoilt_files_are_named(tmp_path, spoil, message):
    parallel(tmp_path)
    spoil(tmp_path)
    with pytest.raises(BadFile, match=message):
        load(pieces(96), tmp_path)


def test_a_vocabulary_that_does_not_fit_is_named(tmp_path):
    with pytest.raises(BadFile, match="is 16 pieces with the specials; expected at most 10"):
        load(pieces(10), parallel(tmp_path))


def test_sentences_end_at_line_feeds_alone(tmp_path):
    parallel(tmp_path)
    english = (tmp_path / "train.en").read_text().splitlines()
    english[5] = "a\u2028b\x85c"
    (tmp_path / "train.en").write_text("\n".join(english))
    train_part, _ = load(pieces(96), tmp_path)
    assert [train_part.pieces[k] for k in train_part.sources[5]] == ["a", "b", "c"]


@pytest.mark.parametrize("name", ["transformer", "gnmt"])
def test_parallel_files_are_verified(tmp_path, monkeypatch, name):
    check, config = recipe(name).verify, recipe(name).profiles["reference"]()
    report = check(parallel(tmp_path), config)
    assert [str(p) for p in report.problems] == [f"{tmp_path.name} is 8 test pairs; expected 3,003"]
    monkeypatch.setattr(published, "PUBLISHED", {"test pairs": 8})
    report = check(tmp_path, config)
    assert report.complete
    assert report.counts == {
        "pieces in vocab.txt": 12,
        "train pairs": 48,
        f"of them of at most {config.max_pieces - 2} pieces": 48,
        "test pairs": 8,
    }


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: (p / "test.de").unlink(), "test.de is absent; expected one sentence a line, pieces between spaces"),
        (lambda p: (p / "train.de").write_bytes(b"\xff\n" * 48), "train.de is not UTF-8 text"),
        (lambda p: (p / "train.de").write_text("A\n" * 47), "train is 48 and 47 lines; expected equally many"),
        (
            lambda p: (p / "train.de").write_text("A\n" * 47 + "A z@@ z@@"),
            "train.de is with 2 unknown pieces of 50 looked at, 'z@@' in line 48 the first; expected pieces of vocab",
        ),
        (lambda p: (p / "test.en").write_text("a\n\n" + "a\n" * 6), "test.en: line 2 is empty; expected a sentence"),
        (lambda p: (p / "vocab.txt").write_text("<pad> a b c d e f A B C D E F"), "vocab.txt is with <pad>"),
        (lambda p: (p / "vocab.txt").write_text("a a b c d e f A B C D E F"), "with 1 pieces that stand there before"),
        (lambda p: (p / "vocab.txt").write_text(""), "vocab.txt is empty; expected one piece a line"),
        (lambda p: (p / "vocab.txt").unlink(), "vocab.txt is absent; expected one piece a line"),
    ],
)
def test_what_is_wrong_with_parallel_files_is_a_finding(tmp_path, monkeypatch, spoil, message):
    monkeypatch.setattr(published, "PUBLISHED", {"test pairs": 8})
    spoil(parallel(tmp_path))
    (problem,) = recipe("gnmt").verify(tmp_path, recipes.gnmt_reference()).problems
    assert message in str(problem)


def test_the_ends_of_long_files_are_looked_at_and_a_few_strange_pieces_of_the_test_pass(tmp_path, monkeypatch):
    monkeypatch.setattr(published, "PUBLISHED", {"test pairs": 40})
    monkeypatch.setattr(published, "LOOKED_AT", 10)
    parallel(tmp_path)
    for part in ("train", "test"):
        rows = ["a"] * 15 + ["z"] + ["a"] * 24
        for language in ("en", "de"):
            (tmp_path / f"{part}.{language}").write_text("\n".join(rows))
    assert recipe("gnmt").verify(tmp_path, recipes.gnmt_reference()).complete  # the middle is not looked at
    (tmp_path / "test.en").write_text("z\n" + "a\n" * 39)
    assert recipe("gnmt").verify(tmp_path, recipes.gnmt_reference()).complete
    (tmp_path / "test.en").write_text("z\n" * 2 + "a\n" * 38)
    (problem,) = recipe("gnmt").verify(tmp_path, recipes.gnmt_reference()).problems
    assert problem.found.startswith("with 2 unknown pieces of 20 looked at")
    for language in ("en", "de"):
        (tmp_path / f"train.{language}").write_text(" ".join("a" * 49))
    problems = recipe("gnmt").verify(tmp_path, recipes.gnmt_reference()).problems
    assert "train is without sentences short enough; expected at most 48 pieces" in [str(p) for p in problems]
