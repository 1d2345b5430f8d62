"""The documentation is true: its commands run, its links lead somewhere, it names everything there is."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlassay.backends import backend_registry
from mlassay.cli.main import COMMANDS
from mlassay.core.trace import FaultKind
from mlassay.rules.reader import rounds
from mlassay.tasks import task_registry
from mlassay.training.catalogue import BENCHMARKS
from tests.doc_pages import ROOT, Block, Command, absent, agree, blocks, commands, complaints, pages, run, run_block
from tests.test_layers import MAY_IMPORT

PAGES = {str(page.relative_to(ROOT)): page for page in pages()}
RUNNABLE = ("console", "python")


def runnable(page: Path) -> list[Block]:
    return [block for block in blocks(page) if block.kind in RUNNABLE]


def _names(*, slow: bool) -> list[str]:
    return [name for name, page in PAGES.items() if any(block.slow or not slow for block in runnable(page))]


@pytest.fixture(scope="session")
def my_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short complete run, for pages that look at one."""
    folder = tmp_path_factory.mktemp("my-run")
    done = run(
        "mlassay run image-classification --scenario single-stream --backend null --duration 100ms --queries 200"
        " --trace --out my-run",
        folder,
    )
    assert done.returncode == 0, done.stderr
    return folder / "my-run"


def run_page(page: Path, folder: Path, my_run: Path, *, slow: bool) -> None:
    shutil.copytree(my_run, folder / "my-run")
    for block in runnable(page):
        if (block.slow and not slow) or absent(block):
            continue
        if wrong := run_block(block, folder):
            pytest.fail("\n".join(wrong), pytrace=False)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", _names(slow=False))
def test_commands_and_code_of_a_page_run(name: str, tmp_path: Path, my_run: Path) -> None:
    run_page(PAGES[name], tmp_path, my_run, slow=False)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", _names(slow=True))
def test_slow_commands_of_a_page_run(name: str, tmp_path: Path, my_run: Path) -> None:
    run_page(PAGES[name], tmp_path, my_run, slow=True)


# ---- the pages name what there is ------------------------------------------------------------------------------------


GENERATED = ("docs/reference/cli.md",)
"""Pages that name everything by themselves: being there alone is not being explained."""


def _all_text() -> str:
    return "\n".join(page.read_text(encoding="utf-8") for name, page in PAGES.items() if name not in GENERATED)


@pytest.mark.parametrize("verb", list(COMMANDS))
def test_every_verb_is_in_the_docs(verb: str) -> None:
    assert re.search(rf"\bmlassay {re.escape(verb)}\b", _all_text()), f"no page tells about `mlassay {verb}`"


@pytest.mark.parametrize("kind", ["tasks", "backends", "training benchmarks"])
def test_everything_registered_is_in_the_docs(kind: str) -> None:
    registry = {"tasks": task_registry, "backends": backend_registry, "training benchmarks": BENCHMARKS}[kind]
    text = _all_text()
    missing = [name for name in registry.names() if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)]
    assert missing == [], f"no page tells about these {kind}"


def test_every_round_is_in_the_docs() -> None:
    text = (ROOT / "docs/reference/rounds.md").read_text(encoding="utf-8")
    assert [name for name in rounds() if f"{name}" not in text] == []


def test_the_command_line_page_is_up_to_date() -> None:
    done = run([sys.executable, str(ROOT / "scripts/generate_cli_reference.py"), "--check"], ROOT)
    assert done.returncode == 0, f"run scripts/generate_cli_reference.py {done.stderr}"


def test_every_kind_of_fault_has_its_paragraph() -> None:
    text = (ROOT / "docs/reference/faults.md").read_text(encoding="utf-8")
    kinds = [value for name, value in vars(FaultKind).items() if name.isupper()]
    assert len(kinds) > 8
    assert [kind for kind in kinds if f"\n## {kind}\n" not in text] == []


def test_the_table_of_rooms_is_the_one_under_test() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \|", text, re.MULTILINE)
    told = {room: set(re.findall(r"`(\w+)`", names)) for room, names in rows}
    assert told == MAY_IMPORT


