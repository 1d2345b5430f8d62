"""From a merged book to a frozen TrainingRound."""

from __future__ import annotations

import difflib
from types import MappingProxyType

from mlassay.core.errors import BadFile
from mlassay.rules.chain import Book
from mlassay.rules.log_keys import LogRules
from mlassay.rules.training_round import (
    EpochsBySize,
    Evaluation,
    Hyperparameters,
    Linear,
    RcpRule,
    Scoring,
    Timing,
    TrainingBenchmark,
    TrainingRound,
    TrainingTarget,
)
from mlassay.rules.values import get, need, plain, text, texts


def build_training_round(book: Book, log_rules: LogRules | None) -> TrainingRound:
    return TrainingRound(
        name=book.name,
        extends=book.extends,
        published=text(book, "dates", "published"),
        sources=texts(book, "sources"),
        timing=_timing(book),
        log_marker=str(need(book, "log", "marker")),
        first_epoch=int(need(book, "log", "first_epoch")),
        scoring=Scoring(
            unit=str(need(book, "scoring", "unit")),
            windows=bool(need(book, "scoring", "windows")),
            scaled_to_rcp=bool(need(book, "scoring", "scaled_to_rcp")),
            resubmission=bool(need(book, "scoring", "resubmission")),
            reference_seconds=plain(book, "scoring", "reference_seconds"),
            clause=book.clause("scoring"),
        ),
        seeds_logged=bool(need(book, "seeds", "logged")),
        seeds_unique=bool(need(book, "seeds", "unique_per_run")),
        seeds_clause=book.clause("seeds"),
        rcp=_rcp(book),
        benchmarks=MappingProxyType({id: _benchmark(book, id) for id in book.table("benchmarks")}),
        log_rules=log_rules,
        notes=tuple(get(book, "notes") or ()),
        path=book.path,
    )


def _timing(book: Book) -> Timing:
    minutes = float(need(book, "timing", "init_minutes"))
    return Timing(
        clock_start=text(book, "timing", "clock_start"),
        clock_stop=text(book, "timing", "clock_stop"),
        init_minutes=minutes,
        init_minutes_open=float(get(book, "timing", "init_minutes_open") or minutes),
        init_minutes_of=plain(book, "timing", "init_minutes_of"),
        evaluation_on_clock=bool(need(book, "timing", "evaluation_on_clock")),
        cache_clear=bool(need(book, "timing", "cache_clear")),
        offline_evaluation=text(book, "timing", "offline_evaluation"),
        clause=book.clause("timing", "init_minutes"),
    )


def _rcp(book: Book) -> RcpRule | None:
    if not book.table("rcp"):
        return None
    return RcpRule(
        confidence=float(need(book, "rcp", "confidence")),
        k=int(need(book, "rcp", "k")),
        k_of=plain(book, "rcp", "k_of"),
        exempt=tuple(get(book, "rcp", "exempt") or ()),
        pruned=bool(need(book, "rcp", "pruned")),
        number_formats=tuple(need(book, "rcp", "number_formats")),
        leniency_samples=plain(book, "rcp", "leniency_samples"),
        clause=book.clause("rcp"),
    )


def _benchmark(book: Book, id: str) -> TrainingBenchmark:
    at = ("benchmarks", id)
    return TrainingBenchmark(
        id=id,
        area=text(book, *at, "area"),
        model=text(book, *at, "model"),
        dataset=text(book, *at, "dataset"),
        targets=tuple(_target(book, id, metric) for metric in book.table(*at, "quality")),
        evaluation=_evaluation(book, id),
        runs=int(need(book, *at, "runs")),
        drop_fastest=int(need(book, *at, "drop", "fastest")),
        drop_slowest=int(need(book, *at, "drop", "slowest")),
        max_non_converged=int(need(book, *at, "max_non_converged")),
        score_first=get(book, *at, "score_first"),
        progress=text(book, *at, "progress"),
        hyperparameters=_hyperparameters(book, id),
        note=text(book, *at, "note"),
        clauses={
            "runs": book.clause(*at, "runs"),
            "drop": book.clause(*at, "drop"),
            "max_non_converged": book.clause(*at, "max_non_converged"),
            "dataset": book.clause(*at, "dataset"),
            "model": book.clause(*at, "model"),
        },
    )


def _target(book: Book, id: str, metric: str) -> TrainingTarget:
    at = ("benchmarks", id, "quality", metric)
    said = {d: get(book, *at, d) for d in ("ge", "le", "gt")}
    directions = [d for d, v in said.items() if v is not None]
    if len(directions) != 1:
        found = "without a bound" if not directions else f"given {len(directions)} bounds"
        raise BadFile(book.path, key=".".join(at), found=found, expected="one of ge, le, gt")
    return TrainingTarget(
        metric=metric,
        value=float(said[directions[0]]),
        direction=directions[0],
        sane_above=get(book, *at, "sane_above"),
        checker_value=get(book, *at, "checker", "ge"),
        checker_from_batch=get(book, *at, "checker", "from_batch"),
        clause=book.clause(*at),
    )


def _evaluation(book: Book, id: str) -> Evaluation:
    at = ("benchmarks", id, "evaluation")
    batch, steps = plain(book, *at, "samples_by_batch"), plain(book, *at, "steps_by_batch")
    size, skip = plain(book, *at, "epochs_by_size"), plain(book, *at, "skip_first")
    return Evaluation(
        epochs=get(book, *at, "epochs"),
        at_epochs=tuple(get(book, *at, "at_epochs") or ()),
        at_samples=tuple(get(book, *at, "at_samples") or ()),
        samples=get(book, *at, "samples"),
        steps=get(book, *at, "steps"),
        epoch_fraction=get(book, *at, "epoch_fraction"),
        generations=get(book, *at, "generations"),
        first_samples=get(book, *at, "first_samples"),
        offset_choices=tuple(get(book, *at, "offset_choices") or ()),
        whole_steps=bool(get(book, *at, "whole_steps")),
        not_at_zero=bool(get(book, *at, "not_at_zero")),
        offline=bool(get(book, *at, "offline")),
        samples_by_batch=(batch["share"], batch["per_batch"], batch["offset"], batch["round_down_to"])
        if batch
        else None,
        steps_by_batch=(steps["samples"], steps["parts"]) if steps else None,
        epochs_by_size=EpochsBySize(**size) if size else None,
        skip_first=Linear(**skip) if skip else None,
        note=text(book, *at, "note"),
        clause=book.clause(*at),
    )


def _hyperparameters(book: Book, id: str) -> Hyperparameters:
    name = str(need(book, "benchmarks", id, "hyperparameters"))
    at = ("hyperparameters", name)
    if not book.table(*at):
        known = list(book.table("hyperparameters"))
        near = difflib.get_close_matches(name, known, 2, 0.5)
        raise BadFile(
            book.path,
            key=f"benchmarks.{id}.hyperparameters",
            found=repr(name),
            expected="a table under [hyperparameters]: " + ", ".join(known),
            hint=f"did you mean {' or '.join(near)}?" if near else "",
        )
    return Hyperparameters(
        name=name,
        free=tuple(get(book, *at, "free") or ()),
        fixed=plain(book, *at, "fixed"),
        bound=plain(book, *at, "bound"),
        note=text(book, *at, "note"),
        clause=book.clause(*at),
    )
