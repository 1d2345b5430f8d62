"""Word error rate of a stream of logged transcripts, in bounded memory."""

from __future__ import annotations

from mlassay.tasks.answers import FirstAnswers, numbers
from mlassay.tasks.speech.dataset import Recordings
from mlassay.tasks.speech.words import Compare, as_they_are
from mlassay.tasks.task import AccuracyResult, Answers, QualityTarget
from mlassay.training.rnnt.labels import Labels


def score(
    answers: Answers,
    recordings: Recordings,
    target: QualityTarget | None,
    labels: Labels | None = None,
    compare: Compare = as_they_are,
) -> AccuracyResult:
    """Words in error over words said; the accuracy that is judged is 1 minus that, in per cent, as in the rule book."""
    labels = labels or recordings.labels
    stream = FirstAnswers(answers, len(recordings))
    wrong = words = exact = 0
    for index, data in stream:
        found = labels.text(numbers(index, data, "<i8", "symbol numbers, 64-bit").tolist())
        one = compare(found, recordings.transcripts[index])
        wrong, words, exact = wrong + one.errors, words + one.words, exact + one.exact
    rate = wrong / words if words else 1.0
    wer, value = rate * 100, (1 - rate) * 100  # in this order, to the last digit of the official script
    return AccuracyResult(
        metric="word accuracy",
        value=value,
        unit="%",
        n=stream.n,
        expected_n=stream.expected,
        official_line=f"Word Error Rate: {wer}%, accuracy={value}%",
        target=target,
        problems=stream.problems,
        details={"wer": wer, "errors": wrong, "words": words, "exact": exact, "repeated": stream.repeated},
    )
