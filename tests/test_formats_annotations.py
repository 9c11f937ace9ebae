"""Annotation tools' forms: what goes out comes back, whatever the text, and what is wrong in a file is named."""

import csv
import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stance.cut import cut_line
from stance.errors import ConfigError, InputError
from stance.types import Article, Span, Stance
from training.annotations import AnnotatedArticle, GoldQuote, annotated_from_row, parse_marked, to_row
from training.formats import FORMATS, bare_quotes, brat, carried, doccano, guess, label_studio, prodigy, read, write

MARKED = """# id: quay-03
# publisher: own
{c1:“Nobody sold the quay,”} {s1,2:Tess Marlow} {u1:said}, {c1:“and nobody will.”} 🙂
She {u2:accused} {c2:the port of hiding the file}.

{s3:A clerk} {u3:defended} {c3:the sale: {c4:“it pays for
the sea wall”}}.
---
1 | D | Tess Marlow | -
2 | AD | Tess Marlow | port
3 | J | clerk | -
4 | O | ? | -
"""
NAMES = {"jsonl": "a.jsonl", "label-studio": "a.json", "doccano": "a.jsonl", "prodigy": "a.jsonl", "csv": "a.csv"}
HOSTILE = st.text(
    st.one_of(st.sampled_from("ab \r\n\t'\"=+|\\;,é🙂\u2028\x85\x0b\u0301\u200f"), st.characters(codec="utf-8"))
)


def example() -> AnnotatedArticle:
    return parse_marked(MARKED)


def back(form: str, articles: list[AnnotatedArticle], folder: Path) -> tuple[list[Any], list[str]]:
    """Write articles and read them again, with what was warned of."""
    said: list[str] = []
    path = folder / NAMES.get(form, "brat")
    assert write(articles, form, path, said.append) == []
    return list(read(path, form, said.append)), said


@st.composite
def annotated(draw: st.DrawFn) -> AnnotatedArticle:
    text = draw(HOSTILE.filter(lambda words: len(words) > 1))

    def spans(least: int) -> tuple[Span, ...]:
        pairs = st.tuples(st.integers(0, len(text)), st.integers(0, len(text))).filter(lambda p: p[0] != p[1])
        found = draw(st.lists(pairs, min_size=least, max_size=3, unique_by=lambda p: frozenset(p)))
        return tuple(sorted(Span(min(p), max(p)) for p in found))

    shared = spans(0)
    name = st.one_of(st.none(), st.sampled_from(["?", "Tess Marlow", "=cmd()", ""]), HOSTILE)
    stance = st.one_of(st.none(), st.sampled_from(list(Stance)))
    quotes = tuple(
        GoldQuote(
            spans(1),
            spans(0),
            shared if draw(st.booleans()) else spans(0),
            draw(stance),
            draw(stance),
            draw(name),
            draw(name),
            draw(st.booleans()),
        )
        for _ in range(draw(st.integers(0, 3)))
    )
    metadata = draw(st.dictionaries(st.sampled_from(["title", "date", "url", "annotator"]), HOSTILE, max_size=2))
    return AnnotatedArticle(Article(draw(st.sampled_from(["a", "b/c", "é"])), text, metadata), quotes)


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(article=annotated())
def test_every_form_keeps_every_span_and_label(form: str, tmp_path: Path, article: AnnotatedArticle) -> None:
    found, _ = back(form, [article], Path(tempfile.mkdtemp(dir=tmp_path)))
    assert found == [article]


@pytest.mark.parametrize("form", FORMATS)
def test_the_form_itself_says_all_that_it_can(form: str, tmp_path: Path) -> None:
    """Not by the copy that is put aside for what a tool cannot tell: no such copy is made of plain articles."""
    found, said = back(form, [example()], tmp_path)
    assert (found, said) == ([example()], [])
    for path in tmp_path.rglob("*.*"):
        assert '"exact"' not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("form", FORMATS)
def test_articles_stay_apart_and_in_order(form: str, tmp_path: Path, held: list[AnnotatedArticle]) -> None:
    articles = [*held[:4], AnnotatedArticle(Article("nothing said", "Rain.\r\nMore rain."), ())]
    found, _ = back(form, articles, tmp_path)
    assert sorted(found, key=lambda one: one.article.id) == sorted(articles, key=lambda one: one.article.id)
    if form != "brat":  # the order of its files' names
        assert found == articles


@pytest.mark.parametrize(("form", "name"), [*NAMES.items(), ("brat", "brat")])
def test_the_form_is_guessed(form: str, name: str, tmp_path: Path) -> None:
    write([example()], form, tmp_path / name, pytest.fail)
    assert guess(tmp_path / name) == form


