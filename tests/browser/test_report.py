"""The evaluation report in a browser: filters, the list of 20,000 quotes, links to one, tasks, and hostile articles."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_report import made_report, quote

from stance.types import Article, Span, Stance
from training.annotations import AnnotatedArticle
from training.mistakes import KINDS, Case
from training.report import Report
from training.report_page import page as make_page

Page = Any
Visit = Callable[..., Page]

WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
EVIL = (
    "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'><svg onload=window.hacked=3>"
    "{{ 7 * 7 }} ${7 * 7} <a href='javascript:window.hacked = 4'>click</a> \u202eesrever\u2066 \u2028 &lt;b&gt; '\"`"
)


@pytest.fixture(scope="module")
def report() -> Report:
    return made_report()


@pytest.fixture(scope="module")
def report_file(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _written(report, tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def large_file(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same mistakes over and over, in 20,000 quotes."""
    one = report.sets[0]
    wrong = [case for case in one.cases if case.kinds]
    many: list[Case] = []
    for copy in range(-(-20_000 // len(wrong))):
        many += [
            replace(case, id=f"{copy:05x}{i:07x}", article=replace(case.article, id=f"{case.article.id}-{copy}"))
            for i, case in enumerate(wrong)
        ]
    large = replace(one, cases=many[:20_000], other_cases=[], changes={})
    return _written(replace(report, sets=[large]), tmp_path_factory.mktemp("large"))


@pytest.mark.parametrize("screen", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_stands_in_the_way_of_anybody(
    visit: Visit, report_file: Path, assert_accessible: Callable[[Page], None], screen: dict[str, int], scheme: str
) -> None:
    page = visit(report_file, **screen, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= screen["width"]


def test_the_decision_is_seen_first(visit: Visit, report_file: Path, report: Report) -> None:
    page = visit(report_file)
    assert page.locator("#decision h2").inner_text() == report.decision.headline
    assert page.locator("#decision").bounding_box()["y"] < 400
    assert page.locator("#decision li").count() == len(report.decision.reasons)


def test_the_list_holds_every_mistake(visit: Visit, report_file: Path, report: Report) -> None:
    page = visit(report_file)
    assert _count(page) == sum(bool(case.kinds) for one in report.sets for case in one.cases)


# Filter -> which cases
FILTERS: dict[str, tuple[dict[str, str], Callable[[str, Case], bool]]] = {
    "set": ({"set": "second"}, lambda name, case: name == "second"),
    "kind": ({"kind": "antecedent"}, lambda name, case: "antecedent" in case.kinds),
    "annotated": ({"gold": "denial"}, lambda name, case: bool(case.quote) and case.quote.stance == "denial"),
    "not annotated": ({"gold": "nothing"}, lambda name, case: case.quote is None),
    "found": ({"found": "other"}, lambda name, case: bool(case.claim) and case.claim["stance"] == "other"),
    "not found": ({"found": "nothing"}, lambda name, case: case.claim is None),
    "given": ({"given": "denial"}, lambda name, case: bool(case.verdict) and case.verdict[0] == "denial"),
    "slice": ({"slice": "form:direct"}, lambda name, case: case.traits["form"] == "direct"),
    "two at once": (
        {"slice": "form:direct", "kind": "missed"},
        lambda name, case: case.traits["form"] == "direct" and "missed" in case.kinds,
    ),
    "sure": ({"least": "71"}, lambda name, case: False),
    "unsure": ({"most": "69"}, lambda name, case: False),
}


@pytest.mark.parametrize(("asked", "wanted"), FILTERS.values(), ids=FILTERS)
def test_filters_filter(
    visit: Visit, report_file: Path, report: Report, asked: dict[str, str], wanted: Callable[[str, Case], bool]
) -> None:
    page = visit(report_file)
    for name, value in asked.items():
        field = page.locator(f"#filters [name={name}]")
        if name in ("least", "most"):
            field.fill(value)
        else:
            field.select_option(value)
    expected = sum(bool(case.kinds) and wanted(one.name, case) for one in report.sets for case in one.cases)
    _expect_count(page, expected)
    page.reload()  # what is asked for stands in the address
    assert _count(page) == expected
    page.locator("#clear").click()
    assert _count(page) > expected


def test_words_are_looked_for_in_quotes_and_names(visit: Visit, report_file: Path, report: Report) -> None:
    page = visit(report_file)
    page.locator("#filters [name=words]").fill("OTTO quillfeather")
    expected = sum(
        bool(case.kinds) and bool(case.claim) and case.claim["speaker"] == "Otto Quillfeather"
        for one in report.sets
        for case in one.cases
    )
    _expect_count(page, expected)
    page.locator("#filters [name=words]").fill("there is no such word")
    _expect_count(page, 0)
    assert page.locator("#quote").inner_text() == "Nothing is like that."
    assert page.locator("#export").is_disabled()


def test_what_changed_between_the_models(visit: Visit, report_file: Path, report: Report) -> None:
    page = visit(report_file)
    for side in ("gained", "lost"):
        one = report.sets[1]
        page.locator(f".set[data-set=second] .changed a[href*='{side}']").click()
        _expect_count(page, len(one.changes[side]))
        assert page.locator("#quote h4").last.inner_text() == "As the other model found it"


def test_a_link_opens_its_quote(visit: Visit, report_file: Path, report: Report) -> None:
    case = next(case for case in report.sets[1].cases if "stance" in case.kinds and case.quote)
    page = visit(report_file, f"#quote={case.id}")
    text = case.article.text
    said = [text[start:end] for start, end in case.quote.content]
    marked = page.locator("#quote .passage").first.locator(".content").all_inner_texts()
    assert _plain("".join(marked)) == _plain("".join(said))
    assert page.evaluate("document.activeElement.id") == "quote"
    assert page.locator("#quote a", has_text="Link to this quote").get_attribute("href") == f"#quote={case.id}"
    assert page.locator("#list [aria-selected=true]").get_attribute("id") == f"row-{case.id}"


def test_numbers_lead_to_their_quotes(visit: Visit, report_file: Path, report: Report) -> None:
    from playwright.sync_api import expect

    page = visit(report_file)
    page.locator("#stance .set[data-set=first] summary").first.click()
    page.locator("#stance .set[data-set=first] figure a").first.click()
    i, j, number = next(
        (i, j, int(row[j])) for i, row in enumerate(report.sets[0].confusion) for j in range(4) if i != j and row[j]
    )
    labels = [str(label) for label in Stance]
    _expect_count(page, number)
    expect(page.locator("#filters [name=gold]")).to_have_value(labels[i])
    expect(page.locator("#filters [name=given]")).to_have_value(labels[j])
    page.locator(".slices a").first.click()
    part = report.sets[0].slices[0]
    expect(page.locator("#filters [name=slice]")).to_have_value(f"{part.group}:{part.name}")
    page.locator("#quotes .set[data-set=first] summary").click()
    page.locator("#quotes .set[data-set=first] figure a").first.click()
    expect(page.locator("#filters [name=kind]")).to_have_value(next(iter(KINDS)))


def test_orders(visit: Visit, report_file: Path, report: Report) -> None:
    page = visit(report_file, "#sort=text")
    wrong = [case for one in report.sets for case in one.cases if case.kinds]
    assert page.locator("#list .row").first.get_attribute("id") == f"row-{wrong[0].id}"
    page.locator("#filters [name=sort]").select_option("long")
    page.wait_for_function("location.hash.includes('sort=long')")
    longest = max(wrong, key=lambda case: sum(e - s for s, e in case.content))
    shown = page.locator("#list .row").first.get_attribute("id")
    assert next(len(case.content) for case in wrong if f"row-{case.id}" == shown) >= 1
    lengths = {f"row-{c.id}": sum(e - s for s, e in c.content) + 3 * (len(c.content) - 1) for c in wrong}
    assert lengths[shown] >= lengths[f"row-{longest.id}"]


def test_the_keyboard_alone_is_enough(visit: Visit, report_file: Path) -> None:
    page = visit(report_file)
    reached = set()
    for _ in range(400):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "document.activeElement.name || document.activeElement.id || document.activeElement.textContent"
            )
        )
        if page.evaluate("document.activeElement.id") == "list":
            break
    assert reached >= {
        "Decision",
        "All sets",
        "second",
        "set",
        "kind",
        "gold",
        "found",
        "slice",
        "words",
        "sort",
        "export",
    }
    first = page.locator("#list").get_attribute("aria-activedescendant")
    page.keyboard.press("ArrowDown")
    second = page.locator("#list").get_attribute("aria-activedescendant")
    assert first != second
    page.keyboard.press("End")
    last = page.locator("#list [aria-selected=true]")
    assert last.get_attribute("aria-posinset") == last.get_attribute("aria-setsize")
    page.keyboard.press("Home")
    assert page.locator("#list").get_attribute("aria-activedescendant") == first
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "quote"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the next one: there is none before the first
    assert page.locator("#list").get_attribute("aria-activedescendant") == second


def test_one_set_alone_can_be_shown(visit: Visit, report_file: Path) -> None:
    page = visit(report_file)
    assert page.locator(".set:visible").count() == 8
    page.get_by_role("button", name="second").click()
    assert page.locator(".set:visible").count() == 4
    page.emulate_media(media="print")
    assert page.locator(".set:visible").count() == 8


def test_paper_shows_all_figures_and_no_controls(visit: Visit, report_file: Path, tmp_path: Path) -> None:
    page = visit(report_file, color_scheme="dark")
    page.emulate_media(media="print")
    assert not page.locator("#filters").is_visible()
    assert page.locator("#figures table").first.is_visible()
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert page.pdf(path=tmp_path / "report.pdf").startswith(b"%PDF")


def test_tasks_carry_the_spans_and_labels_of_the_list(
    visit: Visit, report_file: Path, report: Report, tmp_path: Path
) -> None:
    page = visit(report_file, "#set=second&kind=stance")
    with page.expect_download() as download:
        page.locator("#export").click()
    download.value.save_as(tmp_path / "tasks.json")
    tasks = json.loads((tmp_path / "tasks.json").read_text(encoding="utf-8"))
    wanted = {case.id: case for case in report.sets[1].cases if "stance" in case.kinds}
    assert {name for task in tasks for name in task["data"]["quotes"]} == set(wanted)
    for task in tasks:
        text = task["data"]["text"]
        assert [one["model_version"] for one in task["predictions"]] == ["made", "annotated"]
        for prediction in task["predictions"]:
            regions = {one["id"]: one for one in prediction["result"] if one["type"] == "labels"}
            for one in prediction["result"]:
                if one["type"] == "relation":
                    assert one["from_id"] in regions
                    assert one["to_id"] in regions
                elif one["type"] == "labels":
                    assert one["value"]["labels"][0] in {"Source", "Cue", "Content"}
                    assert text[one["value"]["start"] : one["value"]["end"]] == one["value"]["text"]
            stances = {
                one["id"].split("-")[0]: one["value"]["choices"][0]
                for one in prediction["result"]
                if one["type"] == "choices" and one["from_name"] == "stance"
            }
            gold = prediction["model_version"] == "annotated"
            for name, stance in stances.items():
                case = wanted[name]
                assert stance == (str(case.quote.stance) if gold else case.claim["stance"])


def test_offsets_hold_beyond_the_basic_plane(visit: Visit, tmp_path: Path) -> None:
    text = "😀😀 “𝒜𝓁𝓁 is well,” said Ann. 😀 “Is it?” said Bo."
    said = [(text.index("“𝒜"), text.index("” said") + 1), (text.index("“Is"), len(text) - len(" said Bo."))]
    one = AnnotatedArticle(Article("a", text), tuple(quote([span], source=(Span(*span),)) for span in said))
    page = visit(_written(made_report([one, one], wrong=1.0), tmp_path), "#kind=missed&sort=text")
    assert [text[slice(*span)] for span in said] == page.locator("#list .row .said").all_inner_texts()[:2]
    with page.expect_download() as download:
        page.locator("#export").click()
    download.value.save_as(tmp_path / "tasks.json")
    tasks = json.loads((tmp_path / "tasks.json").read_text(encoding="utf-8"))
    regions = [one["value"] for one in tasks[0]["predictions"][1]["result"] if one.get("from_name") == "label"]
    assert regions
    assert all(text[region["start"] : region["end"]] == region["text"] for region in regions)


def test_twenty_thousand_quotes_can_be_browsed(visit: Visit, large_file: Path) -> None:
    page = visit(large_file)
    assert _count(page) == 20_000
    assert page.locator("#list .row").count() < 60
    page.locator("#list").focus()
    page.keyboard.press("End")
    assert page.locator("#list [aria-selected=true]").get_attribute("aria-posinset") == "20000"
    assert page.locator("#list .row").count() < 60
    page.evaluate("document.getElementById('list').scrollTop = 400000")
    page.wait_for_function("[...document.querySelectorAll('#list .row')].some((row) => row.ariaPosInSet > 4000)")
    assert page.locator("#list .row").count() < 60
    page.locator("#filters [name=kind]").select_option("missed")
    page.wait_for_function("location.hash.includes('missed')")
    assert 0 < _count(page) < 20_000


def test_nothing_that_an_article_says_runs(visit: Visit, tmp_path: Path) -> None:
    text = f"Rain fell. “{EVIL}” said {EVIL}. " + "w" * 100_000 + " end."
    content = [(11, 12 + len(EVIL) + 1)]
    evil = quote(
        content, source=(Span(len(EVIL) + 19, len(EVIL) + 30),), stance=Stance.DENIAL, speaker=EVIL, target=EVIL
    )
    long = quote([(text.index("www"), len(text) - 5)], stance=Stance.OTHER, speaker=None)
    articles = [
        AnnotatedArticle(Article(f"{EVIL}{i}", text, {"publisher": EVIL, "title": EVIL, "topic": EVIL}), (evil, long))
        for i in range(4)
    ]
    made = replace(made_report(articles, wrong=0.9), model=EVIL, other=EVIL, provenance={EVIL: {EVIL: EVIL}})
    page = visit(_written(made, tmp_path), **NARROW)
    for row in range(min(4, page.locator("#list .row").count())):
        page.locator("#list .row").nth(row).click()
        page.get_by_role("button", name="Whole article").click()
    assert page.evaluate("window.hacked") is None
    assert page.locator("img, #list script, main a[href^=javascript]").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    body = page.locator("body").inner_text()
    assert "</script><script>window.hacked = 1</script>" in body
    assert "[U+202E]esrever[U+2066]" in body
    texts = (
        "[...document.querySelectorAll('main *')].flatMap((one) => [...one.childNodes]).map((one) => one.data ?? '')"
    )
    turned = [words for words in page.evaluate(texts) if "\u202e" in words]
    assert turned == []
    assert "49" not in page.locator("h1").inner_text()


def _written(report: Report, folder: Path) -> Path:
    path = folder / "report.html"
    path.write_text(make_page(report), encoding="utf-8", newline="\n")
    return path


def _count(page: Page) -> int:
    return int(page.locator("#count").inner_text().split()[0].replace(",", ""))


def _expect_count(page: Page, expected: int) -> None:
    page.wait_for_function(
        "(n) => parseInt(document.getElementById('count').textContent.replaceAll(',', '')) === n", arg=expected
    )


def _plain(words: str) -> str:
    return re.sub(r"\s+", "", words)
