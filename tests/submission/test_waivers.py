"""Waivers are data: they cover what they name, show their reason, and complain when they cover nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlassay.core.errors import BadFile
from mlassay.submission.checker import check
from mlassay.submission.waivers import Waiver, read_waivers
from tests.submission.maker import make

FILE = """
[[waiver]]
id = "PERF004"
scope = "closed/ACME/results/**"
reason = "agreed in review"
"""


def test_a_waived_error_does_not_reject(tmp_path: Path) -> None:
    (tmp_path / "w.toml").write_text(FILE)
    waivers = read_waivers(tmp_path / "w.toml")
    made = make("v5.1")
    made.log("Offline")["result_validity"] = "INVALID"
    report = check(made.tree(), waivers=waivers)
    assert (report.verdict, report.n_waived) == ("pass", 1)
    assert [(f.id, f.waived) for f in report.findings] == [("PERF004", "agreed in review")]
    assert all(r.accepted for r in report.results)


def test_an_unused_waiver_is_reported() -> None:
    report = check(make("v5.1").tree(), waivers=[Waiver("PERF004", "closed/OTHER/**", "old")])
    assert report.verdict == "pass"
    assert [(f.id, f.where, f.found) for f in report.findings] == [
        ("WAIV001", "closed/OTHER/**", "a waiver of PERF004 that covers no finding")
    ]


@pytest.mark.parametrize(
    ("scope", "path", "covers"),
    [
        ("**", "a/b", True),
        ("a/*/c", "a/b/c", True),
        ("a/*/c", "a/b/x/c", False),
        ("a/**/c", "a/c", True),
        ("a/**/c", "a/b/x/c", True),
        ("a/b?", "a/b1", True),
        ("a.b", "axb", False),
    ],
)
def test_scopes(scope: str, path: str, covers: bool) -> None:
    from mlassay.submission.check import Finding, Severity

    found = Finding("X1", Severity.ERROR, path, "", "")
    assert Waiver("X*", scope, "r").covers(found) is covers


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[waiver]]\nid = 'X'\nscope = '*'\n", "waiver 1: reason is None; expected a non-empty text"),
        ("[[waiver]]\nid = 1\nscope = '*'\nreason = 'x'\n", "waiver 1: id is 1; expected a non-empty text"),
        ("[[waiver]]\nid='X'\nscope='*'\nreason='x'\nuntil='2027'\n", "waiver 1: until is an unknown key"),
        ("waiver = 3\n", "is keys 'waiver'; expected only [[waiver]] entries"),
        ("[[waiver]\n", "is not TOML"),
        ("[[waver]]\nid='X'\n", "is keys 'waver'"),
    ],
)
def test_a_bad_file_is_named(text: str, message: str, tmp_path: Path) -> None:
    place = tmp_path / "w.toml"
    place.write_text(text)
    with pytest.raises(BadFile) as caught:
        read_waivers(place)
    assert message in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"absent; expected a TOML file"):
        read_waivers(tmp_path / "none.toml")
