"""Where a tree comes from: a public results repository, at which commit, or a submission of the user's own."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

from mlassay.submission.tree import Tree

_REPOSITORY = re.compile(r"(inference|training)_results_(v\d+\.\d+)(?:[-_]([0-9a-f]{40}))?(?![\d.]*\d)")
_SHA = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Origin:
    """`published`: from a repository of reviewed results. `name` identifies the source in the database."""

    name: str
    published: bool
    suite: str = ""  # of a repository: "inference" or "training"
    round: str = ""
    url: str = ""
    commit_id: str | None = None


def origin_of(place: Path, tree: Tree) -> Origin:
    """Recognise a public repository by its own name, its folder's, or its archive's; else name the path."""
    tops = [n for n in tree.subfolders("") if _REPOSITORY.match(n)] if len(tree.subfolders("")) <= 3 else []
    place = place.resolve()
    candidates = [*tops, place.name]
    for text in candidates:
        match = _REPOSITORY.match(text)
        if match:
            name = f"{match[1]}_results_{match[2]}"
            commit = match[3] or _commit(place, tree)
            return Origin(name, True, match[1], match[2], f"https://github.com/mlcommons/{name}", commit)
    return Origin(str(place), False, commit_id=_commit(place, tree))


def _commit(place: Path, tree: Tree) -> str | None:
    """The commit of a clone's HEAD, or the one that git and GitHub write into the archives they make."""
    if place.is_dir():
        return _head_commit(place / ".git")
    try:
        if zipfile.is_zipfile(place):
            with zipfile.ZipFile(place) as archive:
                return _first_sha(archive.comment.decode("ascii", "replace"))
    except (OSError, zipfile.BadZipFile):
        return None
    return None


def _head_commit(git: Path) -> str | None:
    try:
        head = (git / "HEAD").read_text(encoding="ascii").strip()
        if not head.startswith("ref: "):
            return _first_sha(head)
        reference = head[5:]
        loose = git / reference
        if loose.is_file():
            return _first_sha(loose.read_text(encoding="ascii"))
        for line in (git / "packed-refs").read_text(encoding="ascii").splitlines():
            sha, _, name = line.partition(" ")
            if name == reference:
                return _first_sha(sha)
    except (OSError, UnicodeDecodeError):
        return None
    return None


def _first_sha(text: str) -> str | None:
    match = _SHA.match(text.strip())
    return match[0] if match else None
