"""Trees in archives: read without unpacking, and proof against what hostile archives try."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mlassay.core.errors import BadFile, MachineProblem
from mlassay.submission import archive
from mlassay.submission.archive import clean_name
from mlassay.submission.checker import check
from mlassay.submission.tree import Kind, NotReadable, ProblemKind, Tree, memory_tree, open_tree
from tests.submission.maker import make

CONTENT = {"a/one.txt": b"1" * 3000, "a/b/two.txt": b"two\n", "a/empty.txt": b""}


def _tar(path: Path, mode: str, content: dict[str, bytes] = CONTENT) -> Path:
    with tarfile.open(path, mode) as out:  # type: ignore[call-overload]
        folder = tarfile.TarInfo("a/hollow")
        folder.type = tarfile.DIRTYPE
        out.addfile(folder)
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    return path


def _zip(path: Path, content: dict[str, bytes] = CONTENT) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("a/hollow/", b"")
        for name, data in content.items():
            out.writestr(name, data)
    return path


def _folder(path: Path, content: dict[str, bytes] = CONTENT) -> Path:
    (path / "a/hollow").mkdir(parents=True)
    for name, data in content.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


KINDS: dict[str, Callable[[Path], Path]] = {
    "tar": lambda p: _tar(p / "x.tar", "w"),
    "tar.gz": lambda p: _tar(p / "x.tar.gz", "w:gz"),
    "tar.xz": lambda p: _tar(p / "x.tar.xz", "w:xz"),
    "tar.bz2": lambda p: _tar(p / "x.tar.bz2", "w:bz2"),
    "zip": lambda p: _zip(p / "x.zip"),
    "directory": lambda p: _folder(p / "x"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_container_shows_the_same_tree(kind: str, tmp_path: Path) -> None:
    tree = open_tree(KINDS[kind](tmp_path))
    assert {p: tree.read(p) for p in tree.nodes} == CONTENT
    assert tree.names("a") == ["b", "empty.txt", "hollow", "one.txt"]
    assert tree.is_dir("a/hollow")
    assert tree.names("a/hollow") == []
    assert (tree.head("a/one.txt", 5), tree.tail("a/b/two.txt", 3)) == (b"11111", b"wo\n")
    assert tree.problems == []
    with pytest.raises(NotReadable, match="longer than 10 bytes"):
        tree.read("a/one.txt", 10)
    with pytest.raises(NotReadable, match="no such file"):
        tree.open("a/none")


def test_a_view_from_further_down(tmp_path: Path) -> None:
    view = open_tree(KINDS["zip"](tmp_path)).below("a")
    assert sorted(view.nodes) == ["b/two.txt", "empty.txt", "one.txt"]
    assert view.read("b/two.txt") == b"two\n"
    assert list(view.walk()) == ["b", "empty.txt", "hollow", "one.txt", "b/two.txt"]


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("a/b", "a/b"),
        ("./a//b/", "a/b"),
        ("a\\b", "a/b"),
        ("../a", None),
        ("a/../../b", None),
        ("/etc/passwd", None),
        ("C:/x", None),
        ("a\0b", None),
    ],
)
def test_names_stay_inside(name: str, clean: str | None) -> None:
    assert clean_name(name) == clean


def _member(name: str, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(info, key, value)
    return info


def test_hostile_members_are_listed_not_followed(tmp_path: Path) -> None:
    place = tmp_path / "x.tar"
    with tarfile.open(place, "w") as out:
        out.addfile(_member("ok.txt", size=2), io.BytesIO(b"ok"))
        out.addfile(_member("ok.txt", size=3), io.BytesIO(b"two"))
        out.addfile(_member("../climb.txt", size=1), io.BytesIO(b"x"))
        out.addfile(_member("/abs.txt", size=1), io.BytesIO(b"x"))
        out.addfile(_member("out", type=tarfile.SYMTYPE, linkname="/etc/passwd"))
        out.addfile(_member("up", type=tarfile.SYMTYPE, linkname="../../x"))
        out.addfile(_member("gone", type=tarfile.SYMTYPE, linkname="nothing"))
        out.addfile(_member("fine", type=tarfile.SYMTYPE, linkname="ok.txt"))
        out.addfile(_member("hard", type=tarfile.LNKTYPE, linkname="ok.txt"))
        out.addfile(_member("dev", type=tarfile.CHRTYPE, devmajor=1, devminor=3))
        out.addfile(_member("pipe", type=tarfile.FIFOTYPE))
    tree = open_tree(place)
    kinds = {(p.kind, p.path) for p in tree.problems}
    assert (ProblemKind.DUPLICATE, "ok.txt") in kinds
    assert (ProblemKind.TRAVERSAL, "../climb.txt") in kinds
    assert (ProblemKind.TRAVERSAL, "/abs.txt") in kinds
    assert {(ProblemKind.LINK_LEAVES, "out"), (ProblemKind.LINK_LEAVES, "up")} <= kinds
    assert (ProblemKind.LINK_BROKEN, "gone") in kinds
    assert {(ProblemKind.SPECIAL, "dev"), (ProblemKind.SPECIAL, "pipe"), (ProblemKind.LINK_INSIDE, "fine")} <= kinds
    assert tree.read("ok.txt") == tree.read("hard") == tree.read("fine") == b"ok"
    assert tree.nodes["out"].kind is Kind.LINK
    with pytest.raises(NotReadable):
        tree.open("out")


def test_links_and_devices_of_a_directory(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "sub/file.txt").write_text("inside")
    (tmp_path / "secret.txt").write_text("outside")
    (root / "in").symlink_to("sub/file.txt")
    (root / "dir").symlink_to("sub")
    (root / "out").symlink_to(tmp_path / "secret.txt")
    (root / "gone").symlink_to("nothing")
    (root / "sub/loop").symlink_to("..")
    os.mkfifo(root / "pipe")
    tree = open_tree(root)
    assert tree.read("in") == tree.read("dir/file.txt") == b"inside"
    assert {(p.kind, p.path) for p in tree.problems} == {
        (ProblemKind.LINK_INSIDE, "in"),
        (ProblemKind.LINK_INSIDE, "dir"),
        (ProblemKind.LINK_LEAVES, "out"),
        (ProblemKind.LINK_BROKEN, "gone"),
        (ProblemKind.LINK_LOOP, "sub/loop"),
        (ProblemKind.SPECIAL, "pipe"),
    }
    with pytest.raises(NotReadable, match="is a link"):
        tree.open("out")
    with pytest.raises(NotReadable, match="is a special file"):
        tree.open("pipe")


def test_a_link_that_moves_after_the_listing_is_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "file.txt").write_text("inside")
    (tmp_path / "secret.txt").write_text("outside")
    (root / "link").symlink_to("file.txt")
    tree = open_tree(root)
    (root / "link").unlink()
    (root / "link").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(NotReadable):
        tree.read("link")
    (root / "file.txt").unlink()
    (root / "file.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(NotReadable):
        tree.read("file.txt")


def test_a_bomb_stops_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "RATIO_FROM_BYTES", 1 << 20)
    monkeypatch.setattr(archive, "MAX_RATIO", 50)
    bomb = tmp_path / "bomb.tar.gz"
    _tar(bomb, "w:gz", {"first.txt": b"x", "zeros.bin": bytes(30 << 20)})
    tree = open_tree(bomb)
    assert [(p.kind, p.detail) for p in tree.problems] == [(ProblemKind.TOO_LARGE, "grows more than 50-fold")]
    assert tree.read("first.txt") == b"x"


def test_a_zip_bomb_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "RATIO_FROM_BYTES", 1 << 20)
    monkeypatch.setattr(archive, "MAX_RATIO", 50)
    tree = open_tree(_zip(tmp_path / "bomb.zip", {"zeros.bin": bytes(30 << 20)}))
    assert [p.kind for p in tree.problems] == [ProblemKind.TOO_LARGE]
    with pytest.raises(NotReadable, match="content is not here"):
        tree.open("zeros.bin")


def test_long_names_and_pax_headers(tmp_path: Path) -> None:
    name = "/".join(["d" * 90] * 4) + "/ä.txt"
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        place = tmp_path / f"{form}.tar"
        with tarfile.open(place, "w", format=form) as out:
            out.addfile(_member(name, size=2), io.BytesIO(b"ok"))
        assert open_tree(place).read(name) == b"ok"


def test_an_endless_name_record_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "x.tar"
    with tarfile.open(place, "w", format=tarfile.GNU_FORMAT) as out:
        out.addfile(_member("ok.txt", size=2), io.BytesIO(b"ok"))
        out.addfile(_member("y" * (2 << 20), size=0))
    tree = open_tree(place)
    assert list(tree.nodes) == ["ok.txt"]
    assert tree.problems[0].detail.startswith("a name record of")


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.xz", "tar.bz2"])
def test_a_cut_archive_keeps_what_came_before(kind: str, tmp_path: Path) -> None:
    rows = {f"f{n}.bin": os.urandom(5000) for n in range(40)}
    mode = "w" if kind == "tar" else f"w:{kind[4:]}"
    place = _tar(tmp_path / f"x.{kind}", mode, rows)
    whole = place.read_bytes()
    place.write_bytes(whole[: int(len(whole) * 0.6)])
    try:
        tree = open_tree(place)
    except BadFile:
        return  # bz2 unpacks in large blocks: nothing was complete
    assert any(p.kind is ProblemKind.DAMAGED for p in tree.problems)
    for path in tree.nodes:
        try:
            assert tree.read(path) == rows[path]
        except NotReadable:
            continue


def test_what_is_no_archive(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="is absent; expected a directory, an archive or a log"):
        open_tree(tmp_path / "none")
    text = tmp_path / "x.txt"
    text.write_text("hello")
    assert list(open_tree(text).nodes) == ["x.txt"]
    packed = tmp_path / "log.gz"
    packed.write_bytes(gzip.compress(b"not a tar" * 100))
    assert list(open_tree(packed).nodes) == ["log.gz"]
    broken = tmp_path / "x.zip"
    broken.write_bytes(b"PK\x03\x04" + b"x" * 100)
    with pytest.raises(BadFile, match="a damaged zip"):
        open_tree(broken)


def test_an_unreadable_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(MachineProblem, match="Permission denied"):
        open_tree(tmp_path)


def _written(tree_files: dict[str, bytes], root: Path) -> Path:
    for name, data in tree_files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def test_a_submission_checks_the_same_from_any_container(tmp_path: Path) -> None:
    made = make("v5.1")
    made.log("Offline")["result_validity"] = "INVALID"
    content = made.content()
    places: list[Path | Tree] = [_written(content, tmp_path / "tree"), memory_tree(content)]
    places.append(_zip_of(tmp_path / "s.zip", {f"wrapped/{k}": v for k, v in content.items()}))
    for mode in ("w", "w:gz", "w:xz"):
        with tarfile.open(tmp_path / f"s{mode[2:]}.tar", mode) as out:  # type: ignore[call-overload]
            for name, data in content.items():
                out.addfile(_member(f"wrapped/{name}", size=len(data)), io.BytesIO(data))
        places.append(tmp_path / f"s{mode[2:]}.tar")
    reports = [check(p) for p in places]
    assert [f.id for f in reports[0].findings] == ["PERF004"]
    assert all(r.findings == reports[0].findings for r in reports)
    assert all(r.results == reports[0].results for r in reports)


def _zip_of(path: Path, content: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as out:
        for name, data in content.items():
            out.writestr(name, data)
    return path


def test_xz_with_several_streams(tmp_path: Path) -> None:
    place = _tar(tmp_path / "x.tar", "w")
    raw = place.read_bytes()
    joined = tmp_path / "x.tar.xz"
    joined.write_bytes(lzma.compress(raw[:1000]) + lzma.compress(raw[1000:]))
    assert open_tree(joined).read("a/b/two.txt") == b"two\n"
