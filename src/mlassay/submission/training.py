"""A training submission as typed objects: folders of result_<n>.txt, each a benchmark on a system, each log read once.

v0.5 keeps v0.5.0/<org>/[<category>/]<submission>/results/<system>/<benchmark>/; later rounds
<submitter>/results/<system>/<benchmark>/, with systems/<system>.json beside.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path

from mlassay.records.mllog import Flavour, Log, LogEvent, LogProblem, iter_events
from mlassay.records.training_run import TrainingRun, convergence_point, run_of
from mlassay.rules.reader import rounds
from mlassay.rules.training_round import TrainingBenchmark, TrainingRound
from mlassay.rules.training_scoring import convergence_rule, met_by, score_rule
from mlassay.stats.convergence import Convergence, Convergent, score_with_reference
from mlassay.stats.training_score import RunTime, Score
from mlassay.submission.model import JsonFile, read_json
from mlassay.submission.report import Result
from mlassay.submission.tree import NotReadable, Tree

NO_ROUND = "none"
"""As runs without a round name it."""

RESULT = re.compile(r"result_(\d{1,4})\.txt")
MAX_EVENTS = 2_000_000
ALIASES = {"mask": "maskrcnn", "mask_rcnn": "maskrcnn", "resnet50": "resnet"}
"""Directory names of published trees that differ from the benchmark's id."""


def entry_folders(tree: Tree) -> list[str]:
    """Every directory that holds training logs by their usual names."""
    return sorted(f for f, names in tree.folders.items() if any(RESULT.fullmatch(n) for n in names))


@dataclass
class TrainingTree:
    """A whole training submission, seen with the rules of one round."""

    tree: Tree
    round: TrainingRound
    folders: list[str]
    round_guess: str = ""
    roundless: bool = False  # the runs were made without a round's rules; `round` then only fills the place
    as_official: bool = False  # judge convergence as the round's official tool does

    @property
    def round_name(self) -> str:
        return NO_ROUND if self.roundless else self.round.name

    @cached_property
    def entries(self) -> list[TrainingEntry]:
        return [TrainingEntry(self, folder) for folder in self.folders]


