"""TRN: training submissions, by their logs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from mlassay.rules.log_keys import problems as value_problems
from mlassay.submission.check import Found, Scope, Severity, check
from mlassay.submission.training import TrainingEntry, TrainingLog

CLAUSE = "Training rules"
SHOWN = 8


@check(
    "TRN001",
    Scope.ENTRY,
    "benchmark that the training round does not know",
    example="found 'resnet51'",
    clause="Training rules, benchmarks",
)
def known(entry: TrainingEntry) -> Iterator[Found]:
    """The directory's name is a benchmark of the round. In the open division it is a warning."""
    if entry.benchmark is None:
        severity = Severity.WARNING if entry.division == "open" else None
        names = ", ".join(entry.round.benchmarks)
        yield Found(entry.path, repr(entry.directory), f"one of {names}", severity=severity)


@check(
    "TRN002",
    Scope.ENTRY,
    "number of training runs is not the benchmark's",
    example="found 4 logs; expected 5",
    clause="Training rules, number of runs",
)
def runs(entry: TrainingEntry) -> Iterator[Found]:
    """Training times vary from run to run, so each benchmark has its number of runs, of which the extremes are dropped.
    More are allowed since windows of runs count; fewer give no score."""
    if entry.benchmark is None:
        return
    have, want = len(entry.logs), entry.benchmark.runs
    if have < want:
        severity = Severity.WARNING if entry.division == "open" else None
        yield Found(entry.path, f"{have} logs", str(want), severity=severity)


@check(
    "TRN003",
    Scope.ENTRY,
    "no score from the runs",
    example="found 2 runs of 5 that did not converge",
    clause="Training rules, results",
)
def scored(entry: TrainingEntry) -> Iterator[Found]:
    """Enough runs must reach the target, or there is no result."""
    if any(log.problem for log in entry.logs if log.log is not None):
        return  # TRN004 says why
    if entry.benchmark is not None and len(entry.logs) < entry.benchmark.runs:
        return  # TRN002 says it
    if entry.score.minutes is None:
        reason = entry.score.problems[0] if entry.score.problems else "no run converged"
        yield Found(entry.path, reason, "runs that converge")


@check(
    "TRN004",
    Scope.TRAINING_LOG,
    "training log without content",
    example="found content is not here (a large-file pointer)",
    clause="Training rules, logs",
)
def readable(log: TrainingLog) -> Iterator[Found]:
    """A log that is listed and not there leaves its run unknown: it is neither zero nor a failure."""
    if not log.log.events:
        yield Found(log.path, log.problem, "a training log")


@check(
    "TRN005",
    Scope.TRAINING_LOG,
    "training log lines that are odd",
    severity=Severity.WARNING,
    example="found 2 events on one line",
    clause="Training rules, logs",
)
def clean(log: TrainingLog) -> Iterator[Found]:
    """Merged lines, Python dictionaries in place of JSON, bytes that are not UTF-8: published logs hold them all. They
    are read as far as they can be."""
    found = log.log.problems
    if found and log.log.events:
        more = f", and {len(found) - 1} more such lines" if len(found) > 1 else ""
        yield Found(log.path, f"line {found[0].line}: {found[0].found}{more}", found[0].expected)


@check(
    "TRN006",
    Scope.TRAINING_LOG,
    "run without begin or end",
    example="found no run_stop",
    clause="Training rules, timing",
)
def complete(log: TrainingLog) -> Iterator[Found]:
    """The score is the time from run_start to run_stop; without both there is none."""
    if not log.log.events:
        return
    missing = [k for k, at in (("run_start", log.run.start_ns), ("run_stop", log.run.stop_ns)) if at is None]
    if missing:
        yield Found(log.path, f"no {' and no '.join(missing)}", "one of each")


@check(
    "TRN007",
    Scope.TRAINING_LOG,
    "run that ends before it begins",
    example="found -3.0 minutes",
    clause="Training rules, timing",
)
def forwards(log: TrainingLog) -> Iterator[Found]:
    """A time that is not positive was not measured."""
    if log.run.complete and not log.run.minutes > 0:
        yield Found(log.path, f"{log.run.minutes:.1f} minutes", "more than zero")


