"""Plain facts and sentences about them, for the packed question-answering model: countries, elements, books.

Each kind of thing has attributes; each attribute has ways to state it and ways to ask for it. {s} is the thing, {v} the
value. Facts as such belong to nobody; the sentences are ours.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Templates = Sequence[str]


@dataclass(frozen=True, slots=True)
class Kind:
    """Things of one kind: a table of values, and how each column is stated and asked for."""

    columns: tuple[str, ...]
    table: Mapping[str, tuple[str, ...]]
    state: Mapping[str, Templates]
    ask: Mapping[str, Templates]


def _table(text: str) -> dict[str, tuple[str, ...]]:
    rows = [tuple(cell.strip() for cell in line.split("|")) for line in text.strip().splitlines()]
    return {row[0]: row[1:] for row in rows}


COUNTRIES = Kind(
    columns=("capital", "continent", "currency"),
    table=_table("""
Albania|Tirana|Europe|lek
Algeria|Algiers|Africa|dinar
Argentina|Buenos Aires|South America|peso
Armenia|Yerevan|Asia|dram
Australia|Canberra|Oceania|dollar
Austria|Vienna|Europe|euro
Azerbaijan|Baku|Asia|manat
Bangladesh|Dhaka|Asia|taka
Belgium|Brussels|Europe|euro
Bolivia|Sucre|South America|boliviano
Botswana|Gaborone|Africa|pula
Brazil|Brasilia|South America|real
Cambodia|Phnom Penh|Asia|riel
Canada|Ottawa|North America|dollar
Chile|Santiago|South America|peso
China|Beijing|Asia|yuan
Colombia|Bogota|South America|peso
Costa Rica|San Jose|North America|colon
Cuba|Havana|North America|peso
Denmark|Copenhagen|Europe|krone
Egypt|Cairo|Africa|pound
Estonia|Tallinn|Europe|euro
Ethiopia|Addis Ababa|Africa|birr
Fiji|Suva|Oceania|dollar
Finland|Helsinki|Europe|euro
France|Paris|Europe|euro
Georgia|Tbilisi|Asia|lari
Germany|Berlin|Europe|euro
Ghana|Accra|Africa|cedi
Greece|Athens|Europe|euro
Guatemala|Guatemala City|North America|quetzal
Hungary|Budapest|Europe|forint
Iceland|Reykjavik|Europe|krona
India|New Delhi|Asia|rupee
Indonesia|Jakarta|Asia|rupiah
Iran|Tehran|Asia|rial
Iraq|Baghdad|Asia|dinar
Ireland|Dublin|Europe|euro
Israel|Jerusalem|Asia|shekel
Italy|Rome|Europe|euro
Jamaica|Kingston|North America|dollar
Japan|Tokyo|Asia|yen
Jordan|Amman|Asia|dinar
Kenya|Nairobi|Africa|shilling
Latvia|Riga|Europe|euro
Lebanon|Beirut|Asia|pound
Libya|Tripoli|Africa|dinar
Lithuania|Vilnius|Europe|euro
Malaysia|Kuala Lumpur|Asia|ringgit
Mexico|Mexico City|North America|peso
Mongolia|Ulaanbaatar|Asia|togrog
Morocco|Rabat|Africa|dirham
Nepal|Kathmandu|Asia|rupee
Nigeria|Abuja|Africa|naira
Norway|Oslo|Europe|krone
Pakistan|Islamabad|Asia|rupee
Paraguay|Asuncion|South America|guarani
Peru|Lima|South America|sol
Poland|Warsaw|Europe|zloty
Portugal|Lisbon|Europe|euro
Qatar|Doha|Asia|riyal
Romania|Bucharest|Europe|leu
Senegal|Dakar|Africa|franc
Serbia|Belgrade|Europe|dinar
Slovakia|Bratislava|Europe|euro
Slovenia|Ljubljana|Europe|euro
South Korea|Seoul|Asia|won
Spain|Madrid|Europe|euro
Sudan|Khartoum|Africa|pound
Sweden|Stockholm|Europe|krona
Switzerland|Bern|Europe|franc
Thailand|Bangkok|Asia|baht
Tunisia|Tunis|Africa|dinar
Uganda|Kampala|Africa|shilling
Ukraine|Kyiv|Europe|hryvnia
Uruguay|Montevideo|South America|peso
Vietnam|Hanoi|Asia|dong
Zambia|Lusaka|Africa|kwacha
"""),
    state={
        "capital": (
            "The capital of {s} is {v}.",
            "{v} is the capital of {s}.",
            "{s} is governed from its capital {v}.",
        ),
        "continent": ("{s} lies in {v}.", "{s} is a country in {v}.", "In {v} lies {s}."),
        "currency": ("In {s} people pay with the {v}.", "The currency of {s} is the {v}.", "The {v} is used in {s}."),
    },
    ask={
        "capital": ("What is the capital of {s}?", "Which city is the capital of {s}?", "From where is {s} governed?"),
        "continent": ("On which continent is {s}?", "Where does {s} lie?"),
        "currency": ("What is the currency of {s}?", "What do people in {s} pay with?"),
    },
)

ELEMENTS = Kind(
    columns=("symbol", "number"),
    table=_table("""
