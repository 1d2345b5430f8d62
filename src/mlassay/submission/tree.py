"""One read-only view of files, wherever they lie: a directory, a tar, a zip, or bytes in memory.

Nothing here writes, follows a link out of the root, opens a device, or reads without a bound. What a tree holds that no
honest submission needs (links that leave it, special files, names given twice, archives that grow without end) is kept
in `problems` for the checks to report.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from mlassay.core.errors import BadFile, MachineProblem, MlassayError

MAX_READ_BYTES = 64 << 20
"""The most that one call reads into memory."""


class Kind(StrEnum):
    FILE = "file"
    LINK = "link"  # a symbolic link that cannot be read through: broken, leaving the tree, or a loop
    SPECIAL = "special file"  # device, pipe, socket
    ABSENT = "absent"  # listed, but its content is not here


@dataclass(frozen=True, slots=True)
class Node:
    """One name in the tree. `target` is what a link says, also for links that are read through (kind FILE)."""

    size: int
    kind: Kind = Kind.FILE
    target: str = ""


class ProblemKind(StrEnum):
    LINK_LEAVES = "link leaves the tree"
    LINK_BROKEN = "broken link"
    LINK_LOOP = "link to a directory that holds it"
    LINK_INSIDE = "link inside the tree"
    SPECIAL = "special file"
    DUPLICATE = "name given twice"
    TRAVERSAL = "name leaves the tree"
    TOO_LARGE = "larger than the limit"
    DAMAGED = "damaged archive"
    UNREADABLE = "cannot be read"
    ENCRYPTED = "encrypted"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about the container itself, found while listing it."""

    kind: ProblemKind
    path: str
    detail: str = ""


class NotReadable(MlassayError):
    """A single file of a tree that cannot be read now; `reason` says why in a few words."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason


@dataclass(slots=True)
class Tree:
    """The files under one root. Paths are relative, with forward slashes; '' is the root itself."""

    label: str
    nodes: dict[str, Node] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    folders: dict[str, list[str]] = field(default_factory=lambda: {"": []})
    """Directory to the names directly inside it, sorted once by `finish`."""

    def add_folder(self, path: str) -> None:
        """Make a directory and its parents known."""
        while path not in self.folders:
            self.folders[path] = []
            parent, _, name = path.rpartition("/")
            if parent in self.folders:
                self.folders[parent].append(name)
                return
            self.add_folder(parent)
            self.folders[parent].append(name)
            return

    def add(self, path: str, node: Node) -> None:
        parent, _, name = path.rpartition("/")
        if parent not in self.folders:
            self.add_folder(parent)
        if path not in self.nodes:
            self.folders[parent].append(name)
        self.nodes[path] = node

    def finish(self) -> None:
        for names in self.folders.values():
            names.sort()

    # what is there

    def is_dir(self, path: str) -> bool:
        return path in self.folders

    def is_file(self, path: str) -> bool:
        node = self.nodes.get(path)
        return node is not None and node.kind in (Kind.FILE, Kind.ABSENT)

    def names(self, folder: str) -> list[str]:
        """Names directly inside a directory, sorted; empty when there is no such directory."""
        return self.folders.get(folder, [])

    def subfolders(self, folder: str) -> list[str]:
        prefix = f"{folder}/" if folder else ""
        return [n for n in self.names(folder) if prefix + n in self.folders]

    def filenames(self, folder: str) -> list[str]:
        prefix = f"{folder}/" if folder else ""
        return [n for n in self.names(folder) if prefix + n in self.nodes]

    def walk(self, folder: str = "", skip: frozenset[str] = frozenset()) -> Iterator[str]:
        """Every path below a directory, directories included, in a stable order; not below those in `skip`."""
        stack = [folder]
        while stack:
            here = stack.pop()
            prefix = f"{here}/" if here else ""
            below = []
            for name in self.names(here):
                yield prefix + name
                if prefix + name in self.folders and prefix + name not in skip:
                    below.append(prefix + name)
            stack.extend(reversed(below))

    def size(self, path: str) -> int:
        node = self.nodes.get(path)
        return node.size if node else 0

    # what it says

    def open(self, path: str) -> BinaryIO:
        """A stream of the file's bytes. Raises NotReadable."""
        node = self.nodes.get(path)
        if node is None:
            raise NotReadable(path, "no such file")
        if node.kind is not Kind.FILE:
            raise NotReadable(path, f"is a {node.kind}" if node.kind is not Kind.ABSENT else "content is not here")
        return self._open(path, node)

    def _open(self, path: str, node: Node) -> BinaryIO:
        raise NotReadable(path, "no content")

    def read(self, path: str, limit: int = MAX_READ_BYTES) -> bytes:
        """The whole file. Raises NotReadable, also when it is longer than `limit` bytes."""
        with self.open(path) as stream:
            data = _read(stream, limit + 1, path)
        if len(data) > limit:
            raise NotReadable(path, f"longer than {limit:,} bytes")
        return data

    def head(self, path: str, n: int) -> bytes:
        with self.open(path) as stream:
            return _read(stream, n, path)

    def tail(self, path: str, n: int) -> bytes:
        """The last `n` bytes, by seeking where the stream can and by reading through where it cannot."""
        with self.open(path) as stream:
            size = self.nodes[path].size
            if size > n:
                try:
                    stream.seek(max(0, size - n))
                except (OSError, ValueError):
                    raise NotReadable(path, "cannot seek") from None
            return _read(stream, n, path)

    def below(self, prefix: str) -> Tree:
        """The same files seen from one directory further down."""
        if not prefix:
            return self
        lead = prefix + "/"
        view = _View(label=f"{self.label}/{prefix}", base=self, prefix=lead)
        view.nodes = {p[len(lead) :]: n for p, n in self.nodes.items() if p.startswith(lead)}
        view.folders = {p[len(lead) :]: names for p, names in self.folders.items() if p.startswith(lead)}
        view.folders[""] = self.folders.get(prefix, [])
        for problem in self.problems:
            inside = problem.path.startswith(lead)
            path = problem.path[len(lead) :] if inside else problem.path
            if inside or problem.kind in (ProblemKind.DAMAGED, ProblemKind.TRAVERSAL):
                view.problems.append(Problem(problem.kind, path, problem.detail))
        return view


