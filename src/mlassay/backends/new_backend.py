"""Writes a small package for a backend of the user's own: entry point, typed skeleton, conformance test, how-to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from string import Template

from mlassay.backends import backend_registry
from mlassay.core.errors import MachineProblem, UsageError

TEMPLATES = Path(__file__).parent / "new_package"


@dataclass(frozen=True, slots=True)
class NewPackage:
    """What was written."""

    name: str
    folder: Path
    files: tuple[Path, ...]


def write_package(name: str, parent: Path) -> NewPackage:
    """`parent`/mlassay-NAME with everything in it; raises UsageError for a name that will not do."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise UsageError(
            f"{name!r} cannot name a backend", hint="use small letters, digits and single hyphens, such as my-npu"
        )
    if name in backend_registry.entries():
        raise UsageError(f"there is a backend {name} already", hint="see mlassay list backends")
    distribution = f"mlassay-{name}"
    folder = parent / distribution
    if folder.exists():
        raise UsageError(f"{folder} exists already", hint="choose another name or folder")
    module = distribution.replace("-", "_")
    words = {
        "name": name,
        "distribution": distribution,
        "module": module,
        "class_name": "".join(part.capitalize() for part in name.split("-")),
    }
    wanted = {
        "pyproject.toml.txt": "pyproject.toml",
        "README.md.txt": "README.md",
        "backend.py.txt": f"src/{module}/backend.py",
        "test_backend.py.txt": "tests/test_backend.py",
    }
    files = []
    try:
        for template, place in wanted.items():
            path = folder / place
            path.parent.mkdir(parents=True, exist_ok=True)
            text = Template((TEMPLATES / template).read_text(encoding="utf-8")).substitute(words)
            path.write_text(text, encoding="utf-8")
            files.append(path)
        for place, text in {
            f"src/{module}/__init__.py": f'"""The backend {name} for mlassay."""\n',
            f"src/{module}/py.typed": "",
        }.items():
            (folder / place).write_text(text, encoding="utf-8")
            files.append(folder / place)
    except OSError as error:
        raise MachineProblem(f"{folder} cannot be written: {error.strerror or error}") from error
    return NewPackage(name, folder, tuple(sorted(files)))
