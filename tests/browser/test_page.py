"""The results page in a browser: what it shows, what it filters, where its links lead, and what it must not do."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_job import Made, Said, make_job, make_lines

from stance.page import write_page
from stance.summary import summarize

expect = pytest.importorskip("playwright.sync_api", reason="no Playwright: see `make test-browser`").expect

Page = Any
Visit = Callable[..., Page]

VIEWS = ["articles", "speakers", "accusations", "time"]
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}

ARTICLES = [
    Made(
        "bridge",
        "Bridge row\n\n😀 “You lied,” Ann Lee told the council. “We never did,” it said, “and the bridge is safe.”\n\n"
        "The clerk wrote that the bridge had to close. Nobody else spoke.",
        [
            Said("You lied,", "Ann Lee", "accusation", "told", "Ann Lee", target="Town Council"),
            Said(["We never did,", "and the bridge is safe."], "Town Council", "denial", "said", "it", sure=0.62),
            Said("the bridge had to close", "clerk", "justification", "wrote", "The clerk", second="denial"),
        ],
        {"publisher": "Evening Post", "date": "2024-05-03", "url": "https://example.org/bridge", "author": "Kit Moss"},
    ),
    Made(
        "rain",
        "It will rain, said Bo Fry. The council, he said, hid the forecast.",
        [
            Said("It will rain", "Bo Fry", cue="said", source="Bo Fry"),
            Said("hid the forecast", "Bo Fry", "accusation", "said", "he", target="Town Council"),
        ],
        {"title": "Rain on Sunday", "publisher": "Echo", "date": "2024-05-20"},
    ),
    Made(
        "reply",
        "“Ann Lee made it up,” the council said. “She is a liar,” it added. A voice called: “Shame!”",
        [
            Said("Ann Lee made it up,", "Town Council", "accusation", "said", "the council", target="Ann Lee"),
            Said("She is a liar,", "Town Council", "accusation", "added", "it", target="Ann Lee"),
            Said("Shame!", None, "accusation", "called", "A voice"),
        ],
        {"title": "Council hits back", "publisher": "Echo", "date": "2024-06-30"},
    ),
    Made("quiet", "Nothing was said in the garden.", metadata={"title": "A garden", "publisher": "Echo"}),
]

EVIL = (
    "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'><svg onload=window.hacked=3>"
    "{{ 7 * 7 }} ${7 * 7} <a href='javascript:window.hacked = 4'>click</a> \u202eesrever\u2066 \u2028 &lt;b&gt; '\"`"
)


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_job(tmp_path_factory.mktemp("pages") / "job", ARTICLES)


@pytest.fixture(scope="module")
def page_file(job: Path) -> Path:
    write_page(job, job / "page.html")
    return job / "page.html"


def written(folder: Path, articles: list[Made]) -> Path:
    write_page(make_job(folder / "job", articles), folder / "page.html")
    return folder / "page.html"


def shows(page: Page, selector: str, words: str | list[str]) -> None:
    """Checks the words of all elements of a kind, in a moment: an address takes a moment to be followed."""
    expect(page.locator(selector)).to_have_text(words, use_inner_text=True)


def holds(page: Page, selector: str, words: str) -> None:
    """Checks that words are among an element's, in a moment."""
    expect(page.locator(selector)).to_contain_text(words, use_inner_text=True)


def fill(page: Page, **fields: str) -> None:
    for name, value in fields.items():
        field = page.locator(f"#filters [name={name}]")
        if name == "publisher":
            field.select_option(value)
        else:
            field.fill(value)
    page.wait_for_timeout(400)  # a search waits for the last letter


# Articles


def test_articles_have_their_quotes_marked_and_speakers_beside(visit: Visit, page_file: Path) -> None:
    page = visit(page_file)
    shows(page, "#count", "8 claims by 4 speakers in 4 articles")
    shows(page, ".list-title", ["Bridge row", "Rain on Sunday", "Council hits back", "A garden"])
    shows(page, "article h2", "Bridge row")
    shows(page, "article .quote.accusation", ["You lied,"])  # right behind an emoji
    shows(page, "article .quote.denial", ["We never did,", "and the bridge is safe."])
    shows(
        page,
        ".note",
        [
            "1 Accusation 70% Ann Lee → accuses Town Council",
            "2 Denial 62% Town Council",
            "3 Justification 70% clerk",
        ],
    )
    holds(page, ".facts", "Evening Post · 3 May 2024 · Kit Moss")
    assert page.locator(".facts a").get_attribute("href") == "https://example.org/bridge"
    assert page.locator("article .rows").inner_text().count("Nobody else spoke.") == 1


