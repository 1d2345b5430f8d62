"""SCN: which benchmarks and scenarios a submission must and may hold."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterator, Sequence

from mlassay.core.enums import Scenario
from mlassay.rules.round import SuiteRule
from mlassay.submission.check import Found, Scope, Severity, check
from mlassay.submission.model import ResultFolder, Submitter, SystemFile
from mlassay.submission.schema import at_least

CLAUSE = "Inference rules, scenarios and suites"


@check(
    "SCN001",
    Scope.RESULT,
    "benchmark that the round does not know",
    example="found 'resnet-50'; did you mean resnet?",
    official="benchmark_names",
    open_severity=Severity.WARNING,
    clause="Inference rules, benchmarks",
)
def known_benchmark(result: ResultFolder) -> Iterator[Found]:
    """In the closed and network divisions the directory's name is a benchmark of the round; in open, model_mapping.json
    says which benchmark an own model answers."""
    if result.bare is not None and not result.place.benchmark:
        return
    if result.is_open and result.submitter.model_mapping.problem == "absent" and at_least(result.round.name, "v3.0"):
        return  # SCN006 says it once
    if result.benchmark is None:
        name = result.place.benchmark
        near = difflib.get_close_matches(name, list(result.round.benchmarks), 1, 0.5)
        yield Found(
            result.path,
            repr(name),
            f"a benchmark of {result.round.name}",
            hint=f"did you mean {near[0]}?" if near else f"mlassay rules show {result.round.name} lists them",
        )


@check(
    "SCN002",
    Scope.RESULT,
    "scenario that is not a scenario",
    example="found 'Offlin'",
    official="scenario_names",
    clause=CLAUSE,
)
def known_scenario(result: ResultFolder) -> Iterator[Found]:
    """A directory with performance and accuracy inside, whose name is no scenario, is a result that nobody counts."""
    if result.bare is None and result.scenario is None:
        names = [s.official_name for s in Scenario]
        near = difflib.get_close_matches(result.place.scenario, names, 1, 0.5)
        hint = f"did you mean {near[0]}?" if near else ""
        yield Found(result.path, repr(result.place.scenario), ", ".join(names), hint=hint)


def suite_rule(result: ResultFolder) -> SuiteRule | None:
    """Which scenarios the result's system may and must run; None where that cannot be known."""
    if result.benchmark is None or result.system is None:
        return None
    return _suite_rule(result, result.system)


def _suite_rule(result: ResultFolder, system: SystemFile) -> SuiteRule | None:
    benchmark = result.benchmark
    if benchmark is None:
        return None
    suites = system.suites
    if len(suites) == 2:
        both = benchmark.suites.get("datacenter-edge")
        return both or _union([r for s in suites if (r := benchmark.suites.get(s))])
    if len(suites) == 1:
        return benchmark.suite(suites[0])
    return benchmark.suites.get("all")


def _union(rules: Sequence[SuiteRule]) -> SuiteRule | None:
    if not rules:
        return None
    required = tuple(dict.fromkeys(s for r in rules for s in r.required))
    optional = tuple(dict.fromkeys(s for r in rules for s in r.optional))
    one_of = tuple(dict.fromkeys(s for r in rules for s in r.one_of))
    return SuiteRule(required=required, optional=optional, one_of=one_of)


@check(
    "SCN003",
    Scope.RESULT,
    "scenario that the suite does not run",
    example="found Server for an edge system; expected SingleStream, MultiStream, Offline",
    official="scenario_allowed",
    open_severity=Severity.NOTE,
    clause=CLAUSE,
)
def allowed_scenario(result: ResultFolder) -> Iterator[Found]:
    """Each suite has its scenarios per benchmark. A result in another one is not published."""
    if result.bare is not None or result.is_open or result.scenario is None:
        return
    rule = suite_rule(result)
    if rule is None:
        if result.benchmark and result.system and result.system.suites and "all" not in result.benchmark.suites:
            suites = " and ".join(result.system.suites)
            known = ", ".join(result.benchmark.suites) or "none"
            yield Found(result.path, f"{result.benchmark.id} for a {suites} system", f"a system of the suites: {known}")
        return
    if result.scenario not in rule.allowed:
        suites = ",".join(result.system.suites) if result.system else ""
        names = ", ".join(s.official_name for s in rule.allowed)
        yield Found(result.path, f"{result.scenario.official_name} for a system of type {suites!r}", names)


def _by_benchmark(submitter: Submitter) -> dict[tuple[str, str], list[ResultFolder]]:
    groups: dict[tuple[str, str], list[ResultFolder]] = defaultdict(list)
    for result in submitter.results:
        groups[(result.place.system, result.place.benchmark)].append(result)
    return groups


@check(
    "SCN004",
    Scope.SUBMITTER,
    "required scenario missing",
    since="v0.7",
    example="found Offline alone; expected Server and Offline for a datacenter system",
    official="required_scenarios_closed",
    clause=CLAUSE,
)
def required_scenarios(submitter: Submitter) -> Iterator[Found]:
    """A closed result needs its whole set of scenarios, or the best one could be chosen. A system that is entered in
    both suites needs the union."""
    if submitter.is_open:
        return
    for (system, directory), results in _by_benchmark(submitter).items():
        rule = suite_rule(results[0])
        if rule is None:
            continue
        have = {r.scenario for r in results}
        missing = [s.official_name for s in rule.required if s not in have]
        if missing:
            found = ", ".join(sorted(s.official_name for s in have if s)) or "none"
            yield Found(
                submitter.path(f"results/{system}/{directory}"),
                f"{found} without {' and '.join(missing)}",
                " and ".join(s.official_name for s in rule.required),
                hint="run it, infer it where the rules allow (edge), or move the results to open",
                clause=rule.clause,
            )


