"""The packed language model in every scenario, on prompts of its own and of a user's, and what is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

import mlassay
from mlassay.core.errors import BadFile, MlassayError, UsageError
from mlassay.core.outcome import Verdict
from mlassay.tasks.generation import dataset
from mlassay.tasks.generation.dataset import PACKED
from mlassay.tasks.generation.task import PACKED_NAME, TASK, packed_card
from mlassay.tasks.task import TaskRequest
from mlassay.testing.task_check import check_task

ONE_THREAD = {"intra_threads": 1}


def test_keeps_the_contract_of_a_task() -> None:
    best = check_task(TASK)
    assert best.value == 100.0
    assert best.details["exact_match"] == 100.0


def test_files_are_those_of_the_card() -> None:
    card = packed_card()
    for name, key in (
        (f"{PACKED_NAME}.onnx", "model"),
        (f"{PACKED_NAME}.gguf", "gguf"),
        ("vowel-pieces.txt", "pieces"),
        ("verses.jsonl", "prompts"),
    ):
        assert hashlib.sha256((PACKED / name).read_bytes()).hexdigest() == card[f"{key}_sha256"]
    assert (PACKED / f"{PACKED_NAME}.onnx").stat().st_size < 5e6
    text = (PACKED / "README.md").read_text(encoding="utf-8")
    assert card["model_sha256"] in text
    assert f"ROUGE-1 {card['rouge1_percent']:.4f} %" in text


def test_is_as_good_as_its_card_says(tmp_path: Path) -> None:
    results = mlassay.run(
        "language-generation", scenario="offline", mode="accuracy", backend_options=ONE_THREAD, out=tmp_path / "run"
    )
    found, card = results.accuracy, packed_card()
    assert found is not None
    assert found.passed is True
    assert found.n == card["prompts"]
    assert found.value == pytest.approx(card["rouge1_percent"], abs=0.2)
    assert found.details["exact_match"] == pytest.approx(card["exact_match_percent"], abs=1.0)
    assert "'gen_tok_len': " in found.official_line


def test_shuffled_numbers_of_tokens_are_seen(tmp_path: Path) -> None:
    """The map from token numbers to text is another than the model's."""
    first, ask, *pieces = (PACKED / "vowel-pieces.txt").read_text(encoding="utf-8").splitlines()
    (tmp_path / "pieces.txt").write_text("\n".join([first, ask, *pieces[::-1]]) + "\n", encoding="utf-8")
    results = mlassay.run(
        "language-generation",
        scenario="offline",
        mode="accuracy",
        model=PACKED / f"{PACKED_NAME}.onnx",
        data=PACKED / "verses.jsonl",
        task_options={"ends": "0", "new_tokens": "80", "tokenizer": str(tmp_path / "pieces.txt")},
        backend_options=ONE_THREAD,
        out=tmp_path / "run",
    )
    assert results.accuracy is not None
    assert results.accuracy.value < 10


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        ("single-stream", {}),
        ("multi-stream", {"samples_per_query": 2}),
        ("server", {"target_qps": 4.0, "ttft": "20s", "tpot": "20s"}),
        ("interactive", {"target_qps": 4.0, "ttft": "20s", "tpot": "20s"}),
        ("offline", {"samples": 8}),
    ],
)
def test_every_scenario(scenario: str, words: dict[str, Any], tmp_path: Path) -> None:
    results = mlassay.run(
        "language-generation",
        scenario=scenario,
        duration="300ms",
        queries=2,
        backend_options=ONE_THREAD,
        out=tmp_path / "run",
        **words,
    )
    assert not results.outcome.faults
    assert results.outcome.verdict in (Verdict.VALID, Verdict.INDICATIVE, Verdict.INVALID)
    summary = (tmp_path / "run" / "mlperf_log_summary.txt").read_text()
    if scenario in ("server", "interactive"):
        assert "TTFT" in summary or "First token" in summary
        assert "Time to Output Token" in summary or "TPOT" in summary
    if scenario == "offline":
        assert "Tokens per second" in summary


def test_prompts_of_a_user(tmp_path: Path) -> None:
    lines = [{"prompt": "n th bgnnng Gd crtd→", "output": "In the beginning God created"}, {"prompt": "lv→"}]
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    opened = TASK.open(TaskRequest(data=tmp_path / "mine.jsonl"))
    opened.library.load([0, 1])
    assert all(np.asarray(prompt).dtype == np.int64 for prompt in opened.library.get([0, 1]))
    assert opened.target is None
    results = mlassay.run(
        "language-generation", scenario="offline", mode="accuracy", data=tmp_path / "mine.jsonl", out=tmp_path / "run"
    )
    assert results.accuracy is not None
    assert results.accuracy.passed is None
    assert results.accuracy.n == 2