@dataclass
class TrainingEntry:
    """One results/<system>/<benchmark> directory."""

    submission: TrainingTree
    path: str

    @property
    def tree(self) -> Tree:
        return self.submission.tree

    @property
    def round(self) -> TrainingRound:
        return self.submission.round

    @property
    def directory(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def system(self) -> str:
        return self.path.rpartition("/")[0].rpartition("/")[2]

    @cached_property
    def base(self) -> str:
        """The submitter's (v0.5: the submission's) directory: what stands above `results`."""
        above, found, _ = f"{self.path}/".partition("/results/")
        return above if found else ""

    @cached_property
    def benchmark(self) -> TrainingBenchmark | None:
        name = self.directory or next((log.run.benchmark for log in self.logs), "")  # a log alone has no directory
        name = ALIASES.get(name, name)
        return self.round.benchmarks.get(name)

    @cached_property
    def logs(self) -> list[TrainingLog]:
        names = [n for n in self.tree.filenames(self.path) if RESULT.fullmatch(n)]
        names.sort(key=lambda n: int(RESULT.fullmatch(n)[1]))  # type: ignore[index]
        return [TrainingLog(self, _inside(self.path, n)) for n in names]

    @cached_property
    def system_file(self) -> JsonFile:
        """systems/<system>.json; the system's directory keeps entry.json in v0.5."""
        if self.round.name == "v0.5":
            return read_json(self.tree, f"{self.path.rpartition('/')[0]}/entry.json")
        return read_json(self.tree, f"{self.base}/systems/{self.system}.json" if self.base else "")

    @cached_property
    def division(self) -> str:
        said = next((log.run.division for log in self.logs if log.run.division), "")
        return said.lower() or self.system_file.text("division").lower()

    @property
    def submitter(self) -> str:
        parts = self.base.split("/")
        if "v0.5.0" in parts and parts.index("v0.5.0") + 1 < len(parts):
            return parts[parts.index("v0.5.0") + 1]
        return parts[-1] or next((log.run.org for log in self.logs if log.run.org), "")

    @cached_property
    def scaling_file(self) -> JsonFile:
        """scaling.json beside the logs: the factor by which the submission says it is slowed down."""
        return read_json(self.tree, _inside(self.path, "scaling.json"))

    @property
    def stated_scaling(self) -> float | None:
        factor = self.scaling_file.data.get("scaling_factor")
        if isinstance(factor, int | float) and not isinstance(factor, bool) and math.isfinite(factor) and factor > 0:
            return float(factor)
        return None

    @property
    def score(self) -> Score:
        """Minutes to target by the round's rule."""
        return self._judged[0]

    @property
    def convergence(self) -> Convergence | None:
        """Held against the reference convergence points; None in the open division and where the round has none."""
        return self._judged[1]

    @cached_property
    def _judged(self) -> tuple[Score, Convergence | None]:
        benchmark = self.benchmark.id if self.benchmark else self.directory
        reference = convergence_rule(self.round, benchmark) if self.division == "closed" else None
        met = met_by(self.round, benchmark)
        return score_with_reference(
            [log.time(self.division) for log in self.logs],
            [log.convergence(reference.unit, met) for log in self.logs if reference is not None],
            score_rule(self.round, benchmark, len(self.logs)),
            reference,
            stated=self.stated_scaling,
            as_official=self.submission.as_official,
        )

    def row(self) -> Result:
        minutes = self.score.minutes
        quality = [log.best for log in self.logs if log.best]
        return Result(
            suite="training",
            round=self.submission.round_name,
            division=self.division,
            submitter=self.submitter,
            system=self.system,
            benchmark=self.benchmark.id if self.benchmark else self.directory,
            model=self.directory,
            scenario="",
            metric="minutes to target",
            value=minutes if minutes is not None and math.isfinite(minutes) else None,
            unit="min",
            accuracy=quality[0] if quality else {},
            valid=self.score.minutes is not None,
            path=self.path,
            availability=self.system_file.text("status"),
            system_description=self.system_file.data,
        )


@dataclass
class TrainingLog:
    """One result_<n>.txt."""

    entry: TrainingEntry
    path: str
    problem: str = field(default="", init=False)

    @cached_property
    def log(self) -> Log:
        """Every event, or none with `problem` saying why."""
        problems: list[LogProblem] = []
        events: list[LogEvent] = []
        try:
            with self.entry.tree.open(self.path) as stream:
                for event in iter_events(stream, problems):
                    events.append(event)
                    if len(events) >= MAX_EVENTS:
                        break
        except NotReadable as error:
            self.problem = error.reason
        except (OSError, EOFError, ValueError) as error:
            self.problem = f"cannot be read ({error})"
        if not events and not self.problem:
            pointer = self._is_pointer()
            self.problem = "content is not here (a large-file pointer)" if pointer else "no event of a training log"
        return Log(tuple(events), tuple(problems[:1000]), 0)

    def _is_pointer(self) -> bool:
        try:
            return self.entry.tree.head(self.path, 40).startswith(b"version https://git-lfs")
        except NotReadable:
            return False

    @cached_property
    def run(self) -> TrainingRun:
        return run_of(self.log, Path(self.path))

    @property
    def best(self) -> Mapping[str, float]:
        """The last quality that the log states, by metric."""
        return self.run.quality[-1].values if self.run.quality else {}

    def time(self, division: str) -> RunTime:
        run = self.run
        fault = "resumed after a crash: not scorable in closed" if run.resumed and division == "closed" else ""
        return RunTime(self.path.rpartition("/")[2], run.minutes if run.converged else math.inf, fault)

    def convergence(self, unit: str, met: Callable[[Mapping[str, float]], bool] | None) -> Convergent:
        point = convergence_point(self.run, unit, met)
        return Convergent(self.path.rpartition("/")[2], point, self.run.global_batch_size)

    @cached_property
    def by_key(self) -> Mapping[str, list[LogEvent]]:
        found: dict[str, list[LogEvent]] = {}
        for event in self.log.events:
            found.setdefault(event.key, []).append(event)
        return found


def recognise_training_round(tree: Tree, folders: list[str]) -> tuple[str, str]:
    """(round, reason to doubt it): the flavour of the logs tells v0.5 and v0.6 apart; later rounds write alike."""
    for name in rounds("training"):
        if any(part == f"{name}.0" for folder in folders[:1] for part in folder.split("/")):
            return name, ""
    some = folders[:: max(1, len(folders) // 5)]
    said = Counter(name for folder in some for name in [_said_round(tree, folder)] if name)
    if said:
        name = said.most_common(1)[0][0]
        return name, f"logs of several rounds ({', '.join(sorted(said))}); {name} was taken" if len(said) > 1 else ""
    for folder in some:
        flavour = _flavour(tree, folder)
        if flavour is Flavour.V05:
            return "v0.5", ""
        if flavour in (Flavour.V06, Flavour.TEXT):
            return "v0.6", ""
        if flavour is Flavour.MLLOG:
            break
    newest = rounds("training")[-1]
    return newest, f"training logs do not name their round; {newest} was assumed"


def _said_round(tree: Tree, folder: str) -> str:
    """The round that the first log of a directory, or the record beside it, names; "" where neither does."""
    known = {*rounds("training"), NO_ROUND}
    for name in tree.filenames(folder):
        if not RESULT.fullmatch(name):
            continue
        record = read_json(tree, _inside(folder, name.removesuffix(".txt") + ".json"))
        said = [record.text("round")]
        with contextlib.suppress(NotReadable), tree.open(_inside(folder, name)) as stream:
            events = islice(iter_events(stream, [], keys={"submission_benchmark"}), 1)
            said += [str(e.metadata.get("round", "")) for e in events]
        return next((s for s in said if s in known), "")
    return ""


def _inside(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def holds_training(tree: Tree) -> bool:
    """Whether a tree has logs by their usual names, of which one is a training log or has a record that says so."""
    return any(_flavour(tree, f) is not None or _said_round(tree, f) for f in entry_folders(tree)[:5])


def _flavour(tree: Tree, folder: str) -> Flavour | None:
    for name in tree.filenames(folder):
        if RESULT.fullmatch(name):
            try:
                with tree.open(_inside(folder, name)) as stream:
                    event = next(iter_events(stream, []), None)
            except NotReadable:
                continue
            if event is not None:
                return event.flavour
    return None


def iter_logs(training: TrainingTree) -> Iterator[TrainingLog]:
    for entry in training.entries:
        yield from entry.logs
