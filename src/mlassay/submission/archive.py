"""Archives as trees, read without unpacking anything to disk and without trusting a single number inside them.

A plain tar and a zip are read in place. A compressed tar can only be read from front to back, so one pass keeps what
checks may ask for, compressed again, in memory: whole small files, logs up to a bound, the two ends of the rest.
"""

from __future__ import annotations

import bz2
import io
import lzma
import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

from mlassay.core.errors import BadFile
from mlassay.submission.tree import Kind, Node, NotReadable, Problem, ProblemKind, Tree, graft

BLOCK = 512
MAX_ENTRIES = 2_000_000
MAX_UNPACKED_BYTES = 256 << 30
MAX_RATIO = 2_000
RATIO_FROM_BYTES = 256 << 20  # ratios are judged from here on: small text may shrink a lot
MAX_HEADER_BYTES = 1 << 20  # long names and pax records
KEEP_WHOLE_BYTES = 4 << 20
KEEP_LOG_BYTES = 256 << 20
KEEP_ENDS_BYTES = 64 << 10
KEEP_CODE_BYTES = 4 << 10  # a file that stands for a code directory names it in one line
STORE_LIMIT_BYTES = 384 << 20
LZMA_MEMORY_BYTES = 512 << 20
LOGS = ("mlperf_log_detail.txt", "mlperf_log_summary.txt", "spl.txt", "ptd_logs.txt")
CODE = ("code", "src")


class ArchiveStopped(Exception):
    """The archive cannot be read further; what came before it stands."""

    def __init__(self, kind: ProblemKind, detail: str) -> None:
        super().__init__(detail)
        self.kind, self.detail = kind, detail


def archive_tree(place: Path) -> Tree | None:
    """The tree inside an archive, recognised by its first bytes; None when the file is no archive."""
    with open(place, "rb") as raw:
        head = raw.read(BLOCK)
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return zip_tree(place)
    if head[:2] == b"\x1f\x8b":
        return packed_tar_tree(place, lambda: zlib.decompressobj(31))
    if head[:6] == b"\xfd7zXZ\x00":
        return packed_tar_tree(place, lambda: lzma.LZMADecompressor(memlimit=LZMA_MEMORY_BYTES))
    if head[:3] == b"BZh":
        return packed_tar_tree(place, bz2.BZ2Decompressor)
    if len(head) == BLOCK and head[257:262] == b"ustar" and _checksum_holds(head):
        return plain_tar_tree(place)
    return None


# tar


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    size: int
    type: str  # "file", "folder", "link", "hard", "special"
    target: str
    offset: int


class Source(Protocol):
    """Bytes from front to back."""

    def take(self, n: int) -> bytes: ...
    def skip(self, n: int) -> None: ...
    def position(self) -> int: ...


@dataclass(slots=True)
class FileSource:
    stream: BinaryIO
    size: int

    def take(self, n: int) -> bytes:
        return self.stream.read(n)

    def skip(self, n: int) -> None:
        self.stream.seek(n, os.SEEK_CUR)

    def position(self) -> int:
        return self.stream.tell()


