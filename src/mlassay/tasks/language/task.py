"""The task itself: puts questions, windows, model and scoring together for one request."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.core.data_report import DataReport
from mlassay.core.errors import UsageError
from mlassay.core.model import ModelSpec, TensorSpec
from mlassay.tasks.item_library import ItemLibrary
from mlassay.tasks.language import dataset, postprocess
from mlassay.tasks.language.accuracy import Scorer
from mlassay.tasks.language.dataset import PACKED, Questions
from mlassay.tasks.language.preprocess import Window, WindowRule, answer_positions, windows_of
from mlassay.tasks.language.tokenizer import WordPieces
from mlassay.tasks.task import OpenTask, Profile, QualityTarget, TaskRequest
from mlassay.tasks.wishes import chosen_profile, model_file, read_card, required_data

SMALL = Profile(
    name="small",
    summary="400 questions on countries, elements and books and our own small BERT: packed, no download",
    benchmarks=("bert-99", "bert"),
)
BERT = Profile(
    name="bert-99",
    summary="the rule book's BERT-large on SQuAD v1.1: your ONNX file, your dev-v1.1.json and vocab.txt",
    benchmarks=("bert-99",),
    official=True,
    needs=("data", "model"),
)
BERT_999 = Profile(
    name="bert-99.9",
    summary="the same with the higher target of 99.9 %",
    benchmarks=("bert-99.9",),
    official=True,
    needs=("data", "model"),
)
OWN = Profile(
    name="own",
    summary="a model file of yours with the same inputs, on questions of yours in SQuAD's form",
    benchmarks=("bert-99",),
    needs=("model",),
)
SQUAD_RULE = WindowRule()
FACTS_RULE = WindowRule(length=96, stride=40, question=24)

_F1 = 90.874
_FACTORS = {BERT.name: 0.99, BERT_999.name: 0.999}
_TIMED = "timed: inference; untimed: splitting into word pieces and windows, loading; the words are chosen when scoring"
_NAMES = ("input_ids", "input_mask", "segment_ids")


def __getattr__(name: str) -> Any:
    """FACTS, the shape of the packed model, needs torch's module and is made when asked for."""
    if name == "FACTS":
        from mlassay.tasks.language.bert import Recipe

        return Recipe(vocabulary=800, width=96, layers=4, heads=4, inner=256, positions=FACTS_RULE.length)
    raise AttributeError(name)


class Language:
    """Which words of a paragraph answer a question? Judged by F1."""

    name = "language"
    summary = "a question and a paragraph in, the answer's place out; F1 and exact match"
    profiles = (SMALL, BERT, BERT_999, OWN)
    backends = ("onnxruntime",)
    options: Mapping[str, str] = {
        "vocab": "BERT's vocab.txt; without it the one beside the questions",
        "length": "pieces per window, where the model file leaves that open (384)",
    }

    def open(self, request: TaskRequest) -> OpenTask:
        profile = chosen_profile(self, request, "facts-bert")
        return self._open_small(request) if profile is SMALL else self._open_file(request, profile)

    def verify(self, request: TaskRequest) -> DataReport:
        """Look at the questions in request.data: what is missing, damaged or other than published."""
        return dataset.verify(required_data(self.name, request, "questions", hint=f"give --data {dataset.SQUAD_FILE}"))

    def _open_small(self, request: TaskRequest) -> OpenTask:
        card = packed_card()
        pieces = WordPieces.read(PACKED / "facts-vocab.txt")
        questions = dataset.open_questions(request.data) if request.data else dataset.packed_questions()
        target = None
        if request.data is None:
            target = QualityTarget(
                metric="F1", reference=card["f1_percent"], factor=0.99, source="data card of facts-bert"
            )
        return _assemble(request, SMALL, questions, pieces, FACTS_RULE, packed_model(card), target)

    def _open_file(self, request: TaskRequest, profile: Profile) -> OpenTask:
        path = model_file(profile, request)
        if profile.official:
            required_data(
                profile.name, request, "SQuAD v1.1", hint=f"give --data FOLDER with {dataset.SQUAD_FILE} and vocab.txt"
            )
        from mlassay.tasks.language import reference

        questions = dataset.open_questions(request.data) if request.data else dataset.packed_questions()
        pieces = _vocabulary(request)
        model = reference.model_of_file(path)
        rule = SQUAD_RULE if request.data else FACTS_RULE
        rule = WindowRule(_length(model, request, rule.length), rule.stride, rule.question)
        whole = len(questions) == dataset.SQUAD_QUESTIONS
        factor = _FACTORS.get(profile.name)
        target = None
        if factor and whole:
            source = f"inference rules: {profile.name}"
            target = QualityTarget(metric="F1", reference=_F1, factor=factor, source=source)
        warnings: tuple[str, ...] = ()
        if profile.official and not whole:
            warnings = (f"{len(questions):,} of SQuAD's {dataset.SQUAD_QUESTIONS:,} questions: no target",)
        return _assemble(request, profile, questions, pieces, rule, model, target, warnings)


