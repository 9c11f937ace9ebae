import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stance.errors import InputError
from stance.types import Span, Stance
from training.annotations import AnnotatedArticle, annotated_from_row, parse_marked, read_annotated, to_row

CORPUS = Path(__file__).parent.parent / "training" / "corpus"
MARKED = """# id: mill-01
# publisher: own
{c1:“Nobody lied,”} {s1,2:{s3:Ines} Harrow} {u1:said}, {c1:“nobody at all.”}
She {u2:denied} {c2:that {c3:the weir} {u3:broke}}.
---
1 | D | Ines Harrow | -
2 | DA | Ines Harrow | council
3 | O | ? | -
"""


def words(annotated: AnnotatedArticle, spans: tuple[Span, ...]) -> list[str]:
    return [annotated.article.text[start:end] for start, end in spans]


def test_marked_text() -> None:
    annotated = parse_marked(MARKED)
    assert annotated.article.id == "mill-01"
    assert annotated.article.metadata == {"publisher": "own"}
    assert annotated.article.text == (
        "“Nobody lied,” Ines Harrow said, “nobody at all.”\nShe denied that the weir broke."
    )
    first, second, third = annotated.quotes
    assert words(annotated, first.content) == ["“Nobody lied,”", "“nobody at all.”"]
    assert words(annotated, first.cue) == ["said"]
    assert words(annotated, first.source) == words(annotated, second.source) == ["Ines Harrow"]
    assert words(annotated, second.content) == ["that the weir broke"]
    assert words(annotated, third.content) == ["the weir"]
    assert words(annotated, third.source) == ["Ines"]
    judged = [(q.stance, q.second, q.speaker, q.target) for q in annotated.quotes]
    assert judged == [
        (Stance.DENIAL, None, "Ines Harrow", None),
        (Stance.DENIAL, Stance.ACCUSATION, "Ines Harrow", "council"),
        (Stance.OTHER, None, "?", None),
    ]


def test_marked_text_without_header_and_judgement() -> None:
    annotated = parse_marked("A brace } alone and {c2:one} quote.")
    assert annotated.article.id == "marked"
    assert annotated.article.text == "A brace } alone and one quote."
    [quote] = annotated.quotes
    assert words(annotated, quote.content) == ["one"]
    assert (quote.cue, quote.source, quote.stance, quote.speaker, quote.target) == ((), (), None, None, None)


MARKED_ERRORS = {
    "never closed": ("{c1:a {u1:said", "2 marks are opened but never closed"),
    "no content": ("{c1:a} {u2:said}", "quote 2 has a cue or source but no content"),
    "judgement without a quote": ("{c1:a}\n---\n1 | O | ? | -\n4 | O | ? | -", "judgements for quotes [4]"),
    "unknown code": ("{c1:a}\n---\n1 | X | ? | -", "judgement '1 | X | ? | -', expected 'NUMBER | CODE"),
    "other beside another": ("{c1:a}\n---\n1 | OA | ? | b", "expected 'NUMBER | CODE"),
    "three codes": ("{c1:a}\n---\n1 | ADJ | ? | b", "expected 'NUMBER | CODE"),
    "field missing": ("{c1:a}\n---\n1 | O | ?", "expected 'NUMBER | CODE"),
    "no number": ("{c1:a}\n---\none | O | ? | -", "expected 'NUMBER | CODE"),
    "no speaker": ("{c1:a}\n---\n1 | O |  | -", "expected a speaker"),
    "accusation without target": ("{c1:a}\n---\n1 | A | ? | -", "a target exactly where A is"),
    "target without accusation": ("{c1:a}\n---\n1 | D | ? | Bo", "a target exactly where A is"),
}


@pytest.mark.parametrize(("marked", "message"), MARKED_ERRORS.values(), ids=MARKED_ERRORS)
def test_marked_text_errors(marked: str, message: str) -> None:
    with pytest.raises(InputError, match=rf"^toy\.md: .*{re.escape(message)}"):
        parse_marked(marked, "toy.md")


def test_a_stance_is_not_its_own_second() -> None:
    with pytest.raises(InputError):
        parse_marked("{c1:a}\n---\n1 | DD | ? | -")


def test_an_empty_mark_is_refused() -> None:
    with pytest.raises(InputError):
        parse_marked("a {c1:} b")


def test_round_trip() -> None:
    annotated = parse_marked(MARKED)
    assert annotated_from_row(json.loads(json.dumps(to_row(annotated))), "here") == annotated


def test_round_trip_of_a_row() -> None:
    row = {
        "id": "a",
        "date": "2021",
        "text": "He said no.",
        "quotes": [
            {
                "content": [[8, 10]],
                "cue": [[3, 7]],
                "source": [],
                "stance": "denial",
                "second": None,
                "speaker": None,
                "target": None,
                "optional": True,
            }
        ],
    }
    annotated = annotated_from_row(row, "here")
    assert annotated.quotes[0].optional
    assert to_row(annotated) == row


def test_spans_in_every_form_that_the_format_knows() -> None:
    quote = {"content": [[8, 10], [0, 2]], "cue": [3, 7], "source": None}
    [gold] = annotated_from_row({"id": "a", "text": "He said no.", "quotes": [quote]}, "here").quotes
    assert gold.content == (Span(0, 2), Span(8, 10))  # in reading order
    assert gold.cue == (Span(3, 7),)
    assert gold.source == ()
    assert not gold.optional


def test_an_article_without_quotes() -> None:
    assert annotated_from_row({"id": "a", "text": "b"}, "here").quotes == ()


def edit(**fields: Any) -> Callable[[dict[str, Any]], None]:
    """Make a change to the first quote of a row."""
    return lambda row: row["quotes"][0].update(fields)


