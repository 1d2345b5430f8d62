"""A training round or submitter's tree as a batch: one folder of result_<i>.txt is one entry, scored by its round.

v0.5 keeps v0.5.0/<org>/[<category>/]<submission>/results/<system>/<benchmark>/, later rounds
<submitter>/results/<system>/<benchmark>/. Entries that are listed but whose logs are not here become rows that say so.
"""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from mlassay.records.mllog import Flavour
from mlassay.records.training_run import TrainingRun, convergence_point
from mlassay.results import oddity
from mlassay.results.labels import benchmark_id, category, classify, submitter_name
from mlassay.results.rows import ABSENT, READ, UNREADABLE, Batch, ResultRow, SystemRow, as_json
from mlassay.results.training_rows import (
    BESIDE,
    RESULT,
    Read,
    division_of,
    logs_in,
    quality_met,
    read_run_at,
    run_row,
    run_time,
    submitter_of,
    system_name,
)
from mlassay.results.training_systems import Described, chips_of, read_described
from mlassay.rules.training_scoring import convergence_rule, met_by, round_or_none, score_rule
from mlassay.stats.convergence import Convergent, score_with_reference
from mlassay.stats.training_score import Score
from mlassay.submission.check import clean
from mlassay.submission.model import read_json
from mlassay.submission.tree import Tree


@cache
def published_book() -> dict[str, Any]:
    """What the public repositories list beyond what copies of them hold."""
    return tomllib.loads(files("mlassay.results").joinpath("data/published.toml").read_text(encoding="utf-8"))


def entry_folders(tree: Tree) -> list[str]:
    """Every folder that holds training logs by their usual names."""
    return sorted(f for f, names in tree.folders.items() if any(RESULT.fullmatch(n) for n in names))


