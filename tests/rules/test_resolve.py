"""Wishes against rules: closed tightens, open deviates, short runs are only indicative, and no rules need no rules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlassay.core.enums import Division, Mode, SampleOrder, Scenario, Suite
from mlassay.core.errors import RuleViolation, UnknownName, UsageError
from mlassay.core.settings import (
    AccuracyLog,
    IntervalMultiStream,
    MultiStream,
    Offline,
    Required,
    Seeds,
    Server,
    Settings,
    SingleStream,
    StreamVersion,
    TokenBounds,
)
from mlassay.rules.reader import load_round, rounds
from mlassay.rules.resolve import Wishes, resolve

MS = 1_000_000
S = 1_000 * MS
CONF51 = "mlcommons/inference v5.1.1:loadgen/mlperf.conf"


def settle(round_name: str, benchmark: str, scenario: str, **wishes: Any) -> Settings:
    return resolve(Wishes(round=round_name, benchmark=benchmark, scenario=Scenario(scenario), **wishes))


def test_server_of_v51() -> None:
    got = settle("v5.1", "resnet50", "server", target_qps=200.0)
    assert got.load == Server(target_qps=200.0, latency_bound_ns=15 * MS, percentile=99.0)
    assert got.required == Required(min_duration_ns=600 * S)
    assert (got.min_duration_ns, got.min_query_count, got.performance_sample_count) == (600 * S, 100, 1024)
    assert got.seeds == load_round("v5.1").seeds
    assert (got.round, got.benchmark, got.division) == ("v5.1", "resnet", Division.CLOSED)
    assert (got.early_stopping, got.stream, got.sample_order) == (True, StreamVersion.V0_7, SampleOrder.RANDOM)
    assert got.clauses["load.latency_bound_ns"] == f"{CONF51}; unchanged since v0.5"
    assert got.clauses["load.target_qps"] == "your wish"
    assert got.deviations == ()


@pytest.mark.parametrize(
    ("round_name", "load"),
    [
        ("v0.5", IntervalMultiStream(samples_per_query=1, interval_ns=50 * MS, percentile=99.0)),
        ("v0.7", IntervalMultiStream(samples_per_query=1, interval_ns=50 * MS, percentile=99.0)),
        ("v1.0", IntervalMultiStream(samples_per_query=1, interval_ns=50 * MS, percentile=99.0)),
        ("v2.0", MultiStream(samples_per_query=8, expected_latency_ns=8 * MS, percentile=99.0)),
        ("v6.1", MultiStream(samples_per_query=8, expected_latency_ns=8 * MS, percentile=99.0)),
    ],
)
def test_multistream_through_the_ages(round_name: str, load: object) -> None:
    assert settle(round_name, "resnet", "multi-stream").load == load


def test_v11_has_no_multistream() -> None:
    with pytest.raises(
        UsageError, match=r"round v1\.1 has no multi-stream scenario \(.*Scenarios.*\)\n  next: use v1\.0"
    ):
        settle("v1.1", "resnet", "multi-stream")


def test_gnmt_is_judged_at_97() -> None:
    got = settle("v0.5", "gnmt", "server")
    assert got.load == Server(latency_bound_ns=250 * MS, percentile=97.0, completed_metric=False)
    assert got.required == Required(min_duration_ns=60 * S, min_query_count=90_112, runs=5)
    assert got.stream is StreamVersion.V0_5
    assert got.early_stopping is False


@pytest.mark.parametrize(
    ("round_name", "completed"), [("v0.5", False), ("v3.1", False), ("v4.0", False), ("v4.1", True), ("v6.0", True)]
)
def test_the_server_metric_became_completed_with_v41(round_name: str, completed: bool) -> None:
    load = (
        settle(round_name, "resnet", "server").load
        if round_name != "v6.0"
        else settle("v6.0", "dlrm-v3", "server").load
    )
    assert isinstance(load, Server)
    assert load.completed_metric is completed


def test_token_bounds_of_a_language_model() -> None:
    got = settle("v5.1", "llama2-70b-99", "interactive")
    assert isinstance(got.load, Server)
    assert got.load.tokens == TokenBounds(ttft_ns=450 * MS, tpot_ns=40 * MS)
    assert (got.token_latencies, got.sample_order) == (True, SampleOrder.EQUAL_ISSUE)
    earlier = settle("v5.0", "llama2-70b-interactive-99", "server")
    assert isinstance(earlier.load, Server)
    assert earlier.load.tokens == got.load.tokens


def test_interactive_without_token_bounds_keeps_its_latency_bound() -> None:
    got = settle("v6.1", "qwen3-vl-235b-a22b", "interactive")
    assert got.load == Server(latency_bound_ns=1500 * MS, percentile=99.0)


@pytest.mark.parametrize(
    ("round_name", "benchmark", "samples"),
    [("v0.5", "resnet", 24_576), ("v3.1", "3d-unet-99", 24_576), ("v4.0", "3d-unet-99", 43),
     ("v5.0", "rgat", 788_379), ("v5.0", "resnet", 24_576)],
)  # fmt: skip
def test_offline_sizes(round_name: str, benchmark: str, samples: int) -> None:
    got = settle(round_name, benchmark, "offline", target_qps=5.0)
    assert got.load == Offline(expected_qps=5.0, min_sample_count=samples)
    assert got.required.min_sample_count == samples
    assert got.min_query_count == 1


def test_where_mlperf_conf_asks_for_more_than_the_checker() -> None:
    got = settle("v6.0", "wan-2.2-t2v-a14b", "offline")
    assert got.load == Offline(min_sample_count=248)
    assert got.required.min_sample_count == 50


# ---------------------------------------------------------------- closed: tighten, never loosen

RESNET = ("v5.1", "resnet", "server")


@pytest.mark.parametrize(
    ("case", "wish", "message"),
    [
        (RESNET, {"latency_bound_ns": 30 * MS},
         "latency bound 30.0 ms is looser than the 15.0 ms of v5.1 resnet server"
         f" ({CONF51}; unchanged since v0.5)\n  next: ask for 15.0 ms or less, or use the open division,"
         " where the result says so"),
        (RESNET, {"percentile": 95.0},
         f"percentile 95 is looser than the 99 of v5.1 resnet server ({CONF51}; unchanged since v0.5)\n"
         "  next: ask for 99 or more, or use the open division, where the result says so"),
        (RESNET, {"performance_sample_count": 500},
         "performance sample count 500 is looser than the 1024 of v5.1 resnet server (mlcommons/inference"
         " tools/submission/submission_checker.py @ tag v5.1.1 (6776245e); unchanged since v0.5)\n"
         "  next: ask for 1024 or more, or use the open division, where the result says so"),
        (RESNET, {"sample_order": SampleOrder.SAME},
         "the sample order is random in v5.1 resnet server, not same (mlcommons/inference_policies inference_rules.adoc"
         " @ 8adac316 2025-07-29)\n  next: leave it out, or use the open division, where the result says so"),
        (RESNET, {"early_stopping": False},
         "early stopping is on in v5.1 resnet server, not off (mlcommons/inference"
         " tools/submission/submission_checker.py @ tag v5.1.1 (6776245e); unchanged since v2.0)\n"
         "  next: leave it out, or use the open division, where the result says so"),
        (("v5.1", "resnet", "multi-stream"), {"samples_per_query": 4},
         "the number of samples per query is 8 in v5.1 resnet multi-stream, not 4 (mlcommons/inference_policies"
         " inference_rules.adoc @ 8adac316 2025-07-29, section 'Scenarios'; unchanged since v2.0)\n"
         "  next: leave it out, or use the open division, where the result says so"),
        (("v5.1", "llama2-70b-99", "server"), {"tpot_ns": 201 * MS},
         "time per output token 201 ms is looser than the 200 ms of v5.1 llama2-70b-99 server"
         f" ({CONF51}; unchanged since v4.0)\n  next: ask for 200 ms or less, or use the open division,"
         " where the result says so"),
        (("v1.0", "resnet", "multi-stream"), {"latency_bound_ns": 51 * MS},
         "latency bound 51.0 ms is looser than the 50.0 ms of v1.0 resnet multi-stream (mlcommons/inference"
         " r1.0:mlperf.conf; unchanged since v0.5)\n  next: ask for 50.0 ms or less, or use the open division,"
         " where the result says so"),
        (("v5.1", "resnet", "offline"), {"accuracy_sample_count": 100},
         "accuracy sample count 100 is looser than the 50000 of v5.1 resnet offline (mlcommons/inference"
         " tools/submission/submission_checker.py @ tag v5.1.1 (6776245e); unchanged since v0.5)\n"
         "  next: ask for 50000 or more, or use the open division, where the result says so"),
    ],
)  # fmt: skip
def test_closed_refuses_and_quotes_the_clause(case: tuple[str, str, str], wish: dict[str, Any], message: str) -> None:
    with pytest.raises(RuleViolation) as caught:
        settle(*case, **wish)
    assert str(caught.value) == message
    opened = settle(*case, **wish, division=Division.OPEN)
    assert len(opened.deviations) == 1
    assert "instead of" in opened.deviations[0]


def test_other_seeds_are_refused_in_closed() -> None:
    with pytest.raises(RuleViolation, match=r"the triple of seeds is Seeds\(qsl=1780908523862526354"):
        settle(*RESNET, seeds=Seeds(qsl=1, sample_index=2, schedule=3))


def test_closed_lets_bounds_be_tightened() -> None:
    got = settle(*RESNET, latency_bound_ns=5 * MS, percentile=99.9, performance_sample_count=2048)
    assert got.load == Server(latency_bound_ns=5 * MS, percentile=99.9)
    assert got.performance_sample_count == 2048
    assert got.clauses["load.latency_bound_ns"] == f"your wish, tighter than 15.0 ms ({CONF51}; unchanged since v0.5)"
    assert got.deviations == ()


def test_open_says_what_it_changed() -> None:
    got = settle(*RESNET, latency_bound_ns=30 * MS, division=Division.OPEN)
    assert isinstance(got.load, Server)
    assert got.load.latency_bound_ns == 30 * MS
    assert got.deviations == (f"latency bound 30.0 ms instead of 15.0 ms ({CONF51}; unchanged since v0.5)",)


def test_network_is_as_strict_as_closed() -> None:
    with pytest.raises(RuleViolation):
        settle(*RESNET, latency_bound_ns=30 * MS, division=Division.NETWORK)


def test_a_division_that_the_round_does_not_have() -> None:
    with pytest.raises(UsageError, match=r"round v2\.0 has no network division\n  next: it has closed, open"):
        settle("v2.0", "resnet", "server", division=Division.NETWORK)


def test_a_shorter_run_is_allowed_and_known_to_be_short() -> None:
    got = settle(*RESNET, min_duration_ns=5 * S, min_query_count=10)
    assert (got.min_duration_ns, got.min_query_count) == (5 * S, 10)
    assert got.required.min_duration_ns == 600 * S
    assert got.clauses["min_duration_ns"].startswith("your wish; the rule is 10 min 0 s (mlcommons/inference_policies")
    short = settle("v5.1", "resnet", "offline", min_sample_count=100)
    assert short.load == Offline(min_sample_count=100)
    assert short.required.min_sample_count == 24_576


@given(
    ms=st.integers(1, 10_000),
    percentile=st.floats(50, 99.99),
    samples=st.integers(1, 10**6),
    division=st.sampled_from([Division.CLOSED, Division.OPEN]),
)
def test_a_closed_run_is_never_looser_than_its_rule(
    ms: int, percentile: float, samples: int, division: Division
) -> None:
    wish = {"latency_bound_ns": ms * MS, "percentile": percentile, "performance_sample_count": samples}
    loose = ms > 15 or percentile < 99 or samples < 1024
    if loose and division is Division.CLOSED:
        with pytest.raises(RuleViolation):
            settle(*RESNET, **wish)
        return
    got = settle(*RESNET, **wish, division=division)
    assert isinstance(got.load, Server)
    assert (got.load.latency_bound_ns, got.load.percentile) == (ms * MS, percentile)
    assert bool(got.deviations) is loose


# ---------------------------------------------------------------- names and suites


def test_an_unknown_scenario_of_a_benchmark() -> None:
    with pytest.raises(UnknownName) as caught:
        settle("v5.1", "whisper", "single-stream")
    assert str(caught.value).startswith(
        "unknown scenario of whisper in v5.1 'single-stream'\n  next: known: offline; single-stream is run by resnet, "
    )


def test_open_may_run_any_scenario_and_says_so() -> None:
    got = settle("v5.1", "whisper", "single-stream", division=Division.OPEN)
    assert got.load == SingleStream(percentile=90.0)
    rules = "mlcommons/inference_policies inference_rules.adoc @ 8adac316 2025-07-29"
    assert got.deviations == (f"single-stream is not a scenario of whisper in closed ({rules})",)
    server = settle("v5.1", "bert-99", "server", division=Division.OPEN, latency_bound_ns=200 * MS)
    assert isinstance(server.load, Server)
    assert server.load.latency_bound_ns == 200 * MS  # v5.1 states no bound for it any more
    with pytest.raises(UsageError, match=r"round v1\.1 has no multi-stream scenario"):
        settle("v1.1", "resnet", "multi-stream", division=Division.OPEN)


def test_a_round_needs_a_benchmark() -> None:
    with pytest.raises(UsageError, match=r"round v5\.1 needs a benchmark\n  next: one of resnet, bert-99, "):
        settle("v5.1", "", "server")


def test_a_scenario_outside_the_suite() -> None:
    assert settle("v5.0", "resnet", "server", suite=Suite.DATACENTER).round == "v5.0"
    with pytest.raises(UsageError, match=r"resnet is not run as server in the edge suite of v5\.0"):
        settle("v5.0", "resnet", "server", suite=Suite.EDGE)


@pytest.mark.parametrize("name", rounds())
def test_every_scenario_of_every_benchmark_resolves(name: str) -> None:
    round_ = load_round(name)
    for benchmark in round_.benchmarks.values():
        for scenario in benchmark.scenarios:
            got = resolve(Wishes(round=round_, benchmark=benchmark.id, scenario=scenario))
            assert got.required.min_duration_ns == round_.min_duration_ns
            assert got.min_duration_ns == round_.min_duration_ns
            assert got.min_query_count >= got.required.min_query_count
            assert all(got.clauses.values())
            if isinstance(got.load, Server) and not got.load.tokens:
                place = got.clauses["load.latency_bound_ns"]
                assert "conf" in place or "checker" in place or (name, benchmark.id) == ("v6.0", "qwen3-vl-235b-a22b")


# ---------------------------------------------------------------- without rules


def test_no_rules_at_all() -> None:
    got = resolve(Wishes(scenario=Scenario.SINGLE_STREAM))
    assert got == replace(Settings(scenario=Scenario.SINGLE_STREAM, load=SingleStream()), clauses=got.clauses)
    assert (got.round, got.division, got.required) == ("none", Division.OPEN, Required())
    assert set(got.clauses.values()) == {"default"}


def test_wishes_without_rules_are_taken_as_they_are() -> None:
    got = resolve(
        Wishes(scenario=Scenario.SERVER, target_qps=50.0, latency_bound_ns=900 * MS, percentile=42.0,
               min_query_count=3, mode=Mode.ACCURACY, seeds=Seeds(qsl=9))
    )  # fmt: skip
    assert got.load == Server(target_qps=50.0, latency_bound_ns=900 * MS, percentile=42.0)
    assert (got.min_query_count, got.mode, got.seeds.qsl) == (3, Mode.ACCURACY, 9)
    assert got.clauses["load.percentile"] == "your wish"


def test_the_older_multistream_without_rules() -> None:
    got = resolve(Wishes(scenario=Scenario.MULTI_STREAM, interval=True, latency_bound_ns=20 * MS, samples_per_query=3))
    assert got.load == IntervalMultiStream(samples_per_query=3, interval_ns=20 * MS)


def test_interactive_without_rules_needs_token_bounds() -> None:
    with pytest.raises(UsageError, match="an interactive run without rules needs bounds on its tokens"):
        resolve(Wishes(scenario=Scenario.INTERACTIVE))
    got = resolve(Wishes(scenario=Scenario.INTERACTIVE, ttft_ns=S, tpot_ns=20 * MS))
    assert got.token_latencies
    with pytest.raises(UsageError, match="token bounds come in pairs"):
        resolve(Wishes(scenario=Scenario.SERVER, ttft_ns=S))


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"target_qps": -1.0}, "target_qps is -1.0; expected a positive number"),
        ({"target_qps": float("nan")}, "target_qps is nan; expected a positive number"),
        ({"percentile": 100.0}, "percentile is 100.0; expected more than 0 and less than 100"),
        ({"min_duration_ns": -5}, "min_duration_ns is -5; expected zero or more"),
        ({"samples_per_query": 0}, "samples_per_query is 0; expected a positive number"),
    ],
)
def test_wishes_that_make_no_sense(wish: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Wishes(scenario=Scenario.SERVER, **wish)
    assert str(caught.value) == message


# ---------------------------------------------------------------- compliance tests


def test_test01_samples_outputs_into_the_accuracy_log() -> None:
    seed = 720381539243781796
    assert settle(*RESNET, test="TEST01").accuracy_log == AccuracyLog(sampling_target=4096, seed=seed)
    special = settle("v5.1", "retinanet", "server", test="test01")
    assert special.accuracy_log == AccuracyLog(sampling_target=256, seed=seed)
    oldest = settle("v0.5", "resnet", "multi-stream", test="TEST01")
    assert oldest.accuracy_log == AccuracyLog(probability=0.1, seed=123)


def test_test04_repeats_one_sample() -> None:
    got = settle(*RESNET, test="TEST04")
    assert (got.sample_order, got.same_index) == (SampleOrder.SAME, 3)
    assert got.clauses["sample_order"].startswith("TEST04: ")
    assert settle("v0.5", "resnet", "offline", test="TEST04-A").sample_order is SampleOrder.UNIQUE
    offline = settle("v5.1", "stable-diffusion-xl", "offline", test="TEST04")
    assert offline.load == Offline(min_sample_count=500)


def test_test05_uses_the_other_seeds() -> None:
    got = settle("v4.1", "resnet", "server", test="TEST05")
    assert got.seeds == load_round("v4.1").test05_seeds
    with pytest.raises(UnknownName, match=r"unknown compliance test of v5\.1 'TEST05'"):
        settle(*RESNET, test="TEST05")


def test_test06_is_short_by_rule() -> None:
    got = settle("v5.1", "llama2-70b-99", "offline", test="TEST06")
    assert got.required == Required(min_duration_ns=0, min_query_count=1, min_sample_count=100)
    assert got.load == Offline(min_sample_count=100)
