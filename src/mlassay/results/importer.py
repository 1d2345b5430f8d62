"""`mlassay db import`: what lies at a path, read and stored as one source in one transaction."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

from mlassay._version import __version__
from mlassay.core.errors import BadFile
from mlassay.results.check_import import add_findings
from mlassay.results.database import Database
from mlassay.results.inference_import import read_inference
from mlassay.results.origin import Origin, origin_of
from mlassay.results.rows import Batch, SourceRow
from mlassay.results.run_import import read_run_folder, run_folders
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

    @property
    def sentence(self) -> str:
        """One line for people."""
        if self.change is Change.UNCHANGED:
            return f"{self.source}: unchanged, {self.n_results:,} results"
        parts = [f"{self.n_results:,} {self.suite} results", f"{self.n_runs:,} runs"]
        parts += [f"{self.n_audits:,} audit runs"] if self.n_audits else []
        parts += [f"{self.n_absent:,} entries without content"] if self.n_absent else []
        parts += [f"{self.n_findings:,} notes"] if self.n_findings else []
        where = f" (round {self.round})" if self.round else ""
        return f"{self.source}{where}: {self.change}, {', '.join(parts)}, {self.seconds:.1f} s"


def import_path(
    database: Database, path: str | Path, *, force: bool = False, round: str = "auto", with_checks: bool = False
) -> list[Imported]:
    """Read whatever lies at `path` and store it: a tree is one source, each run folder is one of its own.

    The same content again changes nothing. `force` reads even when the listing has not changed; `with_checks` asks the
    submission checker and keeps its findings. Raises BadFile when there is nothing to import.
    """
    place = Path(path)
    folders = run_folders(place) if place.is_dir() else []
    if folders:
        return [_import_run(database, folder) for folder in folders]
    return [_import_tree(database, place, force=force, round=round, with_checks=with_checks)]


def _import_run(database: Database, folder: Path) -> Imported:
    begin = time.perf_counter()
    batch = read_run_folder(folder, READER)
    return _imported(folder, batch, store(database, batch), begin)


def _import_tree(database: Database, place: Path, *, force: bool, round: str, with_checks: bool) -> Imported:
    begin = time.perf_counter()
    tree = open_tree(place)
    origin = origin_of(place, tree)
    signature = listing_signature(tree)
    reader = f"{READER}, with checks" if with_checks else READER
    known = None if force else known_signature(database, origin.name)
    if known == (signature, reader):
        return _unchanged(database, place, origin, begin)
    batch = read_batch(place, tree, origin, signature, round=round, with_checks=with_checks)
    change = store(database, batch)
    return _imported(place, batch, change, begin)


def listing_signature(tree: Tree) -> str:
    """A digest of every name and size: cheap, and enough to see that nothing has changed."""
    total = hashlib.sha256()
    for name in sorted(tree.nodes):
        node = tree.nodes[name]
        total.update(f"{name}\0{node.size}\0{node.kind}\n".encode("utf-8", "surrogatepass"))
    return total.hexdigest()


def read_batch(
    place: Path, tree: Tree, origin: Origin, signature: str, *, round: str = "auto", with_checks: bool = False
) -> Batch:
    """Every row of one source. Raises BadFile when the path holds nothing that can be imported."""
    batch = _inference(place, tree, origin, signature, round, with_checks)
    if batch is None:
        batch = _training(place, tree, origin, signature, round)
    if batch is not None:
        return batch
    raise BadFile(
        place,
        found="nothing that can be imported",
        expected="run folders, a submission, or a results repository",
        hint="give the folder or archive that holds results/, closed/ or a run",
    )


def _inference(place: Path, tree: Tree, origin: Origin, signature: str, round: str, with_checks: bool) -> Batch | None:
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
    batch = Batch(_source(origin, tree, signature, place, "inference", submission.round_name, with_checks))
    read_inference(submission, batch)
    if with_checks:
        add_findings(submission, located, batch)
    return batch


def _source(
    origin: Origin, tree: Tree, signature: str, place: Path, suite: str, round: str, with_checks: bool = False
) -> SourceRow:
    return SourceRow(
        name=origin.name,
        kind="repository" if origin.published else "submission",
        suite=suite,
        round=round,
        origin=str(place),
        url=origin.url,
        commit_id=origin.commit_id,
        reader=f"{READER}, with checks" if with_checks else READER,
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
        if not tree.is_dir(below) or tree.is_dir(f"{below}/results"):  # a file, or a round's only submitter
            break
        root = below
    return root


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
