"""Stand-ins: what the network reads in the place of the names of people, countries and parties.

The stance of a claim must not depend on who speaks or is spoken of, nor on how many word pieces a name has: a few
tokens more or less before a quote move it in its window, and that alone turns one label in thirty. So the network reads
every person known by a given name, every country and party under the same few names, in the order in which the article
brings them in, every title before a name as one title, and words of gender in one form. Offsets are those of the text
itself, and all rules about names read the text.
"""

import functools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from stance.name_lists import Forms, all_forms, lists, other_names
from stance.names import PLACES, Mention, gender, name_words
from stance.types import Span

# Each of one word and one piece in the vocabulary of BERT.
_GIVEN = (
    "Robin Jamie Casey Taylor Morgan Lee Alex Jesse Kim Avery Riley Quinn Kerry Leslie Terry Tracy Dana Sam".split()
)
_FAMILY = (
    "Smith Miller Cooper Wilson Anderson Thompson Peterson Harris Clark Lewis Robinson Allen Scott Nelson Mitchell "
    "Roberts Phillips Campbell Evans Edwards Collins Stewart Morris Murphy Rogers Bailey Howard Richardson Watson "
    "Bennett Hughes Myers Foster Sanders Sullivan Russell Ellis Harrison Gibson Webb Simpson Stevens Tucker Hicks "
    "Crawford Mason Warren Dixon Burns Gordon Shaw Holmes Robertson Palmer Nichols Ferguson Hawkins Perkins Hudson "
    "Spencer"
).split()
_COUNTRIES: tuple[Forms, ...] = (
    ("France", "French", "French", "Paris"),
    ("Spain", "Spanish", "Spanish", "Madrid"),
    ("Japan", "Japanese", "Japanese", "Tokyo"),
    ("Brazil", "Brazilian", "Brazilian", "Rio"),
    ("Poland", "Polish", "Poles", "Warsaw"),
    ("Sweden", "Swedish", "Swedish", "Stockholm"),
    ("Mexico", "Mexican", "Mexican", "Mexico"),
    ("Greece", "Greek", "Greeks", "Athens"),
    ("Kenya", "Kenyan", "Kenyan", "Nairobi"),
    ("Norway", "Norwegian", "Norwegian", "Oslo"),
    ("Canada", "Canadian", "Canadians", "Ottawa"),
    ("Peru", "Peruvian", "Peruvian", "Lima"),
)
# One word for every form: many parties have but one.
_PARTIES = "Liberal Conservative Republican Green National Progressive".split()
_TITLE = "Minister"

_SUFFIXES = frozenset(["Jr", "Sr", "II", "III"])
# Names that are words of running text too, and would be replaced where they are none.
_WORDS = frozenset(
    ["May", "April", "June", "Will", "Mark", "Grant", "Bill", "Rob", "Sue", "Drew", "Young", "Long", "Law"]
)
# Pronouns whose other form depends on what follows: chosen where they stand.
HE_OR_SHE = frozenset(["he", "she", "He", "She", "him", "Him", "his", "His", "her", "Her", "hers", "Hers"])
# Countries that running text names with an article.
_WITH_THE = frozenset(
    "United States|U.S.|US|United Kingdom|UK|Netherlands|Philippines|United Arab Emirates|UAE|Bahamas|Gambia|Maldives|"
    "Solomon Islands|Marshall Islands|Central African Republic|Czech Republic|Dominican Republic".split("|")
)
_ARTICLE = re.compile(r"\b(?:([Aa])n?|([Tt])he) $")
# What "an" stands before; "a" before "Ukrainian", "Uruguayan", "UN", "European".
_VOWEL = re.compile(r"(?!U[kg]|Uru|U\.?[KNS]|Eur|[Oo]ne|[Uu]ni)[AEIOUaeiou]|[FHLMNRSX][A-Z]|[Hh](?:our|eir|ono)")
_BEGINNING = re.compile(r"(?<![\w.])\w+")
_LETTER = re.compile(r"\w")
_BEFORE_NAME = re.compile(r" [A-Z]")


