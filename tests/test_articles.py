import datetime
import decimal
import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stance.articles import Fields, article, decode, find_fields, json_lines, lacking
from stance.config import Columns
from stance.errors import InputError
from stance.pages import Page
from stance.types import Article

TEXT = "“The weir held,” said Ines Harrow."
PLAIN = Fields({"id": "id", "text": "text"}, page_first=False, stem=None)


def fields_of(*names: str, **said: str) -> tuple[Fields, list[str]]:
    """Find the fields among these names; give them and the warnings."""
    warnings: list[str] = []
    return find_fields(Columns(**said), names, "week", "week.csv", warnings.append), warnings


def made(row: dict[str, Any], **said: str) -> Article | Page | InputError:
    return article(row, fields_of(*row, **said)[0], "here:3", 3)


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        (["id", "text"], {"id": "id", "text": "text"}),
        (["Article ID", "Body-Text"], {"id": "Article ID", "text": "Body-Text"}),
        (["GUID", "maintext", "Headline"], {"id": "GUID", "text": "maintext", "title": "Headline"}),
        (["body", "text", "id"], {"id": "id", "text": "text"}),
        (["doc_id", "raw_html", "link"], {"id": "doc_id", "html": "raw_html", "url": "link"}),
        (
            ["id", "text", "title", "url", "date", "publisher", "author"],
            {name: name for name in ("id", "text", "title", "url", "date", "publisher", "author")},
        ),
        (
            ["id", "text", "pub_date", "Outlet", "Byline"],
            {"id": "id", "text": "text", "date": "pub_date", "publisher": "Outlet", "author": "Byline"},
        ),
        (["id", "text", "page", "key"], {"id": "id", "text": "text"}),
    ],
    ids=str,
)
def test_common_names_are_guessed(names: list[str], columns: dict[str, str]) -> None:
    assert fields_of(*names)[0].columns == columns


def test_a_guess_is_said_aloud_once_for_all_columns() -> None:
    _, warnings = fields_of("guid", "text", "headline", "Date")
    assert warnings == [
        "week.csv: reads 'guid' as id, 'headline' as title; if that is wrong, say which in the config, under columns"
    ]


def test_names_as_they_should_be_need_no_word() -> None:
    assert fields_of("id", "Text", "title", "anything")[1] == []


def test_what_the_config_says_wins_and_is_not_guessed_for_anything_else() -> None:
    fields, warnings = fields_of("id", "text", "body", "headline", text="body", id="headline")
    assert fields.columns == {"id": "headline", "text": "body"}
    assert warnings == []


def test_a_column_that_the_config_names_and_the_file_lacks() -> None:
    fields, [warning] = fields_of("id", "text", "headline", title="kicker")
    assert warning == "week.csv: no 'kicker' for title; the config names it, under columns"
    assert article({"id": "a", "text": TEXT, "headline": "Weir"}, fields, "here", 1) == Article(
        "a", TEXT, {"headline": "Weir"}
    )


def test_without_ids_the_line_is_the_id() -> None:
    fields, [warning] = fields_of("text", "title")
    assert warning == "week.csv: no ids in it; its articles are called 'week:1' and so on, by their line"
    assert article({"text": TEXT, "title": "Weir"}, fields, "here:7", 7) == Article("week:7", TEXT, {"title": "Weir"})


@pytest.mark.parametrize(
    ("names", "said", "message"),
    [
        (["id", "title"], {}, "no column for the text (found 'id', 'title'), expected a header with one named text"),
        ([], {}, "no column for the text (found nothing), expected a header"),
        (["id", "text"], {"text": "body", "id": "id"}, "no column for the text (found 'id', 'text'), expected 'body'"),
        (["id", "words"], {"text": "body", "html": "page"}, "expected 'body' or 'page'"),
        (["text"], {"id": "number"}, "no column for the id (found 'text'), expected 'number'"),
    ],
    ids=str,
)
def test_a_table_that_lacks_a_column(names: list[str], said: dict[str, str], message: str) -> None:
    error = lacking(fields_of(*names, **said)[0], names, "week.csv")
    assert str(error).startswith("week.csv: ")
    assert message in str(error)


def test_a_table_that_lacks_nothing() -> None:
    assert lacking(fields_of("id", "html")[0], ["id", "html"], "week.csv") is None


def test_known_fields_stand_under_our_names_and_the_others_under_their_own() -> None:
    row = {"id": "a", "body": TEXT, "headline": "Weir", "link": "https://harrow.example/1", "desk": "north"}
    assert made(row) == Article("a", TEXT, {"title": "Weir", "url": "https://harrow.example/1", "desk": "north"})


def test_a_name_of_ours_that_means_something_else_is_kept_beside_it() -> None:
    row = {"id": "a", "text": TEXT, "title": "Dr", "headline": "Weir", "input_title": "x"}
    assert made(row, title="headline") == Article(
        "a", TEXT, {"title": "Weir", "input_title": "Dr", "input_input_title": "x"}
    )


