"""Stand-ins: whoever is named, the network reads the same; and every token still knows its place in the text."""

import itertools
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from stance import standins
from stance.names import mentions
from stance.network import load_network
from stance.pipeline import Pipeline, default_model
from stance.standins import Phrases, spliced, stand_ins
from stance.types import Article, Span
from stance.windows import SHAPES, Tokens, tokenize
from training.annotations import AnnotatedArticle
from training.exchange import KINDS, exchanged, plan
from training.features import rows

TOKENIZER = Tokenizer.from_file(str(Path(__file__).parent.parent / "models" / "default" / "tokenizer.json"))

# What is written, and what is read.
READ = {
    "full name": ("Clara Doyle resigned.", "Robin Smith resigned."),
    "surname alone": ("Clara Doyle left. “No,” said Doyle.", "Robin Smith left. “No,” said Smith."),
    "possessive": ("It was Clara Doyle’s ferry, Doyle's own.", "It was Robin Smith’s ferry, Smith's own."),
    "by appearance": ("Tom Ray met Clara Doyle. Ray paid.", "Robin Smith met Jamie Miller. Smith paid."),
    "a shared surname": ("Tom Ray and Clara Ray met.", "Robin Smith and Jamie Smith met."),
    "in capitals": ("DOYLE: the ferry sank. Clara Doyle wept.", "SMITH: the ferry sank. Robin Smith wept."),
    "a word of running text": ("Will Young came in May.", "Will Young came in May."),
    "an unknown given name": ("Xqo Doyle resigned.", "Xqo Doyle resigned."),
    "country": ("China and Chinese ships; Beijing denied it.", "France and French ships; Paris denied it."),
    "countries by appearance": ("India warned China.", "France warned Spain."),
    "a country with an article": ("The ports of the United States shut.", "The ports of France shut."),
    "a and an": ("An American sailor and a Chinese one.", "A French sailor and a Spanish one."),
    "a capital alone": ("The office in Beijing is shut.", "The office in Beijing is shut."),
    "party": ("The Republican Party lost; Republicans wept.", "The Liberal lost; Liberal wept."),
    "title": ("President Clara Doyle came. The President sat.", "Minister Robin Smith came. The Minister sat."),
    "a title of nobody": ("The president sat.", "The president sat."),
    "woman": ("She told her brother that it was hers.", "He told his brother that it was his."),
    "man": ("He told him of his boat.", "He told his of his boat."),
    "her": ("They asked her twice.", "They asked his twice."),
    "words of gender": ("Ms Hale, the spokeswoman and his wife", "Mr Hale, the spokesman and his husband"),
    "part of a word": ("Chinaman’s Hill and sheriffs", "Chinaman’s Hill and sheriffs"),
    "nothing": ("The ferry was late.", "The ferry was late."),
    "empty": ("", ""),
}


@pytest.mark.parametrize(("text", "read"), READ.values(), ids=READ)
def test_what_is_read(text: str, read: str) -> None:
    assert spliced(text, stand_ins(text, mentions(text))) == read


@pytest.mark.parametrize("kind", KINDS)
def test_whoever_is_named_the_same_is_read(kind: str, held: list[AnnotatedArticle]) -> None:
    changed = [exchanged(one, plan(one.article.text, _chance(i), [kind])) for i, one in enumerate(held)]
    pairs = [(a, b) for a, b in zip(held, changed, strict=True) if a.article.text != b.article.text]
    alike = [_alike(_read(a.article.text), _read(b.article.text)) for a, b in pairs]
    assert len(pairs) >= 5
    # A country's adjective may be its neighbour's people, and a title of four words part of a name.
    assert np.mean(alike) >= 0.9


def test_claims_do_not_depend_on_who_is_named() -> None:
    template = (
        "{given} {family} said on Monday that the mayor had lied about the bridge. “{country} never paid a cent,” "
        "{she} said. {family}’s lawyer, a member of the {party}, denied that {she} had taken money."
    )
    named = [
        {"given": "Clara", "family": "Doyle", "country": "China", "party": "Republican Party", "she": "she"},
        {"given": "Sione", "family": "Taumoefolau", "country": "Kazakhstan", "party": "Fidesz", "she": "he"},
    ]
    network, tokenizer = load_network(default_model())
    network.config = network.config.model_copy(update={"stand_ins": True})
    pipeline = Pipeline(network.eval(), tokenizer)
    found = [claims for _, claims in pipeline.run(Article("a", template.format(**one)) for one in named)]
    assert len(found[0]) == len(found[1]) > 1
    for one, other in zip(*found, strict=True):
        assert (one.stance, one.probabilities) == (other.stance, other.probabilities)
    assert [claims[0].attributed.speaker for claims in found] == ["Clara Doyle", "Sione Taumoefolau"]


