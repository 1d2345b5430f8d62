"""The dashboard in a real Chromium: navigation, filters, links that restore state, charts, accessibility."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlassay.results.database import Database
from mlassay.web.site import write_site
from tests.web.browsers import Watched, chromium, watched
from tests.web.conftest import Served

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from chromium()


@pytest.fixture(scope="module")
def site(browser: Any, small: Database, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of the files of the small database."""
    return write_site(small, tmp_path_factory.mktemp("site") / "site").path.as_uri()


@pytest.fixture(scope="module")
def history_site(browser: Any, history: Database, tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_site(history, tmp_path_factory.mktemp("site") / "site").path.as_uri()


def test_navigation_with_the_mouse(browser: Any, server: Served) -> None:
    with watched(browser, server.address) as w:
        w.page.goto(server.address)
        for name in ("Results", "Tasks", "Submitters", "Rank", "Compare", "History", "Glossary", "Overview"):
            w.page.get_by_role("navigation", name="Pages").get_by_role("link", name=name, exact=True).click()
            assert w.page.locator("nav a[aria-current=page]").inner_text() == name
            assert w.page.locator("h1").count() == 1


def test_navigation_with_the_keyboard(browser: Any, server: Served) -> None:
    with watched(browser, server.address) as w:
        w.page.goto(server.address)
        w.page.keyboard.press("Tab")
        assert w.page.evaluate("document.activeElement.textContent") == "Skip to the content"
        w.page.keyboard.press("Enter")
        assert w.page.evaluate("document.activeElement.id") == "main"
        w.page.goto(f"{server.address}results")
        w.page.locator("summary", has_text="Scenario").focus()
        w.page.keyboard.press("Enter")
        w.page.keyboard.press("Tab")
        with w.page.expect_navigation():
            w.page.keyboard.press("Space")
        assert "scenario=" in w.page.url


def filter_and_restore(w: Watched, address: str) -> None:
    """Choose, sort, group, draw; then open the address anew and see the same."""
    w.page.goto(address)
    w.page.wait_for_function("window.mlassay")
    w.page.locator("summary", has_text="Scenario").click()
    w.page.locator("input[name=scenario][value=Offline]").check()
    w.page.wait_for_function("document.getElementById('count').textContent.startsWith('3 ')")
    assert w.rows() == 3
    w.page.get_by_role("link", name="System", exact=True).click()
    w.page.wait_for_url("**sort=system**")
    w.page.locator("#group").select_option("submitter")
    w.page.wait_for_url("**group=submitter**")
    assert w.page.locator("#rows tr.group:visible").count() == 2
    w.page.get_by_role("link", name="Scatter plot").click()
    w.page.wait_for_url("**view=chart**")
    w.page.locator("#x").select_option("p99")
    w.page.wait_for_url("**x=p99**")
    seen = (w.page.url, w.page.locator("#rows").inner_text(), w.charts())
    assert sum(map(sum, seen[2].values())) == 3
    w.page.goto("about:blank")
    w.page.goto(seen[0])
    w.page.wait_for_function("document.getElementById('count').textContent.startsWith('3 ')")
    assert (w.page.url, w.page.locator("#rows").inner_text(), w.charts()) == seen
    assert w.page.locator("#x").input_value() == "p99"
    assert w.page.locator("input[name=scenario][value=Offline]").is_checked()
    w.page.locator("#chosen a").click()
    w.page.wait_for_function("document.getElementById('count').textContent.startsWith('10 ')")
    assert w.rows() == 10


def test_filters_and_links_on_the_server(browser: Any, server: Served) -> None:
    with watched(browser, server.address, "about:") as w:
        filter_and_restore(w, f"{server.address}results")


def test_filters_and_links_among_files(browser: Any, site: str) -> None:
    with watched(browser, site, "about:") as w:
        filter_and_restore(w, f"{site}/results.html")


def test_rows_expand_and_compare(browser: Any, server: Served, site: str) -> None:
    for address, base in ((f"{server.address}results?published=no", server.address), (f"{site}/results.html", site)):
        with watched(browser, base) as w:
            w.page.goto(address)
            w.page.locator(".expand").first.click()
            assert w.page.locator("tr.more:visible").count() == 1
            assert w.page.locator("#compare").is_disabled()
            for at in (0, 1):
                w.page.locator(".pick").nth(at).check()
            w.page.locator("#compare").click()
            w.page.wait_for_url("**compare**")
            assert "Facts side by side" in w.page.content()
            assert w.page.locator("th[scope=col] a").count() == 2


def test_search_from_any_page_among_files(browser: Any, site: str) -> None:
    with watched(browser, site) as w:
        w.page.goto(f"{site}/index.html")
        w.page.locator("header input[type=search]").fill("ev<img")
        w.page.keyboard.press("Enter")
        w.page.wait_for_url("**search=**")
        assert w.page.locator("#count").inner_text() == "1 result"
        assert w.rows() == 1


def test_a_run_of_ones_own_is_drawn(browser: Any, server: Served, site: str) -> None:
    for start, base in ((f"{server.address}results?published=no", server.address), (f"{site}/results.html", site)):
        with watched(browser, base) as w:
            w.page.goto(start)
            w.page.locator("#rows tr", has_text="unverified").locator("td a").first.click()
            w.page.locator("a[href*='run/']").first.click()
            charts = w.charts()
            assert set(charts) == {"distribution", "throughput", "latency-over-time", "lateness"}
            assert charts["distribution"] == [80]
            assert len(charts["throughput"]) == 2


def test_submitted_names_are_text(browser: Any, server: Served, site: str) -> None:
    """No handler of a hostile name runs: a dialog would be a complaint."""
    for start, base in ((f"{server.address}submitters", server.address), (f"{site}/submitters.html", site)):
        with watched(browser, base) as w:
            w.page.goto(start)
            w.page.locator("main a", has_text="Ev<img").click()
            assert w.page.locator("h1").inner_text().startswith("Ev<img src=x")
            w.page.locator("main .plain-list a").first.click()
            assert "<svg onload=alert(2)>" in w.page.locator("h1").inner_text()
            assert w.page.locator("main img, main h1 svg").count() == 0


PAGES = ("", "results", "results?view=chart&scenario=Offline", "tasks", "submitters", "rank", "compare", "history",
         "glossary", "nothing-here")  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Any, server: Served, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    paths = [*PAGES]
    with watched(browser, server.address, scheme=scheme) as w:
        for start, kind in (("results", "result"), ("results", "system"), ("tasks", "task"),
                            ("submitters", "submitter"), ("rank", "rank")):  # fmt: skip
            w.page.goto(f"{server.address}{start}")
            paths.append(str(w.page.locator(f"a[href^='/{kind}/']").first.get_attribute("href")).lstrip("/"))
        w.page.goto(f"{server.address}results?published=no")
        w.page.locator("#rows td a").first.click()
        paths.append(str(w.page.locator("a[href^='/run/']").first.get_attribute("href")).lstrip("/"))
        found = []
        for path in paths:
            w.page.goto(f"{server.address}{path}")
            for violation in axe.run(w.page).response["violations"]:
                if violation["impact"] in ("serious", "critical"):
                    found.append((path, violation["id"], violation["nodes"][0]["html"][:200]))
        w.complaints[:] = [c for c in w.complaints if "404" not in c]  # the page that is not there
    assert found == []


@pytest.mark.parametrize("width", [320, 390, 768, 1280, 1920])
def test_nothing_is_wider_than_the_window(browser: Any, server: Served, width: int) -> None:
    with watched(browser, server.address, width=width) as w:
        for path in PAGES[:-1]:
            w.page.goto(f"{server.address}{path}")
            assert w.overflow() == 0, path


def test_dark_light_and_print(browser: Any, server: Served) -> None:
    with watched(browser, server.address) as w:
        w.page.goto(server.address)
        ground = "getComputedStyle(document.documentElement).backgroundColor"
        light = w.page.evaluate(ground)
        w.page.locator("#theme").click()
        dark = w.page.evaluate(ground)
        assert dark != light
        w.page.reload()
        assert w.page.evaluate(ground) == dark
        w.page.emulate_media(media="print")
        assert w.page.evaluate(ground) == "rgb(255, 255, 255)"
        assert not w.page.locator("header nav").is_visible()
        assert w.page.pdf().startswith(b"%PDF")


@pytest.mark.shared
def test_the_published_history_is_drawn(browser: Any, history_server: Served) -> None:
    base = history_server.address
    with watched(browser, base) as w:
        w.page.goto(base)
        assert {k: sum(v) for k, v in w.charts().items()} == {"spread-v0-5": 166}
        w.page.goto(f"{base}history")
        charts = w.charts()
        assert charts["chart-task-scenario"] == [5, 5, 5, 5]
        assert charts["chart-shares"] == [5]
        assert (charts["chart-growth"], charts["chart-same-chips"]) == ([5, 5], [4, 4])
        assert sum(charts["spread-v0-5"]) == 166
        w.page.goto(f"{base}results?round=v0.5&benchmark=resnet&scenario=Offline&division=closed&view=chart")
        assert sum(w.charts()["scatter-canvas"]) == 20
        w.page.goto(f"{base}task/training--resnet")
        assert "not comparable with the round before" in w.page.content()
        assert sum(w.charts()["rounds-training"]) == 29


@pytest.mark.shared
def test_the_site_of_the_published_history(browser: Any, history_site: str) -> None:
    """Interactive within a second: measured with the machine as it is, so the bound here is loose."""
    with watched(browser, history_site) as w:
        w.page.goto(f"{history_site}/index.html")
        ready = w.page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
        assert ready < 5000
        assert sum(w.charts()["spread-v0-5"]) == 166
        w.page.goto(f"{history_site}/results.html?round=v0.6&suite=training&sort=value")
        assert w.page.locator("#count").inner_text() == "63 results"
        assert w.rows() == 63
        w.page.locator("#clear").click()
        assert w.page.locator("#count").inner_text() == "705 results"
        assert w.rows() == 200
        w.page.locator("#show-more").click()
        assert w.rows() == 400


def test_no_javascript_no_matter(browser: Any, server: Served) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{server.address}results")
    page.locator("summary", has_text="Scenario").click()
    page.locator("input[name=scenario][value=Offline]").check()
    page.get_by_role("button", name="Apply").click()
    assert page.locator("#count").inner_text() == "3 results"
    context.close()


def test_files_open_without_a_complaint(browser: Any, site: str) -> None:
    folder = Path(site.removeprefix("file://"))
    with watched(browser, site) as w:
        for path in sorted(folder.rglob("*.html")):
            w.page.goto(path.as_uri())
            assert w.page.locator("h1").count() == 1, path
