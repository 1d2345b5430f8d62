"""The server: what it answers, what it refuses, that nothing submitted becomes HTML."""

from __future__ import annotations

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mlassay.core.errors import BadFile, MachineProblem, MissingDependency
from mlassay.results.database import Database, TooSlow, open_database
from mlassay.results.importer import import_path
from mlassay.results.schema import sa
from mlassay.web.guard import POLICY
from mlassay.web.serve import listening, make_server
from mlassay.web.server import Dashboard
from mlassay.web.texts import load_texts
from tests.results.runs import lognormal, write_run
from tests.web.conftest import HOSTILE_SUBMITTER, Served, fill


class Elements(HTMLParser):
    """Every element with its attributes, and the links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    @property
    def links(self) -> list[str]:
        return [a["href"] for tag, a in self.found if tag == "a" and a.get("href")]


def walk(server: Served, start: str = "/") -> dict[str, str]:
    """Every page that links lead to from the first, by address without its filters."""
    pages: dict[str, str] = {}
    todo = [start]
    while todo:
        target = todo.pop()
        if target.partition("?")[0] in pages:
            continue
        answer = server.ask(target)
        assert answer.status == 200, (target, answer.text[-600:])
        pages[target.partition("?")[0]] = answer.text
        if "html" in answer.headers["content-type"]:
            todo += [link for link in Elements(answer.text).links if link.startswith("/")]
    return pages


def test_every_page_that_links_lead_to_exists_and_carries_nothing_that_was_submitted_as_html(server: Served) -> None:
    pages = walk(server)
    kinds = {path.split("/")[1] for path in pages}
    wanted = {"", "results", "results.csv", "result", "run", "system", "submitter", "submitters", "task", "tasks"}
    assert kinds == wanted | {"rank", "compare", "history", "glossary"}
    for path, text in pages.items():
        if path == "/results.csv" or path.endswith(".json"):
            continue
        for tag, attributes in Elements(text).found:
            assert not any(name.startswith("on") for name in attributes), (path, tag, attributes)
            assert "style" not in attributes, (path, tag)
            if tag == "script":
                src = attributes.get("src")
                assert (src or "").startswith("/static/") or attributes.get("type") == "application/json", path
        assert "alert(3)</script>" not in text
        assert "<svg onload" not in text
        assert "<img" not in text
        assert not re.search(r"(?:src|href)=\"(?:https?:)?//", text), path
    assert any("Ev&lt;img src=x" in text for text in pages.values())


def test_security_headers_are_on_every_answer(server: Served) -> None:
    for target in ("/", "/nothing", "/static/style.css", "/results.csv", "/static/none.js"):
        headers = server.ask(target).headers
        assert headers["content-security-policy"] == POLICY
        assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
    assert "unsafe" not in POLICY


def test_another_sites_name_for_this_machine_is_turned_away(server: Served) -> None:
    assert server.ask("/", Host="evil.example").status == 421
    assert server.ask("/", Host=f"localhost:{server.port}").status == 200
    assert server.ask("/", Host=f"[::1]:{server.port}").status == 200


@pytest.mark.parametrize(
    "target",
    [
        "/static/../server.py",
        "/static/%2e%2e/server.py",
        "/static/..%2f..%2fcli%2fmain.py",
        "/../../etc/passwd",
        "/static//etc/passwd",
        "/result/../../x",
        "/result/0123456789ab",
        "/result/",
        "/rank/inference--resnet--offline--v0.5/euro",
        "/rank/x",
        "/run/0123456789ab/0",
        "/run/0123456789ab/%C2%B2",
        "/history/schema",
        "/system/x",
        "/nothing%00",
    ],
)
def test_what_does_not_exist_is_said_kindly(server: Served, target: str) -> None:
    answer = server.ask(target)
    assert answer.status == 404
    assert "There is no such page" in answer.text
    assert "root:" not in answer.text


def test_only_reading_is_possible(server: Served) -> None:
    assert server.ask("/", "HEAD").status == 200
    assert server.ask("/", "HEAD").text == ""
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        assert server.ask("/results", method).status == 405


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("round=v0.5&scenario=Offline", "3 results"),
        ("submitter=Acme&scenario=Offline&sort=-value", "2 results"),
        ("search=acme", "6 results"),
        ("published=no", "3 results"),
        ("round=nonsense", "0 results"),
        ("sort=DROP+TABLE&group=id&view=evil&page=-1&x=y&published=maybe&power=no", "10 results"),
        ("page=99999", "10 results"),
        ("page=%C2%B2", "10 results"),
        ("published=yes&published=no", "10 results"),
        ("submitter=Acme&scenario=Offline&system=one", "1 result"),
        ("search=%25", "0 results"),
        ("scenario=Offline&scenario=Server", "5 results"),
    ],
)
def test_filters_and_what_they_cannot_mean(server: Served, query: str, shown: str) -> None:
    answer = server.ask(f"/results?{query}")
    assert answer.status == 200
    assert f'role="status">{shown}<' in answer.text


def test_an_address_too_long_is_refused(server: Served) -> None:
    for target in ("/results?" + "a=b&" * 300, "/results?search=" + "x" * 9000, "/results.csv?" + "a=b&" * 300):
        answer = server.ask(target)
        assert answer.status == 414
        assert "The address is too long" in answer.text


def test_pages_name_the_unit_the_state_and_the_source(server: Served) -> None:
    text = server.ask("/results?published=no&scenario=SingleStream").text
    assert text.count("unverified") >= 3
    link = next(x for x in Elements(text).links if x.startswith("/result/"))
    page = server.ask(link).text
    for part in (
        "unverified",
        "How to cite it",
        "Where it comes from",
        "Runs behind it (1)",
        "not verified by MLCommons",
    ):
        assert part in page, part
    run = next(x for x in Elements(page).links if x.startswith("/run/"))
    page = server.ask(run).text
    for part in ("Distribution of latency", "Throughput over time", "Lateness of issue", "enough queries", "trace.npz"):
        assert part in page, part


def test_two_results_side_by_side(server: Served) -> None:
    text = server.ask("/results?published=no").text
    ids = [x.rpartition("/")[2] for x in Elements(text).links if x.startswith("/result/")]
    page = server.ask(f"/compare?id={ids[0]}&id={ids[1]}&id=000000000000").text
    assert "not in this database: 1" in page
    assert "bootstrap over 2,000 and 2,000 queries" in page
    text = server.ask("/results?submitter=Acme").text
    ids = [x.rpartition("/")[2] for x in Elements(text).links if x.startswith("/result/")]
    page = server.ask("/compare?" + "&".join(f"id={i}" for i in ids)).text
    assert "A and B have no task and scenario in common" in page


def test_the_download_is_no_formula(server: Served) -> None:
    text = server.ask("/results.csv?scenario=Offline").text
    lines = text.splitlines()
    assert lines[0].startswith("key,suite,round,division,")
    assert sum(",Offline," in line for line in lines) == 3


def test_one_result_for_programs(server: Served) -> None:
    text = server.ask("/results?submitter=Acme&scenario=Offline").text
    link = next(x for x in Elements(text).links if x.startswith("/result/"))
    answer = server.ask(f"{link}.json")
    assert answer.headers["content-type"] == "application/json"
    data = json.loads(answer.text)
    assert (data["result"]["value"], data["result"]["unit"], data["runs"][0]["role"]) == (
        100.0,
        "samples/s",
        "performance",
    )
    assert server.ask("/result/000000000000.json").status == 404
    assert server.ask("/result/..%2f..%2fx.json").status == 404


def test_files_are_sent_once(server: Served) -> None:
    first = server.ask("/static/charts.js")
    assert first.headers["content-type"].startswith("text/javascript")
    assert server.ask("/static/charts.js", If_None_Match=first.headers["etag"]).status == 304


def test_a_page_is_kept_until_the_database_changes(tmp_path: Path) -> None:
    database = open_database(tmp_path / "r.db")
    dashboard = Dashboard(database, load_texts())
    empty = dashboard.html("", "")
    assert "The database is empty" in empty
    assert dashboard.html("", "") is empty
    import_path(database, write_run(tmp_path / "run", lognormal(1, 200)))
    changed = dashboard.html("", "")
    assert "The database is empty" not in changed
    assert dashboard.html("", "") is changed
    for n in range(300):
        dashboard.html("results", f"search={n}")
    assert len(dashboard._kept) <= 256
    database.close()


def test_every_page_of_an_empty_database_says_what_to_do(tmp_path: Path) -> None:
    database = open_database(tmp_path / "r.db")
    dashboard = Dashboard(database, load_texts())
    for path in ("", "results", "tasks", "submitters", "rank", "compare", "history", "glossary", "history/shares"):
        assert "<h1>" in dashboard.html(path, "")
    assert "mlassay db import" in dashboard.html("", "")
    assert "mlassay db import" in dashboard.html("history", "")
    database.close()


def test_the_same_pages_from_postgresql(tmp_path: Path, postgres: str) -> None:
    database = open_database(postgres)
    try:
        fill(database, tmp_path)
        dashboard = Dashboard(database, load_texts())
        for path in ("", "results", "tasks", "submitters", "rank", "history"):
            assert "<h1>" in dashboard.html(path, "")
        assert HOSTILE_SUBMITTER not in dashboard.html("submitters", "")
        with pytest.raises(TooSlow), database.reading(seconds=0.05) as connection:
            connection.exec_driver_sql("SELECT pg_sleep(2)")
    finally:
        database.close()


def test_a_question_that_takes_too_long_is_stopped(small: Database) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n"
    with (
        pytest.raises(TooSlow, match=r"took longer than 0\.05 s"),
        small.reading(seconds=0.05) as connection,
    ):
        connection.execute(sa.text(endless))
    with small.reading(seconds=5) as connection:
        assert connection.execute(sa.text("SELECT 1")).scalar_one() == 1


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_a_missing_library_is_named_with_its_extra(
    small: Database, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingDependency, match=rf"{missing}.*\n.*pip install 'mlassay\[web\]'"):
        make_server(small)


def test_a_taken_port_is_named() -> None:
    with listening(0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(MachineProblem, match=rf"port {port} of 127\.0\.0\.1: address already in use\n  next: give"):
            listening(port)


def test_a_database_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    database = open_database(tmp_path / "r.db")
    with database.writing() as connection:
        connection.exec_driver_sql("INSERT INTO schema_version VALUES (99, 'x', 'y')")
    database.close()
    with pytest.raises(BadFile, match="of schema version 99"):
        open_database(tmp_path / "r.db", create=False)