def test_an_unknown_form_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a\.doc: its name does not tell its form, expected --format jsonl,"):
        guess(tmp_path / "a.doc")
    with pytest.raises(ConfigError, match="format is 'conll', expected one of jsonl,"):
        read(tmp_path / "a.json", "conll", pytest.fail)
    with pytest.raises(ConfigError, match="format is 'conll'"):
        write([], "conll", tmp_path / "a", pytest.fail)


@given(HOSTILE)
def test_offsets_into_the_shown_text(text: str) -> None:
    seen = carried.shown(text)
    assert "\r" not in seen.text
    plain = [at for at in range(len(text) + 1) if text[at - 1 : at + 1] != "\r\n"]
    assert [seen.original(seen.shown(at)) for at in plain] == plain
    for start, end in pairwise(plain):
        assert seen.text[seen.shown(start) : seen.shown(end)] == carried.shown(text[start:end]).text


# Label Studio


def studio(article: AnnotatedArticle) -> dict[str, Any]:
    return label_studio.task(article)


def from_studio(tmp_path: Path, *tasks: object) -> tuple[list[Any], list[str]]:
    said: list[str] = []
    path = tmp_path / "export.json"
    path.write_text(json.dumps(tasks), encoding="utf-8")
    return list(label_studio.read(path, said.append)), said


def test_label_studio_config_names_what_the_tasks_use() -> None:
    root = ElementTree.fromstring(label_studio.CONFIG.read_text(encoding="utf-8"))  # noqa: S314 - our own file
    names = {element.get("name"): element for element in root.iter() if element.get("name")}
    task = studio(example())
    results = task["annotations"][0]["result"]
    for item in results:
        if item["type"] != "relation":
            control = names[item["from_name"]]
            assert control.get("toName") == item["to_name"] == "text"
            assert control.tag.casefold() == item["type"]
            choices = item["value"].get("labels") or item["value"].get("choices") or []
            assert set(choices) <= {child.get("value") for child in control}
    used = {value[1:] for e in root.iter() for value in e.attrib.values() if re.fullmatch(r"\$\w+", value)}
    assert used <= task["data"].keys()
    assert {c.get("value") for c in names["stance"]} == set(Stance)


def test_predictions_are_no_annotations(tmp_path: Path) -> None:
    task = label_studio.task(example(), model="toy", scores=(0.4, 0.6, 0.5, 0.9))
    [prediction] = task["predictions"]
    assert prediction["model_version"] == "toy"
    assert prediction["score"] == pytest.approx(0.6)
    assert "annotations" not in task
    found, said = from_studio(tmp_path, task)
    assert found == []
    assert said == [f"{tmp_path / 'export.json'}: 1 of 1 tasks have no annotation yet; they are passed over"]


def test_a_corrected_task_is_read_as_corrected(tmp_path: Path) -> None:
    task = studio(example())
    [annotation] = task["annotations"]
    for item in annotation["result"]:
        item["origin"] = "prediction-changed"
        if item.get("from_name") == "stance" and item["id"] == "q1-1":
            item["value"]["choices"] = ["justification"]
    annotation |= {"id": 7, "completed_by": {"id": 3, "email": "reader@example.org"}, "lead_time": 12.5}
    [found], said = from_studio(tmp_path, task | {"id": 5, "meta": {}, "predictions": []})
    assert said == []
    assert found.article.metadata == {"publisher": "own", "annotator": "reader@example.org"}
    changed = replace(example().quotes[0], stance=Stance.JUSTIFICATION)
    assert found.quotes == (changed, *example().quotes[1:])


def test_each_annotator_of_a_task_gives_an_article(tmp_path: Path) -> None:
    task = studio(example())
    [annotation] = task["annotations"]
    task["annotations"] = [annotation | {"completed_by": 1}, annotation | {"completed_by": 2}]
    task["annotations"].append(annotation | {"completed_by": 3, "was_cancelled": True})
    found, _ = from_studio(tmp_path, task)
    assert [one.article.metadata["annotator"] for one in found] == ["1", "2"]


@pytest.mark.parametrize("text", ["Tess 🙂🙂 said no.", "\U00010348 Tess said no."])
def test_offsets_in_utf16_units_are_recognised_by_the_words(text: str, tmp_path: Path) -> None:
    at = text.index("no")
    article = AnnotatedArticle(Article("a", text), (GoldQuote((Span(at, at + 2),), (), (), None, None, None, None),))
    task = studio(article)
    [item] = task["annotations"][0]["result"]
    assert item["value"]["start"] == at
    wide = len(text[:at].encode("utf-16-le")) // 2
    item["value"] |= {"start": wide, "end": wide + 2}
    found, said = from_studio(tmp_path, task)
    assert found == [article]
    assert len(said) == 1
    assert "UTF-16" in said[0]