def test_gold_quotes_are_no_metadata() -> None:
    assert made({"id": "a", "text": TEXT, "quotes": [{"content": [[0, 1]]}]}) == Article("a", TEXT)


PAGE = "<p>Words</p>"


@pytest.mark.parametrize(
    ("row", "said", "expected"),
    [
        ({"id": "a", "html": PAGE, "title": "T"}, {}, Page(PAGE, "a", {"title": "T"})),
        ({"id": "a", "text": TEXT, "html": PAGE}, {}, Article("a", TEXT)),
        ({"id": "a", "text": " ", "html": PAGE}, {}, Page(PAGE, "a")),
        ({"id": "a", "text": TEXT, "source": PAGE}, {"html": "source"}, Page(PAGE, "a")),
        ({"id": "a", "text": TEXT, "source": ""}, {"html": "source"}, Article("a", TEXT)),
        ({"id": "a", "html": b"<p>\xe9</p>"}, {}, Page(b"<p>\xe9</p>", "a")),
    ],
    ids=str,
)
def test_text_or_page(row: dict[str, Any], said: dict[str, str], expected: Article | Page) -> None:
    assert made(row, **said) == expected


@pytest.mark.parametrize(
    ("value", "name"), [(7, "7"), (7.0, "7"), (7.5, "7.5"), (10**30, str(10**30)), (-1, "-1"), ("x/y z", "x/y z")]
)
def test_numbers_become_ids(value: object, name: str) -> None:
    assert made({"id": value, "text": TEXT}) == Article(name, TEXT)


BAD_ROWS: dict[str, tuple[dict[str, Any], str]] = {
    "no text": ({"id": "a", "story": "b"}, "no 'text' in it (found 'id', 'story'), expected 'id' and 'text'"),
    "nothing": ({}, "no 'text' in it (found nothing), expected 'id' and 'text'"),
    "no id": ({"text": TEXT}, "no 'id' in it (found 'text'), expected 'id' and 'text'"),
    "text is a number": ({"id": "a", "text": 7}, "'text' is 7, expected a string with something in it"),
    "text is null": ({"id": "a", "text": None}, "'text' is None, expected"),
    "text is blank": ({"id": "a", "text": " \n"}, "'text' is ' \\n', expected"),
    "text is a list": ({"id": "a", "text": ["x"] * 99}, "'text' is ['x', 'x', 'x'"),
    "text is bytes": ({"id": "a", "text": b"\xff"}, "bytes that are no text"),
    "id is true": ({"id": True, "text": TEXT}, "'id' is True, expected a string"),
    "id is blank": ({"id": "", "text": TEXT}, "'id' is '', expected a string"),
    "id is not a number": ({"id": math.nan, "text": TEXT}, "'id' is nan, expected a string"),
    "half a pair in the text": ({"id": "a", "text": "Half \ud83d of it."}, "'text' holds half a surrogate pair"),
    "half a pair in the id": ({"id": "\udc00", "text": TEXT}, "'id' holds half a surrogate pair"),
}


