"""An inference submission or a whole published round, read through the checker's own readers into a batch of rows.

One results/<system>/<benchmark>/<scenario> directory is one result. Audit trees are not results. What is not there or
cannot be read becomes a row that says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlassay.records.loadgen_log.read_summary import read_summary
from mlassay.results import oddity
from mlassay.results.chips import count_chips, whole_number
from mlassay.results.labels import benchmark_id, category, classify, submitter_name
from mlassay.results.rows import ABSENT, READ, UNREADABLE, AccuracyRow, AuditRow, Batch, ResultRow, RunRow, SystemRow
from mlassay.submission import layout as lay
from mlassay.submission.check import clean
from mlassay.submission.checker import result_row
from mlassay.submission.metric import read_metric
from mlassay.submission.model import DETAIL, SUMMARY, ResultFolder, Run, Submission, Submitter, SystemFile
from mlassay.submission.report import Result
from mlassay.submission.runlog import RunLog
from mlassay.submission.tree import NotReadable

SUMMARY_LIMIT_BYTES = 4 << 20
_LATENCIES = {
    "latency_min_ns": "result_min_latency_ns",
    "latency_mean_ns": "result_mean_latency_ns",
    "latency_p50_ns": "result_50.00_percentile_latency_ns",
    "latency_p90_ns": "result_90.00_percentile_latency_ns",
    "latency_p95_ns": "result_95.00_percentile_latency_ns",
    "latency_p97_ns": "result_97.00_percentile_latency_ns",
    "latency_p99_ns": "result_99.00_percentile_latency_ns",
    "latency_p999_ns": "result_99.90_percentile_latency_ns",
    "latency_max_ns": "result_max_latency_ns",
}


def read_inference(submission: Submission, batch: Batch) -> None:
    """Fill a batch whose source row is already made."""
    reader = _Reader(submission, batch)
    for submitter in submission.submitters:
        reader.submitter(submitter)
    for problem in submission.tree.problems[:200]:
        batch.note(oddity.CONTAINER, clean(problem.path), clean(f"{problem.kind}: {problem.detail}".rstrip(": ")))


@dataclass
class _Reader:
    submission: Submission
    batch: Batch
    systems: dict[str, int] = field(default_factory=dict)  # path of the description to its row
    by_place: dict[tuple[str, str, str, str, str], int] = field(default_factory=dict)

    def submitter(self, submitter: Submitter) -> None:
        for system in submitter.systems.values():
            self._system(submitter, system)
        for place in lay.results(submitter.tree, submitter.place):
            result = ResultFolder(submitter, place)  # not kept: its logs would stay in memory
            self._result(result)
        if submitter.place.path:
            self.batch.audits.extend(self._audits(submitter))

    # systems

    def _system(self, submitter: Submitter, system: SystemFile) -> None:
        said = system.json
        absent = said.problem in ("absent", "content is not here")
        if said.problem:
            self.batch.note(oddity.SYSTEM, system.path, said.problem, "a JSON object")
        for key in said.duplicates:
            self.batch.note(oddity.METADATA, system.path, f"{key} is given twice; the last one counts", "each key once")
        if said.ok and not said.text("submitter"):
            self.batch.note(oddity.METADATA, system.path, "no submitter", "the submitter's name")
        division = said.text("division").lower()
        if division and division != submitter.division:
            self.batch.note(oddity.METADATA, system.path, f"division {division}", f"division {submitter.division}")
        self.systems[system.path] = len(self.batch.systems)
        self.batch.systems.append(
            SystemRow(
                division=submitter.division,
                submitter=submitter_name(submitter.name),
                name=system.name,
                title=said.text("system_name"),
                path=system.path,
                state=READ if said.ok else ABSENT if absent else UNREADABLE,
                reason=said.problem,
                status=said.text("status"),
                system_type=said.text("system_type").lower(),
                framework=said.text("framework"),
                operating_system=said.text("operating_system"),
                host_processor=said.text("host_processor_model_name"),
                host_sockets=whole_number(said.data.get("host_processors_per_node")),
                nodes=whole_number(said.data.get("number_of_nodes")),
                accelerator=said.text("accelerator_model_name"),
                accelerators_per_node=whole_number(said.data.get("accelerators_per_node")),
                description=as_json(said.data),
            )
        )

    # results

    def _result(self, result: ResultFolder) -> None:
        place, batch = result.place, self.batch
        row = result_row(result)
        at = len(batch.results)
        file = result.system
        system_at = self.systems.get(file.path) if file else None
        system = batch.systems[system_at] if system_at is not None else None
        runs = list(self._runs(result, at))
        state, reason = _state(row, result, runs)
        labels = classify(
            batch.source.name,
            submitter_name(row.submitter),
            place.system,
            system.framework if system else "",
            system.accelerator if system else "",
            system.accelerators_per_node if system else None,
        )
        chips = count_chips(
            system=place.system,
            accelerator=labels.accelerator,
            nodes=system.nodes if system else None,
            accelerators_per_node=system.accelerators_per_node if system else None,
            host_sockets=system.host_sockets if system else None,
        )
        met = self._accuracy(result, row, at)
        batch.results.append(
            ResultRow(
                key=f"{batch.source.name}/{row.path}",
                suite="inference",
                round=row.round,
                division=row.division,
                category=category(row.availability),
                submitter=submitter_name(row.submitter),
                submitter_written=file.json.text("submitter") if file else "",
                system=row.system,
                system_at=system_at,
                benchmark=benchmark_id(row.benchmark) if result.benchmark is None else row.benchmark,
                model=row.model,
                scenario=row.scenario,
                system_type=row.system_type.lower(),
                state=state,
                reason=reason,
                metric=row.metric,
                value=row.value,
                unit=row.unit,
                higher_is_better=None if not row.unit else row.unit != "ms",
                quality_met=met,
                valid=row.valid,
                inferred=row.inferred,
                verdict={True: "VALID", False: "INVALID", None: ""}[row.valid],
                n_runs=len(result.performance_runs),
                n_used=sum(1 for r in runs if r.used),
                framework=system.framework if system else "",
                framework_label=labels.framework_label,
                processor_class=labels.processor_class if system else "",
                class_from=labels.why if system else "no system description",
                accelerator=labels.accelerator,
                nodes=system.nodes if system else None,
                chips=chips.count,
                chips_from=chips.source,
                precision=_precision(row.measurements),
                power_value=row.power,
                power_unit=row.power_unit,
                published=batch.source.published,
                path=row.path,
                details=as_json({"measurements": row.measurements}) if row.measurements else "{}",
            )
        )
        batch.runs.extend(runs)
        key = (row.division, place.submitter.name, flat(place.system), benchmark_id(row.model), place.scenario.lower())
        self.by_place[key] = at
        self._name_oddities(result, row)

    def _name_oddities(self, result: ResultFolder, row: Result) -> None:
        place, note = result.place, self.batch.note
        at = len(self.batch.results) - 1
        if result.system is None:
            note(oddity.SYSTEM, row.path, f"no systems/{place.system}.json", "the system's description", result_at=at)
        elif result.system.name != place.system:
            said = f"systems/{result.system.name}.json"
            note(oddity.RENAMED, row.path, said, f"systems/{place.system}.json", result_at=at)
        if place.scenario != row.scenario:
            note(oddity.RENAMED, row.path, place.scenario, row.scenario, result_at=at)
        if not result.is_open and result.benchmark is not None and place.benchmark != result.benchmark.id:
            note(oddity.RENAMED, row.path, place.benchmark, result.benchmark.id, result_at=at)
        folder = result.performance_folder
        if folder is not None and not folder.endswith("/performance"):
            note(oddity.RENAMED, folder, folder.rpartition("/")[2], "performance", result_at=at)
        wanted = result.round.server_runs if row.scenario == "Server" else 1
        n_runs = len(result.performance_runs)
        if result.run is not None and n_runs != wanted and not result.endpoints:
            note(oddity.SHORT, row.path, f"{n_runs} runs", f"{wanted} by the rules of {row.round}", result_at=at)

    # runs

    def _runs(self, result: ResultFolder, at: int) -> Iterator[RunRow]:
        performance = result.performance_runs
        metrics = [read_metric(result, run) for run in performance]
        known = [m.value for m in metrics if m.value is not None]
        counted = self._counted(known, metrics[0].unit if metrics else "")
        for number, (run, metric) in enumerate(zip(performance, metrics, strict=True)):
            used = counted is not None and metric.value == counted
            counted = None if used else counted
            why = "" if used else "another run is slower, and the slowest counts" if known else ""
            yield self._run(run, at, number, value=metric.value, unit=metric.unit, used=used, why=why)
        if result.accuracy_run is not None:
            yield self._run(result.accuracy_run, at, len(performance))

    def _counted(self, values: list[float], unit: str) -> float | None:
        """Of several runs the slowest is the result (v0.5 and v0.7: five Server runs)."""
        if not values:
            return None
        return max(values) if unit == "ms" else min(values)

    def _run(
        self,
        run: Run,
        at: int,
        number: int,
        *,
        value: float | None = None,
        unit: str = "",
        used: bool | None = None,
        why: str = "",
    ) -> RunRow:
        log = run.log
        self._log_oddities(run, at)
        absent = "; ".join(f"{name}: {reason}" for name, reason in log.absent.items())
        duration = log.duration_ms
        return RunRow(
            result_at=at,
            role=run.role,
            name=run.path.rpartition("/")[2],
            position=number,
            path=run.path,
            state=READ if log.readable else ABSENT if _only_absent(log.absent) else UNREADABLE,
            reason="" if log.readable else absent,
            valid=log.valid,
            used=used,
            why_not_used=why,
            value=value,
            unit=unit,
            started_at=str(log.get("test_datetime") or ""),
            duration_s=None if duration is None else duration / 1000,
            n_queries=_bounded(log.queries),
            n_samples=_bounded(_samples(log.queries, log.integer("effective_samples_per_query"))),
            **_latencies(log),
            n_errors=len(log.errors),
            n_warnings=log.n_warnings,
            details=as_json(_settings(log.values or log.summary, absent)),
        )

    def _log_oddities(self, run: Run, at: int) -> None:
        log, note = run.log, self.batch.note
        for name, reason in log.absent.items():
            note(oddity.LOG, run.file(name), reason, "the load generator's log", result_at=at)
        for odd in log.oddities:
            note(oddity.TEXT, odd.path, odd.found, "plain UTF-8 text", result_at=at)
        for odd in log.broken:
            note(oddity.LINE, odd.path, clean(odd.found), "a line of the load generator's log", result_at=at)
        if log.errors:
            first = clean(log.errors[0], 200)
            note(oddity.LOGGED_ERRORS, run.where, f"{len(log.errors)} ERROR lines: {first}", "none", result_at=at)
        if not log.readable and not log.absent:
            note(oddity.LOG, run.path, "no log", "the load generator's log", result_at=at)

    # accuracy

    def _accuracy(self, result: ResultFolder, row: Result, at: int) -> bool | None:
        """Store each metric beside its bounds; True when every bound holds, None when it cannot be told."""
        text = result.accuracy
        if text.problem and result.bare is None and not result.endpoints:
            self.batch.note(
                oddity.ACCURACY, text.path or f"{row.path}/accuracy", text.problem, "accuracy.txt", result_at=at
            )
        for odd in text.oddities:
            self.batch.note(oddity.TEXT, text.path, odd, "plain UTF-8 text", result_at=at)
        targets = (result.rule.quality if result.rule else ()) or (result.benchmark.quality if result.benchmark else ())
        bounds = {t.metric: t for t in targets}
        verdicts: list[bool | None] = []
        for name in dict.fromkeys((*bounds, *row.accuracy)):
            value, bound = row.accuracy.get(name), bounds.get(name)
            if value is None and (bound is None or bound.minimum is None):
                continue
            met = None if bound is None or value is None else bound.accepts(value)
            if bound is not None:
                verdicts.append(met)
            low, high = (bound.minimum, bound.maximum) if bound else (None, None)
            self.batch.accuracies.append(
                AccuracyRow(result_at=at, metric=name, value=value, minimum=low, maximum=high, met=met)
            )
        return None if not verdicts or None in verdicts else all(verdicts)

    # audit

    def _audits(self, submitter: Submitter) -> Iterator[AuditRow]:
        """Compliance runs: under audit/ or compliance/, or in a test's directory inside a result."""
        tree, lead = submitter.tree, f"{submitter.place.path}/"
        folders = sorted(
            folder
            for folder, names in tree.folders.items()
            if folder.startswith(lead) and (SUMMARY in names or DETAIL in names)
        )
        for folder in folders:
            parts = folder[len(lead) :].split("/")
            room, below = parts[0].lower(), parts[1:]
            test = next((p for p in below[3:] if lay.is_audit_folder(p)), "")
            if room not in ("audit", "compliance") and not (room == "results" and test):
                continue
            names = [*below, "", "", ""]
            key = (submitter.division, submitter.place.name, flat(names[0]), benchmark_id(names[1]), names[2].lower())
            yield AuditRow(
                result_at=self.by_place.get(key),
                division=submitter.division,
                submitter=submitter_name(submitter.name),
                test=test or (below[3] if len(below) > 3 else ""),
                path=folder,
                **self._audit_verdict(f"{folder}/{SUMMARY}"),
            )

    def _audit_verdict(self, path: str) -> dict[str, Any]:
        tree = self.submission.tree
        if not tree.is_file(path):
            return {"state": ABSENT, "reason": f"{SUMMARY} is absent", "valid": None}
        try:
            return {"valid": read_summary(tree.read(path, SUMMARY_LIMIT_BYTES)).valid}
        except NotReadable as error:
            return {"state": UNREADABLE, "reason": error.reason, "valid": None}


