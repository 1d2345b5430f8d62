"""Small, valid, synthetic submissions of any round and layout, in memory: what the checks are tried on.

`make("v5.1", "resnet", suite="edge")` gives a `Made`: every log as a dictionary under the official keys, every other
file as bytes. A test changes one thing and asks for the tree.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from mlassay.core.enums import Scenario
from mlassay.rules.reader import load_round
from mlassay.rules.round import BenchmarkRule, Round, ScenarioRule
from mlassay.submission.layout import Layout, layout_for_round
from mlassay.submission.tree import MemoryTree, memory_tree

BEGIN = datetime(2026, 3, 1, 12, 0, 0)
HASH = "0" * 64
Log = dict[str, Any]


@dataclass
class Made:
    """A submission that is not yet rendered."""

    round: Round
    layout: Layout
    benchmark: BenchmarkRule
    division: str
    base: str  # "closed/ACME"
    system: str
    files: dict[str, bytes] = field(default_factory=dict)
    logs: dict[str, Log] = field(default_factory=dict)  # directory of a run to its detail log
    systems: dict[str, dict[str, Any]] = field(default_factory=dict)  # path to JSON
    folders: list[str] = field(default_factory=list)
    only_summary: set[str] = field(default_factory=set)
    only_detail: set[str] = field(default_factory=set)
    extra_lines: dict[str, str] = field(default_factory=dict)  # appended to a detail log
    summary_edits: dict[str, Log] = field(default_factory=dict)  # what only the summary says

    def result(self, scenario: str) -> str:
        return f"{self.base}/results/{self.system}/{self.benchmark.id}/{scenario}"

    def measurements(self, scenario: str) -> str:
        path = self.layout.place(self.layout.measurements, self.system, self.benchmark.id, scenario)
        return f"{self.base}/{path}"

    def compliance(self, scenario: str) -> str:
        path = self.layout.place(self.layout.compliance, self.system, self.benchmark.id, scenario)
        return f"{self.base}/{path}"

    def run(self, scenario: str) -> str:
        return f"{self.result(scenario)}/performance/run_1"

    def accuracy(self, scenario: str) -> str:
        return f"{self.result(scenario)}/accuracy"

    def log(self, scenario: str) -> Log:
        return self.logs[self.run(scenario)]

    @property
    def system_path(self) -> str:
        return f"{self.base}/systems/{self.system}.json"

    @property
    def system_json(self) -> dict[str, Any]:
        return self.systems[self.system_path]

    def content(self) -> dict[str, bytes]:
        """Every file as bytes."""
        content = dict(self.files)
        for folder, log in self.logs.items():
            if folder not in self.only_summary:
                text = detail_text(log) if self.round.log_format == "mllog" else old_detail_text(log)
                content[f"{folder}/mlperf_log_detail.txt"] = (text + self.extra_lines.get(folder, "")).encode()
            if folder not in self.only_detail:
                said = log | self.summary_edits.get(folder, {})
                content[f"{folder}/mlperf_log_summary.txt"] = summary_text(said).encode()
        for path, data in self.systems.items():
            content[path] = json.dumps(data, indent=2).encode()
        return content

    def tree(self) -> MemoryTree:
        return memory_tree(self.content(), tuple(self.folders))


# logs


def detail_line(key: str, value: Any, *, error: bool = False, warning: bool = False) -> str:
    about = {"is_error": error, "is_warning": warning, "file": "maker.py", "line_no": 1, "pid": 1, "tid": 1}
    body = {
        "key": key,
        "value": value,
        "time_ms": 1.0,
        "namespace": "mlperf::logging",
        "event_type": "POINT_IN_TIME",
        "metadata": about,
    }
    return ":::MLLOG " + json.dumps(body) + "\n"


def detail_text(log: Log) -> str:
    lines = []
    for key, value in log.items():
        if key == "errors":
            lines += [detail_line("error_runtime", text, error=True) for text in value]
        else:
            lines.append(detail_line(key, value))
    return "".join(lines)


_OLD_NAMES = {"target_latency_ns": "target_latency (ns)", "min_duration_ms": "min_duration (ms)"}
_OLD_SCENARIOS = {"SingleStream": "Single Stream", "MultiStream": "Multi Stream"}
_OLD_MODES = {"PerformanceOnly": "Performance", "AccuracyOnly": "Accuracy", "SubmissionRun": "Submission"}


def old_detail_text(log: Log) -> str:
    """The text of v0.5 and v0.7."""

    def line(text: str) -> str:
        return f'"pid": 1, "tid": 1, "ts": 1000ns : {text}\n'

    lines = [line("LoadgenVersionInfo:"), line(f"System Under Test (SUT) name: {log.get('sut_name', 'SUT')}")]
    lines.append(line(f"QSL total size: {log.get('qsl_reported_total_count', 1)}"))
    lines.append(line("Effective Settings:"))
    lines.append(line(f"Scenario : {_OLD_SCENARIOS.get(log['effective_scenario'], log['effective_scenario'])}"))
    lines.append(line(f"Test mode : {_OLD_MODES.get(log['effective_test_mode'], log['effective_test_mode'])}"))
    for key, value in log.items():
        name = key.removeprefix("effective_")
        if key.startswith("effective_") and name not in ("scenario", "test_mode"):
            lines.append(line(f"{_OLD_NAMES.get(name, name)} : {_old(value)}"))
    lines.append(line(""))
    if "generated_query_count" in log:
        lines.append(
            line(
                f'GeneratedQueries: "queries" : {log["generated_query_count"]}, "samples per query" : '
                f'{log["generated_samples_per_query"]}, "duration" : {log["generated_query_duration"]}'
            )
        )
    lines += [line(f"ERROR : {text}") for text in log.get("errors", [])]
    for word in ("begin", "end"):
        if f"power_{word}" in log:
            lines.append(line(f'POWER_{word.upper()}: "mode" : Performance, "time" : {log[f"power_{word}"]}'))
    return "".join(lines)


def _old(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


_HEAD_LABELS = {
    "Offline": ("Samples per second", "result_samples_per_second"),
    "SingleStream": ("90th percentile latency (ns)", "result_90.00_percentile_latency_ns"),
    "Server": ("Scheduled samples per second", "result_scheduled_samples_per_sec"),
    "MultiStream": ("Samples per query", "effective_samples_per_query"),
}


def summary_text(log: Log) -> str:
    if log.get("effective_test_mode") == "AccuracyOnly" and "result_validity" not in log:
        return "\nNo warnings encountered during test.\n\nNo errors encountered during test.\n"
    scenario = str(log.get("effective_scenario"))
    lines = ["=" * 48, "MLPerf Results Summary", "=" * 48, f"SUT name : {log.get('sut_name', 'SUT')}"]
    lines += [f"Scenario : {scenario}", f"Mode     : {log.get('effective_test_mode')}"]
    label, key = _HEAD_LABELS.get(scenario, ("Samples per second", "result_samples_per_second"))
    if key in log:
        lines.append(f"{label} : {log[key]}")
    if "result_validity" in log:
        lines.append(f"Result is : {log['result_validity']}")
    for label, key in (
        ("Performance constraints satisfied", "result_perf_constraints_met"),
        ("Min duration satisfied", "result_min_duration_met"),
        ("Min queries satisfied", "result_min_queries_met"),
        ("Early stopping satisfied", "early_stopping_met"),
    ):
        if key in log:
            lines.append(f"  {label} : {'Yes' if log[key] else 'NO'}")
    lines += ["", "=" * 48, "Additional Stats", "=" * 48]
    for key, label in (("min", "Min"), ("max", "Max"), ("mean", "Mean")):
        if f"result_{key}_latency_ns" in log:
            lines.append(f"{label} latency (ns)                : {log[f'result_{key}_latency_ns']}")
    for p in ("50.00", "90.00", "95.00", "97.00", "99.00", "99.90"):
        if f"result_{p}_percentile_latency_ns" in log:
            lines.append(f"{p} percentile latency (ns)   : {log[f'result_{p}_percentile_latency_ns']}")
    lines += ["", "=" * 48, "Test Parameters Used", "=" * 48]
    for key, value in log.items():
        name = key.removeprefix("effective_")
        if key.startswith("effective_") and name not in ("scenario", "test_mode"):
            lines.append(f"{_OLD_NAMES.get(name, name)} : {_old(value)}")
    errors = len(log.get("errors", []))
    lines += ["", "No warnings encountered during test.", ""]
    lines.append(
        "No errors encountered during test." if not errors else f"{errors} ERRORS encountered. See detailed log."
    )
    return "\n".join(lines) + "\n"


def performance_log(round_: Round, benchmark: BenchmarkRule, rule: ScenarioRule) -> Log:
    """A run that meets every bound of the round with some room."""
    scenario = rule.loadgen_scenario
    log = _common(round_, benchmark, scenario, "PerformanceOnly")
    duration_s = rule.min_duration_ns / 1e9 * 1.1
    per_query = 1
    if scenario is Scenario.OFFLINE:
        queries, per_query = 1, max(rule.min_samples or 1, 24_576)
        latency_ns = int(duration_s * 1e9)
        rate = per_query / duration_s
    elif scenario is Scenario.SERVER:
        queries = max(rule.required_queries, int(duration_s * 100))
        duration_s = max(duration_s, queries / 500)
        rate = queries / duration_s
        latency_ns = min(rule.latency_ns or rule.latency_ns_checker or 10**8, 10**8) // 2
    elif scenario is Scenario.MULTI_STREAM and rule.interval:
        queries, per_query = rule.required_queries, 4
        latency_ns = int((rule.latency_ns or 0) * 0.9)
        duration_s = max(duration_s, queries * (rule.latency_ns or 0) / 1e9)
        rate = 4.0
    else:
        latency_ns = 10_000_000
        per_query = (rule.samples_per_query or 8) if scenario is Scenario.MULTI_STREAM else 1
        queries = int(duration_s * 1e9 / latency_ns) + 1
        rate = 1e9 / latency_ns
    log |= {
        "effective_samples_per_query": per_query,
        "effective_target_latency_ns": rule.latency_ns or rule.latency_ns_checker or 0,
        "effective_target_latency_percentile": rule.percentile / 100,
        "effective_min_duration_ms": rule.min_duration_ns // 10**6,
        "effective_min_query_count": rule.required_queries or rule.default_queries,
        "generated_query_count": queries,
        "generated_samples_per_query": per_query,
        "generated_query_duration": int(duration_s * 1e9),
        "power_begin": stamp(BEGIN),
        "power_end": stamp(BEGIN + timedelta(seconds=duration_s)),
        "result_validity": "VALID",
        "result_min_duration_met": True,
        "result_min_queries_met": True,
    }
    if scenario is Scenario.SERVER or rule.interval:
        log["result_perf_constraints_met"] = True
    if round_.early_stopping:
        log["early_stopping_met"] = True
        log["result_query_count"] = queries
    _metrics(log, scenario, rule, rate, latency_ns)
    _tokens(log, benchmark, rule, rate)
    if round_.log_format == "mllog":
        log["num_errors"] = 0
    return log


def _metrics(log: Log, scenario: Scenario, rule: ScenarioRule, rate: float, latency_ns: int) -> None:
    if scenario is Scenario.OFFLINE:
        log["result_samples_per_second"] = round(rate, 4)
    elif scenario is Scenario.SERVER:
        log["result_scheduled_samples_per_sec"] = round(rate, 2)
        log["result_completed_samples_per_sec"] = round(rate, 2)
    elif scenario is Scenario.SINGLE_STREAM:
        log["result_qps_with_loadgen_overhead"] = round(rate, 2)
        log["result_qps_without_loadgen_overhead"] = round(rate, 2)
        log["early_stopping_latency_ss"] = latency_ns
        log["early_stopping_latency_ms"] = latency_ns
    else:
        log["early_stopping_latency_ms"] = latency_ns
        log["result_mean_query_latency_ns"] = latency_ns
    for name in ("min", "max", "mean"):
        log[f"result_{name}_latency_ns"] = latency_ns
    for p in ("50.00", "90.00", "95.00", "97.00", "99.00", "99.90"):
        log[f"result_{p}_percentile_latency_ns"] = latency_ns


def _tokens(log: Log, benchmark: BenchmarkRule, rule: ScenarioRule, rate: float) -> None:
    if "tokens" in rule.metric_field:
        log[rule.metric_field] = round(rate * 200, 2)
    if not rule.has_tokens:
        return
    log["requested_use_token_latencies"] = True
    log["requested_server_ttft_latency"] = rule.ttft_ns
    log["requested_server_tpot_latency"] = rule.tpot_ns
    assert rule.ttft_ns is not None
    assert rule.tpot_ns is not None
    for p in ("50.00", "90.00", "99.00", "99.90"):
        log[f"result_first_token_{p}_percentile_latency_ns"] = rule.ttft_ns // 2
        log[f"result_time_per_output_token_{p}_percentile_ns"] = rule.tpot_ns // 2


def stamp(when: datetime) -> str:
    return when.strftime("%m-%d-%Y %H:%M:%S.%f")[:-3]


def _common(round_: Round, benchmark: BenchmarkRule, scenario: Scenario, mode: str) -> Log:
    samples = benchmark.performance_samples
    want = next(v for v in (samples.checker, samples.rules, samples.conf, 1024) if v is not None)
    return {
        "sut_name": "Network SUT of ACME",
        "qsl_reported_total_count": benchmark.accuracy_samples or benchmark.dataset_size or 10_000,
        "effective_scenario": scenario.official_name,
        "effective_test_mode": mode,
        "effective_qsl_rng_seed": round_.seeds.qsl,
        "effective_sample_index_rng_seed": round_.seeds.sample_index,
        "effective_schedule_rng_seed": round_.seeds.schedule,
        "effective_accuracy_log_rng_seed": 0,
        "effective_accuracy_log_probability": 0,
        "effective_accuracy_log_sampling_target": 0,
        "effective_performance_issue_unique": False,
        "effective_performance_issue_same": False,
        "effective_performance_sample_count": want,
        "effective_sample_concatenate_permutation": benchmark.equal_issue,
    }


def accuracy_log(round_: Round, benchmark: BenchmarkRule, rule: ScenarioRule) -> Log:
    log = _common(round_, benchmark, rule.loadgen_scenario, "AccuracyOnly")
    samples = rule.accuracy_samples or benchmark.accuracy_samples or 10_000
    log["effective_accuracy_sample_count"] = samples
    log["qsl_reported_total_count"] = samples
    return log


# accuracy.txt


def _keyed(name: str) -> Callable[[float], str]:
    return lambda value: f"'{name}': {value}, "


_WORDS: dict[str, Callable[[float], str]] = {
    "acc": lambda v: f"accuracy={v}%, \n",
    "mAP": lambda v: f"mAP={v}%\n",
    "bleu": lambda v: f"BLEU: {v}\n",
    "F1": lambda v: f'{{"exact_match": 83.0, "f1": {v}}}\n',
    "F1_HIERARCHICAL": lambda v: f'{{"f1": {v}}}\n',
    "AUC": lambda v: f"AUC={v}%\n",
    "WER": lambda v: f"Word Error Rate: {100 - v}%, accuracy={v}%\n",
    "ACCURACY": lambda v: f"Word Error Rate: {100 - v}%, accuracy={v}%\n",
    "DICE": lambda v: f"Accuracy: mean = {v}, kidney = 0.9, tumor = 0.8\n",
    "E2E_ACCURACY": lambda v: f"Accuracy: {v}\n",
    "ROUGE1": _keyed("rouge1"),
    "ROUGE2": _keyed("rouge2"),
    "ROUGEL": _keyed("rougeL"),
    "ROUGELSUM": _keyed("rougeLsum"),
    "GEN_LEN": _keyed("gen_len"),
    "TOKENS_PER_SAMPLE": _keyed("tokens_per_sample"),
    "CLIP_SCORE": _keyed("CLIP_SCORE"),
    "FID_SCORE": _keyed("FID_SCORE"),
    "gsm8k_accuracy": _keyed("gsm8k"),
    "mbxp_accuracy": _keyed("mbxp"),
    "exact_match": _keyed("exact_match"),
    "vbench_score": _keyed("vbench_score"),
    "DLRM_NE": lambda v: f"metric/lifetime_ne/rating: {v}\n",
    "DLRM_ACC": lambda v: f"metric/lifetime_accuracy/rating: {v}\n",
    "DLRM_AUC": lambda v: f"metric/lifetime_gauc/rating: {v}\n",
}


def accuracy_text(benchmark: BenchmarkRule, rule: ScenarioRule, *, hashed: bool, **other: float) -> bytes:
    """What the benchmark's script would print for a result that meets each target."""
    text = ""
    for target in rule.quality or benchmark.quality:
        low = target.minimum if target.minimum is not None else (target.maximum or 1.0)
        high = target.maximum if target.maximum is not None else low
        value = target.reference if target.metric == "DLRM_NE" and target.reference else (low + high) / 2
        value = float(f"{value:.12g}")
        text += _WORDS[target.metric](other.get(target.metric, value))
    if not text.endswith("\n"):
        text += "\n"
    return (text + (f"hash={HASH}\n" if hashed else "")).encode()