def test_probabilities_on_hover_and_focus(visit: Visit, page_file: Path) -> None:
    page = visit(page_file)
    tip, quote = page.locator("#tip"), page.locator("article .quote.denial").first
    assert tip.is_hidden()
    quote.hover()
    assert "Denial\n62%" in tip.inner_text()
    assert "Town Council (90% sure)" in tip.inner_text()
    assert page.locator(".lit-source").inner_text() == "it"
    assert page.locator(".lit-cue").inner_text() == "said"
    tip.hover()  # the pointer may go onto it
    page.wait_for_timeout(300)
    assert tip.is_visible()
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    page.locator("article .quote.accusation").focus()
    page.keyboard.press("Tab")
    assert quote.evaluate("element => element === document.activeElement")
    assert tip.is_visible()
    assert "Denial\n62%" in tip.inner_text()
    assert page.evaluate("document.activeElement.getAttribute('aria-describedby')") == "tip"


def test_a_file_of_claims_shows_them_alone_and_says_why(visit: Visit, tmp_path: Path) -> None:
    write_page(make_lines(tmp_path / "run.jsonl", ARTICLES), tmp_path / "page.html")
    page = visit(tmp_path / "page.html")
    holds(page, ".remarks", "The texts are not here")
    shows(page, "#count", "8 claims by 4 speakers in 3 articles")
    shows(page, ".list-title", ["bridge", "Rain on Sunday", "Council hits back"])
    shows(
        page,
        "article .quote",
        [
            "You lied,",
            "We never did, … and the bridge is safe.",
            "the bridge had to close",
        ],
    )
    page.locator("article .quote").nth(1).click()
    holds(page, ".note[open]", "in quotation marks")


def test_an_article_that_stands_in_many_places(visit: Visit, tmp_path: Path) -> None:
    copies = [
        Made(f"c{i}", ARTICLES[1].text, metadata={"publisher": f"Paper {i}"}, duplicate_of="rain") for i in range(14)
    ]
    page = visit(written(tmp_path, [*ARTICLES, *copies]), "#article=rain")
    holds(page, ".facts", "The same text also in: Paper 0, Paper 1,")
    holds(page, ".facts", "Paper 11 and 2 more")


def test_steps_from_article_to_article(visit: Visit, page_file: Path) -> None:
    page = visit(page_file)
    page.get_by_role("link", name="Next article").click()
    shows(page, "article h2", "Rain on Sunday")
    assert page.evaluate("document.activeElement.tagName") == "H2"
    page.go_back()
    shows(page, "article h2", "Bridge row")


def test_orders(visit: Visit, page_file: Path) -> None:
    page = visit(page_file)
    for order, first in (
        ("new", "Council hits back"),
        ("old", "Bridge row"),
        ("most", "Bridge row"),
        ("", "Bridge row"),
    ):
        page.get_by_label("Order of the articles").select_option(order)
        expect(page.locator(".list-title").first).to_have_text(first)
    page.get_by_label("Order of the articles").select_option("new")
    shows(page, ".list-title", ["Council hits back", "Rain on Sunday", "Bridge row", "A garden"])


# Filters


