"""The task itself: puts prompts, model and scoring together for one request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.core.data_report import DataReport
from mlassay.core.errors import UsageError
from mlassay.core.model import Generation, ModelSpec, TensorSpec
from mlassay.tasks.generation import dataset, postprocess
from mlassay.tasks.generation.accuracy import Bounds, Scorer
from mlassay.tasks.generation.dataset import PACKED, Prompts
from mlassay.tasks.generation.rouge import porter_stem, sentence_lines
from mlassay.tasks.generation.rules import RULED
from mlassay.tasks.generation.tokenizer import Pieces, Published, Tokenizer
from mlassay.tasks.item_library import ItemLibrary
from mlassay.tasks.task import OpenTask, Profile, QualityTarget, TaskRequest

SMALL = Profile(
    name="small",
    summary="the vowels of 200 Bible verses to write back, and our own small Llama: packed, no download",
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
PACKED_NAME = "vowel-llama"
SMALL_HOW = Generation(ends=(0,), most=80)
SHARE = 0.99
"""Of what the packed network reaches, a run must reach so much."""

_TIMED = "timed: reading the prompt and writing token after token; untimed: text to tokens, loading, tokens to text"


class LanguageGeneration:
    """How does a text go on? Judged by ROUGE and by how much was written."""

    name = "language-generation"
    summary = "a prompt in, new tokens out, one after the other; ROUGE, token counts, exact match"
    profiles = (SMALL, *_OFFICIAL, OWN)
    backends = ("onnx-generation", "openvino-generation", "torch-generation", "llama-cpp")
    options: Mapping[str, str] = {
        "tokenizer": "tokenizer.json; without it the one in a GGUF model, or beside the prompts",
        "new_tokens": "tokens after which an answer is cut",
        "beams": "continuations kept at every step (beam search); 1: greedy. gptj: 4, all others 1",
        "ends": "numbers of the tokens that end an answer, by commas",
        "dataset": "for data verify: cnn-dailymail, cnn-dailymail-edge or open-orca, whose size is then expected",
    }

    def open(self, request: TaskRequest) -> OpenTask:
        unknown = [key for key in request.options if key not in self.options]
        if unknown:
            raise UsageError(f"{self.name} has no option {unknown[0]!r}", hint=f"it has {', '.join(self.options)}")
        profile = self._profile(request)
        return _open_small(request) if profile is SMALL else _open_file(request, profile)

    def verify(self, request: TaskRequest) -> DataReport:
        """Look at every record of the prompts in request.data: what is missing or damaged."""
        if request.data is None:
            raise UsageError(f"{self.name}: which prompts?", hint="give --data FILE, or a FOLDER with one")
        return dataset.verify(request.data, request.options.get("dataset", ""))

    def _profile(self, request: TaskRequest) -> Profile:
        known = {p.name: p for p in self.profiles}
        wish = request.profile or (request.model if request.model in known else "")
        if wish and wish not in known:
            raise UsageError(f"{self.name} has no profile {wish!r}", hint=f"it has {', '.join(known)}")
        if wish:
            return known[wish]
        return OWN if request.model and request.model != PACKED_NAME else SMALL


def _open_small(request: TaskRequest) -> OpenTask:
    card = packed_card()
    prompts = dataset.open_prompts(request.data) if request.data else dataset.packed_prompts()
    how = _how(request, SMALL_HOW)
    judged = request.data is None and how == SMALL_HOW
    source = f"data card of {PACKED_NAME}: what the trained network reaches in 32-bit floats"
    rouge1 = float(card["rouge1_percent"])
    target = QualityTarget(metric="ROUGE-1", reference=rouge1, factor=SHARE, source=source) if judged else None
    per_sample = float(card["tokens_per_sample"])
    bounds = Bounds(
        least={"rouge2": SHARE * card["rouge2_percent"], "rougeL": SHARE * card["rougeL_percent"]},
        tokens_per_sample=(0.9 * per_sample, 1.1 * per_sample),
    )
    return _assemble(
        request,
        SMALL,
        prompts,
        packed_model(card, how),
        Pieces.read(PACKED / "vowel-pieces.txt"),
        target,
        bounds=bounds if judged else None,
        by_tokens=True,
    )


def _open_file(request: TaskRequest, profile: Profile) -> OpenTask:
    path = Path(request.model)
    if not request.model or request.model == profile.name:
        raise UsageError(f"{profile.name} needs a model file", hint="give --model FILE.onnx or FILE.gguf")
    if not path.is_file():
        raise UsageError(f"there is no model {request.model!r}", hint="give a path to an ONNX or GGUF file, or none")
    if request.data is None:
        raise UsageError(f"{profile.name} needs prompts", hint="give --data FILE.jsonl, .json or .parquet")
    from mlassay.tasks.generation import reference

    prompts = dataset.open_prompts(request.data)
    inside = None if path.suffix != ".gguf" or request.options.get("tokenizer") else reference.gguf_tokenizer(path)
    tokenizer = inside or _tokenizer(request)
    ruled = RULED.get(profile.name)
    how = _how(request, ruled.how if ruled else Generation(ends=inside.ends() if inside else (), most=128))
    whole = ruled is not None and len(prompts) == dataset.PUBLISHED[ruled.dataset]
    warnings = []
    if ruled and not whole:
        size = dataset.PUBLISHED[ruled.dataset]
        warnings.append(f"{len(prompts):,} prompts; {ruled.dataset} has {size:,}: no target")
    if ruled and how.beams != ruled.how.beams:
        warnings.append(f"the rule book asks with {_told(ruled.how.beams)}, not {_told(how.beams)}")
    if not how.ends:
        warnings.append("no end token is known: every answer is cut; give --task-option ends=NUMBER")
    lines = sentence_lines() if profile.official else None
    if profile.official and lines is None:
        warnings.append("NLTK's data for sentences (punkt_tab) are absent: ROUGE-Lsum takes lines as they stand")
    return _assemble(
        request,
        profile,
        prompts,
        reference.model_of_file(path, how),
        tokenizer,
        ruled.target(profile.name) if ruled and whole else None,
        bounds=ruled.bounds if ruled and whole else None,
        stem=porter_stem() if profile.official else None,
        by_lines=lines or str,
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
    how = model.generation
    assert how is not None

    def prepare(index: int) -> NDArray[np.int64]:
        prompt = prompts.items[index]
        return np.asarray(prompt.tokens or tokenizer.encode(prompt.text), np.int64)

    def truth(index: int) -> NDArray[np.int64]:
        prompt = prompts.items[index]
        return np.asarray([*tokenizer.encode(prompt.wanted), *how.ends[:1]], np.int64)

    library = ItemLibrary(
        prompts.name,
        total_count=len(prompts),
        performance_count=request.performance_count,
        prepare=prepare,
    )
    return OpenTask(
        name=LanguageGeneration.name,
        profile=profile,
        library=library,
        model=model,
        target=target,
        encode=postprocess.encode,
        score=Scorer(
            n=len(prompts),
            wanted=lambda index: prompts.items[index].wanted,
            tokenizer=tokenizer,
            target=target,
            **scoring,
        ),
        truth=truth,
        timed=_TIMED,
        data={"name": prompts.name, **prompts.about, "most_new_tokens": how.most},
        warnings=warnings,
    )


def packed_card() -> dict[str, Any]:
    """Numbers measured when the packed model was made: accuracy, SHA-256, seed."""
    card: dict[str, Any] = json.loads((PACKED / f"{PACKED_NAME}.json").read_text(encoding="utf-8"))
    return card


def packed_model(card: Mapping[str, Any], how: Generation = SMALL_HOW) -> ModelSpec:
    return ModelSpec(
        name=PACKED_NAME,
        files={"onnx": PACKED / f"{PACKED_NAME}.onnx", "gguf": PACKED / f"{PACKED_NAME}.gguf"},
        inputs=(TensorSpec("input_ids", (None, None), "int64"), TensorSpec("attention_mask", (None, None), "int64")),
        outputs=(TensorSpec("logits", (None, None, None)),),
        generation=how,
        about={"licence": "Apache-2.0", "origin": "scripts/train_generation.py", **card},
    )


def _how(request: TaskRequest, usual: Generation) -> Generation:
    given = request.options
    most, ends, beams = given.get("new_tokens", ""), given.get("ends", ""), given.get("beams", "")
    if most and not (most.isdigit() and int(most) > 0):
        raise UsageError(f"new_tokens={most} is not a number of tokens")
    if beams and not (beams.isdigit() and int(beams) > 0):
        raise UsageError(f"beams={beams} is not a number of beams", hint="1 is greedy; the rule book's GPT-J has 4")
    if ends and not all(part.strip().isdigit() for part in ends.split(",")):
        raise UsageError(f"ends={ends} is not a list of token numbers")
    chosen = tuple(int(part) for part in ends.split(",")) if ends else usual.ends
    longest = int(most) if most else usual.most
    return Generation(
        ends=chosen,
        most=longest,
        least=min(usual.least, longest),
        beams=int(beams) if beams else usual.beams,
    )


def _told(beams: int) -> str:
    return "1 beam (greedily)" if beams == 1 else f"{beams} beams"


def _tokenizer(request: TaskRequest) -> Tokenizer:
    assert request.data is not None
    given = request.options.get("tokenizer")
    path = Path(given) if given else (request.data if request.data.is_dir() else request.data.parent) / "tokenizer.json"
    if not path.is_file():
        raise UsageError(f"there is no {path}", hint="give --task-option tokenizer=FILE: the model's tokenizer.json")
    return Pieces.read(path) if path.suffix == ".txt" else Published(path)


TASK = LanguageGeneration()
