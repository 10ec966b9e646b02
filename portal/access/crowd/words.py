"""What the invented people are called, where they work and what they write."""

from __future__ import annotations

from random import Random
from typing import Any, Final

DOMAIN: Final = "crowd.example"
"""Every address of the crowd ends so."""

FIRST: Final = (
    *("Aino", "Amara", "Ana", "Arash", "Bilal", "Bram", "Chen", "Chidi", "Dora", "Elif", "Emre", "Esther", "Farid"),
    *("Freya", "Goran", "Hana", "Ines", "Isak", "Jana", "Jun", "Kamala", "Kofi", "Lea", "Lucia", "Mara", "Mateo"),
    *("Mina", "Nadia", "Noor", "Olga", "Oskar", "Paolo", "Priya", "Rafael", "Ravi", "Rosa", "Sara", "Sven", "Tala"),
    *("Tomas", "Uma", "Viktor", "Wei", "Yara", "Yusuf", "Zoë"),
)
LAST: Final = (
    *("Adeyemi", "Almeida", "Andersson", "Bakker", "Bianchi", "Castillo", "Chowdhury", "Cohen", "Dahl", "Demir"),
    *("Dubois", "Eriksen", "Farkas", "Fernandes", "Fischer", "Garcia", "Haddad", "Hale", "Hoang", "Horvat"),
    *("Ibrahim", "Ivanova", "Jansen", "Kaya", "Kim", "Kowalska", "Kumar", "Laine", "Lindqvist", "Mensah"),
    *("Moreau", "Nakamura", "Ndiaye", "Novak", "Okafor", "Papadopoulos", "Petrov", "Quispe", "Rahman", "Rossi"),
    *("Santos", "Schmidt", "Silva", "Suzuki", "Tanaka", "Varga", "Wang", "Weber", "Yilmaz", "Zhang"),
)
TOWNS: Final = (
    *("Northfield", "Aldermoor", "Brackwater", "Castleford Bay", "Duncastle", "Eastmere", "Fallowdale", "Grenholt"),
    *("Highmarsh", "Ilverton", "Kestrel Point", "Larkhaven", "Mossley Cross", "Nettlebridge", "Oakhollow", "Pinecrest"),
    *("Quarry Hill", "Ravensby", "Stonereach", "Thornbury Vale", "Underwood", "Vellmouth", "Westering", "Yarrow Sound"),
)
KINDS: Final = (
    ("University of {}", "academia"), ("{} Institute of Technology", "academia"), ("{} Medical School", "academia"),
    ("{} National Laboratory", "government"), ("{} Observatory for Rights", "civil_society"),
    ("{} Research", "industry_research"),
)  # fmt: skip
COUNTRIES: Final = ("BR", "CA", "DE", "EE", "FR", "GB", "IN", "JP", "KE", "KR", "NL", "NG", "PL", "US", "ZA")
ROLES: Final = ("faculty", "postdoc", "phd", "student", "staff", "independent")
TOPICS: Final = (
    *("How small models forget", "Loss spikes and what follows them", "Exact copying of rare sentences"),
    *("Bias in short answers", "Attention in the last layers", "Cheap probes for toxic text"),
    *("What a checkpoint knows of dates", "Sparse features across sizes", "Names, gender and co-reference"),
)
SUBJECTS: Final = (
    "in low-resource languages",
    "across three sizes",
    "before and after a restart",
    "under quantisation",
)


def person(number: int, domain: str, rng: Random) -> tuple[str, str]:
    """(name, address) of one of the crowd."""
    first, last = rng.choice(FIRST), rng.choice(LAST)
    return f"{first} {last}", f"{last.lower()}.{number}@{domain}"


def place(rng: Random) -> tuple[str, str, str]:
    """(name, class, mail domain) of an institution that does not exist."""
    town, (kind, klass) = rng.choice(TOWNS), rng.choice(KINDS)
    name = kind.format(town)
    return name, klass, f"{name.lower().replace(' ', '-')}.{DOMAIN}"


def answers(name: str, organisation: str, klass: str, rng: Random) -> dict[str, Any]:
    """A complete form, as the default one asks."""
    title = f"{rng.choice(TOPICS)} {rng.choice(SUBJECTS)}"
    restricted = dict.fromkeys(("military", "surveillance", "biometric", "privacy", "redistribution"), "no")
    return {
        "legal_name": name,
        "role": rng.choice(ROLES),
        "institution": {"name": organisation, "ror": "", "site": f"https://www.{DOMAIN}"},
        "affiliation_class": klass,
        "country": rng.choice(COUNTRIES),
        "title": title,
        "summary": f"{title}: we compare the state of a model before a divergence with its state after recovery, layer "
        "by layer, and publish the code with the figures. The work belongs to a thesis that ends next year.",
        "method": "We load both checkpoints, compute representations on a fixed set of texts and compare them. "
        "No model is trained further, and nothing that it writes is shown to anybody outside the group.",
        "capabilities": ["download", "query"],
        "funding": rng.choice(("none", "A grant of the national science foundation.")),
        "commercial": "yes" if rng.random() < 0.05 else "no",
        **restricted,
        "storage": f"The cluster of {organisation}: two administrators, encrypted disks, no access from outside.",
        "deletion": True,
        "accuracy": True,
    }
