"""Training rounds as text: what `mlassay rules --suite training` and the generated reference print."""

from __future__ import annotations

from mlassay.core.enums import Division
from mlassay.rules.log_keys import KeyRule
from mlassay.rules.text import rows_text, sources_text, table
from mlassay.rules.training_round import Evaluation, TrainingBenchmark, TrainingRound, TrainingTarget
from mlassay.rules.view import Row

SIGN = {"ge": "≥", "le": "≤", "gt": ">"}


def training_round_text(round_: TrainingRound) -> str:
    """The whole round: what holds for all, a line for each benchmark, sources, notes."""
    header = ("benchmark", "model", "target", "evaluated", "runs", "dropped")
    body = [
        (b.id, b.model, targets_text(b.targets), evaluation_text(b.evaluation), str(b.runs), drop_text(b))
        for b in round_.benchmarks.values()
    ]
    parts = [
        f"MLPerf training {round_.name}",
        rows_text(round_.sources, training_round_rows(round_)),
        table(header, body),
        sources_text(round_.sources),
    ]
    if round_.notes:
        parts.append("notes\n" + "\n".join(f"  - {note}" for note in round_.notes))
    return "\n\n".join(parts)


def training_round_rows(round_: TrainingRound) -> list[Row]:
    """What holds for the whole round."""
    timing, scoring = round_.timing, round_.scoring
    closed, open_ = (timing.allowance_minutes("", d) for d in (Division.CLOSED, Division.OPEN))
    more = "".join(f", {k} {v:g} min" for k, v in timing.init_minutes_of.items())
    rows = [
        Row("published", round_.published or "?"),
        Row("clock starts", timing.clock_start, timing.clause),
        Row("clock stops", timing.clock_stop, timing.clause),
        Row("untimed initialisation", f"{closed:g} min closed, {open_:g} min open{more}", timing.clause),
        Row("score", scoring.unit, scoring.clause),
        Row("more runs than needed", "median of windows" if scoring.windows else "not allowed", scoring.clause),
        Row("seeds", "logged, one of its own each run" if round_.seeds_logged else "not logged", round_.seeds_clause),
        Row("log lines begin", round_.log_marker),
    ]
    if round_.rcp is not None:
        rule = round_.rcp
        text = f"{rule.confidence * 100:g} % t-test" + (", pruned" if rule.pruned else "")
        faster = ", faster ones slowed down" if scoring.scaled_to_rcp else ", faster ones refused"
        rows.append(Row("reference convergence", text + faster, rule.clause))
    return rows


def training_benchmark_text(round_: TrainingRound, benchmark: TrainingBenchmark) -> str:
    """One benchmark: targets, rhythm, runs, hyperparameters, and what its closed log must say."""
    clauses, tuned = benchmark.clauses, benchmark.hyperparameters
    rows = [
        Row("area", benchmark.area),
        Row("model", benchmark.model, clauses["model"]),
        Row("data set", benchmark.dataset, clauses["dataset"]),
        *[Row("target", _target(t), t.clause) for t in benchmark.targets],
        Row("evaluated", evaluation_text(benchmark.evaluation), benchmark.evaluation.clause),
        Row("runs", str(benchmark.runs), clauses["runs"]),
        Row("dropped", drop_text(benchmark), clauses["drop"]),
        Row("may fail", str(benchmark.max_non_converged), clauses["max_non_converged"]),
        Row("convergence counted in", benchmark.progress),
    ]
    if benchmark.note:
        rows.append(Row("note", benchmark.note))
    hyper = [Row(name, "free") for name in tuned.free]
    hyper += [Row(name, f"= {value}") for name, value in tuned.fixed.items()]
    hyper += [Row(name, text) for name, text in tuned.bound.items()]
    if tuned.note:
        hyper.append(Row("note", tuned.note))
    parts = [
        f"{benchmark.id} in training {round_.name}",
        rows_text(round_.sources, rows),
        f"hyperparameters in closed, set {tuned.name!r}\n" + rows_text(round_.sources, hyper),
    ]
    if round_.log_rules is not None:
        rules = round_.log_rules.for_log(
            {"submission_division": "closed", "submission_benchmark": benchmark.id, "opt_name": "*"}
        )
        parts.append("keys of a closed log\n" + table((), [(f"  {r.key}", key_text(r)) for r in rules.values()]))
    return "\n\n".join([*parts, sources_text(round_.sources)])


