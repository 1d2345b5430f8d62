"""RNN-T: published size, loss and gradient by independent formulas, augmentation, whole runs on tiny data."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import math
import wave

import numpy as np
import pytest

pytest.importorskip("torch")

from mlassay.core.clock import RealClock
from mlassay.core.errors import BadFile
from mlassay.training.benchmark import Surroundings
from mlassay.training.catalogue import recipe
from mlassay.training.common.engine import count_parameters
from mlassay.training.loop import Status, train
from mlassay.training.rnnt import verify as published
from mlassay.training.rnnt.augment import Augmentation, faster, masked, plain_features, trimmed
from mlassay.training.rnnt.digits import FOLDER, packed_digits
from mlassay.training.rnnt.features import LIBRISPEECH
from mlassay.training.rnnt.greedy import Greedy
from mlassay.training.rnnt.labels import SPOKEN_DIGITS
from mlassay.training.rnnt.loss import transducer_loss
from mlassay.training.rnnt.model import Rnnt
from mlassay.training.rnnt.order import BucketOrder
from mlassay.training.rnnt.recipe import reference, small
from mlassay.training.rnnt.train import shape_of
from tests.training.tiny_speech import WORDS, librispeech, pieces

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
pytestmark = pytest.mark.torch

NARROW = {"encoder": 24, "joint": 24, "prediction": 16}


def test_the_reference_has_the_published_size():
    with torch.device("meta"):
        assert count_parameters(Rnnt(shape_of(reference()))) == 49_006_080


def test_the_first_weights_are_the_rules():
    net = Rnnt(shape_of(dataclasses.replace(small(), **NARROW)))
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    net.scale_lstms(0.5)
    for name, p in net.named_parameters():
        if "rnn" not in name and "encoder" not in name:
            assert torch.equal(p, before[name])
            continue
        wanted = before[name]
        if "bias" in name:
            n = len(wanted) // 4
            wanted[n : 2 * n] = 1.0 if "bias_ih" in name else 0.0
        torch.testing.assert_close(p.detach(), wanted * 0.5)


# --- the loss


def by_all_ways(logits, said):
    """-log of the sum over every way to place the symbols; one recording, (S, U + 1, K)."""
    scores, ways = logits.log_softmax(-1), []
    s, blank = logits.shape[0], logits.shape[2] - 1
    for where in itertools.combinations(range(s - 1 + len(said)), len(said)):
        t = u = 0
        total = logits.new_zeros(())
        for step in range(s - 1 + len(said)):
            if step in where:
                total, u = total + scores[t, u, said[u]], u + 1
            else:
                total, t = total + scores[t, u, blank], t + 1
        ways.append(total + scores[t, u, blank])
    return -torch.stack(ways).logsumexp(0)


@pytest.mark.parametrize(("s", "u", "k"), [(1, 0, 3), (1, 2, 3), (3, 1, 4), (4, 3, 5), (6, 2, 3)])
def test_loss_and_gradient_are_those_of_all_ways(s, u, k):
    rng = torch.Generator().manual_seed(s * 10 + u)
    logits = torch.randn(s, u + 1, k, generator=rng, dtype=torch.float64, requires_grad=True)
    said = torch.randint(k - 1, (u,), generator=rng)
    wanted = by_all_ways(logits, said.tolist())
    (wanted_gradient,) = torch.autograd.grad(wanted, logits)
    found = transducer_loss(logits[None], torch.tensor([s]), said[None], torch.tensor([u]))
    (found_gradient,) = torch.autograd.grad(found, logits)
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(found_gradient, wanted_gradient)


def test_gradient_is_the_loss_s_slope_for_a_padded_batch():
    rng = torch.Generator().manual_seed(3)
    logits = torch.randn(3, 5, 4, 4, generator=rng, dtype=torch.float64, requires_grad=True)
    sizes = [(5, 3), (3, 2), (1, 0)]
    rows, n_said = (torch.tensor(part) for part in zip(*sizes, strict=True))
    said = torch.tensor([[0, 1, 2], [2, 2, 0], [1, 0, 0]])
    assert torch.autograd.gradcheck(lambda x: transducer_loss(x, rows, said, n_said), logits)
    (gradient,) = torch.autograd.grad(transducer_loss(logits, rows, said, n_said), logits)
    assert gradient[1, 3:].abs().max() == 0  # nothing is learned from padding
    assert gradient[1, :, 3:].abs().max() == 0
    alone = [by_all_ways(logits[b, :s, : u + 1], said[b, :u].tolist()) for b, (s, u) in enumerate(sizes)]
    torch.testing.assert_close(transducer_loss(logits, rows, said, n_said), torch.stack(alone).mean())


def test_a_long_recording_in_float32_has_the_loss_of_the_plain_recursion():
    """280 rows, 120 symbols, scores far apart: where sums of logs lose their digits."""
    s, u, k = 280, 120, 8
    rng = torch.Generator().manual_seed(4)
    logits = 8 * torch.randn(1, s, u + 1, k, generator=rng)
    logits[..., -1] -= 12.0
    said = torch.randint(k - 1, (1, u), generator=rng)
    scores = logits.double().log_softmax(-1)[0].numpy()
    row = [-math.inf] * (u + 1)
    for t in range(s):
        for v in range(u + 1):
            ways = [row[v] + scores[t - 1, v, -1] if t else (0.0 if v == 0 else -math.inf)]
            if v:
                ways.append(row[v - 1] + scores[t, v - 1, said[0, v - 1]])
            row[v] = np.logaddexp.reduce(ways)
    found = transducer_loss(logits.requires_grad_(), torch.tensor([s]), said, torch.tensor([u]))
    assert float(found.detach()) == pytest.approx(-(row[-1] + scores[-1, -1, -1]), rel=1e-6)
    found.backward()
    exact = logits.detach().double().requires_grad_()
    transducer_loss(exact, torch.tensor([s]), said, torch.tensor([u])).backward()
    torch.testing.assert_close(logits.grad, exact.grad.float(), rtol=1e-3, atol=1e-5)


# --- what is heard


HOW = Augmentation(
    speed_min=0.85,
    speed_max=1.15,
    n_band_masks=2,
    widest_band_mask=20,
    n_time_masks=10,
    longest_time_mask=0.03,
    dither=0.0,
)


def test_masks_hide_what_the_rules_allow():
    rng = np.random.default_rng(0)
    bands = np.ones((400, 80), np.float32)
    widest_columns = widest_rows = 0
    for _ in range(200):
        hidden = masked(bands, HOW, rng) == 0
        columns, rows = hidden.all(0).sum(), hidden.all(1).sum()
        assert (hidden == (hidden.all(0)[None] | hidden.all(1)[:, None])).all()  # stripes alone
        widest_columns, widest_rows = max(widest_columns, columns), max(widest_rows, rows)
    assert 20 < widest_columns <= 40
    assert 12 < widest_rows <= 120
    assert (bands == 1).all()  # the recording itself is left alone
    nothing = dataclasses.replace(HOW, n_band_masks=0, n_time_masks=0)
    assert (masked(bands, nothing, rng) == bands).all()


@pytest.mark.parametrize("factor", [0.85, 1.0, 1.15])
def test_speed_moves_a_tone(factor):
    rate_hz, tone_hz = 16_000, 1_000
    tone = np.sin(2 * np.pi * tone_hz * np.arange(rate_hz) / rate_hz).astype(np.float32)
    found = faster(tone, factor)
    assert len(found) == round(rate_hz / factor)
    loudest_hz = np.abs(np.fft.rfft(found)).argmax() * rate_hz / len(found)
    assert loudest_hz == pytest.approx(tone_hz * factor, abs=2)
    assert np.abs(found).max() == pytest.approx(1.0, abs=0.05)


def test_silence_at_both_ends_is_off_and_within_stays():
    rate_hz = 16_000
    speech = np.random.default_rng(0).normal(0, 0.1, rate_hz).astype(np.float32)
    quiet = np.zeros(rate_hz, np.float32)
    found = trimmed(np.concatenate([quiet, speech, quiet, speech, quiet]), rate_hz)
    assert 3 * rate_hz <= len(found) <= 3 * rate_hz + 2 * 2048
    assert len(trimmed(quiet, rate_hz)) == rate_hz
    assert np.isfinite(plain_features(quiet[:100], LIBRISPEECH)).all()


def test_buckets_hold_like_lengths_and_lose_nothing_but_the_last_batch():
    durations = np.random.default_rng(1).uniform(1, 16, 203)
    order = BucketOrder(durations, 10, seed=1, n_buckets=4)
    assert order.steps_per_epoch == 20
    epochs = [[order.batch(step + 20 * epoch) for step in range(20)] for epoch in (0, 1)]
    for batches in epochs:
        assert len({int(i) for b in batches for i in b}) == 200
        spans = [np.ptp(durations[b]) for b in batches]
        assert np.mean(spans) < 5 < np.ptp(durations)
        assert [b.mean() for b in map(durations.__getitem__, batches)] != sorted(durations[b].mean() for b in batches)
    assert {int(i) for b in epochs[0] for i in b} != {int(i) for b in epochs[1] for i in b}
    again = BucketOrder(durations, 10, seed=1, n_buckets=4)
    assert (again.batch(25) == epochs[1][5]).all()


# --- the benchmark


def make(folder=None, profile=small, **changes):
    config = dataclasses.replace(profile(), **changes)
    return recipe("rnnt").make(config, "small", Surroundings(seed=1, data=folder))


def ready(benchmark):
    benchmark.build()
    benchmark.load()
    return benchmark


def test_rate_rises_stays_and_falls_to_the_floor():
    benchmark = ready(
        make(
            warmup_epochs=2.0,
            hold_epochs=3.0,
            decay_gamma=0.5,
            learning_rate=1.0,
            min_learning_rate=0.1,
            global_batch_size=90,
        )
    )
    per_epoch = benchmark.order.steps_per_epoch
    assert per_epoch == 5
    rates = [benchmark.learning_rate(step) for step in range(10 * per_epoch)]
    assert rates[:10] == pytest.approx([max((n + 1) / 11, 0.1) for n in range(10)])
    assert rates[10:25] == [1.0] * 15
    assert rates[25:50] == pytest.approx([0.5] * 5 + [0.25] * 5 + [0.125] * 5 + [0.1] * 10)


def test_evaluation_uses_the_average_of_weights():
    benchmark = ready(make(ema=0.75))
    start = {n: p.clone() for n, p in benchmark.average.named_parameters()}
    benchmark.step()
    for name, p in benchmark.net.named_parameters():
        torch.testing.assert_close(
            dict(benchmark.average.named_parameters())[name], 0.75 * start[name] + 0.25 * p.detach()
        )
    with torch.no_grad():
        for p in benchmark.average.parameters():
            p.zero_()
        benchmark.average.joint.net[2].bias[-1] = 1.0  # always the blank
    assert benchmark.evaluate() == {"WER": 1.0}


def test_recognition_stops_after_the_longest():
    torch.manual_seed(0)
    net = Rnnt(shape_of(dataclasses.replace(small(), **NARROW))).eval()
    with torch.no_grad():
        net.joint.net[2].bias[3] = 100.0  # always "three"
        found = Greedy(net, longest=7, per_row=3)(torch.zeros(2, 12, 120), torch.tensor([12, 2]))
    assert found.tolist() == [[3] * 7, [-1] * 4 + [3] * 3]


@pytest.mark.slow
def test_a_short_run_learns():
    benchmark = make(encoder=64, joint=64, target=0.8, max_epochs=30.0)
    outcome = train(benchmark, clock=RealClock(), emit=lambda e: None)
    assert outcome.status is Status.SUCCESS, outcome.reason


# --- LibriSpeech's files


LIBRI = {
    **NARROW,
    "train_sets": ("train-clean-100", "train-other-500"),
    "global_batch_size": 4,
    "gradient_accumulation_steps": 2,
    "warmup_epochs": 0.0,
    "learning_rate": 2e-2,
    "n_workers": 2,
}


def test_reference_format_is_read_and_learned_from(tmp_path):
    benchmark = make(librispeech(tmp_path), profile=reference, **LIBRI)
    benchmark.build()
    schedule = benchmark.load()
    assert (schedule.train_samples, schedule.eval_samples, schedule.steps_per_epoch) == (8, 4, 2)
    losses = [benchmark.step().loss for _ in range(12)]
    assert np.mean(losses[-3:]) < np.mean(losses[:3])
    assert benchmark.corpus.symbols.text(benchmark.corpus.symbols.numbers("it's the cat")) == "it's the cat"
    assert benchmark.evaluate()["WER"] >= 0
    heard = benchmark.batches.evaluation([0, 3])
    assert heard.features.shape[2] == 240
    assert heard.rows[0] < heard.rows[1] == heard.features.shape[1]


def test_pieces_of_the_gradient_make_the_whole_batch(tmp_path):
    still = {"encoder_dropout": 0.0, "prediction_dropout": 0.0, "joint_dropout": 0.0, "n_band_masks": 0,
             "n_time_masks": 0, "speed_min": 1.0, "speed_max": 1.0, "dither": 0.0}  # fmt: skip
    losses = [ready(make(gradient_accumulation_steps=n, **still)).step().loss for n in (1, 4)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_the_reference_s_manifests_are_read(tmp_path):
    librispeech(tmp_path, ".wav")
    for part in ("train-clean-100", "dev-clean"):
        records = []
        for number, path in enumerate(sorted((tmp_path / part).rglob("*.wav"))):
            length = 17.0 if number == 3 else 0.5
            files = [{"fname": str(path.relative_to(tmp_path))}]
            records.append({"transcript": WORDS[number].lower(), "files": files, "original_duration": length})
        (tmp_path / f"librispeech-{part}-wav.json").write_text(json.dumps(records))
        for text in (tmp_path / part).rglob("*.trans.txt"):
            text.unlink()
    changes = LIBRI | {"train_sets": ("train-clean-100",), "global_batch_size": 3}
    benchmark = make(tmp_path, profile=reference, **changes)
    benchmark.build()
    schedule = benchmark.load()
    assert (schedule.train_samples, schedule.eval_samples) == (3, 4)  # too long to learn from, but judged


def lose(folder):
    next((folder / "train-other-500").rglob("*0002.flac")).unlink()


def few_pieces(folder):
    pieces(folder / "librispeech1023.model", size=500)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lose, "train-other-500 is without 1 of 4 recordings: 20-7-0002.flac; expected all that the transcripts name"),
        (lambda f: (f / "dev-clean").rename(f / "dev"), "dev-clean is absent; expected a folder of recordings, or"),
        (lambda f: (f / "librispeech1023.model").unlink(), "is absent; expected a sentencepiece model of 1,023"),
        (lambda f: (f / "librispeech1023.model").write_bytes(b"no"), "is not a sentencepiece model"),
        (few_pieces, "librispeech1023.model is a model of 500 word pieces; expected 1,023"),
        (lambda f: next(f.rglob("*0001.flac")).write_bytes(b"torn"), "0001.flac is not a FLAC file"),
    ],
)
def test_spoilt_data_is_named(tmp_path, spoil, message):
    benchmark = make(librispeech(tmp_path), profile=reference, **LIBRI)
    spoil(tmp_path)
    benchmark.build()
    with pytest.raises(BadFile) as caught:
        benchmark.load()
    assert message in str(caught.value)


def test_no_data_and_too_few_recordings_are_named(tmp_path):
    with pytest.raises(BadFile, match="expected a folder with train-clean-100, train-other-500, dev-clean and"):
        ready(make(None, profile=reference, **LIBRI))
    with pytest.raises(BadFile, match=r"is 8 recordings under 16\.7 s; expected one batch of 9 at least"):
        ready(make(librispeech(tmp_path), profile=reference, **LIBRI | {"global_batch_size": 9}))


def test_a_sound_cut_short_is_named_in_training(tmp_path):
    benchmark = ready(make(librispeech(tmp_path), profile=reference, **LIBRI))
    for path in (tmp_path / "train-clean-100").rglob("*.flac"):
        path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(BadFile, match="expected a complete recording"):
        benchmark.batches.train(np.arange(8), np.random.default_rng(0))


def write_manifest(folder, part):
    files = sorted((folder / part).rglob("*.wav"))
    records = [
        {"transcript": "a", "files": [{"fname": str(p.relative_to(folder))}], "original_duration": 0.5} for p in files
    ]
    (folder / f"librispeech-{part}-wav.json").write_text(json.dumps(records))


@pytest.mark.parametrize("suffix", [".flac", ".wav"])
def test_librispeech_is_verified(tmp_path, monkeypatch, suffix):
    check, config = recipe("rnnt").verify, dataclasses.replace(reference(), train_sets=LIBRI["train_sets"])
    librispeech(tmp_path, suffix)
    if suffix == ".wav":
        write_manifest(tmp_path, "dev-clean")
    told = [str(p) for p in check(tmp_path, config).problems]
    assert told == [
        f"{tmp_path.name} is 4 recordings of train-clean-100; expected 28,539",
        f"{tmp_path.name} is 4 recordings of train-other-500; expected 148,688",
        f"{tmp_path.name} is 4 recordings of dev-clean; expected 2,703",
    ]
    monkeypatch.setattr(published, "RECORDINGS", dict.fromkeys(published.RECORDINGS, 4))
    report = check(tmp_path, config)
    assert (report.complete, report.counts["word pieces"]) == (True, 1023)


def other_sound(path, channels=1, rate_hz=16_000, n=800):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(bytes(2 * channels * n))


CHAPTER = "dev-clean/84/7"
SPOILT_FILES = [
    (lambda f: (f / "84-7-0001.wav").unlink(), "84-7-0001.flac is absent; expected a recording"),
    (lambda f: (f / "84-7-0001.wav").write_bytes(b""), "84-7-0001.wav is not readable as sound ()"),
    (lambda f: other_sound(f / "84-7-0001.wav", rate_hz=8000), "is of 8,000 samples a second, 1 channels; expected 16"),
    (lambda f: other_sound(f / "84-7-0001.wav", channels=2), "2 channels; expected 16,000, one channel"),
    (lambda f: other_sound(f / "84-7-0001.wav", n=0), "84-7-0001.wav is without sound"),
    (
        lambda f: (f / "84-7-0001.wav").write_bytes((f / "84-7-0001.wav").read_bytes()[:900]),
        "is 900 bytes long; expected 8,000 samples of 16 bits, as its header says",
    ),
    (lambda f: (f / "84-7.trans.txt").write_text("84-7-0000\n"), "84-7.trans.txt: line 1 is '84-7-0000'"),
    (lambda f: (f.parents[2] / "librispeech-dev-clean-wav.json").write_text("5"), "is not a list; expected a list"),
]


@pytest.mark.parametrize(("spoil", "message"), SPOILT_FILES)
def test_what_is_missing_of_librispeech_is_a_finding(tmp_path, monkeypatch, spoil, message):
    librispeech(tmp_path, ".wav")
    monkeypatch.setattr(published, "RECORDINGS", dict.fromkeys(published.RECORDINGS, 4))
    spoil(tmp_path / CHAPTER)
    config = dataclasses.replace(reference(), train_sets=LIBRI["train_sets"])
    (problem,) = recipe("rnnt").verify(tmp_path, config).problems
    assert message in str(problem)
    assert problem.where.startswith(("dev-clean/84/7/84-7", "librispeech-dev-clean"))


def test_a_flac_header_alone_is_read_and_other_pieces_are_findings(tmp_path, monkeypatch):
    monkeypatch.setattr(published, "RECORDINGS", dict.fromkeys(published.RECORDINGS, 4))
    few_pieces(librispeech(tmp_path))
    next(tmp_path.rglob("84-7-0001.flac")).write_bytes(b"torn")
    (tmp_path / "train-clean-100").rename(tmp_path / "elsewhere")
    config = dataclasses.replace(reference(), train_sets=LIBRI["train_sets"])
    assert [str(p) for p in recipe("rnnt").verify(tmp_path, config).problems] == [
        "train-clean-100 is absent; expected a folder of recordings, or librispeech-train-clean-100-wav.json beside it",
        "dev-clean/84/7/84-7-0001.flac is not a FLAC file; expected FLAC",
        f"{tmp_path.name} is 500 word pieces; expected 1,023",
    ]


def test_the_packed_recordings_are_those_of_their_card():
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name, n in (("digits-learn", 450), ("digits", 150)):
        assert hashlib.sha256((FOLDER / f"{name}.npz").read_bytes()).hexdigest() in text
        digits = packed_digits(name=name)
        assert (len(digits.parts), len(digits.transcripts)) == (n, n)
        assert {word for line in digits.transcripts for word in line.split()} == set(SPOKEN_DIGITS.symbols)
