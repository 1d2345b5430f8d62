"""TREE: what the container and the directory tree themselves must look like."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from mlassay.submission.check import Found, Scope, Severity, check
from mlassay.submission.layout import DIVISIONS, child, same_name
from mlassay.submission.model import Submission, Submitter
from mlassay.submission.schema import at_least
from mlassay.submission.tree import NotReadable, ProblemKind

MAX_FILE_BYTES = 50 << 20
TOLERATED = (".git", ".github", "assets", ".gitignore", ".gitattributes")
ROOT_SUFFIXES = (".md", ".pdf")
SKIPPED = ("code", "src")
HYGIENE = "Submission rules, structure of the submission; repository checks of the submission tools"


@check(
    "TREE001",
    Scope.SUBMISSION,
    "nothing to check",
    example="found no results below closed, open or network",
    clause="Submission rules, directory structure",
)
def holds_results(submission: Submission) -> Iterator[Found]:
    """A tree without a single result cannot pass. The official tools say 'looks OK' to an empty directory and to one
    whose division is misspelt; a typing mistake then loses the whole submission in silence."""
    if not any(s.results for s in submission.submitters):
        near = _near_divisions(submission)
        yield Found(
            "",
            "no results",
            "<division>/<submitter>/results/<system>/<benchmark>/<scenario>",
            hint=f"is {near[0]!r} meant as a division?"
            if near
            else "point at the directory that holds closed/ or open/",
        )


def _near_divisions(submission: Submission) -> list[str]:
    names = [n for n in submission.tree.subfolders("") if n.lower() not in DIVISIONS]
    return [n for n in names if difflib.get_close_matches(n.lower(), DIVISIONS, 1, 0.6)]


@check(
    "TREE002",
    Scope.SUBMISSION,
    "unknown directory beside the divisions",
    severity=Severity.WARNING,
    example="found 'clsoed'; expected closed, open or network",
    official="root_directories",
    clause="Submission rules, directory structure",
)
def known_divisions(submission: Submission) -> Iterator[Found]:
    """Only the divisions stand at the top. Whatever else is there is not checked by anybody, which is a trap when it
    is a misspelt division."""
    if submission.submitters and not submission.submitters[0].place.path:
        return
    if not any(s.results for s in submission.submitters):
        return  # TREE001 says it
    for name in submission.tree.subfolders(""):
        if name.lower() in DIVISIONS or name in TOLERATED:
            continue
        near = difflib.get_close_matches(name.lower(), DIVISIONS, 1, 0.6)
        yield Found(
            name,
            repr(name),
            "closed, open or network",
            hint=f"rename it to {near[0]}" if near else "move it out of the submission",
        )


@check(
    "TREE003",
    Scope.SUBMISSION,
    "file at the top of the submission",
    example="found notes.txt at the top",
    official="file_hygiene",
    clause=HYGIENE,
)
def root_files(submission: Submission) -> Iterator[Found]:
    """Beside the divisions only .md and .pdf files may stand. The official checker stops at the first other file and
    checks nothing at all."""
    if submission.submitters and not submission.submitters[0].place.path:
        return
    for name in submission.tree.filenames(""):
        if not name.lower().endswith(ROOT_SUFFIXES) and name not in TOLERATED:
            yield Found(name, "a file at the top", "only .md and .pdf files", hint="move it below a submitter")


@check(
    "TREE004",
    Scope.SUBMISSION,
    "file directly in a division",
    example="found closed/notes.txt",
    official="file_hygiene",
    clause=HYGIENE,
)
def division_files(submission: Submission) -> Iterator[Found]:
    """A division holds one directory per submitter and nothing else."""
    tree = submission.tree
    for division in tree.subfolders(""):
        if division.lower() in DIVISIONS:
            for name in tree.filenames(division):
                yield Found(f"{division}/{name}", "a file in a division", "only submitters' directories")


_LINKS = {
    ProblemKind.LINK_LEAVES: "a link that leaves the submission",
    ProblemKind.LINK_BROKEN: "a link to nothing",
    ProblemKind.LINK_LOOP: "a link to a directory that holds it",
}


@check(
    "TREE005",
    Scope.SUBMISSION,
    "link that leads nowhere or outside",
    example="found a link that leaves the submission (-> /etc/passwd)",
    official="file_hygiene",
    clause=HYGIENE,
)
def bad_links(submission: Submission) -> Iterator[Found]:
    """A link that leaves the tree publishes nothing, or a file of the checking machine. The official checker refuses
    broken links only; wherever a valid one points, it follows."""
    for problem in submission.tree.problems:
        if problem.kind in _LINKS:
            detail = f" (-> {problem.detail})" if problem.detail else ""
            yield Found(problem.path, _LINKS[problem.kind] + detail, "a file of the submission", hint="copy the file")


@check(
    "TREE006",
    Scope.SUBMISSION,
    "link inside the tree",
    severity=Severity.WARNING,
    example="found a link (-> ../run_1)",
    clause=HYGIENE,
)
def inner_links(submission: Submission) -> Iterator[Found]:
    """Links are lost in many archives and refused by the repository checks, even those that stay inside."""
    for problem in submission.tree.problems:
        if problem.kind is ProblemKind.LINK_INSIDE:
            yield Found(problem.path, f"a link (-> {problem.detail})", "a file", hint="copy the file")


@check(
    "TREE007",
    Scope.SUBMISSION,
    "file larger than 50 MB",
    example="found 61,000,000 bytes",
    official="file_hygiene",
    clause=HYGIENE,
)
def large_files(submission: Submission) -> Iterator[Found]:
    """The results repository takes no file above 50 MB. Accuracy logs are truncated, models are linked to."""
    for path, node in submission.tree.nodes.items():
        if node.size > MAX_FILE_BYTES:
            yield Found(
                path, f"{node.size:,} bytes", f"at most {MAX_FILE_BYTES:,}", hint="truncate logs, link to models"
            )


def _own_paths(submission: Submission) -> list[tuple[str, str]]:
    """(path, name) of everything below the submitters, code apart, each once."""
    if submission.own_paths is None:
        submission.own_paths = [
            (path, path.rpartition("/")[2])
            for submitter in submission.submitters
            for path in submission.tree.walk(
                submitter.place.path, frozenset(submitter.path(folder) for folder in SKIPPED)
            )
        ]
    return submission.own_paths


@check(
    "TREE008",
    Scope.SUBMISSION,
    "hidden file",
    example="found the name '.DS_Store'",
    official="file_hygiene",
    clause=HYGIENE,
)
def hidden_files(submission: Submission) -> Iterator[Found]:
    """Names that begin with a dot are leftovers of editors and desktops."""
    for path, name in _own_paths(submission):
        if name.startswith("."):
            yield Found(path, f"the name {name!r}", "no leading dot", hint="delete it")


@check(
    "TREE009",
    Scope.SUBMISSION,
    "name with a space",
    example="found the name 'run 1'",
    official="file_hygiene",
    clause=HYGIENE,
)
def spaces(submission: Submission) -> Iterator[Found]:
    """Spaces in names break the scripts that build the published tables."""
    for path, name in _own_paths(submission):
        if " " in name:
            yield Found(path, f"the name {name!r}", "a name without spaces", hint="rename it")


@check(
    "TREE010",
    Scope.SUBMISSION,
    "compiled Python",
    example="found __pycache__",
    official="file_hygiene",
    clause=HYGIENE,
)
def pycache(submission: Submission) -> Iterator[Found]:
    """__pycache__ is a by-product of running code, never a part of a submission."""
    bases = tuple(f"{s.place.path}/" if s.place.path else "" for s in submission.submitters)
    for path in submission.tree.folders:
        if path.endswith("__pycache__") and path.startswith(bases):
            yield Found(path, "__pycache__", "no compiled files", hint="delete it")


@check(
    "TREE011",
    Scope.SUBMISSION,
    "empty directory",
    example="found no files in it",
    official="file_hygiene",
    clause=HYGIENE,
)
def empty_folders(submission: Submission) -> Iterator[Found]:
    """An empty directory is lost in git and usually means that a copy went wrong."""
    tree = submission.tree
    for path, _ in _own_paths(submission):
        if tree.is_dir(path) and not tree.names(path):
            yield Found(path, "no files in it", "files, or no directory", hint="fill it or remove it")


@check(
    "TREE012",
    Scope.SUBMISSION,
    "special file",
    example="found a device, pipe or socket",
    clause=HYGIENE,
)
def special_files(submission: Submission) -> Iterator[Found]:
    """A device or a pipe in a submission is never an accident; it is not opened."""
    for problem in submission.tree.problems:
        if problem.kind is ProblemKind.SPECIAL:
            yield Found(problem.path, "a device, pipe or socket", "a regular file")


@check(
    "TREE013",
    Scope.SUBMISSION,
    "name given twice",
    example="found the archive names it twice",
    clause=HYGIENE,
)
def duplicates(submission: Submission) -> Iterator[Found]:
    """An archive with two files of one name unpacks differently with different tools. The first one is read here."""
    for problem in submission.tree.problems:
        if problem.kind is ProblemKind.DUPLICATE:
            yield Found(problem.path, problem.detail or "the archive names it twice", "one file of each name")


@check(
    "TREE014",
    Scope.SUBMISSION,
    "name that leaves the archive",
    example="found '../../etc/cron.d/x'",
    clause=HYGIENE,
)
def traversal(submission: Submission) -> Iterator[Found]:
    """Names that are absolute or climb out with '..' write outside of the place where an archive is unpacked."""
    for problem in submission.tree.problems:
        if problem.kind is ProblemKind.TRAVERSAL:
            yield Found(problem.path, "a name outside of the archive", "a relative name without '..'")


@check(
    "TREE015",
    Scope.SUBMISSION,
    "part of the container that cannot be read",
    example="found damaged archive: ends in the middle of a file",
    clause=HYGIENE,
)
def container(submission: Submission) -> Iterator[Found]:
    """A damaged, encrypted or exploding archive, or a directory that may not be listed: what could be read was
    checked, the rest is unknown and therefore not accepted."""
    bad = (ProblemKind.DAMAGED, ProblemKind.TOO_LARGE, ProblemKind.ENCRYPTED, ProblemKind.UNREADABLE)
    for problem in submission.tree.problems:
        if problem.kind in bad:
            detail = f": {problem.detail}" if problem.detail else ""
            yield Found(problem.path, f"{problem.kind}{detail}", "a container that can be read whole")


@check(
    "TREE016",
    Scope.SUBMISSION,
    "pointer in place of a file",
    example="found a Git LFS pointer to 8,421,376 bytes",
    clause=HYGIENE,
)
def pointers(submission: Submission) -> Iterator[Found]:
    """A clone without large-file support holds small text pointers where the logs should be. Such a file counts as
    absent, never as empty or wrong."""
    for path, _ in _own_paths(submission):
        node = submission.tree.nodes.get(path)
        if node is None or not 100 <= node.size <= 200 or not path.endswith((".txt", ".json")):
            continue
        try:
            head = submission.tree.head(path, 200)
        except NotReadable:
            continue
        if head.startswith(b"version https://git-lfs"):
            size = head.rpartition(b"size ")[2].strip().decode("latin-1")
            yield Found(
                path,
                f"a Git LFS pointer to {int(size):,} bytes" if size.isdigit() else "a Git LFS pointer",
                "the file itself",
                hint="fetch it with 'git lfs pull'",
            )


@check(
    "TREE017",
    Scope.SUBMITTER,
    "system description without results",
    example="found systems/T4x8.json and no results/T4x8",
    official="file_hygiene",
    clause="Submission rules, system description",
)
def orphan_systems(submitter: Submitter) -> Iterator[Found]:
    """Each described system has results; an orphan is a misspelt name or a leftover."""
    used = {r.place.system for r in submitter.results}
    described = {s.name for s in (submitter.system(name) for name in used) if s}
    for name, system in submitter.systems.items():
        if name not in used and name not in described:
            near = [n for n in used if same_name(n, name)]
            yield Found(
                system.path,
                f"no results/{name}",
                "results of each system that is described",
                hint=f"results of {near[0]} exist: use one name" if near else "remove it or add its results",
            )


@check(
    "TREE018",
    Scope.SUBMITTER,
    "measurements or compliance without results",
    example="found measurements/T4x8/resnet and no results/T4x8/resnet",
    official="file_hygiene",
    clause="Submission rules, directory structure",
)
def orphan_folders(submitter: Submitter) -> Iterator[Found]:
    """What lies in measurements/, compliance/ or audit/ belongs to a result of the same system and benchmark."""
    layout = submitter.submission.layout
    used = {(r.place.system, r.place.benchmark, r.place.scenario) for r in submitter.results}
    systems, benchmarks = {u[0] for u in used}, {u[:2] for u in used}
    for top in dict.fromkeys(t.partition("/")[0] for t in (layout.measurements, layout.compliance)):
        if top == "results" or not submitter.results:
            continue
        base = submitter.path(top)
        for system in submitter.tree.subfolders(base):
            if system not in systems:
                yield _orphan(f"{base}/{system}", system, submitter)
                continue
            for benchmark in submitter.tree.subfolders(f"{base}/{system}"):
                if (system, benchmark) not in benchmarks:
                    yield _orphan(f"{base}/{system}/{benchmark}", f"{system}/{benchmark}", submitter)


def _orphan(path: str, name: str, submitter: Submitter) -> Found:
    severity = Severity.WARNING if submitter.round.name == "v0.5" else None  # published so, by several
    hint = "use one spelling, or remove it"
    return Found(path, f"no results/{name}", "a result of the same name", hint=hint, severity=severity)


@check(
    "TREE019",
    Scope.SUBMITTER,
    "unknown directory in a submitter's directory",
    severity=Severity.WARNING,
    example="found 'result'; expected results, measurements, systems, code, ...",
    clause="Submission rules, directory structure",
)
def known_folders(submitter: Submitter) -> Iterator[Found]:
    """Directories that the round's layout does not know are not looked at by anybody."""
    known = submitter.submission.layout.folders
    for name in submitter.tree.subfolders(submitter.place.path):
        if name not in known and not name.startswith("."):
            near = difflib.get_close_matches(name.lower(), known, 1, 0.6)
            yield Found(
                submitter.path(name),
                repr(name),
                ", ".join(known),
                hint=f"is {near[0]} meant?" if near else f"round {submitter.round.name} does not use it",
            )


