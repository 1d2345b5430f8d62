"""Names in addresses: submitted names are hostile, addresses and file names are not.

The same name always gives the same slug, so that links survive a new import and a move from server to files.
"""

from __future__ import annotations

import hashlib
import re

_OUT = re.compile(r"[^a-z0-9.]+")
MAX = 48


def digest(text: str, length: int = 12) -> str:
    """Lower-case hexadecimal digits of a text's SHA-256."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def slug(*parts: str) -> str:
    """Letters a-z, digits, dots and hyphens; "--" between parts; a digest where letters were lost."""
    return "--".join(_one(part) for part in parts)


def _one(text: str) -> str:
    plain = _OUT.sub("-", text.lower()).strip("-.")[:MAX].strip("-.")
    return plain if plain and plain == text else f"{plain or 'x'}-{digest(text, 6)}"
