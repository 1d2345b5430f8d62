"""Comparisons: ratios and their certainty, what differs, what the rules say, and the gate."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
from click.testing import CliRunner

from mlassay.cli.compare import compare as command
from mlassay.core.errors import UnknownName, UsageError
from mlassay.results.compare import Comparison, compare
from mlassay.results.compare_render import junit, markdown, text
from mlassay.results.database import Database
from mlassay.results.gate import GateVerdict, judge, parse_condition
from mlassay.results.importer import import_path
from mlassay.results.sides import load_side, parse_selection
from tests.results.runs import lognormal, write_run
from tests.results.trees import InferenceTree, summary


def no_database() -> Database:
    raise AssertionError("paths need no database")


def compared(a: Path, b: Path, *conditions: str, confidence: float = 95.0) -> Comparison:
    wanted = [parse_condition(c) for c in conditions]
    return compare(
        load_side(str(a), no_database), load_side(str(b), no_database), confidence=confidence, fail_on=wanted
    )


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Five runs before, five after a change that made everything 20 % slower, and five of the same as before."""
    for n in range(5):
        write_run(tmp_path / "before" / f"r{n}", lognormal(n))
        write_run(tmp_path / "same" / f"r{n}", lognormal(50 + n))
        write_run(tmp_path / "slower" / f"r{n}", lognormal(100 + n, middle_ns=1.2e6))
    return tmp_path


def test_repeated_runs_are_compared_with_an_exact_test(runs: Path) -> None:
    (cell,) = compared(runs / "before", runs / "slower").cells
    by_name = {m.metric: m for m in cell.measured}
    p90 = by_name["p90"]
    assert p90.method == "exact rank test, 5 and 5 runs, p = 0.00794"
    assert p90.sure is True
    assert p90.low is not None
    assert p90.low > 1.1
    assert p90.better is False
    (same,) = compared(runs / "before", runs / "same").cells
    assert [m.sure for m in same.measured if m.metric == "p90"] == [False]


def test_two_single_runs_are_compared_query_by_query(runs: Path) -> None:
    (cell,) = compared(runs / "before" / "r0", runs / "slower" / "r0").cells
    by_name = {m.metric: m for m in cell.measured}
    assert by_name["p99"].method == "bootstrap over 5,000 and 5,000 queries of one run each"
    assert by_name["value"].low is not None  # SingleStream's value is a percentile too
    assert by_name["value"].low > 1.1
    assert by_name["mean"].low is None or by_name["mean"].method == "one number each: no interval can be given"


def test_a_gate_fails_only_for_what_noise_cannot_explain(runs: Path) -> None:
    slower = compared(runs / "before", runs / "slower", "p90>3%")
    assert [g.verdict for g in slower.gate] == [GateVerdict.FAIL]
    assert slower.failed()
    same = compared(runs / "before", runs / "same", "p90>-50%")
    assert [g.verdict for g in same.gate] == [GateVerdict.UNSURE]
    assert not same.failed()
    assert same.failed(strict=True)
    assert not compared(runs / "slower", runs / "before", "p90>3%").failed()
    assert compared(runs / "before", runs / "slower", "p90>1.1ms").failed()
    assert not compared(runs / "before", runs / "slower", "p90>2ms").failed()