def _state(row: Result, result: ResultFolder, runs: list[RunRow]) -> tuple[str, str]:
    if row.value is not None:
        return READ, ""
    performance = [r for r in runs if r.role == "performance"]
    if not performance:
        return ABSENT, "no performance run"
    if all(r.state == ABSENT for r in performance):
        return ABSENT, performance[0].reason
    if any(r.state == READ for r in performance):
        return UNREADABLE, "the log does not hold the scenario's metric"
    return UNREADABLE, next(r.reason for r in performance if r.state != ABSENT)


def _latencies(log: RunLog) -> dict[str, Any]:
    return {column: _bounded(_whole(log.number(key))) for column, key in _LATENCIES.items()}


def _only_absent(absent: Mapping[str, str]) -> bool:
    return all(reason in ("absent", "content is not here", "no such file") for reason in absent.values())


def _precision(measurements: Mapping[str, Any]) -> str:
    said = measurements.get("weight_data_types") or measurements.get("input_data_types") or ""
    return clean(str(said), 100) if isinstance(said, str | list) else ""


def _samples(queries: int | None, per_query: int | None) -> int | None:
    return None if queries is None else queries * (per_query or 1)


def _whole(value: float | None) -> int | None:
    return None if value is None or value != value or abs(value) == float("inf") else round(value)