def test_training_reads_what_the_pipeline_reads(held: list[AnnotatedArticle], pipeline: Pipeline) -> None:
    sizes = {"size": 254, "overlap": 64, "windows": 100}
    text = held[0].article.text
    [read], [plain] = (list(rows(held[:1], TOKENIZER, stand_ins=stand_ins, **sizes)) for stand_ins in (True, False))
    assert read["ids"] == _read(text).ids.tolist() != plain["ids"]
    assert plain["ids"] == pipeline.tokenize(text).ids.tolist()
    assert len(read["stances"]) == len(plain["stances"]) > 0


def test_each_word_keeps_its_place() -> None:
    text = "Ms Clara Doyle of the United States met the Bloc Québécois; Sione Abdul-Kaya wept."
    tokens = _read(text)
    words = [text[start:end] for start, end in zip(tokens.starts, tokens.ends, strict=True)]
    assert words == [
        *["Ms", "Clara", "Doyle", "of", "the United States", "met", "the", "Bloc Québécois", ";"],
        *["Sione", "Abdul-Kaya", "wept", "."],
    ]


NAMED = st.sampled_from(
    "Clara Doyle|President|Prime Minister Clara Doyle|she|Her|the United States|an American|Labour|Mrs|U.S.|said|“|”|"
    ", |\n\n|Ann-Marie O’Brien|CLARA DOYLE|é|😀| ".split("|")
)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.one_of(NAMED, st.text(max_size=5)), max_size=14), st.sampled_from([" ", ""]))
def test_offsets_of_any_text_are_in_order_and_within_it(parts: list[str], gap: str) -> None:
    text = gap.join(["Clara Doyle left.", *parts])
    tokens = _read(text)
    assert len(tokens) == len(tokens.ids) == len(tokens.starts) == len(tokens.ends) == len(tokens.shapes)
    assert np.all(np.diff(tokens.starts) >= 0)
    assert np.all(np.diff(tokens.ends) >= 0)
    assert np.all(tokens.starts < tokens.ends)
    assert tokens.starts[0] >= 0
    assert tokens.ends[-1] <= len(text)
    assert np.all((tokens.shapes >= 0) & (tokens.shapes < SHAPES))


@given(st.lists(st.text("abA. -", min_size=1, max_size=4), max_size=6), st.text("abA. -", max_size=30))
def test_phrases_are_found_whole_in_order_and_apart(phrases: list[str], text: str) -> None:
    found = list(Phrases(phrases).find(text))
    assert all(text[slice(*span)] in phrases for span in found)
    assert all(one.end <= other.start for one, other in itertools.pairwise(found))
    assert all(not text[span.end : span.end + 1].isalnum() for span in found)
    assert all(not text[:1].isalnum() or span.start == 0 or not text[span.start - 1].isalnum() for span in found)


def test_stand_ins_are_words_of_the_vocabulary_that_no_list_confuses() -> None:
    words = [*standins._GIVEN, *standins._FAMILY, *standins._PARTIES, standins._TITLE]
    words += [form for row in standins._COUNTRIES for form in row]
    assert [word for word in words if len(TOKENIZER.encode(word, add_special_tokens=False).ids) != 1] == []
    assert len(set(standins._GIVEN)) == len(standins._GIVEN)
    assert not set(standins._GIVEN) & set(standins._FAMILY)


def test_the_longest_of_several_is_found() -> None:
    text = "The New Labour Party of New Labour."
    assert list(Phrases(["New Labour", "New Labour Party", "Labour"]).find(text)) == [Span(4, 20), Span(24, 34)]


def _read(text: str) -> Tokens:
    return tokenize(text, TOKENIZER, mentions(text))


def _alike(one: Tokens, other: Tokens) -> bool:
    return one.ids.tolist() == other.ids.tolist() and one.shapes.tolist() == other.shapes.tolist()


def _chance(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311