class Decompressor(Protocol):
    """What zlib, lzma and bz2 have in common, wide enough for both spellings."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


@dataclass(slots=True)
class PackedSource:
    """Unpacks a gz, xz or bz2 file piece by piece; no input makes a piece larger than CHUNK."""

    stream: BinaryIO
    make: Callable[[], Decompressor]
    packed_read: int = 0
    unpacked: int = 0
    _engine: Decompressor | None = None
    _waiting: bytes = b""
    _ready: bytes = b""
    _at: int = 0  # how much of `_ready` is taken
    CHUNK = 1 << 20

    def _more(self) -> bool:
        """Fill `_ready` with the next piece; False at the end."""
        self._ready, self._at = b"", 0
        while not self._ready:
            if self._engine is not None and self._engine.eof:
                self._waiting = self._engine.unused_data.lstrip(b"\0")
                self._engine = None
            if not self._waiting and getattr(self._engine, "needs_input", True):
                self._refill()
            if self._engine is None:
                self._waiting = self._waiting.lstrip(b"\0")
                if not self._waiting:
                    return False
                self._engine = self.make()
            try:
                self._ready = self._engine.decompress(self._waiting, self.CHUNK)
            except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
                raise ArchiveStopped(ProblemKind.DAMAGED, f"compressed data: {error}") from error
            ended = not self._waiting
            self._waiting = getattr(self._engine, "unconsumed_tail", b"")
            if ended and not self._ready and not self._engine.eof:
                raise ArchiveStopped(ProblemKind.DAMAGED, "ends in the middle of the compressed data")
        self.unpacked += len(self._ready)
        if self.unpacked > RATIO_FROM_BYTES and self.unpacked > MAX_RATIO * max(1, self.packed_read):
            raise ArchiveStopped(ProblemKind.TOO_LARGE, f"grows more than {MAX_RATIO}-fold")
        if self.unpacked > MAX_UNPACKED_BYTES:
            raise ArchiveStopped(ProblemKind.TOO_LARGE, f"unpacks to more than {MAX_UNPACKED_BYTES >> 30} GiB")
        return True

    def _refill(self) -> bool:
        data = self.stream.read(1 << 18)
        self.packed_read += len(data)
        self._waiting += data
        return bool(data)

    def take(self, n: int) -> bytes:
        parts, missing = [], n
        while missing and (self._at < len(self._ready) or self._more()):
            piece = self._ready[self._at : self._at + missing]
            self._at += len(piece)
            parts.append(piece)
            missing -= len(piece)
        return b"".join(parts)

    def skip(self, n: int) -> None:
        while n > 0 and (self._at < len(self._ready) or self._more()):
            step = min(n, len(self._ready) - self._at)
            self._at += step
            n -= step
        if n > 0:
            raise ArchiveStopped(ProblemKind.DAMAGED, "ends in the middle of a file")

    def position(self) -> int:
        return self.unpacked - len(self._ready) + self._at


def _checksum_holds(head: bytes) -> bool:
    try:
        said = int(head[148:156].split(b"\0")[0].strip() or b"-1", 8)
    except ValueError:
        return False
    return said == sum(head) - sum(head[148:156]) + 8 * 32


def _number(raw: bytes) -> int:
    if raw[0] & 0x80:
        return int.from_bytes(bytes([raw[0] & 0x7F]) + raw[1:], "big")
    text = raw.split(b"\0")[0].strip()
    try:
        return int(text or b"0", 8)
    except ValueError:
        raise ArchiveStopped(ProblemKind.DAMAGED, "a size that is no number") from None


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("utf-8", "surrogateescape")


def _pax(data: bytes) -> dict[str, str]:
    """Records of the form b'<length> <key>=<value>\\n'; reading stops at the first malformed one."""
    records: dict[str, str] = {}
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + 20)
        digits = data[at:space] if space > 0 else b""
        if not digits.isdigit() or (length := int(digits)) <= space - at or at + length > len(data):
            break
        key, _, value = data[space + 1 : at + length - 1].partition(b"=")
        records[key.decode("utf-8", "replace")] = value.decode("utf-8", "surrogateescape")
        at += length
    return records


_TYPES = {b"0": "file", b"\0": "file", b"7": "file", b"1": "hard", b"2": "link", b"5": "folder"}


def tar_members(source: Source) -> Iterator[Member]:
    """Members in order; between two of them the caller may take at most `size` bytes of content."""
    long: dict[str, str] = {}
    for _ in range(MAX_ENTRIES):
        head = source.take(BLOCK)
        if len(head) < BLOCK or not head.strip(b"\0"):
            if 0 < len(head) < BLOCK:
                raise ArchiveStopped(ProblemKind.DAMAGED, "ends in the middle of a header")
            if not head:
                raise ArchiveStopped(ProblemKind.DAMAGED, "ends without its end mark")
            return
        if not _checksum_holds(head):
            raise ArchiveStopped(ProblemKind.DAMAGED, "a header whose checksum does not hold")
        kind, size = head[156:157], _number(head[124:136])
        if kind in b"LKxg":
            if size > MAX_HEADER_BYTES:
                raise ArchiveStopped(ProblemKind.TOO_LARGE, f"a name record of {size:,} bytes")
            data = source.take(size)
            source.skip(-size % BLOCK)
            if kind == b"x":
                long |= _pax(data)
            elif kind in b"LK":
                long["path" if kind == b"L" else "linkpath"] = _text(data)
            continue
        if kind == b"S":
            extended = head[482]
            while extended:
                extended = (source.take(BLOCK) + bytes(BLOCK))[504]
        yield from _member(head, kind, size, long, source)
        long = {}
    raise ArchiveStopped(ProblemKind.TOO_LARGE, f"more than {MAX_ENTRIES:,} entries")


def _member(head: bytes, kind: bytes, size: int, long: dict[str, str], source: Source) -> Iterator[Member]:
    name = _text(head[:100])
    if head[257:263] == b"ustar\0" and head[345]:
        name = f"{_text(head[345:500])}/{name}"
    if long.get("size", "").isdigit():
        size = int(long["size"])
    type_ = _TYPES.get(kind, "special")
    if any(key.startswith("GNU.sparse") for key in long):
        type_ = "special"
    if type_ not in ("file", "special"):
        size = 0
    start = source.position()
    yield Member(long.get("path", name), size, type_, long.get("linkpath", _text(head[157:257])), start)
    source.skip(start + size + (-size % BLOCK) - source.position())


def clean_name(name: str) -> str | None:
    """A member's name as a path inside the tree; None when it would leave it."""
    if "\0" in name or name.startswith("/") or (len(name) > 1 and name[1] == ":"):
        return None
    parts = [p for p in name.replace("\\", "/").split("/") if p not in ("", ".")]
    return None if ".." in parts else "/".join(parts)