@pytest.mark.parametrize(
    ("condition", "change", "fails"),
    [("p99>3%", 3.0001, True), ("p99>3%", 2.9999, False), ("value<-5%", -6, True), ("value<-5%", 6, False),
     ("p99>=3%", 3.0001, True), ("mean<=-1%", -1.0001, True)],
)  # fmt: skip
def test_the_border_of_a_condition(condition: str, change: float, fails: bool) -> None:
    found = judge(parse_condition(condition), "x", ratio=1 + change / 100, interval=None, sure=None, b=1)
    assert (found.verdict is GateVerdict.FAIL) == fails
    assert ("the noise is not known" in found.sentence) == fails


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("p99", "--fail-on 'p99' cannot be read"),
        ("speed>3%", "--fail-on 'speed>3%' cannot be read"),
        ("value>3ms", "--fail-on 'value>3ms': value has no unit 'ms'"),
        ("p99>3parsec", "--fail-on 'p99>3parsec'"),
    ],
)
def test_a_condition_that_cannot_be_read(bad: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_condition(bad)
    assert message in str(error.value)


def test_a_condition_with_nothing_to_hold_it_against(runs: Path) -> None:
    with pytest.raises(UsageError, match="'accuracy<-1%': nothing to hold it against"):
        compared(runs / "before", runs / "same", "accuracy<-1%")


def test_sides_without_anything_in_common(tmp_path: Path) -> None:
    write_run(tmp_path / "a", lognormal(1), task="one")
    write_run(tmp_path / "b", lognormal(1), task="two")
    with pytest.raises(UsageError, match="A and B have no task and scenario in common"):
        compared(tmp_path / "a", tmp_path / "b")


@pytest.fixture
def published(database: Database, tmp_path: Path) -> Database:
    tree = InferenceTree(tmp_path)
    for system, value, count in (("one", "100", 4), ("two", "250", 8)):
        tree.system(system, accelerators_per_node=count)
        tree.result(system, logs=summary("Offline", value))
    tree.system("free", division="open")
    tree.result("free", division="open", logs=summary("Offline", "900"))
    tree.system("bad")
    tree.result("bad", logs=summary("Offline", "700", valid="INVALID"))
    import_path(database, tree.root)
    return database


def pair(database: Database, a: str, b: str) -> Comparison:
    return compare(load_side(a, lambda: database), load_side(b, lambda: database))


def test_published_numbers_have_no_interval_and_all_differences_are_told(published: Database) -> None:
    (cell,) = pair(published, "system=one", "system=two").cells
    value = cell.measured[0]
    assert (value.ratio, value.low, value.method) == (2.5, None, "one number each: no interval can be given")
    assert [(d.what, d.a, d.b) for d in cell.differs] == [("system", "one", "two"), ("chips", "4", "8")]
    assert cell.ruling.allowed is True
    assert cell.ruling.reasons == ("same round, division, task and scenario (v0.5)",)


@pytest.mark.parametrize(
    ("b", "reason"),
    [("system=free", "closed and open division: only results of one division compare"), ("system=bad", "B is INVALID")],
)
def test_comparisons_that_the_rules_forbid(published: Database, b: str, reason: str) -> None:
    (cell,) = pair(published, "system=one", b).cells
    assert cell.ruling.allowed is False
    assert any(reason in r for r in cell.ruling.reasons)


def test_rounds_are_held_against_the_compatibility_table(published: Database, tmp_path: Path) -> None:
    write_run(tmp_path / "mine", lognormal(1), task="resnet", round_name="v0.5")
    import_path(published, tmp_path / "mine")
    from mlassay.results.comparable import ruling
    from mlassay.results.queries import results

    with published.reading() as connection:
        rows = {r.system: r for r in results(connection)}
    from dataclasses import replace

    one = rows["one"]
    later = replace(one, round="v0.7")
    assert ruling(one, later).allowed is True
    assert "ResNet-50 v1.5 is comparable" in ruling(one, later).reasons[0]
    streams = replace(one, scenario="MultiStream"), replace(one, scenario="MultiStream", round="v2.0")
    assert ruling(*streams).allowed is False
    assert ruling(one, replace(one, round="none")).allowed is None
    training = replace(one, suite="training", scenario=""), replace(one, suite="training", scenario="", round="v0.6")
    assert ruling(*training).allowed is False
    power = replace(one, power_value=100.0, power_unit="watts")
    assert any("power" in r for r in ruling(one, power).reasons)
    unverified = replace(one, published=False)
    assert any("unverified" in c for c in ruling(one, unverified).cautions)


def test_sets_of_systems_match_by_name_or_by_their_best(published: Database) -> None:
    both = pair(published, "division=closed,system=one|two", "division=closed,system=one|two")
    assert [c.name for c in both.cells] == ["ResNet-50 Offline · Acme one", "ResNet-50 Offline · Acme two"]
    (best,) = pair(published, "system=one|two", "system=free|bad").cells
    assert best.note == "no system stands on both sides: the best of 2 against the best of 2"
    assert best.measured[0].ratio == 900 / 250


def test_selections(published: Database) -> None:
    assert parse_selection("task=resnet50,round=v0.5").benchmark == ("resnet",)
    with pytest.raises(UnknownName, match="unknown column 'colour'"):
        parse_selection("colour=red")
    with pytest.raises(UsageError, match="no result fits 'system=three'"):
        load_side("system=three", lambda: published)


def test_what_people_and_machines_are_shown(runs: Path) -> None:
    found = compared(runs / "before", runs / "slower", "p90>3%", "p50<-50%")
    assert "FAIL  toy SingleStream: p90 changed by +" in text(found)
    page = markdown(found)
    assert "- ❌ **toy SingleStream**" in page
    assert "| toy SingleStream | p99 |" in page
    suite = Xml.fromstring(junit(found))
    assert suite.attrib["tests"] == "2"
    assert suite.attrib["failures"] == "1"
    assert [c.attrib["name"] for c in suite] == ["p90>3%", "p50<-50%"]
    assert suite[0].find("failure") is not None


def test_the_command_is_a_gate(runs: Path, tmp_path: Path) -> None:
    before, slower = str(runs / "before"), str(runs / "slower")
    runner = CliRunner()
    files = ["--markdown", str(tmp_path / "s.md"), "--junit", str(tmp_path / "j.xml")]
    failed = runner.invoke(command, [before, slower, "--fail-on", "p90>3%", *files], standalone_mode=False)
    assert failed.return_value == 1
    assert (tmp_path / "s.md").read_text().startswith("## Comparison")
    assert "<testsuite" in (tmp_path / "j.xml").read_text()
    passed = runner.invoke(command, [slower, before, "--fail-on", "p90>3%", "--json"], standalone_mode=False)
    assert passed.return_value == 0
    assert '"verdict": "pass"' in passed.output
