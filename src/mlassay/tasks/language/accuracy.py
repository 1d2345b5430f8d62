"""F1 and exact match of the answers, with SQuAD's own normalisation (evaluation script of SQuAD v1.1)."""

from __future__ import annotations

import json
import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlassay.core.errors import BadFile
from mlassay.tasks.answers import FirstAnswers, numbers
from mlassay.tasks.language.dataset import Questions
from mlassay.tasks.language.postprocess import answer_text, best_span
from mlassay.tasks.language.preprocess import Window
from mlassay.tasks.language.tokenizer import WordPieces
from mlassay.tasks.task import AccuracyResult, Answers, QualityTarget

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_NOTHING = "empty"
"""What the reference answers where no pair of positions is allowed."""


def normalised(text: str) -> str:
    """Lower case, without punctuation, without articles, single spaces."""
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text.lower().translate(_PUNCTUATION)).split())


def f1(found: str, wanted: str) -> float:
    """Harmonic mean of precision and recall of the words, counted with repetition: 0 to 1."""
    ours, theirs = normalised(found).split(), normalised(wanted).split()
    same = (Counter(ours) & Counter(theirs)).total()
    if not same:
        return 0.0
    precision, recall = same / len(ours), same / len(theirs)
    return 2 * precision * recall / (precision + recall)


def exact(found: str, wanted: str) -> float:
    return float(normalised(found) == normalised(wanted))


def best_of(measure: Callable[[str, str], float], found: str, wanted: Sequence[str]) -> float:
    return max(measure(found, one) for one in wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """Scores a log. Of each question only the best answer so far is kept."""

    questions: Questions
    windows: Sequence[Window]
    pieces: WordPieces
    length: int
    target: QualityTarget | None

    def __call__(self, answers: Answers) -> AccuracyResult:
        stream = FirstAnswers(answers, len(self.windows))
        best: dict[int, tuple[float, int, str]] = {}  # question: score, minus the window's number, text
        for index, data in stream:
            scores = numbers(index, data, "<f4", "two 32-bit scores per position").reshape(-1, 2)
            window = self.windows[index]
            if len(scores) > self.length or len(scores) < window.offset + window.count:
                raise BadFile(
                    "accuracy log",
                    key=f"qsl_idx {index}",
                    found=f"scores of {len(scores)} positions",
                    expected=f"{window.offset + window.count} to {self.length}",
                    hint="score the log with the data set and vocabulary that the run used",
                )
            span = best_span(window, scores)
            if span is None:
                continue
            kept = best.get(window.question)
            if kept is None or (span.score, -index) > kept[:2]:
                best[window.question] = (span.score, -index, answer_text(window, span, self.pieces))
        return self._result(stream, [best[q][2] if q in best else _NOTHING for q in range(len(self.questions))])

    def _result(self, stream: FirstAnswers, texts: Sequence[str]) -> AccuracyResult:
        total = len(self.questions)
        pairs = list(zip(texts, self.questions.items, strict=True))
        values = {
            "exact_match": 100.0 * sum(best_of(exact, text, q.answers) for text, q in pairs) / total,
            "f1": 100.0 * sum(best_of(f1, text, q.answers) for text, q in pairs) / total,
        }
        return AccuracyResult(
            metric="F1",
            value=values["f1"],
            unit="%",
            n=stream.n,
            expected_n=stream.expected,
            official_line=json.dumps(values),
            target=self.target,
            problems=stream.problems,
            details={**values, "questions": total, "repeated": stream.repeated},
        )
