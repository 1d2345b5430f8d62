"""Generation with continuous batching, on a model whose every word is known beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlassay.backends.generation import Cache, Engine, GeneratingSUT, Generator, StepModel, Tokens, Work
from mlassay.backends.onnx_generation import OnnxGeneration
from mlassay.core.enums import Scenario
from mlassay.core.errors import BadFile, UsageError
from mlassay.core.model import Generation, ModelSpec
from mlassay.core.settings import Server, Settings, TokenBounds
from mlassay.loadgen.drive import drive
from mlassay.loadgen.plan import plan
from mlassay.tasks.item_library import ItemLibrary
from mlassay.testing.sut_check import check_sut
from tests.backends import tiny_onnx

VOCABULARY = 97
HOW = Generation(ends=(0,), most=12)
PROMPTS = [np.random.default_rng(n).integers(1, VOCABULARY, 1 + n % 7) for n in range(24)]


def next_token(seen: list[int]) -> int:
    """Depends on every token so far and on its place; now and then it is the end."""
    value = sum((place + 3) * token for place, token in enumerate(seen)) % VOCABULARY
    return 0 if value % 11 == 0 else value


def wanted(prompt: Tokens, how: Generation = HOW) -> list[int]:
    seen, made = prompt.tolist(), []
    while len(made) < how.most and (not made or made[-1] not in how.ends):
        token = next_token([*seen, *made])
        if token in how.ends and len(made) + 1 < how.least:
            token = 1
        made.append(token)
    return made


class Scripted:
    """Remembers tokens as a transformer remembers keys: its memory is (B, 1, P, 1)."""

    def __init__(self, fails_at: int = 0) -> None:
        self.calls: list[tuple[int, int]] = []
        self._fails_at = fails_at

    def step(self, tokens: Tokens, mask: Tokens, positions: Tokens, cache: Cache) -> tuple[Any, Cache]:
        self.calls.append(tokens.shape)
        if self._fails_at and len(self.calls) >= self._fails_at:
            raise ValueError("out of paper")
        new = tokens[:, None, :, None].astype(np.float32)
        kept: Mapping[str, Any] = {"seen": np.concatenate([cache["seen"], new], 2) if cache else new}
        assert kept["seen"].shape[2] == mask.shape[1]
        logits = np.zeros((len(tokens), VOCABULARY), np.float32)
        for row, (memory, shown, place) in enumerate(zip(kept["seen"], mask, positions, strict=True)):
            seen = memory[0, shown == 1, 0].astype(int).tolist()
            assert place[-1] == len(seen) - 1
            logits[row, 1] = 0.5
            logits[row, next_token(seen)] = 1.0
        return logits, kept


class ScriptedSUT(GeneratingSUT):
    name = "scripted-generation"

    def __init__(self, model: StepModel, max_batch: int = 4) -> None:
        super().__init__(HOW, max_batch)
        self._model = model

    def load_engine(self) -> Generator:
        return Generator(self._model, self.how, self.max_batch)


def library() -> ItemLibrary:
    return ItemLibrary("prompts", total_count=24, performance_count=24, prepare=PROMPTS.__getitem__)


def in_company(engine: Engine, prompts: Sequence[Tokens]) -> dict[int, list[int]]:
    """All answers; at most two prompts join at every other step, while others are under way."""
    waiting, made = list(range(len(prompts))), {}
    step = 0
    while waiting or engine.busy:
        done: list[Work] = []
        if waiting and engine.room and step % 2 == 0:
            some = [waiting.pop(0) for _ in range(min(engine.room, 2, len(waiting)))]
            done += engine.admit([Work(i, prompts[i]) for i in some])
        if engine.busy:
            done += engine.step()
        step += 1
        made.update({work.sample_id: work.made for work in done})
    return made


@pytest.mark.parametrize("max_batch", [1, 3, 8])
def test_company_changes_no_answer(max_batch: int) -> None:
    model = Scripted()
    generator = Generator(model, HOW, max_batch)
    made = in_company(generator, PROMPTS)
    assert made == {i: wanted(prompt) for i, prompt in enumerate(PROMPTS)}
    assert max(rows for rows, _ in model.calls) <= max_batch
    assert generator.tokens == sum(map(len, made.values()))


def test_no_end_before_enough_tokens() -> None:
    how = Generation(ends=(0,), most=12, least=9)
    for prompt in PROMPTS:
        generator = Generator(Scripted(), how, 1)
        done = generator.admit([Work(0, prompt)])
        while generator.busy:
            done = generator.step()
        assert done[0].made == wanted(prompt, how)
        assert len(done[0].made) >= 9


def test_keeps_the_contract_of_a_sut() -> None:
    check_sut(lambda: ScriptedSUT(Scripted()), library(), expected=lambda i: np.asarray(wanted(PROMPTS[i])), queries=16)


def test_first_tokens_and_counts_reach_the_trace() -> None:
    load = Server(target_qps=500.0, tokens=TokenBounds(ttft_ns=10**9, tpot_ns=10**9))
    settings = Settings(
        scenario=Scenario.SERVER, load=load, min_duration_ns=0, min_query_count=40, token_latencies=True
    )
    samples = library()
    recording = drive(settings, plan(settings, 24, 24), ScriptedSUT(Scripted()), samples)
    trace = recording.trace
    assert not recording.faults
    assert trace.first_ns is not None
    assert trace.n_tokens is not None
    assert (trace.first_ns > 0).all()
    assert (trace.first_ns <= trace.done_ns).all()
    assert trace.n_tokens.tolist() == [len(wanted(PROMPTS[i])) for i in trace.index]


def test_a_model_that_fails_ends_the_run() -> None:
    load = Server(target_qps=500.0)
    settings = Settings(scenario=Scenario.SERVER, load=load, min_duration_ns=0, min_query_count=40)
    recording = drive(settings, plan(settings, 24, 24), ScriptedSUT(Scripted(fails_at=5)), library())
    assert any("ValueError: out of paper" in fault.detail for fault in recording.faults)


def test_a_model_of_one_pass_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    path = tiny_onnx.brightest_channel(tmp_path / "m.onnx")
    with pytest.raises(UsageError) as caught:
        OnnxGeneration(path)
    assert str(caught.value) == "m.onnx is not said to generate\n  next: a backend such as onnxruntime runs one pass"
    spec = ModelSpec(name="m", files={"onnx": path}, inputs=(), generation=HOW)
    with pytest.raises(
        BadFile, match=r"m\.onnx: inputs and outputs is picture float32 .*scores .*; expected input_ids, attention_mask"
    ):
        OnnxGeneration(spec).load_engine()
    with pytest.raises(UsageError, match="option max_batch is 0; expected 1 or more"):
        OnnxGeneration(spec, max_batch=0)
    with pytest.raises(UsageError, match="m has no onnx file"):
        OnnxGeneration(ModelSpec(name="m", files={}, inputs=(), generation=HOW))