# the tree


def make(
    round_name: str,
    benchmark: str = "resnet",
    *,
    suite: str = "edge",
    division: str = "closed",
    scenarios: tuple[str, ...] = (),
    submitter: str = "ACME",
    system: str = "box",
) -> Made:
    """A valid submission of one system and one benchmark, with every scenario that the suite requires."""
    round_ = load_round(round_name)
    rule = round_.benchmarks[benchmark]
    made = Made(round_, layout_for_round(round_name), rule, division, f"{division}/{submitter}", system)
    made.systems[made.system_path] = system_json(round_, suite, division, submitter, system)
    for scenario in scenarios or required(rule, suite):
        _result(made, Scenario.parse(scenario))
    _once(made)
    return made


def required(rule: BenchmarkRule, suite: str) -> tuple[str, ...]:
    key = suite.replace(",", "-")
    want = rule.suites.get(key) or rule.suites.get("all")
    assert want is not None, f"{rule.id} is not run in {suite}"
    chosen = (*want.required, *want.one_of[:1]) or want.optional
    return tuple(s.official_name for s in chosen)


def system_json(round_: Round, suite: str, division: str, submitter: str, system: str) -> dict[str, Any]:
    from mlassay.submission.schema import system_schema

    schema = system_schema(round_)
    data: dict[str, Any] = {n: "1" if f.kind == "count" else "something" for n, f in schema.required.items()}
    data |= {"division": division, "submitter": submitter, "status": "available", "system_name": f"The {system}"}
    if round_.system_types:
        data["system_type"] = suite
    if division == "network":
        data |= dict.fromkeys(schema.network, "something") | {"is_network": "true"}
    return data