@check(
    "TREE020",
    Scope.SUBMITTER,
    "directory name in unusual case",
    severity=Severity.WARNING,
    example="found 'Performance'; expected 'performance'",
    clause="Submission rules, directory structure",
)
def usual_case(submitter: Submitter) -> Iterator[Found]:
    """The official tools compare names exactly: 'singlestream' is marked as inferred by some, 'Performance' is not
    found by others."""
    for result in submitter.results:
        if result.scenario is not None and result.place.scenario != result.scenario.official_name:
            if result.place.scenario.lower() == "online":
                continue
            yield Found(result.path, repr(result.place.scenario), repr(result.scenario.official_name))
        for name in ("performance", "accuracy"):
            path = child(submitter.tree, result.path, name)
            if path and not path.endswith(name):
                yield Found(path, repr(path.rpartition("/")[2]), repr(name), hint="rename the directory")


CALIBRATION = ("calibration.md", "calibration.adoc", "calibration_process.adoc", "calibration_process.md")


@check(
    "TREE021",
    Scope.SUBMITTER,
    "no calibration note",
    example="found neither calibration.md nor documentation/calibration.md",
    official="calibration_doc",
    since="v0.7",
    open_severity=Severity.NOTE,
    clause="Inference rules, quantization: the calibration is described",
)
def calibration(submitter: Submitter) -> Iterator[Found]:
    """A closed or network submission says how its weights were quantised, even if it only says that they were not."""
    if submitter.is_open or not submitter.results:
        return
    places = [submitter.place.path, submitter.path("documentation"), submitter.path("calibration")]
    if at_least(submitter.round.name, "v6.0"):
        places = [submitter.path("documentation"), submitter.place.path]
    for place in places:
        names = {n.lower() for n in submitter.tree.filenames(place)}
        if names & set(CALIBRATION):
            return
    if any(r.measurements_folder and _has_note(submitter, r.measurements_folder) for r in submitter.results):
        return
    yield Found(
        submitter.place.path or ".",
        "no calibration note",
        "documentation/calibration.md or calibration.md",
        hint="one paragraph is enough: which data, which method, or that nothing was quantised",
    )


def _has_note(submitter: Submitter, folder: str) -> bool:
    return any(n.lower() in CALIBRATION for n in submitter.tree.filenames(folder))


@check(
    "TREE022",
    Scope.SUBMISSION,
    "name that is not plain text",
    severity=Severity.WARNING,
    example="found control characters or bytes that are not UTF-8 in a name",
    clause=HYGIENE,
)
def plain_names(submission: Submission) -> Iterator[Found]:
    """Names are printable UTF-8: others cannot be shown, compared or published safely."""
    for path, name in _own_paths(submission):
        if not name.isprintable():
            yield Found(path, "characters that cannot be printed", "a printable name", hint="rename it")
