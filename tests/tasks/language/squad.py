"""Writes tiny files in SQuAD's form."""

from __future__ import annotations

import json
from pathlib import Path

RIVER = "The Rhine (1,230 km) flows from the Alps to the North Sea. Basel, Bonn and Cologne lie on it."
OTHER = "Émile Zola wrote Germinal in 1885."

VOCABULARY = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "the",
    "rhine",
    "(",
    "1",
    ",",
    "230",
    "km",
    ")",
    "flows",
    "from",
    "alps",
    "to",
    "north",
    "sea",
    ".",
    "basel",
    "bonn",
    "and",
    "co",
    "##log",
    "##ne",
    "lie",
    "on",
    "it",
    "emi",
    "##le",
    "emile",
    "zola",
    "wrote",
    "ge",
    "##rmin",
    "##al",
    "in",
    "1885",
    "where",
    "does",
    "flow",
    "how",
    "long",
    "is",
    "?",
    "who",
    "which",
    "cities",
    "it",
]


def record(number: int, question: str, context: str, *answers: str) -> dict[str, object]:
    return {
        "id": f"q{number}",
        "question": question,
        "answers": [{"text": a, "answer_start": context.index(a)} for a in answers],
    }


def content() -> dict[str, object]:
    return {
        "version": "1.1",
        "data": [
            {
                "title": "Rivers",
                "paragraphs": [
                    {
                        "context": RIVER,
                        "qas": [
                            record(1, "Where does the Rhine flow from?", RIVER, "the Alps", "Alps"),
                            record(2, "How long is the Rhine?", RIVER, "1,230 km"),
                            record(3, "Which cities lie on it?", RIVER, "Basel, Bonn and Cologne"),
                        ],
                    }
                ],
            },
            {
                "title": "Books",
                "paragraphs": [{"context": OTHER, "qas": [record(4, "Who wrote Germinal?", OTHER, "Émile Zola")]}],
            },
        ],
    }


def write(folder: Path, data: object = None) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "dev-v1.1.json").write_text(json.dumps(data or content()), encoding="utf-8")
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(VOCABULARY)) + "\n", encoding="utf-8")
    return folder
