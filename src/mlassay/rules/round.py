"""What one inference round asks for, frozen. `mlassay.rules.reader.load_round` makes these from the TOML files.

Units are in the names. Percentiles run 0-100. `None` means that the round states no such value. Each object carries
`clauses`: the name of a field to the place where its value is written.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from mlassay.core.enums import Division, Scenario, Suite
from mlassay.core.errors import UnknownName
from mlassay.core.settings import Seeds, StreamVersion


class Level(StrEnum):
    """What the official checker of a round does when a check fails."""

    REJECT = "reject"  # the result does not count
    LOG = "log"  # an ERROR line in the log, and the result stays
    WARN = "warn"  # a warning
    OPT_IN = "opt-in"  # only checked when asked for
    ABSENT = "absent"  # not checked


@dataclass(frozen=True, slots=True)
class Severity:
    """How seriously the official checker of the round took one check; `note` tells of conditions and faults."""

    level: Level
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityTarget:
    """One accuracy metric and the band that a closed result must reach. Bounds are inclusive."""

    metric: str
    minimum: float | None
    maximum: float | None = None
    reference: float | None = None  # the reference model's value
    factor: float | None = None  # minimum = reference * factor
    clause: str = ""

    def accepts(self, value: float) -> bool:
        """False for NaN as well."""
        return (self.minimum is None or value >= self.minimum) and (self.maximum is None or value <= self.maximum)


@dataclass(frozen=True, slots=True)
class Triple:
    """One number as the checker, mlperf.conf and the written rules state it: they do not always agree."""

    checker: int | None = None
    conf: int | None = None
    rules: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteRule:
    """Which scenarios a closed submission of a benchmark needs in one suite."""

    required: tuple[Scenario, ...]
    optional: tuple[Scenario, ...] = ()
    one_of: tuple[Scenario, ...] = ()  # at least one of these, beside the required ones
    required_by_rules: tuple[Scenario, ...] = ()  # where the written rules ask for more than the checker; else empty
    clause: str = ""

    @property
    def allowed(self) -> tuple[Scenario, ...]:
        """Every scenario that may be submitted."""
        return tuple(dict.fromkeys((*self.required, *self.one_of, *self.optional)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioRule:
    """What one benchmark must do in one scenario: bounds, lengths, and where the result stands in the log."""

    scenario: Scenario
    percentile: float
    latency_ns: int | None = None  # bound as mlperf.conf sets it; interval MultiStream: the interval too
    latency_ns_checker: int | None = None  # ceiling that the checker holds
    ttft_ns: int | None = None  # time to first token, at the percentile
    tpot_ns: int | None = None  # time per output token
    min_duration_ns: int
    min_queries: Triple  # as mlperf.conf and the checker state them; early stopping makes them moot
    required_queries: int = 0  # fewest queries of a valid run; 0: early stopping alone decides
    default_queries: int = 100  # what a run is set to when the user says nothing
    min_samples: int | None = None  # Offline: fewest samples in the query
    samples_per_query: int | None = None  # MultiStream: fixed number; None: one, or the submitter's choice
    interval: bool = False  # MultiStream of v0.5-v1.0: a query every latency_ns
    interval_qps: float | None = None  # the interval as mlperf.conf states it, where it differs from the bound
    accuracy_samples: int | None = None  # samples of an accuracy run; None: unknown
    quality: tuple[QualityTarget, ...] = ()
    metric: str = ""  # Server: "scheduled" or "completed" per second
    metric_field: str = ""  # the log field that holds the result
    legacy_metric_field: str = ""
    clauses: Mapping[str, str]

    @property
    def has_tokens(self) -> bool:
        """Whether the scenario is judged by time to first token and per output token."""
        return self.ttft_ns is not None and self.tpot_ns is not None

    @property
    def loadgen_scenario(self) -> Scenario:
        """The scenario that the load generator runs: Server for Interactive."""
        return Scenario.SERVER if self.scenario is Scenario.INTERACTIVE else self.scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkRule:
    """One benchmark of a round. `id` is the name in submissions, `conf_name` the name in configuration files."""

    id: str
    conf_name: str
    task: str
    reference_model: str
    dataset: str
    dataset_size: int | None
    accuracy_samples: int | None  # samples of an accuracy run; None: unknown
    performance_samples: Triple  # fewest samples in the performance set
    quality: tuple[QualityTarget, ...]
    suites: Mapping[str, SuiteRule]  # "datacenter", "edge", "datacenter-edge"; "all" in v0.5
    scenarios: Mapping[Scenario, ScenarioRule]
    open_scenarios: Mapping[Scenario, ScenarioRule]  # besides, in open, where any scenario may be run
    compliance: tuple[str, ...]  # names of the tests that a closed submission needs
    equal_issue: bool = False  # every sample equally often, in permutations
    token_latencies: bool = False  # the SUT reports first tokens and token counts
    inferred_tokens_per_sample: int | None = None  # tokens/s computed from samples/s by this factor
    accuracy_files: Mapping[str, tuple[int, ...]]  # extra files an accuracy run must keep: kind to sample ids
    clauses: Mapping[str, str]

    def scenario(self, scenario: Scenario, round_name: str = "") -> ScenarioRule:
        """Raises UnknownName when the round does not run the benchmark so."""
        if scenario not in self.scenarios:
            known = [s.value for s in self.scenarios]
            where = f"{self.id} in {round_name}" if round_name else self.id
            raise UnknownName(f"scenario of {where}", scenario.value, known, [])
        return self.scenarios[scenario]

    def suite(self, suite: Suite | str) -> SuiteRule | None:
        """The rule of "datacenter", "edge" or "datacenter-edge" (both); None when the benchmark is not run there."""
        return self.suites.get(str(suite)) or self.suites.get("all")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplianceTest:
    """One audit run: what it shows, what audit.config sets for it, and the bounds of its verdict."""

    id: str
    verifies: str
    config: Mapping[str, Mapping[str, int | float]]  # "model.Scenario" to key to value, as in the file
    bounds: Mapping[str, float]
    test05_seeds: bool = False  # runs with the round's alternative seeds
    clause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemFields:
    """Keys of systems/<name>.json and of the measurements file."""

    required: tuple[str, ...]
    may_be_empty: tuple[str, ...]
    filled: bool  # required fields must also hold something
    network: tuple[str, ...]  # besides, in the network division
    measurements: tuple[str, ...]
    measurements_filled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerRule:
    """What a measurement at the wall leaves beside the logs."""

    directories: tuple[str, ...]  # under performance/
    power_files: tuple[str, ...]
    extra_run_files: tuple[str, ...]
    documents: tuple[str, ...]  # base names, at some level above
    max_clock_difference_ms: int
    clause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round of MLPerf inference, complete."""

    name: str
    extends: str  # "" for the first
    dates: Mapping[str, str]  # "submission", "published" (ISO, "" unknown), "note"
    sources: Mapping[str, str]
    seeds: Seeds
    test05_seeds: Seeds | None
    min_duration_ns: int
    early_stopping: bool
    server_runs: int
    stream: StreamVersion
    benchmarks: Mapping[str, BenchmarkRule]
    tests: Mapping[str, ComplianceTest]
    divisions: tuple[Division, ...]
    availability: tuple[str, ...]
    system_types: tuple[str, ...]  # exact spellings; empty: not split
    system_fields: SystemFields
    measurement_files: tuple[str, ...]
    log_format: str  # "text" or "mllog": which file official results are read from
    layout: str  # "v0.5", "classic" or "merged"
    truncate_accuracy_log: bool
    dataset_size_checked: bool
    severity: Mapping[str, Severity]
    power: PowerRule | None
    model_names: Mapping[str, str]  # other names of a benchmark to its id
    multistream_supported: bool
    notes: tuple[str, ...]
    clauses: Mapping[str, str]
    path: str

    def find(self, name: str) -> list[BenchmarkRule]:
        """Benchmarks that `name` can mean: an id, a name from configuration files, or a mapped model name.

        "bert" finds bert-99 and bert-99.9. Raises UnknownName with the nearest names.
        """
        if name in self.benchmarks:
            return [self.benchmarks[name]]
        by_conf = [b for b in self.benchmarks.values() if b.conf_name == name]
        if by_conf:
            return by_conf
        mapped = self.model_names.get(name, "")
        if mapped in self.benchmarks:
            return [self.benchmarks[mapped]]
        known = list(self.benchmarks)
        every = [*known, *(b.conf_name for b in self.benchmarks.values())]
        near = list(dict.fromkeys(difflib.get_close_matches(name, every, 4, 0.5)))
        raise UnknownName(f"benchmark of {self.name}", name, known, near)

    def benchmark(self, name: str) -> BenchmarkRule:
        """The one benchmark of that name; of several (bert) the first, which has the lower accuracy target."""
        return self.find(name)[0]

    def has_scenario(self, scenario: Scenario) -> bool:
        """Whether any benchmark of the round runs so."""
        return any(scenario in b.scenarios for b in self.benchmarks.values())
