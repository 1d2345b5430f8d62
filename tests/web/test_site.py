"""The dashboard as files, and the verbs."""

from __future__ import annotations

import io
import re
import signal
import subprocess
import sys
import tarfile
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlassay.cli.report import report
from mlassay.core.errors import UsageError
from mlassay.results.database import Database
from mlassay.web.site import MARKER, write_site
from tests.web.test_server import Elements

MOST_COMPRESSED = 3_000_000


def test_every_link_leads_to_a_file_of_the_site(small: Database, tmp_path: Path) -> None:
    site = write_site(small, tmp_path / "site")
    pages = sorted(site.path.rglob("*.html"))
    assert site.n_pages == len(pages)
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "<svg onload" not in text
        assert "alert(3)</script>" not in text
        for tag, attributes in Elements(text).found:
            for name in ("href", "src", "action"):
                target = (attributes.get(name) or "").partition("?")[0].partition("#")[0]
                if tag != "meta" and target:
                    assert not re.match(r"[a-z]+:|/", target), (page, target)
                    assert (page.parent / target).resolve().is_file(), (page, target)


def test_the_same_database_gives_the_same_files(small: Database, tmp_path: Path) -> None:
    first, second = (write_site(small, tmp_path / name).path for name in ("a", "b"))
    for page in first.rglob("*"):
        if page.is_file():
            assert page.read_bytes() == (second / page.relative_to(first)).read_bytes()


def test_an_older_site_is_replaced_and_other_files_are_left_alone(small: Database, tmp_path: Path) -> None:
    site = write_site(small, tmp_path / "site").path
    (site / "result" / "old.html").write_text("old", encoding="utf-8")
    write_site(small, site)
    assert not (site / "result" / "old.html").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["site"]
    other = tmp_path / "mine"
    other.mkdir()
    (other / "thesis.txt").write_text("x", encoding="utf-8")
    with pytest.raises(UsageError, match=r"mine holds other files\n  next: name a new folder"):
        write_site(small, other)
    with pytest.raises(UsageError, match=r"thesis\.txt is a file"):
        write_site(small, other / "thesis.txt")


def test_an_interrupted_site_leaves_the_old_one(
    small: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = write_site(small, tmp_path / "site").path

    def interrupted(n: int) -> None:
        if n == 3:
            raise KeyboardInterrupt

    before = {p.name for p in site.rglob("*")}
    with pytest.raises(KeyboardInterrupt):
        write_site(small, site, shown=interrupted)
    assert {p.name for p in site.rglob("*")} == before
    assert [p.name for p in tmp_path.iterdir()] == ["site"]


def test_the_verb(small: Database, tmp_path: Path) -> None:
    found = CliRunner().invoke(
        report, ["site", "--db", small.label, "--out", str(tmp_path / "s")], standalone_mode=False
    )
    assert found.exception is None
    assert re.search(r"[\d,]+ pages, [\d.]+ MB: .*/s\nnext: open .*/s/index\.html in a browser", found.output)
    assert (tmp_path / "s" / MARKER).is_file()


@pytest.mark.shared
@pytest.mark.slow
def test_the_published_history_is_small(history: Database, tmp_path: Path) -> None:
    site = write_site(history, tmp_path / "site")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(site.path, "site")
    assert len(packed.getvalue()) < MOST_COMPRESSED


def test_serve_from_the_command_line(small: Database) -> None:
    """Address on the first line; Ctrl-C ends it with no traceback; a taken port and an absent database are named."""
    command = [sys.executable, "-u", "-m", "mlassay", "serve", "--db", small.label, "--port"]
    with subprocess.Popen([*command, "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        address = line.split()[3]
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", address), line
        with urllib.request.urlopen(address) as answer:
            assert b"What was measured" in answer.read()
        port = address.rstrip("/").rpartition(":")[2]
        second = subprocess.run([*command, port], capture_output=True, text=True, timeout=60)
        assert second.returncode == 3
        assert f"port {port} of 127.0.0.1: address already in use" in second.stderr
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) in (0, 130)
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    absent = subprocess.run(
        [sys.executable, "-m", "mlassay", "serve", "--db", f"{small.label}.not"], capture_output=True, text=True
    )
    assert absent.returncode == 2
    assert "no results database at" in absent.stderr