# ---- links and hygiene -----------------------------------------------------------------------------------------------

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def _anchors(page: Path) -> set[str]:
    """The anchors that headings get: lower case, blanks to dashes, punctuation dropped."""
    heads = re.findall(r"^#+ +(.+?) *$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def broken_links(page: Path) -> list[str]:
    wrong = []
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        place = page if not name else (page.parent / name).resolve()
        if not place.exists() or (anchor and place.suffix == ".md" and anchor not in _anchors(place)):
            wrong.append(target)
    return wrong


@pytest.mark.parametrize("name", list(PAGES))
def test_links_lead_somewhere(name: str) -> None:
    assert broken_links(PAGES[name]) == []


def test_every_page_can_be_reached_from_the_index() -> None:
    reached, waiting = set(), [ROOT / "docs/index.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        targets = [target.partition("#")[0] for target in LINK.findall(page.read_text(encoding="utf-8"))]
        waiting += [(page.parent / target).resolve() for target in targets if target and ":" not in target]
    assert [name for name, page in PAGES.items() if page not in reached and name != "README.md"] == []


@pytest.mark.parametrize("name", list(PAGES))
def test_no_page_knows_a_machine(name: str) -> None:
    text = PAGES[name].read_text(encoding="utf-8")
    found = re.findall(r"(?:/home/\w+|/Users/\w+|/work/\S+|/opt/venv\S*|/root/\S+)", text)
    assert found == []


# ---- these tests can fail --------------------------------------------------------------------------------------------


def _page(folder: Path, text: str) -> Path:
    path = folder / "page.md"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_command_that_fails_is_seen(tmp_path: Path) -> None:
    (block,) = blocks(_page(tmp_path, "```console\n$ true\n$ exit 3\n```\n"))
    (wrong,) = run_block(block, tmp_path)
    assert "page.md:1: $ exit 3\nended with 3, expected 0" in wrong


def test_an_expected_exit_code_is_expected(tmp_path: Path) -> None:
    (block,) = blocks(_page(tmp_path, "```console\n$ exit 3   # exit code 3\n$ true # exit code 0 or 1\n```\n"))
    assert run_block(block, tmp_path) == []
    (block,) = blocks(_page(tmp_path, "```console\n$ true   # exit code 3\n```\n"))
    assert "ended with 0, expected 3" in run_block(block, tmp_path)[0]


def test_a_wrong_line_of_output_is_seen(tmp_path: Path) -> None:
    (block,) = blocks(_page(tmp_path, "```console\n$ echo VALID\nINVALID\n```\n"))
    assert "the page shows:\nINVALID\nit printed:\nVALID" in run_block(block, tmp_path)[0]


def test_code_that_fails_is_seen(tmp_path: Path) -> None:
    (block,) = blocks(_page(tmp_path, "```python\nassert 1 == 2\n```\n"))
    assert "AssertionError" in run_block(block, tmp_path)[0]


@pytest.mark.parametrize(
    ("page", "printed", "same"),
    [
        ("p90 latency 1.23 ms", "p90  latency 45 µs", True),  # measured
        ("p90 latency 1.23 ms", "p99 latency 1.23 ms", False),
        ("accuracy 94.05 %", "accuracy 93.05 %", False),  # not a matter of the machine
        ("wanted 10 min 0 s", "wanted 1 min 5 s", True),
        ("1,361 queries, 2.00 s", "5 queries, 3.1 s", True),
        ("results: … done", "results: runs/7 done", True),
        ("a\n…\nc", "a\nb1\nb2\nc", True),
        ("a\n…\nc", "a\nc", True),
        ("…\nc", "a\nb\nc", True),
        ("a\n…", "a\nb", True),
        ("a\n…\nc", "a\nb", False),
        ("a", "a\nb", False),
        ("…", "a\nb", True),
        ("v5.1 resnet", "v5.0 resnet", False),
    ],
)
def test_what_counts_as_the_same_output(page: str, printed: str, same: bool) -> None:
    assert agree(page.splitlines(), printed.splitlines()) is same


def test_errors_are_compared_without_the_progress_lines() -> None:
    done = subprocess.CompletedProcess("", 2, "", "preparing …\nerror: no\n  next: yes\n")
    assert complaints(Command("x", ("error: no", "  next: yes"), (2,)), done) == []


def test_marks_and_continued_lines_are_read(tmp_path: Path) -> None:
    text = "<!-- slow -->\n```console\n$ echo a \\\n    b\na b\n```\n\n"
    text += "<!-- needs: nothing_of_the_kind -->\n```python\n1/0\n```\n"
    one, two = blocks(_page(tmp_path, text))
    assert one.slow
    assert absent(two) == ["nothing_of_the_kind"]
    assert commands(one)[0].words == "echo a \\\n    b"
    assert run_block(one, tmp_path) == []


def test_a_dead_link_is_seen(tmp_path: Path) -> None:
    page = _page(tmp_path, "# Here we are\n[a](gone.md) [b](#here-we-are) [c](#there) [d](https://example.org)\n")
    assert broken_links(page) == ["gone.md", "#there"]