@pytest.mark.parametrize(
    ("fields", "claims", "found"),
    [
        ({"words": "FORECAST"}, 1, ["Rain on Sunday"]),
        ({"words": "never bridge"}, 1, ["Bridge row"]),
        ({"words": "garden"}, 0, ["A garden"]),
        ({"speaker": "Town Council"}, 3, ["Bridge row", "Council hits back"]),
        ({"speaker": "town"}, 3, ["Bridge row", "Council hits back"]),
        ({"speaker": "nobody"}, 0, []),
        ({"target": "Ann Lee"}, 2, ["Council hits back"]),
        ({"publisher": "Echo"}, 5, ["Rain on Sunday", "Council hits back", "A garden"]),
        ({"from": "2024-05-20"}, 5, ["Rain on Sunday", "Council hits back"]),
        ({"from": "2024-05-04", "to": "2024-06-29"}, 2, ["Rain on Sunday"]),
        ({"speaker": "bo fry", "words": "rain"}, 1, ["Rain on Sunday"]),
    ],
)
def test_filters_filter(fields: dict[str, str], claims: int, found: list[str], visit: Visit, page_file: Path) -> None:
    page = visit(page_file)
    fill(page, **fields)
    shows(page, ".list-title", found)
    holds(page, "#count", f"{claims} claim{'' if claims == 1 else 's'} of 8 in {len(found)} article")
    again = visit(page_file, page.evaluate("location.hash"))  # the address holds what was asked for
    shows(again, ".list-title", found)
    assert again.locator(f"#filters [name={next(iter(fields))}]").input_value() == next(iter(fields.values()))
    page.locator("#clear").click()
    shows(page, "#count", "8 claims by 4 speakers in 4 articles")
    assert page.evaluate("location.hash") == ""


def test_stances_filter(visit: Visit, page_file: Path) -> None:
    page = visit(page_file)
    shows(page, ".chip", ["Accusation 5", "Denial 1", "Justification 1", "Other 1"])
    page.get_by_label("Denial").check()
    shows(page, ".list-title", ["Bridge row"])
    page.get_by_label("Other").check()
    shows(page, ".list-title", ["Bridge row", "Rain on Sunday"])
    shows(page, ".chip", ["Accusation 5", "Denial 1", "Justification 1", "Other 1"])
    expect(page.locator("article .quote.dim")).to_have_count(2)
    fill(page, speaker="Bo Fry")
    shows(page, ".chip", ["Accusation 1", "Denial 0", "Justification 0", "Other 1"])


def test_filters_hold_in_every_view(visit: Visit, page_file: Path) -> None:
    page = visit(page_file, "#view=speakers")
    fill(page, speaker="Town Council")
    shows(page, ".person-name", ["Town Council"])
    page.get_by_role("link", name="Who accuses whom").click()
    shows(page, ".matrix tbody th", ["Town Council"])
    page.get_by_role("link", name="Over time").click()
    holds(page, "main", "3 claims by the day")
    fill(page, speaker="nobody")
    holds(page, "main", "No claim with a date is like that")
    page.get_by_role("link", name="Clear the filters").click()
    holds(page, "main", "8 claims by the day")


# Links


def test_a_link_opens_the_right_quote(visit: Visit, page_file: Path) -> None:
    page = visit(page_file)
    page.get_by_role("link", name="Council hits back").click()
    page.locator("article .quote", has_text="She is a liar").click()
    address = page.evaluate("location.hash")
    for screen in (WIDE, NARROW):
        other = visit(page_file, address, **screen)
        shows(other, "article h2", "Council hits back")
        shows(other, ".quote.pointed", ["She is a liar,"])
        assert other.locator(".quote.pointed").is_visible()
        assert other.evaluate("document.activeElement.innerText").strip() == "She is a liar,"
        holds(other, ".note[open]", "Town Council")
    page.get_by_role("link", name="Link to this quote").click()
    assert re.fullmatch(r"#claim=[0-9a-f]{16}", page.evaluate("location.hash"))


def test_a_link_that_leads_nowhere_shows_the_page(visit: Visit, page_file: Path) -> None:
    for fragment in ("#claim=none", "#article=none", "#view=none", "#%%%", "#view=articles&view=time&x=__proto__"):
        shows(visit(page_file, fragment), "article h2", "Bridge row")


def test_a_link_goes_with_the_filters_that_hide_it(visit: Visit, page_file: Path) -> None:
    page = visit(page_file)
    page.locator("article .quote.denial").first.click()
    address = page.evaluate("location.hash")
    page = visit(page_file, f"{address}&stance=other")
    shows(page, ".quote.pointed", ["We never did,", "and the bridge is safe."])


# Speakers, accusations, time


