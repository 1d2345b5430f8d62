"""Run folders to a submission tree: planned as a whole, checked before a byte is written, the same bytes each time.

plan = plan_pack([...], PackRequest(round="v5.1", division="open", submitter="ACME", system=...))
write_plan(plan, Path("my-submission"))
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from mlassay.core.enums import Division, Mode, Scenario
from mlassay.core.errors import RuleViolation, UsageError
from mlassay.records.folder import ACCURACY_TXT, TEST_KEY, Run, open_run, runs_within
from mlassay.records.loadgen_log.write import ACCURACY, DETAIL, SUMMARY
from mlassay.records.replay_file import FOLDER, kept_text
from mlassay.rules.reader import load_round
from mlassay.rules.round import Round
from mlassay.submission.check import Finding, Severity
from mlassay.submission.layout import Layout, layout_for_round
from mlassay.submission.pack_request import PackRequest
from mlassay.submission.pack_texts import (
    code_readme,
    documentation,
    measurements_json,
    mlperf_conf,
    result_readme,
    system_text,
    user_conf,
)
from mlassay.submission.tree import Node, Tree
from mlassay.submission.truncate import MAX_BYTES, hash_line, truncated


@dataclass(frozen=True, slots=True)
class PackedFile:
    """One file to be: its content, or where that is copied from."""

    path: str
    content: bytes | None = None
    source: Path | None = None

    def open(self) -> BinaryIO:
        if self.source is not None:
            return open(self.source, "rb")
        return io.BytesIO(self.content or b"")

    @property
    def size(self) -> int:
        return self.source.stat().st_size if self.source is not None else len(self.content or b"")


@dataclass(slots=True)
class Plan:
    """A submission that could be written: files by path, whole logs that stay beside it, and what the checker says."""

    round: str
    files: dict[str, PackedFile] = field(default_factory=dict)
    originals: dict[str, Path] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    findings: tuple[Finding, ...] = ()

    @property
    def refusals(self) -> list[Finding]:
        return [f for f in self.findings if f.rejects]

    def add(self, path: str, content: bytes | None = None, source: Path | None = None) -> None:
        self.files[path] = PackedFile(path, content, source)

    def refuse(self) -> None:
        """Raise RuleViolation when the submission would be rejected, with its first reasons."""
        if not self.refusals:
            return
        lines = [f"{f.id} {f.where}: found {f.found}; expected {f.expected}" for f in self.refusals[:5]]
        more = f"\n  and {len(self.refusals) - 5} more" if len(self.refusals) > 5 else ""
        first = self.refusals[0]
        raise RuleViolation(
            "this submission would be rejected, so it is not written:\n  " + "\n  ".join(lines) + more,
            clause=first.clause or f"rules of {self.round}",
            hint=first.hint or "mlassay pack --plan shows every finding",
        )


@dataclass(slots=True)
class PlanTree(Tree):
    """A plan seen as the tree it would become."""

    plan: Plan = field(default_factory=lambda: Plan(""))

    def _open(self, path: str, node: Node) -> BinaryIO:
        return self.plan.files[path].open()


def plan_pack(runs: Sequence[Path], request: PackRequest) -> Plan:
    """Compose the tree from run folders, or folders of them, and hold it against the rules. Nothing is written.

    Raises UsageError or RuleViolation for runs that cannot belong to such a submission.
    """
    from mlassay.submission.checker import check

    round_ = load_round(request.round)
    if request.division.value not in [d.value for d in round_.divisions]:
        names = ", ".join(d.value for d in round_.divisions)
        raise RuleViolation(
            f"{round_.name} has no {request.division.value} division; it has {names}", clause="divisions"
        )
    folders = dict.fromkeys(folder for path in runs for folder in runs_within(path))  # each once
    opened = [_fitting(open_run(path), round_, request) for path in folders]
    plan = Plan(round_.name)
    places = _Places(round_, request)
    system_json, suites = system_text(request, round_)
    plan.add(places.under(f"systems/{request.system.stem}.json"), system_json)
    groups = _grouped(opened)
    for (benchmark, scenario), group in sorted(groups.items()):
        _add_result(plan, places, benchmark, scenario, group)
    if request.infer and "edge" in suites:
        _infer(plan, places, groups)
    _add_once(plan, places, sorted({b for b, _ in groups}), opened)
    tree = PlanTree(label="plan", plan=plan)
    for path, file in sorted(plan.files.items()):
        tree.add(path, Node(file.size))
    tree.finish()
    plan.findings = check(tree, round=round_.name).findings
    return plan


def _fitting(run: Run, round_: Round, request: PackRequest) -> Run:
    """A run that is complete, unchanged, and was made by the rules that it is packed for."""
    settings = run.settings
    if not run.complete:
        raise UsageError(f"{run.path}: {run.incomplete_because}", hint="pack complete runs only")
    changed = run.changed_files()
    if changed:
        raise UsageError(f"{run.path}: {'; '.join(changed)}", hint="pack folders as mlassay run left them")
    if settings.round != round_.name:
        said = "without a round" if settings.round == "none" else f"for {settings.round}"
        raise RuleViolation(
            f"{run.path} was run {said}, not for {round_.name}: its seeds and bounds are others",
            clause=f"seeds and settings of {round_.name}",
            hint=f"run it again with --round {round_.name}",
        )
    if settings.mode is Mode.FIND_PEAK:
        raise UsageError(f"{run.path} looked for the peak rate", hint="run at the found rate with --mode performance")
    closed = request.division in (Division.CLOSED, Division.NETWORK)
    if closed and settings.division is Division.OPEN:
        why = f": {settings.deviations[0]}" if settings.deviations else ""
        raise RuleViolation(
            f"{run.path} is an open-division run{why}",
            clause="Inference rules, closed division",
            hint="pack it with --division open, or run the reference model and data",
        )
    return run


Key = tuple[str, Scenario]


@dataclass(slots=True)
class _Group:
    """The runs of one result."""

    performance: list[Run] = field(default_factory=list)
    accuracy: list[Run] = field(default_factory=list)
    tests: dict[str, Run] = field(default_factory=dict)


def _grouped(runs: Sequence[Run]) -> dict[Key, _Group]:
    groups: dict[Key, _Group] = {}
    for run in sorted(runs, key=lambda r: (r.record.created_unix_ns, str(r.path))):
        settings = run.settings
        if not settings.benchmark:
            raise UsageError(f"{run.path} names no benchmark", hint="run it with --round, for a task of the rule book")
        group = groups.setdefault((settings.benchmark, settings.scenario), _Group())
        test = run.record.extra.get(TEST_KEY)
        if isinstance(test, str):
            group.tests[test] = run
        elif settings.mode is Mode.ACCURACY:
            group.accuracy.append(run)
        else:
            group.performance.append(run)
            if settings.mode is Mode.SUBMISSION:
                group.accuracy.append(run)
    for (benchmark, scenario), group in groups.items():
        wanted = group.performance[0].settings.required.runs if group.performance else 1
        for kind, members, most in (("performance", group.performance, wanted), ("accuracy", group.accuracy, 1)):
            if len(members) > max(1, most):
                names = ", ".join(str(r.path) for r in members)
                raise UsageError(
                    f"{len(members)} {kind} runs of {benchmark} {scenario.value}: {names}", hint=f"give {max(1, most)}"
                )
    return groups


@dataclass(frozen=True, slots=True)
class _Places:
    """Paths of the tree that is planned."""

    round: Round
    request: PackRequest

    @property
    def layout(self) -> Layout:
        return layout_for_round(self.round.name)

    def under(self, below: str) -> str:
        return f"{self.request.division.value}/{self.request.submitter}/{below}"

    def directory(self, benchmark: str) -> str:
        return self.request.model or benchmark

    def of(self, template: str, benchmark: str, scenario: Scenario) -> str:
        system, name = self.request.system.stem, scenario.official_name
        return self.under(self.layout.place(template, system, self.directory(benchmark), name))

    def result(self, benchmark: str, scenario: Scenario) -> str:
        return self.of(self.layout.result, benchmark, scenario)


def _add_result(plan: Plan, places: _Places, benchmark: str, scenario: Scenario, group: _Group) -> None:
    base = places.result(benchmark, scenario)
    for number, run in enumerate(group.performance, 1):
        folder = f"{base}/performance/run_{number}"
        for name in (SUMMARY, DETAIL):
            _copy(plan, f"{folder}/{name}", run.path / name)
        if run.settings.mode is Mode.PERFORMANCE:
            _copy(plan, f"{folder}/{ACCURACY}", run.path / ACCURACY)
    for run in group.accuracy:
        _add_accuracy(plan, places, f"{base}/accuracy", run)
    for test, run in group.tests.items():
        _add_test(plan, f"{places.of(places.layout.compliance, benchmark, scenario)}/{test}", run)
    if group.performance or group.accuracy:
        source = (group.performance or group.accuracy)[0]
        _add_measurements(plan, places, benchmark, scenario, source)


def _copy(plan: Plan, path: str, source: Path) -> None:
    if source.is_file():
        plan.add(path, source=source)


def _add_accuracy(plan: Plan, places: _Places, folder: str, run: Run) -> None:
    for name in (SUMMARY, DETAIL):
        _copy(plan, f"{folder}/{name}", run.path / name)
    text = (run.path / ACCURACY_TXT).read_bytes() if (run.path / ACCURACY_TXT).is_file() else b""
    log = run.path / ACCURACY
    if log.is_file() and places.round.truncate_accuracy_log:
        cut = truncated(log)
        plan.add(f"{folder}/{ACCURACY}", cut.content)
        text += (b"" if not text or text.endswith(b"\n") else b"\n") + hash_line(cut.sha256)
        if log.stat().st_size > MAX_BYTES:
            plan.originals[f"{folder}/{ACCURACY}"] = log
    else:
        _copy(plan, f"{folder}/{ACCURACY}", log)
    if text:
        plan.add(f"{folder}/accuracy.txt", text)


def _add_test(plan: Plan, folder: str, run: Run) -> None:
    for name in (SUMMARY, DETAIL):
        _copy(plan, f"{folder}/performance/run_1/{name}", run.path / name)
    for name in ("verify_performance.txt", "verify_accuracy.txt"):
        _copy(plan, f"{folder}/{name}", run.path / name)
    for name in ("accuracy.txt", "baseline_accuracy.txt", "compliance_accuracy.txt"):
        _copy(plan, f"{folder}/accuracy/{name}", run.path / name)
    log = run.path / ACCURACY
    if log.is_file():
        cut = truncated(log)
        plan.add(f"{folder}/accuracy/{ACCURACY}", cut.content)
        if log.stat().st_size > MAX_BYTES:
            plan.originals[f"{folder}/accuracy/{ACCURACY}"] = log


def _add_measurements(plan: Plan, places: _Places, benchmark: str, scenario: Scenario, run: Run) -> None:
    request, round_ = places.request, places.round
    folder = places.of(places.layout.measurements, benchmark, scenario)
    name = f"{request.system.stem}_{request.implementation}_{scenario.official_name}.json"
    if places.layout.name == "merged":
        name = "measurements.json"
    plan.add(f"{folder}/{name}", measurements_json(run, round_, request))
    plan.add(f"{folder}/user.conf", user_conf(run, round_, benchmark))
    plan.add(f"{folder}/README.md", result_readme(run, scenario))
    if "mlperf.conf" in round_.measurement_files:
        plan.add(f"{folder}/mlperf.conf", mlperf_conf(round_))


_SOURCES = {
    Scenario.MULTI_STREAM: (Scenario.SINGLE_STREAM,),
    Scenario.OFFLINE: (Scenario.SINGLE_STREAM, Scenario.MULTI_STREAM),
}


def _infer(plan: Plan, places: _Places, groups: Mapping[Key, _Group]) -> None:
    """Edge: a required scenario that was not run may be inferred from the logs of another (since v0.7)."""
    for benchmark in sorted({b for b, _ in groups}):
        rule = places.round.benchmarks.get(benchmark)
        suite = rule.suites.get("edge") if rule else None
        for missing, sources in _SOURCES.items():
            if suite is None or missing not in suite.required or (benchmark, missing) in groups:
                continue
            source = next((s for s in sources if (benchmark, s) in groups), None)
            if source is None:
                continue
            group = groups[benchmark, source]
            _add_result(plan, places, benchmark, missing, group)
            plan.notes.append(f"{benchmark} {missing.official_name} is inferred from {source.official_name}")


def _add_once(plan: Plan, places: _Places, benchmarks: Sequence[str], runs: Sequence[Run]) -> None:
    """Code, documents, and the mapping of an own model's name."""
    request, layout = places.request, places.layout
    for benchmark in benchmarks:
        folder = places.under(f"code/{places.directory(benchmark)}/{request.implementation}")
        if layout.name == "merged":
            folder = places.under("src")
        if request.code is not None:
            for source in sorted(p for p in request.code.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
                if not any(part.startswith(".") for part in source.relative_to(request.code).parts):
                    plan.add(f"{folder}/{source.relative_to(request.code).as_posix()}", source=source)
        else:
            plan.add(f"{folder}/README.md", code_readme(runs))
        for run in runs:
            if run.settings.benchmark == benchmark and TEST_KEY not in run.record.extra:
                plan.add(f"{folder}/{FOLDER}/{_replay_name(run, request)}", kept_text(run.record))
    for name, content in documentation(request, places.round, runs).items():
        plan.add(places.under(name), content)
    if request.division is Division.OPEN and request.model:
        if len(benchmarks) > 1:
            names = ", ".join(benchmarks)
            raise UsageError(f"one model name for several benchmarks: {names}", hint="pack one benchmark at a time")
        import json

        mapping = json.dumps({request.model: benchmarks[0]}, indent=2) + "\n"
        plan.add(places.under("model_mapping.json"), mapping.encode())


def _replay_name(run: Run, request: PackRequest) -> str:
    """One name for each run of a system, the same whenever the same runs are packed."""
    settings = run.settings
    stamp = run.record.created_unix_ns
    return f"{request.system.stem}_{settings.scenario.official_name}_{settings.mode.value}_{stamp}.json"


def worst(plan: Plan) -> Severity | None:
    """The gravest unwaived finding of a plan."""
    order = list(Severity)
    return min((f.severity for f in plan.findings if not f.waived), key=order.index, default=None)
