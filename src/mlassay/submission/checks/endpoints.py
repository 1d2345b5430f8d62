"""EP: the HTTP variant of v6.1, whose runs leave their own summaries."""

from __future__ import annotations

from collections.abc import Iterator

from mlassay.submission import endpoints as ep
from mlassay.submission.check import Found, Scope, Severity, check
from mlassay.submission.model import ResultFolder, number, read_json

CLAUSE = "Submission rules v6.1, endpoints"


@check(
    "EP001",
    Scope.RESULT,
    "benchmark that may not be submitted over HTTP",
    since="v6.1",
    example="found resnet",
    official="endpoints",
    clause=CLAUSE,
)
def model(result: ResultFolder) -> Iterator[Found]:
    """Seven language and vision models may be measured through an HTTP endpoint; the rest use the load generator."""
    if result.endpoints and result.benchmark is not None and result.benchmark.id not in ep.MODELS:
        yield Found(result.path, result.benchmark.id, ", ".join(ep.MODELS))


@check(
    "EP002",
    Scope.RESULT,
    "file of the endpoints variant missing or unreadable",
    since="v6.1",
    example="found no performance/result_summary.json",
    official="endpoints",
    clause=CLAUSE,
)
def files(result: ResultFolder) -> Iterator[Found]:
    """config.yaml, the summary of the performance run and the results of the accuracy run stand in for the logs."""
    if not result.endpoints:
        return
    if not result.tree.is_file(f"{result.path}/config.yaml"):
        yield Found(f"{result.path}/config.yaml", "absent", "the configuration of the run")
    for file in (ep.summary(result), ep.accuracy(result)):
        if file.problem:
            yield Found(file.path, file.problem, "a JSON object")


@check(
    "EP003",
    Scope.RESULT,
    "endpoints summary without a rate",
    since="v6.1",
    example="found neither tokens per second nor queries per second",
    official="endpoints",
    clause=CLAUSE,
)
def rate(result: ResultFolder) -> Iterator[Found]:
    """Without the rate of the run there is no result to publish."""
    if result.endpoints and ep.summary(result).ok and ep.endpoints_metric(result).value is None:
        yield Found(ep.summary(result).path, "no rate", "tokens_per_second or qps")


_FAILED = ("n_samples_failed", "failed_requests", "requests_failed", "num_failed", "failed", "errors")


@check(
    "EP004",
    Scope.RESULT,
    "requests failed",
    since="v6.1",
    example="found failed_requests 12",
    clause=CLAUSE,
)
def failures(result: ResultFolder) -> Iterator[Found]:
    """Every request is answered. The official tool ignores this count."""
    if not result.endpoints:
        return
    found = ep.find_number(ep.summary(result).data, _FAILED)
    if found and found[1] > 0:
        yield Found(ep.summary(result).path, f"{found[0]} {found[1]:g}", "0")


@check(
    "EP005",
    Scope.RESULT,
    "accuracy of the endpoints run below the target",
    since="v6.1",
    example="found exact_match 78; expected at least 80.5446",
    open_severity=Severity.NOTE,
    clause="Inference rules, quality targets",
)
def accuracy(result: ResultFolder) -> Iterator[Found]:
    """The targets are those of the benchmark. The official tool enforces them for one model only."""
    if not result.endpoints or result.benchmark is None:
        return
    file = ep.accuracy(result)
    targets = (result.rule.quality if result.rule else ()) or result.benchmark.quality
    for target in targets:
        found = ep.find_number(file.data, (target.metric.lower(),))
        if found and target.minimum is not None and found[1] < target.minimum:
            yield Found(
                file.path, f"{target.metric} {found[1]:g}", f"at least {target.minimum:.6g}", clause=target.clause
            )


@check(
    "EP006",
    Scope.RESULT,
    "audit of the endpoints run missing or failed",
    since="v6.1",
    example="found passed false in audit_output_caching_test.json",
    official="endpoints",
    clause=CLAUSE,
)
def audits(result: ResultFolder) -> Iterator[Found]:
    """Audits leave audit/audit_<name>.json with test and passed; TEST04 of WAN is mandatory, others may be absent."""
    if not result.endpoints or result.benchmark is None or result.is_open:
        return
    for test, name in ep.AUDITS.items():
        path = f"{result.path}/audit/audit_{name}.json"
        if not result.tree.is_file(path):
            if test in ep.MANDATORY_AUDITS.get(result.benchmark.id, ()):
                yield Found(path, "absent", f"the result of {test}")
            continue
        file = read_json(result.tree, path)
        if file.problem:
            yield Found(path, file.problem, "a JSON object")
        elif file.data.get("passed") is not True:
            said = file.data.get("passed")
            yield Found(path, f"passed {number(said) if number(said) is not None else said!r}", "true")