def targets_text(targets: tuple[TrainingTarget, ...]) -> str:
    """'box_mAP ≥ 0.377, mask_mAP ≥ 0.339'."""
    return ", ".join(_target(t) for t in targets)


def _target(target: TrainingTarget) -> str:
    text = f"{target.metric} {SIGN[target.direction]} {target.value:g}"
    if target.checker_value is not None:
        text += f" (checker: {target.checker_value:g} from batch {target.checker_from_batch})"
    return text


def evaluation_text(rule: Evaluation) -> str:
    """The rhythm of evaluation in words."""
    text = rule.note
    if rule.epochs is not None:
        text = "every epoch" if rule.epochs == 1 else f"every {rule.epochs} epochs"
    elif rule.at_epochs:
        text = "after epochs " + ", ".join(map(str, rule.at_epochs))
    elif rule.at_samples:
        text = "after samples " + ", ".join(f"{n:,}" for n in rule.at_samples)
    elif rule.samples is not None:
        text = f"every {rule.samples:,} samples"
    elif rule.steps is not None:
        text = "every step" if rule.steps == 1 else f"every {rule.steps} steps"
    elif rule.epoch_fraction is not None:
        text = f"every {rule.epoch_fraction:g} epoch"
    elif rule.generations is not None:
        text = "every generation"
    elif rule.steps_by_batch is not None:
        text = f"{rule.steps_by_batch[1]} times an epoch"
    elif rule.samples_by_batch is not None:
        text = "by batch size: " + ", ".join(f"{rule.interval_samples(b):,} at {b:,}" for b in (256, 8192))
    elif rule.epochs_by_size is not None:
        size = rule.epochs_by_size
        text = f"after {size.first:,} epochs of {size.samples}, then every {size.every}"
    if rule.first_samples is not None:
        text += f", from {rule.first_samples:,}"
    if rule.offset_choices:
        text += f", offset {rule.offset_choices[0]}-{rule.offset_choices[-1]}"
    if rule.skip_first is not None:
        text += f", the first {rule.skip_first.per_batch:g} * batch + {rule.skip_first.offset:g} may be skipped"
    return text + (", offline" if rule.offline else "")


def drop_text(benchmark: TrainingBenchmark) -> str:
    """'1 fastest, 1 slowest'."""
    text = f"{benchmark.drop_fastest} fastest, {benchmark.drop_slowest} slowest"
    return f"{text} of the first {benchmark.score_first}" if benchmark.score_first else text


def key_text(rule: KeyRule) -> str:
    """How often and with what a key must come."""
    counts = {"once": "once", "some": "at least once", "twice": "at least twice", "optional": "may come", "any": ""}
    parts = [counts[rule.count]]
    if rule.instead:
        parts[0] += f", or {rule.instead}"
    parts += [_check(check) for check in rule.each]
    if rule.some:
        parts.append(f"one of them {_check(rule.some)}")
    if rule.first:
        parts.append(f"the first {_check(rule.first)}")
    if rule.tensors:
        parts.append(f"together {len(rule.tensors)} tensors, from {rule.tensors[0]} to {rule.tensors[-1]}")
    return "; ".join(p for p in parts if p)


def _check(check: object) -> str:
    if isinstance(check, dict):
        return ", ".join(f"{word} {_check(argument)}" for word, argument in check.items())
    return " ".join(map(str, check)) if isinstance(check, list) else str(check)