def _list_member(tree: Tree, member: Member, links: list[tuple[str, str]]) -> str | None:
    """Enter one member into the tree; its clean path when it is a file with content of its own."""
    path = clean_name(member.name)
    if path is None:
        tree.problems.append(Problem(ProblemKind.TRAVERSAL, printable(member.name)))
        return None
    if member.type == "folder":
        if path:
            tree.add_folder(path)
        return None
    if not path:
        return None
    if path in tree.nodes or path in tree.folders:
        tree.problems.append(Problem(ProblemKind.DUPLICATE, path))
        return None
    if any(parent in tree.nodes for parent in _parents(path)):
        tree.problems.append(Problem(ProblemKind.DUPLICATE, path, "a file is used as a directory"))
        return None
    if member.type == "link":
        links.append((path, member.target))
        return None
    if member.type == "hard":
        target = clean_name(member.target)
        if target is None or target not in tree.nodes:
            tree.problems.append(Problem(ProblemKind.LINK_BROKEN, path, printable(member.target)))
            return None
        tree.add(path, Node(tree.nodes[target].size, tree.nodes[target].kind, target))
        return None
    if member.type == "special":
        tree.add(path, Node(0, Kind.SPECIAL))
        tree.problems.append(Problem(ProblemKind.SPECIAL, path))
        return None
    tree.add(path, Node(member.size))
    return path


def _parents(path: str) -> Iterator[str]:
    parent = path.rpartition("/")[0]
    while parent:
        yield parent
        parent = parent.rpartition("/")[0]


def printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _resolve_links(tree: Tree, links: list[tuple[str, str]]) -> None:
    """Links are looked at last, when all that they may point to is listed."""
    for path, target in sorted(links):
        base = path.rpartition("/")[0]
        parts: list[str] | None = base.split("/") if base else []
        for step in target.split("/"):
            if target.startswith("/") or parts is None:
                parts = None
            elif step == "..":
                parts = parts[:-1] if parts else None
            elif step not in ("", "."):
                parts.append(step)
        inside = "/".join(parts) if parts is not None else None
        if inside is None:
            tree.add(path, Node(0, Kind.LINK, printable(target)))
            tree.problems.append(Problem(ProblemKind.LINK_LEAVES, path, printable(target)))
        elif inside in tree.folders:
            graft(tree, path, inside, target)
        elif inside in tree.nodes and tree.nodes[inside].kind is Kind.FILE:
            source = tree.nodes[inside]
            tree.add(path, Node(source.size, Kind.FILE, source.target or inside))
            tree.problems.append(Problem(ProblemKind.LINK_INSIDE, path, printable(target)))
        else:
            tree.add(path, Node(0, Kind.LINK, printable(target)))
            tree.problems.append(Problem(ProblemKind.LINK_BROKEN, path, printable(target)))


