"""Who is fastest at one task in one scenario: as submitted, per chip, per watt, per currency unit.

There is no summary score over tasks, and there will be none: see `NO_SUMMARY`. What is not the official metric says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from mlassay.core.errors import UsageError
from mlassay.results.labels import benchmark_title
from mlassay.results.prices import PriceList
from mlassay.results.queries import Filter, ResultView, results
from mlassay.results.schema import sa
from mlassay.results.table import SIX_FIGURES, Cell, Table

NO_SUMMARY = (
    "There is no summary score. MLPerf has none on purpose: no weighting of tasks fits everybody, systems are entered "
    "for some tasks only, and one number would hide both. Rank one task in one scenario, or give your own weights: "
    'mlassay rank all --weights "resnet Offline=2,bert-99 Server=1" shows your own geometric mean, labelled as yours.'
)
OURS = "derived by mlassay, not an official MLPerf metric"


class Per(StrEnum):
    """What the official number is divided by."""

    SYSTEM = "system"  # nothing: the official metric
    CHIP = "chip"
    WATT = "watt"
    CURRENCY = "currency"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """One place in a ranking. `score` is what was ranked by, in `unit`; `how` says how it was derived."""

    place: int
    view: ResultView
    score: float
    unit: str
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """Places, best first, and who could not be placed, with the reason."""

    title: str
    unit: str
    official: bool
    places: tuple[Ranked, ...]
    left_out: tuple[str, ...]


def rank(
    connection: sa.Connection, wanted: Filter, *, per: Per = Per.SYSTEM, prices: PriceList | None = None
) -> Ranking:
    """Rank the results of one benchmark and scenario. Raises UsageError when the filter spans several metrics."""
    if per is Per.CURRENCY and prices is None:
        raise UsageError("prices are yours to give", hint="write a price list and pass it with --prices FILE")
    rows = results(connection, wanted)
    if not rows:
        raise UsageError("nothing to rank: no result fits", hint="see what there is with mlassay db list")
    cells = sorted({(r.benchmark, r.scenario) for r in rows})
    if len(cells) > 1:
        shown = ", ".join(f"{b} {s}".strip() for b, s in cells[:8])
        raise UsageError(f"{len(cells)} different tasks and scenarios: {shown}", hint="choose one; " + NO_SUMMARY)
    places, left_out = [], []
    for row in rows:
        scored = _score(row, per, prices)
        if isinstance(scored, str):
            left_out.append(f"{row.submitter} {row.system} ({row.round}): {scored}".strip())
        else:
            places.append((row, *scored))
    higher = per is not Per.SYSTEM or bool(rows[0].higher_is_better)
    units = {p[2] for p in places}
    if len(units) > 1:
        raise UsageError(f"different metrics: {', '.join(sorted(units))}", hint="choose one round with --round")
    places.sort(key=lambda p: -p[1] if higher else p[1])
    title = " ".join(p for p in (benchmark_title(cells[0][0]), cells[0][1]) if p)
    return Ranking(
        title=title if per is Per.SYSTEM else f"{title}, per {_per_name(per, prices)} ({OURS})",
        unit=next(iter(units), ""),
        official=per is Per.SYSTEM,
        places=tuple(
            Ranked(place=n, view=row, score=score, unit=unit, how=how)
            for n, (row, score, unit, how) in enumerate(places, 1)
        ),
        left_out=tuple(left_out),
    )


def _per_name(per: Per, prices: PriceList | None) -> str:
    return prices.currency if per is Per.CURRENCY and prices else per.value


def _score(row: ResultView, per: Per, prices: PriceList | None) -> tuple[float, str, str] | str:
    """(score, unit, how), or why there is none. Normalised scores are speeds: bigger is better."""
    if row.value is None:
        return f"no value ({row.reason or row.state})"
    if row.verdict == "INVALID":
        return "INVALID"
    if per is Per.SYSTEM:
        return row.value, row.unit, "official metric" if row.published else "unverified"
    speed, unit = (row.value, row.unit) if row.higher_is_better else (1 / row.value, f"1/{row.unit}")
    if per is Per.CHIP:
        if not row.chips:
            return f"chips not known ({row.chips_from})"
        return (
            speed / row.chips,
            f"{unit} per chip",
            f"divided by {row.chips} {'chip' if row.chips == 1 else 'chips'}: {row.chips_from}",
        )
    if per is Per.WATT:
        if row.power_value is None or row.power_unit != "watts":
            return "no official power measurement (TDP and nameplate values do not count)"
        return speed / row.power_value, f"{unit} per W", f"divided by {row.power_value:,.1f} W, measured officially"
    assert prices is not None
    price = prices.of(row)
    if price is None:
        return f"no price in {prices.path}"
    return speed / price[0] * 1000, f"{unit} per 1000 {prices.currency}", price[1]


def as_table(ranking: Ranking, limit: int = 0) -> Table:
    """The ranking for people; official or not stands in the title and under it."""
    columns = ("place", ranking.unit or "value", "submitter", "system", "accelerator", "chips", "round", "division",
               "category", "status", "result")  # fmt: skip
    body: list[tuple[Cell, ...]] = []
    for r in ranking.places[: limit or None]:
        v = r.view
        status = "published" if v.published else "unverified"
        body.append((r.place, r.score, v.submitter, v.system, v.accelerator or v.processor_class, v.chips, v.round,
                     v.division, v.category, status, v.key))  # fmt: skip
    notes = [f"left out: {text}" for text in ranking.left_out[:20]]
    if len(ranking.left_out) > 20:
        notes.append(f"left out: {len(ranking.left_out) - 20} more")
    if any(not r.view.published for r in ranking.places):
        notes.append("unverified: result not verified by MLCommons Association")
    how = sorted({r.how for r in ranking.places[: limit or None]}) if not ranking.official else []
    return Table(
        id="rank",
        title=ranking.title,
        columns=columns,
        rows=tuple(body),
        digits=(0, SIX_FIGURES, *(0,) * 9),
        rule="the official metric, best first" if ranking.official else OURS,
        notes=(*notes, *(f"reckoned: {h}" for h in how[:10])),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """One task and scenario of a user's own mean."""

    benchmark: str
    scenario: str
    weight: float


