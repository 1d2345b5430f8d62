"""Round files: what a good one says, and how a bad one is answered."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mlassay.core.enums import Division, Scenario
from mlassay.core.errors import BadFile, UnknownName
from mlassay.core.settings import Seeds, StreamVersion
from mlassay.rules import reader
from mlassay.rules.reader import load_round, rounds
from mlassay.rules.round import Level, Round, Triple

S, M, V, O, I = (  # noqa: E741
    Scenario.SINGLE_STREAM,
    Scenario.MULTI_STREAM,
    Scenario.SERVER,
    Scenario.OFFLINE,
    Scenario.INTERACTIVE,
)
MS = 1_000_000

ALL = ["v0.5", "v0.7", "v1.0", "v1.1", "v2.0", "v2.1", "v3.0", "v3.1", "v4.0", "v4.1", "v5.0", "v5.1", "v6.0", "v6.1"]


def test_every_round_is_known_oldest_first() -> None:
    assert rounds() == ALL


@pytest.mark.parametrize(
    ("round_name", "expected"),
    [
        ("v0.5", {"ssd-small", "ssd-large", "mobilenet", "resnet", "gnmt"}),
        ("v1.1", {"ssd-small", "ssd-large", "resnet", "rnnt", "bert-99", "bert-99.9", "dlrm-99", "dlrm-99.9",
                  "3d-unet-99", "3d-unet-99.9"}),
        ("v6.1", {"resnet", "bert-99", "bert-99.9", "3d-unet-99", "3d-unet-99.9", "llama3.1-8b", "llama3.1-8b-edge",
                  "llama2-70b-99.9", "stable-diffusion-xl", "rgat", "deepseek-r1", "whisper", "gpt-oss-120b",
                  "wan-2.2-t2v-a14b", "qwen3-vl-235b-a22b", "qwen3.6-27b", "dlrm-v3", "yolo-95", "yolo-99",
                  "e2e-rag-qna", "e2e-rag-db"}),
    ],
)  # fmt: skip
def test_benchmarks_of_a_round(round_name: str, expected: set[str]) -> None:
    assert set(load_round(round_name).benchmarks) == expected


@pytest.mark.parametrize(
    ("round_name", "benchmark", "scenario", "field", "value"),
    [
        ("v0.5", "gnmt", V, "percentile", 97.0),
        ("v0.5", "gnmt", V, "latency_ns", 250 * MS),
        ("v0.5", "gnmt", M, "required_queries", 90_112),
        ("v0.5", "resnet", V, "required_queries", 270_336),
        ("v0.5", "resnet", M, "interval", True),
        ("v0.5", "resnet", S, "min_duration_ns", 60_000 * MS),
        ("v1.0", "resnet", S, "min_duration_ns", 600_000 * MS),
        ("v1.0", "resnet", S, "required_queries", 1024),
        ("v2.0", "resnet", S, "required_queries", 64),
        ("v2.0", "resnet", S, "default_queries", 1024),
        ("v2.0", "resnet", M, "required_queries", 662),
        ("v3.1", "resnet", M, "default_queries", 662),
        ("v2.0", "resnet", M, "samples_per_query", 8),
        ("v2.0", "resnet", M, "latency_ns", None),
        ("v3.1", "bert-99", O, "min_samples", 24_576),
        ("v4.0", "bert-99", O, "min_samples", 10_833),
        ("v4.0", "llama2-70b-99.9", V, "ttft_ns", 2000 * MS),
        ("v4.0", "llama2-70b-99.9", V, "tpot_ns", 200 * MS),
        ("v4.0", "llama2-70b-99.9", V, "latency_ns_checker", 20_000 * MS),
        ("v4.0", "resnet", V, "metric_field", "result_scheduled_samples_per_sec"),
        ("v4.1", "resnet", V, "metric_field", "result_completed_samples_per_sec"),
        ("v4.1", "mixtral-8x7b", V, "metric_field", "result_completed_tokens_per_second"),
        ("v5.0", "pointpainting", S, "percentile", 99.9),
        ("v5.0", "rgat", O, "min_samples", 788_379),
        ("v5.1", "llama3.1-8b", I, "tpot_ns", 30 * MS),
        ("v5.1", "llama3.1-8b", I, "loadgen_scenario", V),
        ("v6.0", "wan-2.2-t2v-a14b", S, "required_queries", 50),
        ("v6.0", "wan-2.2-t2v-a14b", O, "min_queries", Triple(1, 248, None)),
        ("v6.0", "dlrm-v3", V, "latency_ns", 80 * MS),
        ("v6.0", "dlrm-v3", V, "latency_ns_checker", 60_000 * MS),
        ("v6.1", "qwen3-vl-235b-a22b", I, "accuracy_samples", 8000),
        ("v6.1", "qwen3-vl-235b-a22b", O, "accuracy_samples", 48_289),
        ("v6.1", "llama2-70b-99.9", V, "tpot_ns", 200 * MS),
    ],
)  # fmt: skip
def test_scenario_values(round_name: str, benchmark: str, scenario: Scenario, field: str, value: object) -> None:
    assert getattr(load_round(round_name).benchmarks[benchmark].scenarios[scenario], field) == value


@pytest.mark.parametrize(
    ("round_name", "benchmark", "metric", "minimum", "maximum"),
    [
        ("v0.5", "mobilenet", "acc", 70.2464, None),
        ("v2.0", "3d-unet-99.9", "DICE", 0.86331 * 0.999, None),
        ("v2.1", "3d-unet-99.9", "DICE", 0.8617 * 0.999, None),
        ("v5.1", "bert-99.9", "F1", 90.874 * 0.999, None),
        ("v4.0", "stable-diffusion-xl", "FID_SCORE", 23.01085758, 23.95007626),
        ("v4.0", "llama2-70b-99.9", "TOKENS_PER_SAMPLE", 265.005, 323.895),
        ("v5.0", "mixtral-8x7b", "TOKENS_PER_SAMPLE", 130.356, 160.49),
        ("v6.0", "gpt-oss-120b", "TOKENS_PER_SAMPLE", None, 10998.9),
        ("v6.1", "e2e-rag-db", "E2E_ACCURACY", 98, None),
    ],
)
def test_quality_targets(
    round_name: str, benchmark: str, metric: str, minimum: float | None, maximum: float | None
) -> None:
    targets = {q.metric: q for q in load_round(round_name).benchmarks[benchmark].quality}
    assert targets[metric].minimum == (None if minimum is None else pytest.approx(minimum, rel=1e-12))
    assert targets[metric].maximum == (None if maximum is None else pytest.approx(maximum, rel=1e-12))


def test_one_scenario_can_have_its_own_target() -> None:
    rule = load_round("v6.1").benchmarks["qwen3-vl-235b-a22b"]
    assert rule.scenarios[I].quality[0].minimum == pytest.approx(0.7878 * 0.99)
    assert rule.scenarios[O].quality == rule.quality


def test_a_quality_target_never_accepts_not_a_number() -> None:
    target = load_round("v5.1").benchmarks["resnet"].quality[0]
    assert [target.accepts(v) for v in (75.7, 75.6, float("nan"))] == [True, False, False]


@pytest.mark.parametrize(
    ("round_name", "benchmark", "suite", "required", "optional", "one_of"),
    [
        ("v0.5", "resnet", "edge", (), (S, M, V, O), ()),
        ("v0.7", "resnet", "datacenter", (O,), (V,), ()),
        ("v1.0", "resnet", "datacenter-edge", (O, S), (V, M), ()),
        ("v2.0", "resnet", "edge", (S, M, O), (), ()),
        ("v5.0", "llama2-70b-99", "datacenter", (V, O), (), ()),
        ("v5.1", "llama2-70b-99", "datacenter", (O,), (), (V, I)),
        ("v5.1", "resnet", "datacenter-edge", (S, M, V, O), (), ()),
    ],
)
def test_suites(
    round_name: str,
    benchmark: str,
    suite: str,
    required: tuple[Scenario, ...],
    optional: tuple[Scenario, ...],
    one_of: tuple[Scenario, ...],
) -> None:
    rule = load_round(round_name).benchmarks[benchmark].suite(suite)
    assert rule is not None
    assert (set(rule.required), set(rule.optional), set(rule.one_of)) == (set(required), set(optional), set(one_of))


def test_a_benchmark_that_left_a_suite() -> None:
    assert load_round("v5.0").benchmarks["resnet"].suite("datacenter") is not None
    assert load_round("v5.1").benchmarks["resnet"].suite("datacenter") is None


def test_round_wide_values() -> None:
    old, new = load_round("v0.5"), load_round("v6.0")
    assert old.seeds == Seeds(qsl=3133965575612453542, sample_index=665484352860916858, schedule=3622009729038561421)
    assert old.test05_seeds == Seeds(qsl=195, sample_index=235, schedule=634)
    assert new.test05_seeds is None
    assert (old.server_runs, new.server_runs) == (5, 1)
    assert (old.stream, load_round("v5.1").stream, new.stream) == tuple(StreamVersion)
    assert (old.layout, load_round("v5.1").layout, new.layout) == ("v0.5", "classic", "merged")
    assert (old.log_format, load_round("v1.0").log_format) == ("text", "mllog")
    assert Division.NETWORK not in load_round("v2.0").divisions
    assert Division.NETWORK in load_round("v2.1").divisions
    assert new.severity["loadgen_result_valid"].level is Level.ABSENT
    assert load_round("v3.0").severity["seeds"].level is Level.LOG
    assert load_round("v3.1").severity["seeds"].level is Level.REJECT
    assert (old.power, load_round("v1.0").power is None) == (None, False)


def test_every_round_has_its_own_seeds() -> None:
    assert len({load_round(n).seeds for n in ALL}) == len(ALL)


@pytest.mark.parametrize(("round_name", "count"), [("v0.5", 16), ("v0.7", 16), ("v1.0", 33), ("v3.1", 35)])
def test_system_fields(round_name: str, count: int) -> None:
    fields = load_round(round_name).system_fields
    assert len(fields.required) == len(set(fields.required)) == count
    assert fields.filled is (round_name == "v3.1")
    assert set(fields.may_be_empty) <= set(fields.required)
    assert len(load_round("v2.1").system_fields.network) == 13


def test_compliance_tests_come_and_go() -> None:
    names = {n: set(load_round(n).tests) for n in ALL}
    assert names["v0.5"] == {"TEST01", "TEST03", "TEST04-A", "TEST04-B", "TEST05"}
    assert names["v4.0"] == {"TEST01", "TEST04", "TEST05", "TEST06"}
    assert names["v6.1"] == {"TEST01", "TEST04", "TEST06", "TEST07", "TEST08", "TEST09"}
    for name in ALL:
        for benchmark in load_round(name).benchmarks.values():
            assert set(benchmark.compliance) <= names[name], f"{name} {benchmark.id}"


@pytest.mark.parametrize("name", ALL)
def test_every_value_says_where_it_is_written(name: str) -> None:
    round_ = load_round(name)
    for benchmark in round_.benchmarks.values():
        for rule in benchmark.scenarios.values():
            for field, clause in {**benchmark.clauses, **rule.clauses}.items():
                assert any(clause.startswith(s) for s in round_.sources.values()), (benchmark.id, field, clause)


def test_a_clause_names_the_rounds_own_source_and_since_when_it_holds() -> None:
    rule = load_round("v5.1").benchmarks["resnet"].scenarios[V]
    assert rule.clauses["latency_ns"] == "mlcommons/inference v5.1.1:loadgen/mlperf.conf; unchanged since v0.5"
    assert load_round("v5.1").clauses["seeds"] == "mlcommons/inference v5.1.1:loadgen/mlperf.conf"


@pytest.mark.parametrize(
    ("name", "ids"),
    [("resnet", ["resnet"]), ("resnet50", ["resnet"]), ("bert", ["bert-99", "bert-99.9"]),
     ("llama3_1-405b", ["llama3.1-405b"])],
)  # fmt: skip
def test_a_benchmark_is_found_by_any_of_its_names(name: str, ids: list[str]) -> None:
    assert [b.id for b in load_round("v5.1").find(name)] == ids


def test_an_unknown_benchmark_is_answered_with_its_neighbours() -> None:
    with pytest.raises(UnknownName) as caught:
        load_round("v5.1").benchmark("resnt50")
    assert str(caught.value) == "unknown benchmark of v5.1 'resnt50'\n  next: did you mean resnet50 or resnet?"


@pytest.mark.parametrize("name", ["5.1", "V5.1", "v5.1"])
def test_spellings_of_a_round(name: str) -> None:
    assert load_round(name).name == "v5.1"


def test_an_unknown_round() -> None:
    with pytest.raises(UnknownName, match=r"unknown round 'v5.7'\n  next: did you mean v5\.1"):
        load_round("v5.7")


def test_loading_is_quick_and_cached() -> None:
    reader._load_known.cache_clear()
    start = time.perf_counter()
    first = load_round("v6.1")  # the longest chain
    took = time.perf_counter() - start
    assert took < 0.25  # about 25 ms on a quiet machine
    assert load_round("v6.1") is first


# ---------------------------------------------------------------- a user's own file, good and bad


def write(tmp_path: Path, text: str, name: str = "mine.toml") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def load(tmp_path: Path, text: str) -> Round:
    return load_round(write(tmp_path, text))


def test_a_users_round_builds_on_a_known_one(tmp_path: Path) -> None:
    text = """
        round = "house"
        extends = "v5.1"
        [sources]
        board = "minutes of the board, 3 May"
        [run]
        min_duration_s = 30
        [benchmarks.resnet.server]
        source = "board"
        latency_ms = 7.5
    """
    round_ = load(tmp_path, text)
    rule = round_.benchmarks["resnet"].scenarios[V]
    assert (round_.name, rule.latency_ns, rule.min_duration_ns) == ("house", 7_500_000, 30_000 * MS)
    assert rule.clauses["latency_ns"] == "minutes of the board, 3 May"
    assert round_.benchmarks["resnet"].scenarios[S].percentile == 90
    assert load_round("v5.1").benchmarks["resnet"].scenarios[V].latency_ns == 15 * MS  # the parent is untouched


def test_a_users_round_may_build_on_another_file_beside_it(tmp_path: Path) -> None:
    write(tmp_path, 'round = "a"\nextends = "v5.1"\n[run]\nmin_duration_s = 5\n', "a.toml")
    b = write(tmp_path, 'round = "b"\nextends = "a.toml"\n', "b.toml")
    assert load_round(b).min_duration_ns == 5_000 * MS


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path, 'round = "a"\nextends = "v5.1"\n[run]\nmin_duration_s = 5\n')
    assert load_round(path).min_duration_ns == 5_000 * MS
    path.write_text(path.read_text().replace("5\n", "60\n"))
    assert load_round(path).min_duration_ns == 60_000 * MS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[benchmarks.bert-99.server]\nlatency_ms = -130",
         "benchmarks.bert-99.server.latency_ms is -130; expected a positive number of milliseconds"),
        ("[benchmarks.resnet.server]\nlatency_ms = 'fast'",
         "benchmarks.resnet.server.latency_ms is 'fast'; expected a positive number of milliseconds"),
        ("[benchmarks.resnet.server]\nlatency_ms = true",
         "benchmarks.resnet.server.latency_ms is true; expected a positive number of milliseconds"),
        ("[run]\nmin_duration_s = nan", "run.min_duration_s is nan; expected a positive number of seconds"),
        ("[benchmarks.resnet.server]\npercentile = 100",
         "benchmarks.resnet.server.percentile is 100; expected a percentile between 0 and 100"),
        ("[benchmarks.resnet.server]\nlateny_ms = 15",
         "benchmarks.resnet.server.lateny_ms is not a key that is known here; expected one of percentile, min_queries,"
         " early_stopping_min_queries, min_samples, capped_by_dataset, samples_per_query, style, supported, metric,"
         " metric_field, legacy_metric_field, latency_ms, ttft_ms, tpot_ms, interval_qps, accuracy_samples, quality"
         "\n  next: did you mean latency_ms or ttft_ms?"),
        ("[seeds]\nqsl = -1", "seeds.qsl is -1; expected a whole number below 2^64, in quotes"),
        ("[seeds]\nqsl = '99999999999999999999'",
         "seeds.qsl is '99999999999999999999'; expected a whole number below 2^64, in quotes"),
        ("seeds = 5", "seeds is 5; expected a table"),
        ("[benchmarks]\nremove = ['resnt']",
         "benchmarks.remove is 'resnt', which this table does not have; expected names from 3d-unet-99, 3d-unet-99.9,"
         " bert-99, bert-99.9, deepseek-r1, dlrm-v2-99, dlrm-v2-99.9, llama2-70b-99, llama2-70b-99.9, llama3.1-405b,"
         " llama3.1-8b, llama3.1-8b-edge, mixtral-8x7b, pointpainting, resnet, retinanet, rgat, stable-diffusion-xl,"
         " whisper\n  next: did you mean resnet?"),
        ("[benchmarks.new]\nlike = 'resnt'",
         "benchmarks.new.like is 'resnt'; expected a benchmark of house\n  next: did you mean resnet?"),
        ("[benchmarks.a]\nlike = 'b'\n[benchmarks.b]\nlike = 'a'",
         "benchmarks.b.like is a circle (a -> b -> a); expected another benchmark"),
        ("[benchmarks.new]\ntask = 'x'\nsuites.edge = ['offline']",
         "benchmarks.new.conf_name is missing; expected a value, here or in a parent round"),
        ("[benchmarks.resnet.suites]\nedge = ['ofline']",
         "benchmarks.resnet.suites.edge is ['ofline']; expected a list of scenarios: \"server\" required,"
         ' "server?" optional, "server|interactive" at least one'),
        ("[submission]\nlayout = 'modern'",
         "submission.layout is 'modern'; expected one of 'v0.5', 'classic', 'merged'"),
    ],
)  # fmt: skip
def test_a_bad_value_is_named_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadFile) as caught:
        load(tmp_path, f'round = "house"\nextends = "v5.1"\n{text}\n')
    assert str(caught.value) == f"{tmp_path / 'mine.toml'}: {message}"


def test_a_truncated_file(tmp_path: Path) -> None:
    path = write(tmp_path, 'round = "house"\n[run]\nmin_duration_s = 6\n[benchm')
    with pytest.raises(
        BadFile, match=r"mine\.toml is not readable as TOML: .*at end of document.*; expected a complete TOML file"
    ):
        load_round(path)


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b"round = '\xff'")
    with pytest.raises(BadFile, match=r"x\.toml is not text: invalid start byte at byte 9; expected UTF-8 text"):
        load_round(path)


def test_an_unknown_parent(tmp_path: Path) -> None:
    with pytest.raises(BadFile) as caught:
        load(tmp_path, 'round = "house"\nextends = "v5.2"\n')
    assert str(caught.value).startswith(f"{tmp_path / 'mine.toml'}: extends is 'v5.2'; expected a known round (v0.5, ")
    assert str(caught.value).endswith("did you mean v5.1 or v5.0?")


def test_a_circle_of_parents(tmp_path: Path) -> None:
    write(tmp_path, 'round = "a.toml"\nextends = "b.toml"\n', "a.toml")
    b = write(tmp_path, 'round = "b.toml"\nextends = "a.toml"\n', "b.toml")
    with pytest.raises(
        BadFile, match=r"extends is a circle \(b\.toml -> a\.toml -> b\.toml\); expected an older round"
    ):
        load_round(b)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"none\.toml is missing; expected a round file"):
        load_round(tmp_path / "none.toml")


def test_a_first_round_must_be_complete(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"seeds\.qsl is missing; expected a value, here or in a parent round"):
        load(tmp_path, 'round = "alone"\n[run]\nmin_duration_s = 1\n')