def test_speakers_with_what_they_do(visit: Visit, page_file: Path) -> None:
    page = visit(page_file, "#view=speakers")
    shows(page, ".person-name", ["Town Council", "Bo Fry", "Ann Lee", "clerk"])
    holds(page, "main", "1 claim has no clear speaker")
    page.locator(".person summary").first.click()
    shows(page, ".person[open] h3", ["Accuses 2 claims", "Denies 1 claim"])
    holds(page, ".person[open]", "Whom: Ann Lee (2)")
    page.locator(".person[open] .statement", has_text="She is a liar").click()
    shows(page, ".quote.pointed", ["She is a liar,"])


def test_a_speaker_with_many_claims(visit: Visit, tmp_path: Path) -> None:
    words = [f"We did thing {i:03}" for i in range(60)]
    talker = Made("a", ". ".join(words), [Said(one, "Bo", "justification") for one in words])
    page = visit(written(tmp_path, [talker]), "#view=speakers")
    expect(page.locator(".statement")).to_have_count(20)  # one speaker: open from the beginning
    page.get_by_role("button", name="Show 40 more").click()
    expect(page.locator(".statement")).to_have_count(60)
    assert page.evaluate("document.activeElement.innerText").startswith("We did thing 020")


def test_who_accuses_whom_has_the_figures_of_the_summary(visit: Visit, page_file: Path, job: Path) -> None:
    page = visit(page_file, "#view=accusations")
    rows = summarize(job).accusations.rows
    cells = {
        label: int(number)
        for label, number in page.evaluate(
            "[...document.querySelectorAll('.matrix .some a')].map((a) => [a.ariaLabel, a.textContent])"
        )
    }
    times = {1: "1 time", 2: "2 times"}
    assert cells == {f"{one.speaker} accuses {one.target}: {times[one.accusations]}": one.accusations for one in rows}
    assert len(rows) == 3
    expect(page.locator(".graph .pill")).to_have_count(3)
    expect(page.locator(".graph .arrow")).to_have_count(3)
    holds(page, "main", "4 accusations in 3 pairs with sure names on both sides, of 5 accusations")
    page.locator(".matrix .some a", has_text="2").click()
    shows(page, ".person-name", ["Town Council"])
    expect(page.locator(".statement")).to_have_count(2)
    page.go_back()
    page.locator(".graph .pill", has_text="Bo Fry").click()
    shows(page, ".person-name", ["Bo Fry"])


def test_the_graph_has_room_for_its_names(visit: Visit, tmp_path: Path) -> None:
    people = [f"Somebody with a Rather Long Name {i:02}" for i in range(30)]
    said = [Said(f"word{i:02}", one, "accusation", target=people[(7 * i + 1) % 12]) for i, one in enumerate(people)]
    path = written(tmp_path, [Made("a", " ".join(one.words for one in said if isinstance(one.words, str)), said)])
    for screen in (WIDE, NARROW):
        page = visit(path, "#view=accusations", **screen)
        boxes = page.evaluate(
            "[...document.querySelectorAll('.pill rect')]"
            ".map((r) => r.getBBox()).map((b) => [b.x, b.y, b.width, b.height])"
        )
        width = page.evaluate("document.querySelector('.graph').viewBox.baseVal.width")
        assert len(boxes) == 30
        assert all(x >= 0 and x + w <= width for x, _, w, _ in boxes)
        apart = [
            x + w <= other_x or other_x + other_w <= x or y + h <= other_y or other_y + other_h <= y
            for i, (x, y, w, h) in enumerate(boxes)
            for other_x, other_y, other_w, other_h in boxes[:i]
        ]
        assert all(apart)


def test_columns_over_time(visit: Visit, page_file: Path) -> None:
    page = visit(page_file, "#view=time")
    shows(page, "main h2", "Claims by week")
    assert "not in this drawing" not in page.locator("main").inner_text()
    page.get_by_text("The figures as a table").click()
    shows(page, ".plain tbody tr", ["29 Apr 2024 1 1 1 0", "20 May 2024 1 0 0 1", "24 Jun 2024 3 0 0 0"])
    page.locator(".column").nth(1).click()
    shows(page, ".list-title", ["Rain on Sunday"])
    expect(page.locator("#filters [name=from]")).to_have_value("2024-05-20")


