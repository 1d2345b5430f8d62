"""The task itself: puts sentences, model and scoring together for one request."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mlassay.core.data_report import DataReport
from mlassay.core.errors import UsageError
from mlassay.core.model import ModelSpec, TensorSpec
from mlassay.tasks.item_library import ItemLibrary
from mlassay.tasks.ragged import PadAndRun
from mlassay.tasks.task import OpenTask, Profile, QualityTarget, TaskRequest
from mlassay.tasks.translation import accuracy, dataset, postprocess
from mlassay.tasks.translation.bpe import FORMS
from mlassay.tasks.translation.dataset import PACKED, Sentences
from mlassay.tasks.wishes import chosen_profile, model_file, read_card, required_data

SMALL = Profile(
    name="small",
    summary="600 sentences with numbers, English to German, and our own small GNMT: packed, no download",
    benchmarks=("gnmt",),
)
GNMT = Profile(
    name="gnmt",
    summary="the v0.5 rule book's GNMT on newstest2014: your ONNX file, your folder of prepared sentences",
    benchmarks=("gnmt",),
    official=True,
    needs=("data", "model"),
)
OWN = Profile(
    name="own",
    summary="a model of yours: an ONNX file with the same inputs or a CTranslate2 folder; on sentences of yours",
    benchmarks=("gnmt",),
    needs=("model",),
)
INPUTS = (TensorSpec("source", (None, None), "int64"), TensorSpec("source_length", (None,), "int64"))

_TARGET = QualityTarget(metric="BLEU", reference=23.9, factor=0.99, unit="", source="inference rules v0.5: gnmt")
_HINT = "give --data FOLDER with newstest2014.tok.bpe.32000.en, .de and vocab.bpe.32000"
_TIMED = "timed: encoder, beam search, joining pieces to words; untimed: reading, splitting into pieces, loading"


class Translation:
    """What does an English sentence mean in German? Judged by BLEU."""

    name = "translation"
    summary = "one sentence in, its translation out; BLEU"
    profiles = (SMALL, GNMT, OWN)
    backends = ("onnxruntime",)
    options: Mapping[str, str] = {
        "pieces": "how words are cut: bpe (a@@ b) or sentencepiece (▁a b); own sentences and their model (bpe)",
    }

    def open(self, request: TaskRequest) -> OpenTask:
        profile = chosen_profile(self, request, "numbers-gnmt")
        return self._open_small(request) if profile is SMALL else self._open_file(request, profile)

    def verify(self, request: TaskRequest) -> DataReport:
        """Look at the sentences in request.data: what is missing, damaged or other than published."""
        return dataset.verify(required_data(self.name, request, "sentences", hint=_HINT))

    def _open_file(self, request: TaskRequest, profile: Profile) -> OpenTask:
        path = model_file(profile, request, folders=True)
        if profile.official:
            if path.is_dir():
                raise UsageError(
                    f"{profile.name} is a recurrent network; {path.name} is a folder, as of CTranslate2's Transformers",
                    hint="give GNMT's ONNX file, or leave --profile out",
                )
            required_data(profile.name, request, "newstest2014", hint=_HINT)
        sentences = _sentences(request, with_vocabularies=path.is_file())
        whole = profile.official and len(sentences) == dataset.NEWSTEST_LINES
        warnings: tuple[str, ...] = ()
        if profile.official and not whole:
            warnings = (f"{len(sentences):,} of newstest2014's {dataset.NEWSTEST_LINES:,} sentences: no target",)
        return _assemble(request, profile, sentences, _model(path, sentences), _TARGET if whole else None, warnings)

    def _open_small(self, request: TaskRequest) -> OpenTask:
        card = packed_card()
        sentences = _sentences(request)
        target = None
        if request.data is None:
            target = QualityTarget(
                metric="BLEU", reference=card["bleu"], factor=0.99, unit="", source="data card of numbers-gnmt"
            )
        return _assemble(request, SMALL, sentences, packed_model(card, sentences), target)


def _assemble(
    request: TaskRequest,
    profile: Profile,
    sentences: Sentences,
    model: ModelSpec,
    target: QualityTarget | None,
    warnings: tuple[str, ...] = (),
) -> OpenTask:
    def prepare(index: int) -> tuple[Any, ...]:
        if "ctranslate2" in model.files:
            return sentences.source[index]
        numbers = np.asarray(sentences.numbers(index), np.int64)
        return numbers, np.int64(len(numbers))

    library = ItemLibrary(
        sentences.name,
        total_count=len(sentences),
        performance_count=request.performance_count,
        prepare=prepare,
    )
    return OpenTask(
        name=Translation.name,
        profile=profile,
        library=library,
        model=model,
        target=target,
        encode=postprocess.encode,
        score=partial(accuracy.score, sentences=sentences, target=target),
        truth=lambda index: sentences.wanted[index],
        timed=_TIMED,
        data={"name": sentences.name, **sentences.about},
        warnings=warnings,
    )


def _sentences(request: TaskRequest, *, with_vocabularies: bool = True) -> Sentences:
    name = request.options.get("pieces", "bpe")
    if name not in FORMS:
        raise UsageError(f"pieces={name} is not known", hint=f"known: {', '.join(FORMS)}")
    if request.data is None:
        if name != "bpe":
            raise UsageError(f"pieces={name}: the packed sentences are cut as bpe", hint="give --data FOLDER")
        return dataset.packed_sentences()
    return dataset.open_sentences(request.data, form=FORMS[name], with_vocabularies=with_vocabularies)


def _model(path: Path, sentences: Sentences) -> ModelSpec:
    """An ONNX file with numbers in and out, or a CTranslate2 folder with pieces in and out."""
    if path.is_dir():
        join = postprocess.TranslateAndJoin(sentences.form.join)
        return ModelSpec(name=path.name, files={"ctranslate2": path}, inputs=(), infer=join)
    finish = postprocess.Finish(sentences.target_pieces, sentences.form.join)
    return ModelSpec(name=path.name, files={"onnx": path}, inputs=INPUTS, infer=PadAndRun(finish))


def packed_card() -> dict[str, Any]:
    """Numbers measured when the packed model was made: accuracy, SHA-256, seed."""
    return read_card(PACKED / "numbers-gnmt.json")


def packed_model(card: Mapping[str, Any], sentences: Sentences) -> ModelSpec:
    return ModelSpec(
        name="numbers-gnmt",
        files={"onnx": PACKED / "numbers-gnmt.onnx"},
        inputs=INPUTS,
        outputs=(TensorSpec("target", (None, None), "int64"),),
        infer=PadAndRun(postprocess.Finish(sentences.target_pieces)),
        about={"licence": "Apache-2.0", "origin": "scripts/train_translation.py", **card},
    )


TASK = Translation()
