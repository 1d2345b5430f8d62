"""Beam search against all answers there are, against greedy decoding, and in company."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlassay.backends.beam import BeamGenerator, log_softmax
from mlassay.backends.generation import Cache, Engine, GeneratingSUT, Generator, StepModel, Tokens, Work
from mlassay.core.enums import Scenario
from mlassay.core.model import Generation
from mlassay.core.settings import Server, Settings, TokenBounds
from mlassay.loadgen.drive import drive
from mlassay.loadgen.plan import plan
from mlassay.tasks.item_library import ItemLibrary
from mlassay.testing.sut_check import check_sut
from tests.backends.test_generation import in_company

END = 0
PROMPTS = [np.random.default_rng(n).integers(1, 5, 1 + n % 4) for n in range(12)]


class Drawn:
    """A language of few words: the scores of the next are drawn anew for everything that stands before it."""

    def __init__(self, seed: int, vocabulary: int) -> None:
        self.seed, self.vocabulary = seed, vocabulary

    def logits(self, seen: list[int]) -> Any:
        return np.random.default_rng([self.seed, *seen]).normal(size=self.vocabulary).astype(np.float32) * 2

    def step(self, tokens: Tokens, mask: Tokens, positions: Tokens, cache: Cache) -> tuple[Any, Cache]:
        new = tokens[:, None, :, None].astype(np.float32)
        kept: Mapping[str, Any] = {"seen": np.concatenate([cache["seen"], new], 2) if cache else new}
        rows = [memory[0, shown == 1, 0].astype(int).tolist() for memory, shown in zip(kept["seen"], mask, strict=True)]
        assert [len(row) - 1 for row in rows] == positions[:, -1].tolist()
        return np.stack([self.logits(row) for row in rows]), kept


def answered(model: StepModel, how: Generation, prompt: Tokens, kind: type[Any] = BeamGenerator) -> list[int]:
    engine = kind(model, how, 1)
    done = engine.admit([Work(0, prompt)])
    while engine.busy:
        done = engine.step()
    return list(done[0].made)


def every_answer(model: Drawn, how: Generation, prompt: list[int]) -> dict[tuple[int, ...], float]:
    """All that may be written, with its log probability per token."""
    words = [w for w in range(model.vocabulary) if w not in how.ends]
    ended = [(*w, END) for n in range(how.least - 1, how.most) for w in itertools.product(words, repeat=n)]
    found = {}
    for answer in [*ended, *itertools.product(words, repeat=how.most)]:
        total = sum(float(log_softmax(model.logits([*prompt, *answer[:k]]))[token]) for k, token in enumerate(answer))
        found[answer] = total / len(answer)
    return found


@given(st.integers(0, 10**6), st.integers(1, 3))
def test_with_beams_for_everything_the_best_answer_of_all_is_found(seed: int, least: int) -> None:
    model, how = Drawn(seed, 4), Generation(ends=(END,), most=4, least=least, beams=4**4)
    all_answers = every_answer(model, how, [1, 2])
    assert tuple(answered(model, how, np.asarray([1, 2]))) == max(all_answers, key=all_answers.__getitem__)


@given(st.integers(0, 10**6))
def test_one_beam_is_greedy(seed: int) -> None:
    """Unless the end comes: a greedy answer takes it, and so does a beam that has it first."""
    model, how = Drawn(seed, 6), Generation(ends=(END,), most=8)
    assert answered(model, how, np.asarray([3])) == answered(model, how, np.asarray([3]), Generator)


def test_more_beams_find_likelier_answers() -> None:
    """On the average over many languages; a single one may be worse off."""
    means = []
    for beams in (1, 2, 4, 8):
        total = 0.0
        for seed in range(60):
            model, how = Drawn(seed, 5), Generation(ends=(END,), most=4, least=5, beams=beams)
            total += every_answer(model, how, [1])[tuple(answered(model, how, np.asarray([1])))]
        means.append(total / 60)
    assert means == sorted(means)
    assert means[0] < means[-1]


@pytest.mark.parametrize("max_batch", [1, 3, 8])
def test_company_changes_no_answer(max_batch: int) -> None:
    model, how = Drawn(5, 40), Generation(ends=(END, 7), most=9, least=3, beams=4)
    engine = BeamGenerator(model, how, max_batch)
    made = in_company(engine, PROMPTS)
    assert made == {i: answered(model, how, prompt) for i, prompt in enumerate(PROMPTS)}
    assert all(3 <= len(tokens) <= 9 for tokens in made.values())
    assert engine.tokens == sum(map(len, made.values()))


class BeamSUT(GeneratingSUT):
    name = "scripted-beams"

    def __init__(self) -> None:
        super().__init__(Generation(ends=(END,), most=6, beams=3), 4)
        self.model = Drawn(1, 9)

    def load_engine(self) -> Engine:
        return BeamGenerator(self.model, self.how, self.max_batch)


def library() -> ItemLibrary:
    return ItemLibrary("prompts", total_count=12, performance_count=12, prepare=PROMPTS.__getitem__)


def test_keeps_the_contract_of_a_sut() -> None:
    sut = BeamSUT()
    assert sut.describe()["decoding"] == "beam search, 3 beams"
    expected = lambda i: np.asarray(answered(sut.model, sut.how, PROMPTS[i]))  # noqa: E731
    check_sut(BeamSUT, library(), expected=expected, queries=16)


def test_no_token_is_told_before_it_is_sure() -> None:
    load = Server(target_qps=500.0, tokens=TokenBounds(ttft_ns=10**9, tpot_ns=10**9))
    settings = Settings(
        scenario=Scenario.SERVER, load=load, min_duration_ns=0, min_query_count=30, token_latencies=True
    )
    recording = drive(settings, plan(settings, 12, 12), BeamSUT(), library())
    trace = recording.trace
    assert not recording.faults
    assert trace.first_ns is not None
    assert (trace.first_ns > 0).all()
    assert (trace.done_ns - trace.first_ns < 10**6 * 50).all()


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore")  # of that library
def test_the_same_as_hugging_face() -> None:
    """The rule book's reference decodes with it. A GPT-J of random weights, so that beams really compete."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")

    from mlassay.tasks.generation.gptj import GptJ, Recipe, published_key

    torch.manual_seed(2)
    shape = Recipe(vocabulary=24, width=32, layers=2, heads=4, rotated=4)
    ours = GptJ(shape).eval()
    config = transformers.GPTJConfig(
        vocab_size=24, n_positions=64, n_embd=32, n_layer=2, n_head=4, rotary_dim=4, bos_token_id=0, eos_token_id=END
    )
    theirs = transformers.GPTJForCausalLM(config).eval()
    for tensor in ours.state_dict().values():
        tensor.copy_(torch.randn_like(tensor) * 0.4)
    ours.out.bias.data[END] += 2.0  # so that answers end
    theirs.load_state_dict({published_key(k): v for k, v in ours.state_dict().items()}, strict=False)

    class Steps:
        def step(self, tokens: Tokens, mask: Tokens, positions: Tokens, cache: Cache) -> tuple[Any, Cache]:
            read = lambda name: torch.from_numpy(cache[name])  # noqa: E731
            past = [(read(f"k{n}"), read(f"v{n}")) for n in range(2)] if cache else None
            with torch.inference_mode():
                logits, present = ours(*map(torch.from_numpy, (tokens, mask, positions)), past)
            kept = {f"{c}{n}": pair[i].numpy() for n, pair in enumerate(present) for i, c in enumerate("kv")}
            return logits[:, -1].numpy(), kept

    ended, unlike_greedy = 0, 0
    for seed in range(40):
        prompt = np.random.default_rng(seed).integers(1, 24, 3 + seed % 5)
        for least, most in ((1, 12), (6, 16)):
            how = Generation(ends=(END,), most=most, least=least, beams=4)
            with torch.inference_mode():
                found = theirs.generate(
                    torch.from_numpy(prompt)[None], num_beams=4, early_stopping=True, max_new_tokens=most,
                    min_new_tokens=least - 1, do_sample=False, pad_token_id=END,
                )  # fmt: skip
            wanted = found[0, len(prompt) :].tolist()
            wanted = wanted[: wanted.index(END) + 1] if END in wanted else wanted
            assert answered(Steps(), how, prompt) == wanted
            ended += END in wanted
            unlike_greedy += wanted != answered(Steps(), how, prompt, Generator)
    assert ended > 10, ended
    assert unlike_greedy > 10, unlike_greedy
