"""Questions on paragraphs in SQuAD v1.1's own form (dev-v1.1.json), and the look at whether the file is complete.

{"version": "1.1", "data": [{"title", "paragraphs": [{"context", "qas": [{"id", "question",
                                                      "answers": [{"text", "answer_start"}]}]}]}]}
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlassay.core.data_report import DataProblem, DataReport, file_digest
from mlassay.core.errors import BadFile, MachineProblem, UsageError

PACKED = Path(__file__).parent / "data"
SQUAD_FILE = "dev-v1.1.json"
SQUAD_QUESTIONS, SQUAD_PARAGRAPHS, SQUAD_TITLES = 10_570, 2_067, 48
SQUAD_FEATURES = 10_833
"""Windows of 384 pieces that the questions become with BERT's uncased vocabulary (inference rules, data set size)."""
SQUAD_SHA256 = "95aa6a52d5d6a735563366753ca50492a658031da74f301ac5238b03966972c9"
"""Of the published dev-v1.1.json (4,854,279 bytes)."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question with the paragraph that holds its answer. Any of the answers is right."""

    id: str
    text: str
    paragraph: str
    answers: tuple[str, ...]
    starts: tuple[int, ...]  # where in the paragraph each answer begins, characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """A data set."""

    name: str
    items: tuple[Question, ...]
    about: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.items)


def open_questions(path: Path) -> Questions:
    """Read a SQuAD file, or the dev-v1.1.json of a folder. BadFile names the first thing that is wrong."""
    file = squad_file(path)
    items = tuple(_walk(file, _parsed(file)))
    if not items:
        raise BadFile(file, found="without questions", expected="SQuAD v1.1")
    return Questions(name=file.name, items=items, about={"file": str(file), "questions": len(items)})


def packed_questions() -> Questions:
    """The questions in the wheel."""
    found = open_questions(PACKED / "facts-questions.json")
    return Questions(name="questions on countries, elements and books", items=found.items, about=found.about)


def squad_file(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.exists():
        raise UsageError(f"{path} does not exist", hint=f"give {SQUAD_FILE} or the folder that holds it")
    found = sorted(path.glob("*.json"))
    if (path / SQUAD_FILE).is_file():
        return path / SQUAD_FILE
    if len(found) != 1:
        raise BadFile(path, found=f"a folder of {len(found)} .json files", expected=f"{SQUAD_FILE}")
    return found[0]


def verify(path: Path) -> DataReport:
    """Is this the published SQuAD v1.1 development set, whole and unharmed? Every deviation is a finding."""
    file = squad_file(path)
    problems: list[DataProblem] = []
    digest = file_digest(file)
    titles = paragraphs = 0
    items: list[Question] = []
    try:
        content = _parsed(file)
        titles = len(content["data"])
        paragraphs = sum(len(article.get("paragraphs", ())) for article in content["data"])
        items = list(_walk(file, content, problems))
    except BadFile as error:
        problems.append(DataProblem(error.key or file.name, error.found, error.expected))
    counts = {"titles": titles, "paragraphs": paragraphs, "questions": len(items)}
    wanted = {"titles": SQUAD_TITLES, "paragraphs": SQUAD_PARAGRAPHS, "questions": SQUAD_QUESTIONS}
    for what, number in wanted.items():
        if counts[what] != number:
            problems.append(DataProblem(file.name, f"{counts[what]:,} {what}", f"{number:,}"))
    if digest != SQUAD_SHA256:
        problems.append(DataProblem(file.name, f"of SHA-256 {digest}", SQUAD_SHA256))
    return DataReport(
        dataset="SQuAD v1.1 development set",
        folder=file.parent,
        counts=counts,
        problems=tuple(problems),
        checksums={file.name: digest},
    )


def _parsed(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise MachineProblem(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise BadFile(file, found=f"not JSON ({error})", expected="SQuAD v1.1") from error
    if not isinstance(content, dict) or not isinstance(content.get("data"), list):
        raise BadFile(file, key="data", found="absent", expected="a list of articles, as SQuAD v1.1 has it")
    return content


def _walk(file: Path, content: Mapping[str, Any], problems: list[DataProblem] | None = None) -> Iterator[Question]:
    """Every question in file order. With `problems` bad ones are noted there; without, the first is raised."""
    seen: set[str] = set()
    for a, article in enumerate(content["data"]):
        for p, paragraph in enumerate(article.get("paragraphs", ())):
            for q, item in enumerate(paragraph.get("qas", ())):
                place = f"data[{a}].paragraphs[{p}].qas[{q}]"
                try:
                    question = _question(file, place, paragraph, item)
                    if question.id in seen:
                        raise BadFile(file, key=f"{place}.id", found=f"{question.id!r} again", expected="a new id")
                except BadFile as error:
                    if problems is None:
                        raise
                    problems.append(DataProblem(error.key, error.found, error.expected))
                    continue
                seen.add(question.id)
                yield question


def _question(file: Path, place: str, paragraph: Mapping[str, Any], item: Mapping[str, Any]) -> Question:
    context = paragraph.get("context")
    for key, value in (("context", context), ("id", item.get("id")), ("question", item.get("question"))):
        if not isinstance(value, str) or not value:
            raise BadFile(file, key=f"{place}.{key}", found=repr(value), expected="a text")
    answers = item.get("answers") or []
    if not answers:
        raise BadFile(file, key=f"{place}.answers", found="empty", expected="one or more answers")
    for answer in answers:
        text, start = answer.get("text"), answer.get("answer_start")
        if not isinstance(text, str) or not isinstance(start, int) or str(context)[start : start + len(text)] != text:
            found = f"{text!r} at {start}, where the paragraph has other words"
            raise BadFile(file, key=f"{place}.answers", found=found, expected="words of the paragraph")
    return Question(
        id=item["id"],
        text=item["question"],
        paragraph=str(context),
        answers=tuple(answer["text"] for answer in answers),
        starts=tuple(answer["answer_start"] for answer in answers),
    )