def _result(made: Made, scenario: Scenario) -> None:
    name = scenario.official_name
    rule = made.benchmark.scenarios[scenario]
    runs = made.round.server_runs if scenario is Scenario.SERVER else 1
    for number in range(1, runs + 1):
        folder = f"{made.result(name)}/performance/run_{number}"
        made.logs[folder] = performance_log(made.round, made.benchmark, rule)
        made.files[f"{folder}/mlperf_log_accuracy.json"] = b"[\n]\n"
    accuracy = made.accuracy(name)
    made.logs[accuracy] = accuracy_log(made.round, made.benchmark, rule)
    made.files[f"{accuracy}/mlperf_log_accuracy.json"] = b'[\n{ "seq_id" : 0, "qsl_idx" : 0, "data" : "00" }\n]\n'
    made.files[f"{accuracy}/accuracy.txt"] = accuracy_text(
        made.benchmark, rule, hashed=made.round.truncate_accuracy_log
    )
    for kind, ids in made.benchmark.accuracy_files.items():
        for number in ids:
            made.files[f"{accuracy}/{kind}/{number}.bin"] = b"x"
    folder = made.measurements(name)
    for file in made.round.measurement_files:
        made.files[f"{folder}/{file}"] = b"# settings\n"
    data = dict.fromkeys(made.round.system_fields.measurements, "fp32") | {"retraining": "no"}
    json_name = "measurements.json" if made.layout.name == "merged" else f"{made.system}_torch_{name}.json"
    made.files[f"{folder}/{json_name}"] = json.dumps(data).encode()
    if made.division != "open":
        for test in made.benchmark.compliance:
            if not (test.startswith("TEST04-") and scenario is Scenario.MULTI_STREAM and made.layout.name != "v0.5"):
                _test(made, scenario, test)


