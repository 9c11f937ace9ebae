import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stance.errors import InputError
from stance.pages import MAX_BYTES, Page, extract
from stance.types import Article

BODY = (
    "<p>“The weir held all night,” said Ines Harrow, the engineer who has looked after it for nineteen years.</p>"
    "<p>The council of Marlow Sands denied on Tuesday that it had ignored her letters about the northern gate.</p>"
    "<p>Work on the gate is to begin in the spring, once the water in the reservoir is low enough to walk on.</p>"
)
TEXT = (
    "“The weir held all night,” said Ines Harrow, the engineer who has looked after it for nineteen years.\n"
    "The council of Marlow Sands denied on Tuesday that it had ignored her letters about the northern gate.\n"
    "Work on the gate is to begin in the spring, once the water in the reservoir is low enough to walk on."
)
HEAD = (
    '<title>Weir holds | Marlow Courier</title><meta property="og:site_name" content="Marlow Courier">'
    '<meta property="og:title" content="Weir holds"><meta name="author" content="Jo Penn">'
    '<meta property="article:published_time" content="2024-03-01T10:00:00Z">'
    '<link rel="canonical" href="https://courier.example/weir">'
)


def page(head: str = "", body: str = BODY) -> str:
    return f"<!DOCTYPE html><html><head>{head}</head><body><article>{body}</article></body></html>"


def take(html: str | bytes, **metadata: object) -> tuple[Article | InputError, list[str]]:
    """Take the article out of a page; give it and the warnings."""
    warnings: list[str] = []
    return extract(Page(html, "weir", metadata), "weir.html", warnings.append), warnings


def test_the_text_is_taken_out_and_marked_as_extracted() -> None:
    assert take(page()) == (Article("weir", TEXT, {}, extracted=True), [])


def test_what_the_page_says_of_itself_is_kept() -> None:
    found, _ = take(page(HEAD))
    assert isinstance(found, Article)
    assert found.metadata == {
        "title": "Weir holds",
        "url": "https://courier.example/weir",
        "date": "2024-03-01",
        "publisher": "Marlow Courier",
        "author": "Jo Penn",
    }


def test_what_the_input_says_wins() -> None:
    found, _ = take(page(HEAD), title="Ours", date="1 March", desk="north")
    assert isinstance(found, Article)
    assert found.metadata["title"] == "Ours"
    assert found.metadata["date"] == "1 March"
    assert found.metadata["desk"] == "north"
    assert found.metadata["author"] == "Jo Penn"


def test_a_date_in_the_story_is_not_the_date_of_the_page() -> None:
    found, _ = take(page(body=BODY + "<p>The first weir was finished on 4 May 2011, as the plaque beside it says.</p>"))
    assert isinstance(found, Article)
    assert "date" not in found.metadata


def test_comments_tables_and_navigation_are_left_out() -> None:
    around = (
        '<nav><ul><li><a href="/a">Sport and more sport</a></li><li><a href="/b">Weather</a></li></ul></nav>'
        f"<article>{BODY}<table><tr><td>River level</td><td>3.4 metres at noon</td></tr></table></article>"
        '<div class="comments" id="comments"><p>First! I never liked that weir, wrote one reader below.</p></div>'
        "<footer><p>Copyright Marlow Courier. All rights reserved by the publishers.</p></footer>"
    )
    found, _ = take(f"<html><body>{around}</body></html>")
    assert found == Article("weir", TEXT, {}, extracted=True)


