"""Our reading of configuration files against the official package, and the way to Settings and back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlassay.core.enums import Mode, SampleOrder, Scenario
from mlassay.core.settings import (
    AccuracyLog,
    IntervalMultiStream,
    Load,
    MultiStream,
    Offline,
    Seeds,
    Server,
    Settings,
    SingleStream,
    TokenBounds,
)
from mlassay.rules.conf import parse_conf
from mlassay.rules.official import OFFICIAL_DEFAULTS, apply
from mlassay.rules.official_settings import apply_to_settings, official_from_settings, settings_from_official
from mlassay.rules.reader import load_round
from mlassay.rules.resolve import Wishes, resolve
from mlassay.rules.write_conf import mlperf_conf_text
from tests.rules import oracle
from tests.rules.test_conf import RECORDED

needs_oracle = pytest.mark.skipif(not oracle.INSTALLED, reason="the official package is not installed")
MS = 1_000_000


@needs_oracle
def test_the_official_defaults() -> None:
    ((code, values),) = oracle.ask([("", "m", "Server", 2)])
    assert code == 0
    assert values == dict(OFFICIAL_DEFAULTS)


@needs_oracle
@pytest.mark.parametrize("kind", [1, 2], ids=["user.conf", "audit.config"])
def test_every_recorded_line_does_the_same_there(kind: int) -> None:
    empty = dict(zip(("SingleStream", "MultiStream", "Server", "Offline"), oracle.ask(
        [("", "m", s, kind) for s in ("SingleStream", "MultiStream", "Server", "Offline")]), strict=True))  # fmt: skip
    answers = oracle.ask([(text, "m", scenario, kind) for text, scenario, _ in RECORDED])
    for (text, scenario, changes), (code, values) in zip(RECORDED, answers, strict=True):
        base = empty[scenario][1]
        assert code == 0, text
        # on top of what the package has built in, so a line that repeats it changes nothing
        assert {k: v for k, v in values.items() if v != base[k]} == {
            k: v for k, v in changes.items() if v != base[k]
        }, text


@needs_oracle
@pytest.mark.parametrize("text", ["*.*.mode = x", "hello world", "= 5", "*.*.mode = 1 # x", "*.*.mode = 1 = 2"])
def test_what_we_refuse_or_warn_of_is_refused_there(text: str) -> None:
    assert oracle.ask([(text, "m", "Server", 2)])[0][0] == -22


@needs_oracle
def test_the_file_we_rebuild_for_v61_is_the_one_built_into_the_package() -> None:
    round_ = load_round("v6.1")
    conf = parse_conf(mlperf_conf_text(round_), "mlperf.conf")
    questions = []
    for benchmark in round_.benchmarks.values():
        for scenario, rule in benchmark.scenarios.items():
            name = benchmark.conf_name
            if scenario is Scenario.INTERACTIVE:
                if not rule.has_tokens:
                    continue
                name += "-interactive"
            questions.append(("", name, scenario.loadgen_name, 1))
    for (_, model, scenario_name, _), (code, values) in zip(questions, oracle.ask(questions), strict=True):
        ours = apply(OFFICIAL_DEFAULTS, [conf], model, scenario_name)
        judged = {k: v for k, v in values.items() if not k.startswith("test05")}  # not needed since v5.0
        if scenario_name not in ("Server", "Interactive"):
            del judged["server_target_latency_ns"]  # BERT's is still there, though it has no Server any more
        assert code == 0
        assert {k: ours[k] for k in judged} == judged, model


@pytest.mark.parametrize(
    ("round_name", "model", "scenario", "expected"),
    [
        ("v0.5", "gnmt", "Server", {"server_target_latency_ns": 250 * MS, "server_target_latency_percentile": 0.97,
                                    "min_query_count": 90_112, "min_duration_ms": 60_000}),
        ("v2.0", "resnet50", "MultiStream", {"multi_stream_samples_per_query": 8, "min_query_count": 270_336}),
        ("v3.1", "resnet50", "SingleStream", {"min_query_count": 100, "min_duration_ms": 600_000}),
        ("v4.1", "gptj", "Offline", {"infer_token_latencies": True, "token_latency_scaling_factor": 69,
                                     "min_query_count": 13_368}),
        ("v5.0", "llama2-70b-interactive", "Server", {"ttft_latency": 450 * MS, "tpot_latency": 40 * MS,
                                                      "use_token_latencies": True}),
        ("v5.1", "llama2-70b-interactive", "Server", {"ttft_latency": 450 * MS, "tpot_latency": 40 * MS,
                                                      "sample_concatenate_permutation": True}),
        ("v5.1", "pointpainting", "SingleStream", {"single_stream_target_latency_percentile": 99.9 * 0.01}),
        ("v6.0", "gpt-oss-120b", "Offline", {"accuracy_sample_count_override": 4395}),
    ],
)  # fmt: skip
def test_rebuilt_files_of_other_rounds(round_name: str, model: str, scenario: str, expected: dict[str, Any]) -> None:
    round_ = load_round(round_name)
    conf = parse_conf(mlperf_conf_text(round_), "mlperf.conf")
    got = apply(OFFICIAL_DEFAULTS, [conf], model, scenario)
    assert {k: got[k] for k in expected} == expected
    assert got["qsl_rng_seed"] == round_.seeds.qsl
    assert conf.warnings == ()


# ---------------------------------------------------------------- Settings

counts = st.integers(0, 2**40)
percentiles = st.sampled_from([50.0, 90.0, 97.0, 99.0, 99.9])
seeds = st.builds(Seeds, qsl=st.integers(0, 2**64 - 1), sample_index=counts, schedule=counts)
loads: dict[Scenario, st.SearchStrategy[Load]] = {
    Scenario.SINGLE_STREAM: st.builds(SingleStream, expected_latency_ns=st.integers(1, 10**12), percentile=percentiles),
    Scenario.MULTI_STREAM: st.builds(
        MultiStream,
        samples_per_query=st.integers(1, 64),
        expected_latency_ns=st.integers(1, 10**12),
        percentile=percentiles,
    ),
    Scenario.SERVER: st.builds(
        Server,
        target_qps=st.floats(0.01, 1e6),
        latency_bound_ns=st.integers(1, 10**12),
        percentile=percentiles,
        coalesce=st.booleans(),
        max_async_queries=st.integers(0, 100),
    ),
    Scenario.OFFLINE: st.builds(Offline, expected_qps=st.floats(0.01, 1e6), min_sample_count=st.integers(1, 10**9)),
}


@st.composite
def any_settings(draw: st.DrawFn) -> Settings:
    scenario = draw(st.sampled_from(list(loads)))
    return Settings(
        scenario=scenario,
        load=draw(loads[scenario]),
        mode=draw(st.sampled_from(Mode)),
        min_duration_ns=draw(st.integers(0, 10**6)) * MS,
        max_duration_ns=draw(st.integers(0, 10**6)) * MS,
        min_query_count=1 if scenario is Scenario.OFFLINE else draw(counts),
        max_query_count=draw(counts),
        sample_order=draw(st.sampled_from(SampleOrder)),
        same_index=draw(st.integers(0, 100)),
        performance_sample_count=draw(counts),
        accuracy_sample_count=draw(counts),
        seeds=draw(seeds),
        accuracy_log=AccuracyLog(probability=0.25, sampling_target=3, seed=4),
    )


@given(settings=any_settings())
def test_there_and_back_is_the_same_run(settings: Settings) -> None:
    assert settings_from_official(official_from_settings(settings)) == settings


def test_token_bounds_go_along() -> None:
    load = Server(tokens=TokenBounds(ttft_ns=450 * MS, tpot_ns=40 * MS))
    settings = Settings(scenario=Scenario.SERVER, load=load, token_latencies=True)
    assert settings_from_official(official_from_settings(settings)) == settings
    assert settings_from_official({"scenario": "Server"}).load == Server()


def test_interactive_is_server_there() -> None:
    load = Server(tokens=TokenBounds(ttft_ns=450 * MS, tpot_ns=40 * MS))
    values = official_from_settings(Settings(scenario=Scenario.INTERACTIVE, load=load, token_latencies=True))
    assert values["scenario"] == "Server"


def test_the_older_multistream_has_names_of_its_own() -> None:
    load = IntervalMultiStream(samples_per_query=6, interval_ns=50 * MS, percentile=99.0)
    values = official_from_settings(Settings(scenario=Scenario.MULTI_STREAM, load=load))
    assert (values["multi_stream_target_qps"], values["multi_stream_samples_per_query"]) == (20.0, 6)


def test_test05_takes_the_other_seeds() -> None:
    got = settings_from_official({"test05": True, "qsl_rng_seed": 1, "test05_qsl_rng_seed": 2})
    assert got.seeds.qsl == 2


@given(settings=any_settings())
def test_no_files_change_nothing(settings: Settings) -> None:
    assert apply_to_settings(settings, [], "m") == settings


def test_files_laid_over_settings_leave_their_name_as_clause() -> None:
    settings = resolve(Wishes(round="v5.1", benchmark="llama2-70b-99", scenario=Scenario.INTERACTIVE))
    conf = parse_conf(
        "*.Server.target_qps = 7\n*.*.min_duration = 5000\n*.*.ttft_latency = 100", "user.conf", shown="my.conf"
    )
    got = apply_to_settings(settings, [conf], "llama2-70b-interactive")
    assert isinstance(got.load, Server)
    assert got.load.target_qps == 7.0
    assert got.load.tokens == TokenBounds(ttft_ns=100 * MS, tpot_ns=40 * MS)
    assert got.min_duration_ns == 5_000 * MS
    assert (got.round, got.required, got.seeds) == (settings.round, settings.required, settings.seeds)
    assert (got.clauses["load"], got.clauses["min_duration_ns"]) == ("my.conf", "my.conf")
    assert got.clauses["seeds"] == settings.clauses["seeds"]


def test_files_of_the_older_multistream() -> None:
    settings = resolve(Wishes(round="v0.5", benchmark="resnet", scenario=Scenario.MULTI_STREAM))
    conf = parse_conf("*.MultiStream.samples_per_query = 6\n*.MultiStream.target_qps = 40", "user.conf")
    got = apply_to_settings(settings, [conf], "resnet50")
    assert got.load == IntervalMultiStream(samples_per_query=6, interval_ns=25 * MS, percentile=99.0)