def _assemble(
    request: TaskRequest,
    profile: Profile,
    questions: Questions,
    pieces: WordPieces,
    rule: WindowRule,
    model: ModelSpec,
    target: QualityTarget | None,
    warnings: tuple[str, ...] = (),
) -> OpenTask:
    windows = windows_of(questions, pieces, rule)
    library = ItemLibrary(
        questions.name,
        total_count=len(windows),
        performance_count=request.performance_count,
        prepare=lambda index: windows[index].arrays(pieces, rule.length),
    )
    return OpenTask(
        name=Language.name,
        profile=profile,
        library=library,
        model=model,
        target=target,
        encode=postprocess.encode,
        score=Scorer(questions=questions, windows=windows, pieces=pieces, length=rule.length, target=target),
        truth=partial(_truth, questions, windows, pieces, rule.length),
        timed=_TIMED,
        data={"name": questions.name, **questions.about, "windows": len(windows), "window_pieces": rule.length},
        warnings=warnings,
    )


def _truth(
    questions: Questions, windows: list[Window], pieces: WordPieces, length: int, index: int
) -> NDArray[np.float32]:
    """High scores where the first answer begins and ends, if this window holds it."""
    window = windows[index]
    scores = np.zeros((length, 2), np.float32)
    places = answer_positions(questions.items[window.question], window, pieces)
    if places is not None:
        scores[places[0], 0] = scores[places[1], 1] = 10.0
    return scores


def packed_card() -> dict[str, Any]:
    """Numbers measured when the packed model was made: accuracy, SHA-256, seed."""
    return read_card(PACKED / "facts-bert.json")


def packed_model(card: Mapping[str, Any]) -> ModelSpec:
    return ModelSpec(
        name="facts-bert",
        files={"onnx": PACKED / "facts-bert.onnx"},
        inputs=tuple(TensorSpec(name, (None, FACTS_RULE.length), "int64") for name in _NAMES),
        outputs=tuple(TensorSpec(f"output_{side}_logits", (None, FACTS_RULE.length)) for side in ("start", "end")),
        finish=postprocess.finish,
        about={"licence": "Apache-2.0", "origin": "scripts/train_language.py", **card},
    )


def _vocabulary(request: TaskRequest) -> WordPieces:
    given = request.options.get("vocab")
    if given:
        return WordPieces.read(Path(given))
    if request.data is None:
        return WordPieces.read(PACKED / "facts-vocab.txt")
    beside = (request.data if request.data.is_dir() else request.data.parent) / "vocab.txt"
    if not beside.is_file():
        raise UsageError(f"there is no {beside}", hint="give --task-option vocab=FILE: BERT's uncased vocab.txt")
    return WordPieces.read(beside)


def _length(model: ModelSpec, request: TaskRequest, usual: int) -> int:
    """Positions of the model's windows, from its file, or as said."""
    given = request.options.get("length", "")
    if given and not given.isdigit():
        raise UsageError(f"length={given} is not a number of pieces")
    fixed = {tensor.shape[1] for tensor in model.inputs if len(tensor.shape) == 2 and tensor.shape[1]}
    sizes = fixed | ({int(given)} if given else set())
    if len(sizes) > 1:
        raise UsageError(f"{model.name} wants {'; '.join(map(str, model.inputs))}; length={given} was given")
    return sizes.pop() or usual if sizes else usual


TASK = Language()