def _bounded(value: int | None) -> int | None:
    """A count that both databases can hold."""
    return value if value is not None and abs(value) < 2**63 else None


_SHOWN = ("effective_", "qsl_reported", "sut_name", "result_", "loadgen_version", "early_stopping", "generated_")


def _settings(values: Mapping[str, Any], absent: str) -> dict[str, Any]:
    """Settings and results as logged; seeds as text, because JSON readers round 64-bit numbers."""
    kept = {k: v for k, v in values.items() if k in _FACTS or (k.startswith(_SHOWN) and not k.startswith("result_"))}
    out = {k: str(v) if isinstance(v, int) and abs(v) > 2**53 else v for k, v in kept.items()}
    return {**out, "absent": absent} if absent else out


_FACTS = (
    "result_validity",
    "result_min_duration_met",
    "result_min_queries_met",
    "result_perf_constraints_met",
    "result_scheduled_samples_per_sec",
    "result_completed_samples_per_sec",
    "result_samples_per_second",
)


def flat(name: str) -> str:
    """A name without case and separators, for matching one spelling to another."""
    return "".join(c for c in name.lower() if c.isalnum())


def as_json(data: Mapping[str, Any]) -> str:
    """Compact JSON text; values that JSON cannot hold are spelled out."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=str, sort_keys=True)
