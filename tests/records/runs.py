"""Judged runs for the tests of the log writers: small ones made up here, and the recorded official ones rebuilt."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from mlassay.core.enums import Mode, SampleOrder, Scenario
from mlassay.core.outcome import BoundCheck, EarlyStopping, Outcome, Verdict
from mlassay.core.settings import (
    AccuracyLog,
    MultiStream,
    Offline,
    Seeds,
    Server,
    Settings,
    SingleStream,
    TokenBounds,
)
from mlassay.core.units import NS_PER_MS
from mlassay.records.loadgen_log import Level, LogFacts, Note, Phase

PLACES = ("50", "90", "95", "97", "99", "99.9")
START = 1_795_300_321_719_316_750


@dataclass(frozen=True)
class Figures:
    samples_per_query: int = 1
    target_qps: float = 1000.0
    target_duration_ns: int = 10_000 * NS_PER_MS
    min_query_count: int = 100
    min_sample_count: int = 100
    max_async_queries: int = 0
    performance_sample_count: int = 64
    accuracy_sample_count: int = 100


def server_settings(**changes: Any) -> Settings:
    load = Server(target_qps=1000, latency_bound_ns=10 * NS_PER_MS)
    return Settings(**{"scenario": Scenario.SERVER, "load": load, **changes})


def outcome(**changes: Any) -> Outcome:
    latency = {"min": 10, "mean": 55, "max": 100} | {p: int(float(p)) for p in PLACES}
    return Outcome(
        **{
            "scenario": Scenario.SERVER,
            "mode": Mode.PERFORMANCE,
            "verdict": Verdict.VALID,
            "metric": None,
            "n_queries": 1036,
            "n_samples": 1036,
            "duration_ns": 10**9,
            "latency_ns": latency,
            "numbers": {"result_scheduled_samples_per_sec": 1032.41, "result_completed_samples_per_sec": 1031.5},
            "early_stopping": (EarlyStopping(True, " * Run successful."),),
            **changes,
        }
    )


def failed(check_id: str, hint: str) -> BoundCheck:
    return BoundCheck(check_id, False, 1.0, 2.0, "ns", f"{check_id}: 1 is not 2", hint=hint)


def facts(*notes: Note, **changes: Any) -> LogFacts:
    phase = Phase(
        mode=Mode.PERFORMANCE,
        loaded=[3, 1, 2],
        query_count=1036,
        samples_per_query=1,
        schedule_ns=1_002_689_376,
        begin_unix_ns=START + 5 * NS_PER_MS,
        end_unix_ns=START + 1005 * NS_PER_MS,
        notes=notes,
    )
    return LogFacts(
        **{
            "figures": Figures(),
            "phases": (phase,),
            "opened_unix_ns": START,
            "sut_name": "PySUT",
            "qsl_name": "PyQSL",
            "qsl_total_count": 100,
            "qsl_performance_count": 64,
            **changes,
        }
    )


# --- recorded official runs, rebuilt from their detail logs ---------------------------------------------------------

MODES = {
    "PerformanceOnly": Mode.PERFORMANCE,
    "AccuracyOnly": Mode.ACCURACY,
    "SubmissionRun": Mode.SUBMISSION,
    "FindPeakPerformance": Mode.FIND_PEAK,
}
Rows = list[dict[str, Any]]


def rows_of(detail: bytes) -> Rows:
    return [json.loads(line[9:]) for line in detail.decode().splitlines()]


def rebuilt(detail: bytes) -> tuple[Settings, Outcome, LogFacts]:
    """Settings, outcome and facts of an official run, such that our log of it should equal the official one."""
    rows = rows_of(detail)
    log = {row["key"]: row["value"] for row in rows}
    settings = _settings(log)
    return settings, _outcome(log, settings), _facts(log, rows)


def _settings(log: dict[str, Any]) -> Settings:
    scenario = Scenario.parse(log["requested_scenario"])
    tokens = log.get("requested_use_token_latencies", False)
    load: Any = {
        Scenario.SINGLE_STREAM: lambda: SingleStream(
            expected_latency_ns=int(log["requested_single_stream_expected_latency_ns"])
        ),
        Scenario.MULTI_STREAM: lambda: MultiStream(
            expected_latency_ns=int(log["requested_multi_stream_expected_latency_ns"]),
            samples_per_query=log["requested_multi_stream_samples_per_query"],
        ),
        Scenario.SERVER: lambda: Server(
            target_qps=log["requested_server_target_qps"],
            latency_bound_ns=log["requested_server_target_latency_ns"],
            max_async_queries=log["requested_server_max_async_queries"],
            coalesce=log["requested_server_coalesce_queries"],
            tokens=TokenBounds(
                ttft_ns=log["requested_server_ttft_latency"], tpot_ns=log["requested_server_tpot_latency"]
            )
            if tokens
            else None,
        ),
        Scenario.OFFLINE: lambda: Offline(
            expected_qps=log["requested_offline_expected_qps"], min_sample_count=log["requested_min_query_count"]
        ),
    }[scenario]()
    return Settings(
        scenario=scenario,
        load=load,
        mode=MODES[log["requested_test_mode"]],
        min_duration_ns=log["requested_min_duration_ms"] * NS_PER_MS,
        min_query_count=log["requested_min_query_count"],
        sample_order=SampleOrder.EQUAL_ISSUE if log["requested_sample_concatenate_permutation"] else SampleOrder.RANDOM,
        seeds=Seeds(
            qsl=log["requested_qsl_rng_seed"],
            sample_index=log["requested_sample_index_rng_seed"],
            schedule=log["requested_schedule_rng_seed"],
        ),
        accuracy_log=AccuracyLog(
            seed=log["requested_accuracy_log_rng_seed"],
            sampling_target=log["requested_accuracy_log_sampling_target"],
        ),
        token_latencies=tokens,
    )


def _outcome(log: dict[str, Any], settings: Settings) -> Outcome:
    texts = [log[k] for k in ("early_stopping_ttft_result", "early_stopping_tpot_result") if k in log]
    texts = texts or [log.get("early_stopping_result", "")]
    checks = [
        failed(name, "")
        for name, key in (
            ("min-duration", "result_min_duration_met"),
            ("min-queries", "result_min_queries_met"),
            ("latency", "result_perf_constraints_met"),
        )
        if log.get(key) is False
    ]
    if log.get("early_stopping_met") is False:
        checks.append(failed("early-stopping", ""))
    if "result_invalid_reason" in log and checks:
        checks = [failed(check.id, log["result_invalid_reason"] or "more queries") for check in checks]
    return Outcome(
        scenario=settings.scenario,
        mode=settings.mode,
        verdict=Verdict(log.get("result_validity", "VALID")),
        metric=None,
        n_queries=log.get("result_query_count", 0),
        n_samples=0,
        duration_ns=0,
        latency_ns=_family(log, "result_{}_latency_ns", "result_{}_percentile_latency_ns"),
        ttft_ns=_family(log, "result_first_token_{}_latency_ns", "result_first_token_{}_percentile_latency_ns"),
        tpot_ns=_family(log, "result_time_to_output_token_{}", "result_time_per_output_token_{}_percentile_ns"),
        numbers={k: v for k, v in log.items() if isinstance(v, int | float) and not isinstance(v, bool)},
        checks=tuple(checks),
        early_stopping=tuple(EarlyStopping(log.get("early_stopping_met", True), text) for text in texts),
    )


def _family(log: dict[str, Any], extreme: str, place: str) -> dict[str, int]:
    keys = {name: extreme.format(name) for name in ("min", "mean", "max")}
    keys |= {p: place.format(f"{float(p):.2f}") for p in PLACES}
    return {name: log[key] for name, key in keys.items() if key in log}


def _facts(log: dict[str, Any], rows: Rows) -> LogFacts:
    phases: list[Phase] = []
    mode = Mode.PERFORMANCE
    current: dict[str, Any] = {}
    notes: list[Note] = []
    for row in rows:
        key, value, about = row["key"], row["value"], row["metadata"]
        if key == "generic_message" and str(value).startswith("Starting "):
            mode = Mode.ACCURACY if "accuracy" in value else Mode.PERFORMANCE
        elif key in ("generic_message", "warning_generic_message", "error_runtime"):
            level = Level.ERROR if about["is_error"] else Level.WARNING if about["is_warning"] else Level.INFO
            notes.append(Note(value, level))
        elif key.startswith(("generated_", "loaded_")):
            current[key] = value
        elif key == "power_end":
            phases.append(
                Phase(
                    mode=mode,
                    loaded=current["loaded_qsl_set"],
                    query_count=current["generated_query_count"],
                    samples_per_query=current["generated_samples_per_query"],
                    schedule_ns=current["generated_query_duration"],
                    begin_unix_ns=START,
                    end_unix_ns=START + NS_PER_MS,
                    notes=tuple(notes),
                )
            )
            notes = []
    figures = Figures(
        samples_per_query=log["effective_samples_per_query"],
        target_qps=log["effective_target_qps"],
        target_duration_ns=log["effective_target_duration_ms"] * NS_PER_MS,
        min_query_count=log["effective_min_query_count"],
        min_sample_count=log["effective_min_sample_count"],
        max_async_queries=log["effective_max_async_queries"],
        performance_sample_count=log["effective_performance_sample_count"],
        accuracy_sample_count=log["effective_accuracy_sample_count"],
    )
    return LogFacts(
        figures=figures,
        phases=tuple(phases),
        opened_unix_ns=START,
        sut_name=log["sut_name"],
        sut_name_ns=log["get_sut_name_duration_ns"],
        qsl_name=log["qsl_name"],
        qsl_total_count=log["qsl_reported_total_count"],
        qsl_performance_count=log["qsl_reported_performance_count"],
    )
