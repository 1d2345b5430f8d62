"""Train the packed question-answering model, make its questions, export it to ONNX and write its data card.

    nice -n 19 python scripts/train_language.py     # six minutes on one core; needs the extra torch

A small BERT learns to find answers in paragraphs of scrambled facts, where the capital of Latvia may be Doha: it must
read, it cannot remember. The packed questions are on true facts (scripts/language_facts.py), which training shows
only by chance.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from language_facts import KINDS, paragraph, real_things, scrambled_things
from numpy.typing import NDArray
from torch import Tensor, nn

from mlassay.tasks.language.accuracy import Scorer
from mlassay.tasks.language.bert import Bert
from mlassay.tasks.language.dataset import PACKED, Question, Questions, open_questions
from mlassay.tasks.language.model import export
from mlassay.tasks.language.postprocess import encode
from mlassay.tasks.language.preprocess import Window, answer_positions, windows_of
from mlassay.tasks.language.task import FACTS, FACTS_RULE
from mlassay.tasks.language.tokenizer import PADDING, SEPARATOR, START, UNKNOWN, WordPieces, words_of

HERE = Path(__file__).resolve().parent


def main() -> None:
    args = arguments()
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    pieces = make_vocabulary()
    recipe = replace(FACTS, vocabulary=len(pieces))
    (args.out / "facts-vocab.txt").write_text("\n".join(pieces.pieces) + "\n", encoding="utf-8")
    test = make_questions(args.out / "facts-questions.json", args.questions)
    started = time.process_time()
    model, steps = train(Bert(recipe), pieces, args)
    cpu_s = time.process_time() - started
    path = args.out / "facts-bert.onnx"
    export(model, path, FACTS_RULE.length)
    trained = evaluate(model, pieces, test)
    exported = evaluate_onnx(path, pieces, test)
    print("torch", trained.official_line, "\nONNX ", exported.official_line, f"\n{cpu_s:.0f} s of CPU, {steps} steps")
    if trained.official_line != exported.official_line:
        raise SystemExit("the exported model answers otherwise than the trained one")
    write_card(args, path, exported.details, sum(p.numel() for p in model.parameters()), steps, cpu_s)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=PACKED)
    parser.add_argument("--questions", type=int, default=400)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--peak-rate", type=float, default=1e-3)
    parser.add_argument("--minutes", type=float, default=6.0, help="of CPU time")
    parser.add_argument("--seed", type=int, default=20260102)
    return parser.parse_args()


def make_vocabulary() -> WordPieces:
    """Special pieces, every character, and every word of the templates and the facts."""
    words: set[str] = set()
    for kind in KINDS:
        for templates in (*kind.state.values(), *kind.ask.values()):
            words.update(*(words_of(template.replace("{s}", " ").replace("{v}", " ")) for template in templates))
        for name, values in kind.table.items():
            words.update(words_of(" ".join((name, *values))))
    characters = sorted(set("abcdefghijklmnopqrstuvwxyz0123456789.,?'-"))
    return WordPieces(
        [
            PADDING,
            UNKNOWN,
            START,
            SEPARATOR,
            *characters,
            *("##" + c for c in characters),
            *sorted(words - set(characters)),
        ]
    )


def make_questions(path: Path, n: int) -> Questions:
    """SQuAD-form questions on true facts."""
    rng = random.Random(11)
    paragraphs, total = [], 0
    while total < n:
        text, asked = paragraph(rng, real_things(rng, rng.choice((2, 3, 3, 4))))
        chosen = rng.sample(asked, min(4, len(asked), n - total))
        qas = [
            {
                "id": f"facts-{total + k:04d}",
                "question": one.question,
                "answers": [{"text": one.answer, "answer_start": one.start}],
            }
            for k, one in enumerate(chosen)
        ]
        paragraphs.append({"context": text, "qas": qas})
        total += len(chosen)
    content = {"version": "1.1", "data": [{"title": "Facts", "paragraphs": paragraphs}]}
    path.write_text(json.dumps(content, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")
    return open_questions(path)


def batch_of(rng: random.Random, pieces: WordPieces, size: int, most: int) -> tuple[Tensor, ...]:
    """Inputs, answer positions and marks of `size` windows on fresh paragraphs; a window without the answer says 0."""
    rows, positions, marks = [], [], []
    while len(rows) < size:
        text, asked = paragraph(rng, scrambled_things(rng, min(most, rng.choice((2, 3, 3, 4)))))
        chosen = rng.sample(asked, min(4, len(asked)))
        items = tuple(Question(str(k), one.question, text, (one.answer,), (one.start,)) for k, one in enumerate(chosen))
        for window in windows_of(Questions(name="", items=items), pieces, FACTS_RULE):
            rows.append(window.arrays(pieces, FACTS_RULE.length))
            positions.append(answer_positions(items[window.question], window, pieces) or (0, 0))
            name = chosen[window.question].about
            marks.append(marked(window, [one.sentence for one in asked if one.about == name]))
    arrays = [torch.from_numpy(np.stack(column)) for column in zip(*rows[:size], strict=True)]
    longest = int(arrays[1].sum(1).max())
    marked_rows = torch.from_numpy(np.stack(marks[:size]))[:, :longest]
    return (*(a[:, :longest] for a in arrays), marked_rows, torch.tensor(positions[:size]))


def marked(window: Window, sentences: list[tuple[int, int]]) -> NDArray[np.float32]:
    """(length,) for each position: 1 in a sentence about the thing that is asked for, 0 in another, -1 elsewhere."""
    split = window.paragraph
    begins = np.searchsorted(split.word_of_char, np.arange(len(split.words)))
    at = begins[split.word_of_piece[window.begin : window.begin + window.count]]
    marks = np.full(FACTS_RULE.length, -1, np.float32)
    inside = np.zeros(len(at), np.bool_)
    for begin, end in sentences:
        inside |= (at >= begin) & (at < end)
    marks[window.offset : window.offset + window.count] = inside
    return marks


def train(model: Bert, pieces: WordPieces, args: argparse.Namespace) -> tuple[Bert, int]:
    """AdamW; the rate rises, then falls to zero with the CPU time left. The weights kept are the last.

    After the last but one layer a helper that is thrown away later tells which sentences speak of the thing asked for.
    """
    rng = random.Random(args.seed)
    prepare(model)
    seen: list[Tensor] = []
    helper = nn.Linear(model.head.in_features, 1)
    hook = model.layers[-2].register_forward_hook(lambda _layer, _inputs, output: seen.append(output))
    optimiser = torch.optim.AdamW(
        [*model.parameters(), *helper.parameters()], args.peak_rate, betas=(0.9, 0.98), weight_decay=0.01
    )
    began, step, recent = time.process_time(), 0, []
    while (used := (time.process_time() - began) / (60 * args.minutes)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = args.peak_rate * min(1.0, (step + 1) / 100, 1.6 * (1 - used))
        *inputs, marks, answers = batch_of(rng, pieces, args.batch, most=2 if used < 0.3 else 4)
        begin, end = model(*inputs)
        loss = nn.functional.cross_entropy(begin, answers[:, 0]) + nn.functional.cross_entropy(end, answers[:, 1])
        recent.append(float(loss.detach()))
        told = helper(seen.pop())[..., 0][marks >= 0]
        loss = loss + 2 * nn.functional.binary_cross_entropy_with_logits(told, marks[marks >= 0])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        step += 1
        if step % 100 == 0:
            cpu_s = time.process_time() - began
            print(f"step {step}: loss {np.mean(recent[-100:]):.3f}, CPU {cpu_s:.0f} s", flush=True)
    hook.remove()
    return model.eval(), step


@torch.no_grad()
def prepare(model: Bert) -> None:
    """First weights with which a piece looks at its likes and its neighbours, so that minutes of training suffice.

    Words take two thirds of the width, places (sines and cosines) the last third, the segment four numbers between.
    In the first two layers half of the heads compare words, half compare places.
    """
    for weight in model.parameters():
        if weight.dim() > 1:
            nn.init.normal_(weight, 0, 0.1)
    n, width = model.places.weight.shape
    cut = width * 2 // 3
    angles = torch.arange(n)[:, None] / 30.0 ** (torch.arange(0, width - cut, 2) / (width - cut))
    model.places.weight.zero_()
    model.places.weight[:, cut:] = 0.14 * torch.cat([angles.sin(), angles.cos()], 1)
    model.words.weight[:, cut - 4 :] = 0
    model.segments.weight.zero_()
    model.segments.weight[:, cut - 4 : cut] = torch.tensor([[-0.2], [0.2]])
    for layer in model.layers[:2]:
        half = width // 2
        layer.query.weight.mul_(1.5)
        layer.query.weight[:half, cut - 4 :] = 0
        layer.query.weight[half:, :cut] = 0
        layer.query.weight[half:] *= 1.5
        layer.key.weight.copy_(layer.query.weight)


@torch.no_grad()
def evaluate(model: Bert, pieces: WordPieces, questions: Questions):  # type: ignore[no-untyped-def]
    windows = windows_of(questions, pieces, FACTS_RULE)
    rows = [w.arrays(pieces, FACTS_RULE.length) for w in windows]
    inputs = [torch.from_numpy(np.stack(column)) for column in zip(*rows, strict=True)]
    begin, end = (o.numpy() for o in model(*inputs))
    scorer = Scorer(questions=questions, windows=windows, pieces=pieces, length=FACTS_RULE.length, target=None)
    return scorer((i, encode(np.stack([begin[i], end[i]], 1))) for i in range(len(windows)))


def evaluate_onnx(path: Path, pieces: WordPieces, questions: Questions):  # type: ignore[no-untyped-def]
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [tensor.name for tensor in session.get_inputs()]
    windows = windows_of(questions, pieces, FACTS_RULE)

    def answer(index: int) -> bytes:
        arrays = windows[index].arrays(pieces, FACTS_RULE.length)
        begin, end = session.run(None, {n: a[None] for n, a in zip(names, arrays, strict=True)})
        return encode(np.stack([begin[0], end[0]], 1))

    scorer = Scorer(questions=questions, windows=windows, pieces=pieces, length=FACTS_RULE.length, target=None)
    return scorer((i, answer(i)) for i in range(len(windows)))


def write_card(
    args: argparse.Namespace, path: Path, found: dict[str, float], n_parameters: int, steps: int, cpu_s: float
) -> None:
    numbers = {
        "model_sha256": _sha256(path),
        "model_bytes": path.stat().st_size,
        "parameters": n_parameters,
        "f1_percent": found["f1"],
        "exact_match_percent": found["exact_match"],
        "questions": found["questions"],
        "questions_sha256": _sha256(args.out / "facts-questions.json"),
        "vocabulary_sha256": _sha256(args.out / "facts-vocab.txt"),
        "vocabulary": len(pieces_of(args.out)),
        "steps": steps,
        "batch": args.batch,
        "seed": args.seed,
        "train_cpu_s": round(cpu_s),
        "torch": torch.__version__,
    }
    (args.out / "facts-bert.json").write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    template = (HERE / "language_card.md").read_text(encoding="utf-8")
    (args.out / "README.md").write_text(template.format(**numbers), encoding="utf-8")


def pieces_of(folder: Path) -> WordPieces:
    return WordPieces.read(folder / "facts-vocab.txt")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
