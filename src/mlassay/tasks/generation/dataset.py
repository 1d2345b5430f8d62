"""Prompts with wanted answers, from JSON lines, a JSON list or parquet, and the look at whether a set is complete.

Each record has the prompt as tokens (tok_input, input_ids) or as text (prompt, input, article, question), and perhaps
what is wanted (output, highlights, target, response). CNN/DailyMail as the rule book prepares it is a JSON list with
"instruction", "input", "tok_input", "output"; OpenOrca is a table with "tok_input" and "output". The pickle in which
OpenOrca is handed round is not read, because opening a pickle runs code: write it as parquet first.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlassay.core.data_report import DataProblem, DataReport, file_digest
from mlassay.core.errors import BadFile, MachineProblem, MissingDependency, UsageError

PACKED = Path(__file__).parent / "data"
TOKEN_FIELDS = ("tok_input", "input_ids")
TEXT_FIELDS = ("prompt", "input", "article", "question")
WANTED_FIELDS = ("output", "highlights", "target", "response")
SUFFIXES = (".jsonl", ".json", ".parquet")
PICKLES = (".pkl", ".pickle", ".pkl.gz")

PUBLISHED = {"cnn-dailymail": 13_368, "cnn-dailymail-edge": 5_000, "open-orca": 24_576}
"""Records of each data set (inference rules, data set sizes)."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One record. Exactly one of tokens and text is the prompt."""

    tokens: tuple[int, ...] | None
    text: str
    wanted: str  # empty where nothing is said


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """A data set."""

    name: str
    items: tuple[Prompt, ...]
    about: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.items)


def packed_prompts() -> Prompts:
    """The verses in the wheel."""
    found = open_prompts(PACKED / "verses.jsonl")
    return Prompts(name="verses without vowels", items=found.items, about=found.about)


def open_prompts(path: Path) -> Prompts:
    """Read a file, or the one such file of a folder. BadFile names the first record that cannot be used."""
    file = prompt_file(path)
    with closing(_records(file)) as records:
        items = tuple(_prompt(file, number, record) for number, record in enumerate(records, 1))
    if not items:
        raise BadFile(file, found="empty", expected="one record per prompt")
    return Prompts(name=file.name, items=items, about={"file": str(file), "prompts": len(items)})


def prompt_file(path: Path) -> Path:
    if path.is_file():
        if path.name.endswith(PICKLES):
            raise BadFile(
                path,
                found="a pickle, which runs code when it is opened",
                expected=", ".join(SUFFIXES),
                hint="where you trust it, once: import pandas; pandas.read_pickle('IN.pkl').to_parquet('OUT.parquet')",
            )
        return path
    if not path.exists():
        raise UsageError(f"{path} does not exist", hint=f"name a file ({', '.join(SUFFIXES)}) or a folder with one")
    found = sorted(p for p in path.iterdir() if p.suffix in SUFFIXES and not p.name.startswith("tokenizer"))
    if len(found) != 1:
        raise BadFile(path, found=f"a folder with {len(found)} files {', '.join(SUFFIXES)}", expected="one")
    return found[0]


def verify(path: Path, dataset: str = "") -> DataReport:
    """Look at every record; `dataset` is a key of PUBLISHED, whose size is then expected."""
    file = prompt_file(path)
    problems: list[DataProblem] = []
    n = with_tokens = with_wanted = 0
    try:
        for number, record in enumerate(_records(file), 1):
            n += 1
            try:
                prompt = _prompt(file, number, record)
            except BadFile as error:
                problems.append(DataProblem(error.key, error.found, error.expected))
                continue
            with_tokens += prompt.tokens is not None
            with_wanted += bool(prompt.wanted)
    except BadFile as error:
        problems.append(DataProblem(error.key or file.name, error.found, error.expected))
    if dataset:
        if dataset not in PUBLISHED:
            raise UsageError(f"no data set {dataset!r} is known", hint=f"known: {', '.join(PUBLISHED)}")
        if n != PUBLISHED[dataset]:
            problems.append(DataProblem(file.name, f"{n:,} records long", f"{PUBLISHED[dataset]:,}"))
        if with_wanted != n:
            problems.append(
                DataProblem(file.name, f"without a wanted answer in {n - with_wanted:,} records", "one each")
            )
    return DataReport(
        dataset=dataset or file.name,
        folder=file.parent,
        counts={"prompts": n, "with tokens": with_tokens, "with wanted answers": with_wanted},
        problems=tuple(problems),
        checksums={file.name: file_digest(file)},
        notes=("no checksums are published for these files; the one found is listed",),
    )


def _records(file: Path) -> Generator[Mapping[str, Any], None, None]:
    """Each record as the file has it; the file is closed with the generator."""
    if file.suffix == ".parquet":
        yield from _parquet(file)
        return
    try:
        with file.open(encoding="utf-8") as lines:
            if file.suffix == ".json":
                content = _json(file, "", lines.read())
                if not isinstance(content, list):
                    raise BadFile(file, found=f"a {type(content).__name__}", expected="a list of records")
                yield from content
                return
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _json(file, f"line {number}", line)
    except UnicodeDecodeError as error:
        raise BadFile(file, found="not UTF-8 text", expected="JSON") from error
    except OSError as error:
        raise MachineProblem(f"{file} cannot be read: {error.strerror}") from error


def _json(file: Path, place: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise BadFile(file, key=place, found=f"not JSON ({error})", expected="records") from error


def _parquet(file: Path) -> Iterator[Mapping[str, Any]]:
    try:
        import pyarrow.parquet as parquet
    except ModuleNotFoundError as error:
        raise MissingDependency("pyarrow", extra="parquet", why="it reads .parquet files") from error
    try:
        table = parquet.ParquetFile(file)
    except (OSError, ValueError) as error:
        raise BadFile(file, found=f"not readable ({error})", expected="a parquet file") from error
    for batch in table.iter_batches(1024):
        yield from batch.to_pylist()


def _prompt(file: Path, number: int, record: Mapping[str, Any]) -> Prompt:
    place = f"record {number}"
    if not isinstance(record, Mapping):
        raise BadFile(file, key=place, found=f"a {type(record).__name__}", expected="named fields")
    tokens = next((record[name] for name in TOKEN_FIELDS if record.get(name) is not None), None)
    text = next((record[name] for name in TEXT_FIELDS if record.get(name)), "")
    if tokens is not None and not (len(tokens) and all(isinstance(t, int) and t >= 0 for t in tokens)):
        raise BadFile(file, key=place, found="a prompt that is no list of token numbers", expected="one or more tokens")
    if tokens is None and not (isinstance(text, str) and text):
        raise BadFile(
            file,
            key=place,
            found=f"of the fields {', '.join(list(record)[:6]) or 'none'}",
            expected=f"one of {', '.join((*TOKEN_FIELDS, *TEXT_FIELDS))} that is not empty",
        )
    wanted = next((record[name] for name in WANTED_FIELDS if isinstance(record.get(name), str)), "")
    return Prompt(None if tokens is None else tuple(tokens), str(text), wanted)