@dataclass(slots=True)
class PlainTarTree(Tree):
    """A tar on disk, read in place: `offsets` say where each file's bytes begin."""

    archive: Path = Path()
    offsets: dict[str, int] = field(default_factory=dict)

    def _open(self, path: str, node: Node) -> BinaryIO:
        source = path if path in self.offsets else node.target
        if source not in self.offsets:
            raise NotReadable(path, "content is not here")
        return io.BufferedReader(_Slice(self.archive, self.offsets[source], node.size))


class _Slice(io.RawIOBase):
    """A range of a file as a file of its own. Reads by position, so that forked workers may share it."""

    def __init__(self, place: Path, start: int, size: int) -> None:
        self._descriptor = -1
        self._descriptor = os.open(place, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        self._start, self._size, self._at = start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        base = {0: 0, 1: self._at, 2: self._size}[whence]
        self._at = min(max(0, base + offset), self._size)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        want = min(len(buffer), self._size - self._at)
        if want <= 0:
            return 0
        data = os.pread(self._descriptor, want, self._start + self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        super().close()


def plain_tar_tree(place: Path) -> Tree:
    tree = PlainTarTree(label=str(place), archive=place)
    size = place.stat().st_size
    links: list[tuple[str, str]] = []
    with open(place, "rb") as stream:
        source = FileSource(stream, size)
        try:
            for member in tar_members(source):
                if member.offset + member.size > size:
                    raise ArchiveStopped(ProblemKind.DAMAGED, "ends in the middle of a file")
                path = _list_member(tree, member, links)
                if path is not None:
                    tree.offsets[path] = member.offset
        except ArchiveStopped as stop:
            tree.problems.append(Problem(stop.kind, "", stop.detail))
    return _finished(tree, links, place)


def _finished(tree: Tree, links: list[tuple[str, str]], place: Path) -> Tree:
    _resolve_links(tree, links)
    tree.finish()
    if not tree.nodes and any(p.kind is ProblemKind.DAMAGED for p in tree.problems):
        raise BadFile(place, found=f"a damaged archive ({tree.problems[-1].detail})", expected="an archive of files")
    return tree


@dataclass(slots=True)
class StoredTree(Tree):
    """Files of a compressed tar: `kept` holds them packed; `ends` holds head and tail of the very long ones."""

    kept: dict[str, bytes] = field(default_factory=dict)
    ends: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)

    def _open(self, path: str, node: Node) -> BinaryIO:
        source = path if path in self.kept or path in self.ends else node.target
        if source in self.kept:
            return io.BytesIO(zlib.decompress(self.kept[source]))
        if source in self.ends:
            raise NotReadable(path, f"only the ends of its {node.size:,} bytes are kept from a compressed archive")
        raise NotReadable(path, "content is not kept from a compressed archive")

    def head(self, path: str, n: int) -> bytes:
        if path in self.ends and n <= KEEP_ENDS_BYTES:
            return self.ends[path][0][:n]
        return Tree.head(self, path, n)

    def tail(self, path: str, n: int) -> bytes:
        if path in self.ends and n <= KEEP_ENDS_BYTES:
            return self.ends[path][1][-n:]
        return Tree.tail(self, path, n)


def packed_tar_tree(place: Path, make: Callable[[], Decompressor]) -> Tree | None:
    """One pass through a compressed tar. None when what is compressed is no tar."""
    tree = StoredTree(label=str(place))
    links: list[tuple[str, str]] = []
    room = STORE_LIMIT_BYTES
    with open(place, "rb") as stream:
        source = PackedSource(stream, make)
        try:
            for member in tar_members(source):
                path = _list_member(tree, member, links)
                if path is not None and room > 0:
                    room -= _keep(tree, path, member.size, source)
        except ArchiveStopped as stop:
            if not tree.nodes and source.position() <= BLOCK and "checksum" in stop.detail:
                return None
            tree.problems.append(Problem(stop.kind, "", stop.detail))
    if room <= 0:
        detail = "the rest was not kept in memory: unpack it, or give a plain tar or a zip"
        tree.problems.append(Problem(ProblemKind.TOO_LARGE, "", detail))
    return _finished(tree, links, place)


def _keep(tree: StoredTree, path: str, size: int, source: PackedSource) -> int:
    """Keep what checks may ask of this file; the bytes of memory that it took."""
    name = path.rpartition("/")[2]
    in_code = any(part in CODE for part in path.split("/")[:-1])
    whole = KEEP_CODE_BYTES if in_code else KEEP_LOG_BYTES if name in LOGS else KEEP_WHOLE_BYTES
    if size <= whole:
        packer = zlib.compressobj(1)
        parts, missing = [], size
        while missing and (piece := source.take(min(missing, 1 << 20))):
            parts.append(packer.compress(piece))
            missing -= len(piece)
        if missing:
            raise ArchiveStopped(ProblemKind.DAMAGED, "ends in the middle of a file")
        tree.kept[path] = b"".join([*parts, packer.flush()])
        return len(tree.kept[path]) + 200
    if in_code:
        return 100
    head = source.take(KEEP_ENDS_BYTES)
    source.skip(size - 2 * KEEP_ENDS_BYTES)
    tree.ends[path] = (head, source.take(KEEP_ENDS_BYTES))
    return 2 * KEEP_ENDS_BYTES + 200


# zip


@dataclass(slots=True)
class ZipTree(Tree):
    archive: Path = Path()
    members: dict[str, zipfile.ZipInfo] = field(default_factory=dict)
    _open_zip: zipfile.ZipFile | None = None

    def _open(self, path: str, node: Node) -> BinaryIO:
        source = path if path in self.members else node.target
        if source not in self.members:
            raise NotReadable(path, "content is not here")
        try:
            if self._open_zip is None:
                whole = _Slice(self.archive, 0, self.archive.stat().st_size)
                self._open_zip = zipfile.ZipFile(io.BufferedReader(whole))
            return self._open_zip.open(self.members[source])  # type: ignore[return-value]
        except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, ValueError) as error:
            raise NotReadable(path, f"cannot be unpacked ({error})") from error