def round_of(tree: Tree, folders: list[str]) -> str:
    """The round that the logs' flavour tells: v0.5, v0.6; of later ones, which all write alike, the record beside."""
    for folder in folders[:: max(1, len(folders) // 5)]:
        for name in logs_in(tree, folder)[:1]:
            run = read_run_at(tree, f"{folder}/{name}")
            if not isinstance(run, TrainingRun) or run.flavour is None:
                continue
            known = {Flavour.V05: "v0.5", Flavour.V06: "v0.6", Flavour.TEXT: "v0.6"}.get(run.flavour)
            return known or read_json(tree, f"{folder}/{name[:-4]}.json").text("round")
    return ""


def read_training(tree: Tree, folders: list[str], batch: Batch) -> None:
    """Fill a batch whose source row is already made."""
    reader = _Reader(tree, batch)
    for folder in folders:
        reader.entry(folder)
    reader.absent_entries()
    for problem in tree.problems[:200]:
        batch.note(oddity.CONTAINER, clean(problem.path), clean(f"{problem.kind}: {problem.detail}".rstrip(": ")))


@dataclass(frozen=True, slots=True)
class _Entry:
    """One folder of logs: what was read, on which system, and what it scored. `at` is its row in the batch."""

    folder: str
    benchmark: str
    at: int
    described: Described
    system_at: int
    runs: tuple[tuple[str, Read], ...]
    score: Score

    @property
    def read(self) -> list[TrainingRun]:
        return [run for _, run in self.runs if isinstance(run, TrainingRun)]


@dataclass
class _Reader:
    tree: Tree
    batch: Batch
    systems: dict[str, tuple[Described, int]] = field(default_factory=dict)  # by the system's folder
    seen: set[tuple[str, str]] = field(default_factory=set)
    orgs: dict[str, str] = field(default_factory=dict)  # by the submission's folder

    def entry(self, folder: str) -> None:
        """One benchmark on one system."""
        system_folder, _, name = folder.rpartition("/")
        benchmark = benchmark_id(name)
        self.seen.add((system_folder, benchmark))
        runs = tuple((n, read_run_at(self.tree, f"{folder}/{n}")) for n in logs_in(self.tree, folder))
        read = [run for _, run in runs if isinstance(run, TrainingRun)]
        described, system_at = self._system(system_folder, read)
        score = self._score(folder, benchmark, runs, division_of(described, read))
        entry = _Entry(folder, benchmark, len(self.batch.results), described, system_at, runs, score)
        self.batch.results.append(self._row(entry))
        dropped = {d.name: d for d in score.dropped}
        for position, (log, run) in enumerate(runs):
            path, used = f"{folder}/{log}", log in score.kept
            self.batch.runs.append(run_row(entry.at, position, path, run, dropped.get(log), used))
        self._log_oddities(entry)
        self._other_oddities(entry)
        self._contradictions(entry)

    # systems

    def _system(self, folder: str, runs: list[TrainingRun]) -> tuple[Described, int]:
        if folder in self.systems:
            return self.systems[folder]
        described = read_described(self.tree, self._description_path(folder))
        for found, expected in described.problems:
            self.batch.note(oddity.METADATA, described.path, found, expected)
        if described.problem:
            self.batch.note(oddity.SYSTEM, described.path, clean(described.problem), "a system description")
        submitter = submitter_name(submitter_of(folder))
        self.systems[folder] = described, len(self.batch.systems)
        self.batch.systems.append(
            SystemRow(
                division=division_of(described, runs),
                submitter=submitter,
                name=system_name(folder),
                title=described.text("system_name", "hardware", "platform"),
                path=described.path,
                state=READ if not described.problem else ABSENT if described.problem == "absent" else UNREADABLE,
                reason=clean(described.problem),
                status=described.text("status"),
                framework=described.text("framework"),
                operating_system=described.text("operating_system", "os"),
                host_processor=described.text("host_processor_model_name", "cpu"),
                host_sockets=described.host_sockets,
                nodes=described.nodes,
                accelerator=described.accelerator,
                accelerators_per_node=described.accelerators_per_node,
                description=as_json(described.data),
            )
        )
        return self.systems[folder]

    def _description_path(self, folder: str) -> str:
        """entry.json beside the results, else systems/<system>.json of the submitter."""
        beside = f"{folder}/entry.json"
        if self.tree.is_file(beside):
            return beside
        above, _, name = folder.rpartition("/results/")
        path = f"{above}/systems/{name}.json".lstrip("/")
        return path if self.tree.is_file(path) or not beside.startswith("v0.5.0/") else beside

    def _submission_org(self, folder: str) -> str:
        above = folder.rpartition("/results/")[0]
        if above not in self.orgs:
            self.orgs[above] = self._read_org(above)
        return self.orgs[above]

    def _read_org(self, above: str) -> str:
        said = read_json(self.tree, f"{above}/submission.json".lstrip("/"))
        if said.problem and said.problem != "absent":
            self.batch.note(oddity.METADATA, said.path, clean(said.problem), "a JSON object")
        for key in said.duplicates:
            self.batch.note(oddity.METADATA, said.path, f"{key} is given twice; the last one counts", "each key once")
        return said.text("org")

    # scores

    def _score(self, folder: str, benchmark: str, runs: tuple[tuple[str, Read], ...], division: str) -> Score:
        rules = round_or_none(self.batch.source.round)
        reference = convergence_rule(rules, benchmark) if division == "closed" else None
        met = met_by(rules, benchmark)
        converged = [
            Convergent(name, convergence_point(run, reference.unit, met), run.global_batch_size)
            for name, run in runs
            if reference is not None and isinstance(run, TrainingRun)
        ]
        times = [run_time(name, run, division) for name, run in runs]
        rule = score_rule(rules, benchmark, len(runs))
        return score_with_reference(times, converged, rule, reference, stated=self._scaling(folder))[0]

    def _scaling(self, folder: str) -> float | None:
        """The factor of scaling.json (v2.1 on); None when there is none."""
        said = read_json(self.tree, f"{folder}/scaling.json")
        factor = said.data.get("scaling_factor")
        if said.problem == "absent":
            return None
        if isinstance(factor, int | float) and not isinstance(factor, bool) and math.isfinite(factor) and factor > 0:
            return float(factor)
        self.batch.note(oddity.METADATA, said.path, said.problem or f"scaling_factor {factor!r}", "a positive number")
        return 1.0

    def _row(self, entry: _Entry) -> ResultRow:
        source, read, score, folder = self.batch.source, entry.read, entry.score, entry.folder
        state, reason = _state(entry)
        return ResultRow(
            **self._identity(folder.rpartition("/")[0], entry.benchmark, entry.described, entry.system_at, read),
            key=f"{source.name}/{folder}",
            model=folder.rpartition("/")[2],
            state=state,
            reason=reason,
            metric="time to train",
            value=score.minutes,
            unit="min",
            higher_is_better=False,
            quality_met=quality_met(score, dict(entry.runs)),
            valid=score.valid if read else None,
            verdict="" if not read else "VALID" if score.valid else "INVALID",
            n_runs=score.n_runs,
            n_used=len(score.kept),
            spread=score.spread,
            path=folder,
            details=as_json(
                {
                    "fastest_minutes": score.fastest,
                    "slowest_minutes": score.slowest,
                    "n_converged": score.n_converged,
                    "scaling": score.scaling,
                    "problems": score.problems,
                    "global_batch_size": next((r.global_batch_size for r in read if r.global_batch_size), None),
                }
            ),
        )

    def _identity(
        self, system_folder: str, benchmark: str, described: Described, system_at: int, runs: list[TrainingRun]
    ) -> dict[str, Any]:
        """What an entry is, apart from what was measured: also for entries without logs."""
        source, system = self.batch.source, system_name(system_folder)
        submitter = submitter_name(submitter_of(system_folder))
        accelerator, framework = described.accelerator, described.text("framework")
        count = described.accelerators_per_node if accelerator else 0
        labels = classify(source.name, submitter, system, framework, accelerator, count)
        chips = chips_of(self.tree, described, system_folder=system_folder, benchmark=benchmark)
        written = next((r.org for r in runs if r.org), "") or self._submission_org(system_folder)
        return {
            "suite": "training",
            "round": source.round,
            "division": division_of(described, runs),
            "category": category(described.text("status") or next((r.availability for r in runs), "")),
            "submitter": submitter,
            "submitter_written": written or described.text("submitter", "org"),
            "system": system,
            "system_at": system_at,
            "benchmark": benchmark,
            "framework": framework,
            "framework_label": labels.framework_label,
            "processor_class": labels.processor_class if described.data else "",
            "class_from": labels.why if described.data else "no system description",
            "accelerator": labels.accelerator,
            "nodes": chips.nodes or described.nodes,
            "chips": chips.count,
            "chips_from": chips.source,
            "published": source.published,
        }

    # what is odd

    def _log_oddities(self, entry: _Entry) -> None:
        for name, run in entry.runs:
            place = f"{entry.folder}/{name}"
            if not isinstance(run, TrainingRun):
                self.batch.note(oddity.LOG, place, run, "a training log", result_at=entry.at)
                continue
            if run.problems:
                first = run.problems[0]
                found = f"{len(run.problems)} odd lines, the first in line {first.line}: {clean(first.found, 200)}"
                self.batch.note(oddity.LINE, place, found, clean(first.expected, 200), result_at=entry.at)
            if not run.complete:
                self.batch.note(oddity.LOG, place, "no run_start or no run_stop", "both", result_at=entry.at)

    def _other_oddities(self, entry: _Entry) -> None:
        note, folder, at = self.batch.note, entry.folder, entry.at
        for text in entry.score.problems:
            note(oddity.SHORT, folder, text, f"the rules of {self.batch.source.round or 'the round'}", result_at=at)
        for name in self.tree.filenames(folder):
            if not RESULT.fullmatch(name) and not BESIDE.fullmatch(name):
                note(oddity.STRAY, f"{folder}/{name}", "no result_<i>.txt", "training logs only", result_at=at)
        if folder.rpartition("/")[2] != entry.benchmark:
            note(oddity.RENAMED, folder, folder.rpartition("/")[2], entry.benchmark, result_at=at)

    def _contradictions(self, entry: _Entry) -> None:
        described, folder, at = entry.described, entry.folder, entry.at
        said = next((r.availability for r in entry.read if r.availability), "")
        status = described.text("status")
        if said and status and category(said) != category(status):
            found = f"status {said} in the logs"
            self.batch.note(oddity.METADATA, folder, found, f"{status}, as in {described.path}", result_at=at)
        row = self.batch.results[at]
        if row.chips_from.startswith("config_") and described.nodes and described.accelerators_per_node:
            listed = described.nodes * described.accelerators_per_node
            if listed != row.chips:
                found = f"{listed} accelerators in {described.path.rpartition('/')[2]}"
                self.batch.note(oddity.CHIPS, folder, found, f"{row.chips} ({row.chips_from})", result_at=at)

    # entries without logs

    def absent_entries(self) -> None:
        """Rows for entries that the repository lists and that this copy has no logs of."""
        source = self.batch.source.name
        book = next((b for b in published_book().values() if _is_list_of(b, source)), None)
        for listed in book["systems"] if book else ():
            for benchmark in listed["benchmarks"]:
                if (listed["system"], benchmark) not in self.seen:
                    self._absent(listed["system"], benchmark, book["listed_at"] if book else "")
        for folder in sorted(self.tree.folders):
            above, _, name = folder.rpartition("/")
            known = folder in self.systems or any(s == folder for s, _ in self.seen)
            if name and above.endswith("results") and not known and self.tree.names(folder):
                self.batch.note(oddity.ENTRY_ABSENT, folder, "a system without logs", "result_<i>.txt")

    def _absent(self, system_folder: str, benchmark: str, commit: str) -> None:
        reason = f"no logs in this copy; the repository lists the entry at commit {commit[:12]}"
        at = len(self.batch.results)
        self.seen.add((system_folder, benchmark))
        described, system_at = self._system(system_folder, [])
        self.batch.results.append(
            ResultRow(
                **self._identity(system_folder, benchmark, described, system_at, []),
                key=f"{self.batch.source.name}/{system_folder}/{benchmark}",
                model=benchmark,
                state=ABSENT,
                reason=reason,
                metric="time to train",
                unit="min",
                higher_is_better=False,
                path=f"{system_folder}/{benchmark}",
            )
        )
        self.batch.note(oddity.ENTRY_ABSENT, f"{system_folder}/{benchmark}", reason, "training logs", result_at=at)


def _state(entry: _Entry) -> tuple[str, str]:
    if entry.score.minutes is not None:
        return READ, ""
    reasons = [run for _, run in entry.runs if isinstance(run, str)]
    if not entry.read and reasons and all(r.startswith("absent") for r in reasons):
        return ABSENT, reasons[0]
    return UNREADABLE, "; ".join(entry.score.problems) or "no score can be computed"


def _is_list_of(book: object, source: str) -> bool:
    return isinstance(book, dict) and book.get("repository") == source and "systems" in book
