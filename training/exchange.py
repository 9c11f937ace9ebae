"""Exchanges who is spoken of in a text: people, countries, parties, titles, genders; with agreement kept.

The stance of a claim must not depend on any of them: training reads articles with exchanged names too, and
`training.fairness` counts what changes. The lists in `training/names` are plain facts, by world region.
"""

import csv
import functools
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stance.names import PLACES, gender, mentions, name_words
from training.annotations import AnnotatedArticle
from training.edits import Edit, edited, spliced

KINDS = ("people", "countries", "parties", "titles", "genders")
_LISTS = Path(__file__).parent / "names"
# Countries that running text names with an article.
_WITH_THE = frozenset(
    "United States|U.S.|US|United Kingdom|UK|Netherlands|Philippines|United Arab Emirates|UAE|Bahamas|Gambia|Maldives|"
    "Solomon Islands|Marshall Islands|Central African Republic|Czech Republic|Dominican Republic".split("|")
)
# Other ways to write what the list has once.
_ALSO = {"United States": ("U.S.", "US", "America"), "United Kingdom": ("UK", "U.K.", "Britain")}
_ARTICLE = re.compile(r"\b(?:([Aa])n?|([Tt])he) $")
# What "an" stands before; "a" before "Ukrainian", "Uruguayan", "UN", "European".
_VOWEL = re.compile(r"(?!U[kg]|Uru|U\.?[KNS]|Eur|[Oo]ne|[Uu]ni)[AEIOUaeiou]|[FHLMNRSX][A-Z]|[Hh](?:our|eir|ono)")


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
    countries: tuple[tuple[str, str, str, str], ...]
    parties: tuple[tuple[str, str, str, str], ...]
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


def exchanged(annotated: AnnotatedArticle, words: Mapping[str, str]) -> AnnotatedArticle:
    """Exchange names throughout an article, in its text and in its quotes' speakers and targets.

    Args:
        annotated: The article.
        words: What takes the place of what, from `plan`.

    Returns:
        The article with every span moved; each name is replaced by the same other one everywhere.
    """
    if not words:
        return annotated
    moved = edited(annotated, substitutions(annotated.article.text, words))

    def name(value: str | None) -> str | None:
        return None if value is None else spliced(value, substitutions(value, words))

    quotes = tuple(replace(quote, speaker=name(quote.speaker), target=name(quote.target)) for quote in moved.quotes)
    return replace(moved, quotes=quotes)


def plan(text: str, chance: random.Random, kinds: Iterable[str] = KINDS) -> dict[str, str]:
    """Choose what takes the place of each name in a text: surface form to surface form."""
    chosen = frozenset(kinds)
    names = lists()
    words: dict[str, str] = {}
    flipped = "genders" in chosen
    if "countries" in chosen:
        words |= _forms(text, chance, names.countries)
    if "parties" in chosen:
        words |= _forms(text, chance, names.parties)
    if "people" in chosen or flipped:
        taken = frozenset(form for row in (*names.countries, *names.parties) for form in row)
        words |= {old: new for old, new in _people(text, chance, taken, flipped).items() if old not in words}
    if "titles" in chosen:
        words |= _titles(text, chance)
    if flipped:
        words = _gendered() | words  # "Peter King" is no queen
    return words


def substitutions(text: str, words: Mapping[str, str]) -> list[Edit]:
    """Find every whole-word occurrence of what is to be replaced; "a" and "an" agree, a needless "the" goes."""
    if not words:
        return []
    edits = []
    for match in _any_of(tuple(words)).finditer(text):
        old, new, start = match[0], words[match[0]], match.start()
        if old in _PRONOUNS:
            new = _pronoun(old, text[match.end() : match.end() + 3])
        article = _ARTICLE.search(text, max(0, start - 5), start)
        lead = ""
        if article is not None and article[1]:
            lead, start = article[1] + ("n " if _VOWEL.match(new) else " "), article.start()
        elif article is not None and old in _WITH_THE and new not in _WITH_THE:
            start = article.start()
        edits.append(Edit(start, match.end(), lead + new))
    return edits


_SUFFIXES = frozenset(["Jr", "Sr", "II", "III"])
# Names that are words of running text too, and would be exchanged where they are none.
_WORDS = frozenset(
    ["May", "April", "June", "Will", "Mark", "Grant", "Bill", "Rob", "Sue", "Drew", "Young", "Long", "Law"]
)
_PRONOUNS = frozenset(["he", "she", "He", "She", "him", "Him", "his", "His", "her", "Her", "hers", "Hers"])


