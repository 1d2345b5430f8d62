from __future__ import annotations

import hashlib
import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest

from mlassay.core.errors import UsageError
from mlassay.tasks.task import TaskRequest
from mlassay.tasks.translation import accuracy, dataset
from mlassay.tasks.translation.dataset import PACKED
from mlassay.tasks.translation.task import TASK, packed_card
from mlassay.testing.task_check import check_task
from tests.tasks.small_profile import opened_small, predicted, scored, small_answers
from tests.tasks.translation.test_dataset import newstest

MODEL = str(PACKED / "numbers-gnmt.onnx")


def test_small_profile_reaches_its_target() -> None:
    result = scored(opened_small("translation"), small_answers("translation"))
    assert result.n == result.expected_n == 600
    assert result.value == pytest.approx(packed_card()["bleu"], abs=0.05)
    assert result.passed is True
    assert result.official_line == f"BLEU: {result.value:.1f}"


def test_keeps_the_contract_of_a_task() -> None:
    assert check_task(TASK).official_line == "BLEU: 100.0"


def test_bleu_is_sacrebleu_s() -> None:
    """To the last digit, on the packed model's own answers and on worse ones."""
    sacrebleu = pytest.importorskip("sacrebleu")
    wanted = list(dataset.packed_sentences().wanted)
    good = small_answers("translation")
    worse = [" ".join(text.split()[1:][::-1]) if i % 3 else text for i, text in enumerate(good)]
    for found in (good, worse, [*good[1:], good[0]]):
        theirs = sacrebleu.corpus_bleu(found, [wanted], tokenize="none", force=True).score
        assert scored(opened_small("translation"), found).value == pytest.approx(theirs, rel=1e-13)


@pytest.mark.parametrize("backend", ["openvino", "torch"])
def test_other_runtimes_translate_the_same(backend: str) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"no {backend}")
    opened = opened_small("translation")
    found = predicted(opened, range(0, 600, 10), backend)
    same = sum(a == b for a, b in zip(found, small_answers("translation")[::10], strict=True))
    assert same >= 59  # of 60: two sums of the same numbers may break a tie differently


def test_one_at_a_time_is_the_same() -> None:
    opened, all_ = opened_small("translation"), small_answers("translation")
    alone = [predicted(opened, [index])[0] for index in (3, 77, 599)]
    assert alone == [all_[3], all_[77], all_[599]]


def test_shuffled_ids_and_wrong_references_fail() -> None:
    opened, found = opened_small("translation"), small_answers("translation")
    assert scored(opened, [*found[1:], found[0]]).passed is False
    sentences = dataset.packed_sentences()
    wrong = replace(sentences, wanted=(*sentences.wanted[1:], sentences.wanted[0]))
    result = accuracy.score(((i, opened.encoded(i, text)) for i, text in enumerate(found)), wrong, opened.target)
    assert result.passed is False
    assert result.value < 40


def test_shuffled_vocabulary_fails() -> None:
    """Line k of the vocabulary is the name of piece k + 1."""
    opened = opened_small("translation")
    sentences = dataset.packed_sentences()
    pieces = (*sentences.target_pieces[1:], sentences.target_pieces[0])
    from mlassay.tasks.ragged import PadAndRun
    from mlassay.tasks.translation.postprocess import Finish

    wrong = replace(opened, model=replace(opened.model, infer=PadAndRun(Finish(pieces))))
    assert scored(wrong, predicted(wrong, range(600))).passed is False


def test_missing_answers_do_not_pass() -> None:
    result = scored(opened_small("translation"), small_answers("translation")[:599])
    assert result.problems == ("1 of 600 samples have no answer",)
    assert result.passed is False


def test_card_belongs_to_the_packed_files() -> None:
    card = json.loads((PACKED / "numbers-gnmt.json").read_text(encoding="utf-8"))
    text = (PACKED / "README.md").read_text(encoding="utf-8")
    for key, name in (
        ("model_sha256", "numbers-gnmt.onnx"),
        ("source_sha256", "numbers.tok.bpe.en"),
        ("references_sha256", "numbers.tok.bpe.de"),
    ):
        assert hashlib.sha256((PACKED / name).read_bytes()).hexdigest() == card[key]
        assert card[key] in text
    assert sum(path.stat().st_size for path in PACKED.iterdir()) < 4_000_000


def test_newstest_with_a_model_of_one_s_own(tmp_path: Path) -> None:
    """A GNMT in small, untrained, exported as the reference is: what it writes is scored against newstest's words."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxruntime")
    from mlassay.tasks.translation.gnmt import Gnmt, Recipe
    from mlassay.tasks.translation.model import export

    torch.manual_seed(1)
    recipe = Recipe(source_vocabulary=8, target_vocabulary=8, units=8, encoder_layers=4, decoder_layers=4)
    export(Gnmt(recipe), tmp_path / "m.onnx", longest=16)
    folder = newstest(tmp_path / "data")
    opened = TASK.open(TaskRequest(profile="gnmt", model=str(tmp_path / "m.onnx"), data=folder))
    assert opened.target is None
    assert opened.warnings == ("2 of newstest2014's 3,003 sentences: no target",)
    opened.library.load([0, 1])
    result = scored(opened, predicted(opened, [0, 1]))
    assert result.n == 2
    assert result.details["reference_words"] == 4
    assert scored(opened, [opened.truth(0), opened.truth(1)]).details["exact"] == 2


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (TaskRequest(profile="transformer"), "translation has no profile 'transformer'"),
        (TaskRequest(options={"colour": "grey"}), "translation has no option 'colour'"),
        (TaskRequest(profile="gnmt"), "gnmt needs a model file"),
        (TaskRequest(model="nowhere.onnx"), "there is no model 'nowhere.onnx'"),
        (TaskRequest(profile="gnmt", model=MODEL), "gnmt needs newstest2014"),
        (TaskRequest(options={"pieces": "words"}), "pieces=words is not known"),
        (TaskRequest(options={"pieces": "sentencepiece"}), "pieces=sentencepiece: the packed sentences are cut as bpe"),
    ],
)
def test_wishes_that_cannot_be_met(request_: TaskRequest, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        TASK.open(request_)
    assert caught.value.message == message
    with pytest.raises(UsageError, match="translation needs sentences"):
        TASK.verify(TaskRequest())