def test_a_project_of_ones_own(tmp_path: Path) -> None:
    """Made by hand: no field of ours, other ids, relations the other way round, the source linked to the cue."""

    def region(name: str, start: int, end: int, label: str) -> dict[str, Any]:
        value = {"start": start, "end": end, "labels": [label]}
        return {"id": name, "type": "labels", "from_name": "label", "to_name": "text", "value": value}

    result = [region("x", 9, 11, "Content"), region("y", 5, 8, "CUE"), region("z", 0, 4, "source")]
    result += [{"type": "relation", "from_id": a, "to_id": b} for a, b in (("y", "x"), ("z", "y"))]
    data = {"text": "Tess saw no.", "url": "https://example.org/a"}
    [found], said = from_studio(tmp_path, {"id": 12, "data": data, "annotations": [{"result": result}]})
    assert said == []
    assert found.article == Article("12", "Tess saw no.", {"url": "https://example.org/a"})
    assert found.quotes == (GoldQuote((Span(9, 11),), (Span(5, 8),), (Span(0, 4),), None, None, None, None),)


def spoil(change: Callable[[list[dict[str, Any]], dict[str, Any]], Any]) -> dict[str, Any]:
    task: dict[str, Any] = json.loads(json.dumps(studio(example()))) | {"id": 4}
    change(task["annotations"][0]["result"], task["data"])
    return task


def choice(name: str, *values: str) -> dict[str, Any]:
    return {"id": "q1-1", "from_name": name, "to_name": "text", "type": "choices", "value": {"choices": values}}


STUDIO_ERRORS = {
    "outside the text": (
        lambda result, data: result[0]["value"].update(end=9999),
        "region 'q1-1' [0, 9999], expected a span within the ",
    ),
    "relation to nowhere": (
        lambda result, data: result.append({"type": "relation", "from_id": "q1-1", "to_id": "gone"}),
        "a relation points to 'gone', expected a marked span",
    ),
    "two stances": (
        lambda result, data: result.append(choice("stance", "other")),
        "stance is 'denial' and 'other', expected one for a quote",
    ),
    "two choices": (
        lambda result, data: result.append(choice("second", "other", "denial")),
        "second is 'other' and 'denial', expected one",
    ),
    "unknown stance": (
        lambda result, data: result[1]["value"].update(choices=["praise"]),
        "stance: found label 'praise', expected one of accusation,",
    ),
    "unknown label": (
        lambda result, data: result[0]["value"].update(labels=["PER"]),
        "has the labels ['PER'], expected one of content, cue, source",
    ),
    "two labels": (
        lambda result, data: result[0]["value"].update(labels=["content", "cue"]),
        "has the labels ['content', 'cue'], expected one",
    ),
    "text changed": (
        lambda result, data: data.update(text=data["text"].replace("Nobody", "No one")),
        "the text of 'quay-03' has changed since it was exported",
    ),
    "no text": (lambda result, data: data.pop("text"), "no text, expected the article's text"),
    "choice for nothing": (
        lambda result, data: result.append(choice("stance", "other") | {"id": "gone"}),
        "a choice points to 'gone', expected a marked span",
    ),
    "other words": (
        lambda result, data: result[0]["value"].update(start=1, end=24),
        "region 'q1-1' [1, 24]: found the words 'Nobody sold the quay,” ', expected '“Nobody sold the quay,”', as",
    ),
    "damaged": (lambda result, data: result[0].pop("id"), "KeyError ('id'), expected an export"),
}


@pytest.mark.parametrize(("change", "message"), STUDIO_ERRORS.values(), ids=STUDIO_ERRORS)
def test_label_studio_errors_are_named_and_the_rest_goes_on(
    change: Callable[[Any, Any], Any], message: str, tmp_path: Path
) -> None:
    found, _ = from_studio(tmp_path, spoil(change), studio(example()))
    assert found[1:] == [example()]
    assert isinstance(found[0], InputError)
    assert str(found[0]).startswith(f"{tmp_path / 'export.json'}: task 4")
    assert message in str(found[0])


@pytest.mark.parametrize("text", ["It pays\\nfor it all", "It  pays for it\nall ", "", None, 7])
def test_words_noted_beside_a_region_may_have_other_white_space(text: object, tmp_path: Path) -> None:
    article = AnnotatedArticle(
        Article("a", "It pays\nfor it all, he said."), (GoldQuote((Span(0, 18),), (), (), None, None, None, None),)
    )
    task = studio(article)
    task["annotations"][0]["result"][0]["value"]["text"] = text
    assert from_studio(tmp_path, task) == ([article], [])