ROW_ERRORS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "no text": (lambda row: row.pop("text"), ": expected an annotated article with strings 'id' and 'text'"),
    "id is a number": (lambda row: row.update(id=1), ": expected an annotated article with strings"),
    "quotes is an object": (lambda row: row.update(quotes={}), ": 'quotes' is dict, expected a list"),
    "quote is a list": (lambda row: row["quotes"].append([1]), ", quote 2: found list, expected an object"),
    "past the end": (edit(content=[[0, 12]]), ", quote 1, content: span [0, 12], expected [start, end] within the 11"),
    "before the start": (edit(cue=[[-1, 3]]), ", quote 1, cue: span [-1, 3]"),
    "empty span": (edit(source=[[3, 3]]), ", quote 1, source: span [3, 3]"),
    "turned round": (edit(content=[[5, 3]]), ", quote 1, content: span [5, 3]"),
    "no integers": (edit(content=[[0.0, 3]]), ", quote 1, content: span [0.0, 3]"),
    "truth values": (edit(content=[[False, True]]), ", quote 1, content: span [False, True]"),
    "three numbers": (edit(content=[[0, 1, 2]]), ", quote 1, content: span [0, 1, 2]"),
    "words": (edit(content="He"), ", quote 1, content: span 'He'"),
    "no content": (edit(content=[]), ", quote 1: no content span"),
    "unknown stance": (edit(stance="praise"), ", quote 1: stance is 'praise', expected one of accusation, denial"),
    "unknown second": (edit(second="D"), ", quote 1: second is 'D', expected one of"),
    "stance is a list": (edit(stance=["denial"]), ", quote 1: stance is ['denial']"),
}


@pytest.mark.parametrize(("spoil", "message"), ROW_ERRORS.values(), ids=ROW_ERRORS)
def test_bad_rows_are_named_with_file_and_line(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], Any], message: str
) -> None:
    good = {"id": "good", "text": "Nothing."}
    bad: dict[str, Any] = {"id": "a", "text": "He said no.", "quotes": [{"content": [[8, 10]], "stance": "denial"}]}
    annotated_from_row(bad, "before it is spoilt")
    spoil(bad)
    path = tmp_path / "gold.jsonl"
    path.write_text(f"{json.dumps(good)}\n\n{json.dumps(bad)}\n", encoding="utf-8")
    articles = read_annotated([path])
    assert next(articles).article.id == "good"
    with pytest.raises(InputError, match=f"^{re.escape(f'{path}:3{message}')}"):
        next(articles)


@pytest.mark.parametrize("field", ["speaker", "target"])
def test_names_are_strings(field: str) -> None:
    row = {"id": "a", "text": "He said no.", "quotes": [{"content": [[8, 10]], field: 5}]}
    with pytest.raises(InputError, match=f"^here, quote 1: {field}"):
        annotated_from_row(row, "here")


def corpus(name: str) -> list[AnnotatedArticle]:
    return list(read_annotated([CORPUS / name]))


def tokens(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def test_the_corpus_is_in_two_files() -> None:
    assert [path.name for path in sorted(CORPUS.glob("*.jsonl"))] == ["held.jsonl", "train.jsonl"]


def test_the_corpus_is_large_and_varied_enough() -> None:
    articles = corpus("train.jsonl") + corpus("held.jsonl")
    stances = Counter(quote.stance for annotated in articles for quote in annotated.quotes)
    assert len(articles) >= 40
    assert stances.total() >= 600
    assert set(stances) == set(Stance)
    assert min(stances.values()) >= 0.15 * stances.total()


@pytest.mark.parametrize("name", ["train.jsonl", "held.jsonl"])
def test_every_corpus_article_is_as_long_as_it_should_be(name: str) -> None:
    lengths = {annotated.article.id: len(annotated.article.text.split()) for annotated in corpus(name)}
    assert {key: length for key, length in lengths.items() if not 200 <= length <= 600} == {}


@pytest.mark.parametrize("name", ["train.jsonl", "held.jsonl"])
def test_every_corpus_quote_is_judged_and_named_in_the_words_of_its_article(name: str) -> None:
    unnamed = []
    for annotated in corpus(name):
        known = set(tokens(annotated.article.text))
        for quote in annotated.quotes:
            assert quote.stance is not None, annotated.article.id
            assert quote.second != quote.stance, annotated.article.id
            assert quote.speaker, annotated.article.id
            # One of "two former clerks" is a "former clerk": the singular of a word in the article will do.
            foreign = [word for word in tokens(re.sub(r"['’]s\b", "", quote.speaker)) if not {word, f"{word}s"} & known]
            if foreign and quote.speaker not in ("?", "author"):
                unnamed.append((annotated.article.id, quote.speaker))
    assert unnamed == []


def test_corpus_ids_are_unique() -> None:
    ids = Counter(annotated.article.id for annotated in corpus("train.jsonl") + corpus("held.jsonl"))
    assert [name for name, count in ids.items() if count > 1] == []


def test_the_held_articles_share_no_paragraph_and_no_quote_with_the_training_ones() -> None:
    def pieces(articles: list[AnnotatedArticle]) -> set[str]:
        lines = {" ".join(tokens(line)) for a in articles for line in a.article.text.splitlines() if line.strip()}
        quotes = {" ".join(tokens(said)) for a in articles for q in a.quotes for said in words(a, q.content)}
        return lines | {quote for quote in quotes if len(quote.split()) > 5}

    assert pieces(corpus("train.jsonl")) & pieces(corpus("held.jsonl")) == set()


@pytest.mark.parametrize("name", ["train.jsonl", "held.jsonl"])
def test_the_corpus_survives_the_round_trip(name: str) -> None:
    for annotated in corpus(name):
        assert annotated_from_row(json.loads(json.dumps(to_row(annotated))), "here") == annotated