@check(
    "TRN008",
    Scope.TRAINING_LOG,
    "success without the target",
    example="found accuracy 0.71; expected at least 0.759",
    clause="Training rules, quality targets",
)
def target(log: TrainingLog) -> Iterator[Found]:
    """A run that says success has reached its target, by the last quality that it logged. A float32 that rounds to the
    target is enough; a share given in per cent is compared as such."""
    benchmark = log.entry.benchmark
    if benchmark is None or not log.run.complete or log.run.status != "success" or log.entry.division == "open":
        return
    for wanted in benchmark.targets:
        value = log.best.get(wanted.metric)
        if value is None and len(benchmark.targets) == 1 and len(log.best) == 1:
            value = next(iter(log.best.values()))
        if value is None:
            continue
        if wanted.value > 1 and 0 < value <= 1:
            value *= 100  # a share where the target is in per cent
        elif 0 < wanted.value <= 1 < value:
            value /= 100
        if not wanted.met(value):
            sign = "at most" if wanted.direction == "le" else "at least"
            yield Found(log.path, f"{wanted.metric} {value:g}", f"{sign} {wanted.value:g}", clause=wanted.clause)


@check(
    "TRN009",
    Scope.TRAINING_LOG,
    "required line missing from a training log",
    example="found cache_clear: no line; expected exactly one line",
    clause="Training rules, required log lines",
)
def keys(log: TrainingLog) -> Iterator[Found]:
    """Each round lists the lines that a log must hold and how often: settings, begin and end of each part, quality."""
    rules = log.entry.round.log_rules
    if rules is None or not log.log.events or not log.run.complete:
        return
    values = {key: events[-1].value for key, events in log.by_key.items()}
    counts = {key: len(events) for key, events in log.by_key.items()}
    found = [rule.count_problem(counts.get(key, 0), counts) for key, rule in rules.for_log(values).items()]
    found = [text for text in found if text]
    if found:
        more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        yield Found(log.path, "; ".join(found[:SHOWN]) + more, "the lines that the round requires")


@check(
    "TRN010",
    Scope.TRAINING_LOG,
    "value in a training log against the rules",
    example="found opt_name is 'adam'; expected 'lamb'",
    clause="Training rules, hyperparameters",
)
def values(log: TrainingLog) -> Iterator[Found]:
    """Closed runs keep to the listed hyperparameters and their bounds. What depends on the place of a line among the
    others is not judged here."""
    rules = log.entry.round.log_rules
    if rules is None or not log.log.events or not log.run.complete:
        return
    last = {key: events[-1].value for key, events in log.by_key.items()}
    found = []
    for key, rule in rules.for_log(last).items():
        for event in log.by_key.get(key, ())[:1000]:
            for words in rule.each:
                found += [f"{key} {text}" for text in value_problems(words, event.value, event.metadata, last)]
        events = log.by_key.get(key, ())
        if rule.some and events and all(value_problems(rule.some, e.value, e.metadata, last) for e in events):
            found.append(f"{key}: no line with {dict(rule.some)}")
    found = list(dict.fromkeys(found))
    if found:
        more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        yield Found(log.path, "; ".join(found[:SHOWN]) + more, "values within the rules")


@check(
    "TRN011",
    Scope.ENTRY,
    "seed used twice",
    example="found seed 7 in result_0.txt and result_3.txt",
    clause="Training rules, random seeds",
)
def seeds(entry: TrainingEntry) -> Iterator[Found]:
    """Runs that share a seed are not independent."""
    if not entry.round.seeds_unique:
        return
    counted = Counter(log.run.seeds for log in entry.logs if log.run.seeds)
    for said, n in counted.items():
        if n > 1:
            names = [log.path.rpartition("/")[2] for log in entry.logs if log.run.seeds == said]
            shown = ", ".join(names[:4])
            yield Found(entry.path, f"seed {', '.join(said)[:60]} in {shown}", "a seed of its own for each run")


@check(
    "TRN012",
    Scope.ENTRY,
    "training system not described",
    severity=Severity.WARNING,
    example="found no systems/dgx1.json",
    clause="Submission rules, system description",
)
def described(entry: TrainingEntry) -> Iterator[Found]:
    """Each system has its description. In v0.6 all of one submitter's were no JSON, and were published: a warning."""
    if entry.system_file.problem and entry.base:
        yield Found(entry.system_file.path or entry.path, entry.system_file.problem, "a JSON object")


@check(
    "TRN013",
    Scope.TRAINING_LOG,
    "initialised tensors are not the benchmark's",
    example="found weights_initialization: of 9 tensors 1 missing (embeddings)",
    clause="Training rules, weights initialization",
)
def tensors(log: TrainingLog) -> Iterator[Found]:
    """From v1.1 to v2.1 a closed log names each tensor of the reference as initialised."""
    rules = log.entry.round.log_rules
    if rules is None or not log.run.complete:
        return
    last = {key: events[-1].value for key, events in log.by_key.items()}
    for key, rule in rules.for_log(last).items():
        named = [str(e.metadata["tensor"]) for e in log.by_key.get(key, ()) if "tensor" in e.metadata]
        if problem := rule.tensor_problem(named):
            yield Found(log.path, problem, "each tensor of the reference once, by its name there")
