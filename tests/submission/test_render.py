"""Every rendering of a report can be read by what it is made for."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from mlassay.submission.checker import check
from mlassay.submission.render import CSV_COLUMNS, RENDERERS, as_csv, as_document, as_html, as_junit, as_sarif, as_text
from mlassay.submission.report import Report
from mlassay.submission.waivers import Waiver
from tests.submission.maker import add_power, make
from tests.submission.mutations import MUTATIONS


@pytest.fixture
def report() -> Report:
    made = make("v5.1")
    made.log("Offline")["result_validity"] = "INVALID"
    made.system_json["cooling"] = ""
    made.files[f"{made.base}/documentation/a<b>&\"c'.md"] = b"x"
    made.files[f"{made.base}/documentation/my notes.md"] = b"x"
    waivers = [Waiver("SYS*", "closed/ACME/**", "agreed")]
    return check(made.tree(), waivers=waivers)


def test_the_json_document(report: Report) -> None:
    document = as_document(report)
    assert list(document)[:3] == ["suite", "round", "verdict"]
    assert (document["suite"], document["round"], document["verdict"]) == ("inference", "v5.1", "fail")
    assert document["counts"] == {
        "results": 3,
        "files": report.n_files,
        "errors": 2,
        "warnings": 0,
        "notes": 0,
        "waived": 1,
    }
    result = document["results"][1]
    assert result == {
        "division": "closed",
        "submitter": "ACME",
        "system": "box",
        "benchmark": "resnet",
        "scenario": "Offline",
        "metric": "samples per second",
        "value": 37.2364,
        "unit": "samples/s",
        "accuracy": {"acc": 75.6954},
        "valid": False,
        "inferred": False,
        "power": None,
        "accepted": False,
        "model": "resnet",
        "path": "closed/ACME/results/box/resnet/Offline",
    }
    by_id = {f["id"]: f for f in document["findings"]}
    assert set(by_id["PERF004"]) == {"id", "severity", "where", "found", "expected", "clause", "hint"}
    assert by_id["SYS004"]["waived"] == "agreed"
    json.loads(RENDERERS["json"](report))


def test_sarif(report: Report) -> None:
    data = json.loads(as_sarif(report))
    run = data["runs"][0]
    assert data["version"] == "2.1.0"
    ids = [r["id"] for r in run["tool"]["driver"]["rules"]]
    for result in run["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        assert " " not in result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert sum("suppressions" in r for r in run["results"]) == 1


def test_junit(report: Report) -> None:
    root = ElementTree.fromstring(as_junit(report))
    cases = root.findall(".//testcase")
    assert {c.get("name") for c in cases} >= {
        f"closed/ACME/results/box/resnet/{s}" for s in ("Offline", "SingleStream")
    }
    failures = root.findall(".//failure")
    assert sorted(f.get("type", "") for f in failures) == ["PERF004", "TREE009"]
    assert root.get("failures") == "2"


def test_csv_holds_accepted_results_and_survives_quotes() -> None:
    made = make("v5.1")
    made.system_json["system_name"] = 'The "big", box'
    made.system_json["hw_notes"] = "=HYPERLINK(1)"
    add_power(made)
    made.log("SingleStream")["result_validity"] = "INVALID"
    rows = list(csv.DictReader(io.StringIO(as_csv(check(made.tree())))))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert [(r["Scenario"], r["Units"], r["has_power"]) for r in rows] == [
        ("MultiStream", "ms", "False"),
        ("Offline", "samples/s", "True"),
        ("Offline", "watts", "True"),
    ]
    assert {r["SystemName"] for r in rows} == {'The "big", box'}
    assert {r["notes"] for r in rows} == {"'=HYPERLINK(1)"}
    assert float(rows[1]["Result"]) == 37.2364


class _Balanced(HTMLParser):
    tags: list[str]

    def __init__(self) -> None:
        super().__init__()
        self.tags = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)


def test_html_escapes_what_strangers_wrote(report: Report) -> None:
    made = make("v5.1", submitter="ACME")
    made.system_json["status"] = "<script>alert(1)</script>"
    page = as_html(check(made.tree()))
    assert "<script>" not in page
    parser = _Balanced()
    parser.feed(page)
    assert "table" in parser.tags
    assert "script" not in parser.tags


def test_text_groups_and_sums_up(report: Report) -> None:
    text = as_text(report)
    assert "PERF004  run is INVALID (1)" in text
    assert "        found    result_validity INVALID" in text
    assert "        waived   agreed" in text
    assert (
        text.rstrip().splitlines()[-1].startswith("FAIL: inference v5.1, 3 results (1 rejected), 2 errors, 0 warnings")
    )


def test_long_lists_are_cut_in_text_only() -> None:
    made = make("v5.1")
    for n in range(30):
        made.files[f"{made.base}/documentation/a b{n}.md"] = b"x"
    report = check(made.tree())
    assert "... and 18 more (--json lists all)" in as_text(report)
    assert len(as_document(report)["findings"]) == 30


def test_a_pass_says_so() -> None:
    report = check(make("v6.0").tree())
    assert as_text(report).startswith("PASS: inference v6.0, 3 results (0 rejected), 0 errors, 0 warnings; ")


@pytest.mark.parametrize("name", sorted(MUTATIONS)[::9])
def test_every_form_of_every_kind_of_finding(name: str) -> None:
    report = check(MUTATIONS[name].tree())
    for render in RENDERERS.values():
        assert render(report).endswith("\n")
