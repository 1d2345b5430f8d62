"""Single changes to a valid submission, each with the one finding that it must cause (tests/golden/mutations.json)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from mlassay.submission.tree import MemoryTree, Node, Problem, ProblemKind
from tests.submission.maker import (
    BEGIN,
    Made,
    accuracy_text,
    add_power,
    make,
    reading,
    stamp,
    to_endpoints,
)

Change = Callable[[Made], None]
TreeChange = Callable[[MemoryTree, Made], None]


@dataclass(frozen=True)
class Mutation:
    name: str
    id: str
    change: Change
    after: TreeChange | None
    arguments: dict[str, Any]

    def tree(self) -> MemoryTree:
        made = make(**self.arguments)
        self.change(made)
        tree = made.tree()
        if self.after:
            self.after(tree, made)
        return tree


MUTATIONS: dict[str, Mutation] = {}
EDGE = {"round_name": "v5.1", "benchmark": "resnet", "suite": "edge"}
OLD = {"round_name": "v0.5", "benchmark": "resnet", "suite": "edge", "scenarios": ("Server", "Offline")}
SERVER = {"round_name": "v4.1", "benchmark": "resnet", "suite": "datacenter"}
LLM = {"round_name": "v5.1", "benchmark": "llama2-70b-99", "suite": "datacenter", "scenarios": ("Offline", "Server")}
CHAT = {**LLM, "scenarios": ("Offline", "Interactive")}
IMAGES = {"round_name": "v5.1", "benchmark": "stable-diffusion-xl", "suite": "edge"}
MERGED = {"round_name": "v6.0", "benchmark": "resnet", "suite": "edge"}
OPEN = {**EDGE, "division": "open"}
NETWORK = {**SERVER, "division": "network"}


def mutation(id: str, **arguments: Any) -> Callable[[Change], Change]:
    """Register a change of a made submission; its function's name is the mutation's."""

    def register(change: Change) -> Change:
        name = change.__name__
        assert name not in MUTATIONS, name
        MUTATIONS[name] = Mutation(name, id, change, None, {**EDGE, **arguments} if arguments else EDGE)
        return change

    return register


def tree_mutation(id: str, **arguments: Any) -> Callable[[TreeChange], TreeChange]:
    def register(after: TreeChange) -> TreeChange:
        name = after.__name__
        MUTATIONS[name] = Mutation(name, id, lambda made: None, after, {**EDGE, **arguments} if arguments else EDGE)
        return after

    return register


def both(made: Made, scenario: str, **values: Any) -> None:
    """Change what both logs of a performance run say."""
    made.log(scenario).update(values)


# the tree


@mutation("TREE001")
def no_results_at_all(m: Made) -> None:
    m.files = {f"{m.base}/systems/README.md": b"x"}
    m.logs = {}
    m.systems = {}


@mutation("TREE002")
def misspelt_division_beside(m: Made) -> None:
    m.files["clsoed/ACME/README.md"] = b"x"


@mutation("TREE003")
def file_at_the_top(m: Made) -> None:
    m.files["notes.txt"] = b"x"


@mutation("TREE004")
def file_in_a_division(m: Made) -> None:
    m.files["closed/notes.txt"] = b"x"


def _problem(id: str, name: str, kind: ProblemKind, detail: str = "", node: str = "") -> None:
    def after(tree: MemoryTree, made: Made) -> None:
        tree.problems.append(Problem(kind, f"{made.run('Offline')}/{node}" if node else "", detail))

    after.__name__ = name
    tree_mutation(id)(after)


_problem("TREE005", "link_out_of_the_tree", ProblemKind.LINK_LEAVES, "/etc/passwd", "x.txt")
_problem("TREE005", "broken_link", ProblemKind.LINK_BROKEN, "", "x.txt")
_problem("TREE005", "link_loop", ProblemKind.LINK_LOOP, "..", "loop")
_problem("TREE006", "link_inside", ProblemKind.LINK_INSIDE, "../run_2", "x.txt")
_problem("TREE012", "a_device", ProblemKind.SPECIAL, "", "x.txt")
_problem("TREE013", "archive_names_a_file_twice", ProblemKind.DUPLICATE, "", "x.txt")
_problem("TREE014", "name_climbs_out", ProblemKind.TRAVERSAL, "", "x.txt")
_problem("TREE015", "damaged_archive", ProblemKind.DAMAGED, "ends in the middle of a file")
_problem("TREE015", "exploding_archive", ProblemKind.TOO_LARGE, "grows more than 2000-fold")
_problem("TREE015", "encrypted_member", ProblemKind.ENCRYPTED, "", "x.txt")


@tree_mutation("TREE007")
def file_of_60_mb(tree: MemoryTree, made: Made) -> None:
    tree.nodes[f"{made.base}/code/resnet/torch/README.md"] = Node(60_000_000)


@mutation("TREE008")
def hidden_file(m: Made) -> None:
    m.files[f"{m.base}/systems/.DS_Store"] = b"x"


@mutation("TREE009")
def name_with_a_space(m: Made) -> None:
    m.files[f"{m.base}/documentation/my notes.md"] = b"x"


@mutation("TREE010")
def compiled_python(m: Made) -> None:
    m.files[f"{m.base}/code/resnet/__pycache__/a.pyc"] = b"x"


@mutation("TREE011")
def empty_directory(m: Made) -> None:
    m.folders.append(f"{m.base}/documentation/figures")


@mutation("TREE016")
def large_file_pointer(m: Made) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 8421376\n"
    m.files[f"{m.base}/documentation/table.txt"] = pointer.encode()


@mutation("TREE017")
def system_without_results(m: Made) -> None:
    m.systems[f"{m.base}/systems/other.json"] = {**m.system_json, "system_name": "The other"}


@mutation("TREE018")
def measurements_of_an_unknown_system(m: Made) -> None:
    m.files[f"{m.base}/measurements/other/resnet/Offline/README.md"] = b"x"


@mutation("TREE018")
def compliance_of_an_unknown_benchmark(m: Made) -> None:
    m.files[f"{m.base}/compliance/box/retinanet/Offline/TEST01/verify_accuracy.txt"] = b"x"


@mutation("TREE019")
def misspelt_folder_of_a_submitter(m: Made) -> None:
    m.files[f"{m.base}/result/README.md"] = b"x"


@mutation("TREE020", round_name="v5.1", benchmark="rgat", suite="datacenter", division="open")
def lower_case_scenario(m: Made) -> None:
    _rename(m, "/Offline", "/offline")


@mutation("TREE020")
def capital_performance(m: Made) -> None:
    _rename(m, f"{m.result('Offline')}/performance", f"{m.result('Offline')}/Performance")


def _rename(m: Made, old: str, new: str) -> None:
    for mapping in (m.files, m.logs):
        for path in list(mapping):
            if old in path:
                mapping[path.replace(old, new)] = mapping.pop(path)  # type: ignore[index]


@mutation("TREE021")
def no_calibration_note(m: Made) -> None:
    del m.files[f"{m.base}/documentation/calibration.md"]


@mutation("TREE022")
def unprintable_name(m: Made) -> None:
    m.files[f"{m.base}/documentation/a\x07b.md"] = b"x"


# systems


@mutation("SYS001")
def no_system_json(m: Made) -> None:
    m.systems = {}
    m.files[f"{m.base}/systems/README.md"] = b"x"


@mutation("SYS002")
def system_json_cut(m: Made) -> None:
    m.systems = {}
    m.files[m.system_path] = b'{"division": '


@mutation("SYS002")
def system_json_is_a_list(m: Made) -> None:
    m.systems = {}
    m.files[m.system_path] = b"[1, 2]"


@mutation("SYS002")
def system_json_is_empty(m: Made) -> None:
    m.systems = {}
    m.files[m.system_path] = b""


@mutation("SYS002")
def system_json_nested_without_end(m: Made) -> None:
    m.systems = {}
    m.files[m.system_path] = b"[" * 100_000


@mutation("SYS003")
def field_missing(m: Made) -> None:
    del m.system_json["host_memory_capacity"]


@mutation("SYS004")
def field_empty(m: Made) -> None:
    m.system_json["cooling"] = "  "


@mutation("SYS004", round_name="v2.0")
def field_empty_before_it_mattered(m: Made) -> None:
    m.system_json["framework"] = ""


@mutation("SYS005")
def field_misspelt(m: Made) -> None:
    m.system_json["host_procesor_model_name"] = "x"


@mutation("SYS006")
def status_misspelt(m: Made) -> None:
    m.system_json["status"] = "avaliable"


@mutation("SYS007")
def system_type_with_a_space(m: Made) -> None:
    m.system_json["system_type"] = " edge"


@mutation("SYS008")
def other_submitter(m: Made) -> None:
    m.system_json["submitter"] = "Acmeco"


@mutation("SYS008")
def submitter_spelt_otherwise(m: Made) -> None:
    m.system_json["submitter"] = "AC-ME"


@mutation("SYS009")
def other_division(m: Made) -> None:
    m.system_json["division"] = "open"


@mutation("SYS010")
def count_in_words(m: Made) -> None:
    m.system_json["number_of_nodes"] = "two"


@mutation("SYS010")
def no_nodes(m: Made) -> None:
    m.system_json["number_of_nodes"] = 0


@mutation("SYS011")
def framework_as_a_list(m: Made) -> None:
    m.system_json["framework"] = ["torch", "2.4"]


@mutation("SYS012")
def key_twice(m: Made) -> None:
    text = json.dumps(m.system_json)
    m.files[m.system_path] = (text[:-1] + ', "cooling": "water"}').encode()
    m.systems = {}


@mutation("SYS013")
def system_file_spelt_otherwise(m: Made) -> None:
    m.systems = {f"{m.base}/systems/BOX.json": m.system_json}


@mutation("SYS014")
def two_systems_of_one_name(m: Made) -> None:
    other = make(**{**EDGE, "system": "crate"})
    m.files |= other.files
    m.logs |= other.logs
    m.systems[other.system_path] = {**other.system_json, "system_name": "The box", "cooling": "water"}


@mutation("SYS015", round_name="v6.0")
def nameplate_without_supplies(m: Made) -> None:
    m.files[f"{m.base}/systems/box_power.yaml"] = b"node: {PSUs: []}\n"


# benchmarks and scenarios


@mutation("SCN001")
def unknown_benchmark(m: Made) -> None:
    other = make(**{**EDGE, "benchmark": "bert-99", "scenarios": ("Offline",)})
    for mapping, more in ((m.files, other.files), (m.logs, other.logs)):
        mapping |= {p.replace("/bert-99/", "/bertha/"): v for p, v in more.items() if "/compliance/" not in p}


@mutation("SCN002")
def unknown_scenario(m: Made) -> None:
    folder = m.result("Offlin")
    source = m.result("Offline")
    m.files |= {p.replace(source, folder): v for p, v in m.files.items() if p.startswith(source)}
    m.logs |= {p.replace(source, folder): v for p, v in m.logs.items() if p.startswith(source)}
    for old in (m.measurements("Offline"),):
        new = old.replace("/Offline", "/Offlin")
        m.files |= {p.replace(old, new): v for p, v in m.files.items() if p.startswith(old)}
    for old in (m.compliance("Offline"),):
        new = old.replace("/Offline", "/Offlin")
        m.files |= {p.replace(old, new): v for p, v in m.files.items() if p.startswith(old)}


@mutation("SCN003")
def server_on_an_edge_system(m: Made) -> None:
    other = make(**{**EDGE, "scenarios": ("Server",)})
    m.files |= other.files
    m.logs |= other.logs


@mutation("SCN004", scenarios=("SingleStream", "Offline"))
def multistream_missing(m: Made) -> None:
    pass


@mutation("SCN004", **{**SERVER, "scenarios": ("Offline",)})
def server_missing(m: Made) -> None:
    pass


@mutation("SCN005", **{**LLM, "scenarios": ("Offline",)})
def neither_server_nor_interactive(m: Made) -> None:
    pass


@mutation("SCN006", division="open")
def own_model_without_mapping(m: Made) -> None:
    _rename(m, "/resnet/", "/my-net/")


@mutation("SCN007", division="open")
def mapped_to_nothing(m: Made) -> None:
    m.files[f"{m.base}/model_mapping.json"] = b'{"my-net": "resnet51"}'


@mutation("SCN008")
def benchmark_under_its_other_name(m: Made) -> None:
    _rename(m, "/resnet/", "/resnet50/")


@mutation("SCN009", round_name="v2.0", benchmark="resnet", suite="datacenter", division="network")
def network_before_its_time(m: Made) -> None:
    m.system_json.pop("is_network", None)
    for name in list(m.system_json):
        if name in m.round.system_fields.network:
            del m.system_json[name]


@mutation("SCN010", **{**SERVER, "scenarios": ("Server", "Offline")})
def server_logs_in_offline(m: Made) -> None:
    for folder in (m.run("Offline"), m.accuracy("Offline")):
        m.logs[folder] = dict(m.logs[folder.replace("/Offline/", "/Server/")])


# measurements


@mutation("MEAS001")
def no_measurements(m: Made) -> None:
    m.files = {p: v for p, v in m.files.items() if not p.startswith(m.measurements("Offline"))}


@mutation("MEAS002")
def no_user_conf(m: Made) -> None:
    del m.files[f"{m.measurements('Offline')}/user.conf"]


@mutation("MEAS002", round_name="v4.1")
def no_mlperf_conf(m: Made) -> None:
    del m.files[f"{m.measurements('Offline')}/mlperf.conf"]


@mutation("MEAS002", round_name="v6.0")
def no_readme(m: Made) -> None:
    del m.files[f"{m.measurements('Offline')}/README.md"]


@mutation("MEAS003")
def empty_readme(m: Made) -> None:
    m.files[f"{m.measurements('Offline')}/README.md"] = b""


@mutation("MEAS004")
def no_measurements_json(m: Made) -> None:
    del m.files[f"{m.measurements('Offline')}/box_torch_Offline.json"]


@mutation("MEAS005")
def measurements_json_cut(m: Made) -> None:
    m.files[f"{m.measurements('Offline')}/box_torch_Offline.json"] = b'{"retraining": '


def _measurements(m: Made, **changes: Any) -> None:
    path = f"{m.measurements('Offline')}/box_torch_Offline.json"
    data = json.loads(m.files[path])
    for key, value in changes.items():
        if value is None:
            del data[key]
        else:
            data[key] = value
    m.files[path] = json.dumps(data).encode()


@mutation("MEAS006")
def measurements_field_missing(m: Made) -> None:
    _measurements(m, weight_data_types=None)


@mutation("MEAS007")
def measurements_field_empty(m: Made) -> None:
    _measurements(m, weight_transformations="")


@mutation("MEAS008", round_name="v6.0", benchmark="rgat", suite="datacenter")
def no_source_code_merged(m: Made) -> None:
    del m.files[f"{m.base}/src/README.md"]


@mutation("MEAS008", benchmark="rgat", suite="datacenter")
def no_source_code(m: Made) -> None:
    del m.files[f"{m.base}/code/rgat/torch/README.md"]
    m.files[f"{m.base}/code/README.md"] = b"x"


@mutation("MEAS008", benchmark="rgat", suite="datacenter")
def code_points_nowhere(m: Made) -> None:
    del m.files[f"{m.base}/code/rgat/torch/README.md"]
    m.files[f"{m.base}/code/rgat"] = b"rgat-99\n"


@mutation("MEAS009")
def retrained(m: Made) -> None:
    _measurements(m, retraining="yes")


@mutation("MEAS010")
def seed_in_user_conf(m: Made) -> None:
    m.files[f"{m.measurements('Offline')}/user.conf"] = b"resnet50.*.qsl_rng_seed = 7\n"


# logs


@mutation("LOG001")
def nul_in_a_log(m: Made) -> None:
    m.summary_edits[m.run("Offline")] = {"sut_name": "Network SUT of ACME\0"}


@mutation("LOG001")
def carriage_returns(m: Made) -> None:
    m.extra_lines[m.run("Offline")] = "\r\n"


@mutation("LOG002")
def line_cut_in_a_log(m: Made) -> None:
    m.extra_lines[m.run("Offline")] = ':::MLLOG {"key": "result_'


@mutation("LOG002")
def value_is_nan(m: Made) -> None:
    m.extra_lines[m.accuracy("Offline")] = ':::MLLOG {"key": "x", "value": NaN}\n'


@mutation("LOG003")
def log_without_its_end(m: Made) -> None:
    m.only_detail.add(m.run("Offline"))
    del m.log("Offline")["num_errors"]
    m.files[f"{m.run('Offline')}/mlperf_log_summary.txt"] = _summary_without_counts(m)


def _summary_without_counts(m: Made) -> bytes:
    from tests.submission.maker import summary_text

    return summary_text(m.log("Offline")).partition("\nNo warnings")[0].encode()


@mutation("LOG004")
def two_verdicts(m: Made) -> None:
    from tests.submission.maker import detail_line

    m.extra_lines[m.run("Offline")] = detail_line("result_samples_per_second", 1.0) + detail_line(
        "result_samples_per_second", m.log("Offline")["result_samples_per_second"]
    )


@mutation("LOG005")
def ran_out_of_queries(m: Made) -> None:
    both(m, "Offline", errors=["Ending early: Ran out of generated queries to issue"], num_errors=1)


@mutation("LOG005")
def tolerated_error(m: Made) -> None:
    both(m, "Offline", errors=["CAS failed"], num_errors=1)
    m.log("Offline")["errors"] = ["logger: CAS fail"]


@mutation("LOG005")
def error_in_the_accuracy_run(m: Made) -> None:
    m.logs[m.accuracy("Offline")] |= {"errors": ["Not all samples answered"], "num_errors": 1}


@mutation("LOG006")
def errors_counted_wrong(m: Made) -> None:
    both(m, "Offline", num_errors=2)


@mutation("LOG007")
def summary_of_another_run(m: Made) -> None:
    m.summary_edits[m.run("Offline")] = {"result_samples_per_second": 4000.0}


@mutation("LOG007")
def seeds_differ_in_the_summary(m: Made) -> None:
    m.summary_edits[m.run("Offline")] = {"effective_qsl_rng_seed": 1}


@mutation("LOG008")
def changed_load_generator(m: Made) -> None:
    both(m, "Offline", loadgen_git_status_message="M loadgen/loadgen.cc\n?? build/")


@mutation("LOG009")
def percentiles_out_of_order(m: Made) -> None:
    value = m.log("SingleStream")["result_90.00_percentile_latency_ns"]
    both(m, "SingleStream", **{"result_50.00_percentile_latency_ns": value + 1})
    both(m, "SingleStream", result_max_latency_ns=value + 2)


@mutation("LOG009")
def mean_above_the_maximum(m: Made) -> None:
    both(m, "MultiStream", result_mean_latency_ns=m.log("MultiStream")["result_max_latency_ns"] * 2)


@mutation("LOG010")
def negative_result(m: Made) -> None:
    both(m, "Offline", early_stopping_latency_ss=-1)


# performance


@mutation("PERF001")
def no_performance_run(m: Made) -> None:
    _drop(m, f"{m.result('Offline')}/performance")


def _drop(m: Made, prefix: str) -> None:
    m.files = {p: v for p, v in m.files.items() if not p.startswith(prefix)}
    m.logs = {p: v for p, v in m.logs.items() if not p.startswith(prefix)}


@mutation("PERF002")
def no_detail_log(m: Made) -> None:
    m.only_summary.add(m.run("Offline"))


@mutation("PERF002", **OLD)
def no_summary_in_v05(m: Made) -> None:
    m.only_detail.add(m.run("Offline"))


@mutation("PERF003")
def no_summary(m: Made) -> None:
    m.only_detail.add(m.run("Offline"))


@mutation("PERF003", **OLD)
def no_detail_in_v05(m: Made) -> None:
    m.only_summary.add(m.run("Offline"))


@mutation("PERF004")
def invalid(m: Made) -> None:
    both(m, "Offline", result_validity="INVALID", result_invalid_reason="Increase expected QPS. ")


@mutation("PERF004", **MERGED)
def invalid_in_v6(m: Made) -> None:
    both(m, "SingleStream", result_validity="INVALID")


@mutation("PERF005")
def no_verdict(m: Made) -> None:
    del m.log("Offline")["result_validity"]


@mutation("PERF006")
def performance_in_accuracy_mode(m: Made) -> None:
    both(m, "Offline", effective_test_mode="FindPeakPerformance")


@mutation("PERF006")
def submission_mode(m: Made) -> None:
    both(m, "Offline", effective_test_mode="SubmissionRun")


@mutation("PERF007")
def no_scenario_in_the_log(m: Made) -> None:
    both(m, "Offline", effective_scenario="Online")


@mutation("PERF008")
def wrong_qsl_seed(m: Made) -> None:
    both(m, "Offline", effective_qsl_rng_seed=1)


@mutation("PERF008")
def wrong_schedule_seed(m: Made) -> None:
    both(m, "MultiStream", effective_schedule_rng_seed=m.round.seeds.schedule + 1)


@mutation("PERF008", **OLD)
def wrong_seed_in_v05(m: Made) -> None:
    both(m, "Offline", effective_sample_index_rng_seed=7)


@mutation("PERF009")
def small_performance_set(m: Made) -> None:
    both(m, "Offline", effective_performance_sample_count=256)


@mutation("PERF010", **SERVER)
def looser_latency_bound(m: Made) -> None:
    both(m, "Server", effective_target_latency_ns=20_000_000)


@mutation("PERF011", **LLM)
def looser_first_token_bound(m: Made) -> None:
    both(m, "Server", requested_server_ttft_latency=3_000_000_000)


@mutation("PERF011", **CHAT)
def server_bounds_in_interactive(m: Made) -> None:
    both(m, "Interactive", requested_server_tpot_latency=200_000_000)


@mutation("PERF012", **SERVER)
def measured_latency_too_high(m: Made) -> None:
    for p in ("99.00", "99.90"):
        both(m, "Server", **{f"result_{p}_percentile_latency_ns": 16_000_000})
    both(m, "Server", result_max_latency_ns=16_000_000)


@mutation("PERF013", **LLM)
def first_token_too_late(m: Made) -> None:
    for p in ("99.00", "99.90"):
        both(m, "Server", **{f"result_first_token_{p}_percentile_latency_ns": 2_400_000_000})


@mutation("PERF013", **CHAT)
def interactive_tokens_too_slow(m: Made) -> None:
    for p in ("99.00", "99.90"):
        both(m, "Interactive", **{f"result_time_per_output_token_{p}_percentile_ns": 60_000_000})


@mutation("PERF014", **LLM)
def no_token_latencies(m: Made) -> None:
    both(m, "Server", requested_use_token_latencies=False)


@mutation("PERF015")
def early_stopping_not_met(m: Made) -> None:
    both(m, "SingleStream", early_stopping_met=False)


@mutation("PERF016", **OLD)
def few_queries_configured_in_v05(m: Made) -> None:
    both(m, "Server", effective_min_query_count=1024)


@mutation("PERF016", round_name="v1.0", benchmark="resnet", suite="datacenter", scenarios=("Offline", "Server"))
def few_queries_configured_in_v10(m: Made) -> None:
    both(m, "Server", effective_min_query_count=1024)
    for log in m.logs.values():
        if log["effective_scenario"] == "Server" and "generated_query_count" in log:
            share = 200_000 / log["generated_query_count"]
            log["generated_query_count"] = 200_000
            log["result_completed_samples_per_sec"] = log["result_completed_samples_per_sec"] * share


@mutation("PERF017")
def few_queries_issued(m: Made) -> None:
    both(m, "MultiStream", result_query_count=600)


@mutation("PERF018")
def short_offline_query(m: Made) -> None:
    both(m, "Offline", effective_samples_per_query=10_000)
    for log in m.logs.values():
        if log["effective_scenario"] == "Offline" and "generated_samples_per_query" in log:
            log["generated_samples_per_query"] = 10_000
            log["result_samples_per_second"] = 10_000 / (log["result_max_latency_ns"] / 1e9)


@mutation("PERF019")
def short_duration_configured(m: Made) -> None:
    both(m, "Offline", effective_min_duration_ms=60_000)


@mutation("PERF019", **OLD)
def short_duration_configured_in_v05(m: Made) -> None:
    both(m, "Offline", effective_min_duration_ms=10_000)


@mutation("PERF020")
def short_run(m: Made) -> None:
    both(m, "SingleStream", power_end=stamp(BEGIN + timedelta(seconds=100)))


@mutation("PERF021", **LLM)
def no_equal_issue(m: Made) -> None:
    both(m, "Server", effective_sample_concatenate_permutation=False)


@mutation("PERF022")
def no_metric(m: Made) -> None:
    del m.log("Offline")["result_samples_per_second"]


@mutation("PERF023")
def metric_is_zero(m: Made) -> None:
    both(m, "Offline", result_samples_per_second=0)


@mutation("PERF024")
def invented_offline_rate(m: Made) -> None:
    both(m, "Offline", result_samples_per_second=m.log("Offline")["result_samples_per_second"] * 1.06)


@mutation("PERF024", **SERVER)
def invented_server_rate(m: Made) -> None:
    rate = m.log("Server")["result_completed_samples_per_sec"] * 1.5
    both(m, "Server", result_completed_samples_per_sec=rate)
    for test in m.benchmark.compliance:
        m.logs[f"{m.compliance('Server')}/{test}/performance/run_1"]["result_completed_samples_per_sec"] = rate


@mutation("PERF025", **OLD)
def four_server_runs(m: Made) -> None:
    _drop(m, f"{m.result('Server')}/performance/run_5")


@mutation("PERF025")
def two_runs(m: Made) -> None:
    source, target = m.run("Offline"), m.run("Offline").replace("run_1", "run_2")
    m.logs[target] = dict(m.logs[source])


@mutation("PERF026", **SERVER)
def lower_percentile(m: Made) -> None:
    both(m, "Server", effective_target_latency_percentile=0.97)


@mutation("PERF027")
def same_sample_in_a_result(m: Made) -> None:
    both(m, "Offline", effective_performance_issue_same=True)


@mutation("PERF027")
def outputs_sampled_in_a_result(m: Made) -> None:
    both(m, "Offline", effective_accuracy_log_sampling_target=64)


@mutation("PERF028")
def four_samples_per_query(m: Made) -> None:
    both(m, "MultiStream", effective_samples_per_query=4)


@mutation("PERF029")
def valid_without_its_duration(m: Made) -> None:
    both(m, "SingleStream", result_min_duration_met=False)


@mutation("PERF030")
def model_beside_the_logs(m: Made) -> None:
    m.files[f"{m.run('Offline')}/model.onnx"] = b"x"


@mutation("PERF031")
def answers_in_a_performance_run(m: Made) -> None:
    m.files[f"{m.run('Offline')}/mlperf_log_accuracy.json"] = b"[" + b"1," * 500 + b"1]"


# accuracy


@mutation("ACC001")
def no_accuracy_run(m: Made) -> None:
    _drop(m, m.accuracy("Offline"))


@mutation("ACC002")
def no_accuracy_text(m: Made) -> None:
    del m.files[f"{m.accuracy('Offline')}/accuracy.txt"]


@mutation("ACC002")
def empty_accuracy_text(m: Made) -> None:
    m.files[f"{m.accuracy('Offline')}/accuracy.txt"] = b"\n"


def _accuracy(m: Made, scenario: str = "Offline", **values: float) -> None:
    from mlassay.core.enums import Scenario

    rule = m.benchmark.scenarios[Scenario.parse(scenario)]
    m.files[f"{m.accuracy(scenario)}/accuracy.txt"] = accuracy_text(m.benchmark, rule, hashed=True, **values)


@mutation("ACC003")
def other_metric(m: Made) -> None:
    m.files[f"{m.accuracy('Offline')}/accuracy.txt"] = b"mAP=37%\nhash=" + b"0" * 64 + b"\n"


@mutation("ACC003", **LLM)
def one_metric_of_several_missing(m: Made) -> None:
    path = f"{m.accuracy('Offline')}/accuracy.txt"
    m.files[path] = m.files[path].replace(b"rougeL", b"rougeX")


@mutation("ACC004")
def accuracy_too_low(m: Made) -> None:
    _accuracy(m, acc=75.1)


@mutation("ACC004", **LLM)
def too_few_tokens(m: Made) -> None:
    _accuracy(m, TOKENS_PER_SAMPLE=200.0)


@mutation("ACC004", round_name="v6.0", benchmark="dlrm-v3", suite="datacenter")
def entropy_too_high(m: Made) -> None:
    _accuracy(m, DLRM_NE=0.9)


@mutation("ACC004", division="open")
def accuracy_too_low_in_open(m: Made) -> None:
    _accuracy(m, acc=60.0)


@mutation("ACC005", **LLM)
def too_many_tokens(m: Made) -> None:
    _accuracy(m, TOKENS_PER_SAMPLE=340.0)


@mutation("ACC005", **IMAGES)
def images_too_good(m: Made) -> None:
    _accuracy(m, CLIP_SCORE=32.5)


@mutation("ACC006")
def accuracy_beyond_its_scale(m: Made) -> None:
    _accuracy(m, acc=176.4)


@mutation("ACC006")
def accuracy_is_nan(m: Made) -> None:
    _accuracy(m, acc=float("nan"))


@mutation("ACC007")
def two_accuracies(m: Made) -> None:
    path = f"{m.accuracy('Offline')}/accuracy.txt"
    m.files[path] = b"accuracy=76.2%, \n" + m.files[path]


@mutation("ACC008")
def accuracy_not_its_quotient(m: Made) -> None:
    path = f"{m.accuracy('Offline')}/accuracy.txt"
    m.files[path] = b"accuracy=76.9%, good=38008, total=50000\nhash=" + b"0" * 64 + b"\n"


@mutation("ACC009")
def part_of_the_data_set(m: Made) -> None:
    m.logs[m.accuracy("Offline")]["effective_accuracy_sample_count"] = 5000


@mutation("ACC010")
def no_accuracy_log(m: Made) -> None:
    del m.files[f"{m.accuracy('Offline')}/mlperf_log_accuracy.json"]


@mutation("ACC011")
def accuracy_log_whole(m: Made) -> None:
    import hashlib

    content = b"[" + b"1," * 10_000 + b"1]"
    m.files[f"{m.accuracy('Offline')}/mlperf_log_accuracy.json"] = content
    path = f"{m.accuracy('Offline')}/accuracy.txt"
    m.files[path] = m.files[path].replace(b"0" * 64, hashlib.sha256(content).hexdigest().encode())


@mutation("ACC012")
def no_hash(m: Made) -> None:
    path = f"{m.accuracy('Offline')}/accuracy.txt"
    m.files[path] = m.files[path].partition(b"hash=")[0]


@mutation("ACC013")
def hash_too_short(m: Made) -> None:
    path = f"{m.accuracy('Offline')}/accuracy.txt"
    m.files[path] = m.files[path].replace(b"0" * 64, b"abc123")


@mutation("ACC014")
def accuracy_run_without_detail(m: Made) -> None:
    m.only_summary.add(m.accuracy("Offline"))


@mutation("ACC014")
def accuracy_run_without_summary(m: Made) -> None:
    m.only_detail.add(m.accuracy("Offline"))


@mutation("ACC015")
def accuracy_in_performance_mode(m: Made) -> None:
    m.logs[m.accuracy("Offline")]["effective_test_mode"] = "PerformanceOnly"


@mutation("ACC016")
def accuracy_of_another_scenario(m: Made) -> None:
    m.logs[m.accuracy("Offline")]["effective_scenario"] = "SingleStream"


@mutation("ACC017")
def accuracy_of_another_system(m: Made) -> None:
    m.logs[m.accuracy("Offline")]["sut_name"] = "Another SUT"


@mutation("ACC018", **IMAGES)
def image_missing(m: Made) -> None:
    del m.files[f"{m.accuracy('Offline')}/images/4629.bin"]


@mutation("ACC019")
def predictions_beside(m: Made) -> None:
    m.files[f"{m.accuracy('Offline')}/predictions.npz"] = b"x"


@mutation("ACC020")
def byte_order_mark(m: Made) -> None:
    path = f"{m.accuracy('Offline')}/accuracy.txt"
    m.files[path] = b"\xef\xbb\xbf" + m.files[path]


# compliance


def _test(m: Made, test: str, scenario: str = "Offline") -> str:
    return f"{m.compliance(scenario)}/{test}"


@mutation("COMP001")
def no_test01(m: Made) -> None:
    _drop(m, _test(m, "TEST01"))


@mutation("COMP001", **MERGED)
def no_test04_merged(m: Made) -> None:
    _drop(m, _test(m, "TEST04"))


@mutation("COMP002")
def no_performance_verification(m: Made) -> None:
    del m.files[f"{_test(m, 'TEST01')}/verify_performance.txt"]


@mutation("COMP002")
def empty_performance_verification(m: Made) -> None:
    m.files[f"{_test(m, 'TEST04')}/verify_performance.txt"] = b""


@mutation("COMP003")
def performance_verification_failed(m: Made) -> None:
    m.files[f"{_test(m, 'TEST04')}/verify_performance.txt"] = b"TEST FAIL\n"


@mutation("COMP004")
def no_accuracy_verification(m: Made) -> None:
    del m.files[f"{_test(m, 'TEST01')}/verify_accuracy.txt"]


@mutation("COMP005")
def accuracy_verification_failed(m: Made) -> None:
    m.files[f"{_test(m, 'TEST01')}/verify_accuracy.txt"] = b"TEST FAIL\n"


@mutation("COMP005")
def fallback_accuracies_differ(m: Made) -> None:
    folder = _test(m, "TEST01")
    m.files[f"{folder}/verify_accuracy.txt"] = b"TEST FAIL\n"
    m.files[f"{folder}/accuracy/baseline_accuracy.txt"] = b"accuracy=76.0%, good=1, total=1\n"
    m.files[f"{folder}/accuracy/compliance_accuracy.txt"] = b"accuracy=70.0%, good=1, total=1\n"


@mutation("COMP006", **LLM)
def tokens_inconsistent(m: Made) -> None:
    text = b"First token check pass: True\nEOS check pass: False\nSample length check pass: True\n"
    m.files[f"{_test(m, 'TEST06')}/verify_accuracy.txt"] = text


@mutation("COMP006", **LLM)
def first_token_skipped_in_server(m: Made) -> None:
    text = b"First token check pass: Skipped\nEOS check pass: True\nSample length check pass: True\n"
    for scenario in ("Offline", "Server"):  # in Offline this is how it must be
        m.files[f"{_test(m, 'TEST06', scenario)}/verify_accuracy.txt"] = text


def _test_log(m: Made, test: str, scenario: str = "Offline", **values: Any) -> None:
    m.logs[f"{_test(m, test, scenario)}/performance/run_1"].update(values)


@mutation("COMP007")
def invalid_compliance_run(m: Made) -> None:
    _test_log(m, "TEST01", result_validity="INVALID")


@mutation("COMP008")
def compliance_without_logs(m: Made) -> None:
    run = f"{_test(m, 'TEST04')}/performance/run_1"
    del m.logs[run]
    m.files[f"{run}/README.md"] = b"lost\n"


@mutation("COMP009")
def test04_without_its_setting(m: Made) -> None:
    _test_log(m, "TEST04", effective_performance_issue_same=False)


@mutation("COMP009")
def test01_without_its_setting(m: Made) -> None:
    _test_log(m, "TEST01", effective_accuracy_log_sampling_target=0)


@mutation("COMP009", **SERVER)
def test05_with_the_rounds_seeds(m: Made) -> None:
    _test_log(m, "TEST05", effective_sample_index_rng_seed=m.round.seeds.sample_index)


@mutation("COMP010")
def caching_shows(m: Made) -> None:
    log = m.logs[f"{_test(m, 'TEST04')}/performance/run_1"]
    for name in ("min", "max", "mean"):
        log[f"result_{name}_latency_ns"] = round(log[f"result_{name}_latency_ns"] / 1.176)
    for p in ("50.00", "90.00", "95.00", "97.00", "99.00", "99.90"):
        log[f"result_{p}_percentile_latency_ns"] = round(log[f"result_{p}_percentile_latency_ns"] / 1.176)
    log["result_samples_per_second"] = round(log["result_samples_per_second"] * 1.176, 4)


@mutation("COMP010", **SERVER)
def slower_with_other_seeds(m: Made) -> None:
    log = m.logs[f"{_test(m, 'TEST05', 'Server')}/performance/run_1"]
    log["generated_query_count"] = log["result_query_count"] = int(log["result_query_count"] * 0.9)
    log["result_completed_samples_per_sec"] = round(log["result_completed_samples_per_sec"] * 0.9, 3)
    log["result_scheduled_samples_per_sec"] = log["result_completed_samples_per_sec"]


@mutation("COMP010", round_name="v1.0", benchmark="resnet", suite="datacenter", scenarios=("Offline",))
def caching_shows_between_a_and_b(m: Made) -> None:
    log = m.logs[f"{_test(m, 'TEST04-B')}/performance/run_1"]
    for key in [k for k in log if k.endswith("latency_ns") and k.startswith("result_")]:
        log[key] = round(log[key] / 1.25)
    log["result_samples_per_second"] = round(log["result_samples_per_second"] * 1.25, 4)


# the network division


@mutation("NET001", **NETWORK)
def local_sut_in_network(m: Made) -> None:
    for folder in (m.run("Offline"), m.accuracy("Offline")):
        m.logs[folder]["sut_name"] = "PySUT"


@mutation("NET002", **NETWORK)
def network_field_missing(m: Made) -> None:
    del m.system_json["network_protocol"]


@mutation("NET003")
def network_flag_in_closed(m: Made) -> None:
    m.system_json["is_network"] = "true"


@mutation("NET003", **NETWORK)
def network_flag_false(m: Made) -> None:
    m.system_json["is_network"] = "false"


@mutation("NET004", round_name="v4.1", benchmark="3d-unet-99", suite="edge", division="network")
def edge_system_in_network(m: Made) -> None:
    pass


# power


def powered(made: Made) -> str:
    """Add power logs to the Offline result; its performance directory."""
    add_power(made)
    return f"{made.result('Offline')}/performance"


@mutation("POW001")
def no_server_json(m: Made) -> None:
    del m.files[f"{powered(m)}/power/server.json"]


@mutation("POW002")
def no_ranging_run(m: Made) -> None:
    _drop(m, f"{powered(m)}/ranging")


@mutation("POW002")
def ranging_without_readings(m: Made) -> None:
    del m.files[f"{powered(m)}/ranging/spl.txt"]


@mutation("POW003")
def no_readings(m: Made) -> None:
    del m.files[f"{powered(m)}/run_1/spl.txt"]


@mutation("POW004")
def readings_of_another_day(m: Made) -> None:
    later = BEGIN + timedelta(days=1)
    text = b"".join(reading(later + timedelta(seconds=n), 400.0) for n in range(700))
    m.files[f"{powered(m)}/run_1/spl.txt"] = text


@mutation("POW004")
def readings_stop(m: Made) -> None:
    text = b"".join(reading(BEGIN + timedelta(seconds=n), 400.0) for n in range(100))
    m.files[f"{powered(m)}/run_1/spl.txt"] = text


@mutation("POW005")
def negative_watts(m: Made) -> None:
    path = f"{powered(m)}/run_1/spl.txt"
    m.files[path] = m.files[path].replace(b"Watts,400.0", b"Watts,-3", 1)


@mutation("POW005")
def readings_out_of_order(m: Made) -> None:
    path = f"{powered(m)}/run_1/spl.txt"
    m.files[path] += reading(BEGIN, 400.0)


@mutation("POW005")
def reading_that_is_none(m: Made) -> None:
    path = f"{powered(m)}/run_1/spl.txt"
    m.files[path] += b"Time,yesterday,Watts,many\n"


@mutation("POW006")
def client_json_cut(m: Made) -> None:
    m.files[f"{powered(m)}/power/client.json"] = b'{"uuid": '


@mutation("POW007")
def two_sessions(m: Made) -> None:
    path = f"{powered(m)}/power/server.json"
    m.files[path] = m.files[path].replace(b'"one"', b'"two"')


@mutation("POW008")
def clocks_apart(m: Made) -> None:
    path = f"{powered(m)}/power/server.json"
    m.files[path] = m.files[path].replace(b"2000.0", b"2001.5")


@mutation("POW009")
def no_analyzer_table(m: Made) -> None:
    powered(m)
    del m.files[f"{m.measurements('Offline')}/analyzer_table.md"]


@mutation("POW010")
def meter_error(m: Made) -> None:
    m.files[f"{powered(m)}/power/ptd_logs.txt"] = b"12:00 ERROR: uncertainty exceeded\n"


# the endpoints variant


HTTP = {"round_name": "v6.1", "benchmark": "llama3.1-8b-edge", "suite": "edge"}


def over_http(made: Made) -> str:
    to_endpoints(made)
    return made.result("Offline")


@mutation("EP001", round_name="v6.1", benchmark="rgat", suite="datacenter")
def http_for_another_model(m: Made) -> None:
    over_http(m)


@mutation("EP002", **HTTP)
def no_http_configuration(m: Made) -> None:
    path = over_http(m)
    del m.files[f"{path}/config.yaml"]


@mutation("EP002", **HTTP)
def http_accuracy_cut(m: Made) -> None:
    m.files[f"{over_http(m)}/accuracy/accuracy_results.json"] = b"{"


@mutation("EP003", **HTTP)
def http_without_a_rate(m: Made) -> None:
    m.files[f"{over_http(m)}/performance/result_summary.json"] = b'{"failed_requests": 0}'


@mutation("EP004", **HTTP)
def http_requests_failed(m: Made) -> None:
    m.files[f"{over_http(m)}/performance/result_summary.json"] = b'{"qps": 3.5, "failed_requests": 12}'


@mutation("EP005", **HTTP)
def http_accuracy_too_low(m: Made) -> None:
    m.files[f"{over_http(m)}/accuracy/accuracy_results.json"] = b'{"ROUGE1": 30.0}'


@mutation("EP006", **HTTP)
def http_audit_failed(m: Made) -> None:
    m.files[f"{over_http(m)}/audit/audit_consistency_output_test.json"] = b'{"test": "TEST06", "passed": false}'


# the round


@mutation("ROUND001", benchmark="rgat", suite="datacenter")
def seeds_of_no_round(m: Made) -> None:
    for log in m.logs.values():
        for name in ("qsl", "sample_index", "schedule"):
            log.pop(f"effective_{name}_rng_seed", None)
