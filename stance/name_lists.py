"""Names of people, countries and parties, titles and words of gender: plain facts, by world region.

What stands in for them when the network reads (`stance.standins`), and what training exchanges, is found by these.
"""

import csv
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent / "lists"
# Other ways to write what the list has once.
_ALSO = {"United States": ("U.S.", "US", "America"), "United Kingdom": ("UK", "U.K.", "Britain")}

# The forms of a country or party: its name, adjective, members, and its capital or short form.
Forms = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Lists:
    """The names that may take each other's place.

    Attributes:
        given: Given names by gender ("f", "m").
        family: Family names.
        countries: Each as (name, adjective, people, capital).
        parties: Each as (party, adjective, members, short).
        genders: Words of a man and the words of a woman that take their place, in lower case.
        titles: Titles before a name that say nothing of gender.
    """

    given: Mapping[str, tuple[str, ...]]
    family: tuple[str, ...]
    countries: tuple[Forms, ...]
    parties: tuple[Forms, ...]
    genders: Mapping[str, str]
    titles: tuple[str, ...]


@functools.cache
def lists() -> Lists:
    """Read the lists that ship."""
    people = _rows("people.csv")
    return Lists(
        {g: tuple(r["name"] for r in people if r["kind"] == "given" and r["gender"] == g) for g in ("f", "m")},
        tuple(r["name"] for r in people if r["kind"] == "family"),
        tuple(
            (r["name"], r["adjective"], r["people"], r["capital"])
            for r in _rows("countries.csv")
            if r["ambiguous"] == "0"
        ),
        tuple((r["party"], r["adjective"], r["members"], r["short"]) for r in _rows("parties.csv")),
        {r["he"]: r["she"] for r in _rows("genders.csv")},
        tuple(r["title"] for r in _rows("titles.csv") if not r["gender"]),
    )


def all_forms(row: Forms) -> tuple[str, ...]:
    """Give every form of a country or party."""
    return *row, *other_names(row)


def other_names(row: Forms) -> tuple[str, ...]:
    """Give the other names of a country."""
    return _ALSO.get(row[0], ())


def _rows(name: str) -> list[dict[str, str]]:
    with (_FOLDER / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))