def _read(stream: BinaryIO, n: int, path: str) -> bytes:
    try:
        return stream.read(n)
    except (OSError, EOFError, ValueError, ArithmeticError) as error:
        raise NotReadable(path, f"cannot be read ({error})") from error
    except Exception as error:  # decompressors raise types of their own on damaged input (zlib.error, BadZipFile, ...)
        raise NotReadable(path, f"damaged ({error})") from error


@dataclass(slots=True)
class _View(Tree):
    base: Tree = field(default_factory=lambda: Tree(""))
    prefix: str = ""

    def _open(self, path: str, node: Node) -> BinaryIO:
        return self.base.open(self.prefix + path)


@dataclass(slots=True)
class MemoryTree(Tree):
    """Files given as bytes: for tests and for trees that are composed before they are written."""

    content: Mapping[str, bytes] = field(default_factory=dict)

    def _open(self, path: str, node: Node) -> BinaryIO:
        return io.BytesIO(self.content[path])


def memory_tree(content: Mapping[str, bytes], folders: tuple[str, ...] = (), label: str = "memory") -> MemoryTree:
    tree = MemoryTree(label=label, content=content)
    for folder in folders:
        tree.add_folder(folder)
    for path, data in content.items():
        tree.add(path, Node(len(data)))
    tree.finish()
    return tree


@dataclass(slots=True)
class DirectoryTree(Tree):
    root: Path = Path()

    def _open(self, path: str, node: Node) -> BinaryIO:
        place = os.path.join(self.root, path)
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
        try:
            if node.target:
                real = Path(place).resolve(strict=True)
                real.relative_to(self.root.resolve())  # the link may have changed since the listing
                place = str(real)
            descriptor = os.open(place, flags | getattr(os, "O_NOFOLLOW", 0))
        except (OSError, ValueError, RuntimeError) as error:
            raise NotReadable(path, _short(error)) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise NotReadable(path, "is not a regular file")
        return os.fdopen(descriptor, "rb")


def _short(error: Exception) -> str:
    return str(error.strerror) if isinstance(error, OSError) and error.strerror else str(error)


