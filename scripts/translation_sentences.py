"""Sentences with numbers in English and German, for the packed translation model. The number words are num2words'."""

from __future__ import annotations

import random

from num2words import num2words

Pair = tuple[str, str]

_MONTHS = (
    "January|Januar February|Februar March|März April|April May|Mai June|Juni July|Juli August|August"
    " September|September October|Oktober November|November December|Dezember"
)
_THINGS = (
    "books|Bücher houses|Häuser days|Tage children|Kinder cities|Städte trees|Bäume horses|Pferde dogs|Hunde"
    " cats|Katzen apples|Äpfel ships|Schiffe bridges|Brücken letters|Briefe windows|Fenster doors|Türen chairs|Stühle"
    " tables|Tische cars|Autos miles|Meilen islands|Inseln soldiers|Soldaten farmers|Bauern rivers|Flüsse"
    " mountains|Berge schools|Schulen"
)
_PLACES = "Berlin|Berlin Vienna|Wien Munich|München Cologne|Köln Rome|Rom Paris|Paris Prague|Prag London|London"

MONTHS, THINGS, PLACES = ([tuple(pair.split("|")) for pair in text.split()] for text in (_MONTHS, _THINGS, _PLACES))


def sentence(rng: random.Random) -> Pair:
    """One pair of sentences, words between spaces, punctuation apart."""
    return rng.choice((_count, _price, _date, _place, _year, _distance))(rng)


def _number(rng: random.Random, most: int = 1_000_000) -> int:
    """Each length of number about equally often."""
    return rng.randrange(2, 10 ** rng.randint(1, len(str(most)) - 1))


def _words(n: int) -> Pair:
    return num2words(n).replace(",", "").replace("-", " "), num2words(n, lang="de")


def _count(rng: random.Random) -> Pair:
    (a, b), (en, de) = _words(_number(rng)), rng.choice(THINGS)
    return rng.choice(
        (
            (f"there are {a} {en} .", f"es gibt {b} {de} ."),
            (f"we have seen {a} {en} today .", f"wir haben heute {b} {de} gesehen ."),
            (f"they sold {a} {en} last week .", f"sie haben letzte Woche {b} {de} verkauft ."),
        )
    )


def _price(rng: random.Random) -> Pair:
    (a, b), (c, d) = _words(_number(rng)), _words(rng.randrange(2, 100))
    return rng.choice(
        (
            (f"it costs {a} euros .", f"es kostet {b} Euro ."),
            (f"it costs {a} euros and {c} cents .", f"es kostet {b} Euro und {d} Cent ."),
            (f"who has paid {a} euros ?", f"wer hat {b} Euro bezahlt ?"),
        )
    )


def _date(rng: random.Random) -> Pair:
    day, (en, de), year = rng.randrange(1, 29), rng.choice(MONTHS), rng.randrange(1100, 2000)
    first = num2words(day, to="ordinal").replace("-", " ")
    second = num2words(day, lang="de", to="ordinal") + "n"
    a, b = _year_words(year)
    return rng.choice(
        (
            (f"he was born on the {first} of {en} {a} .", f"er wurde am {second} {de} {b} geboren ."),
            (f"the war ended on the {first} of {en} {a} .", f"der Krieg endete am {second} {de} {b} ."),
            (f"we meet on the {first} of {en} .", f"wir treffen uns am {second} {de} ."),
        )
    )


def _year_words(year: int) -> Pair:
    words = num2words(year, to="year").replace("-", " ").replace(" and ", " ")
    return words, num2words(year, lang="de", to="year")


def _place(rng: random.Random) -> Pair:
    (a, b), (c, d) = rng.choice(PLACES), _words(_number(rng))
    en, de = rng.choice(THINGS)
    return f"in {a} there are more than {c} {en} .", f"in {b} gibt es mehr als {d} {de} ."


def _year(rng: random.Random) -> Pair:
    (a, b), (c, d) = _year_words(rng.randrange(1100, 2000)), rng.choice(PLACES)
    return f"in {a} she lived in {c} .", f"im Jahr {b} lebte sie in {d} ."


def _distance(rng: random.Random) -> Pair:
    (a, b), (c, d) = rng.sample(PLACES, 2)
    e, f = _words(_number(rng, 100_000))
    return f"from {a} to {c} it is {e} kilometres .", f"von {b} nach {d} sind es {f} Kilometer ."
