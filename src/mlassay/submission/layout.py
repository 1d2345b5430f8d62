"""Where things lie in a submission: one template per layout, and how to find a layout's pieces in a tree.

Three layouts were used: v0.5; classic (v0.7 to v5.1), the same with `compliance` for `audit`; and merged (v6.0 on),
where measurements and compliance moved into the result's own directory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from mlassay.core.enums import Scenario
from mlassay.submission.tree import Tree

DIVISIONS = ("closed", "open", "network")
AUDIT_PREFIXES = ("test", "audit")


@dataclass(frozen=True, slots=True)
class Layout:
    """Templates relative to a submitter's directory. {system}, {benchmark}, {scenario} are directory names."""

    name: str
    result: str
    measurements: str
    compliance: str
    code: str
    documents: str
    folders: tuple[str, ...]  # the directories that a submitter's directory may hold

    def place(self, template: str, system: str, benchmark: str, scenario: str) -> str:
        return template.replace("{system}", system).replace("{benchmark}", benchmark).replace("{scenario}", scenario)


_RESULT = "results/{system}/{benchmark}/{scenario}"

LAYOUTS = {
    "v0.5": Layout(
        name="v0.5",
        result=_RESULT,
        measurements="measurements/{system}/{benchmark}/{scenario}",
        compliance="audit/{system}/{benchmark}/{scenario}",
        code="code",
        documents="",
        folders=("results", "measurements", "systems", "code", "audit"),
    ),
    "classic": Layout(
        name="classic",
        result=_RESULT,
        measurements="measurements/{system}/{benchmark}/{scenario}",
        compliance="compliance/{system}/{benchmark}/{scenario}",
        code="code",
        documents="documentation",
        folders=("results", "measurements", "systems", "code", "compliance", "documentation", "calibration"),
    ),
    "merged": Layout(
        name="merged",
        result=_RESULT,
        measurements=_RESULT,
        compliance=_RESULT,
        code="src",
        documents="documentation",
        folders=("results", "systems", "src", "documentation"),
    ),
}


def layout_for_round(name: str) -> Layout:
    """The layout that a round asks for; rounds that we do not know use the newest."""
    if name == "v0.5":
        return LAYOUTS["v0.5"]
    major = name.removeprefix("v").partition(".")[0]
    return LAYOUTS["classic" if major.isdigit() and int(major) < 6 else "merged"]


@dataclass(frozen=True, slots=True)
class SubmitterPlace:
    division: str
    name: str
    path: str  # "closed/NVIDIA"; "" when the tree itself is one submitter's directory


@dataclass(frozen=True, slots=True)
class ResultPlace:
    """One result's directory, by the names that stand in its path."""

    submitter: SubmitterPlace
    system: str
    benchmark: str
    scenario: str
    path: str


def find_root(tree: Tree, depth: int = 3) -> str | None:
    """The directory that holds the divisions: here, or at most `depth` further down (archives often wrap one)."""
    level = [""]
    for _ in range(depth + 1):
        for folder in level:
            if any(is_division(tree, folder, name) for name in tree.subfolders(folder)):
                return folder
        level = [f"{f}/{n}" if f else n for f in level for n in tree.subfolders(f)][:2000]
    return None


def is_division(tree: Tree, folder: str, name: str) -> bool:
    """A directory named like a division that holds at least one submitter with results or systems."""
    if name.lower() not in DIVISIONS:
        return False
    path = f"{folder}/{name}" if folder else name
    return any(is_submitter(tree, f"{path}/{s}") for s in tree.subfolders(path))


def is_submitter(tree: Tree, path: str) -> bool:
    return any(tree.is_dir(f"{path}/{n}" if path else n) for n in ("results", "systems"))


def submitters(tree: Tree) -> list[SubmitterPlace]:
    """Every submitter of every division, in order."""
    return [
        SubmitterPlace(division.lower(), name, f"{division}/{name}")
        for division in tree.subfolders("")
        if division.lower() in DIVISIONS
        for name in tree.subfolders(division)
        if not name.startswith(".")
    ]


def results(tree: Tree, submitter: SubmitterPlace) -> Iterator[ResultPlace]:
    """Every `results/<system>/<benchmark>/<scenario>` directory, whatever it holds."""
    base = f"{submitter.path}/results" if submitter.path else "results"
    for system in _visible(tree, base):
        for benchmark in _visible(tree, f"{base}/{system}"):
            for scenario in _visible(tree, f"{base}/{system}/{benchmark}"):
                path = f"{base}/{system}/{benchmark}/{scenario}"
                if _may_be_result(tree, path, scenario):
                    yield ResultPlace(submitter, system, benchmark, scenario, path)


def _visible(tree: Tree, folder: str) -> list[str]:
    return [n for n in tree.subfolders(folder) if not n.startswith(".") and n != "__pycache__"]


def _may_be_result(tree: Tree, path: str, name: str) -> bool:
    """A directory with a scenario's name, or with the two directories that a result has."""
    try:
        parse_scenario(name)
    except ValueError:
        below = {n.lower() for n in tree.subfolders(path)}
        return bool(below & {"performance", "accuracy"})
    return True


_OTHER_SPELLINGS = {"online": Scenario.SERVER}


def parse_scenario(name: str) -> Scenario:
    """A scenario from its directory's name, in any usual spelling ('Online' is the endpoints variant's Server)."""
    return _OTHER_SPELLINGS.get(name.lower()) or Scenario.parse(name)


def is_audit_folder(name: str) -> bool:
    """TEST01, test_4a, audit: what lies below is a compliance run, not a result."""
    return name.lower().startswith(AUDIT_PREFIXES)


def child(tree: Tree, folder: str, name: str) -> str | None:
    """The path of a subdirectory whose name equals `name` but for case: exact spelling first."""
    path = f"{folder}/{name}" if folder else name
    if tree.is_dir(path):
        return path
    for other in tree.subfolders(folder):
        if other.lower() == name.lower():
            return f"{folder}/{other}" if folder else other
    return None


def same_name(left: str, right: str) -> bool:
    """Equal but for case, separators and the usual decoration: 'ICL-I3-1005G1' and 'ICL-i31005G1'."""
    return _flat(left) == _flat(right)


def same_start(left: str, right: str) -> bool:
    """One name begins with the other, flattened: 'icl_openvino' and 'ICL-OpenVINO-Windows'."""
    short, long = sorted((_flat(left), _flat(right)), key=len)
    return len(short) >= 6 and long.startswith(short)


def _flat(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def parent(path: str) -> str:
    return "" if "/" not in path else str(PurePosixPath(path).parent)