class Edit(NamedTuple):
    """A range of code points and what takes its place; `end` is exclusive."""

    start: int
    end: int
    words: str


class Phrases:
    """Words and phrases to be found in a text, whole and as they are written."""

    def __init__(self, phrases: Iterable[str]) -> None:
        self._by_beginning: dict[str, list[str]] = defaultdict(list)
        for phrase in sorted(set(phrases), key=lambda one: (-len(one), one)):
            if beginning := _BEGINNING.match(phrase):
                self._by_beginning[beginning[0]].append(phrase)

    def find(self, text: str) -> Iterator[Span]:
        """Give where they stand, in order and without overlap; the longest where several begin."""
        done = 0
        for word in _BEGINNING.finditer(text):
            if word.start() < done or word[0] not in self._by_beginning:
                continue
            for phrase in self._by_beginning[word[0]]:
                end = word.start() + len(phrase)
                if text.startswith(phrase, word.start()) and not _LETTER.match(text, end):
                    yield Span(word.start(), end)
                    done = end
                    break


def stand_ins(text: str, named: Sequence[Mention]) -> list[Edit]:
    """Give what the network reads in the place of names and words of gender, in order and without overlap.

    Args:
        text: Any text.
        named: The names in it, from `stance.names.mentions`.
    """
    known = lists()
    words: dict[str, str] = {}
    for number, (row, forms) in enumerate(present(text, known.countries)):
        new = _COUNTRIES[number % len(_COUNTRIES)]
        words |= {form: new[row.index(form)] if form in row else new[0] for form in forms}
    for number, (_, forms) in enumerate(present(text, known.parties)):
        words = dict.fromkeys(forms, _PARTIES[number % len(_PARTIES)]) | words
    given: dict[str, str] = {}
    family: dict[str, str] = {}
    for first, last, _ in people(named):
        if first not in family:
            given.setdefault(first, _GIVEN[len(given) % len(_GIVEN)])
        if last not in given:
            family.setdefault(last, _FAMILY[len(family) % len(_FAMILY)])
    names = given | family
    names |= capitals(names)
    return substitutions(text, _of_one_gender(text) | dict.fromkeys(titles(text), _TITLE) | names | words)


def people(named: Iterable[Mention]) -> list[tuple[str, str, str]]:
    """Give first and last word of the full names of people whose given name is known, and "f" or "m", in order."""
    taken = _forms_of_members()
    found = []
    names = dict.fromkeys(m.name for m in named if not m.name.isupper())
    for name in names:
        if any(name.startswith(f"{other} ") and " " in other for other in names):  # "Ann Lee Quits": a headline
            continue
        parts = [part for part in name.split(" ") if part.strip(".") not in _SUFFIXES]
        if not 1 < len(parts) <= 4 or parts[-1] in taken or PLACES & set(name_words(name)):
            continue
        known = gender(parts[0]) or next((g for g, given in lists().given.items() if parts[0] in given), None)
        if known is not None and not {parts[0], parts[-1]} & _WORDS:
            found.append((parts[0], parts[-1], known))
    return found


def titles(text: str) -> list[str]:
    """Give the titles that stand before a name, each once; the name's capital is left alone."""
    found = (text[slice(*span)] for span in _titles().find(text) if _BEFORE_NAME.match(text, span.end))
    return list(dict.fromkeys(found))


def present(text: str, table: tuple[Forms, ...]) -> list[tuple[Forms, list[str]]]:
    """Give the countries or parties that a text names, each with its forms, in the order in which they appear.

    A last form alone (a capital, an acronym) does not name a member: "AP" is no party where no party is named. A form
    of several, as "Labour" is, belongs to the one that is named in full, else to the first in the table.
    """
    phrases, rows = _members(table)
    first: dict[str, int] = {}
    for start, end in phrases.find(text):
        first.setdefault(text[start:end], start)
    taken: set[str] = set()
    found: list[tuple[int, Forms, list[str]]] = []
    for number in sorted({n for form in first for n in rows[form]}, key=lambda n: (table[n][0] not in first, n)):
        row = table[number]
        if first.keys() & {*row[:-1], *other_names(row)} - taken:
            forms = [form for form in all_forms(row) if form not in taken]
            taken.update(forms)
            found.append((min(first[form] for form in forms if form in first), row, forms))
    return [(row, forms) for _, row, forms in sorted(found, key=lambda one: one[0])]


