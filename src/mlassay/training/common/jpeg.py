"""Pictures of a data set that lie in files: decoded for training, and looked at for being whole."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from mlassay.core.data_report import DataProblem, each_checked, problem_of
from mlassay.core.errors import BadFile, MissingDependency

BEGIN, END = b"\xff\xd8\xff", b"\xff\xd9"
LOOKED_AT = (
    "of each picture the first and last bytes were looked at; the whole was decoded only where those are not a JPEG's"
)


def pillow() -> Any:
    """The module PIL.Image. Raises MissingDependency."""
    try:
        import PIL.Image
    except ModuleNotFoundError as error:
        raise MissingDependency("pillow", extra="training-data", why="the pictures are JPEG") from error
    return PIL.Image


def read_picture(path: Path) -> Any:
    """A whole file decoded: a Pillow image in RGB. Raises BadFile."""
    reader = pillow()
    try:
        with reader.open(path) as picture:
            return picture.convert("RGB")
    except (OSError, SyntaxError, ValueError, reader.DecompressionBombError) as error:
        raise BadFile(path, found=f"unreadable ({error})", expected="a complete JPEG picture") from error


def picture_problems(folder: Path, names: Iterable[str]) -> tuple[DataProblem, ...]:
    """A finding for each picture (a path inside the folder) that is missing or torn.

    To decode a million pictures takes too long. So a file that begins and ends as a JPEG does counts as whole, though
    it may be damaged between; only the others are decoded, and are findings if that fails.
    """
    return each_checked(list(names), partial(_picture_problem, folder))


def _picture_problem(folder: Path, name: str) -> DataProblem | None:
    path = folder / name
    try:
        if not _has_ends(path):
            read_picture(path)
    except FileNotFoundError:
        return DataProblem(name, "absent", "a picture")
    except OSError as error:
        return DataProblem(name, f"unreadable ({error.strerror})", "a complete JPEG picture")
    except BadFile as error:
        return problem_of(name, error)
    return None


def _has_ends(path: Path) -> bool:
    with path.open("rb", buffering=0) as file:
        if file.read(len(BEGIN)) != BEGIN:
            return False
        file.seek(-len(END), os.SEEK_END)
        return file.read(len(END)) == END