def parse_weights(text: str) -> tuple[Weight, ...]:
    """ "resnet Offline=2,bert-99 Server=1". Raises UsageError that shows how weights are written."""
    out = []
    for part in text.split(","):
        name, _, number = part.rpartition("=")
        words = name.split()
        try:
            weight = float(number)
        except ValueError:
            weight = math.nan
        if len(words) not in (1, 2) or not 0 < weight < math.inf:
            raise UsageError(f"weight {part.strip()!r} cannot be read", hint='write "TASK SCENARIO=NUMBER, …"')
        out.append(Weight(benchmark=words[0], scenario=words[1] if len(words) == 2 else "", weight=weight))
    return tuple(out)


def own_mean(
    connection: sa.Connection, wanted: Filter, weights: Sequence[Weight], per: Per, prices: PriceList | None
) -> Table:
    """A user's own weighted geometric mean over systems that have every task asked for: theirs, not MLPerf's.

    Each task counts relative to its best system, so that units vanish.
    """
    scores: dict[tuple[str, str], dict[int, float]] = {}
    for at, weight in enumerate(weights):
        chosen = replace(wanted, benchmark=(weight.benchmark,), scenario=(weight.scenario,) if weight.scenario else ())
        ranking = rank(connection, chosen, per=per, prices=prices)
        higher = per is not Per.SYSTEM or (ranking.places and ranking.places[0].view.higher_is_better)
        best = ranking.places[0].score if ranking.places else 1.0
        for place in ranking.places:
            relative = place.score / best if higher else best / place.score
            row = scores.setdefault((place.view.submitter, place.view.system), {})
            row[at] = max(row.get(at, 0.0), relative)
    total = sum(w.weight for w in weights)
    complete = {who: row for who, row in scores.items() if len(row) == len(weights)}
    means = {
        who: math.exp(sum(w.weight * math.log(row[at]) for at, w in enumerate(weights)) / total)
        for who, row in complete.items()
    }
    body = [(n, mean, *who) for n, (who, mean) in enumerate(sorted(means.items(), key=lambda i: -i[1]), 1)]
    missing = len(scores) - len(complete)
    stated = ", ".join(f"{benchmark_title(w.benchmark)} {w.scenario}".strip() + f" ×{w.weight:g}" for w in weights)
    notes = [f"your own weights: {stated}", "MLPerf has no summary score: this is yours, " + OURS]
    if missing:
        notes.append(f"left out: {missing} systems without a result in every task")
    return Table(
        id="own-mean",
        title="Your own weighted geometric mean (1 = best at every task)",
        columns=("place", "your mean", "submitter", "system"),
        rows=tuple(body),
        digits=(0, 4, 0, 0),
        rule="geometric mean of each task's score over that task's best score, with your weights",
        notes=tuple(notes),
    )
