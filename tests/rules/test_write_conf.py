"""What we write into configuration files reads back as the run it came from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlassay.core.enums import Division, Scenario
from mlassay.core.errors import UnknownName, UsageError
from mlassay.rules.conf import parse_conf, read_conf
from mlassay.rules.official import OFFICIAL_DEFAULTS, apply, open_only
from mlassay.rules.official_settings import settings_from_official
from mlassay.rules.reader import load_round, rounds
from mlassay.rules.resolve import Wishes, resolve
from mlassay.rules.write_conf import (
    audit_config_text,
    mlperf_conf_text,
    user_conf_text,
    write_audit_config,
    write_mlperf_conf,
    write_user_conf,
)

MS = 1_000_000


def wish(scenario: str, **wishes: Any) -> Any:
    return resolve(Wishes(round="v5.1", benchmark="resnet", scenario=Scenario(scenario), **wishes))


def test_a_user_conf_says_the_load_and_nothing_that_is_the_rounds() -> None:
    text = user_conf_text(wish("server", target_qps=250.5), "resnet50")
    assert text.splitlines() == [
        "# user.conf of a run: v5.1 resnet server closed",
        "# model.Scenario.key = value; * stands for every model or scenario; times in milliseconds.",
        "resnet50.Server.target_qps = 250.5",
    ]


@pytest.mark.parametrize(
    ("scenario", "wishes"),
    [
        ("server", {"target_qps": 250.5, "min_duration_ns": 5_000 * MS, "min_query_count": 10, "coalesce": True,
                    "max_async_queries": 3}),
        ("server", {"latency_bound_ns": 30 * MS, "percentile": 97.0, "division": Division.OPEN}),
        ("server", {"performance_sample_count": 2000, "max_query_count": 7, "max_duration_ns": 9_000 * MS}),
        ("offline", {"target_qps": 1e4, "min_sample_count": 100}),
        ("single-stream", {"expected_latency_ns": 1_234_567, "min_query_count": 64}),
        ("multi-stream", {"expected_latency_ns": 3 * MS}),
        ("multi-stream", {"samples_per_query": 4, "division": Division.OPEN}),
    ],
)  # fmt: skip
def test_mlperf_conf_and_user_conf_together_say_the_resolved_run(scenario: str, wishes: dict[str, Any]) -> None:
    settings = wish(scenario, **wishes)
    confs = [
        parse_conf(mlperf_conf_text(load_round("v5.1")), "mlperf.conf"),
        parse_conf(user_conf_text(settings, "resnet50"), "user.conf"),
    ]
    values = apply(OFFICIAL_DEFAULTS, confs, "resnet50", settings.scenario.loadgen_name)
    read = settings_from_official(values, scenario=settings.scenario.loadgen_name)
    for name in ("load", "min_duration_ns", "max_duration_ns", "min_query_count", "max_query_count", "seeds",
                 "performance_sample_count", "sample_order"):  # fmt: skip
        assert getattr(read, name) == getattr(settings, name), name
    assert bool(open_only(confs[1], "resnet50", settings.scenario.loadgen_name)) is bool(settings.deviations)


def test_token_bounds_of_the_open_division_are_written() -> None:
    settings = resolve(Wishes(round="v5.1", benchmark="llama2-70b-99", scenario=Scenario.INTERACTIVE, ttft_ns=900 * MS,
                              tpot_ns=80 * MS, division=Division.OPEN))  # fmt: skip
    text = user_conf_text(settings, "llama2-70b-interactive")
    assert "llama2-70b-interactive.Server.ttft_latency = 900\n" in text
    assert "llama2-70b-interactive.Server.tpot_latency = 80\n" in text


def test_part_milliseconds_cannot_be_written() -> None:
    with pytest.raises(UsageError, match=r"latency bound of 7\.5 ms cannot be written to user\.conf"):
        user_conf_text(wish("server", latency_bound_ns=7_500_000), "resnet50")


@pytest.mark.parametrize("name", rounds())
def test_every_round_and_test_can_be_written_and_read(name: str, tmp_path: Path) -> None:
    round_ = load_round(name)
    write_mlperf_conf(tmp_path / "mlperf.conf", round_)
    assert read_conf(tmp_path / "mlperf.conf", "mlperf.conf").warnings == ()
    for test in round_.tests:
        if test == "TEST03":
            continue
        write_audit_config(tmp_path / "audit.config", round_, test)
        assert read_conf(tmp_path / "audit.config", "audit.config").warnings == ()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["audit.config", "mlperf.conf"]  # no scratch left


def test_audit_config_does_what_the_resolved_test_run_does() -> None:
    round_ = load_round("v5.1")
    for test, benchmark in (("TEST01", "retinanet"), ("TEST04", "stable-diffusion-xl"), ("TEST06", "llama2-70b-99")):
        settings = resolve(Wishes(round=round_, benchmark=benchmark, scenario=Scenario.OFFLINE, test=test))
        rule = round_.benchmarks[benchmark]
        confs = [
            parse_conf(mlperf_conf_text(round_), "mlperf.conf"),
            parse_conf(audit_config_text(round_, test, benchmark), "audit.config"),
        ]
        values = apply(OFFICIAL_DEFAULTS, confs, rule.conf_name, "Offline")
        read = settings_from_official(values, scenario="Offline")
        for name in ("load", "accuracy_log", "sample_order", "same_index", "min_duration_ns", "mode"):
            assert getattr(read, name) == getattr(settings, name), (test, name)


def test_audit_config_of_one_benchmark_leaves_the_others_out() -> None:
    text = audit_config_text(load_round("v5.1"), "TEST01", "retinanet")
    assert "retinanet.*.accuracy_log_sampling_target = 256" in text
    assert "pointpainting" not in text


def test_tests_without_a_file() -> None:
    with pytest.raises(UsageError, match=r"TEST03 of v0\.5 needs no audit\.config \(no precomputed answers"):
        audit_config_text(load_round("v0.5"), "TEST03")
    with pytest.raises(UnknownName, match="did you mean TEST01"):
        audit_config_text(load_round("v5.1"), "TEST1")


def test_user_conf_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "user.conf"
    write_user_conf(path, wish("offline", target_qps=3.0), "resnet50")
    assert read_conf(path, "user.conf").entries[0].value == 3.0
