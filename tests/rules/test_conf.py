"""The three configuration files: reading, precedence, what official readers do with odd lines, and broken files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlassay.core.errors import BadFile, UsageError
from mlassay.rules.conf import Conf, ConfKind, parse_conf, read_conf, read_confs
from mlassay.rules.official import OFFICIAL_DEFAULTS, apply, ignored, open_only


def user(text: str) -> Conf:
    return parse_conf(text, "user.conf")


def test_entries_keep_their_line() -> None:
    conf = user("# made by hand\n\nresnet50.Server.target_qps = 12.5\n*.*.min_duration = 600000\n")
    assert [(e.name, e.value, e.line) for e in conf.entries] == [
        ("resnet50.Server.target_qps", 12.5, 3),
        ("*.*.min_duration", 600_000, 4),
    ]
    assert conf.warnings == ()


def test_a_model_may_have_dots_in_its_name() -> None:
    entry = user("qwen3.6-27b.SingleStream.min_query_count = 995").entries[0]
    assert (entry.model, entry.scenario, entry.key) == ("qwen3.6-27b", "SingleStream", "min_query_count")


LADDER = ["*.*.target_qps = 1", "m.*.target_qps = 2", "*.Server.target_qps = 3", "m.Server.target_qps = 4"]


@given(lines=st.permutations(LADDER), count=st.integers(1, 4))
def test_the_first_place_that_speaks_wins_whatever_the_order_of_lines(lines: list[str], count: int) -> None:
    chosen = lines[:count]
    entry = user("\n".join(chosen)).lookup("m", "Server", "target_qps")
    assert entry is not None
    assert entry.value == max(int(line[-1]) for line in chosen)


def test_of_two_equal_lines_the_later_counts() -> None:
    entry = user("*.*.target_qps = 1\n*.*.target_qps = 2").lookup("m", "Server", "target_qps")
    assert entry is not None
    assert entry.value == 2


def test_other_models_and_scenarios_do_not_speak() -> None:
    conf = user("other.Server.target_qps = 1\nm.Offline.target_qps = 2")
    assert conf.lookup("m", "Server", "target_qps") is None


def test_later_files_lie_on_top() -> None:
    mlperf = parse_conf("m.Server.min_duration = 600000\n*.*.qsl_rng_seed = 7", "mlperf.conf")
    mine = user("*.*.min_duration = 1000")
    audit = parse_conf("*.*.mode = 1\n*.*.min_duration = 0", "audit.config")
    got = apply(OFFICIAL_DEFAULTS, [mlperf, mine, audit], "m", "Server")
    assert (got["min_duration_ms"], got["mode"], got["qsl_rng_seed"]) == (0, "AccuracyOnly", 7)
    assert apply(OFFICIAL_DEFAULTS, [mlperf, mine], "m", "Server")["min_duration_ms"] == 1000
    assert OFFICIAL_DEFAULTS["min_duration_ms"] == 10_000  # untouched


def test_seeds_are_the_rounds_alone() -> None:
    mine = user("*.*.qsl_rng_seed = 5\n*.*.accuracy_log_probability = 10")
    got = apply(OFFICIAL_DEFAULTS, [mine], "m", "Server")
    assert (got["qsl_rng_seed"], got["accuracy_log_probability"]) == (0, 0.0)
    assert [e.key for e in ignored(mine)] == ["qsl_rng_seed", "accuracy_log_probability"]
    older = apply(OFFICIAL_DEFAULTS, [mine], "m", "Server", seeds_from_any_file=True)
    assert (older["qsl_rng_seed"], older["accuracy_log_probability"]) == (5, 0.1)


def test_lines_that_mean_the_open_division() -> None:
    conf = user("*.Server.target_latency = 99\n*.Server.target_qps = 5\n*.SingleStream.target_latency = 3\n"
                "*.*.target_latency_percentile = 95\n")  # fmt: skip
    assert [e.name for e in open_only(conf, "m", "Server")] == [
        "*.Server.target_latency",
        "*.*.target_latency_percentile",
    ]
    assert [e.name for e in open_only(conf, "m", "Offline")] == []
    assert open_only(parse_conf("*.Server.target_latency = 99", "mlperf.conf"), "m", "Server") == []


# Recorded from mlcommons-loadgen 6.0.17; the test after it asks the package again where it is installed.
RECORDED: list[tuple[str, str, dict[str, object]]] = [
    ("*.Server.target_qps = 1e3", "Server", {"server_target_qps": 1000.0}),
    ("*.Server.target_qps = 0x10", "Server", {"server_target_qps": 16.0}),
    ("*.*.target_qps = 7", "Server", {"server_target_qps": 7.0, "offline_expected_qps": 7.0}),
    ("*.*.min_duration = 1000.7", "Server", {"min_duration_ms": 1000}),
    ("*.*.min_duration = 1e3", "Server", {"min_duration_ms": 1}),
    ("*.*.min_duration = 0x10", "Server", {"min_duration_ms": 16}),
    ("*.*.min_duration = 010", "Server", {"min_duration_ms": 8}),
    ("*.*.min_duration = +5", "Server", {"min_duration_ms": 5}),
    ("*.*.min_duration = .5", "Server", {"min_duration_ms": 0}),
    ("*.Offline.min_duration = 5", "Server", {}),
    ("*.*.min_query_count = 18446744073709551615", "Server", {"min_query_count": 18446744073709551615}),
    ("*.*.max_query_count = 3\n*.*.max_duration = 4", "Offline", {"max_query_count": 3, "max_duration_ms": 4}),
    ("*.Server.target_latency = 2.5", "Server", {"server_target_latency_ns": 2_000_000}),
    ("*.SingleStream.target_latency = 0.1234567", "Server", {"single_stream_expected_latency_ns": 123456.7}),
    ("*.*.target_latency = 7", "Offline", {"single_stream_expected_latency_ns": 7e6,
                                           "multi_stream_expected_latency_ns": 7e6,
                                           "server_target_latency_ns": 7_000_000}),
    ("*.*.target_latency_percentile = 95.5", "Server", {"single_stream_target_latency_percentile": 95.5 * 0.01,
                                                        "multi_stream_target_latency_percentile": 95.5 * 0.01,
                                                        "server_target_latency_percentile": 95.5 * 0.01}),
    ("*.MultiStream.samples_per_query = 3", "MultiStream", {"multi_stream_samples_per_query": 3}),
    ("*.Server.coalesce_queries = 2\n*.Server.max_async_queries = 4", "Offline", {"server_coalesce_queries": True,
                                                                                  "server_max_async_queries": 4}),
    ("*.*.performance_issue_same = 2\n*.*.performance_issue_same_index = 3", "Server",
     {"performance_issue_same": True, "performance_issue_same_index": 3}),
    ("*.*.performance_issue_unique = 1", "SingleStream", {"performance_issue_unique": True}),
    ("*.*.sample_concatenate_permutation = 2", "Server", {}),
    ("*.*.sample_concatenate_permutation = 1", "Server", {"sample_concatenate_permutation": True}),
    ("*.*.performance_sample_count_override = 9\n*.*.accuracy_sample_count_override = 8", "Server",
     {"performance_sample_count_override": 9, "accuracy_sample_count_override": 8}),
    ("*.*.accuracy_log_rng_seed = 3\n*.*.accuracy_log_sampling_target = 4", "Server",
     {"accuracy_log_rng_seed": 3, "accuracy_log_sampling_target": 4}),
    ("*.*.qsl_rng_seed = 7\n*.*.schedule_rng_seed = 7\n*.*.accuracy_log_probability = 10", "Server", {}),
    ("*.*.test05 = 1\n*.*.test05_qsl_rng_seed = 5", "Server", {}),
    ("*.Server.ttft_latency = 3\n*.Server.tpot_latency = 4", "Server", {}),
    ("*.*.use_token_latencies = 1\n*.Server.ttft_latency = 3\n*.*.tpot_latency = 4.7", "Offline",
     {"use_token_latencies": True, "ttft_latency": 3_000_000, "tpot_latency": 4_000_000}),
    ("*.*.token_latency_scaling_factor = 69", "Server", {}),
    ("*.*.infer_token_latencies = 1\n*.*.token_latency_scaling_factor = 69", "Server",
     {"infer_token_latencies": True, "token_latency_scaling_factor": 69}),
    ("*.*.print_timestamps = 1", "Server", {"print_timestamps": True}),
    *[(f"*.*.mode = {n}", "Server", {} if n in (2, 7) else {"mode": mode}) for n, mode in
      ((0, "SubmissionRun"), (1, "AccuracyOnly"), (2, ""), (3, "FindPeakPerformance"), (7, ""))],
    ("*.Server.target_qps=5", "Server", {}),
    ("*.*.target_duration = 5\n*.*.unheard_of = 5", "Server", {}),
    ("\t*.Server.target_qps\t=\t5\t\r\n", "Server", {"server_target_qps": 5.0}),
]  # fmt: skip

SILENTLY_SKIPPED = {"*.Server.target_qps=5"}
"""The official reader does not see this line; ours warns, and reads it."""


def case_id(case: object) -> str:
    return str(case)[:40]


@pytest.mark.parametrize(("text", "scenario", "changes"), RECORDED, ids=case_id)
def test_what_each_line_does(text: str, scenario: str, changes: dict[str, object]) -> None:
    if text in SILENTLY_SKIPPED:
        assert user(text).warnings
        return
    got = apply(OFFICIAL_DEFAULTS, [parse_conf(text, "audit.config")], "m", scenario)
    assert {k: v for k, v in got.items() if v != OFFICIAL_DEFAULTS[k]} == changes


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("*.Server.target_qps=5", "line 1: the official reader skips *.Server.target_qps without spaces around '='"),
        ("\n*.*.min_duration = 1e3", "line 2: the official reader takes *.*.min_duration = 1e3 as 1"),
        ("*.*.min_query_cuont = 5",
         "line 1: no load generator knows the key 'min_query_cuont', it has no effect; did you mean min_query_count?"),
        ("*.Server.target_qps = 5 # fast",
         "line 1: LoadGen 6 refuses a comment after a value; put it on its own line"),
    ],
)  # fmt: skip
def test_lines_that_do_not_do_what_they_seem_to(text: str, warning: str) -> None:
    assert user(text).warnings == (warning,)


def test_keys_of_verification_scripts_are_welcome() -> None:
    conf = parse_conf("*.*.test07_accuracy_threshold = 60.698\n*.*.qsl_rng_seed = 12786827339337101903", "audit.config")
    assert conf.warnings == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("*.Server.target_qps = fast", "line 1: *.Server.target_qps is 'fast'; expected one number"),
        ("\n\n*.Server.target_qps = 5 6", "line 3: *.Server.target_qps is '5 6'; expected one number"),
        ("*.Server.target_qps =", "line 1: *.Server.target_qps is without a value; expected one number"),
        ("*.Server.target_qps = nan", "line 1: *.Server.target_qps is 'nan'; expected one number"),
        ("*.Server.target_qps = -5", "line 1: *.Server.target_qps is -5; expected a number, zero or more"),
        ("*.Server.target_qps = 1e999", "line 1: *.Server.target_qps is 1e999; expected a number, zero or more"),
        ("*.Server.target_qps 5", "line 1 is '*.Server.target_qps 5'; expected model.Scenario.key = value"),
        ("= 5", "line 1 is '= 5'; expected model.Scenario.key = value"),
        ("Server.target_qps = 5", "line 1: Server.target_qps is not a full name; expected model.Scenario.key"),
        ("hello world", "line 1 is 'hello world'; expected model.Scenario.key = value"),
    ],
)
def test_a_malformed_line(text: str, message: str) -> None:
    with pytest.raises(BadFile) as caught:
        parse_conf(text, "user.conf", shown="my.conf")
    assert str(caught.value) == f"my.conf: {message}"


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(
        BadFile,
        match=r"no\.conf is unreadable \(No such file or directory\); expected a file in the format of user\.conf",
    ):
        read_conf(tmp_path / "no.conf", "user.conf")
    with pytest.raises(
        BadFile, match=r"is unreadable \(Is a directory\); expected a file in the format of audit\.config"
    ):
        read_conf(tmp_path, "audit.config")
    bad = tmp_path / "x.conf"
    bad.write_bytes(b"*.*.mode = \xff")
    with pytest.raises(BadFile, match=r"x\.conf is not text \(byte 11\); expected a file in the format of user\.conf"):
        read_conf(bad, "user.conf")


def test_files_apply_in_the_official_order_and_user_conf_comes_once(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text("*.*.mode = 1\n")
    paths = [tmp_path / n for n in ("a", "b", "c")]
    kinds = [ConfKind.AUDIT, ConfKind.USER, ConfKind.MLPERF]
    assert [c.kind for c in read_confs(list(zip(paths, kinds, strict=True)))] == kinds[::-1]
    with pytest.raises(UsageError, match=r"two user\.conf files: .*a and .*b"):
        read_confs([(paths[0], "user.conf"), (paths[1], "user.conf")])
