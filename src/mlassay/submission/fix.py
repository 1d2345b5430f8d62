"""`mlassay check --fix`: mends what cannot change a result's meaning, and says what it did.

Mended: accuracy logs that are not truncated (the originals move beside the tree), directory names in unusual case,
litter of desktops and interpreters, empty directories. Numbers, settings and texts are never touched.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlassay.core.errors import BadFile, MachineProblem
from mlassay.submission import layout as lay
from mlassay.submission.checker import open_submission
from mlassay.submission.model import ACCURACY, Submission
from mlassay.submission.recognise import locate
from mlassay.submission.truncate import MAX_BYTES, truncate_in_place

LITTER = (".DS_Store", "Thumbs.db", ".gitkeep")


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to mend: what, where, and for moves whereto. `str()` says it in words."""

    kind: str  # "truncate", "rename", "delete", "remove empty"
    path: str
    target: str = ""

    def __str__(self) -> str:
        words = {
            "truncate": f"truncate {self.path} (the whole log is kept in {self.target})",
            "rename": f"rename {self.path} to {self.target}",
            "delete": f"delete {self.path}",
            "remove empty": f"remove the empty directory {self.path}",
        }
        return words[self.kind]


def fix_tree(path: Path, *, plan: bool = False, round: str = "auto") -> list[Change]:
    """Mend a submission's directory and list each change; with `plan`, only list. Raises BadFile for an archive."""
    if not path.is_dir():
        raise BadFile(path, found="no directory", expected="a submission's directory", hint="unpack the archive first")
    located = locate(path)
    submission = open_submission(located, round=round)
    root = Path(submission.tree.label)
    changes = list(changes_for(submission, root))
    if not plan:
        for change in changes:
            try:
                _apply(change, root)
            except OSError as error:
                raise MachineProblem(f"{change.path}: {error.strerror or error}") from error
    return changes


def changes_for(submission: Submission, root: Path) -> Iterator[Change]:
    """In the order in which they can be made: files first, then directories from the inside out."""
    tree = submission.tree
    gone: set[str] = set()
    for submitter in submission.submitters:
        if submission.round.truncate_accuracy_log:
            for result in submitter.results:
                folder = result.accuracy_folder
                log = f"{folder}/{ACCURACY}" if folder else ""
                if log and tree.size(log) > MAX_BYTES and not tree.nodes[log].target:
                    yield Change("truncate", log, f"{root.name}-originals/{log}")
        for path in tree.walk(submitter.place.path):
            name = path.rpartition("/")[2]
            if name == "__pycache__" or (name in LITTER or name.startswith("._")):
                gone.add(path)
                yield Change("delete", path)
    yield from _empty(submission, gone)
    yield from _renames(submission)


def _empty(submission: Submission, gone: set[str]) -> Iterator[Change]:
    tree = submission.tree
    for submitter in submission.submitters:
        folders = [p for p in tree.walk(submitter.place.path) if tree.is_dir(p)]
        for folder in sorted(folders, key=lambda p: -p.count("/")):
            if folder in gone or "__pycache__" in folder:
                continue
            if all(f"{folder}/{name}" in gone for name in tree.names(folder)):
                gone.add(folder)
                yield Change("remove empty", folder)


def _renames(submission: Submission) -> Iterator[Change]:
    for submitter in submission.submitters:
        for result in submitter.results:
            for name in ("performance", "accuracy"):
                found = lay.child(submission.tree, result.path, name)
                if found and not found.endswith(f"/{name}"):
                    yield Change("rename", found, f"{result.path}/{name}")
            if result.scenario and result.place.scenario.lower() == result.scenario.official_name.lower():
                folders = dict.fromkeys([result.path, result.measurements_folder, result.compliance_folder])
                for folder in folders:
                    target = f"{lay.parent(folder)}/{result.scenario.official_name}"
                    if folder != target and submission.tree.is_dir(folder) and not submission.tree.is_dir(target):
                        yield Change("rename", folder, target)


def _apply(change: Change, root: Path) -> None:
    place = root / change.path
    if change.kind == "truncate":
        truncate_in_place(place, place.with_name("accuracy.txt"), root.parent / change.target)
    elif change.kind == "delete":
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink()
    elif change.kind == "remove empty":
        place.rmdir()
    else:
        middle = place.with_name(f"{place.name}.renaming")  # file systems that ignore case need two steps
        os.replace(place, middle)
        os.replace(middle, root / change.target)
