"""Write docs/reference/schema.md and glossary.md from the schema and its glossary. `--check` only compares."""

from __future__ import annotations

import sys
from pathlib import Path

from mlassay.results.glossary import glossary_page, schema_page

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"


def main() -> int:
    pages = {"schema.md": schema_page(), "glossary.md": glossary_page()}
    stale = [
        n for n, text in pages.items() if not (REFERENCE / n).exists() or (REFERENCE / n).read_text("utf-8") != text
    ]
    if "--check" in sys.argv:
        print(f"stale: {', '.join(stale)}; run scripts/results_reference.py" if stale else "up to date")
        return 1 if stale else 0
    for name, text in pages.items():
        (REFERENCE / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