def open_tree(path: str | Path) -> Tree:
    """List what is at `path`: a directory, an archive (tar, tar.gz, tar.xz, tar.bz2, zip), or a single file.

    Raises BadFile when there is nothing that can be listed, MachineProblem when the machine refuses.
    """
    place = Path(path)
    try:
        mode = place.stat().st_mode
    except FileNotFoundError:
        raise BadFile(place, found="absent", expected="a directory, an archive or a log") from None
    except (OSError, ValueError) as error:
        raise MachineProblem(f"{place}: {_short(error)}") from error
    if stat.S_ISDIR(mode):
        return directory_tree(place)
    if not stat.S_ISREG(mode):
        raise BadFile(place, found="a special file", expected="a directory, an archive or a log")
    from mlassay.submission.archive import archive_tree

    tree = archive_tree(place)
    return tree if tree is not None else single_file_tree(place)


def single_file_tree(place: Path) -> Tree:
    """One log or JSON by itself."""
    tree = DirectoryTree(label=str(place), root=place.parent)
    tree.add(place.name, Node(place.stat().st_size))
    tree.finish()
    return tree


def directory_tree(root: Path) -> Tree:
    """List a directory once. Raises MachineProblem when the root itself cannot be listed."""
    tree = DirectoryTree(label=str(root), root=root)
    links: list[str] = []
    stack = [""]
    while stack:
        here = stack.pop()
        try:
            with os.scandir(os.path.join(root, here) if here else root) as entries:
                listing = list(entries)
        except OSError as error:
            if not here:
                raise MachineProblem(f"{root}: {_short(error)}") from error
            tree.problems.append(Problem(ProblemKind.UNREADABLE, here, _short(error)))
            continue
        prefix = f"{here}/" if here else ""
        for entry in listing:
            path = prefix + entry.name
            if entry.is_symlink():
                links.append(path)
            elif entry.is_dir(follow_symlinks=False):
                tree.add_folder(path)
                stack.append(path)
            else:
                _add_entry(tree, path, entry)
    for path in sorted(links):
        _add_link(tree, root, path)
    tree.finish()
    return tree


def _add_entry(tree: Tree, path: str, entry: os.DirEntry[str]) -> None:
    try:
        info = entry.stat(follow_symlinks=False)
    except OSError as error:
        tree.problems.append(Problem(ProblemKind.UNREADABLE, path, _short(error)))
        return
    if stat.S_ISREG(info.st_mode):
        tree.add(path, Node(info.st_size))
    else:
        tree.add(path, Node(0, Kind.SPECIAL))
        tree.problems.append(Problem(ProblemKind.SPECIAL, path, stat.filemode(info.st_mode)[:1]))


def _add_link(tree: Tree, root: Path, path: str) -> None:
    """Read a link through when it stays inside; graft a linked directory's files under its name."""
    place = root / path
    try:
        target = os.readlink(place)
        real = place.resolve(strict=True)
    except (OSError, RuntimeError):
        tree.add(path, Node(0, Kind.LINK, "?"))
        tree.problems.append(Problem(ProblemKind.LINK_BROKEN, path))
        return
    base = root.resolve()
    if base != real and base not in real.parents:
        tree.add(path, Node(0, Kind.LINK, target))
        tree.problems.append(Problem(ProblemKind.LINK_LEAVES, path, target))
        return
    inside = "" if real == base else real.relative_to(base).as_posix()
    if real.is_dir():
        graft(tree, path, inside, target)
    elif real.is_file():
        tree.add(path, Node(real.stat().st_size, Kind.FILE, target))
        tree.problems.append(Problem(ProblemKind.LINK_INSIDE, path, target))
    else:
        tree.add(path, Node(0, Kind.SPECIAL, target))
        tree.problems.append(Problem(ProblemKind.SPECIAL, path, target))


def graft(tree: Tree, path: str, inside: str, target: str) -> None:
    """Show the files of the directory `inside` under the link `path` as well, once and without loops."""
    if inside == "" or f"{path}/".startswith(f"{inside}/"):
        tree.add(path, Node(0, Kind.LINK, target))
        tree.problems.append(Problem(ProblemKind.LINK_LOOP, path, target))
        return
    tree.problems.append(Problem(ProblemKind.LINK_INSIDE, path, target))
    lead = inside + "/"
    found = [(p, n) for p, n in tree.nodes.items() if p.startswith(lead) and not n.target]
    tree.add_folder(path)
    for source, node in found:
        tree.add(f"{path}/{source[len(lead) :]}", Node(node.size, node.kind, source))