@pytest.mark.parametrize(
    ("days", "unit", "columns"),
    [
        (["2024-05-03"], "day", 1),
        (["2024-02-28", "2024-03-01"], "day", 2),
        (["1969-12-31", "1970-01-01"], "day", 2),
        (["2024-01-01", "2024-03-31"], "week", 2),
        (["2020-01-31", "2024-02-29"], "month", 2),
        (["1605-01-01", "2024-12-31"], "year", 2),
    ],
)
def test_days_weeks_months_years(days: list[str], unit: str, columns: int, visit: Visit, tmp_path: Path) -> None:
    articles = [Made(day, f"Yes, he said on {day}.", [Said("Yes")], {"date": day}) for day in days]
    page = visit(written(tmp_path, articles), "#view=time")
    shows(page, "main h2", f"Claims by {unit}")
    assert page.locator(".column").count() == columns


def test_without_dates_and_publishers_nobody_is_asked_for_them(visit: Visit, tmp_path: Path) -> None:
    page = visit(written(tmp_path, [Made("a", "Yes, he said.", [Said("Yes")])]), "#view=time")
    holds(page, "main", "No article here has a date")
    for name in ("publisher", "from", "to"):
        assert page.locator(f"#filters [name={name}]").is_hidden()


def test_an_empty_job(visit: Visit, tmp_path: Path) -> None:
    path = written(tmp_path, [])
    for view in VIEWS:
        page = visit(path, f"#view={view}")
        shows(page, "#count", "0 claims by 0 speakers in 0 articles")
        assert page.locator("main").inner_text()


