"""LibriSpeech in small: noise for sound, four sentences, and word pieces of the reference's number."""

from __future__ import annotations

import wave

import numpy as np
import pytest

WORDS = ("THE CAT SAT", "A DOG RAN", "IT'S THE CAT", "THE DOG SAT")


def write_sound(path, seconds, seed):
    noise = np.random.default_rng(seed).normal(0, 3000, int(16_000 * seconds)).astype("<i2")
    if path.suffix == ".flac":
        pytest.importorskip("soundfile").write(path, noise, 16_000, subtype="PCM_16")
        return
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(noise.tobytes())


def librispeech(folder, suffix=".flac", shortest_s=0.4):
    """Two training parts as OpenSLR unpacks them, dev-clean, and a sentencepiece model of the reference's size."""
    for part, speaker in (("train-clean-100", 19), ("train-other-500", 20), ("dev-clean", 84)):
        chapter = folder / part / str(speaker) / "7"
        chapter.mkdir(parents=True)
        lines = []
        for number, words in enumerate(WORDS):
            name = f"{speaker}-7-{number:04d}"
            write_sound(chapter / f"{name}{suffix}", shortest_s + 0.1 * number, speaker + number)
            lines.append(f"{name} {words}")
        (chapter / f"{speaker}-7.trans.txt").write_text("\n".join(lines) + "\n")
    pieces(folder / "librispeech1023.model")
    return folder


def pieces(path, size=1_023):
    sentencepiece = pytest.importorskip("sentencepiece")
    rng = np.random.default_rng(0)
    letters = list("abcdefghijklmnopqrstuvwxyz'")
    made = [" ".join("".join(rng.choice(letters, 6)) for _ in range(5)) for _ in range(400)]
    text = [w.lower() for w in WORDS] * 20 + made
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text), model_prefix=str(path.with_suffix("")), vocab_size=size, model_type="unigram",
        bos_id=-1, eos_id=-1, minloglevel=2,
    )  # fmt: skip
    return path