FOREIGN = {
    "a comment on the task": {"id": "g1", "type": "textarea", "from_name": "comment", "value": {"text": ["odd"]}},
    "a choice for the task": {"id": "g1", "type": "choices", "from_name": "topic", "value": {"choices": ["port"]}},
    "a choice on a content": {"id": "q1-1", "type": "choices", "from_name": "topic", "value": {"choices": ["port"]}},
    "a rating on a cue": {"id": "cue3", "type": "rating", "from_name": "clarity", "value": {"rating": 4}},
}


@pytest.mark.parametrize("item", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_control_is_left_out_and_its_article_is_not(item: dict[str, Any], tmp_path: Path) -> None:
    found, said = from_studio(tmp_path, spoil(lambda result, data: result.append(item)))
    assert found == [example()]
    [words] = said
    assert words.endswith(f"task 4: {item['from_name']!r} is not of our labelling config and is left out")


def test_a_source_without_a_quote_is_left_out_and_that_is_said(tmp_path: Path) -> None:
    task = spoil(lambda result, data: [result.remove(i) for i in list(result) if i["type"] == "relation"])
    [found], said = from_studio(tmp_path, task)
    assert all(quote.cue == quote.source == () for quote in found.quotes)
    assert any("cue" in line and "belongs to no quote" in line for line in said)
    assert any("source" in line and "belongs to no quote" in line for line in said)


@pytest.mark.parametrize("annotations", [[5], 5, {"result": []}, [None]])
def test_annotations_that_are_none(annotations: object, tmp_path: Path) -> None:
    task = studio(example())
    [refused, good], _ = from_studio(tmp_path, task | {"id": 4, "annotations": annotations}, task)
    assert str(refused).endswith(f"task 4: 'annotations' is {annotations}, expected a list of objects")
    assert good == example()


def test_what_is_no_export(tmp_path: Path) -> None:
    [found], _ = from_studio(tmp_path, {"id": 3, "text": "a", "role": []})
    assert "expected an export in the form JSON, not JSON-MIN" in str(found)
    (tmp_path / "broken.json").write_text("[{")
    with pytest.raises(InputError, match="not JSON"):
        list(label_studio.read(tmp_path / "broken.json", pytest.fail))


# doccano, Prodigy


def test_doccano_gives_its_own_ids_and_moves_fields(tmp_path: Path) -> None:
    row = doccano.row(example())
    for one in row["entities"]:
        one["id"] += 100
    for one in row["relations"]:
        one |= {"id": one["id"] + 50, "from_id": one["from_id"] + 100, "to_id": one["to_id"] + 100}
    path = tmp_path / "all.jsonl"
    path.write_text(json.dumps({"id": 9, **row, "Comments": []}) + "\n")
    assert list(doccano.read(path, pytest.fail)) == [example()]


def test_doccano_stance_changed_by_a_reader_and_what_is_lost(tmp_path: Path) -> None:
    row = doccano.row(example())
    assert [one["label"] for one in row["entities"]].count("accusation+denial") == 1
    first = row["entities"][0]
    assert first["label"] == "denial"
    first |= {"label": "Other", "end_offset": first["end_offset"] - 1}
    path = tmp_path / "all.jsonl"
    path.write_text(json.dumps(row) + "\n")
    said: list[str] = []
    [found] = doccano.read(path, said.append)
    assert isinstance(found, AnnotatedArticle)
    assert (found.quotes[0].stance, found.quotes[0].speaker) == (Stance.OTHER, None)
    assert found.quotes[1:] == example().quotes[1:]
    assert len(said) == 1
    assert "speaker and target of 1 quotes" in said[0]


def test_doccano_without_relations(tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    path.write_text(
        '{"id": 3, "text": "No, no.", "label": [[0, 6, "denial"]]}\n{"id": 4, "text": "No", "label": [[0, 2, "LOC"]]}\n'
    )
    first, second = doccano.read(path, pytest.fail)
    assert isinstance(first, AnnotatedArticle)
    assert first.quotes[0].content == (Span(0, 6),)
    assert str(second).startswith(
        f"{path}:2, entity [0, 2]: found label 'LOC', expected content, cue, source, one of acc"
    )


def test_prodigy_tokens_fit_the_spans() -> None:
    row = prodigy.row(example())
    tokens = row["tokens"]
    assert [token["id"] for token in tokens] == list(range(len(tokens)))
    for span in row["spans"]:
        assert tokens[span["token_start"]]["start"] == span["start"]
        assert tokens[span["token_end"]]["end"] == span["end"]
    for token in tokens:
        assert row["text"][token["start"] : token["end"]] == token["text"]
    for one in row["relations"]:
        assert (one["head"], one["child"]) == (one["head_span"]["token_end"], one["child_span"]["token_end"])


def test_prodigy_takes_accepted_tasks_only(tmp_path: Path) -> None:
    row = prodigy.row(example())
    path = tmp_path / "all.jsonl"
    rows = [
        row | {"answer": "reject"},
        row | {"answer": "accept", "_annotator_id": "set-ann"},
        row | {"answer": "ignore"},
    ]
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    said: list[str] = []
    [found] = prodigy.read(path, said.append)
    assert isinstance(found, AnnotatedArticle)
    assert found.article.metadata["annotator"] == "set-ann"
    assert found.quotes == example().quotes
    assert said == [f"{path}: 2 tasks were rejected or ignored; they are passed over"]


UNMARKED = {
    "a category": (
        prodigy,
        {"text": "No.", "label": "denial", "answer": "accept"},
        "found the keys 'text', 'label', 'answer', expected one of 'spans', 'relations', 'tokens': a",
    ),
    "a choice": (
        prodigy,
        {"text": "No.", "options": [], "accept": ["denial"]},
        "found the keys 'text', 'options', 'accept', expected one of 'spans', ",
    ),
    "another key": (
        doccano,
        {"text": "No.", "labels": [[0, 3, "denial"]]},
        "found the keys 'text', 'labels', expected one of 'entities', 'label': a task in which",
    ),
    "nothing": (doccano, {"text": "No."}, "found the keys 'text', expected one of 'entities', 'label'"),
    "prodigy without a quote": (prodigy, {"text": "No.", "spans": []}, None),
    "prodigy where nobody marked a span": (prodigy, {"text": "No.", "tokens": [], "answer": "accept"}, None),
    "doccano without a quote": (doccano, {"text": "No.", "label": []}, None),
    "doccano with relations without a quote": (doccano, {"text": "No.", "entities": [], "relations": []}, None),
}


@pytest.mark.parametrize(("form", "row", "message"), UNMARKED.values(), ids=UNMARKED)
def test_a_task_of_another_kind_is_no_article_without_quotes(
    form: Any, row: dict[str, Any], message: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "all.jsonl"
    path.write_text(json.dumps(row) + "\n")
    [found] = form.read(path, pytest.fail)
    if message is None:
        assert found == AnnotatedArticle(Article("all:1", "No."), ())
    else:
        assert isinstance(found, InputError)
        assert str(found).startswith(f"{path}:1: {message}")


# brat

POLNEAR = """T1\tSource 0 9\tThe mayor
T2\tCue 10 16\tdenied
T3\tContent 17 30;43 54\tselling land, to a friend
T4\tAttribution 10 16\tdenied
E1\tAttribution:T4 Source:T1 Content:T3 Cue:T2
T5\tCue 56 60\tSays
T6\tContent 61 70\tthe clerk
T7\tAttribution-no-source 56 60\tSays
E2\tAttribution-no-source:T7 Cue:T5 Content:T6
T8\tDiscuss 0 30\tThe mayor denied selling land,
"""
POLNEAR_TEXT = "The mayor denied selling land, the report\n to a friend. Says the clerk!\n"


def test_polnear(tmp_path: Path) -> None:
    (tmp_path / "attributions").mkdir()
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "own_mayor.txt").write_text(POLNEAR_TEXT)
    (tmp_path / "attributions" / "own_mayor_4b22.ann").write_text(POLNEAR)
    said: list[str] = []
    [found] = read(tmp_path / "attributions", None, said.append)
    assert isinstance(found, AnnotatedArticle)
    assert found.article == Article("own_mayor_4b22", POLNEAR_TEXT)
    first, second = found.quotes
    assert first.content == (Span(17, 30), Span(43, 54))
    assert (first.cue, first.source) == ((Span(10, 16),), (Span(0, 9),))
    assert (second.content, second.cue, second.source) == ((Span(61, 70),), (Span(56, 60),), ())
    assert any("'Discuss'" in line and "left out" in line for line in said)


def test_fragments_with_a_line_break_between_them_are_one_span(tmp_path: Path) -> None:
    quotes = parse_marked("{c1:It pays\nfor it} {c1:all} {u1:said}\nhe").quotes
    lines = brat._lines(quotes, carried.shown("It pays\nfor it all said\nhe"))
    assert lines[0] == "T1\tContent 0 7;8 14;15 18\tIt pays for it all"
    (tmp_path / "a.txt").write_text("It pays\nfor it all said\nhe")
    (tmp_path / "a.ann").write_text("\n".join(lines))
    [found] = brat.read(tmp_path / "a.ann", pytest.fail)
    assert isinstance(found, AnnotatedArticle)
    assert found.quotes[0].content == (Span(0, 14), Span(15, 18))


BRAT_ERRORS = {
    "outside": ("T1\tContent 0 999\tThe", ":1: span [0, 999], expected one within the"),
    "nowhere": ("T1\tContent 0 3\tThe\nT2\tCue 4 9\tmayor\nE1\tAttribution:T2 Content:T9", "E1 points to 'T9'"),
    "relation": ("T1\tContent 0 3\tThe\nR1\tcue Arg1:T1 Arg2:T7", "a relation points to 'T7'"),
    "stance": ("T1\tContent 0 3\tThe\nA1\tStance T1 praise", ":2: found label 'praise', expected one of accusation"),
    "two stances": (
        "T1\tContent 0 3\tThe\nA1\tStance T1 denial\nA2\tStance T1 other",
        "stance is 'denial' and 'other'",
    ),
    "attribute": ("T1\tContent 0 3\tThe\nA1\tStance T4 denial", "an attribute or note points to 'T4'"),
    "other words": (
        "T1\tContent 5 10\tmayor",
        ":1: found the words 'ayor ', expected 'mayor', as noted beside the span",
    ),
    "no standoff": ("hello", ":1: 'hello' (unknown kind of line), expected a line of brat's standoff form"),
    "offsets": ("T1\tContent zero 3\tThe", "expected a line of brat's standoff form"),
}


@pytest.mark.parametrize(("lines", "message"), BRAT_ERRORS.values(), ids=BRAT_ERRORS)
def test_brat_errors_are_named_and_the_rest_goes_on(lines: str, message: str, tmp_path: Path) -> None:
    for name, some in (("bad", lines), ("good", "T1\tContent 0 3\tThe")):
        (tmp_path / f"{name}.txt").write_text("The mayor spoke.")
        (tmp_path / f"{name}.ann").write_text(some)
    bad, good = brat.read(tmp_path, pytest.fail)
    assert isinstance(good, AnnotatedArticle)
    assert str(bad).startswith(str(tmp_path / "bad.ann"))
    assert message in str(bad)


@pytest.mark.parametrize("text", ["The mayor spoke.", "\ufeffThe mayor\r\nspoke.", "\ufeff\r\nThe mayor spoke."])
def test_brat_counts_a_byte_order_mark(text: str, tmp_path: Path) -> None:
    spans = [Span(*found.span()) for found in re.finditer(r"\w+", carried.shown(text).text)]
    lines = [f"T{i}\tContent {s} {e}\t{carried.shown(text).text[s:e]}" for i, (s, e) in enumerate(spans, 1)]
    (tmp_path / "a.txt").write_bytes(text.encode())
    (tmp_path / "a.ann").write_text("\n".join(lines))
    [found] = brat.read(tmp_path, pytest.fail)
    assert isinstance(found, AnnotatedArticle)
    assert found.article.text == text.removeprefix("\ufeff")
    said = [found.article.text[s:e] for quote in found.quotes for s, e in quote.content]
    assert said == ["The", "mayor", "spoke"]


def test_an_article_that_begins_with_a_byte_order_mark_goes_through_brat(tmp_path: Path) -> None:
    quote = GoldQuote((Span(1, 4),), (), (), None, None, None, None)
    article = AnnotatedArticle(Article("a", "\ufeffThe mayor spoke."), (quote,))
    assert back("brat", [article], tmp_path) == ([article], [])


def test_brat_text_that_is_gone_or_changed(tmp_path: Path) -> None:
    write([example()], "brat", tmp_path, pytest.fail)
    text = tmp_path / "quay-03.txt"
    text.write_text(text.read_text() + "More.")
    [changed] = brat.read(tmp_path, pytest.fail)
    assert "the text of 'quay-03' has changed since it was exported" in str(changed)
    text.unlink()
    [gone] = brat.read(tmp_path, pytest.fail)
    assert "no quay-03.txt beside it" in str(gone)


def test_somebodys_annotations_are_not_written_over(tmp_path: Path) -> None:
    write([example()], "brat", tmp_path, pytest.fail)
    with pytest.raises(ConfigError, match="holds annotations already, expected a new or empty folder"):
        write([example()], "brat", tmp_path, pytest.fail)


def test_names_of_files_are_safe(tmp_path: Path) -> None:
    ids = ["../../etc/a", "../../etc/a", "A", "a", "é", "..", ""]
    write([AnnotatedArticle(Article(name, "Text."), ()) for name in ids], "brat", tmp_path / "out", pytest.fail)
    assert {path.parent for path in tmp_path.rglob("*.ann")} == {tmp_path / "out"}
    found = [one.article.id for one in brat.read(tmp_path / "out", pytest.fail) if isinstance(one, AnnotatedArticle)]
    assert sorted(found) == sorted(ids)


@pytest.mark.parametrize("form", ["brat", "csv"])
def test_half_a_surrogate_pair_is_refused_where_files_cannot_hold_it(form: str, tmp_path: Path) -> None:
    odd = AnnotatedArticle(Article("odd", "a\ud800"), (GoldQuote((Span(0, 2),), (), (), None, None, None, None),))
    path = tmp_path / NAMES.get(form, "brat")
    [refused] = write([odd, example()], form, path, pytest.fail)
    assert str(refused).startswith("odd: half a surrogate pair")
    assert list(read(path, form, pytest.fail)) == [example()]


# Bare quotes


JOINED = {
    "one context": (["No;d;{c};;", "Yes;a;{c};;"], [["No: denial", "Yes: accusation"]]),
    "with others between": (
        ["No;d;{c};;", "Rain;o;;;", "Yes;a;{c};;"],
        [["No: denial", "Yes: accusation"], ["Rain: other"]],
    ),
    "a bad row": (["No;d;{c};;", "Yes;praise;{c};;", "Yes;a;{c};;"], [["No: denial", "Yes: accusation"], "praise"]),
    "two readers": (["No;d;{c};ann;", "No;o;{c};ben;"], [["No: denial"], ["No: other"]]),
    "a quote in two contexts": (["No;d;{c};;", "No;o;{c} Well.;;"], [["No: denial"], ["No: other"]]),
    "bare quotes in the same words": (["No;d;;;", "No;o;;;"], [["No: denial"], ["No: other"]]),
    "a context without the quote": (["No;d;{c};;", "Never;o;{c};;"], [["No: denial"], ["Never: other"]]),
}


@pytest.mark.parametrize(("rows", "expected"), JOINED.values(), ids=JOINED)
def test_rows_of_one_context_are_one_article(rows: list[str], expected: list[Any], tmp_path: Path) -> None:
    """Each alone would teach that the others are no quotes."""
    path = tmp_path / "quotes.csv"
    lines = [row.replace("{c}", "“No,” said Tess. “Yes,” said Ann.") for row in rows]
    path.write_text("\n".join(["quote;stance;context;annotator;outlet", *lines]), encoding="utf-8")
    found = list(bare_quotes.read(path, pytest.fail))
    assert len(found) == len(expected)
    for one, quotes in zip(found, expected, strict=True):
        if isinstance(one, InputError):
            assert quotes in str(one)
            continue
        text = one.article.text
        assert [f"{text[slice(*quote.content[0])]}: {quote.stance}" for quote in one.quotes] == quotes
        assert one.article.metadata["complete"] is False


def test_the_metadata_of_joined_rows(tmp_path: Path) -> None:
    path = tmp_path / "quotes.csv"
    path.write_text("id,quote,context,outlet,page,note\nx,No,No. Yes.,Quay News,,1\ny,Yes,No. Yes. ,Quay News,3,2\n")
    [found] = bare_quotes.read(path, pytest.fail)
    assert isinstance(found, AnnotatedArticle)
    assert found.article == Article("x", "No. Yes.", {"outlet": "Quay News", "complete": False, "page": "3"})


def save_csv(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as out:
        table = csv.DictWriter(out, rows[0])
        table.writeheader()
        table.writerows(rows)


def test_bare_quotes_are_what_classify_reads(tmp_path: Path) -> None:
    path = tmp_path / "quotes.csv"
    path.write_text(
        "Statement;Label;Speaker;cue;outlet\n"
        "We never sold it;D;Tess Marlow;said;Quay News\n"
        '"It pays; all of it";justification;?;;\n'
        "Nobody asked us;praise;;;\n"
        ";;;;\n"
        "Fine;;;;\n",
        encoding="utf-8",
    )
    first, second, third, fourth = bare_quotes.read(path, pytest.fail)
    assert isinstance(first, AnnotatedArticle)
    assert isinstance(second, AnnotatedArticle)
    assert isinstance(fourth, AnnotatedArticle)
    cut = cut_line({"text": "We never sold it", "speaker": "Tess Marlow", "cue": "said"}, "there")
    assert first.article == Article("quotes:2", cut.article.text, {"outlet": "Quay News", "complete": False})
    [(content, cue, source)] = cut.quotes
    assert first.quotes == (GoldQuote(content, (cue,), (source,), Stance.DENIAL, None, "Tess Marlow", None),)  # type: ignore[arg-type]
    assert second.article.text == "It pays; all of it"
    assert second.quotes == (GoldQuote((Span(0, 18),), (), (), Stance.JUSTIFICATION, None, "?", None),)
    assert str(third).startswith(f"{path}:4: found label 'praise', expected one of accusation")
    assert (fourth.article.text, fourth.quotes[0].stance) == ("Fine", None)


def test_nothing_in_the_csv_is_a_formula(tmp_path: Path) -> None:
    text = "=1+1 said @SUM(A1) and -2"
    quote = GoldQuote((Span(0, 4),), (Span(5, 9),), (Span(10, 18),), Stance.OTHER, None, "=cmd()", "+x")
    write([AnnotatedArticle(Article("-a", text, {"title": "=2"}), (quote,))], "csv", tmp_path / "a.csv", pytest.fail)
    with (tmp_path / "a.csv").open(encoding="utf-8-sig", newline="") as lines:
        cells = [cell for row in csv.reader(lines) for cell in row]
    assert [cell for cell in cells if cell[:1] in {"=", "+", "-", "@"}] == []
    assert {"'=1+1", "'=cmd()", "'+x", "'-a"} <= set(cells)


def test_csv_changed_by_a_reader(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write([example()], "csv", path, pytest.fail)
    with path.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    rows[0] |= {"stance": "J", "speaker": "Tess"}
    rows[3] |= {"quote": "it pays for nothing"}

    save_csv(path, rows[:3])
    [found] = bare_quotes.read(path, pytest.fail)
    assert isinstance(found, AnnotatedArticle)
    assert found.quotes[0] == replace(example().quotes[0], stance=Stance.JUSTIFICATION, speaker="Tess")
    save_csv(path, rows)
    [refused] = bare_quotes.read(path, pytest.fail)
    assert "the quote is 'it pays for nothing', expected '“it pays for\\nthe sea wall”', as its spans say" in str(
        refused
    )


LACKING = {
    "metadata": ("id,quote,context,spans,sha256\n", "'metadata'"),
    "context": ("id,quote,spans,sha256,metadata\n", "'context'"),
    "foreign": ("quote,label,spans\n", "'id', 'context', 'sha256', 'metadata'"),
}


@pytest.mark.parametrize(("head", "lost"), LACKING.values(), ids=LACKING)
def test_spans_without_the_columns_beside_them(head: str, lost: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{head}one,two,three\n")
    with pytest.raises(InputError, match=re.escape(f"{path}:1: found a column 'spans' without {lost}, expected all")):
        list(bare_quotes.read(path, pytest.fail))


ROWS = {
    "metadata is a list": ({"metadata": "[1]"}, "metadata is '[1]', expected a JSON object or an empty cell"),
    "metadata is no JSON": ({"metadata": "own"}, "expected a row as it was exported"),
    "spans are a number": ({"spans": "3"}, "expected a row as it was exported"),
    "spans without a content": ({"spans": '{"cue": []}'}, "'content', expected a row as it was exported"),
}


@pytest.mark.parametrize(("change", "message"), ROWS.values(), ids=ROWS)
def test_a_bad_cell_beside_spans(change: dict[str, str], message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    other = AnnotatedArticle(Article("b", "Rain."), ())
    write([example(), other], "csv", path, pytest.fail)
    with path.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    save_csv(path, [row | change for row in rows[:4]] + rows[4:])
    refused, good = bare_quotes.read(path, pytest.fail)
    assert str(refused).startswith(f"{path}:2: ")
    assert message in str(refused)
    assert good == other


def test_csv_without_quotes(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"found the columns a, b, expected one named quote or text"):
        list(bare_quotes.read(path, pytest.fail))


def test_a_cell_too_long_for_spreadsheets_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    long = AnnotatedArticle(
        Article("long", "word " * 7000), (GoldQuote((Span(0, 4),), (), (), None, None, None, None),)
    )
    write([long], "csv", tmp_path / "a.csv", said.append)
    assert len(said) == 1
    assert said[0].startswith("long: too long for the 32,767 characters of a cell")


def test_our_own_form_goes_on_after_a_bad_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    write([example()], "jsonl", path, pytest.fail)
    assert list(read(path, None, pytest.fail)) == [example()]
    plain = tmp_path / "a.jsonl"
    row = to_row(example())
    plain.write_text(json.dumps({"id": "a"}) + "\n{\n" + json.dumps(row) + "\n")
    first, second, third = read(plain, None, pytest.fail)
    assert str(first).startswith(f"{plain}:1: expected an annotated article")
    assert str(second).startswith(f"{plain}:2: not JSON")
    assert third == annotated_from_row(row, "here")


def test_tasks_that_hold_a_part_of_the_quotes_are_told(tmp_path: Path) -> None:
    """As the evaluation report exports them: what is learned from them must not teach where there is no quote."""
    task = studio(example()) | {"id": 4}
    task["data"] = {"text": task["data"]["text"], "article_id": "quay-03", "complete": False, "why": "", "article": ""}
    [found], said = from_studio(tmp_path, task)
    assert (found.article.id, found.article.metadata) == ("quay-03", {"complete": False})
    assert found.quotes == example().quotes
    [words] = said
    assert words.endswith("task 4: holds a part of its article's quotes: it teaches stances, not where quotes are")