def substitutions(text: str, words: Mapping[str, str]) -> list[Edit]:
    """Find every whole-word occurrence of what is to be replaced; "a" and "an" agree, a needless "the" goes.

    A pronoun that is to be replaced by itself is replaced by that of the other gender which fits where it stands.
    """
    edits = []
    for start, end in Phrases(words).find(text) if words else ():
        old = text[start:end]
        new = _pronoun(old, text[end : end + 3]) if words[old] == old in HE_OR_SHE else words[old]
        article = _ARTICLE.search(text, max(0, start - 5), start)
        lead = ""
        if article is not None and article[1]:
            lead, start = article[1] + ("n " if _VOWEL.match(new) else " "), article.start()
        elif article is not None and old in _WITH_THE and new not in _WITH_THE:
            start = article.start()
        edits.append(Edit(start, end, lead + new))
    return edits


def capitals(names: Mapping[str, str]) -> dict[str, str]:
    """Give names in capitals; only of who stands in the text otherwise too: a headline's verb is nobody."""
    return {old.upper(): new.upper() for old, new in names.items() if len(old) > 1}


def both_cases(words: Mapping[str, str]) -> dict[str, str]:
    """Give words of gender in lower case with a capital too; "Mrs" and "Miss", which only have one way, beside them."""
    return {**words} | {old.capitalize(): new.capitalize() for old, new in words.items()} | {"Mrs": "Mr", "Miss": "Mr"}


def spliced(text: str, edits: Iterable[Edit]) -> str:
    """Apply edits to a text, in any order.

    Raises:
        ValueError: Two edits overlap, or one lies outside the text.
    """
    pieces: list[str] = []
    at = 0
    for edit in sorted(edits):
        if not at <= edit.start <= edit.end <= len(text):
            raise ValueError(f"edit [{edit.start}, {edit.end}) overlaps another or lies outside {len(text)} characters")
        pieces += [text[at : edit.start], edit.words]
        at = edit.end
    return "".join([*pieces, text[at:]])


def _of_one_gender(text: str) -> dict[str, str]:
    """Map the words of a woman in a text to those of a man; "him" and "his" are one, as "her" is."""
    phrases, words = _gendered()
    return {old: words[old] for start, end in phrases.find(text) if (old := text[start:end])}


def _pronoun(old: str, after: str) -> str:
    """Exchange a pronoun: "her" is "his" before a noun, else "him"; "his" is "hers" where no word follows."""
    before_word = re.match(r" [“\"‘'«]?\w", after) is not None
    exchanged = {"he": "she", "she": "he", "him": "her", "hers": "his"}
    new = exchanged.get(old.lower()) or (
        ("his" if before_word else "him") if old.lower() == "her" else ("her" if before_word else "hers")
    )
    return new.capitalize() if old[0].isupper() else new


@functools.cache
def _members(table: tuple[Forms, ...]) -> tuple[Phrases, Mapping[str, list[int]]]:
    """Give the forms of countries or parties to find, and of which rows of the table each is one."""
    rows: dict[str, list[int]] = defaultdict(list)
    for number, row in enumerate(table):
        for form in dict.fromkeys(all_forms(row)):
            rows[form].append(number)
    return Phrases(rows), rows


@functools.cache
def _gendered() -> tuple[Phrases, Mapping[str, str]]:
    words = both_cases({she: he for he, she in lists().genders.items()} | dict.fromkeys(("him", "her", "hers"), "his"))
    return Phrases(words), words


@functools.cache
def _forms_of_members() -> frozenset[str]:
    return frozenset(form for row in (*lists().countries, *lists().parties) for form in row)


@functools.cache
def _titles() -> Phrases:
    return Phrases(lists().titles)
