"""ROUGE F-measures (Lin 2004), equal to the numbers of the rouge-score package that the rule book's scripts use.

Words are runs of a-z and 0-9 in lower case; with `stem` longer ones are cut to their stem (Porter). ROUGE-1 and -2
compare single words and pairs, ROUGE-L the longest common subsequence, ROUGE-Lsum that of each line with all lines of
the other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from mlassay.core.errors import MissingDependency

Stem = Callable[[str], str]
_SHORT = 3  # words up to so many letters are never stemmed


def porter_stem() -> Stem:
    """NLTK's Porter stemmer, as rouge-score uses it."""
    try:
        from nltk.stem import porter
    except ModuleNotFoundError as error:
        raise MissingDependency("nltk", extra="text", why="ROUGE with stems needs its Porter stemmer") from error
    stemmer: Any = porter.PorterStemmer()
    return lambda word: str(stemmer.stem(word))


def sentence_lines() -> Callable[[str], str] | None:
    """NLTK's division into sentences, one a line, as the rule book's scripts do it; None without its data (punkt)."""
    try:
        import nltk
    except ModuleNotFoundError as error:
        raise MissingDependency("nltk", extra="text", why="ROUGE-Lsum needs its division into sentences") from error
    try:
        nltk.sent_tokenize("Is it there? It is.")
    except LookupError:
        return None
    return lambda text: "\n".join(nltk.sent_tokenize(text))


def words_of(text: str, stem: Stem | None = None) -> list[str]:
    found = re.findall(r"[a-z0-9]+", text.lower())
    if stem is None:
        return found
    stemmed = (stem(word) if len(word) > _SHORT else word for word in found)
    return [word for word in stemmed if re.fullmatch(r"[a-z0-9]+", word)]


def rouge(found: str, wanted: str, stem: Stem | None = None) -> dict[str, float]:
    """rouge1, rouge2, rougeL, rougeLsum: 0 to 1."""
    ours, theirs = words_of(found, stem), words_of(wanted, stem)
    return {
        "rouge1": _runs(ours, theirs, 1),
        "rouge2": _runs(ours, theirs, 2),
        "rougeL": _f(_common_length(ours, theirs), len(ours), len(theirs)),
        "rougeLsum": _by_lines(found, wanted, stem),
    }


def _runs(ours: Sequence[str], theirs: Sequence[str], n: int) -> float:
    a, b = (Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1)) for words in (ours, theirs))
    return _f(sum(min(count, b[run]) for run, count in a.items()), a.total(), b.total())


def _f(same: int, ours: int, theirs: int) -> float:
    if not same:
        return 0.0
    precision, recall = same / ours, same / theirs
    return 2 * precision * recall / (precision + recall)


def _common_length(ours: Sequence[str], theirs: Sequence[str]) -> int:
    """Length of the longest common subsequence, a whole row of the table at once as the bits of one number."""
    places: dict[str, int] = {}
    for place, word in enumerate(ours):
        places[word] = places.get(word, 0) | 1 << place
    full = (1 << len(ours)) - 1
    row = full
    for word in theirs:
        met = row & places.get(word, 0)
        row = (row + met | row - met) & full
    return len(ours) - row.bit_count()


def _by_lines(found: str, wanted: str, stem: Stem | None) -> float:
    ours, theirs = ([words_of(line, stem) for line in text.split("\n") if line] for text in (found, wanted))
    n_ours, n_theirs = sum(map(len, ours)), sum(map(len, theirs))
    if not n_ours or not n_theirs:
        return 0.0
    left_ours = Counter(word for line in ours for word in line)
    left_theirs = Counter(word for line in theirs for word in line)
    hits = 0
    for line in theirs:
        places = sorted({place for other in ours for place in _common_places(line, other)})
        for word in (line[place] for place in places):
            if left_ours[word] > 0 and left_theirs[word] > 0:
                hits += 1
                left_ours[word] -= 1
                left_theirs[word] -= 1
    return _f(hits, n_ours, n_theirs)


def _common_places(line: Sequence[str], other: Sequence[str]) -> list[int]:
    """Places in `line` of one longest common subsequence: the one that is found from the end, earlier words first."""
    table = [[0] * (len(other) + 1)]
    for word in line:
        row = [0]
        for column, theirs in enumerate(other):
            row.append(table[-1][column] + 1 if word == theirs else max(table[-1][column + 1], row[column]))
        table.append(row)
    places = []
    i, j = len(line), len(other)
    while i and j:
        if line[i - 1] == other[j - 1]:
            i, j = i - 1, j - 1
            places.append(i)
        elif table[i][j - 1] > table[i - 1][j]:
            j -= 1
        else:
            i -= 1
    return places[::-1]
