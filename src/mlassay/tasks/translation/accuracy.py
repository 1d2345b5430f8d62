"""BLEU of a stream of logged translations, in bounded memory."""

from __future__ import annotations

from mlassay.core.errors import BadFile
from mlassay.tasks.answers import FirstAnswers
from mlassay.tasks.task import AccuracyResult, Answers, QualityTarget
from mlassay.tasks.translation.bleu import Bleu
from mlassay.tasks.translation.dataset import Sentences


def score(answers: Answers, sentences: Sentences, target: QualityTarget | None) -> AccuracyResult:
    """Of text in GNMT's form words are what stands between spaces, as in the rule book's script."""
    stream = FirstAnswers(answers, len(sentences))
    bleu = Bleu(sentences.form.tokenize)
    exact = 0
    for index, data in stream:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise BadFile(
                "accuracy log", key=f"qsl_idx {index}", found="not UTF-8", expected="the words of a sentence"
            ) from error
        bleu.add(text, sentences.wanted[index])
        exact += text.split() == sentences.wanted[index].split()
    return AccuracyResult(
        metric="BLEU",
        value=bleu.score,
        unit="",
        n=stream.n,
        expected_n=stream.expected,
        official_line=f"BLEU: {bleu.score:.1f}",
        target=target,
        problems=stream.problems,
        details={
            "exact": exact,
            "words": bleu.length,
            "reference_words": bleu.reference_length,
            "repeated": stream.repeated,
        },
    )