def zip_tree(place: Path) -> Tree:
    tree = ZipTree(label=str(place), archive=place)
    links: list[tuple[str, str]] = []
    try:
        with zipfile.ZipFile(place) as archive:
            for count, info in enumerate(archive.infolist()):
                if count >= MAX_ENTRIES:
                    tree.problems.append(Problem(ProblemKind.TOO_LARGE, "", f"more than {MAX_ENTRIES:,} entries"))
                    break
                _list_zip_member(tree, archive, info, links)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, IndexError, OverflowError) as error:
        raise BadFile(place, found=f"a damaged zip ({error})", expected="an archive of files") from error
    return _finished(tree, links, place)


def _list_zip_member(
    tree: ZipTree, archive: zipfile.ZipFile, info: zipfile.ZipInfo, links: list[tuple[str, str]]
) -> None:
    mode = info.external_attr >> 16
    type_ = "folder" if info.is_dir() else "file"
    target = ""
    if stat.S_ISLNK(mode):
        type_ = "link"
        if info.file_size <= 4096:
            try:
                target = archive.read(info).decode("utf-8", "surrogateescape")
            except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, OSError):
                target = ""
    elif mode and stat.S_IFMT(mode) and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        type_ = "special"
    path = _list_member(tree, Member(info.filename, info.file_size, type_, target, 0), links)
    if path is None:
        return
    if info.flag_bits & 1:
        tree.nodes[path] = Node(info.file_size, Kind.ABSENT)
        tree.problems.append(Problem(ProblemKind.ENCRYPTED, path))
    elif info.file_size > RATIO_FROM_BYTES and info.file_size > MAX_RATIO * max(1, info.compress_size):
        tree.nodes[path] = Node(info.file_size, Kind.ABSENT)
        tree.problems.append(Problem(ProblemKind.TOO_LARGE, path, f"grows more than {MAX_RATIO}-fold"))
    else:
        tree.members[path] = info
