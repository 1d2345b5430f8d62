"""Who chose what: MovieLens ratings, or the dependencies in a Debian package index."""

from __future__ import annotations

import gzip
import lzma
import shutil
import subprocess
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mlassay.core.errors import BadFile, MachineProblem

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Interactions:
    """Training pairs and one held-out pair for each user (row u of `test_items` is user u's)."""

    n_users: int
    n_items: int
    users: Ints
    items: Ints
    test_items: Ints

    def codes(self) -> Ints:
        """Training pairs as sorted single numbers, for fast membership tests."""
        return np.sort(self.users * self.n_items + self.items)


def load(data_format: str, path: Path | None, min_interactions: int) -> Interactions:
    """Raises BadFile or MachineProblem, naming what is wanted."""
    if data_format == "debian":
        return from_dependencies(package_lines(path), min_interactions)
    if path is None:
        raise BadFile("--data", found="not given", expected="the MovieLens folder with ratings.csv (or u.data)")
    return from_ratings(path, min_interactions)


def from_ratings(path: Path, min_interactions: int) -> Interactions:
    """MovieLens: users with enough ratings; each user's last item by time is held out."""
    table = _ratings_table(path)
    users, items, times = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, -1]
    counts = np.bincount(users)
    keep = counts[users] >= min_interactions
    users, items, times = users[keep], items[keep], times[keep]
    users, items = np.unique(users, return_inverse=True)[1], np.unique(items, return_inverse=True)[1]
    order = np.lexsort((np.arange(len(users)), times, users))  # stable: equal times keep the file's order
    users, items = users[order], items[order]
    last = np.r_[users[1:] != users[:-1], True]
    return Interactions(int(users.max()) + 1, int(items.max()) + 1, users[~last], items[~last], items[last])


def _ratings_table(path: Path) -> npt.NDArray[np.float64]:
    folder = path if path.is_dir() else path.parent
    for name, delimiter, skip in (("ratings.csv", ",", 1), ("u.data", "\t", 0)):
        file = path if path.is_file() and path.name == name else folder / name
        if file.exists():
            try:
                table = np.loadtxt(file, delimiter=delimiter, skiprows=skip, ndmin=2)
            except ValueError as error:
                raise BadFile(file, found=f"unreadable ({error})", expected="user, item, rating, time") from error
            if table.shape[1] != 4 or not len(table):
                raise BadFile(file, found=f"{table.shape[1]} columns", expected="user, item, rating, time")
            return table
    raise BadFile(path, found="without ratings.csv or u.data", expected="an unpacked MovieLens data set")


def package_lines(path: Path | None) -> Iterable[str]:
    """A Debian `Packages` file, plain or packed; without one, what apt knows on this machine."""
    if path is not None:
        if not path.is_file():
            raise BadFile(path, found="absent", expected="a Debian Packages file (plain, .gz or .xz)")
        unpack = {".gz": gzip.decompress, ".xz": lzma.decompress}.get(path.suffix, bytes)
        try:
            return unpack(path.read_bytes()).decode("utf-8").splitlines()
        except (OSError, EOFError, UnicodeDecodeError, lzma.LZMAError, zlib.error) as error:
            raise BadFile(path, found=f"unreadable ({error})", expected="a Debian Packages file") from error
    if shutil.which("apt-cache") is None:
        raise MachineProblem(
            "no apt-cache here, so no package index",
            hint="pass --data FILE with a Packages.xz from any Debian mirror (dists/bookworm/main/binary-amd64)",
        )
    found = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, check=False).stdout  # noqa: S607 - the system's own
    return found.decode("utf-8", "replace").splitlines()


def from_dependencies(lines: Iterable[str], min_interactions: int) -> Interactions:
    """Packages are users, what they depend on are items; one dependency of each is held out at random.

    Items with fewer than five dependents are left out, then packages with too few dependencies. The held-out choice
    is fixed (it does not follow the run's seed), so that all runs face the same test.
    """
    wants = _dependencies(lines)
    times_wanted: dict[str, int] = {}
    for chosen in wants.values():
        for item in chosen:
            times_wanted[item] = times_wanted.get(item, 0) + 1
    known = sorted(i for i, n in times_wanted.items() if n >= 5)
    number = {name: k for k, name in enumerate(known)}
    rows = [[number[i] for i in chosen if i in number] for _, chosen in sorted(wants.items())]
    rows = [r for r in rows if len(r) >= max(min_interactions, 2)]
    if not rows:
        raise BadFile(
            "the package index", found="without packages that depend on enough others", expected="a whole distribution",
            hint="run apt-get update, or pass --data FILE with a Packages file",
        )  # fmt: skip
    rng = np.random.default_rng(20181212)
    held = [int(rng.integers(len(r))) for r in rows]
    users = np.concatenate([np.full(len(r) - 1, u) for u, r in enumerate(rows)])
    items = np.concatenate([np.delete(np.array(r), h) for r, h in zip(rows, held, strict=True)])
    test = np.array([r[h] for r, h in zip(rows, held, strict=True)])
    return Interactions(len(rows), len(known), users.astype(np.int64), items.astype(np.int64), test.astype(np.int64))


def _dependencies(lines: Iterable[str]) -> dict[str, dict[str, None]]:
    """Package name to the first alternative of each of its dependencies, in the index's order."""
    wants: dict[str, dict[str, None]] = {}
    package = ""
    for line in lines:
        if line.startswith("Package: "):
            package = line[9:].strip()
        elif line.startswith(("Depends: ", "Pre-Depends: ", "Recommends: ")) and package:
            chosen = wants.setdefault(package, {})
            for part in line.split(":", 1)[1].split(","):
                name = part.split("|")[0].strip().split(" ")[0].split(":")[0]
                if name:
                    chosen[name] = None
    return wants


def draw_negatives(data: Interactions, users: Ints, codes: Ints, rng: np.random.Generator) -> Ints:
    """For each user one item that is not among its training items; with replacement between draws."""
    items = rng.integers(0, data.n_items, len(users))
    while True:
        wanted = users * data.n_items + items
        at = np.searchsorted(codes, wanted)
        again = np.nonzero(codes[np.minimum(at, len(codes) - 1)] == wanted)[0]
        if not len(again):
            return items
        items[again] = rng.integers(0, data.n_items, len(again))