def _test(made: Made, scenario: Scenario, test: str) -> None:
    name = scenario.official_name
    folder = f"{made.compliance(name)}/{test}"
    rule = made.benchmark.scenarios[scenario]
    log = performance_log(made.round, made.benchmark, rule)
    if test in ("TEST04", "TEST04-B"):
        log["effective_performance_issue_same"] = True
    if test == "TEST04-A":
        log["effective_performance_issue_unique"] = True
    if test == "TEST01":
        log["effective_accuracy_log_sampling_target"] = 4096
    if test == "TEST05" and made.round.test05_seeds is not None:
        log["effective_qsl_rng_seed"] = made.round.test05_seeds.qsl
        log["effective_sample_index_rng_seed"] = made.round.test05_seeds.sample_index
        log["effective_schedule_rng_seed"] = made.round.test05_seeds.schedule
    made.logs[f"{folder}/performance/run_1"] = log
    if test == "TEST06":
        text = b"First token check pass: True\nEOS check pass: True\nSample length check pass: True\n"
        made.files[f"{folder}/verify_accuracy.txt"] = text
        return
    if test != "TEST04-B":
        made.files[f"{folder}/verify_performance.txt"] = b"reference score 100, test score 100\nTEST PASS\n"
    made.files[f"{folder}/verify_accuracy.txt"] = b"TEST PASS\n"


