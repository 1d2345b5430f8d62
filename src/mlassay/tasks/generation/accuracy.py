"""ROUGE, token counts and exact match of a stream of logged answers, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mlassay.tasks.answers import FirstAnswers, numbers
from mlassay.tasks.generation.rouge import Stem, rouge
from mlassay.tasks.generation.tokenizer import Tokenizer
from mlassay.tasks.metrics import meets
from mlassay.tasks.task import AccuracyResult, Answers, QualityTarget

KINDS = ("rouge1", "rouge2", "rougeL", "rougeLsum")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What else a run must keep, beside ROUGE-1: the other kinds, and how much text was written."""

    least: Mapping[str, float]  # kind to least per cent
    length: tuple[float, float] | None = None  # characters in all ("gen_len")
    tokens_per_sample: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """Scores a log against texts. Means are over samples, in per cent, as the reference scripts have them."""

    n: int
    wanted: Callable[[int], str]  # text to compare with, by sample
    tokenizer: Tokenizer
    target: QualityTarget | None
    bounds: Bounds | None = None
    stem: Stem | None = None
    by_lines: Callable[[str], str] = str  # one sentence a line, for ROUGE-Lsum
    by_tokens: bool = False  # official line with tokens_per_sample (Llama 2, Llama 3.1 405B), not characters alone

    def __call__(self, answers: Answers) -> AccuracyResult:
        stream = FirstAnswers(answers, self.n)
        sums = dict.fromkeys(KINDS, 0.0)
        characters = tokens = exact = 0
        for index, data in stream:
            made = numbers(index, data, "<i8", "token numbers, 64-bit")
            text, wanted = (
                self.by_lines(t.strip()) for t in (self.tokenizer.decode(made.tolist()), self.wanted(index))
            )
            for kind, value in rouge(text, wanted, self.stem).items():
                sums[kind] += value
            characters += len(text)
            tokens += len(made)
            exact += text == wanted
        return self._result(stream, sums, characters, tokens, exact)

    def _result(
        self, stream: FirstAnswers, sums: Mapping[str, float], characters: int, tokens: int, exact: int
    ) -> AccuracyResult:
        n = max(stream.n, 1)
        means = {kind: 100.0 * value / n for kind, value in sums.items()}
        line: dict[str, object] = {kind: f"{round(value, 4)}" for kind, value in means.items()}
        line |= {"gen_len": characters, "gen_num": stream.n}
        if self.by_tokens:
            line |= {"gen_tok_len": tokens, "tokens_per_sample": round(tokens / n, 1)}
        details: dict[str, object] = {
            **means,
            "exact_match": 100.0 * exact / n,
            "gen_len": characters,
            "tokens": tokens,
            "tokens_per_sample": tokens / n,
            "repeated": stream.repeated,
        }
        return AccuracyResult(
            metric="ROUGE-1",
            value=means["rouge1"],
            unit="%",
            n=stream.n,
            expected_n=stream.expected,
            official_line=str(line),
            target=self.target,
            problems=(*stream.problems, *self._missed(means, characters, tokens / n)),
            details=details,
        )

    def _missed(self, means: Mapping[str, float], characters: int, per_sample: float) -> tuple[str, ...]:
        """Bounds other than the target's that the run does not keep."""
        if self.bounds is None:
            return ()
        found = [
            f"{kind} is {means[kind]:.5g} %; expected {least:.5g} % or more"
            for kind, least in self.bounds.least.items()
            if not meets(means[kind], least)
        ]
        for what, value, bound in (
            ("gen_len", characters, self.bounds.length),
            ("tokens_per_sample", per_sample, self.bounds.tokens_per_sample),
        ):
            if bound is not None and not bound[0] <= value <= bound[1]:
                found.append(f"{what} is {value:,.6g}; expected {bound[0]:,.6g} to {bound[1]:,.6g}")
        return tuple(found)
