"""Writes docs/reference/rounds.md from the rules themselves. `--check` says whether the page is up to date."""

from __future__ import annotations

import sys
from pathlib import Path

from mlassay.rules.reference import reference_page

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "rounds.md"


def main() -> int:
    wanted = reference_page()
    if "--check" in sys.argv[1:]:
        return 0 if PAGE.exists() and PAGE.read_text(encoding="utf-8") == wanted else 1
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