def _once(made: Made) -> None:
    base = made.base
    if made.layout.name == "merged":
        made.files[f"{base}/src/README.md"] = b"code\n"
    else:
        made.files[f"{base}/code/{made.benchmark.id}/torch/README.md"] = b"code\n"
    if made.layout.name != "v0.5":
        made.files[f"{base}/documentation/calibration.md"] = b"Nothing was quantised.\n"


# power and endpoints


def add_power(made: Made, scenario: str = "Offline") -> None:
    """Power logs of one result: a reading every ten seconds would not do, so one a second."""
    result = made.result(scenario)
    log = made.log(scenario)
    made.logs[f"{result}/performance/ranging"] = dict(log)
    begin = datetime.strptime(log["power_begin"], "%m-%d-%Y %H:%M:%S.%f")
    end = datetime.strptime(log["power_end"], "%m-%d-%Y %H:%M:%S.%f")
    seconds = int((end - begin).total_seconds())
    spl = b"".join(reading(begin + timedelta(seconds=n), 400.0) for n in range(seconds))
    for run in ("run_1", "ranging"):
        made.files[f"{result}/performance/{run}/spl.txt"] = spl
    session = {"uuid": {"client": "a1", "server": "b2"}, "session_name": "one"}
    phases = {"ranging": [[1000.0, 1.0]], "testing": [[2000.0, 2.0]]}
    for side in ("client", "server"):
        made.files[f"{result}/performance/power/{side}.json"] = json.dumps(session | {"phases": phases}).encode()
        made.files[f"{result}/performance/power/{side}.log"] = b"fine\n"
    made.files[f"{result}/performance/power/ptd_logs.txt"] = b"Uncertainty checking for the meter is activated\n"
    for name in ("analyzer_table.md", "power_settings.md"):
        made.files[f"{made.measurements(scenario)}/{name}"] = b"| meter |\n"