def _pronoun(old: str, after: str) -> str:
    """Exchange a pronoun: "her" is "his" before a noun, else "him"; "his" is "hers" where no word follows."""
    before_word = re.match(r" [“\"‘'«]?\w", after) is not None
    exchanged = {"he": "she", "she": "he", "him": "her", "hers": "his"}
    new = exchanged.get(old.lower()) or (
        ("his" if before_word else "him") if old.lower() == "her" else ("her" if before_word else "hers")
    )
    return new.capitalize() if old[0].isupper() else new


def _gendered() -> dict[str, str]:
    pairs = {**lists().genders, **{she: he for he, she in lists().genders.items()}}
    words = pairs | {old.capitalize(): new.capitalize() for old, new in pairs.items()}
    # "Ms" stands for "Mr" in the list; these only have one way. Pronouns are chosen where they stand.
    return words | {"Mrs": "Mr", "Miss": "Mr"} | {pronoun: pronoun for pronoun in _PRONOUNS}


def _forms(text: str, chance: random.Random, table: Sequence[tuple[str, str, str, str]]) -> dict[str, str]:
    """Map each form of the members of a table that the text names to the like form of another member.

    A last form alone (a capital, an acronym) does not name a member: "AP" is no party where no party is named.
    """
    words: dict[str, str] = {}
    named = {match[0] for match in _any_of(tuple(form for row in table for form in _all_forms(row))).finditer(text)}
    present = [row for row in table if named & {*row[:-1], *_ALSO.get(row[0], ())}]
    free = chance.sample([row for row in table if row not in present], len(table) - len(present))
    # Who is named in full goes first: "Labour" belongs to several parties.
    for row in sorted(present, key=lambda row: row[0] not in named):
        if not named & {*row[:-1], *_ALSO.get(row[0], ())} - words.keys():
            continue
        new = free.pop() if free else chance.choice(table)
        like = dict(zip(reversed(row), reversed(new), strict=True)) | dict.fromkeys(_ALSO.get(row[0], ()), new[0])
        words = like | words
    return words


def _all_forms(row: tuple[str, ...]) -> tuple[str, ...]:
    return *row, *_ALSO.get(row[0], ())


@functools.lru_cache(maxsize=64)
def _any_of(forms: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.])(?:{'|'.join(map(re.escape, sorted(forms, key=len, reverse=True)))})(?!\w)")


def _people(text: str, chance: random.Random, taken: frozenset[str], flipped: bool) -> dict[str, str]:
    """Map given and family names; who shares one shares the new one too."""
    words: dict[str, str] = {}
    families = iter(chance.sample(lists().family, len(lists().family)))  # no two people get one
    names = dict.fromkeys(m.name for m in mentions(text) if not m.name.isupper())
    for name in names:
        if any(name.startswith(f"{other} ") and " " in other for other in names):  # "Ann Lee Quits": a headline
            continue
        parts = [part for part in name.split(" ") if part.strip(".") not in _SUFFIXES]
        if not 1 < len(parts) <= 4 or parts[-1] in taken or PLACES & set(name_words(name)):
            continue
        if {parts[0], parts[-1]} & _WORDS:
            continue
        known = _gender(parts[0])
        if known is None:
            continue
        new = {"f": "m", "m": "f"}[known] if flipped else known
        words.setdefault(parts[0], chance.choice(lists().given[new]))
        if parts[-1] not in words:
            words[parts[-1]] = next(families)
    # In capitals only who stands in the text otherwise too: a headline's verb is nobody.
    return words | {old.upper(): new.upper() for old, new in words.items() if len(old) > 1}


def _gender(first: str) -> str | None:
    known = gender(first)
    return known or next((g for g, names in lists().given.items() if first in names), None)


def _titles(text: str, chance: random.Random) -> dict[str, str]:
    """Map titles that stand before a name, with the capital that follows left alone."""
    known = lists().titles
    pattern = re.compile(rf"(?<!\w)({'|'.join(map(re.escape, sorted(known, key=len, reverse=True)))})(?= [A-Z])")
    return {old: chance.choice(known) for old in dict.fromkeys(m[1] for m in pattern.finditer(text))}


def _rows(name: str) -> list[dict[str, str]]:
    with (_LISTS / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))
