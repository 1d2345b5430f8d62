"""The small parts: numbers, addresses, words, charts."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mlassay.web
from mlassay.core.errors import UnknownName
from mlassay.web import numbers
from mlassay.web.charts import Axis, Chart, Point, Series
from mlassay.web.links import Links
from mlassay.web.render import script_json
from mlassay.web.slugs import slug
from mlassay.web.texts import load_texts

WEB = Path(mlassay.web.__file__).parent


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (0.0, "0"),
        (1234567.8, "1,234,568"),
        (69307.0, "69,307"),
        (82.78783, "82.79"),
        (0.04932123, "0.04932"),
        (5.487, "5.487"),
        (1e-7, "1.000e-07"),
        (float("nan"), "–"),
        (12, "12"),
        (1024, "1,024"),
    ],
)
def test_numbers(value: float | None, shown: str) -> None:
    assert numbers.number(value) == shown


def test_numbers_with_units() -> None:
    assert numbers.duration(266_000) == "266.0 µs"
    assert numbers.duration(1_250_000) == "1.250 ms"
    assert numbers.duration(12) == "12 ns"
    assert numbers.duration(None) == "–"
    assert numbers.seconds(600) == "10.00 min"
    assert numbers.exact(1038510.0) == "1,038,510.0"
    assert numbers.exact(0.00123) == "0.00123"
    assert numbers.exact(59843.25) == "59,843.25"
    assert numbers.percent(0.0257) == "2.6 %"


@given(st.text(max_size=80), st.text(max_size=80))
def test_slugs_are_safe_and_tell_names_apart(a: str, b: str) -> None:
    assert re.fullmatch(r"[a-z0-9.-]+", slug(a))
    assert not slug(a).startswith(".")
    if a != b:
        assert slug(a) != slug(b)
    assert slug(a, b) != slug(b, a) or a == b


def test_slugs_of_parts() -> None:
    assert slug("inference", "resnet", "offline", "v0.5") == "inference--resnet--offline--v0.5"
    assert slug("a-b", "c") != slug("a", "b-c")
    assert slug("NVIDIA") != slug("nvidia") == "nvidia"


def test_addresses_on_a_server_and_among_files() -> None:
    served, file = Links("result/x"), Links("result/x", static=True)
    assert served("tasks") == "/tasks"
    assert file("tasks") == "../tasks.html"
    assert (served(""), file("")) == ("/", "../index.html")
    assert file.results(round=["v0.5", "v0.6"], submitter="A&B=?") == (
        "../results.html?round=v0.5&round=v0.6&submitter=A%26B%3D%3F"
    )
    assert Links("", static=True).file("static/style.css") == "static/style.css"


@given(st.recursive(st.text() | st.none() | st.floats(allow_nan=False, allow_infinity=False), st.lists))
def test_json_in_a_page_cannot_end_its_element(value: object) -> None:
    text = str(script_json(value))
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == value


def test_every_text_is_used_and_every_used_text_is_there() -> None:
    """Keys written out in templates, pages and scripts."""
    t = load_texts()
    sources = [p.read_text(encoding="utf-8") for p in WEB.rglob("*") if p.suffix in (".py", ".html")]
    scripts = [p.read_text(encoding="utf-8") for p in (WEB / "static").glob("*.js") if "min" not in p.name]
    written = {
        m for text in sources for m in re.findall(r"\bt(?:exts)?(?:\.many)?\(\s*[\"']([\w.-]+)[\"']\s*[,)]", text)
    }
    used = written - {"front.title"}  # an example in a docstring
    assert used - set(t.book) == set()
    used_in_scripts = {f"script.{m}" for text in scripts for m in re.findall(r"\btexts\.(\w+)", text)}
    assert used_in_scripts - set(t.book) == set()
    prefixes = ("nav.", "word.", "facet.", "axis.", "error.", "glossary.", "history.", "rank.per_", "result.state_",
                "front.column_", "task.about_", "results.axis_", "live.projection_", "live.wanted_")  # fmt: skip
    unused = set(t.book) - used - used_in_scripts
    every = "\n".join(sources)
    left = {
        k
        for k in unused
        if not k.removesuffix("_one").startswith(prefixes)
        and k.removesuffix("_one") not in used
        and f'"{k}"' not in every
    }
    assert left == set()


def test_another_language_falls_back_to_english(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "en.toml").write_text('[site]\nname = "English {n}"\nskip = "Skip"\n', encoding="utf-8")
    (tmp_path / "ko.toml").write_text('[site]\nname = "한국어 {n}"\n', encoding="utf-8")
    monkeypatch.setattr("mlassay.web.texts.files", lambda _: tmp_path)
    load_texts.cache_clear()
    try:
        t = load_texts("ko")
        assert (t("site.name", n=3), t("site.skip"), t.language) == ("한국어 3", "Skip", "ko")
        with pytest.raises(UnknownName, match="unknown language 'tlh'"):
            load_texts("tlh")
        with pytest.raises(KeyError, match=r"no text 'site\.none'"):
            t("site.none")
    finally:
        load_texts.cache_clear()


def test_a_chart_says_its_numbers_twice() -> None:
    chart = Chart(
        id="c",
        title="T",
        about="A.",
        x=Axis("round", ticks=("v0.5", "v0.6")),
        y=Axis("minutes", log=True),
        series=(Series("s", (Point(0, 6.24, "a"), Point(0.5, None), Point(1.16, 1.28, "b", "/x"))),),
    )
    assert chart.n_points == 3
    assert chart.rows() == [("s", "a", "v0.5", "6.240", ""), ("s", "b", "v0.6", "1.280", "/x")]
    assert json.loads(json.dumps(chart.data()))["series"][0]["points"][1] == [0.5, None, "", ""]


def test_the_charting_library_is_the_published_one_with_its_licence() -> None:
    text = files("mlassay.web").joinpath("static/chart.min.js").read_text(encoding="utf-8")
    notice = (WEB.parents[2] / "NOTICE").read_text(encoding="utf-8")
    assert text.startswith("/*!\n * Chart.js v4.6.1\n")
    assert "Chart.js 4.6.1" in notice
    assert "MIT" in notice
    assert "eval(" not in text
    assert "new Function" not in text
