"""Train the packed speech recogniser, make its recordings, export it to ONNX and write its data card.

    apt-get install espeak-ng
    nice -n 19 python scripts/train_speech.py     # five minutes on one core; needs the extra torch

A small RNN-T learns digits that espeak-ng speaks in many voices, speeds and pitches, with noise. The packed recordings
are made in the same way from other draws and had no part in training.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import random
import subprocess
import time
import wave
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mlassay.tasks.speech.accuracy import score
from mlassay.tasks.speech.dataset import PACKED, Recordings, packed_recordings
from mlassay.tasks.speech.model import DIGITS, export
from mlassay.tasks.speech.postprocess import Encoder, HearAndRun
from mlassay.tasks.task import AccuracyResult
from mlassay.training.rnnt.digits import FOLDER
from mlassay.training.rnnt.features import DIGITS as RULE
from mlassay.training.rnnt.labels import SPOKEN_DIGITS
from mlassay.training.rnnt.loss import transducer_loss
from mlassay.training.rnnt.model import Rnnt
from mlassay.training.rnnt.sound import to_mu_law

HERE = Path(__file__).resolve().parent
VOICES = ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-us+f2", "en-gb+f4", "en-us+m3", "en-gb+m5")
Spoken = tuple[NDArray[np.float32], list[int]]


def main() -> None:
    args = arguments()
    if args.learn:
        spoken = [speak(random.Random(f"learn {k}"), most=4, noises=(0.0,)) for k in range(args.learn)]
        pack(args.sound, spoken, "digits-learn", steps=8)
        return
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    for folder in (args.out, args.sound):
        folder.mkdir(parents=True, exist_ok=True)
    test = [speak(random.Random(f"test {k}"), most=4) for k in range(args.test)]
    pack(args.sound, test)
    spoken = [speak(random.Random(f"train {args.seed} {k}"), most=5) for k in range(args.utterances)]
    print(f"{len(spoken)} utterances, {sum(len(w) for w, _ in spoken) / RULE.rate_hz:.0f} s of sound", flush=True)
    started = time.process_time()
    model, steps = train(Rnnt(DIGITS), spoken, args)
    cpu_s = time.process_time() - started
    path = args.out / "digits-rnnt.onnx"
    export(model, path, longest=16, per_row=4)
    found = evaluate(path, args.sound)
    print(found.official_line, dict(found.details), f"{cpu_s:.0f} s of CPU, {steps} steps")
    write_card(args, path, model, found, spoken, steps, cpu_s)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=PACKED)
    parser.add_argument("--sound", type=Path, default=FOLDER, help="folder of the recordings")
    parser.add_argument("--learn", type=int, help="only pack so many recordings for the training benchmark rnnt")
    parser.add_argument("--test", type=int, default=150)
    parser.add_argument("--utterances", type=int, default=900)
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--peak-rate", type=float, default=4e-3)
    parser.add_argument("--minutes", type=float, default=4.0, help="of CPU time")
    parser.add_argument("--seed", type=int, default=20260105)
    return parser.parse_args()


def speak(rng: random.Random, most: int, noises: tuple[float, ...] = (0.001, 0.003, 0.01)) -> Spoken:
    """Some digits in one voice, at 8,000 samples a second, with a little noise."""
    digits = [rng.randrange(10) for _ in range(rng.randint(1, most))]
    words = " ".join(SPOKEN_DIGITS.symbols[d] for d in digits)
    command = [
        "espeak-ng",
        "-v",
        rng.choice(VOICES),
        "-s",
        str(rng.randrange(150, 260)),
        "-p",
        str(rng.randrange(20, 80)),
    ]
    made = subprocess.run([*command, "--stdout", words], capture_output=True, check=True).stdout
    with wave.open(io.BytesIO(made)) as file:
        rate_hz = file.getframerate()
        samples = np.frombuffer(file.readframes(2**30), "<i2").astype(np.float32) / 32768
    samples = samples[: np.flatnonzero(np.abs(samples) > 1e-3).max() + rate_hz // 20]  # drop the silence at the end
    smooth = np.convolve(samples, np.ones(3) / 3, "same")  # against tones that 8,000 samples cannot hold
    slow = np.interp(np.arange(0, len(smooth), rate_hz / RULE.rate_hz), np.arange(len(smooth)), smooth)
    noise = np.random.default_rng(rng.randrange(2**32)).normal(0, rng.choice(noises), len(slow))
    return np.asarray(slow + noise, np.float32).clip(-1, 1), digits


def pack(out: Path, spoken: list[Spoken], name: str = "digits", steps: int = 1) -> None:
    """All recordings end to end in eight bits a sample, where each ends, and a line of words for each.

    With `steps` only every so many of the 256 values is used, so that the file shrinks.
    """
    sound = [to_mu_law(samples) for samples, _ in spoken]
    ends = np.cumsum([len(part) for part in sound]).astype(np.int64)
    levels = np.concatenate(sound) // steps * steps + steps // 2
    np.savez_compressed(out / f"{name}.npz", mu_law=levels.astype(np.uint8), ends=ends)
    lines = [SPOKEN_DIGITS.text(digits) for _, digits in spoken]
    (out / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def batch_of(
    rng: np.random.Generator, heard: list[NDArray[np.float32]], said: list[list[int]], size: int
) -> tuple[Tensor, ...]:
    chosen = rng.integers(len(heard), size=size)
    x = [torch.from_numpy(heard[k]) for k in chosen]
    y = [torch.tensor(said[k]) for k in chosen]
    features = nn.utils.rnn.pad_sequence(x, batch_first=True)
    features = features + 0.1 * torch.randn_like(features)
    return (
        features,
        torch.tensor([len(rows) for rows in x]),
        nn.utils.rnn.pad_sequence(y, batch_first=True),
        torch.tensor([len(row) for row in y]),
    )


def train(model: Rnnt, spoken: list[Spoken], args: argparse.Namespace) -> tuple[Rnnt, int]:
    """Adam; the rate rises, then falls to zero with the CPU time left. The weights kept are the last."""
    heard, said = [RULE.apply(samples) for samples, _ in spoken], [digits for _, digits in spoken]
    rng = np.random.default_rng(args.seed)
    optimiser = torch.optim.AdamW(model.parameters(), args.peak_rate, weight_decay=0.01)
    began, step, recent = time.process_time(), 0, []
    while (used := (time.process_time() - began) / (60 * args.minutes)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = args.peak_rate * min(1.0, (step + 1) / 100, 1.5 * (1 - used))
        features, length, symbols, n_symbols = batch_of(rng, heard, said, args.batch)
        logits, rows = model(features, length, symbols)
        loss = transducer_loss(logits, rows, symbols, n_symbols)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        step += 1
        recent.append(float(loss.detach()))
        if step % 100 == 0:
            print(
                f"step {step}: loss {np.mean(recent[-100:]):.4f}, CPU {time.process_time() - began:.0f} s", flush=True
            )
    return model.eval(), step


def evaluate(path: Path, out: Path) -> AccuracyResult:
    """The exported file on ONNX Runtime, a recording at a time."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    recordings: Recordings = packed_recordings(out)
    hear = HearAndRun(RULE)

    def run(batch):  # type: ignore[no-untyped-def]
        return session.run(None, {"features": batch[0], "length": batch[1]})

    encode = Encoder(SPOKEN_DIGITS)
    return score(((i, encode(hear([recordings.read(i)], run)[0])) for i in range(len(recordings))), recordings, None)


