from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlassay.core.errors import BadFile, UsageError
from mlassay.tasks.generation import dataset
from mlassay.tasks.generation.dataset import open_prompts, verify

RECORDS: list[dict[str, Any]] = [
    {"tok_input": [5, 6, 7], "input": "an article", "output": "a summary"},
    {"article": "words only", "highlights": "what they say"},
    {"question": "why?", "response": "because"},
    {"prompt": "go on"},
]


def write(path: Path, records: object = RECORDS) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, records)) + "\n\n")  # type: ignore[call-overload]
    elif path.suffix == ".json":
        path.write_text(json.dumps(records))
    else:
        pa = pytest.importorskip("pyarrow")
        import pyarrow.parquet as parquet

        names = list(dict.fromkeys(name for record in records for name in record))  # type: ignore[attr-defined]
        columns = {name: [record.get(name) for record in records] for name in names}  # type: ignore[attr-defined]
        parquet.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize("name", ["p.jsonl", "p.json", "p.parquet"])
def test_every_form_gives_the_same_prompts(tmp_path: Path, name: str) -> None:
    prompts = open_prompts(write(tmp_path / name))
    assert [p.tokens for p in prompts.items] == [(5, 6, 7), None, None, None]
    assert [p.text for p in prompts.items] == ["an article", "words only", "why?", "go on"]
    assert [p.wanted for p in prompts.items] == ["a summary", "what they say", "because", ""]
    (tmp_path / "tokenizer.json").write_text("{}")
    assert open_prompts(tmp_path).items == prompts.items


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.jsonl", '{"prompt": "x"}\n{"prompt"', "p.jsonl: line 2 is not JSON"),
        ("p.json", '{"prompt": "x"}', "p.json is a dict; expected a list of records"),
        ("p.json", "[3]", "p.json: record 1 is a int; expected named fields"),
        ("p.jsonl", "", "p.jsonl is empty; expected one record per prompt"),
        ("p.jsonl", '{"text": "x"}', "p.jsonl: record 1 is of the fields text; expected one of tok_input, input_ids,"),
        ("p.jsonl", '{"tok_input": []}', "p.jsonl: record 1 is a prompt that is no list of token numbers; expected"),
        ("p.jsonl", '{"tok_input": [1, "a"]}', "p.jsonl: record 1 is a prompt that is no list of token numbers"),
    ],
)
def test_bad_files(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(BadFile) as caught:
        open_prompts(tmp_path / name)
    assert message in str(caught.value)


def test_no_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "p.parquet").write_bytes(b"no table")
    with pytest.raises(BadFile, match=r"p\.parquet is not readable .*; expected a parquet file"):
        open_prompts(tmp_path / "p.parquet")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        open_prompts(tmp_path / "absent")
    with pytest.raises(BadFile, match="a folder with 0 files"):
        open_prompts(tmp_path)


def test_verify_lists_every_deviation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "PUBLISHED", {"cnn-dailymail": 3})
    path = write(tmp_path / "p.jsonl", RECORDS[:3])
    report = verify(path, "cnn-dailymail")
    assert report.complete
    assert report.counts == {"prompts": 3, "with tokens": 1, "with wanted answers": 3}
    write(path, [*RECORDS, {"tok_input": []}])
    assert [str(p) for p in verify(path, "cnn-dailymail").problems] == [
        "record 5 is a prompt that is no list of token numbers; expected one or more tokens",
        "p.jsonl is 5 records long; expected 3",
        "p.jsonl is without a wanted answer in 2 records; expected one each",
    ]
    assert verify(write(path, RECORDS)).complete
    with pytest.raises(UsageError, match="no data set 'squad' is known"):
        verify(path, "squad")
