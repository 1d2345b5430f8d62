"""The generated page is current, complete, and the how-to's Python runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mlassay.rules.reader import load_round, rounds
from mlassay.rules.reference import markdown_table, reference_page
from mlassay.rules.training import load_training_round

DOCS = Path(__file__).parents[2] / "docs"
HOW_TO = (DOCS / "how-to" / "rules.md").read_text(encoding="utf-8")


def test_the_page_is_current() -> None:
    page = (DOCS / "reference" / "rounds.md").read_text(encoding="utf-8")
    assert page == reference_page(), "run scripts/rounds_page.py"


def test_every_benchmark_of_every_round_has_a_row() -> None:
    sections = re.split(r"^### ", reference_page(), flags=re.MULTILINE)
    by_title = {s.splitlines()[0]: s for s in sections[1:]}
    for name in rounds("inference"):
        assert all(f"| `{b}` |" in by_title[f"Inference {name}"] for b in load_round(name).benchmarks)
    for name in rounds("training"):
        assert all(f"| `{b}` |" in by_title[f"Training {name}"] for b in load_training_round(name).benchmarks)


def test_bars_in_cells_are_escaped() -> None:
    assert markdown_table(("a",), [("x|y",)]) == "| a |\n|---|\n| x\\|y |"


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", HOW_TO, re.DOTALL))
def test_the_python_of_the_how_to_runs(code: str) -> None:
    exec(compile(code, "rules.md", "exec"), {})


def test_the_round_file_of_the_how_to_is_good(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", HOW_TO, re.DOTALL)
    path = tmp_path / "house.toml"
    path.write_text(text, encoding="utf-8")
    assert load_round(path).name == "house"