@pytest.mark.parametrize(("row", "message"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_bad_rows(row: dict[str, Any], message: str) -> None:
    found = article(row, PLAIN, "here:3", 3)
    assert isinstance(found, InputError)
    assert str(found).startswith("here:3: ")
    assert message in str(found)
    assert len(str(found)) < 200


def test_metadata_becomes_what_json_can_hold() -> None:
    row = {
        "id": "a",
        "text": TEXT,
        "date": datetime.date(2024, 5, 3),
        "seen": datetime.datetime(2024, 5, 3, 12, tzinfo=datetime.UTC),
        "price": decimal.Decimal("1.50"),
        "raw": b"\xff\x00",
        "score": math.inf,
        "nested": {"a": [1, (2, math.nan)], 3: {"when": datetime.time(7)}},
        "length": datetime.timedelta(minutes=2),
    }
    found = made(row)
    assert isinstance(found, Article)
    assert found.metadata == {
        "date": "2024-05-03",
        "seen": "2024-05-03T12:00:00+00:00",
        "price": "1.50",
        "raw": "/wA=",
        "score": None,
        "nested": {"a": [1, [2, None]], "3": {"when": "07:00:00"}},
        "length": "0:02:00",
    }


def test_metadata_too_deep() -> None:
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    found = made({"id": "a", "text": TEXT, "tree": deep})
    assert str(found) == "here:3: metadata nested deeper than 50, expected a flat row"


_CELLS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary() | st.datetimes()
)
_VALUES = st.recursive(_CELLS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
_NAMES = st.sampled_from(["id", "text", "html", "title", "headline", "date", "quotes"]) | st.text(max_size=8)


@given(st.dictionaries(_NAMES, _VALUES, max_size=6))
def test_any_row_is_an_article_a_page_or_an_error(row: dict[str, Any]) -> None:
    found = made(row)
    if isinstance(found, InputError):
        assert str(found).startswith("here:3: ")
        return
    assert found.id
    found.id.encode()
    json.dumps(found.metadata, allow_nan=False)
    if isinstance(found, Article):
        found.text.encode()
        assert found.text.strip()


def test_utf8_needs_no_word() -> None:
    warnings: list[str] = []
    assert decode("Zoë “said”".encode(), "here", warnings.append) == "Zoë “said”"
    assert warnings == []


POLISH = "Minister oświadczył, że zarzuty są bezpodstawne, i że żałuje całej sprawy."
RUSSIAN = "Министр заявил, что обвинения не имеют под собой никаких оснований."
GREEK = "Ο υπουργός δήλωσε ότι οι κατηγορίες είναι αβάσιμες και ότι δεν γνωρίζει τίποτα."
JAPANESE = "大臣は、疑惑には根拠がないと述べた。記者会見で、辞任はしないと語った。"


@pytest.mark.parametrize(
    ("text", "encoding", "spoken"),
    [
        ("“It rained,” said Zoë.", "cp1252", "Windows-1252"),
        ("« C’est faux », a déclaré l’élu.", "cp1252", "Windows-1252"),
        ("Der Müller sagte, „das war gelogen“ – größer könne Übel nicht sein.", "cp1252", "Windows-1252"),
        ("El señor Niño lo negó todo: «¡No!»", "latin-1", "Windows-1252"),
        ("A flat of 50 m² at 20°C, said the café’s owner, costs £5…more.", "cp1252", "Windows-1252"),
        (POLISH, "cp1250", "Windows-1250"),
        (RUSSIAN, "cp1251", "Windows-1251"),
        (RUSSIAN, "koi8-r", "koi8-r"),
        (GREEK, "cp1253", "Windows-1253"),
        (JAPANESE, "shift-jis", "shift-jis"),
    ],
)
def test_other_encodings_are_read_with_a_warning(text: str, encoding: str, spoken: str) -> None:
    warnings: list[str] = []
    data = text.encode(encoding)
    byte = next(i for i, value in enumerate(data) if value > 127)
    assert decode(data, "here", warnings.append) == text
    assert warnings == [f"here: not UTF-8 (byte {byte}); read as {spoken}, check accents and quotation marks"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16_with_its_mark_needs_no_word(encoding: str) -> None:
    warnings: list[str] = []
    mark = b"" if encoding == "utf-16" else "\ufeff".encode(encoding)
    assert decode(mark + "Zoë “said” 😀\r\n".encode(encoding), "here", warnings.append) == "Zoë “said” 😀\r\n"
    assert warnings == []


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "empty, expected an article's text"),
        (b" \r\n\t", "empty"),
        (b"GIF\x00\x01", "control character '\\x00' at 3: not a text file; expected UTF-8 text"),
        (b"ab \x81\x8d", "bytes that are no text (byte 3), expected UTF-8"),
        (b"\xff\xfeA\xd8\x00", "bytes that are no text (byte 0)"),
        (b"\xef\xbb\xbf\xff", "bytes that are no text (byte 3)"),
        ("A\x00".encode("utf-16"), "control character"),
        (bytes(range(128, 256)), "bytes that are no text (byte 0)"),
    ],
)
def test_bytes_that_are_no_text(data: bytes, found: str) -> None:
    warnings: list[str] = []
    error = decode(data, "here", warnings.append)
    assert isinstance(error, InputError)
    assert str(error).startswith("here: ")
    assert found in str(error)
    assert warnings == []


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), st.sampled_from(["utf-8", "utf-16"]))
def test_unicode_comes_back_as_it_went(text: str, encoding: str) -> None:
    warnings: list[str] = []
    found = decode(text.encode(encoding), "here", warnings.append)
    assert found == text if text.strip() else isinstance(found, InputError)
    assert warnings == []


@given(st.binary())
def test_any_bytes_are_text_or_an_error(data: bytes) -> None:
    found = decode(data, "here", [].append)
    assert isinstance(found, InputError) or found.encode()


def put(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_json_lines_raises_at_the_first_bad_line(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", '{"a": 1}\n\n{"a": 2}\nx\n{"a": 3}\n')
    rows = json_lines(path)
    assert [next(rows), next(rows)] == [(1, {"a": 1}), (3, {"a": 2})]
    with pytest.raises(InputError, match=r"a\.jsonl:4: not JSON"):
        next(rows)


def test_json_lines_gzipped_and_after_a_byte_order_mark(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl.gz", gzip.compress(b'\xef\xbb\xbf{"a": 1}\n'))
    assert list(json_lines(path)) == [(1, {"a": 1})]


def test_json_lines_of_a_broken_file(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl.gz", b'{"a": 1}\n')
    with pytest.raises(InputError, match=r"a\.jsonl\.gz: cannot be read after line 0: .*gzip"):
        list(json_lines(path))
