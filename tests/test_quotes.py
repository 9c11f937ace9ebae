"""Segmentation: hard cases as marked text, and the decoding on tags made by hand."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from stance.marks import quoted_spans
from stance.network import ROLES, Decoding
from stance.quotes import TokenQuote, _completed, kind, locate, tag_spans, word_starts
from stance.runtime import Reading
from stance.types import Claim, Kind, Span
from stance.windows import tokenize
from training.annotations import parse_marked

DIRECT = {
    "cue after": "{c1:“We will rebuild the bridge before winter comes,”} {u1:said} {s1:Nora Feld}, mayor of Ulm.",
    "source before cue": "{c1:“Nobody warned us about the flood,”} {s1:the farmer} {u1:said} on Tuesday.",
    "cue before": "{s1:The mayor} {u1:said}: {c1:“We will rebuild the bridge before the winter comes.”}",
    "broken by he said": "{c1:“We were told to wait,”} {s1:he} {u1:said}, {c1:“and so we waited for nine long hours.”}",
    "broken after a full stop": (
        "{c1:“The pumps were never tested,”} {s1:Ida Renn} {u1:said}. "
        "{c1:“Every engineer in this building knew about it.”}"
    ),
    "broken between words": "{c1:“This,”} {u1:said} {s1:Mr Okoro}, {c1:“is the worst season that I have ever seen.”}",
    "straight marks": '{c1:"The ferry will not sail before Monday,"} {s1:a port official} {u1:said}.',
    "straight, cue before": 'On Friday {s1:the coach} {u1:told reporters}: {c1:"The boys gave me everything tonight."}',
    "British single": "{c1:‘The council never answered a single letter,’} {s1:Mrs Dale} {u1:said}.",
    "British single with apostrophes": (
        "{c1:‘It’s the lads’ fault and they didn’t even say they’re sorry,’} {s1:Mrs Dale} {u1:told} the inquest."
    ),
    "straight single with apostrophes": (
        "{c1:'I don't know what they're planning and I won't ask,'} {u1:said} {s1:the union's secretary}, Tom Hale."
    ),
    "quote in a quote": (
        "{c1:“My mother always told me, ‘Never lend a man your ladder,’ and she was right,”} {s1:Bell} {u1:said}."
    ),
    "question": "{c1:“Who signed the order?”} {u1:asked} {s1:the senator}.",
    "missing closing mark": (
        "{s1:The minister} {u1:said}: {c1:“We have nothing to hide and we never had.}\n\nThe hearing goes on in June."
    ),
    "middle paragraph opens and does not close": (
        "{s1:Lena Brandt}, who ran the clinic, {u1:said}: {c1:“We asked for help in March and nobody came.\n\n"
        "“We asked again in May, and then the letters stopped coming back.\n\n"
        "“By June we had no beds left for anybody.”}\n\nThe clinic closed in July."
    ),
    "three paragraphs, broken by she said": (
        "{c1:“Two lifts were out for a year,”} {s1:Lena Brandt} {u1:said}. {c1:“We wrote to the owner in March.\n\n"
        "“He sent a man with a camera, and the man sent a bill.\n\n"
        "“Nobody ever mended anything.”}\n\nThe owner could not be reached."
    ),
    "tweet in marks": (
        "{c1:“The worst ferry in the whole north. Never again.”}\n\n— {s1:Jonas Falk (@jfalk)} 4 May 2022\n\n"
        "The ferry line carries 200 cars a day."
    ),
    "tweet with dash and name": (
        "The singer answered her fans online.\n\n{c1:I never said I would quit. See you all in Oslo!}\n\n"
        "— {s1:Mira Holm (@miraholm)} March 3, 2021"
    ),
}

INDIRECT = {
    "said that": "{s1:The company} {u1:said} that {c1:it would close two of its plants by the end of the year}.",
    "said without that": "{s1:Police} {u1:said} {c1:two men had been arrested near the station on Sunday night}.",
    "according to, at the end": (
        "{c1:The fire began in the kitchen shortly after midnight}, {u1:according to} {s1:the fire brigade}."
    ),
    "according to, at the beginning": (
        "{u1:According to} {s1:the report}, {c1:half of the money was spent before the work began}."
    ),
    "cue in the middle": "{c1:The dam}, {s1:engineers} {u1:said}, {c1:could fail within a week unless it is drained}.",
    "cue at the end": "{c1:The talks would resume in Geneva next month}, {s1:a diplomat} {u1:said}.",
    "accused of": "{s1:The opposition} {u1:accused} {c1:the government of hiding the true number of deaths}.",
    "is accused of, without a source": (
        "The banker {u1:is accused of} {c1:stealing 40 million euros from pensioners}. He is due in court in May."
    ),
    "denied": "{s1:The ministry} {u1:denied} that {c1:its soldiers had fired on the crowd}.",
    "thought": "{s1:Many farmers} {u1:believe} {c1:the new tax will drive them out of business}.",
    "urged": "{s1:The charity} {u1:urged} {c1:ministers to publish the figures at once}.",
    "nested report": (
        "{s1:The spokesman} {u1:said} {c1:{s2:the army} {u2:denies} that {c2:it shelled the market in the old town}}."
    ),
    "two sources in one sentence": (
        "{s1:Investors} {u1:fear} that {c1:prices will fall}, but {s2:the central bank} {u2:said} "
        "{c2:it saw no reason to act}."
    ),
}

MIXED = {
    "words in marks at the end": (
        "{s1:The judge} {u1:said} {c1:the police had shown “a shocking disregard for the truth”}."
    ),
    "a noun under an attacking cue": "{s1:The senator} {u1:dismissed} {c1:the report as “pure fantasy”}.",
    "broken by the source, half in marks": (
        "{c1:The plan was “a gift to the rich”}, {u1:according to} {s1:the union’s leader}, Pia Lund."
    ),
    "straight single": "{s1:The trust} {u1:described} {c1:the sale as 'a betrayal of the whole village'}.",
}

NO_QUOTE = {
    "nickname": "Carlo “the Needle” Ricci won the race in Turin in four hours and two minutes.",
    "nicknames, straight": 'William "Billy" Hart and Anna "Nan" Cole opened the new library in Leith on Monday.',
    "a song's title": "The band closed the evening with “Harbour Lights”, its biggest hit, at half past ten.",
    "inches and feet": "The table is 6'2\" long and stands in the hall of the old school in Bern.",
    "plain prose": "The river rose by two metres overnight. Forty houses on the east bank stood in water by dawn.",
}


# What the weights get wrong.
KNOWN_FAILURES = {
    "tweet with dash and name",
    "nested report",
}


@pytest.mark.parametrize(
    "marked",
    [
        pytest.param(
            case,
            id=name,
            marks=[pytest.mark.xfail(strict=True, reason="the model does not cut it so")]
            if name in KNOWN_FAILURES
            else [],
        )
        for name, case in (DIRECT | INDIRECT | MIXED).items()
    ],
)
def test_hard_cases_are_cut_as_expected(marked: str, assert_quotes: Callable[[str], None]) -> None:
    assert_quotes(marked)


@pytest.mark.parametrize("text", [pytest.param(case, id=name) for name, case in NO_QUOTE.items()])
def test_what_is_no_quote_stays_uncut(text: str, assert_quotes: Callable[[str], None]) -> None:
    assert_quotes(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(DIRECT["cue after"], Kind.DIRECT, id="direct"),
        pytest.param(DIRECT["broken by he said"], Kind.DIRECT, id="direct in two pieces"),
        pytest.param(INDIRECT["said that"], Kind.INDIRECT, id="indirect"),
        pytest.param(MIXED["words in marks at the end"], Kind.MIXED, id="mixed"),
        pytest.param("{c1:‘It’s the lads’ fault,’} {s1:she} {u1:said}.", Kind.DIRECT, id="apostrophes inside"),
    ],
)
def test_kind_follows_the_quotation_marks(text: str, expected: Kind) -> None:
    marked = parse_marked(text)
    text = marked.article.text
    assert kind(marked.quotes[0].content, text, quoted_spans(text)) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("   \n", []),
        ("Geologists disagree.", ["Geologists", "disagree", "."]),
        ("it’s the lads' well-known 12.5", ["it’s", "the", "lads", "'", "well-known", "12.5"]),
        ("AT&T rose", ["AT&T", "rose"]),
        ("“Ja,” said", ["“", "Ja", ",", "”", "said"]),
        ("unbelievably-named", ["unbelievably-named"]),
    ],
)
def test_word_starts_keep_the_pieces_of_a_word_together(text: str, words: list[str], tokenizer: Tokenizer) -> None:
    tokens = tokenize(text, tokenizer)
    starts = [int(tokens.starts[i]) for i in word_starts(text, tokens)]
    ends = [*starts[1:], len(text)][: len(starts)]
    assert [text[s:e].strip() for s, e in zip(starts, ends, strict=True)] == words


def _logits(content: str, *, sure: float = 5.0) -> np.ndarray:
    """Tags of the content role by letter: o outside, b begin, i inside, - no idea; the other roles outside."""
    tags = np.zeros((len(content), len(ROLES), 3), dtype=np.float32)
    tags[:, :, 0] = sure
    for i, letter in enumerate(content):
        tags[i, ROLES.index("content")] = [sure * (letter == known) for known in "obi"]
    return tags


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("", []),
        ("oooo", []),
        ("obio", [(1, 3)]),
        ("obii", [(1, 4)]),
        ("biobi", [(0, 2), (3, 5)]),
        ("bibi", [(0, 2), (2, 4)]),
        ("b", [(0, 1)]),
        ("oooobi", [(4, 6)]),
    ],
)
def test_tag_spans_reads_the_best_sequence(tags: str, spans: list[tuple[int, int]]) -> None:
    found = tag_spans(_logits(tags), np.arange(len(tags)), Decoding())
    assert found == {role: spans if role == "content" else [] for role in ROLES}


def test_a_span_cannot_go_on_where_none_has_begun() -> None:
    tags = _logits("oiio")
    tags[1, ROLES.index("content"), 1] = 4.0  # "begin" is the next best
    assert tag_spans(tags, np.arange(4), Decoding())["content"] == [(1, 3)]


def test_spans_cover_whole_words() -> None:
    # Tokens 1 to 3 are one word; two of its three pieces say that it belongs to the span.
    tags = _logits("obiooo")
    tags[3, ROLES.index("content")] = [1.0, 0.0, 0.5]
    assert tag_spans(tags, np.array([0, 1, 4, 5]), Decoding())["content"] == [(1, 4)]


def test_a_price_finds_fewer_spans_and_a_bias_longer_ones() -> None:
    content = ROLES.index("content")
    weak = _logits("obio", sure=1.0)
    free, dear = Decoding(), Decoding(span_cost=(0.0, 0.0, 9.0, 0.0))
    assert tag_spans(weak, np.arange(4), free)["content"] == [(1, 3)]
    assert tag_spans(weak, np.arange(4), dear)["content"] == []
    doubtful = _logits("obio", sure=3.0)
    doubtful[3, content] = [1.0, -3.0, 0.9]
    assert tag_spans(doubtful, np.arange(4), free)["content"] == [(1, 3)]
    assert tag_spans(doubtful, np.arange(4), Decoding(outside_bias=(0, 0, -0.4, 0)))["content"] == [(1, 4)]


def _located(marked: str, tokenizer: Tokenizer) -> tuple[str, list[str]]:
    """Locate the marked contents as if the network had tagged exactly their tokens."""
    annotated = parse_marked(marked)
    text = annotated.article.text
    tokens = tokenize(text, tokenizer)
    reading = Reading(tokens, torch.zeros(len(tokens), 4), np.zeros((len(tokens), len(ROLES), 3)))
    quotes = []
    for quote in annotated.quotes:
        placed = tuple(t for span in quote.content if (t := tokens.touching(span)))
        quotes.append(TokenQuote(placed, None, None))
    return text, [text[s:e] for quote in locate(quotes, reading, text) for s, e in quote.content]


@pytest.mark.parametrize(
    ("marked", "grown"),
    [
        pytest.param("“{c1:We are ready},” she said.", "We are ready,", id="direct speech keeps its comma"),
        pytest.param("“{c1:Are we ready}?” she asked.", "Are we ready?", id="and its question mark"),
        pytest.param("She said they were “{c1:ready}”.", "ready", id="the sentence's full stop stays outside"),
        pytest.param(
            "She called {c1:the plan “a gift to the rich}.”", "the plan “a gift to the rich.”", id="closing mark"
        ),
        pytest.param(
            "“{c1:Shame” was all he said}, she wrote.", "“Shame” was all he said", id="opening mark where it goes on"
        ),
        pytest.param(
            "“{c1:They lied to} the miners,” he said.", "They lied to the miners,", id="the last words missing"
        ),
        pytest.param("“{c1:They lied}. They left,” he said.", "They lied", id="not a sentence more"),
        pytest.param("“{c1:They lied to us} all,” he said.", "They lied to us all,", id="one word missing"),
        pytest.param("It will rain, {c1:she hopes}, in May.", "she hopes", id="no marks, no growth"),
        pytest.param("“We {c1:are ready},” she said.", "are ready", id="not from the opening mark: stays"),
    ],
)
def test_locate_makes_marks_and_final_punctuation_whole(marked: str, grown: str, tokenizer: Tokenizer) -> None:
    assert _located(marked, tokenizer)[1] == [grown]


def test_a_source_is_more_than_its_article(claims_of: Callable[[str], list[Claim]]) -> None:
    text = (
        "Republican nominee Ann Lowe met the Democratic nominee in Arden.\n\n"
        "“Nobody will pay a cent more,” the Democratic nominee said."
    )
    [claim] = claims_of(text)
    quote = claim.attributed.quote
    assert quote.source is not None
    assert text[slice(*quote.source)] == "the Democratic nominee"


@pytest.mark.parametrize(
    ("source", "rest", "grown"),
    [
        ("the", "minister said", "the minister"),
        ("Its director, Engr", ". Ada Lowe said", "Its director, Engr. Ada Lowe"),
        ("The charity", "Doorstep said", "The charity Doorstep"),
        ("Her", "husband said", "Her husband"),
        ("the Democratic", "nominee said", "the Democratic nominee"),
        ("the Republican", "later said", "the Republican"),
        ("Her", "belief said", "Her"),
        ("The charity", "on Monday said", "The charity"),
        ("The charity", "Monday said", "The charity"),
        ("The local rep", "quietly said", "The local rep"),
        ("Weather\n\nThe minister", "said", "The minister"),
    ],
)
def test_a_source_cut_short_grows_to_its_cue(source: str, rest: str, grown: str, tokenizer: Tokenizer) -> None:
    text = f"{source}{'' if rest.startswith('.') else ' '}{rest} so."
    tokens = tokenize(text, tokenizer)
    parts = (source, "said")
    found, cue = (tokens.touching(Span(text.index(part), text.index(part) + len(part))) for part in parts)
    assert found is not None
    assert text[slice(*tokens.span(*_completed(found, cue, tokens, text)))].strip() == grown


@pytest.mark.parametrize(
    ("text", "found", "whole"),
    [
        pytest.param(
            "NPA Ystad\nThe port has thanked the miners.", "NPA Ystad\nThe port", "The port", id="a short line"
        ),
        pytest.param(
            "NPA Ystad\nYstad Port has thanked the miners.", "NPA Ystad", "Ystad Port", id="grown over its end"
        ),
        pytest.param(
            "On Monday the minister of\npublic works has thanked the\nminers of the northern mill.",
            "the minister of\npublic works",
            "the minister of\npublic works",
            id="lines as long as each other",
        ),
    ],
)
def test_a_source_ends_with_a_line_that_is_a_paragraph(text: str, found: str, whole: str, tokenizer: Tokenizer) -> None:
    tokens = tokenize(text, tokenizer)
    source, cue = (tokens.touching(Span(text.index(w), text.index(w) + len(w))) for w in (found, "has thanked"))
    assert source is not None
    assert text[slice(*tokens.span(*_completed(source, cue, tokens, text)))] == whole


def test_growing_stops_where_more_of_the_quote_begins(tokenizer: Tokenizer) -> None:
    assert _located("“{c1:They lied} to {c1:the miners},” he said.", tokenizer)[1] == ["They lied", "the miners"]


def test_locate_gives_spans_of_the_text_and_the_kind(tokenizer: Tokenizer) -> None:
    text = "“Nein,” sagte Ida."
    tokens = tokenize(text, tokenizer)
    reading = Reading(tokens, torch.zeros(len(tokens), 4), np.zeros((len(tokens), len(ROLES), 3)))
    words = [text[s:e] for s, e in zip(tokens.starts, tokens.ends, strict=True)]
    source = tokens.touching(Span(text.index("Ida"), text.index("Ida") + 3))
    [quote] = locate([TokenQuote(((1, words.index(",")),), None, source)], reading, text)
    assert quote.kind is Kind.DIRECT
    assert quote.cue is None
    assert quote.source is not None
    assert [text[slice(*span)] for span in (*quote.content, quote.source)] == ["Nein,", "Ida"]
