"""What a training round file, and the list of keys of its logs, may say."""

from __future__ import annotations

from mlassay.rules.schema import (
    COUNT,
    COUNT_OR_0,
    FLAG,
    NUMBER,
    POSITIVE,
    TEXT,
    TEXTS,
    Either,
    Leaf,
    Node,
    Table,
    one_of,
)

COUNTS = Leaf(
    lambda v: isinstance(v, list) and bool(v) and all(COUNT_OR_0.accepts(x) for x in v), "a list of whole numbers"
)
ANYTHING = Leaf(lambda v: not isinstance(v, dict), "a number, text, true, false or a list of them")
MINUTES = Leaf(lambda v: NUMBER.accepts(v) and v >= 0, "a number of minutes, zero or more")
SHARE = Leaf(lambda v: NUMBER.accepts(v) and 0 < v <= 1, "a share between 0 and 1")
DATE = Leaf(lambda v: isinstance(v, str) and len(v) in (0, 7, 10), "a date such as 2025-06 or 2025-06-04")

QUALITY = Table(
    other=Table(
        {
            "ge": NUMBER,
            "le": NUMBER,
            "gt": NUMBER,
            "sane_above": NUMBER,
            "checker": Table({"ge": NUMBER, "from_batch": COUNT}),
        }
    )
)

EVALUATION = Table(
    {
        "epochs": COUNT,
        "at_epochs": COUNTS,
        "at_samples": COUNTS,
        "samples": COUNT,
        "steps": COUNT,
        "epoch_fraction": SHARE,
        "generations": COUNT,
        "samples_by_batch": Table({"share": SHARE, "per_batch": POSITIVE, "offset": NUMBER, "round_down_to": COUNT}),
        "steps_by_batch": Table({"samples": COUNT, "parts": COUNT}),
        "epochs_by_size": Table({"samples": COUNT, "first": COUNT, "every": COUNT, "give_up": COUNT}),
        "first_samples": COUNT,
        "offset_choices": COUNTS,
        "skip_first": Table({"per_batch": NUMBER, "offset": NUMBER}),
        "whole_steps": FLAG,
        "not_at_zero": FLAG,
        "offline": FLAG,
        "note": TEXT,
    }
)

TRAINING_ROUND = Table(
    {
        "round": TEXT,
        "extends": TEXT,
        "notes": TEXTS,
        "sources": Table(other=TEXT),
        "source_of": Table(other=TEXT),
        "dates": Table({"published": DATE}),
        "timing": Table(
            {
                "clock_start": TEXT,
                "clock_stop": TEXT,
                "init_minutes": MINUTES,
                "init_minutes_open": MINUTES,
                "init_minutes_of": Table(other=MINUTES),
                "evaluation_on_clock": FLAG,
                "cache_clear": FLAG,
                "offline_evaluation": TEXT,
            }
        ),
        "log": Table({"marker": TEXT, "first_epoch": COUNT_OR_0, "rule_files": TEXT}),
        "scoring": Table(
            {
                "unit": one_of("minutes", "speed-up over the reference time"),
                "windows": FLAG,
                "scaled_to_rcp": FLAG,
                "resubmission": FLAG,
                "reference_seconds": Table(other=POSITIVE),
            }
        ),
        "seeds": Table({"logged": FLAG, "unique_per_run": FLAG}),
        "rcp": Table(
            {
                "confidence": SHARE,
                "k": COUNT,
                "k_of": Table(other=COUNT),
                "exempt": TEXTS,
                "pruned": FLAG,
                "number_formats": TEXTS,
                "leniency_samples": Table(other=COUNT),
            }
        ),
        "hyperparameters": Table(
            other=Table({"free": TEXTS, "fixed": Table(other=ANYTHING), "bound": Table(other=TEXT), "note": TEXT})
        ),
        "benchmarks": Table(
            other=Table(
                {
                    "like": TEXT,
                    "area": TEXT,
                    "model": TEXT,
                    "dataset": TEXT,
                    "quality": QUALITY,
                    "evaluation": EVALUATION,
                    "runs": COUNT,
                    "drop": Table({"fastest": COUNT_OR_0, "slowest": COUNT_OR_0}),
                    "max_non_converged": COUNT_OR_0,
                    "score_first": COUNT,
                    "progress": TEXT,
                    "hyperparameters": TEXT,
                    "note": TEXT,
                }
            )
        ),
    }
)

WORDS = Leaf(lambda v: isinstance(v, list) and all(isinstance(x, str) for x in v), "a list of texts")
VALUES = Leaf(lambda v: isinstance(v, list) and bool(v), "a list of values")
BOUNDS = Table(dict.fromkeys(("ge", "le", "gt", "lt"), NUMBER))

CHECK_KEYS: dict[str, Node] = {
    # the value
    "eq": ANYTHING,
    "in": VALUES,
    "ge": NUMBER,
    "gt": NUMBER,
    "le": NUMBER,
    "lt": NUMBER,
    "integral": FLAG,
    "type": one_of("int", "bool", "str"),
    "non_empty": FLAG,
    "has_value": FLAG,
    "len_eq": COUNT,
    "len_ge": COUNT,
    "value_has": WORDS,
    "fields": Table(other=BOUNDS),
    "multiple_of": POSITIVE,
    "or_fraction_below_batch": COUNT,
    "power_of_two_times": POSITIVE,
    "stretched": Table({"index": COUNT_OR_0, "base": NUMBER, "step": POSITIVE}),
    "rest_of": Table({"total": COUNT, "at_batch": COUNT, "key": TEXT}),
    "by_batch": Table(
        {"value": POSITIVE, "at_batch": COUNT, "power": NUMBER, "tolerance": NUMBER, "low": POSITIVE, "high": POSITIVE}
    ),
    "ge_from_batch": Table({"batch": COUNT, "ge": NUMBER}),
    "batch_is_product_with": TEXT,
    "eq_key": TEXT,
    "rounded_up_to_batches": COUNT,
    # its metadata
    "metadata_has": WORDS,
    "metadata_has_any": WORDS,
    "metadata_eq": Table(other=ANYTHING),
    "metadata_gt": Table(other=NUMBER),
    "metadata_ge": Table(other=NUMBER),
    "metadata_in": Table(other=VALUES),
    "if_metadata_has": TEXT,
    # its place among the others
    "after": WORDS,
    "before": WORDS,
    "init_minutes": MINUTES,
    "init_minutes_open": MINUTES,
    "order": TEXT,
    "epoch": TEXT,
    "schedule": TEXT,
}
"""The vocabulary in which a rule speaks of one line of a log."""

CHECK = Table(CHECK_KEYS)
EACH = Leaf(lambda v: isinstance(v, list) and all(isinstance(x, dict) for x in v), "a list of tables")
KEY = Either(
    one_of("once", "some"),
    Table(
        {
            **CHECK_KEYS,
            "count": one_of("once", "some", "twice", "optional", "any"),
            "or": TEXT,
            "each": EACH,
            "some": CHECK,
            "first": CHECK,
            "tensors": WORDS,
            "load": TEXT,
        }
    ),
)
LOG_KEYS = Table({"round": TEXT, "extends": TEXT, "keys": Table(other=Table(other=KEY))})
