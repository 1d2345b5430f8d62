"""The task itself: puts recordings, features, model and scoring together for one request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mlassay.core.data_report import DataReport
from mlassay.core.errors import UsageError
from mlassay.core.model import ModelSpec, TensorSpec
from mlassay.tasks.item_library import ItemLibrary
from mlassay.tasks.speech import accuracy, dataset
from mlassay.tasks.speech.dataset import LONGEST_S, PACKED, Recordings
from mlassay.tasks.speech.postprocess import Encoder, HearAndRun
from mlassay.tasks.speech.words import WHISPER_CHARACTERS, Compare, as_they_are, can_normalise, whisper_words
from mlassay.tasks.task import OpenTask, Profile, QualityTarget, TaskRequest
from mlassay.tasks.wishes import chosen_profile, model_file, read_card, required_data
from mlassay.training.rnnt.features import FeatureRule
from mlassay.training.rnnt.labels import CHARACTERS, SPOKEN_DIGITS, Labels

SMALL = Profile(
    name="small",
    summary="150 recordings of spoken digits and our own small RNN-T: packed, no download",
    benchmarks=("rnnt", "whisper"),
)
RNNT = Profile(
    name="rnnt",
    summary="the rule book's RNN-T on LibriSpeech dev-clean under 15 s: your ONNX file, your recordings",
    benchmarks=("rnnt",),
    official=True,
    needs=("data", "model"),
)
WHISPER = Profile(
    name="whisper",
    summary="the rule book's Whisper on LibriSpeech packed to 30 s: your folder of ONNX files or SUT, your manifest",
    benchmarks=("whisper",),
    official=True,
    needs=("data", "model"),
    backend="onnx-generation",
)
OWN = Profile(
    name="own",
    summary="a model file of yours with the same inputs, on recordings of yours in LibriSpeech's form",
    benchmarks=("rnnt",),
    needs=("data", "model"),
)
_LABELS: Mapping[str, Labels] = {
    "characters": CHARACTERS,
    "whisper": WHISPER_CHARACTERS,
    "digits": SPOKEN_DIGITS,
}
_TARGET = QualityTarget(
    metric="word accuracy", reference=92.548, factor=0.99, source="inference rules: rnnt (100 % minus 7.452 % errors)"
)
_WHISPER_TARGET = QualityTarget(
    metric="word accuracy", reference=97.9329, factor=0.99, source="inference rules v5.1: whisper"
)
_PLAIN = (
    "the rule book's Whisper script compares words after OpenAI's text normaliser: pip install 'mlassay[audio]';"
    " without it words are compared as they are, and there is no target"
)
_HINT = "give --data FOLDER (LibriSpeech dev-clean) or a manifest .json"
_TIMED = "timed: waveform to features, encoder, greedy search; untimed: reading and decoding sound, loading"
_TIMED_WHISPER = (
    "timed: waveform to features, encoder, token after token; untimed: reading sound, loading, tokens to text"
)

Say = Callable[[Sequence[int]], str]
"""Tokens to text."""


class Speech:
    """What was said? Judged by words in error."""

    name = "speech"
    summary = "a recording in, its words out; word error rate"
    profiles = (SMALL, RNNT, WHISPER, OWN)
    backends = ("onnxruntime",)
    options: Mapping[str, str] = {
        "labels": f"symbols that the model knows: {', '.join(_LABELS)}",
        "longest": f"leave out recordings of so many seconds and more ({LONGEST_S:g}; whisper 30)",
    }

    def open(self, request: TaskRequest) -> OpenTask:
        profile = chosen_profile(self, request, "digits-rnnt")
        return _open_small(request) if profile is SMALL else _open_files(request, profile)

    def prepare(self, raw: Path, out: Path, *, told: Callable[[str], None]) -> Path:
        """Join LibriSpeech's dev-clean and dev-other to recordings of nearly 30 seconds, for Whisper."""
        from mlassay.tasks.speech import repack

        return repack.prepare(raw, out, told=told)

    def verify(self, request: TaskRequest) -> DataReport:
        """Look at the recordings in request.data: what is missing, damaged or other than published."""
        return dataset.verify(required_data(self.name, request, "recordings", hint=_HINT))


def _open_small(request: TaskRequest) -> OpenTask:
    if request.data is not None:
        raise UsageError(
            "the small profile has its own recordings of digits", hint="give a model for yours: --model FILE.onnx"
        )
    card = packed_card()
    target = QualityTarget(
        metric="word accuracy",
        reference=card["word_accuracy_percent"],
        factor=0.99,
        source="data card of digits-rnnt",
    )
    recordings = dataset.packed_recordings()
    return _assemble(request, SMALL, recordings, packed_model(card, recordings.rule), target, recordings.labels)