hydrogen|H|1
helium|He|2
lithium|Li|3
beryllium|Be|4
boron|B|5
carbon|C|6
nitrogen|N|7
oxygen|O|8
fluorine|F|9
neon|Ne|10
sodium|Na|11
magnesium|Mg|12
aluminium|Al|13
silicon|Si|14
phosphorus|P|15
sulfur|S|16
chlorine|Cl|17
argon|Ar|18
potassium|K|19
calcium|Ca|20
titanium|Ti|22
vanadium|V|23
chromium|Cr|24
manganese|Mn|25
iron|Fe|26
cobalt|Co|27
nickel|Ni|28
copper|Cu|29
zinc|Zn|30
gallium|Ga|31
arsenic|As|33
selenium|Se|34
bromine|Br|35
krypton|Kr|36
silver|Ag|47
cadmium|Cd|48
tin|Sn|50
iodine|I|53
xenon|Xe|54
caesium|Cs|55
barium|Ba|56
tungsten|W|74
platinum|Pt|78
gold|Au|79
mercury|Hg|80
lead|Pb|82
radon|Rn|86
radium|Ra|88
thorium|Th|90
uranium|U|92
"""),
    state={
        "symbol": ("The symbol of {s} is {v}.", "Chemists write {v} for {s}.", "{s} has the symbol {v}."),
        "number": ("The atomic number of {s} is {v}.", "{s} has {v} protons.", "There are {v} protons in {s}."),
    },
    ask={
        "symbol": ("What is the symbol of {s}?", "What do chemists write for {s}?"),
        "number": ("What is the atomic number of {s}?", "How many protons does {s} have?"),
    },
)

BOOKS = Kind(
    columns=("author", "year"),
    table=_table("""
Don Quixote|Miguel de Cervantes|1605
Robinson Crusoe|Daniel Defoe|1719
Gulliver's Travels|Jonathan Swift|1726
Candide|Voltaire|1759
Pride and Prejudice|Jane Austen|1813
Frankenstein|Mary Shelley|1818
Ivanhoe|Walter Scott|1819
Oliver Twist|Charles Dickens|1838
Dead Souls|Nikolai Gogol|1842
Jane Eyre|Charlotte Bronte|1847
Wuthering Heights|Emily Bronte|1847
Moby Dick|Herman Melville|1851
Walden|Henry David Thoreau|1854
Madame Bovary|Gustave Flaubert|1857
Les Miserables|Victor Hugo|1862
Crime and Punishment|Fyodor Dostoevsky|1866
Little Women|Louisa May Alcott|1868
Middlemarch|George Eliot|1871
Anna Karenina|Leo Tolstoy|1878
Treasure Island|Robert Louis Stevenson|1883
Germinal|Emile Zola|1885
Black Beauty|Anna Sewell|1877
The Time Machine|H. G. Wells|1895
Dracula|Bram Stoker|1897
Kim|Rudyard Kipling|1901
The Call of the Wild|Jack London|1903
Peter Pan|J. M. Barrie|1911
Pygmalion|George Bernard Shaw|1913
Dubliners|James Joyce|1914
Howards End|E. M. Forster|1910
"""),
    state={
        "author": ("{s} was written by {v}.", "{v} wrote {s}.", "The author of {s} is {v}."),
        "year": ("{s} appeared in {v}.", "In {v} {s} was published.", "{s} was first printed in {v}."),
    },
    ask={
        "author": ("Who wrote {s}?", "Who is the author of {s}?"),
        "year": ("When did {s} appear?", "In which year was {s} published?"),
    },
)

KINDS = (COUNTRIES, ELEMENTS, BOOKS)


@dataclass(frozen=True, slots=True)
class Asked:
    """One question on a paragraph."""

    question: str
    answer: str
    start: int  # characters
    about: str  # the thing that is asked for
    sentence: tuple[int, int]  # where the answering sentence begins and ends


def paragraph(rng: random.Random, things: Sequence[tuple[Kind, str, tuple[str, ...]]]) -> tuple[str, list[Asked]]:
    """Some sentences about (kind, name, values), shuffled, and a question on each."""
    facts = [(kind, name, *fact) for kind, name, values in things for fact in zip(kind.columns, values, strict=True)]
    rng.shuffle(facts)
    text, asked = "", []
    for kind, name, column, value in facts:
        template = rng.choice(kind.state[column])
        before = template.replace("{s}", name).split("{v}")[0]
        sentence = template.replace("{s}", name).replace("{v}", value)
        capital = sentence[0].upper() + sentence[1:]
        start = len(text) + len(before)
        question = rng.choice(kind.ask[column]).replace("{s}", name)
        place = len(text), len(text) + len(capital)
        text += capital + " "
        asked.append(Asked(question, text[start : start + len(value)], start, name, place))
    return text.rstrip(), asked


def real_things(rng: random.Random, n: int) -> list[tuple[Kind, str, tuple[str, ...]]]:
    """n things of one or two kinds with their true values."""
    kinds = rng.sample(KINDS, rng.choice((1, 1, 2)))
    chosen = [(kind, name) for kind in kinds for name in rng.sample(sorted(kind.table), n)]
    return [(kind, name, kind.table[name]) for kind, name in rng.sample(chosen, n)]


def scrambled_things(rng: random.Random, n: int) -> list[tuple[Kind, str, tuple[str, ...]]]:
    """The same names, each value that of another thing: what a model knows by heart does not help."""
    found = []
    for kind, name, values in real_things(rng, n):
        others = [rng.choice(list(kind.table.values())) for _ in values]
        found.append((kind, name, tuple(other[column] for column, other in enumerate(others))))
    return found