def official(tmp_path: Path, **more: Any) -> TaskRequest:
    """Llama 3.1 8B's profile, with the small model in its place and two prompts of the published form."""
    records = [{"instruction": "Summarize", "input": "x", "tok_input": [5, 6, 1], "output": "a. b."}] * 2
    (tmp_path / "cnn_eval.json").write_text(json.dumps(records))
    shutil.copy(PACKED / "vowel-pieces.txt", tmp_path / "pieces.txt")
    options = {"tokenizer": str(tmp_path / "pieces.txt")}
    data, model = tmp_path / "cnn_eval.json", str(PACKED / f"{PACKED_NAME}.onnx")
    return TaskRequest(**{"profile": "llama3.1-8b", "data": data, "model": model, "options": options} | more)


def test_the_rule_book_s_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nltk")
    opened = TASK.open(official(tmp_path))
    assert opened.target is None
    assert opened.warnings[0] == "2 prompts; cnn-dailymail has 13,368: no target"
    monkeypatch.setattr(dataset, "PUBLISHED", {"cnn-dailymail": 2})
    opened = TASK.open(official(tmp_path))
    assert opened.target is not None
    assert opened.target.value == pytest.approx(0.99 * 38.7792)
    result = opened.score([(i, opened.encoded(i, opened.truth(i))) for i in range(2)])
    assert result.value == 100.0
    assert result.problems == ("gen_len is 10; expected 7.35088e+06 to 8.98441e+06",)
    assert TASK.verify(official(tmp_path, options={"dataset": "cnn-dailymail"})).complete


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"model": ""}, "llama3.1-8b needs a model file"),
        ({"model": "absent.onnx"}, "there is no model 'absent.onnx'"),
        ({"data": None}, "llama3.1-8b needs prompts"),
        ({"options": {"tokenizer": "absent.json"}}, "there is no absent.json"),
        ({"options": {"tokens": "3"}}, "language-generation has no option 'tokens'"),
        ({"options": {"new_tokens": "many"}}, "new_tokens=many is not a number of tokens"),
        ({"options": {"ends": "1,x"}}, "ends=1,x is not a list of token numbers"),
        ({"profile": "llama4"}, "language-generation has no profile 'llama4'"),
    ],
)
def test_wrong_wishes(more: dict[str, Any], message: str, tmp_path: Path) -> None:
    if "options" in more and "tokenizer" not in more["options"]:
        more = {**more, "options": {**official(tmp_path).options, **more["options"]}}
    with pytest.raises(UsageError) as caught:
        TASK.open(official(tmp_path, **more))
    assert message in str(caught.value)


def test_files_that_do_not_fit(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"weights")
    with pytest.raises(UsageError, match=r"model\.bin is neither \.onnx nor \.gguf"):
        TASK.open(official(tmp_path, model=str(tmp_path / "model.bin")))
    classifier = Path(dataset.__file__).parents[1] / "image_classification/data/fashion-mobilenet.onnx"
    with pytest.raises(BadFile, match=r"inputs is .* float32 .*; expected input_ids, attention_mask"):
        TASK.open(official(tmp_path, model=str(classifier)))
    (tmp_path / "orca.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(BadFile, match="a pickle, which runs code when it is opened; expected"):
        TASK.open(official(tmp_path, data=tmp_path / "orca.pkl"))


def test_gguf_files(tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp")
    request = official(tmp_path, model=str(PACKED / f"{PACKED_NAME}.gguf"))
    assert set(TASK.open(request).model.files) == {"gguf"}
    with pytest.raises(UsageError, match=r"vowel-llama\.gguf has no tokenizer inside"):
        TASK.open(official(tmp_path, model=request.model, options={}))
    with pytest.raises(MlassayError, match=r"has no onnx file, which backend onnx-generation needs\n.*llama-cpp"):
        mlassay.run(
            "language-generation",
            scenario="offline",
            model=request.model,
            data=request.data,
            task_options=request.options,
        )
    (tmp_path / "broken.gguf").write_bytes(b"GGUF but no model")
    with pytest.raises(BadFile, match=r"not a model that llama\.cpp can load; expected a \.gguf file"):
        TASK.open(official(tmp_path, model=str(tmp_path / "broken.gguf"), options={}))