# For everybody


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("screen", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessible(
    view: str,
    screen: dict[str, int],
    scheme: str,
    visit: Visit,
    page_file: Path,
    assert_accessible: Callable[[Page], None],
) -> None:
    page = visit(page_file, f"#view={view}", color_scheme=scheme, **screen)
    assert_accessible(page)
    for summary in page.locator("summary:visible").all():
        summary.click()
    if page.locator("#more").is_visible():
        page.locator("#more").click()
    page.locator(".chip").first.click()
    assert_accessible(page)
    if view == "articles" and screen is WIDE:
        page.locator("article .quote").first.hover()
        assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("view", [*VIEWS, "articles&article=bridge"])
@pytest.mark.parametrize("screen", [WIDE, NARROW], ids=["wide", "narrow"])
def test_the_keyboard_reaches_everything(view: str, screen: dict[str, int], visit: Visit, page_file: Path) -> None:
    page = visit(page_file, f"#view={view}", **screen)
    page.evaluate("""() => {
        const all = document.querySelectorAll("a[href], button, input, select, summary, [tabindex]");
        for (const [i, element] of [...all].entries()) {
            if (element.tabIndex >= 0 && !element.disabled && element.checkVisibility()) element.dataset.reach = i;
        }
    }""")
    wanted = page.evaluate("[...document.querySelectorAll('[data-reach]')].map((element) => element.dataset.reach)")
    reached = set()
    for _ in range(3 * len(wanted) + 20):  # a date has several places
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.dataset.reach"))
    assert len(wanted) > 8
    assert set(wanted) <= reached


def test_all_with_the_keyboard_alone(visit: Visit, page_file: Path) -> None:
    page = visit(page_file)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.innerText") == "Skip to the results"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.locator("article .quote").first.focus()
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash").startswith("#claim=")
    expect(page.locator(".note[open]")).to_have_count(1)
    page.locator(".note summary").nth(1).focus()
    page.keyboard.press("Enter")
    expect(page.locator(".note[open]")).to_have_count(2)
    page.get_by_label("Denial").focus()
    page.keyboard.press("Space")
    shows(page, ".list-title", ["Bridge row"])
    assert page.evaluate("document.activeElement.value") == "denial"  # the filter keeps the keyboard


def test_paper_and_calm(visit: Visit, page_file: Path) -> None:
    page = visit(page_file, reduced_motion="reduce")
    assert (
        page.evaluate(
            "document.getAnimations().length + [...document.querySelectorAll('*')]"
            ".filter((element) => getComputedStyle(element).transitionDuration !== '0s').length"
        )
        == 0
    )
    page.emulate_media(media="print")
    assert page.locator("#filters").is_hidden()
    assert page.locator(".list").is_hidden()
    assert page.locator("article .quote").first.is_visible()
    assert page.locator(".note").first.is_visible()


# Hostile words


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    word = "x" * 100_000
    text = f"{EVIL}\n\nYes, said {EVIL}.\n\n{word}, said {word}."
    metadata = dict.fromkeys(["title", "publisher", "author"], EVIL) | {
        "url": "javascript:window.hacked=5",
        "date": EVIL,
    }
    return written(
        tmp_path_factory.mktemp("hostile"),
        [
            Made(
                EVIL,
                text,
                [
                    Said("Yes", EVIL, "accusation", "said", EVIL, target=f"{EVIL} too"),
                    Said(word, word, "accusation", "said", word, target=EVIL),
                ],
                metadata,
            ),
            Made(
                "words",
                f"{word} {word}",
                [Said(word, word)],
                dict.fromkeys(["title", "publisher", "author", "url"], word),
            ),
            Made(
                "__proto__", "“constructor,” said toString.", [Said("constructor,", "__proto__", target="constructor")]
            ),
        ],
    )


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("screen", [WIDE, NARROW], ids=["wide", "narrow"])
def test_hostile_words_are_shown_and_do_nothing(view: str, screen: dict[str, int], visit: Visit, hostile: Path) -> None:
    page = visit(hostile, f"#view={view}", **screen)
    for place in ("article .quote", "summary", ".pill"):
        for element in page.locator(f"{place}:visible").all()[:6]:
            element.hover()
            if place == "summary":
                element.click()
    assert page.evaluate("window.hacked") is None
    expect(page.locator("main script, main img, main [onload], main [onerror]")).to_have_count(0)
    expect(page.locator("a[href^='javascript']")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert "\u202e" not in page.evaluate("document.body.innerText")


def test_hostile_words_are_shown_as_they_are(visit: Visit, hostile: Path) -> None:
    page = visit(hostile)
    shown = EVIL.replace("\u202e", "[U+202E]").replace("\u2066", "[U+2066]")
    flat = re.sub(r"\s+", " ", page.locator("article").inner_text())
    assert re.sub(r"\s+", " ", shown.split("\u2028")[0]) in flat
    assert "javascript:window.hacked=5" in flat
    page.locator("article .quote").first.click()
    assert "#claim=" in page.evaluate("location.hash")


def test_the_browser_itself_refuses_html_and_code(chromium: Any, page_file: Path) -> None:
    page = chromium.new_page()
    page.goto(page_file.as_uri())
    refused = page.evaluate("""() => ["innerHTML", "outerHTML"].map((way) => {
        try { document.createElement("p")[way] = "<b>x</b>"; } catch (error) { return error.name; }
    })""")
    assert refused == ["TypeError", "TypeError"]
    assert page.evaluate("""() => {
        const seen = [];
        document.addEventListener("securitypolicyviolation", (event) => seen.push(event.effectiveDirective));
        return fetch("https://example.org").catch(() => new Promise((done) => setTimeout(() => done(seen), 50)));
    }""") == ["connect-src"]
    page.close()


# Size


def test_only_what_is_looked_at_is_made(visit: Visit, tmp_path: Path) -> None:
    text = "\n\n".join(f"Paragraph {i}: “we know {i},” said Bo." for i in range(1000))
    long = Made("long", text, [Said(f"we know {i},", "Bo") for i in range(1000)])
    many = [Made(f"a{i}", f"Claim {i}, said Bo {i}.", [Said(f"Claim {i}", f"Bo {i}")]) for i in range(2000)]
    page = visit(written(tmp_path, [long, *many]))
    shows(page, "#count", "2,999 claims by 2,000 speakers in 2,000 articles")
    holds(page, ".remarks", "1 of 2,001 articles are left out")
    assert page.locator("*").count() < 8_000
    page.locator("article .quote", has_text="we know 79,").scroll_into_view_if_needed()
    page.locator("article .quote", has_text="we know 99,").wait_for()
    page.evaluate("location.hash = new URLSearchParams({ article: 'a1998' })")
    holds(page, ".list [aria-current=true]", "Claim 1998, said Bo 1998.")
    assert page.locator(".list [aria-current=true]").is_visible()
    fill(page, words="1234")
    shows(page, ".list-title", ["Claim 1234, said Bo 1234."])