@check(
    "SCN005",
    Scope.SUBMITTER,
    "neither Server nor Interactive",
    since="v5.1",
    example="found Offline alone; expected Server or Interactive too",
    official="required_scenarios_closed",
    clause=CLAUSE,
)
def one_of_scenarios(submitter: Submitter) -> Iterator[Found]:
    """Since v5.1 most language models need at least one of Server and Interactive beside Offline."""
    if submitter.is_open:
        return
    for (system, directory), results in _by_benchmark(submitter).items():
        rule = suite_rule(results[0])
        have = {r.scenario for r in results}
        if rule is not None and rule.one_of and not have & set(rule.one_of):
            names = " or ".join(s.official_name for s in rule.one_of)
            yield Found(submitter.path(f"results/{system}/{directory}"), f"no {names}", f"at least one: {names}")


@check(
    "SCN006",
    Scope.SUBMITTER,
    "own model names without model_mapping.json",
    since="v3.0",
    severity=Severity.WARNING,
    example="found open/ACME/results/s/my-net and no model_mapping.json",
    official="model_mapping",
    clause="Submission rules, open division",
)
def mapping(submitter: Submitter) -> Iterator[Found]:
    """In the open division a model may have any name; model_mapping.json says which benchmark it stands for."""
    if not submitter.is_open:
        return
    own = [r for r in submitter.results if r.place.benchmark not in submitter.round.benchmarks]
    own = [r for r in own if r.place.benchmark not in submitter.round.model_names]
    if own and submitter.model_mapping.problem == "absent":
        names = ", ".join(dict.fromkeys(r.place.benchmark for r in own))
        yield Found(submitter.path("model_mapping.json"), f"absent, with own models {names}", "a mapping of each name")


@check(
    "SCN007",
    Scope.SUBMITTER,
    "model_mapping.json that cannot be used",
    since="v3.0",
    example="found my-net mapped to 'resnet51'",
    official="model_mapping",
    clause="Submission rules, open division",
)
def mapping_holds(submitter: Submitter) -> Iterator[Found]:
    """The file is one JSON object: own name to a benchmark of the round."""
    file = submitter.model_mapping
    if not submitter.is_open or file.problem == "absent":
        return
    if not file.ok:
        yield Found(file.path, file.problem, "a JSON object of names")
        return
    for name, target in file.data.items():
        if (
            not isinstance(target, str)
            or submitter.round.model_names.get(target, target) not in submitter.round.benchmarks
        ):
            yield Found(file.path, f"{name} mapped to {target!r}", f"a benchmark of {submitter.round.name}")


@check(
    "SCN008",
    Scope.SUBMITTER,
    "benchmark under another of its names",
    severity=Severity.WARNING,
    example="found 'resnet50'; expected 'resnet'",
    official="benchmark_names",
    clause="Inference rules, benchmarks",
)
def usual_name(submitter: Submitter) -> Iterator[Found]:
    """Names that mean a benchmark without being its id are read, but the official tools look for the id."""
    if submitter.is_open:
        return
    for (system, name), results in _by_benchmark(submitter).items():
        benchmark = results[0].benchmark
        if benchmark is not None and name != benchmark.id:
            path = submitter.path(f"results/{system}/{name}")
            yield Found(path, repr(name), repr(benchmark.id), hint="rename the directory")


@check(
    "SCN009",
    Scope.SUBMITTER,
    "division that the round does not have",
    example="found network in v2.0",
    clause="Inference rules, divisions",
)
def known_division(submitter: Submitter) -> Iterator[Found]:
    """Closed and open have always been there, the network division exists since v2.1."""
    divisions = [d.value for d in submitter.round.divisions]
    if submitter.division and submitter.division not in divisions:
        yield Found(submitter.place.path, repr(submitter.division), ", ".join(divisions))


INFERABLE = {
    Scenario.OFFLINE: (Scenario.SINGLE_STREAM, Scenario.MULTI_STREAM),
    Scenario.MULTI_STREAM: (Scenario.SINGLE_STREAM,),
}


@check(
    "SCN010",
    Scope.RESULT,
    "logs of another scenario",
    example="found Server logs in Offline; expected Offline, or SingleStream on an edge system",
    official="scenario_inferred",
    clause="Inference rules, inferred results",
)
def inferred(result: ResultFolder) -> Iterator[Found]:
    """Only edge results may be inferred: MultiStream and Offline from SingleStream, Offline from MultiStream. Any other
    difference between directory and log is a mix-up. Interactive runs as Server and is not an inferred result."""
    if result.bare is not None or result.run is None or result.scenario is None or not result.inferred:
        return
    said = result.run.log.scenario
    if said is None:
        return
    edge = result.system is not None and "edge" in result.system.suites
    allowed = INFERABLE.get(result.scenario, ())
    if said in allowed and (edge or result.is_open) and at_least(result.round.name, "v0.7"):
        return
    expected = result.scenario.official_name
    if allowed:
        expected += f", or {' or '.join(s.official_name for s in allowed)} on an edge system"
    yield Found(result.run.where, f"logs of {said.official_name} in {result.place.scenario}", expected)
