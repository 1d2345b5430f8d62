"""Plain-text tables with footnoted sources, shared by the inference and training views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlassay.rules.view import Row


def short_clause(sources: Mapping[str, str], clause: str) -> str:
    """'conf, since v0.5' for a clause whose source is listed under its key in the same output."""
    text, _, since = clause.partition("; unchanged since ")
    for key, cited in sources.items():
        if text.startswith(cited):
            section = text.removeprefix(cited).removeprefix(", section ").strip("'")
            parts = [key, f"'{section}'" if section else "", f"since {since}" if since else ""]
            return ", ".join(p for p in parts if p)
    return clause


def rows_text(sources: Mapping[str, str], rows: Sequence[Row]) -> str:
    return table((), [(f"  {r.what}", r.value, short_clause(sources, r.clause)) for r in rows])


def sources_text(sources: Mapping[str, str]) -> str:
    return "sources\n" + table((), [(f"  {key}", text) for key, text in sources.items()])


def table(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Columns aligned by spaces, two between; the last column is never padded."""
    rows = [header, *body] if header else list(body)
    if not rows:
        return "  none"
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    if header:
        lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)
