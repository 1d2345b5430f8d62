"""An inference submission or a whole published round, read through the checker's own readers into a batch of rows.

One results/<system>/<benchmark>/<scenario> directory is one result. Audit trees are not results. What is not there or
cannot be read becomes a row that says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlassay.results import oddity
from mlassay.results.audit_import import PlaceKey, audit_rows, place_key
from mlassay.results.chips import count_chips, whole_number
from mlassay.results.inference_runs import run_rows
from mlassay.results.labels import benchmark_id, category, classify, submitter_name
from mlassay.results.rows import ABSENT, READ, UNREADABLE, AccuracyRow, Batch, ResultRow, RunRow, SystemRow, as_json
from mlassay.submission import layout as lay
from mlassay.submission.check import clean
from mlassay.submission.checker import result_row
from mlassay.submission.model import ResultFolder, Submission, Submitter, SystemFile
from mlassay.submission.report import Result


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
    by_place: dict[PlaceKey, int] = field(default_factory=dict)

    def submitter(self, submitter: Submitter) -> None:
        for system in submitter.systems.values():
            self._system(submitter, system)
        for place in lay.results(submitter.tree, submitter.place):
            result = ResultFolder(submitter, place)  # not kept: its logs would stay in memory
            self._result(result)
        if submitter.place.path:
            self.batch.audits.extend(audit_rows(submitter, self.by_place))

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
        runs = list(run_rows(result, at, self.batch))
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
        key = place_key(row.division, place.submitter.name, place.system, row.model, place.scenario)
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


def _precision(measurements: Mapping[str, Any]) -> str:
    said = measurements.get("weight_data_types") or measurements.get("input_data_types") or ""
    return clean(str(said), 100) if isinstance(said, str | list) else ""
