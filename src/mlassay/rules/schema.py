"""What a round file may say: every key, its type and its unit, so that a mistake is named where it stands."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlassay.core.errors import BadFile

SCENARIOS = ("single-stream", "multi-stream", "server", "offline", "interactive")


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value: `accepts` says whether it may stand, `expected` says in words what may."""

    accepts: Callable[[Any], bool]
    expected: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table: the keys it knows, and `other` for keys that are names chosen by the file."""

    keys: Mapping[str, Node] = field(default_factory=dict)
    other: Node | None = None


@dataclass(frozen=True, slots=True)
class Either:
    """A value in short form, or a table that says more."""

    leaf: Leaf
    table: Table


Node = Leaf | Table | Either


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def _seed(value: Any) -> bool:
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    return _whole(value) and 0 <= value < 2**64


def one_of(*words: str) -> Leaf:
    return Leaf(lambda v: v in words, "one of " + ", ".join(repr(w) for w in words))


def texts_like(accepts: Callable[[str], bool], what: str) -> Leaf:
    return Leaf(lambda v: isinstance(v, list) and all(isinstance(x, str) and accepts(x) for x in v), what)


TEXT = Leaf(lambda v: isinstance(v, str), "text in quotes")
FLAG = Leaf(lambda v: isinstance(v, bool), "true or false")
COUNT = Leaf(lambda v: _whole(v) and v > 0, "a positive whole number")
COUNT_OR_0 = Leaf(lambda v: _whole(v) and v >= 0, "a whole number, zero or more")
NUMBER = Leaf(_number, "a number")
POSITIVE = Leaf(lambda v: _number(v) and v > 0, "a positive number")
MS = Leaf(lambda v: _number(v) and v > 0, "a positive number of milliseconds")
SECONDS = Leaf(lambda v: _number(v) and v > 0, "a positive number of seconds")
PERCENT = Leaf(lambda v: _number(v) and 0 < v < 100, "a percentile between 0 and 100")
SEED = Leaf(_seed, "a whole number below 2^64, in quotes")
TEXTS = texts_like(lambda x: True, "a list of texts")
COUNTS = Leaf(lambda v: isinstance(v, list) and all(_whole(x) and x >= 0 for x in v), "a list of whole numbers")
DATE = Leaf(
    lambda v: isinstance(v, str) and (not v or (len(v) == 10 and v[4] == v[7] == "-")), "a date such as 2025-08-01"
)
SUITE = texts_like(
    lambda x: all(part in SCENARIOS for part in x.removesuffix("?").split("|")),
    'a list of scenarios: "server" required, "server?" optional, "server|interactive" at least one',
)
TRIPLE = Table({"checker": COUNT_OR_0, "conf": COUNT_OR_0, "rules": COUNT_OR_0})

QUALITY = Table(
    other=Table(
        {
            "reference": POSITIVE,
            "factor": POSITIVE,
            "min": NUMBER,
            "max": NUMBER,
            "max_reference": POSITIVE,
            "max_factor": POSITIVE,
        }
    )
)

SCENARIO = Table(
    {
        "percentile": PERCENT,
        "min_queries": Either(COUNT, TRIPLE),
        "early_stopping_min_queries": COUNT,
        "min_samples": COUNT,
        "capped_by_dataset": FLAG,
        "samples_per_query": COUNT,
        "style": one_of("interval", "sequential"),
        "supported": FLAG,
        "metric": one_of("scheduled", "completed"),
        "metric_field": TEXT,
        "legacy_metric_field": TEXT,
        "latency_ms": Either(MS, Table({"checker": MS, "conf": MS})),
        "ttft_ms": MS,
        "tpot_ms": MS,
        "interval_qps": POSITIVE,
        "accuracy_samples": COUNT,
        "quality": QUALITY,
    }
)

BENCHMARK = Table(
    {
        "like": TEXT,
        "conf_name": TEXT,
        "task": TEXT,
        "reference_model": TEXT,
        "dataset": TEXT,
        "dataset_size": COUNT,
        "accuracy_samples": COUNT,
        "performance_samples": Either(COUNT, TRIPLE),
        "quality": QUALITY,
        "suites": Table(dict.fromkeys(("all", "datacenter", "edge", "datacenter-edge"), SUITE)),
        "suites_by_rules": Table({"datacenter": SUITE, "edge": SUITE}),
        "equal_issue": FLAG,
        "token_latencies": FLAG,
        "inferred_tokens_per_sample": COUNT,
        "compliance": TEXTS,
        "accuracy_files": Table(other=COUNTS),
        **dict.fromkeys(SCENARIOS, SCENARIO),
    }
)

LEVEL = one_of("reject", "log", "warn", "opt-in", "absent")
CONFIG_VALUE = Leaf(lambda v: _number(v) or _seed(v), "a number")

ROUND = Table(
    {
        "round": TEXT,
        "extends": TEXT,
        "notes": TEXTS,
        "sources": Table(other=TEXT),
        "source_of": Table(other=TEXT),
        "dates": Table({"submission": DATE, "published": DATE, "note": TEXT}),
        "seeds": Table({"qsl": SEED, "sample_index": SEED, "schedule": SEED}),
        "test05_seeds": Table({"qsl": SEED, "sample_index": SEED, "schedule": SEED}),
        "run": Table(
            {
                "min_duration_s": SECONDS,
                "early_stopping": FLAG,
                "server_runs": COUNT,
                "stream": one_of("v0.5", "v0.7", "v6.0"),
            }
        ),
        "scenarios": Table(dict.fromkeys(SCENARIOS, SCENARIO)),
        "submission": Table(
            {
                "divisions": texts_like(lambda x: x in ("open", "closed", "network"), "a list of divisions"),
                "availability": TEXTS,
                "system_types": TEXTS,
                "measurement_files": TEXTS,
                "log_format": one_of("text", "mllog"),
                "layout": one_of("v0.5", "classic", "merged"),
                "truncate_accuracy_log": FLAG,
                "dataset_size_checked": FLAG,
            }
        ),
        "severity": Table(other=Either(LEVEL, Table({"level": LEVEL, "note": TEXT}))),
        "model_names": Table(other=TEXT),
        "system_fields": Table(
            {**dict.fromkeys(("basic", "detailed", "more", "network", "may_be_empty"), TEXTS), "filled": FLAG}
        ),
        "measurement_fields": Table({"required": TEXTS, "filled": FLAG}),
        "tests": Table(
            other=Table(
                {
                    "verifies": TEXT,
                    "test05_seeds": FLAG,
                    "config": Table(other=Table(other=CONFIG_VALUE)),
                    "bounds": Table(other=NUMBER),
                }
            )
        ),
        "power": Table(
            {
                "metric": Table(other=TEXT),
                "directories": TEXTS,
                "power_files": TEXTS,
                "extra_run_files": TEXTS,
                "documents": TEXTS,
                "max_clock_difference_ms": COUNT,
            }
        ),
        "benchmarks": Table(other=BENCHMARK),
    }
)


def validate(raw: Mapping[str, Any], shown: str, spec: Table = ROUND) -> None:
    """Raises BadFile at the first key or value that a round file may not hold."""
    _table(raw, spec, shown, "")


def _table(raw: Mapping[str, Any], spec: Table, shown: str, where: str) -> None:
    for key, value in raw.items():
        place = f"{where}{key}"
        if key == "remove":
            _leaf(value, TEXTS, shown, place)
        elif key == "source" and "source" not in spec.keys:
            _leaf(value, TEXT, shown, place)
        else:
            node = spec.keys.get(key, spec.other)
            if node is None:
                near = difflib.get_close_matches(key, spec.keys, 2, 0.5)
                raise BadFile(
                    shown,
                    key=place,
                    found="not a key that is known here",
                    expected="one of " + ", ".join(spec.keys),
                    hint=f"did you mean {' or '.join(near)}?" if near else "",
                )
            _node(value, node, shown, place)


def _node(value: Any, node: Node, shown: str, place: str) -> None:
    if isinstance(node, Either):
        node = node.table if isinstance(value, dict) else node.leaf
    if isinstance(node, Leaf):
        _leaf(value, node, shown, place)
    elif isinstance(value, dict):
        _table(value, node, shown, f"{place}.")
    else:
        raise BadFile(shown, key=place, found=shorten(value), expected="a table")


def _leaf(value: Any, leaf: Leaf, shown: str, place: str) -> None:
    if not leaf.accepts(value):
        raise BadFile(shown, key=place, found=shorten(value), expected=leaf.expected)


def shorten(value: Any) -> str:
    """A value as an error message shows it: TOML's spelling of truth, and not too long."""
    text = str(value).lower() if isinstance(value, bool) else "a table" if isinstance(value, dict) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
