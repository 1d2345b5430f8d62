"""The words of the dashboard and of the database, each with its unit."""

from __future__ import annotations

from mlassay.results.glossary import entries, tables
from mlassay.results.oddity import MEANINGS
from mlassay.web.page import Context, Page

HIDDEN = ("schema_version",)


def glossary(context: Context) -> Page:
    """Words first, then every column."""
    t = context.t
    words = sorted(((k, v) for k, v in t.under("glossary").items()), key=lambda w: w[0].lower())
    return Page(
        template="glossary.html",
        title=t("nav.glossary"),
        section="glossary",
        data={
            "words": [(name.replace("_", " "), meaning) for name, meaning in words],
            "tables": [
                {"name": name, "about": about, "entries": [e for e in entries((name,)) if e.table == name]}
                for name, about in tables().items()
                if name not in HIDDEN
            ],
            "oddities": MEANINGS,
        },
    )
