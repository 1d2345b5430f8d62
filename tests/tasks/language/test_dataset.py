from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from mlassay.core.errors import BadFile, UsageError
from mlassay.tasks.language import dataset
from mlassay.tasks.language.dataset import open_questions, verify
from tests.tasks.language.squad import content, write


def test_questions_in_file_order(tmp_path: Path) -> None:
    questions = open_questions(write(tmp_path / "squad"))
    assert [q.id for q in questions.items] == ["q1", "q2", "q3", "q4"]
    assert questions.items[0].answers == ("the Alps", "Alps")
    assert open_questions(tmp_path / "squad" / "dev-v1.1.json").items == questions.items


def broken(path: list[Any], value: object) -> dict[str, Any]:
    data: Any = content()
    inner = data
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return data  # type: ignore[no-any-return]


QA = ["data", 0, "paragraphs", 0, "qas", 1]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"version": "1.1"}, "dev-v1.1.json: data is absent; expected a list of articles, as SQuAD v1.1 has it"),
        ({"data": []}, "dev-v1.1.json is without questions; expected SQuAD v1.1"),
        (broken([*QA, "question"], ""), "data[0].paragraphs[0].qas[1].question is ''; expected a text"),
        (broken([*QA, "answers"], []), "data[0].paragraphs[0].qas[1].answers is empty; expected one or more answers"),
        (broken([*QA, "id"], "q1"), "data[0].paragraphs[0].qas[1].id is 'q1' again; expected a new id"),
        (
            broken([*QA, "answers", 0, "answer_start"], 3),
            "answers is '1,230 km' at 3, where the paragraph has other words; expected words of the paragraph",
        ),
    ],
)
def test_bad_files(tmp_path: Path, data: object, message: str) -> None:
    with pytest.raises(BadFile) as caught:
        open_questions(write(tmp_path / "squad", data))
    assert str(caught.value).endswith(message)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        open_questions(tmp_path / "absent")
    with pytest.raises(BadFile, match=r"a folder of 0 \.json files; expected dev-v1\.1\.json"):
        open_questions(tmp_path)
    (tmp_path / "dev-v1.1.json").write_text('{"data": [')
    with pytest.raises(BadFile, match="not JSON"):
        open_questions(tmp_path)


def test_verify_lists_every_deviation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path / "squad")
    digest = hashlib.sha256((folder / "dev-v1.1.json").read_bytes()).hexdigest()
    for name, value in (("TITLES", 2), ("PARAGRAPHS", 2), ("QUESTIONS", 4), ("SHA256", digest)):
        monkeypatch.setattr(dataset, f"SQUAD_{name}", value)
    report = verify(folder)
    assert report.complete, report.problems
    assert report.counts == {"titles": 2, "paragraphs": 2, "questions": 4}
    write(tmp_path / "squad", broken([*QA, "answers"], []))
    assert [str(p) for p in verify(folder).problems][:2] == [
        "data[0].paragraphs[0].qas[1].answers is empty; expected one or more answers",
        "dev-v1.1.json is 3 questions; expected 4",
    ]
    assert verify(folder).problems[2].expected == digest
    (folder / "dev-v1.1.json").write_text("[")
    assert not verify(folder).complete
