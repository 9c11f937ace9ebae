"""Exchanges who is spoken of in a text: people, countries, parties, titles, genders; with agreement kept.

The stance of a claim must not depend on any of them: training reads articles with exchanged names too, and
`training.fairness` counts what changes. What is a name is decided as for `stance.standins`.
"""

import random
from collections.abc import Iterable, Mapping
from dataclasses import replace

from stance.name_lists import Forms, lists, other_names
from stance.names import mentions
from stance.standins import HE_OR_SHE, both_cases, capitals, people, present, spliced, substitutions, titles
from training.annotations import AnnotatedArticle
from training.edits import edited

KINDS = ("people", "countries", "parties", "titles", "genders")


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
        words |= {old: new for old, new in _people(text, chance, flipped).items() if old not in words}
    if "titles" in chosen:
        words |= {old: chance.choice(names.titles) for old in titles(text)}
    if flipped:
        words = _gendered() | words  # "Peter King" is no queen
    return words


def _gendered() -> dict[str, str]:
    pairs = {**lists().genders, **{she: he for he, she in lists().genders.items()}}
    # Pronouns are chosen where they stand.
    return both_cases(pairs) | {pronoun: pronoun for pronoun in HE_OR_SHE}


def _forms(text: str, chance: random.Random, table: tuple[Forms, ...]) -> dict[str, str]:
    """Map each form of the members of a table that the text names to the like form of another member."""
    words: dict[str, str] = {}
    members = present(text, table)
    there = {row for row, _ in members}
    free = chance.sample([row for row in table if row not in there], len(table) - len(there))
    for row, forms in members:
        new = free.pop() if free else chance.choice(table)
        like = dict(zip(reversed(row), reversed(new), strict=True)) | dict.fromkeys(other_names(row), new[0])
        words |= {form: like[form] for form in forms}
    return words


def _people(text: str, chance: random.Random, flipped: bool) -> dict[str, str]:
    """Map given and family names; who shares one shares the new one too."""
    words: dict[str, str] = {}
    families = iter(chance.sample(lists().family, len(lists().family)))  # no two people get one
    for first, last, known in people(mentions(text)):
        new = {"f": "m", "m": "f"}[known] if flipped else known
        words.setdefault(first, chance.choice(lists().given[new]))
        if last not in words:
            words[last] = next(families)
    return words | capitals(words)
