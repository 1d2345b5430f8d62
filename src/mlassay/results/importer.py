"""`mlassay db import`: what lies at a path, read and stored as one source in one transaction."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlassay._version import __version__
from mlassay.core.errors import BadFile
from mlassay.results.database import Database
from mlassay.results.inference_import import read_inference
from mlassay.results.origin import Origin, origin_of
from mlassay.results.rows import Batch, SourceRow
from mlassay.results.store import Change, known_signature, sources, store
from mlassay.results.training_import import entry_folders, read_training, round_of
from mlassay.submission import layout as lay
from mlassay.submission.checker import open_submission
from mlassay.submission.recognise import Located, locate
from mlassay.submission.tree import Tree, open_tree

READER = f"mlassay {__version__}, import 1"
"""Written beside every source. The number grows when the same files would be read into other rows."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What one path came to."""

    path: str
    source: str
    suite: str
    round: str
    change: Change
    n_results: int
    n_runs: int
    n_audits: int
    n_absent: int
    n_findings: int
    seconds: float


def import_path(database: Database, path: str | Path, *, force: bool = False, round: str = "auto") -> Imported:
    """Read whatever lies at `path` and store it. The same content again changes nothing.

    `force` reads even when the listing has not changed. Raises BadFile when there is nothing to import.
    """
    begin = time.perf_counter()
    place = Path(path)
    tree = open_tree(place)
    origin = origin_of(place, tree)
    signature = listing_signature(tree)
    known = None if force else known_signature(database, origin.name)
    if known == (signature, READER):
        return _unchanged(database, path, origin, begin)
    batch = read_batch(place, tree, origin, signature, round=round)
    change = store(database, batch)
    return _imported(path, batch, change, begin)


def listing_signature(tree: Tree) -> str:
    """A digest of every name and size: cheap, and enough to see that nothing has changed."""
    total = hashlib.sha256()
    for name in sorted(tree.nodes):
        node = tree.nodes[name]
        total.update(f"{name}\0{node.size}\0{node.kind}\n".encode("utf-8", "surrogatepass"))
    return total.hexdigest()


def read_batch(place: Path, tree: Tree, origin: Origin, signature: str, *, round: str = "auto") -> Batch:
    """Every row of one source. Raises BadFile when the path holds nothing that can be imported."""
    for reads in _KINDS:
        batch = reads(place, tree, origin, signature, round)
        if batch is not None:
            return batch
    raise BadFile(
        place,
        found="nothing that can be imported",
        expected="run folders, a submission, or a results repository",
        hint="give the folder or archive that holds results/, closed/ or a run",
    )


def _inference(place: Path, tree: Tree, origin: Origin, signature: str, round: str) -> Batch | None:
    root = lay.find_root(tree)
    if root is not None:
        located = Located(tree.below(root), "submission")
    else:
        located = locate(place) if place.is_dir() else Located(tree, "nothing")
        if located.kind not in ("submission", "submitter"):
            return None
    wanted = origin.round if origin.suite == "inference" and round == "auto" else round
    submission = open_submission(located, round=wanted)
    if not any(s.results for s in submission.submitters):
        return None
    batch = Batch(_source(origin, tree, signature, place, "inference", submission.round_name))
    read_inference(submission, batch)
    return batch


def _source(origin: Origin, tree: Tree, signature: str, place: Path, suite: str, round: str) -> SourceRow:
    return SourceRow(
        name=origin.name,
        kind="repository" if origin.published else "submission",
        suite=suite,
        round=round,
        origin=str(place),
        url=origin.url,
        commit_id=origin.commit_id,
        reader=READER,
        signature=signature,
        published=origin.published,
        n_files=len(tree.nodes),
    )


def _training(place: Path, tree: Tree, origin: Origin, signature: str, round: str) -> Batch | None:
    root = _training_root(tree)
    view = tree.below(root)
    folders = entry_folders(view)
    if not folders:
        return None
    if round == "auto":
        round = origin.round if origin.suite == "training" else round_of(view, folders)
    batch = Batch(_source(origin, tree, signature, place, "training", round))
    read_training(view, folders, batch)
    return batch


def _training_root(tree: Tree) -> str:
    """Archives often wrap everything in one directory."""
    root = ""
    while len(names := tree.names(root)) == 1 and names[0] not in ("v0.5.0", "results"):
        below = f"{root}/{names[0]}" if root else names[0]
        if not tree.is_dir(below):
            break
        root = below
    return root


_KINDS: list[Callable[[Path, Tree, Origin, str, str], Batch | None]] = [_inference, _training]


def _imported(path: str | Path, batch: Batch, change: Change, begin: float) -> Imported:
    return Imported(
        path=str(path),
        source=batch.source.name,
        suite=batch.source.suite,
        round=batch.source.round,
        change=change,
        n_results=len(batch.results),
        n_runs=len(batch.runs),
        n_audits=len(batch.audits),
        n_absent=sum(1 for r in batch.results if r.state == "absent"),
        n_findings=len(batch.findings),
        seconds=time.perf_counter() - begin,
    )


def _unchanged(database: Database, path: str | Path, origin: Origin, begin: float) -> Imported:
    stored = next(s for s in sources(database) if s.name == origin.name)
    return Imported(
        path=str(path),
        source=stored.name,
        suite=stored.suite,
        round=stored.round,
        change=Change.UNCHANGED,
        n_results=stored.n_results,
        n_runs=0,
        n_audits=0,
        n_absent=stored.n_absent,
        n_findings=0,
        seconds=time.perf_counter() - begin,
    )