def write_card(
    args: argparse.Namespace,
    path: Path,
    model: Rnnt,
    found: AccuracyResult,
    spoken: list[Spoken],
    steps: int,
    cpu_s: float,
) -> None:
    version = subprocess.run(["espeak-ng", "--version"], capture_output=True, text=True, check=True).stdout
    numbers = {
        "model_sha256": _sha256(path),
        "model_bytes": path.stat().st_size,
        "parameters": sum(p.numel() for p in model.parameters()),
        "word_accuracy_percent": found.value,
        "wer_percent": found.details["wer"],
        "errors": found.details["errors"],
        "words": found.details["words"],
        "recordings": found.n,
        "recordings_sha256": _sha256(args.sound / "digits.npz"),
        "transcripts_sha256": _sha256(args.sound / "digits.txt"),
        "train_utterances": len(spoken),
        "train_seconds": round(sum(len(w) for w, _ in spoken) / RULE.rate_hz),
        "steps": steps,
        "batch": args.batch,
        "seed": args.seed,
        "train_cpu_s": round(cpu_s),
        "torch": torch.__version__,
        "espeak": version.split("Data")[0].strip(),
    }
    (args.out / "digits-rnnt.json").write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    template = (HERE / "speech_card.md").read_text(encoding="utf-8")
    (args.out / "README.md").write_text(template.format(**numbers), encoding="utf-8")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
