"""A submission as typed objects, each file read once, when first asked for; nothing here writes or judges.

Submission -> Submitter -> SystemFile, ResultFolder -> Run (performance, accuracy, compliance)
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from mlassay.core.enums import Scenario
from mlassay.rules.round import BenchmarkRule, Round, ScenarioRule
from mlassay.submission import layout as lay
from mlassay.submission.accuracy_text import AccuracyText, read_accuracy_text
from mlassay.submission.layout import Layout, ResultPlace, SubmitterPlace
from mlassay.submission.runlog import RunLog, read_run_log
from mlassay.submission.tree import NotReadable, Tree

MAX_JSON_BYTES = 4 << 20
DETAIL, SUMMARY, ACCURACY = "mlperf_log_detail.txt", "mlperf_log_summary.txt", "mlperf_log_accuracy.json"


@dataclass(frozen=True, slots=True)
class JsonFile:
    """A JSON object from the tree, or why there is none."""

    path: str
    data: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""  # "absent", "not JSON (...)", "a list, not an object", ...
    duplicates: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.problem

    def text(self, key: str) -> str:
        """A value as trimmed text; numbers are spelled, anything else gives ''."""
        value = self.data.get(key, "")
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return ""
        return str(value).strip()


def read_json(tree: Tree, path: str) -> JsonFile:
    """Read a JSON object, whatever a stranger may have put there."""
    if not tree.is_file(path):
        return JsonFile(path, problem="absent")
    try:
        text = tree.read(path, MAX_JSON_BYTES).decode("utf-8-sig")
    except NotReadable as error:
        return JsonFile(path, problem=error.reason)
    except UnicodeDecodeError as error:
        return JsonFile(path, problem=f"not UTF-8 (byte {error.start})")
    duplicates: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        data = dict(items)
        if len(data) < len(items):
            seen: set[str] = set()
            duplicates.extend(k for k, _ in items if k in seen or seen.add(k))  # type: ignore[func-returns-value]
        return data

    try:
        data = json.loads(text, object_pairs_hook=pairs)
    except RecursionError:
        return JsonFile(path, problem="nested too deeply to be read")
    except ValueError as error:
        return JsonFile(path, problem=f"not JSON ({error})")
    if not isinstance(data, dict):
        return JsonFile(path, problem=f"a {_json_type(data)}, not an object")
    return JsonFile(path, data, duplicates=tuple(dict.fromkeys(duplicates)))


def _json_type(value: object) -> str:
    names = {list: "list", str: "text", bool: "truth value", int: "number", float: "number", type(None): "null"}
    return names.get(type(value), type(value).__name__)


@dataclass
class Submission:
    """A whole tree, seen with the rules of one round."""

    tree: Tree
    round: Round
    layout: Layout
    submitters: list[Submitter] = field(default_factory=list)
    suite: str = "inference"
    as_official: bool = False  # judge by the arithmetic of the round's official tool
    round_guess: str = ""  # why the round may be wrong
    own_paths: list[tuple[str, str]] | None = None  # kept by the checks of the tree

    @property
    def round_name(self) -> str:
        return self.round.name


@dataclass
class Submitter:
    """One organisation in one division."""

    submission: Submission
    place: SubmitterPlace

    @property
    def tree(self) -> Tree:
        return self.submission.tree

    @property
    def round(self) -> Round:
        return self.submission.round

    @property
    def division(self) -> str:
        return self.place.division

    @property
    def name(self) -> str:
        return self.place.name

    @property
    def label(self) -> str:
        return f"{self.division}/{self.name}"

    @property
    def is_open(self) -> bool:
        return self.division == "open"

    def path(self, below: str) -> str:
        return f"{self.place.path}/{below}" if self.place.path else below

    @cached_property
    def results(self) -> list[ResultFolder]:
        return [ResultFolder(self, place) for place in lay.results(self.tree, self.place)]

    @cached_property
    def systems(self) -> dict[str, SystemFile]:
        """Every `systems/<name>.json` by name."""
        folder = self.path("systems")
        names = [n for n in self.tree.filenames(folder) if n.lower().endswith(".json") and not n.startswith(".")]
        return {n[:-5]: SystemFile(self, n[:-5], f"{folder}/{n}") for n in names}

    def system(self, name: str) -> SystemFile | None:
        """The description of a system: by its exact name, else the one whose name is the same but for spelling."""
        if name in self.systems:
            return self.systems[name]
        for alike in (lay.same_name, lay.same_start, _same_words):
            near = [s for n, s in self.systems.items() if alike(n, name)]
            if near:
                return near[0] if len(near) == 1 else None
        return None

    @cached_property
    def model_mapping(self) -> JsonFile:
        """open/<submitter>/model_mapping.json: own model names to benchmarks."""
        return read_json(self.tree, self.path("model_mapping.json"))

    def benchmark(self, directory: str) -> BenchmarkRule | None:
        """The rule book's benchmark for a model directory's name; None when the round knows none."""
        rules = self.round.benchmarks
        mapped = self.model_mapping.data.get(directory) if self.is_open else None
        for name in (directory, mapped):
            if isinstance(name, str):
                name = self.round.model_names.get(name, name)
                if name in rules:
                    return rules[name]
        return by_prefix(self.round, directory) if self.is_open else None


def _same_words(left: str, right: str) -> bool:
    """Names that agree in their words but for a decoration: 'nnpi-1000-2x_onnx', 'nnpi-1000_onnx'."""
    a, b = (s.lower().replace("_", "-").split("-") for s in (left, right))
    return len(a) > 1 and len(b) > 1 and a[0] == b[0] and (set(a) <= set(b) or set(b) <= set(a))


_FAMILIES = (
    ("ssd-mobilenet", "ssd-small"),
    ("ssdlite-mobilenet", "ssd-small"),
    ("ssd-inception", "ssd-small"),
    ("ssd-resnet50-fpn", "ssd-small"),
    ("ssd-resnet", "ssd-large"),
    ("rcnn", "ssd-small"),
    ("yolo", "ssd-small"),
    ("mobilenet", "mobilenet"),
    ("resnet", "resnet"),
    ("gnmt", "gnmt"),
)
"""Open-division model names of v0.5, which had no model_mapping.json yet, by their beginnings."""


def by_prefix(round_: Round, directory: str) -> BenchmarkRule | None:
    name = directory.lower()
    for prefix, benchmark in _FAMILIES:
        if name.startswith(prefix) and benchmark in round_.benchmarks:
            return round_.benchmarks[benchmark]
    return None


@dataclass
class SystemFile:
    """One systems/<name>.json."""

    submitter: Submitter
    name: str
    path: str

    @cached_property
    def json(self) -> JsonFile:
        return read_json(self.submitter.tree, self.path)

    @property
    def data(self) -> Mapping[str, Any]:
        return self.json.data

    @cached_property
    def suites(self) -> tuple[str, ...]:
        """'datacenter', 'edge', both or none, as the file says."""
        said = self.json.text("system_type").lower().replace(" ", "").split(",")
        return tuple(s for s in ("datacenter", "edge") if s in said)


@dataclass
class Run:
    """One run of the load generator: a directory with its logs. `role` is what the run is there for."""

    result: ResultFolder
    path: str
    role: str  # "performance", "accuracy", or a test's name: "TEST01"

    @property
    def tree(self) -> Tree:
        return self.result.tree

    def file(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name

    def has(self, name: str) -> bool:
        return self.tree.is_file(self.file(name))

    @cached_property
    def log(self) -> RunLog:
        return read_run_log(self.tree, self.file(DETAIL), self.file(SUMMARY))

    @property
    def rule(self) -> ScenarioRule | None:
        """The bounds of the run. The official v6 tools take the scenario from the log and hold Interactive runs against
        Server's bounds."""
        result = self.result
        as_v6 = result.submitter.submission.as_official and result.round.layout == "merged"
        if as_v6 and result.scenario is Scenario.INTERACTIVE and result.benchmark is not None:
            return result.benchmark.scenarios.get(Scenario.SERVER)
        return result.rule

    @property
    def where(self) -> str:
        """The file that the numbers were read from."""
        return self.file(DETAIL) if self.log.has_detail else self.file(SUMMARY)


