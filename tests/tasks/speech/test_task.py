from __future__ import annotations

import hashlib
import importlib.util
import json
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlassay.core.errors import BadFile, UsageError
from mlassay.tasks.speech import accuracy, dataset
from mlassay.tasks.speech.dataset import PACKED
from mlassay.tasks.speech.task import TASK, packed_card
from mlassay.tasks.task import TaskRequest
from mlassay.testing.task_check import check_task
from mlassay.training.rnnt.digits import FOLDER
from tests.tasks.small_profile import opened_small, predicted, scored, small_answers

MODEL = str(PACKED / "digits-rnnt.onnx")


def librispeech(folder: Path, words: list[str]) -> Path:
    """Half a second of tone each, 16,000 samples a second."""
    chapter = folder / "84" / "121123"
    chapter.mkdir(parents=True)
    lines = []
    for number, text in enumerate(words):
        name = f"84-121123-{number:04d}"
        lines.append(f"{name} {text}")
        tone = (8000 * np.sin(np.arange(8000 + 400 * number) * 0.1)).astype("<i2")
        with wave.open(str(chapter / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(tone.tobytes())
    (chapter / "84-121123.trans.txt").write_text("\n".join(lines) + "\n")
    return folder


def test_small_profile_reaches_its_target() -> None:
    result = scored(opened_small("speech"), small_answers("speech"))
    assert result.n == result.expected_n == 150
    assert result.value == pytest.approx(packed_card()["word_accuracy_percent"], abs=0.3)
    assert result.passed is True
    assert result.official_line.startswith("Word Error Rate: ")


def test_keeps_the_contract_of_a_task() -> None:
    assert check_task(TASK).official_line == "Word Error Rate: 0.0%, accuracy=100.0%"


def test_word_error_rate_is_jiwer_s() -> None:
    jiwer = pytest.importorskip("jiwer")
    opened, recordings = opened_small("speech"), dataset.packed_recordings()
    said = [recordings.labels.text(answer) for answer in small_answers("speech")]
    said[:3] = ["", "one one one one one", "seven"]  # so that there is something to count
    result = scored(opened, said)
    assert result.details["wer"] == 100 * jiwer.wer(list(recordings.transcripts), said)


@pytest.mark.parametrize(
    ("backend", "module", "options"),
    [
        ("openvino", "openvino", {}),
        ("torch", "torch", {}),
        ("torch", "torch", {"precision": "int8"}),
    ],
)
def test_other_runtimes_hear_the_same(backend: str, module: str, options: dict[str, str]) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"no {module}")
    opened = opened_small("speech")
    found = scored(opened, predicted(opened, range(150), backend, **options))
    assert found.value == pytest.approx(packed_card()["word_accuracy_percent"], abs=0.6)
    assert found.passed is True


def test_a_runtime_without_loops_says_so() -> None:
    pytest.importorskip("cv2")
    with pytest.raises(BadFile, match=r"digits-rnnt\.onnx is not a model that OpenCV can read"):
        predicted(opened_small("speech"), [0], "opencv")


def test_one_at_a_time_is_the_same() -> None:
    opened, all_ = opened_small("speech"), small_answers("speech")
    for index in (3, 77, 149):
        assert np.array_equal(predicted(opened, [index])[0], all_[index])


def test_shuffled_ids_and_wrong_labels_fail() -> None:
    opened, found = opened_small("speech"), small_answers("speech")
    shuffled = scored(opened, [*found[1:], found[0]])
    assert shuffled.passed is False
    assert shuffled.value < 30
    recordings = dataset.packed_recordings()
    wrong = replace(recordings, transcripts=(*recordings.transcripts[1:], recordings.transcripts[0]))
    answers = [(i, opened.encoded(i, answer)) for i, answer in enumerate(found)]
    assert accuracy.score(answers, wrong, opened.target).passed is False


def test_missing_answers_do_not_pass() -> None:
    result = scored(opened_small("speech"), small_answers("speech")[:149])
    assert result.problems == ("1 of 150 samples have no answer",)
    assert result.passed is False


def test_the_wrong_rate_of_samples_fails() -> None:
    """Each second sample left out: what 8,000 a second look like when taken for 16,000."""
    pytest.importorskip("onnxruntime")
    opened = opened_small("speech")
    samples = [wave_[::2] for wave_ in opened.library.get(range(150))]
    from mlassay.backends.onnxruntime import OnnxRuntime

    sut = OnnxRuntime(opened.model, warmup=0)
    sut.open(None, opened.library)  # type: ignore[arg-type]
    found = [answer for begin in range(0, 150, 32) for answer in sut.predict(samples[begin : begin + 32])]
    sut.close()
    assert scored(opened, found).passed is False


def test_card_belongs_to_the_packed_files() -> None:
    card = json.loads((PACKED / "digits-rnnt.json").read_text(encoding="utf-8"))
    text = (PACKED / "README.md").read_text(encoding="utf-8")
    for key, path in (
        ("model_sha256", PACKED / "digits-rnnt.onnx"),
        ("recordings_sha256", FOLDER / "digits.npz"),
        ("transcripts_sha256", FOLDER / "digits.txt"),
    ):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == card[key]
        assert card[key] in text
    assert sum(path.stat().st_size for folder in (PACKED, FOLDER) for path in folder.iterdir()) < 3_200_000


def test_librispeech_with_a_model_of_one_s_own(tmp_path: Path) -> None:
    """A reference network in small, untrained: what it says is scored against LibriSpeech's words."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxruntime")
    from mlassay.tasks.speech.model import REFERENCE, export
    from mlassay.training.rnnt.model import Rnnt

    torch.manual_seed(1)
    recipe = replace(REFERENCE, encoder=16, prediction=8, joint=16)
    export(Rnnt(recipe), tmp_path / "m.onnx")
    folder = librispeech(tmp_path / "dev-clean", ["HELLO WORLD", "IT'S ME"])
    opened = TASK.open(TaskRequest(profile="rnnt", model=str(tmp_path / "m.onnx"), data=folder))
    assert opened.target is None
    assert opened.warnings == ("2 of dev-clean's 2,513 recordings under 15 s: no target",)
    opened.library.load([0, 1])
    result = scored(opened, predicted(opened, [0, 1]))
    assert result.n == 2
    assert result.details["words"] == 4
    assert check_truth(opened) == 100.0


def check_truth(opened: object) -> float:
    return scored(opened, [opened.truth(i) for i in range(2)]).value  # type: ignore[attr-defined, arg-type]


def test_whisper_is_a_sut_of_one_s_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("whisper_normalizer")
    folder = librispeech(tmp_path / "dev", ["MISTER BROWN PAID TWENTY ONE DOLLARS", "THE COLOUR OF EVERY ONE"])
    opened = TASK.open(TaskRequest(profile="whisper", data=folder))
    assert opened.warnings == ("2 of 1,633 recordings packed to 30 s: no target",)
    said = ["Mr. Brown paid $21", "the color of everyone"]  # texts, as a function of the user's returns them
    assert scored(opened, said).value == 100.0
    assert scored(opened, ["mister brown paid", said[1]]).details["errors"] == 1
    monkeypatch.setattr(dataset, "PACKED_30_S", 2)
    opened = TASK.open(TaskRequest(profile="whisper", data=folder))
    assert opened.target is not None
    assert opened.target.value == pytest.approx(96.9536, abs=1e-4)
    assert scored(opened, said).passed is True
    assert scored(opened, said[::-1]).passed is False


def test_whisper_without_the_normaliser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlassay.tasks.speech import task

    monkeypatch.setattr(task, "can_normalise", lambda: False)
    opened = TASK.open(TaskRequest(profile="whisper", data=librispeech(tmp_path / "dev", ["HELLO", "THE COLOUR"])))
    assert scored(opened, ["hello", "the colour"]).value == 100.0
    assert scored(opened, ["hello", "the color"]).details["errors"] == 1
    assert "pip install 'mlassay[audio]'" in opened.warnings[0]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (TaskRequest(profile="ctc"), "speech has no profile 'ctc'"),
        (TaskRequest(options={"colour": "grey"}), "speech has no option 'colour'"),
        (TaskRequest(profile="rnnt"), "rnnt needs recordings"),
        (TaskRequest(model="nowhere.onnx"), "own needs recordings"),
        (TaskRequest(data=Path("LibriSpeech")), "the small profile has its own recordings of digits"),
        (TaskRequest(model=MODEL, data=Path(), options={"longest": "long"}), "longest=long is not a number of seconds"),
    ],
)
def test_wishes_that_cannot_be_met(request_: TaskRequest, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        TASK.open(request_)
    assert caught.value.message == message
    with pytest.raises(UsageError, match="speech needs recordings"):
        TASK.verify(TaskRequest())


def test_models_and_labels_that_are_not_there(tmp_path: Path) -> None:
    folder = librispeech(tmp_path / "dev-clean", ["HELLO"])
    for request_, message in (
        (TaskRequest(model="nowhere.onnx", data=folder), "there is no model 'nowhere.onnx'"),
        (TaskRequest(model=MODEL, data=folder, options={"labels": "words"}), "there are no labels 'words'"),
    ):
        with pytest.raises(UsageError) as caught:
            TASK.open(request_)
        assert caught.value.message == message
