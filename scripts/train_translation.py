"""Train the packed translation model, make its test sentences, export it to ONNX and write its data card.

    pip install num2words
    nice -n 19 python scripts/train_translation.py     # eight minutes on one core; needs the extra torch

A small GNMT learns sentences with numbers (scripts/translation_sentences.py). No test sentence is seen in training.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import time
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from translation_sentences import Pair, sentence

from mlassay.tasks.task import AccuracyResult
from mlassay.tasks.translation.accuracy import score
from mlassay.tasks.translation.bpe import Merges, learn
from mlassay.tasks.translation.dataset import PACKED, SPECIAL, Sentences, open_sentences
from mlassay.tasks.translation.gnmt import END, START, Gnmt, Recipe
from mlassay.tasks.translation.model import export
from mlassay.tasks.translation.postprocess import Finish, encode

HERE = Path(__file__).resolve().parent
IGNORED = -100


def main() -> None:
    args = arguments()
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    test = make_test(args.test, args.seed)
    stream = training_pairs(random.Random(args.seed), {source for source, _ in test})
    merges = [learn_side([next(stream) for _ in range(20_000)], side, args.merges) for side in (0, 1)]
    vocabularies = write_files(args.out, test, merges, stream)
    sentences = open_sentences(args.out)
    recipe = Recipe(
        source_vocabulary=len(vocabularies[0]),
        target_vocabulary=len(vocabularies[1]),
        units=args.units,
        encoder_layers=2,
        decoder_layers=2,
    )
    started = time.process_time()
    model, steps = train(Gnmt(recipe), stream, merges, vocabularies, args)
    cpu_s = time.process_time() - started
    path = args.out / "numbers-gnmt.onnx"
    export(model, path, longest=64)
    found = evaluate(path, sentences)
    print(found.official_line, found.value, dict(found.details), f"{cpu_s:.0f} s of CPU, {steps} steps")
    write_card(args, path, model, found, steps, cpu_s)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=PACKED)
    parser.add_argument("--test", type=int, default=600)
    parser.add_argument("--units", type=int, default=96)
    parser.add_argument("--merges", type=int, default=400)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--peak-rate", type=float, default=3e-3)
    parser.add_argument("--minutes", type=float, default=8.0, help="of CPU time")
    parser.add_argument("--seed", type=int, default=20260103)
    return parser.parse_args()


def make_test(n: int, seed: int) -> list[Pair]:
    rng = random.Random(seed + 1)
    found: dict[str, str] = {}
    while len(found) < n:
        source, target = sentence(rng)
        found.setdefault(source, target)
    return list(found.items())


def training_pairs(rng: random.Random, forbidden: set[str]):  # type: ignore[no-untyped-def]
    while True:
        pair = sentence(rng)
        if pair[0] not in forbidden:
            yield pair


def learn_side(pairs: list[Pair], side: int, n_merges: int) -> Merges:
    return learn(Counter(word for pair in pairs for word in pair[side].split()), n_merges)


def write_files(out: Path, test: list[Pair], merges: list[Merges], stream) -> list[tuple[str, ...]]:  # type: ignore[no-untyped-def]
    """Test sentences, merges and vocabularies, in the form of GNMT's own scripts."""
    vocabularies = []
    some = [next(stream) for _ in range(40_000)]
    for side, language in enumerate(("en", "de")):
        pieces = {piece for pair in some for piece in merges[side].split(pair[side])}
        vocabulary = (*SPECIAL, *sorted(pieces))
        vocabularies.append(vocabulary)
        (out / f"vocab.bpe.{language}").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
        merges[side].write(out / f"bpe.{language}.codes")
        lines = [" ".join(merges[side].split(pair[side])) for pair in test]
        (out / f"numbers.tok.bpe.{language}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return vocabularies


def batch_of(stream, merges: list[Merges], numbers: list[dict[str, int]], size: int) -> tuple[Tensor, ...]:  # type: ignore[no-untyped-def]
    pairs = [next(stream) for _ in range(size)]
    sources = [[numbers[0].get(p, 0) for p in merges[0].split(a)] for a, _ in pairs]
    targets = [[numbers[1].get(p, 0) for p in merges[1].split(b)] for _, b in pairs]
    length = torch.tensor([len(s) for s in sources])
    longest = max(len(t) for t in targets) + 1
    source = torch.tensor([s + [END] * (int(length.max()) - len(s)) for s in sources])
    fed = torch.tensor([[START, *t] + [END] * (longest - 1 - len(t)) for t in targets])
    wanted = torch.tensor([[*t, END] + [IGNORED] * (longest - 1 - len(t)) for t in targets])
    return source, length, fed, wanted


def train(  # type: ignore[no-untyped-def]
    model: Gnmt, stream, merges: list[Merges], vocabularies: list[tuple[str, ...]], args: argparse.Namespace
) -> tuple[Gnmt, int]:
    """Adam; the rate rises, then falls to zero with the CPU time left. The weights kept are the last."""
    numbers = [{piece: k for k, piece in enumerate(v)} for v in vocabularies]
    optimiser = torch.optim.Adam(model.parameters(), args.peak_rate, betas=(0.9, 0.98))
    began, step, recent = time.process_time(), 0, []
    while (used := (time.process_time() - began) / (60 * args.minutes)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = args.peak_rate * min(1.0, (step + 1) / 100, 1.5 * (1 - used))
        source, length, fed, wanted = batch_of(stream, merges, numbers, args.batch)
        logits = model(source, length, fed)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=IGNORED)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        step += 1
        recent.append(float(loss.detach()))
        if step % 100 == 0:
            print(
                f"step {step}: loss {np.mean(recent[-100:]):.4f}, CPU {time.process_time() - began:.0f} s", flush=True
            )
    return model.eval(), step


def evaluate(path: Path, sentences: Sentences) -> AccuracyResult:
    """The exported file on ONNX Runtime, a sentence at a time."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    finish = Finish(sentences.target_pieces)

    def answer(index: int) -> bytes:
        numbers = np.asarray(sentences.numbers(index), np.int64)
        fed = {"source": numbers[None], "source_length": np.asarray([len(numbers)])}
        return encode(finish(session.run(None, fed))[0])

    return score(((i, answer(i)) for i in range(len(sentences))), sentences, None)


def write_card(
    args: argparse.Namespace, path: Path, model: Gnmt, found: AccuracyResult, steps: int, cpu_s: float
) -> None:
    numbers = {
        "model_sha256": _sha256(path),
        "model_bytes": path.stat().st_size,
        "parameters": sum(p.numel() for p in model.parameters()),
        "units": args.units,
        "bleu": found.value,
        "exact": found.details["exact"],
        "sentences": found.n,
        "source_sha256": _sha256(args.out / "numbers.tok.bpe.en"),
        "references_sha256": _sha256(args.out / "numbers.tok.bpe.de"),
        "steps": steps,
        "batch": args.batch,
        "seed": args.seed,
        "train_cpu_s": round(cpu_s),
        "torch": torch.__version__,
        "num2words": version("num2words"),
    }
    (args.out / "numbers-gnmt.json").write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    template = (HERE / "translation_card.md").read_text(encoding="utf-8")
    (args.out / "README.md").write_text(template.format(**numbers), encoding="utf-8")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