@dataclass
class ResultFolder:
    """One results/<system>/<benchmark>/<scenario> directory and what belongs to it elsewhere."""

    submitter: Submitter
    place: ResultPlace
    bare: Run | None = None  # a run checked by itself, without a submission around it
    given_benchmark: str = ""

    @property
    def tree(self) -> Tree:
        return self.submitter.tree

    @property
    def round(self) -> Round:
        return self.submitter.round

    @property
    def path(self) -> str:
        return self.place.path

    @property
    def is_open(self) -> bool:
        return self.submitter.is_open

    @cached_property
    def scenario(self) -> Scenario | None:
        try:
            return lay.parse_scenario(self.place.scenario)
        except ValueError:
            return None

    @cached_property
    def benchmark(self) -> BenchmarkRule | None:
        return self.submitter.benchmark(self.place.benchmark) if self.place.benchmark else None

    @cached_property
    def rule(self) -> ScenarioRule | None:
        """What the round asks of this benchmark in this scenario."""
        if self.benchmark is None or self.scenario is None:
            return None
        return self.benchmark.scenarios.get(self.scenario)

    @cached_property
    def system(self) -> SystemFile | None:
        return self.submitter.system(self.place.system)

    # runs

    @cached_property
    def performance_folder(self) -> str | None:
        return lay.child(self.tree, self.path, "performance")

    @cached_property
    def performance_runs(self) -> list[Run]:
        """The runs under performance/: run_1, run_2, ... or the directory itself when the logs lie there."""
        if self.bare is not None:
            return [self.bare] if self.bare.role == "performance" else []
        folder = self.performance_folder
        if folder is None:
            return []
        names = [n for n in self.tree.subfolders(folder) if n.lower().startswith("run") or n.isdigit()]
        runs = [Run(self, f"{folder}/{n}", "performance") for n in sorted(names, key=_run_number)]
        here = Run(self, folder, "performance")
        if not runs and (here.has(DETAIL) or here.has(SUMMARY)):
            return [here]
        return [r for r in runs if self.tree.names(r.path)] or runs

    @property
    def run(self) -> Run | None:
        """The performance run that the result is read from."""
        return self.performance_runs[0] if self.performance_runs else None

    @cached_property
    def accuracy_folder(self) -> str | None:
        return lay.child(self.tree, self.path, "accuracy")

    @cached_property
    def accuracy_run(self) -> Run | None:
        if self.bare is not None:
            return self.bare if self.bare.role == "accuracy" else None
        return Run(self, self.accuracy_folder, "accuracy") if self.accuracy_folder else None

    @cached_property
    def accuracy(self) -> AccuracyText:
        """What accuracy.txt says."""
        folder = self.accuracy_folder
        return read_accuracy_text(self.tree, f"{folder}/accuracy.txt" if folder else "")

    # what lies beside

    @cached_property
    def measurements_folder(self) -> str:
        place, layout = self.place, self.submitter.submission.layout
        return self.submitter.path(layout.place(layout.measurements, place.system, place.benchmark, place.scenario))

    @cached_property
    def measurements(self) -> JsonFile:
        """The measurements JSON: measurements.json, or <system>[_<implementation>][_<scenario>].json."""
        paths = self.measurement_files
        return read_json(self.tree, paths[0]) if paths else JsonFile(self.measurements_folder, problem="absent")

    @cached_property
    def measurement_files(self) -> list[str]:
        """Every file that can be the measurements JSON, likeliest first."""
        folder = self.measurements_folder
        names = [n for n in self.tree.filenames(folder) if n.lower().endswith(".json")]
        if self.submitter.submission.layout.name == "merged":
            ranked = [n for n in names if n == "measurements.json"]
        else:
            own = [n for n in names if n.startswith(self.place.system)]
            ranked = sorted(own, key=lambda n: (self.place.scenario.lower() not in n.lower(), len(n), n))
            ranked = ranked or [n for n in names if n != "config.json"]
        return [f"{folder}/{n}" for n in ranked]

    @cached_property
    def implementation(self) -> str:
        """<impl> of the measurements file's name; '' when it has none."""
        name = self.measurements.path.rpartition("/")[2].removesuffix(".json")
        if not name.startswith(f"{self.place.system}_"):
            return ""
        rest = name[len(self.place.system) + 1 :]
        return rest.removesuffix(f"_{self.place.scenario}")

    @cached_property
    def compliance_folder(self) -> str:
        place, layout = self.place, self.submitter.submission.layout
        return self.submitter.path(layout.place(layout.compliance, place.system, place.benchmark, place.scenario))

    def test_folder(self, test: str) -> str | None:
        """The directory of a compliance test. One v0.5 submitter put them into the results: test_1, test_4a."""
        folder = lay.child(self.tree, self.compliance_folder, test)
        if folder is None and self.round.layout == "v0.5":
            short = f"test_{test.removeprefix('TEST').lstrip('0').replace('-', '')}"
            folder = lay.child(self.tree, self.path, short)
        return folder

    @property
    def tests(self) -> tuple[str, ...]:
        """The compliance tests that the result needs. TEST04-A and -B (until v2.0) were not run in MultiStream."""
        if self.benchmark is None:
            return ()
        if self.scenario is Scenario.MULTI_STREAM and self.round.name != "v0.5":
            return tuple(t for t in self.benchmark.compliance if not t.startswith("TEST04-"))
        return self.benchmark.compliance

    @cached_property
    def test_runs(self) -> dict[str, Run]:
        """Performance runs of the compliance tests, by test."""
        runs = {}
        for test in self.tests:
            folder = self.test_folder(test)
            below = lay.child(self.tree, folder, "performance") if folder else None
            if below is None:
                continue
            names = [n for n in self.tree.subfolders(below) if n.lower().startswith("run")]
            runs[test] = Run(self, f"{below}/{min(names)}" if names else below, test)
        return runs

    @cached_property
    def endpoints(self) -> bool:
        """The HTTP variant of v6.1: its own summary in place of both LoadGen logs."""
        if self.round.layout != "merged" or self.bare is not None:
            return False
        for run in (*self.performance_runs, *([self.accuracy_run] if self.accuracy_run else [])):
            if run.has(DETAIL) or run.has(SUMMARY):
                return False
        return self.tree.is_file(f"{self.path}/performance/result_summary.json") or self.tree.is_file(
            f"{self.path}/config.yaml"
        )

    # what it says

    @cached_property
    def inferred(self) -> bool:
        """The logs are another scenario's: an edge result may be inferred so. Interactive runs as Server."""
        if self.scenario is None or self.run is None:
            return False
        said = self.run.log.scenario
        return said is not None and said is not self.scenario and self.scenario is not Scenario.INTERACTIVE

    @property
    def has_power(self) -> bool:
        folder = self.performance_folder
        return folder is not None and lay.child(self.tree, folder, "power") is not None


def _run_number(name: str) -> tuple[int, str]:
    digits = "".join(c for c in name if c.isdigit())
    return (int(digits[:9]) if digits else 0, name)


def number(value: object) -> float | None:
    """A log's value as a number: numbers and their texts; None for anything else. NaN stays NaN."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            return math.inf
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return None
    return None


def iter_results(submission: Submission) -> Iterator[ResultFolder]:
    for submitter in submission.submitters:
        yield from submitter.results
