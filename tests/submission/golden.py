"""Writes tests/golden/mutations.json anew: `python -m tests.submission.golden`. Read the diff before committing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mlassay.submission.checker import check
from mlassay.submission.render import as_document
from tests.submission.mutations import MUTATIONS

GOLDEN = Path(__file__).parents[1] / "golden" / "mutations.json"


def findings_of(name: str) -> list[dict[str, Any]]:
    """What the checker says about one mutation, without the clause and the hint, which may be reworded."""
    document = as_document(check(MUTATIONS[name].tree()))
    return [{k: f[k] for k in ("id", "severity", "where", "found", "expected")} for f in document["findings"]]


def main() -> None:
    data = {name: findings_of(name) for name in MUTATIONS}
    GOLDEN.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
