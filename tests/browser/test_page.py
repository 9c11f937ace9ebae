"""The results page in a browser: what it shows, what it filters, where its links lead, and what it must not do."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_job import Made, Said, make_job, make_lines

from stance.page import write_page
from stance.summary import summarize

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


def texts(page: Page, selector: str) -> list[str]:
    found: list[str] = page.locator(selector).all_inner_texts()
    return [re.sub(r"\s+", " ", words).strip() for words in found]


def titles(page: Page) -> list[str]:
    return texts(page, ".list-title")


def count(page: Page) -> str:
    words: str = page.locator("#count").inner_text()
    return words


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
    assert count(page) == "8 claims by 4 speakers in 4 articles"
    assert titles(page) == ["Bridge row", "Rain on Sunday", "Council hits back", "A garden"]
    assert page.locator("article h2").inner_text() == "Bridge row"
    assert texts(page, "article .quote.accusation") == ["You lied,"]  # right behind an emoji
    assert texts(page, "article .quote.denial") == ["We never did,", "and the bridge is safe."]
    assert texts(page, ".note") == [
        "1 Accusation 70% Ann Lee → accuses Town Council",
        "2 Denial 62% Town Council",
        "3 Justification 70% clerk",
    ]
    assert "Evening Post · 3 May 2024 · Kit Moss" in page.locator(".facts").inner_text()
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
    page.wait_for_timeout(50)
    assert tip.is_hidden()
    page.locator("article .quote.accusation").focus()
    page.keyboard.press("Tab")
    assert quote.evaluate("element => element === document.activeElement")
    assert tip.is_visible()
    assert "Denial\n62%" in tip.inner_text()
    assert page.evaluate("document.activeElement.getAttribute('aria-describedby')") == "tip"


def test_a_file_of_claims_shows_them_alone_and_says_why(visit: Visit, tmp_path: Path) -> None:
    write_page(make_lines(tmp_path / "run.jsonl", ARTICLES), tmp_path / "page.html")
    page = visit(tmp_path / "page.html")
    assert "The texts are not here" in page.locator(".remarks").inner_text()
    assert count(page) == "8 claims by 4 speakers in 3 articles"
    assert titles(page)[0] == "bridge"
    assert texts(page, "article .quote") == [
        "You lied,",
        "We never did, … and the bridge is safe.",
        "the bridge had to close",
    ]
    page.locator("article .quote").nth(1).click()
    assert "how in quotation marks" in " ".join(texts(page, ".note[open]"))


def test_an_article_that_stands_in_many_places(visit: Visit, tmp_path: Path) -> None:
    copies = [
        Made(f"c{i}", ARTICLES[1].text, metadata={"publisher": f"Paper {i}"}, duplicate_of="rain") for i in range(14)
    ]
    page = visit(written(tmp_path, [*ARTICLES, *copies]), "#article=rain")
    assert "The same text also in: Paper 0, Paper 1," in page.locator(".facts").inner_text()
    assert "Paper 11 and 2 more" in page.locator(".facts").inner_text()


def test_steps_from_article_to_article(visit: Visit, page_file: Path) -> None:
    page = visit(page_file)
    page.get_by_role("link", name="Next article").click()
    assert page.locator("article h2").inner_text() == "Rain on Sunday"
    assert page.evaluate("document.activeElement.tagName") == "H2"
    page.go_back()
    assert page.locator("article h2").inner_text() == "Bridge row"


def test_orders(visit: Visit, page_file: Path) -> None:
    page = visit(page_file)
    for order, first in (
        ("new", "Council hits back"),
        ("old", "Bridge row"),
        ("most", "Bridge row"),
        ("", "Bridge row"),
    ):
        page.get_by_label("Order of the articles").select_option(order)
        assert titles(page)[0] == first
    page.get_by_label("Order of the articles").select_option("new")
    assert titles(page) == ["Council hits back", "Rain on Sunday", "Bridge row", "A garden"]


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
    assert titles(page) == found
    assert count(page).startswith(f"{claims} claim")
    again = visit(page_file, page.evaluate("location.hash"))  # the address holds what was asked for
    assert titles(again) == found
    assert again.locator(f"#filters [name={next(iter(fields))}]").input_value() == next(iter(fields.values()))
    page.locator("#clear").click()
    assert count(page) == "8 claims by 4 speakers in 4 articles"
    assert page.evaluate("location.hash") == ""


def test_stances_filter(visit: Visit, page_file: Path) -> None:
    page = visit(page_file)
    assert texts(page, ".chip") == ["Accusation 5", "Denial 1", "Justification 1", "Other 1"]
    page.get_by_label("Denial").check()
    assert titles(page) == ["Bridge row"]
    page.get_by_label("Other").check()
    assert titles(page) == ["Bridge row", "Rain on Sunday"]
    assert texts(page, ".chip") == ["Accusation 5", "Denial 1", "Justification 1", "Other 1"]
    assert page.locator("article .quote.dim").count() == 2
    fill(page, speaker="Bo Fry")
    assert texts(page, ".chip") == ["Accusation 1", "Denial 0", "Justification 0", "Other 1"]


def test_filters_hold_in_every_view(visit: Visit, page_file: Path) -> None:
    page = visit(page_file, "#view=speakers")
    fill(page, speaker="Town Council")
    assert texts(page, ".person-name") == ["Town Council"]
    page.get_by_role("link", name="Who accuses whom").click()
    assert texts(page, ".matrix tbody th") == ["Town Council"]
    page.get_by_role("link", name="Over time").click()
    assert "3 claims by the day" in page.locator("main").inner_text()
    fill(page, speaker="nobody")
    assert "No claim with a date is like that" in page.locator("main").inner_text()
    page.get_by_role("link", name="Clear the filters").click()
    assert "8 claims by the day" in page.locator("main").inner_text()


# Links


def test_a_link_opens_the_right_quote(visit: Visit, page_file: Path) -> None:
    page = visit(page_file)
    page.get_by_role("link", name="Council hits back").click()
    page.locator("article .quote", has_text="She is a liar").click()
    address = page.evaluate("location.hash")
    for screen in (WIDE, NARROW):
        other = visit(page_file, address, **screen)
        assert other.locator("article h2").inner_text() == "Council hits back"
        assert texts(other, ".quote.pointed") == ["She is a liar,"]
        assert other.locator(".quote.pointed").is_visible()
        assert other.evaluate("document.activeElement.innerText").strip() == "She is a liar,"
        assert "Town Council" in other.locator(".note[open]").inner_text()
    page.get_by_role("link", name="Link to this quote").click()
    assert re.fullmatch(r"#claim=[0-9a-f]{16}", page.evaluate("location.hash"))


def test_a_link_that_leads_nowhere_shows_the_page(visit: Visit, page_file: Path) -> None:
    for fragment in ("#claim=none", "#article=none", "#view=none", "#%%%", "#view=articles&view=time&x=__proto__"):
        assert titles(visit(page_file, fragment))[0] == "Bridge row"


def test_a_link_goes_with_the_filters_that_hide_it(visit: Visit, page_file: Path) -> None:
    page = visit(page_file)
    page.locator("article .quote.denial").first.click()
    address = page.evaluate("location.hash")
    page = visit(page_file, f"{address}&stance=other")
    assert texts(page, ".quote.pointed") == ["We never did,", "and the bridge is safe."]


# Speakers, accusations, time


def test_speakers_with_what_they_do(visit: Visit, page_file: Path) -> None:
    page = visit(page_file, "#view=speakers")
    assert texts(page, ".person-name") == ["Town Council", "Bo Fry", "Ann Lee", "clerk"]
    assert "1 claim has no clear speaker" in page.locator("main").inner_text()
    page.locator(".person summary").first.click()
    assert texts(page, ".person[open] h3") == ["Accuses 2 claims", "Denies 1 claim"]
    assert "Whom: Ann Lee (2)" in page.locator(".person[open]").inner_text()
    page.locator(".person[open] .statement", has_text="She is a liar").click()
    assert texts(page, ".quote.pointed") == ["She is a liar,"]


def test_a_speaker_with_many_claims(visit: Visit, tmp_path: Path) -> None:
    words = [f"We did thing {i:03}" for i in range(60)]
    talker = Made("a", ". ".join(words), [Said(one, "Bo", "justification") for one in words])
    page = visit(written(tmp_path, [talker]), "#view=speakers")
    assert page.locator(".statement").count() == 20  # one speaker: open from the beginning
    page.get_by_role("button", name="Show 40 more").click()
    assert page.locator(".statement").count() == 60
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
    assert page.locator(".graph .pill").count() == 3
    assert page.locator(".graph .arrow").count() == 3
    assert (
        "4 accusations in 3 pairs with sure names on both sides, of 5 accusations" in page.locator("main").inner_text()
    )
    page.locator(".matrix .some a", has_text="2").click()
    assert texts(page, ".person-name") == ["Town Council"]
    assert page.locator(".statement").count() == 2
    page.go_back()
    page.locator(".graph .pill", has_text="Bo Fry").click()
    assert texts(page, ".person-name") == ["Bo Fry"]


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
    assert page.locator("main h2").inner_text() == "Claims by week"
    assert "not in this drawing" not in page.locator("main").inner_text()
    page.get_by_text("The figures as a table").click()
    assert texts(page, ".plain tbody tr") == ["29 Apr 2024 1 1 1 0", "20 May 2024 1 0 0 1", "24 Jun 2024 3 0 0 0"]
    page.locator(".column").nth(1).click()
    assert titles(page) == ["Rain on Sunday"]
    assert page.locator("#filters [name=from]").input_value() == "2024-05-20"


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
    assert page.locator("main h2").inner_text() == f"Claims by {unit}"
    assert page.locator(".column").count() == columns


def test_without_dates_and_publishers_nobody_is_asked_for_them(visit: Visit, tmp_path: Path) -> None:
    page = visit(written(tmp_path, [Made("a", "Yes, he said.", [Said("Yes")])]), "#view=time")
    assert "No article here has a date" in page.locator("main").inner_text()
    for name in ("publisher", "from", "to"):
        assert page.locator(f"#filters [name={name}]").is_hidden()


def test_an_empty_job(visit: Visit, tmp_path: Path) -> None:
    path = written(tmp_path, [])
    for view in VIEWS:
        page = visit(path, f"#view={view}")
        assert count(page) == "0 claims by 0 speakers in 0 articles"
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
    assert page.locator(".note[open]").count() == 1
    page.locator(".note summary").nth(1).focus()
    page.keyboard.press("Enter")
    assert page.locator(".note[open]").count() == 2
    page.get_by_label("Denial").focus()
    page.keyboard.press("Space")
    assert titles(page) == ["Bridge row"]
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
    assert page.locator("main script, main img, main [onload], main [onerror]").count() == 0
    assert page.locator("a[href^='javascript']").count() == 0
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
    assert count(page) == "2,999 claims by 2,000 speakers in 2,000 articles"
    assert "1 of 2,001 articles are left out" in page.locator(".remarks").inner_text()
    assert page.locator("*").count() < 8_000
    page.locator("article .quote", has_text="we know 79,").scroll_into_view_if_needed()
    page.locator("article .quote", has_text="we know 99,").wait_for()
    page.evaluate("location.hash = new URLSearchParams({ article: 'a1998' })")
    assert page.locator(".list [aria-current=true]").inner_text().startswith("Claim 1998, said Bo 1998.")
    assert page.locator(".list [aria-current=true]").is_visible()
    fill(page, words="1234")
    assert titles(page) == ["Claim 1234, said Bo 1234."]
