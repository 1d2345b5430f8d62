"""The reference page is generated from the checks and up to date; each check explains itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlassay.core.errors import UnknownName
from mlassay.submission.check import FAMILIES, Scope, Severity, all_checks, check, clean
from mlassay.submission.reference import explain_check, reference_page

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "checks.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference_page(), "run scripts/checks_page.py"


def test_every_check_is_complete() -> None:
    for id, known in all_checks().items():
        assert known.family in FAMILIES, id
        assert len(known.reason) > 40, id
        assert known.example.startswith("found "), id
        assert known.title, id


def test_explain() -> None:
    text = explain_check("perf008")
    assert text.startswith("PERF008  seed is not the round's\n")
    assert "official  log from v0.5, reject from v3.1" in text
    assert json.loads(explain_check("ACC004", as_json=True))["severity"] == "error"
    assert "error (open division: note)" in explain_check("ACC004")
    assert "no official tool looks" in explain_check("LOG007")


def test_an_unknown_check_has_neighbours() -> None:
    with pytest.raises(UnknownName, match="did you mean PERF"):
        explain_check("PERF00")


def test_a_check_without_words_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a docstring and an id of its own"):

        @check("PERF001", Scope.RUN, "twice", example="found x", severity=Severity.NOTE)
        def twice(_run: object) -> None:
            """Something."""


def test_clean_text() -> None:
    assert clean("a\x1b[31mb\nc") == "a\\x1b[31mb\\x0ac"
    assert clean("x" * 600) == "x" * 499 + "…"
    assert clean("\udcff") == "\\udcff"
