"""A test set of sentence pairs as GNMT's own scripts leave it on disk, and the look at whether it is complete.

newstest2014.tok.bpe.32000.en   one sentence a line: pieces between spaces, "@@" where a word goes on
newstest2014.tok.bpe.32000.de   the references, in the same form and order
vocab.bpe.32000.en, .de         one piece a line, the first three <unk>, <s>, </s>; or one file for both languages;
                                not needed where the model brings its own
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlassay.core.data_report import DataProblem, DataReport, file_digest
from mlassay.core.errors import BadFile, MachineProblem, UsageError
from mlassay.tasks.translation.bpe import FORMS, Form

PACKED = Path(__file__).parent / "data"
NEWSTEST_LINES = 3_003
"""Sentences of newstest2014 (inference rules v0.5, data set size)."""

SPECIAL = ("<unk>", "<s>", "</s>")
SOURCE, TARGET = "en", "de"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentences:
    """A data set: pieces to translate, the words wanted, and what the numbers of the pieces mean."""

    name: str
    source: tuple[tuple[str, ...], ...]
    wanted: tuple[str, ...]  # words between spaces
    source_pieces: Mapping[str, int]  # empty where the model brings its own vocabularies
    target_pieces: tuple[str, ...]
    form: Form = FORMS["bpe"]
    about: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.source)

    def numbers(self, index: int) -> list[int]:
        return [self.source_pieces.get(piece, 0) for piece in self.source[index]]


@dataclass(frozen=True, slots=True)
class Files:
    """Where the four parts lie."""

    source: Path
    target: Path
    source_vocabulary: Path | None = None
    target_vocabulary: Path | None = None


def packed_sentences() -> Sentences:
    """The number sentences in the wheel."""
    return open_sentences(PACKED, name="sentences with numbers, English to German")


def open_sentences(
    folder: Path, name: str = "", *, form: Form = FORMS["bpe"], with_vocabularies: bool = True
) -> Sentences:
    """Find the files of a folder and check that they belong together; one error lists what is missing."""
    files = find_files(folder, with_vocabularies=with_vocabularies)
    source, target = _lines(files.source), _lines(files.target)
    if len(source) != len(target):
        raise BadFile(
            files.target, found=f"{len(target):,} lines long", expected=f"{len(source):,}, as {files.source.name}"
        )
    empty = next((number for number, line in enumerate(source, 1) if not line.strip()), 0)
    if empty or not source:
        raise BadFile(files.source, key=f"line {empty}", found="empty", expected="a sentence")
    source_vocabulary, target_vocabulary = _vocabulary(files.source_vocabulary), _vocabulary(files.target_vocabulary)
    return Sentences(
        name=name or files.source.name,
        source=tuple(tuple(line.split()) for line in source),
        wanted=tuple(form.join(line.split()) for line in target),
        source_pieces={piece: number for number, piece in enumerate(source_vocabulary)},
        target_pieces=target_vocabulary,
        form=form,
        about={"source": str(files.source), "references": str(files.target), "sentences": len(source)},
    )


def find_files(folder: Path, *, with_vocabularies: bool = True) -> Files:
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", hint="name the folder that holds newstest2014.tok.bpe.32000.en")
    found = {f"text.{language}": sorted(folder.glob(f"*.tok.bpe*.{language}")) for language in (SOURCE, TARGET)}
    shared = [path for path in sorted(folder.glob("vocab.bpe*")) if path.suffix not in (f".{SOURCE}", f".{TARGET}")]
    for language in (SOURCE, TARGET) if with_vocabularies else ():
        found[f"vocabulary.{language}"] = sorted(folder.glob(f"vocab.bpe*.{language}")) or shared
    wrong = [f"{len(paths)} files *.{what}" for what, paths in found.items() if len(paths) != 1]
    if wrong:
        raise BadFile(
            folder,
            found=f"a folder with {', '.join(wrong)}",
            expected="one *.tok.bpe*.en, one *.tok.bpe*.de"
            + (", and vocab.bpe* for each or for both" if with_vocabularies else ""),
        )
    one = {what: paths[0] for what, paths in found.items()}
    return Files(one["text.en"], one["text.de"], one.get("vocabulary.en"), one.get("vocabulary.de"))


def verify(folder: Path) -> DataReport:
    """Is this newstest2014 as GNMT's scripts prepare it? Every deviation is a finding."""
    problems: list[DataProblem] = []
    counts: dict[str, int] = {}
    checksums: dict[str, str] = {}
    try:
        files = find_files(folder)
        for path in (files.source, files.target):
            checksums[path.name] = file_digest(path)
            lines = _lines(path)
            counts[path.name] = len(lines)
            if len(lines) != NEWSTEST_LINES:
                problems.append(DataProblem(path.name, f"{len(lines):,} lines long", f"{NEWSTEST_LINES:,}"))
            blank = [str(n) for n, line in enumerate(lines, 1) if not line.strip()]
            if blank:
                problems.append(DataProblem(f"{path.name}: line {', '.join(blank[:5])}", "empty", "a sentence"))
        for text, vocabulary in (
            (files.source, files.source_vocabulary),
            (files.target, files.target_vocabulary),
        ):
            assert vocabulary is not None
            known = set(_vocabulary(vocabulary))
            counts[f"pieces in {vocabulary.name}"] = len(known)
            strange = sum(piece not in known for line in _lines(text) for piece in line.split())
            counts[f"unknown pieces in {text.name}"] = strange
            total = sum(len(line.split()) for line in _lines(text))
            if strange > total // 20:
                problems.append(
                    DataProblem(
                        text.name, f"made of {strange:,} unknown pieces of {total:,}", f"from {vocabulary.name}"
                    )
                )
    except BadFile as error:
        problems.append(DataProblem(error.key or Path(error.path).name, error.found, error.expected))
    return DataReport(
        dataset="WMT16 English-German, newstest2014",
        folder=folder,
        counts=counts,
        problems=tuple(problems),
        checksums=checksums,
        notes=("no checksums are published for the tokenised files; those found are listed",),
    )


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise BadFile(path, found="not UTF-8 text", expected="one sentence a line") from error
    except OSError as error:
        raise MachineProblem(f"{path} cannot be read: {error.strerror}") from error


def _vocabulary(path: Path | None) -> tuple[str, ...]:
    if path is None:
        return ()
    pieces = tuple(_lines(path))
    if pieces[:3] != SPECIAL:
        raise BadFile(
            path, key="lines 1 to 3", found=", ".join(pieces[:3]), expected=", ".join(SPECIAL), hint="one piece a line"
        )
    return pieces
