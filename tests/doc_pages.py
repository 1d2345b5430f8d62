"""Reads the pages of the documentation and runs what stands in them.

Conventions for whoever writes a page:

* ```console: each line that begins with "$ " is run by the shell, in order, in a temporary folder of the page; the
  lines below it are what it prints. "…" stands for any text, a line of "…" for any lines. Measured quantities (a
  number with a unit such as ms, samples or queries/s) need not agree; everything else must.
* A command that does not end with 0 says so: `$ mlassay … # exit code 1`, or `# exit code 0 or 1` where the machine
  decides.
* ```python: run as a script of its own, in the same folder.
* ```text and others: not run. For what needs a download, a device or hours.
* A comment line before a block: <!-- slow --> (run with the slow tests only), <!-- needs: torch --> (skipped where the
  module is absent).
* The folder `my-run` exists in each page's folder: a short complete run.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent

FENCE = re.compile(r"^(?P<indent> *)```(?P<kind>\w*)\s*$")
MARK = re.compile(r"^<!-- *(?P<word>slow|needs): *(?P<value>[\w, ]*) *-->$|^<!-- *slow *-->$")
EXIT_CODE = re.compile(r"#\s*exit codes? (\d+)(?:,? or (\d+))?")
NUMBER = r"\d[\d,.]*"
UNIT = r"(?:ns|µs|ms|s|min|h|kHz|queries|query|samples|files|tokens|CPU|(?:queries|samples|tokens|streams)/s)"
MEASURED = re.compile(rf"(?<![\w.]){NUMBER} {UNIT}(?![\w%])")
PROGRESS = re.compile(r"…$|: \d+%, ")
TIMEOUT_S = 240


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of a page."""

    page: Path
    line: int  # of the opening fence
    kind: str
    text: str
    slow: bool = False
    needs: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        return f"{self.page.name}:{self.line}"


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a console block, and what the page says that it prints."""

    words: str
    printed: tuple[str, ...]
    exit_codes: tuple[int, ...]


def pages() -> list[Path]:
    """README, CONTRIBUTING and everything under docs."""
    top = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    return [*(p for p in top if p.exists()), *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> Iterator[Block]:
    """Every fenced block of a page, with its marks."""
    inside: tuple[int, str, str] | None = None
    body: list[str] = []
    slow, needs = False, ()
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fence = FENCE.match(line)
        if inside is not None:
            if fence and not fence["kind"]:
                begin, kind, indent = inside
                text = "\n".join(row.removeprefix(indent) for row in body)
                yield Block(page, begin, kind, text, slow, tuple(needs))
                inside, slow, needs = None, False, ()
            else:
                body.append(line)
        elif fence:
            inside, body = (number, fence["kind"], fence["indent"]), []
        elif mark := MARK.match(line.strip()):
            if mark["word"] == "needs":
                needs = tuple(word.strip() for word in mark["value"].split(","))
            else:
                slow = True
        elif line.strip():
            slow, needs = False, ()
    if inside is not None:
        raise AssertionError(f"{page.name}:{inside[0]}: the block is never closed")


def commands(block: Block) -> list[Command]:
    """The commands of a console block. A line that ends in a backslash goes on."""
    found: list[tuple[str, list[str]]] = []
    going_on = False
    for line in block.text.splitlines():
        if going_on:
            found[-1] = (f"{found[-1][0]}\n{line}", [])
        elif line.startswith("$ "):
            found.append((line[2:], []))
        elif found:
            found[-1][1].append(line)
        elif line.strip():
            raise AssertionError(f"{block.place}: a console block begins with a command, not with {line!r}")
        going_on = line.endswith("\\") and (going_on or line.startswith("$ "))
    return [Command(words, tuple(printed), exit_codes(words)) for words, printed in found]


def exit_codes(words: str) -> tuple[int, ...]:
    match = EXIT_CODE.search(words)
    return tuple(int(code) for code in match.groups() if code) if match else (0,)


def absent(block: Block) -> list[str]:
    """Modules that the block needs and that are not installed."""
    return [name for name in block.needs if importlib.util.find_spec(name) is None]


def environment(home: Path) -> dict[str, str]:
    """Of a fresh user without a network: nothing configured, no colours, a terminal of ordinary width."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLASSAY_", "PYTEST", "XDG_"))}
    nowhere = "http://127.0.0.1:9"
    return kept | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "HOME": str(home),
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "TERM": "dumb",
        "PYTHONIOENCODING": "utf-8",
        "http_proxy": nowhere,
        "https_proxy": nowhere,
    }


def run(words: list[str] | str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        shell=isinstance(words, str),
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def run_block(block: Block, folder: Path) -> list[str]:
    """Run one block; the result is what is wrong with it."""
    if block.kind == "python":
        script = folder / f"block_at_line_{block.line}.py"
        script.write_text(block.text + "\n", encoding="utf-8")
        done = run([sys.executable, str(script)], folder)
        return [] if done.returncode == 0 else [f"{block.place}: {done.stderr.strip()[-2000:]}"]
    wrong: list[str] = []
    for command in commands(block):
        done = run(command.words, folder)
        wrong += [f"{block.place}: {text}" for text in complaints(command, done)]
        if wrong:
            break
    return wrong


def complaints(command: Command, done: subprocess.CompletedProcess[str]) -> list[str]:
    """Wrong exit code, or output unlike the page's."""
    wanted = command.exit_codes
    if done.returncode not in wanted:
        codes = " or ".join(map(str, wanted))
        tail = (done.stderr or done.stdout).strip()[-1500:]
        return [f"$ {command.words}\nended with {done.returncode}, expected {codes}:\n{tail}"]
    printed = list(command.printed)
    while printed and not printed[-1].strip():
        printed.pop()
    if not printed:
        return []
    errors = [line for line in done.stderr.splitlines() if not PROGRESS.search(line)]
    if agree(printed, done.stdout.splitlines()) or agree(printed, errors):
        return []
    return [
        f"$ {command.words}\nthe page shows:\n" + "\n".join(printed) + f"\nit printed:\n{done.stdout}\n{done.stderr}"
    ]


def agree(printed: list[str], found: list[str]) -> bool:
    """Do the page's lines describe the lines found? Blank lines at the end and runs of blanks do not matter."""
    wanted = "".join(_pattern(line) for line in printed if line.strip())
    text = "".join(f"{_plain(line)}\n" for line in found if line.strip())
    return re.fullmatch(wanted, text) is not None


def _plain(line: str) -> str:
    """Measured quantities are no part of the comparison, nor are blanks and frames."""
    line = unicodedata.normalize("NFC", line)
    return " ".join(MEASURED.sub("¤", line).split())


def _pattern(line: str) -> str:
    if line.strip() == "…":
        return r"(?:.*\n)*"
    return ".*".join(re.escape(part) for part in _plain(line).split("…")) + r"\n"