def reading(when: datetime, watts: float) -> bytes:
    return f"Time,{stamp(when)},Watts,{watts},Volts,230.0,Amps,1.7,PF,0.9,Mark,run\n".encode()


def to_endpoints(made: Made, scenario: str = "Offline") -> None:
    """Replace a result's logs by what the HTTP load generator leaves."""
    result = made.result(scenario)
    for folder in (made.run(scenario), made.accuracy(scenario)):
        del made.logs[folder]
        for path in [p for p in made.files if p.startswith(f"{folder}/")]:
            del made.files[path]
    for path in [p for p in made.files if p.startswith(f"{result}/TEST")]:
        del made.files[path]
    for folder in [p for p in made.logs if p.startswith(f"{result}/TEST")]:
        del made.logs[folder]
    made.files[f"{result}/config.yaml"] = b"endpoint: http://localhost\n"
    summary = {"qps": 12.5, "tokens_per_second": 2400.0, "failed_requests": 0}
    made.files[f"{result}/performance/result_summary.json"] = json.dumps(summary).encode()
    values = {t.metric: (t.minimum or 0) * 1.01 for t in made.benchmark.quality}
    made.files[f"{result}/accuracy/accuracy_results.json"] = json.dumps(values).encode()
    passed = {"test": "TEST06", "passed": True}
    made.files[f"{result}/audit/audit_consistency_output_test.json"] = json.dumps(passed).encode()
