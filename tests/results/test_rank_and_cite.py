"""Rankings that say what is official, and sentences that may be quoted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlassay.core.errors import BadFile, UsageError
from mlassay.results import schema
from mlassay.results.cite import cite
from mlassay.results.database import Database
from mlassay.results.importer import import_path
from mlassay.results.prices import read_prices
from mlassay.results.queries import Filter, ResultView, results
from mlassay.results.rank import NO_SUMMARY, Per, as_table, own_mean, parse_weights, rank
from mlassay.results.schema import sa
from mlassay.results.table import plain
from tests.results.trees import InferenceTree, summary

RESNET = Filter(benchmark=("resnet",), scenario=("Offline",), division=("closed",))


@pytest.fixture
def round_db(database: Database, tmp_path: Path) -> Database:
    tree = InferenceTree(tmp_path)
    for system, value, chips in (("big", "900", 8), ("small", "200", 1), ("odd", "300", 2)):
        tree.system(system, accelerators_per_node=chips)
        tree.result(system, logs=summary("Offline", value))
        tree.result(system, scenario="SingleStream", logs=summary("Single Stream", str(chips * 1_000_000)))
    tree.system("broken")
    tree.result("broken", logs=summary("Offline", "5000", valid="INVALID"))
    import_path(database, tree.root)
    with database.writing() as connection:
        r = schema.result.c
        power = {"power_value": 50.0, "power_unit": "watts"}
        connection.execute(sa.update(schema.result).where(r.system == "small", r.scenario == "Offline").values(**power))
    return database


def order(database: Database, wanted: Filter = RESNET, **kw: object) -> list[tuple[str, float]]:
    with database.reading() as connection:
        return [(p.view.system, p.score) for p in rank(connection, wanted, **kw).places]  # type: ignore[arg-type]


def test_the_official_metric_ranks_best_first(round_db: Database) -> None:
    assert order(round_db) == [("big", 900), ("odd", 300), ("small", 200)]
    latency = replace(RESNET, scenario=("SingleStream",))
    assert [s for s, _ in order(round_db, latency)] == ["small", "odd", "big"]


def test_per_chip_is_ours_and_says_so(round_db: Database) -> None:
    assert order(round_db, per=Per.CHIP) == [("small", 200), ("odd", 150), ("big", 112.5)]
    with round_db.reading() as connection:
        shown = plain(as_table(rank(connection, RESNET, per=Per.CHIP)))
    assert "per chip (derived by mlassay, not an official MLPerf metric)" in shown
    assert "note: left out: Acme broken (v0.5): INVALID" in shown


def test_per_watt_wants_an_official_measurement(round_db: Database) -> None:
    assert order(round_db, per=Per.WATT) == [("small", 4.0)]
    with round_db.reading() as connection:
        left_out = rank(connection, RESNET, per=Per.WATT).left_out
    assert sum("no official power measurement (TDP and nameplate values do not count)" in x for x in left_out) == 2


def test_per_currency_wants_the_users_prices(round_db: Database, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="prices are yours to give"):
        order(round_db, per=Per.CURRENCY)
    file = tmp_path / "prices.toml"
    file.write_text(
        'currency = "EUR"\n[[price]]\nsystem = "big"\namount = 9000\n'
        '[[price]]\naccelerator = "NVIDIA Tesla T4"\namount = 1000\n'
    )
    assert order(round_db, per=Per.CURRENCY, prices=read_prices(file)) == [
        ("small", 200.0),  # one chip at 1000
        ("odd", 150.0),
        ("big", 100.0),  # a system at 9000, named before its chips
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("currency = 5", "currency is 5; expected a currency"),
        ('currency = "EUR"', "price is None; expected at least one"),
        (
            'currency = "EUR"\n[[price]]\namount = -1\nsystem = "x"',
            r"price\[0\].amount is -1; expected a positive number",
        ),
        ('currency = "EUR"\n[[price]]\namount = 1', "both or neither of system and accelerator"),
        (
            'currency = "EUR"\n[[price]]\namount = 1\nsytem = "x"',
            "sytem is an unknown key; expected accelerator, amount",
        ),
        ("currency =", "is no TOML"),
    ],
)
def test_a_price_list_with_a_mistake(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(text)
    with pytest.raises(BadFile, match=message):
        read_prices(file)


def test_there_is_no_summary_score(round_db: Database) -> None:
    with pytest.raises(UsageError) as error:
        order(round_db, Filter(division=("closed",)))
    assert "2 different tasks and scenarios" in str(error.value)
    assert NO_SUMMARY in str(error.value)


def test_a_users_own_mean_is_labelled(round_db: Database) -> None:
    with round_db.reading() as connection:
        table = own_mean(
            connection,
            Filter(division=("closed",)),
            parse_weights("resnet Offline=3, resnet SingleStream=1"),
            Per.SYSTEM,
            None,
        )
    scores = {r[3]: round(float(r[1] or 0), 6) for r in table.rows}
    assert scores == {"big": round((1.0**3 * 0.125) ** 0.25, 6), "odd": round(((1 / 3) ** 3 * 0.5) ** 0.25, 6),
                      "small": round(((2 / 9) ** 3 * 1.0) ** 0.25, 6)}  # fmt: skip
    assert any("MLPerf has no summary score: this is yours" in n for n in table.notes)
    with pytest.raises(UsageError, match="weight 'resnet' cannot be read"):
        parse_weights("resnet")


def one(database: Database, **facets: tuple[str, ...]) -> ResultView:
    with database.reading() as connection:
        (row,) = results(connection, Filter(**facets))  # type: ignore[arg-type]
    return row


def test_a_published_result_is_cited_with_everything_that_must_be_there(round_db: Database) -> None:
    citation = cite(one(round_db, system=("small",), scenario=("Offline",)), "2026-11-22")
    assert citation.sentence == (
        "Acme submitted 200.00 samples/s (samples per second) on ResNet-50 Offline in MLPerf® Inference v0.5, closed "
        "division, with small, 1 × NVIDIA Tesla T4, TensorRT 6.0.[1]"
    )
    for part in (
        "MLPerf® v0.5 Inference Closed; ResNet-50 Offline.",
        "https://github.com/mlcommons/inference_results_v0.5, entry closed/Acme/results/small/resnet/Offline, 2026-11",
        "Result verified by MLCommons Association",
        "Power: 50.0 watts.",
        "trademarks of MLCommons Association",
    ):
        assert part in citation.footnote
    assert "does not say its commit" in citation.warnings[0]


def test_an_unverified_result_says_so_beside_its_number(round_db: Database) -> None:
    mine = replace(one(round_db, system=("small",), scenario=("Offline",)), published=False, verdict="INDICATIVE")
    citation = cite(mine, "2026-11-22")
    assert "measured 200.00 samples/s (samples per second) (unverified) on" in citation.sentence
    assert "Result not verified by MLCommons Association." in citation.footnote
    assert "Result verified" not in citation.footnote
    assert any("INDICATIVE: it may not be presented as an MLPerf result" in w for w in citation.warnings)


def test_a_result_without_a_number_is_not_given_one(round_db: Database) -> None:
    empty = replace(
        one(round_db, system=("small",), scenario=("Offline",)), value=None, state="absent", reason="no log"
    )
    assert "no number (no log)" in cite(empty, "2026-11-22").sentence
