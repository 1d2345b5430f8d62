"""The task itself: puts prompts, model and scoring together for one request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.core.errors import UsageError
from mlassay.core.model import Generation, ModelSpec, TensorSpec
from mlassay.tasks.generation import dataset, postprocess
from mlassay.tasks.generation.accuracy import Scorer
from mlassay.tasks.generation.dataset import PACKED, Prompts
from mlassay.tasks.generation.rouge import porter_stem
from mlassay.tasks.generation.rules import RULED
from mlassay.tasks.generation.tokenizer import Pieces, Published, Tokenizer
from mlassay.tasks.item_library import ItemLibrary
from mlassay.tasks.task import OpenTask, Profile, QualityTarget, TaskRequest

SMALL = Profile(
    name="small",
    summary="200 verses of the World English Bible to go on with, and our own small Llama: packed, no download",
    benchmarks=("llama3.1-8b", "llama2-70b-99", "gptj-99"),
)
OWN = Profile(
    name="own",
    summary="a decoder-only model file of yours on prompts of yours",
    benchmarks=("llama3.1-8b", "llama2-70b-99", "gptj-99"),
    needs=("data", "model"),
)
_OFFICIAL = tuple(
    Profile(name=name, summary=ruled.summary, benchmarks=(name,), official=True, needs=("data", "model"))
    for name, ruled in RULED.items()
)
SMALL_HOW = Generation(ends=(0,), most=40)
_TIMED = "timed: reading the prompt and writing token after token; untimed: text to tokens, loading, tokens to text"


class LanguageGeneration:
    """How does a text go on? Judged by ROUGE and by how much was written."""

    name = "language-generation"
    summary = "a prompt in, new tokens out, one after the other; ROUGE, token counts, exact match"
    profiles = (SMALL, *_OFFICIAL, OWN)
    backends = ("onnx-generation",)
    options: Mapping[str, str] = {
        "tokenizer": "tokenizer.json; without it the one beside the prompts",
        "new_tokens": "tokens after which an answer is cut",
        "ends": "numbers of the tokens that end an answer, by commas",
    }

    def open(self, request: TaskRequest) -> OpenTask:
        unknown = [key for key in request.options if key not in self.options]
        if unknown:
            raise UsageError(f"{self.name} has no option {unknown[0]!r}", hint=f"it has {', '.join(self.options)}")
        profile = self._profile(request)
        return _open_small(request) if profile is SMALL else _open_file(request, profile)

    def _profile(self, request: TaskRequest) -> Profile:
        known = {p.name: p for p in self.profiles}
        wish = request.profile or (request.model if request.model in known else "")
        if wish and wish not in known:
            raise UsageError(f"{self.name} has no profile {wish!r}", hint=f"it has {', '.join(known)}")
        if wish:
            return known[wish]
        return OWN if request.model and request.model != "verse-llama" else SMALL


def _open_small(request: TaskRequest) -> OpenTask:
    card = packed_card()
    tokenizer = Pieces.read(PACKED / "verse-pieces.txt")
    prompts = dataset.open_prompts(request.data) if request.data else dataset.packed_prompts()
    how = _how(request, SMALL_HOW)
    target = None
    if request.data is None and how == SMALL_HOW:
        source = "data card of verse-llama: what the trained model itself writes, in 32-bit floats"
        target = QualityTarget(metric="ROUGE-1", reference=card["rouge1_percent"], factor=0.99, source=source)
    model = packed_model(card, how)
    if request.data is not None:
        return _assemble(request, SMALL, prompts, model, tokenizer, target, wanted=lambda i: prompts.items[i].wanted)
    return _assemble(
        request,
        SMALL,
        prompts,
        model,
        tokenizer,
        target,
        wanted=lambda i: tokenizer.decode(prompts.items[i].greedy),
        also=lambda i: prompts.items[i].wanted,
    )


def _open_file(request: TaskRequest, profile: Profile) -> OpenTask:
    path = Path(request.model)
    if not request.model or request.model == profile.name:
        raise UsageError(f"{profile.name} needs a model file", hint="give --model FILE.onnx")
    if not path.is_file():
        raise UsageError(f"there is no model {request.model!r}", hint="give a path to an ONNX file, or none at all")
    if request.data is None:
        raise UsageError(f"{profile.name} needs prompts", hint="give --data FILE.jsonl, .json or .parquet")
    from mlassay.tasks.generation import reference

    prompts = dataset.open_prompts(request.data)
    tokenizer = _tokenizer(request)
    ruled = RULED.get(profile.name)
    how = _how(request, ruled.how if ruled else Generation(ends=(), most=128))
    whole = ruled is not None and len(prompts) == dataset.PUBLISHED[ruled.dataset]
    warnings = []
    if ruled and not whole:
        size = dataset.PUBLISHED[ruled.dataset]
        warnings.append(f"{len(prompts):,} prompts; {ruled.dataset} has {size:,}: no target")
    if ruled and ruled.decoding != "greedy":
        warnings.append(f"the reference decodes by {ruled.decoding}; backend onnx-generation decodes greedily")
    if not how.ends:
        warnings.append("no end token is known: every answer is cut; give --task-option ends=NUMBER")
    return _assemble(
        request,
        profile,
        prompts,
        reference.model_of_file(path, how),
        tokenizer,
        ruled.target(profile.name) if ruled and whole else None,
        wanted=lambda i: prompts.items[i].wanted,
        bounds=ruled.bounds if ruled and whole else None,
        stem=porter_stem() if profile.official else None,
        by_tokens=bool(ruled and ruled.tokens_per_sample),
        warnings=tuple(warnings),
    )


def _assemble(
    request: TaskRequest,
    profile: Profile,
    prompts: Prompts,
    model: ModelSpec,
    tokenizer: Tokenizer,
    target: QualityTarget | None,
    warnings: tuple[str, ...] = (),
    **scoring: Any,
) -> OpenTask:
    def prepare(index: int) -> NDArray[np.int64]:
        prompt = prompts.items[index]
        return np.asarray(prompt.tokens or tokenizer.encode(prompt.text), np.int64)

    def truth(index: int) -> NDArray[np.int64]:
        prompt = prompts.items[index]
        return np.asarray(prompt.greedy or tokenizer.encode(prompt.wanted), np.int64)

    library = ItemLibrary(
        prompts.name,
        total_count=len(prompts),
        performance_count=request.performance_count,
        prepare=prepare,
    )
    assert model.generation is not None
    return OpenTask(
        name=LanguageGeneration.name,
        profile=profile,
        library=library,
        model=model,
        target=target,
        encode=postprocess.encode,
        score=Scorer(n=len(prompts), tokenizer=tokenizer, target=target, **scoring),
        truth=truth,
        timed=_TIMED,
        data={"name": prompts.name, **prompts.about, "most_new_tokens": model.generation.most},
        warnings=warnings,
    )


def packed_card() -> dict[str, Any]:
    """Numbers measured when the packed model was made: accuracy, SHA-256, seed."""
    card: dict[str, Any] = json.loads((PACKED / "verse-llama.json").read_text(encoding="utf-8"))
    return card


def packed_model(card: Mapping[str, Any], how: Generation = SMALL_HOW) -> ModelSpec:
    return ModelSpec(
        name="verse-llama",
        files={"onnx": PACKED / "verse-llama.onnx"},
        inputs=(TensorSpec("input_ids", (None, None), "int64"), TensorSpec("attention_mask", (None, None), "int64")),
        outputs=(TensorSpec("logits", (None, None, None)),),
        generation=how,
        about={"licence": "Apache-2.0", "origin": "scripts/train_generation.py", **card},
    )


def _how(request: TaskRequest, usual: Generation) -> Generation:
    most, ends = request.options.get("new_tokens", ""), request.options.get("ends", "")
    if most and not (most.isdigit() and int(most) > 0):
        raise UsageError(f"new_tokens={most} is not a number of tokens")
    if ends and not all(part.strip().isdigit() for part in ends.split(",")):
        raise UsageError(f"ends={ends} is not a list of token numbers")
    chosen = tuple(int(part) for part in ends.split(",")) if ends else usual.ends
    return Generation(ends=chosen, most=int(most) if most else usual.most, least=usual.least)


def _tokenizer(request: TaskRequest) -> Tokenizer:
    assert request.data is not None
    given = request.options.get("tokenizer")
    path = Path(given) if given else (request.data if request.data.is_dir() else request.data.parent) / "tokenizer.json"
    if not path.is_file():
        raise UsageError(f"there is no {path}", hint="give --task-option tokenizer=FILE: the model's tokenizer.json")
    return Pieces.read(path) if path.suffix == ".txt" else Published(path)


TASK = LanguageGeneration()