def _open_files(request: TaskRequest, profile: Profile) -> OpenTask:
    data = required_data(profile.name, request, "recordings", hint=_HINT)
    warnings: tuple[str, ...] = ()
    usual = "30" if profile is WHISPER else f"{LONGEST_S:g}"
    longest = request.options.get("longest", usual)
    if not longest.replace(".", "", 1).isdigit():
        raise UsageError(f"longest={longest} is not a number of seconds")
    recordings = dataset.open_recordings(data, float(longest) + (1e-9 if profile is WHISPER else 0.0))
    name = request.options.get("labels", "whisper" if profile is WHISPER else "characters")
    if name not in _LABELS:
        raise UsageError(f"there are no labels {name!r}", hint=f"known: {', '.join(_LABELS)}")
    target, compare, say = None, as_they_are, None
    if profile is WHISPER:
        model, say = _whisper(request)
        if not can_normalise():
            warnings = (_PLAIN,)
        else:
            compare = whisper_words
            if len(recordings) == dataset.PACKED_30_S:
                target = _WHISPER_TARGET
            else:
                warnings = (f"{len(recordings):,} of {dataset.PACKED_30_S:,} recordings packed to 30 s: no target",)
    else:
        model = _model_of(request, profile, recordings.rule)
        if profile is RNNT and len(recordings) == dataset.DEV_CLEAN_SHORT:
            target = _TARGET
        elif profile is RNNT:
            whole = f"{dataset.DEV_CLEAN_SHORT:,}"
            warnings = (f"{len(recordings):,} of dev-clean's {whole} recordings under 15 s: no target",)
    return _assemble(request, profile, recordings, model, target, _LABELS[name], warnings, compare, say)


def _model_of(request: TaskRequest, profile: Profile, rule: FeatureRule) -> ModelSpec:
    path = model_file(profile, request)
    return ModelSpec(name=path.name, files={"onnx": path}, inputs=_inputs(rule), infer=HearAndRun(rule))


def _whisper(request: TaskRequest) -> tuple[ModelSpec, Say | None]:
    """A folder of ONNX files, and what its tokens say; none for a SUT of the user's own."""
    if not request.model or request.model == WHISPER.name:
        return ModelSpec(name="whisper", files={}, inputs=()), None
    from mlassay.tasks.speech import reference

    folder = model_file(WHISPER, request, hint="give --model FOLDER", folders=True)
    model, tokenizer = reference.whisper_of(folder)
    return model, tokenizer.decode


def _inputs(rule: FeatureRule) -> tuple[TensorSpec, ...]:
    return TensorSpec("features", (None, None, rule.width)), TensorSpec("length", (None,), "int64")


def _assemble(
    request: TaskRequest,
    profile: Profile,
    recordings: Recordings,
    model: ModelSpec,
    target: QualityTarget | None,
    labels: Labels,
    warnings: tuple[str, ...] = (),
    compare: Compare = as_they_are,
    say: Say | None = None,
) -> OpenTask:
    library = ItemLibrary(
        recordings.name,
        total_count=len(recordings),
        performance_count=request.performance_count,
        prepare=recordings.read,
    )
    return OpenTask(
        name=Speech.name,
        profile=profile,
        library=library,
        model=model,
        target=target,
        encode=Encoder(labels, say),
        score=partial(accuracy.score, recordings=recordings, target=target, labels=labels, compare=compare),
        truth=lambda index: recordings.transcripts[index] if say else labels.numbers(recordings.transcripts[index]),
        timed=_TIMED if say is None else _TIMED_WHISPER,
        data={"name": recordings.name, **recordings.about},
        warnings=warnings,
    )


def packed_card() -> dict[str, Any]:
    """Numbers measured when the packed model was made: accuracy, SHA-256, seed."""
    return read_card(PACKED / "digits-rnnt.json")


def packed_model(card: Mapping[str, Any], rule: FeatureRule) -> ModelSpec:
    return ModelSpec(
        name="digits-rnnt",
        files={"onnx": PACKED / "digits-rnnt.onnx"},
        inputs=_inputs(rule),
        outputs=(TensorSpec("symbols", (None, None), "int64"),),
        infer=HearAndRun(rule),
        about={"licence": "Apache-2.0", "origin": "scripts/train_speech.py", **card},
    )


TASK = Speech()
