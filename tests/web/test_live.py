"""The page of runs in progress, and its stream of events."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any

import pytest

from mlassay.results.database import Database
from mlassay.web.live import MAX_LISTENERS
from tests.results.test_live import MS, Rows, running
from tests.web.browsers import chromium, watched
from tests.web.conftest import Served, serve


def events(port: int) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/live/events")
    return connection, connection.getresponse()


def next_event(response: http.client.HTTPResponse) -> Any:
    line = response.readline()
    while not line.startswith(b"data: "):
        line = response.readline()
    return json.loads(line[6:])


def test_the_stream_tells_of_new_answers(small: Database, tmp_path: Path) -> None:
    run = running(tmp_path / "<b>one")
    run.spool(Rows(0, 500, 5 * MS))
    for served in serve(small, tmp_path):
        page = served.ask("/live").text
        assert "&lt;b&gt;one<" in page
        assert "on course" in page
        assert "Projection, not a verdict" in page
        assert ">Live</a>" in served.ask("/").text
        connection, response = events(served.port)
        assert response.headers["Content-Type"].startswith("text/event-stream")
        (first,) = next_event(response)
        assert (first["name"], first["projection"]) == ("<b>one", "on_course")
        run.spool(Rows(500, 500, 50 * MS))
        (second,) = next_event(response)
        assert second["projection"] == "failing"
        run.fail("stopped")
        assert next_event(response) == []
        connection.close()


def test_listeners_are_bounded(small: Database, tmp_path: Path) -> None:
    for served in serve(small, tmp_path):
        held = [events(served.port) for _ in range(MAX_LISTENERS)]
        for _, response in held:
            assert next_event(response) == []
        connection, response = events(served.port)
        assert response.status == 503
        for c, _ in [*held, (connection, response)]:
            c.close()


def test_without_a_folder_there_is_no_such_page(server: Served) -> None:
    assert server.ask("/live").status == 404
    assert server.ask("/live/events").status == 404
    assert ">Live</a>" not in server.ask("/").text


@pytest.mark.browser
def test_the_page_keeps_itself_up_to_date(small: Database, tmp_path: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    run = running(tmp_path / "one")
    run.spool(Rows(0, 500, 5 * MS))
    for browser in chromium():
        for served in serve(small, tmp_path):
            with watched(browser, served.address) as w:
                w.page.goto(f"{served.address}live")
                assert "on course" in w.page.locator(".says").inner_text()
                run.spool(Rows(500, 500, 50 * MS))
                w.page.locator(".says", has_text="INVALID").wait_for(timeout=10_000)
                serious = [v for v in axe.run(w.page).response["violations"] if v["impact"] in ("serious", "critical")]
                assert serious == []
                run.fail("stopped")
                w.page.locator("#idle").wait_for(state="visible", timeout=10_000)
                w.page.goto("about:blank")
                w.requests[:] = [r for r in w.requests if not r.startswith("about:")]