def test_what_comes_out_depends_on_nothing_else() -> None:
    """Neither on what was read before nor on the process: a job that goes on gives what it would have given."""
    alone, _ = take(page(HEAD))
    for _ in range(3):
        take(page(body=BODY.replace("weir", "dam")))
    assert take(page(HEAD))[0] == alone
    script = "import sys; from stance.pages import *; print(extract(Page(sys.argv[1], 'weir'), 'weir.html', print))"
    done = subprocess.run([sys.executable, "-c", script, page(HEAD)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(alone)


def with_charset(said: str) -> str:
    return page(f'<meta http-equiv="Content-Type" content="text/html; charset={said}">')


@pytest.mark.parametrize(
    ("said", "encoding"),
    [
        ("utf-8", "utf-8"),
        ("utf-8", "utf-8-sig"),
        ("utf-8", "utf-16"),
        ("iso-8859-1", "utf-8"),
        ("windows-1252", "cp1252"),
        ("ISO-8859-1", "cp1252"),
        ("windows-1251", "utf-8"),
        ("iso-2022-jp", "iso-2022-jp"),
    ],
)
def test_the_page_says_its_encoding(said: str, encoding: str) -> None:
    html = with_charset(said)
    if encoding == "iso-2022-jp":
        html = html.replace("“", "「").replace("”", "」")
    found, warnings = take(html.encode(encoding))
    assert isinstance(found, Article)
    assert found.text == (TEXT.replace("“", "「").replace("”", "」") if "2022" in encoding else TEXT)
    assert warnings == []


@pytest.mark.parametrize("said", [None, "utf-8", "no-such-thing", "punycode"])
def test_an_encoding_that_has_to_be_guessed_is_said(said: str | None) -> None:
    data = (with_charset(said) if said else page()).encode("cp1252")
    found, warnings = take(data)
    assert found == Article("weir", TEXT, {}, extracted=True)
    byte = data.index(b"\x93")
    assert warnings == [f"weir.html: not utf-8 (byte {byte}); read as Windows-1252, check accents and quotation marks"]


def test_one_character_cut_in_half_leaves_the_others_as_they_are() -> None:
    text = BODY.replace("Harrow", "Härröw") * 30
    data = page(body=text).encode().replace("ö".encode(), b"\xc3", 1)
    found, [warning] = take(data)
    assert isinstance(found, Article)
    assert "Härr\ufffdw" in found.text
    assert "Härröw" in found.text
    byte = data.index(b"\xc3w")
    assert warning == f"weir.html: not utf-8 (byte {byte}); read as utf-8 without 1 characters"


def nested(depth: int) -> str:
    return page(body=BODY + "<div>" * depth + "<p>Deep inside, somebody says that this is the end of it.</p>")


REFUSED = {
    "nothing": ("", "no article found"),
    "blank": (" \n", "no article found"),
    "words without a tag": ("Just words.", "no article found"),
    "an empty page": (page(body=""), "no article found"),
    "a page of scripts": (page(body="<script>var words = 'all of them';</script>"), "no article found"),
    "an image": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 9, ""),
    "nested too deep": (nested(300), "elements nested deeper than 255"),
    "nested far too deep": (nested(100_000), "elements nested deeper than 255"),
    "too many tags": ("<p>word" * 200_001, "more than 200,000 tags"),
    "too many attributes": (
        "<p " + " ".join(f"a{i}='x y'" for i in range(2_500)) + ">words</p>",
        "a tag with more than 2,000 attributes",
    ),
    "too large": (b"<p>" + b"x" * MAX_BYTES, "a page of 20 MB, expected a news page of at most 20 MB"),
    "bytes of no encoding": (b"<html><p>\x81\x8d\x8f\x90\x9d</p>", "bytes that are no text (byte 9)"),
}


@pytest.mark.parametrize(("html", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_article_is_refused_with_a_reason(html: str | bytes, message: str) -> None:
    found, _ = take(html)
    assert isinstance(found, InputError)
    assert str(found).startswith("weir.html: ")
    assert message in str(found)


def test_nesting_that_the_parser_still_sees() -> None:
    found, _ = take(nested(200))
    assert isinstance(found, Article)
    assert found.text.endswith("Deep inside, somebody says that this is the end of it.")


def test_a_page_of_very_many_short_paragraphs_is_read() -> None:
    """One of trafilatura's second opinions would take minutes over it."""
    found, _ = take("<html><body><p>One short line.</p><div class=related>" + "<p>word " * 20_000)
    assert isinstance(found, Article)


def test_a_picture_within_a_tag_is_no_bomb() -> None:
    found, _ = take(page(body=f"<img src='data:image/png;base64,{'QUJD' * 100_000}=='>" + BODY))
    assert found == Article("weir", TEXT, {}, extracted=True)


def test_half_a_surrogate_pair_becomes_a_sign() -> None:
    found, _ = take(page("<title>T\ud83dT</title>", BODY.replace("weir", "we\udc00ir")))
    assert isinstance(found, Article)
    found.text.encode()
    str(found.metadata).encode()


def test_control_characters_do_not_reach_the_text() -> None:
    found, _ = take(page(body=BODY.replace("weir", "we\x00i\x07r")))
    assert isinstance(found, Article)
    assert found.text == TEXT


_TAGS = st.sampled_from(
    "<p> </p> <div> <b> </b> <table><tr><td> <!-- --> <script> <br/> &amp; &#0; &#xd800; <![CDATA[".split()
)


@settings(max_examples=100, deadline=None)
@given(st.lists(_TAGS | st.text(st.characters(), max_size=40), max_size=30).map("".join))
def test_any_page_is_an_article_or_an_error(html: str) -> None:
    found, _ = take(f"<html><body>{html}{BODY}")
    if isinstance(found, Article):
        assert found.text.strip()
        found.text.encode()
    else:
        assert str(found).startswith("weir.html: ")
    assert take(f"<html><body>{html}{BODY}")[0].__repr__() == repr(found)
