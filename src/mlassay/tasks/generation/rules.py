"""What the rule book asks of the language models: texts, lengths, ROUGE (inference rules, tables of targets)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlassay.core.model import Generation
from mlassay.tasks.generation.accuracy import Bounds
from mlassay.tasks.task import QualityTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class RuledModel:
    """One model of the rule book, at one accuracy target."""

    summary: str
    dataset: str  # key of dataset.PUBLISHED
    rouge: Mapping[str, float]  # of the reference, per cent
    factor: float
    how: Generation
    length: float = 0.0  # characters in all ("gen_len"): 90 % are wanted, 110 % allowed where `upper`
    tokens_per_sample: float = 0.0
    upper: bool = True

    def target(self, name: str) -> QualityTarget:
        return QualityTarget(
            metric="ROUGE-1", reference=self.rouge["rouge1"], factor=self.factor, source=f"inference rules: {name}"
        )

    @property
    def bounds(self) -> Bounds:
        most = 1.1 if self.upper else float("inf")
        return Bounds(
            least={kind: value * self.factor for kind, value in self.rouge.items() if kind != "rouge1"},
            length=(0.9 * self.length, most * self.length) if self.length else None,
            tokens_per_sample=(0.9 * self.tokens_per_sample, most * self.tokens_per_sample)
            if self.tokens_per_sample
            else None,
        )


_GPTJ = {"rouge1": 42.9865, "rouge2": 20.1235, "rougeL": 29.9881}
_LLAMA2 = {"rouge1": 44.4312, "rouge2": 22.0352, "rougeL": 28.6162}
# The reference asks for 30 new tokens before the end, which is the 31st at the earliest.
_GPTJ_HOW = Generation(ends=(50_256,), most=128, least=31, beams=4)
_LLAMA2_HOW = Generation(ends=(2,), most=1024)
_LLAMA3_HOW = Generation(ends=(128_001, 128_008, 128_009), most=128)


def _gptj(factor: float) -> RuledModel:
    return RuledModel(
        summary=f"GPT-J 6B, summaries of CNN/DailyMail, {100 * factor:g} %: your ONNX file and prompts",
        dataset="cnn-dailymail",
        rouge=_GPTJ,
        factor=factor,
        how=_GPTJ_HOW,
        length=4_016_878,
        upper=False,
    )


def _llama2(factor: float) -> RuledModel:
    return RuledModel(
        summary=f"Llama 2 70B chat, OpenOrca, {100 * factor:g} %: your ONNX file and prompts",
        dataset="open-orca",
        rouge=_LLAMA2,
        factor=factor,
        how=_LLAMA2_HOW,
        tokens_per_sample=294.45,
    )


RULED: Mapping[str, RuledModel] = {
    "gptj-99": _gptj(0.99),
    "gptj-99.9": _gptj(0.999),
    "llama2-70b-99": _llama2(0.99),
    "llama2-70b-99.9": _llama2(0.999),
    "llama3.1-8b": RuledModel(
        summary="Llama 3.1 8B Instruct, summaries of CNN/DailyMail: your ONNX file and prompts",
        dataset="cnn-dailymail",
        rouge={"rouge1": 38.7792, "rouge2": 15.9075, "rougeL": 24.4957, "rougeLsum": 35.793},
        factor=0.99,
        how=_LLAMA3_HOW,
        length=8_167_644,
    ),
    "llama3.1-8b-edge": RuledModel(
        summary="the same on 5,000 of the articles",
        dataset="cnn-dailymail-edge",
        rouge={"rouge1": 39.06, "rouge2": 16.1147, "rougeL": 24.6375, "rougeLsum": 36.124},
        factor=0.99,
        how=_LLAMA3_HOW,
        length=3_051_113,
    ),
}
