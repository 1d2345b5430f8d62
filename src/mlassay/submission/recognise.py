"""Which suite, which round, and where in the tree? Answered from what is there before anything is judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlassay.core.errors import BadFile
from mlassay.rules.reader import load_round, rounds
from mlassay.submission import layout as lay
from mlassay.submission.layout import ResultPlace, SubmitterPlace
from mlassay.submission.model import DETAIL, SUMMARY
from mlassay.submission.runlog import RunLog, read_run_log
from mlassay.submission.tree import Tree, open_tree

SAMPLE_LOGS = 9


@dataclass(frozen=True, slots=True)
class Located:
    """What a path turned out to be."""

    tree: Tree
    kind: str  # "submission", "submitter", "run", "nothing"
    focus: str = ""  # only results below this path of the tree
    runs: tuple[tuple[str, str], ...] = ()  # (directory, role) for single runs


def locate(path: str | Path | Tree) -> Located:
    """Open a path and find the submission in it, around it, or the single run that it is.

    Raises BadFile when there is nothing that can be checked.
    """
    if isinstance(path, Tree):
        inside = lay.find_root(path)
        return Located(path.below(inside), "submission") if inside is not None else Located(path, "nothing")
    place = Path(path)
    if place.is_dir():
        around = _around(place)
        if around is not None:
            root, focus = around
            return Located(open_tree(root), "submission", focus)
    tree = open_tree(place)
    root_path = lay.find_root(tree)
    if root_path is not None:
        return Located(tree.below(root_path), "submission")
    division = _division_here(tree, place)
    if division is not None:
        return division
    runs = tuple(_single_runs(tree))
    if runs:
        return Located(tree, "run", runs=runs)
    if place.is_dir() or tree.folders.get("") != [place.name]:
        return Located(tree, "nothing")
    raise BadFile(place, found="no log, no archive, no submission", expected="one of these",
                  hint="give a submission's directory or archive, a run's directory, or a log")  # fmt: skip


def _around(place: Path) -> tuple[Path, str] | None:
    """A directory inside a submission (a result's, a submitter's): the submission's root and the way down to it."""
    parts = place.resolve().parts
    for at in range(len(parts) - 1, 0, -1):
        if parts[at] in lay.DIVISIONS and len(parts) > at + 1:
            submitter = Path(*parts[: at + 2])
            if (submitter / "results").is_dir() or (submitter / "systems").is_dir():
                return Path(*parts[:at]), "/".join(parts[at:])
    return None


def _division_here(tree: Tree, place: Path) -> Located | None:
    """The path is itself one division, or one submitter's directory outside of any division."""
    if place.name.lower() in lay.DIVISIONS and any(lay.is_submitter(tree, s) for s in tree.subfolders("")):
        return Located(open_tree(place.parent), "submission", place.name) if place.is_dir() else None
    if lay.is_submitter(tree, ""):
        return Located(tree, "submitter")
    return None


def _single_runs(tree: Tree) -> Iterator[tuple[str, str]]:
    """Directories with a load generator's logs, at most four levels down, with what each run was for."""
    level = [""]
    for _ in range(5):
        for folder in level:
            names = set(tree.filenames(folder))
            if names & {DETAIL, SUMMARY} or _lone_log(tree, folder):
                yield folder, _role(tree, folder)
        level = [f"{f}/{n}" if f else n for f in level for n in tree.subfolders(f)][:500]


def _lone_log(tree: Tree, folder: str) -> bool:
    names = tree.filenames(folder)
    return folder == "" and len(names) == 1 and names[0].endswith((".txt", ".log"))


def _role(tree: Tree, folder: str) -> str:
    log = run_log(tree, folder)
    return "accuracy" if log.mode.startswith("Accuracy") else "performance"


def run_log(tree: Tree, folder: str) -> RunLog:
    """Both logs of a directory; a single file under any name is tried as either."""
    prefix = f"{folder}/" if folder else ""
    names = tree.filenames(folder)
    if len(names) == 1 and names[0] not in (DETAIL, SUMMARY):
        log = read_run_log(tree, prefix + names[0], "")
        return log if log.has_detail else read_run_log(tree, "", prefix + names[0])
    return read_run_log(tree, prefix + DETAIL, prefix + SUMMARY)


def submitter_alone(tree: Tree) -> SubmitterPlace:
    """A submitter's directory without a division around it: the system files say which division is meant."""
    from mlassay.submission.model import read_json

    said: Counter[str] = Counter()
    name = Path(tree.label).name
    for file in tree.filenames("systems"):
        if file.endswith(".json"):
            data = read_json(tree, f"systems/{file}")
            said[data.text("division").lower()] += 1
    division = next((d for d, _ in said.most_common() if d in lay.DIVISIONS), "closed")
    return SubmitterPlace(division, name, "")


def recognise_round(tree: Tree, places: list[ResultPlace], runs: tuple[tuple[str, str], ...] = ()) -> tuple[str, str]:
    """(round, reason to doubt it): by the seeds of some logs, spread over the tree, else by the layout."""
    seen: Counter[int] = Counter()
    for folder in [f for f, _ in runs] or _spread(tree, places):
        log = run_log(tree, folder)
        said = (log.integer(f"effective_{n}_rng_seed") for n in ("qsl", "sample_index", "schedule"))
        seen.update(seed for seed in said if seed is not None)
    total, best, votes = sum(seen.values()), "", 0
    for name in reversed(rounds()):
        seeds = load_round(name).seeds
        count = sum(seen[s] for s in {seeds.qsl, seeds.sample_index, seeds.schedule})
        if count > votes:
            best, votes = name, count
        if 2 * votes > total:
            break  # no other round can have more
    if best:
        return best, ""
    if any(tree.is_file(f"{place.path}/performance/result_summary.json") for place in places):
        return rounds()[-1], ""  # measured over HTTP, which only the newest round knows
    name = _round_by_layout(tree)
    return name, f"no seeds of a known round; {name} was assumed from the layout"


def _spread(tree: Tree, places: list[ResultPlace]) -> Iterator[str]:
    """Directories of performance runs, a few, evenly over all results."""
    step = max(1, len(places) // SAMPLE_LOGS)
    for place in places[::step][: SAMPLE_LOGS + 1]:
        performance = lay.child(tree, place.path, "performance")
        if performance is None:
            continue
        below = [f"{performance}/{n}" for n in tree.subfolders(performance) if n.lower().startswith("run")]
        yield (below or [performance])[0]


def _round_by_layout(tree: Tree) -> str:
    newest = rounds()[-1]
    classic = [n for n in rounds() if lay.layout_for_round(n).name == "classic"][-1]
    for submitter in lay.submitters(tree) or [SubmitterPlace("", "", "")]:
        names = {n.lower() for n in tree.subfolders(submitter.path)}
        if "audit" in names:
            return "v0.5"
        if names & {"measurements", "compliance", "code"}:
            return classic
    return newest
