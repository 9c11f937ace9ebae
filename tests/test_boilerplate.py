import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stance.boilerplate import boilerplate

PROSE = (
    "The weir at Tolland Mill gave way shortly before dawn, flooding forty houses along the lower road.",
    "“We were told in March that it would hold,” said Ines Harrow, who runs the bakery by the bridge.",
    "The council denied that it had known.",
    "Nobody was hurt, and nobody was rescued.",
    "“Not one page of that report is true,” she said.",
    "Harrow said she would share the letter with anyone who wanted to see it.",
    "Subscribers to the old canal fund, who met on Friday in the chapel, voted to give the money to the flooded.",
)
BOILER = (
    "Subscribe now for full access",
    "€4.99 a month",
    "12 months",
    "Cancel anytime",
    "Already a subscriber? Log in",
    "Also read: Five mills to visit this spring",
    "Related: How the weir was built",
    "Share this article",
    "Facebook | Twitter | WhatsApp",
    "We use cookies to make this site work.",
    "© 2021 The Tolland Lantern. All rights reserved.",
    "Advertisement",
    "Photo: Ida Falk",
    "Last updated: 4 May 2021, 10:31",
    "Sign up to our newsletter and get it in your inbox",
    "Disclaimer: the views in letters are those of their authors.",
    "You've reached your limit of free articles",
    "Most read",
    "3 comments: view all comments",
    "Skip to content",
    "Download our free app",
    "Follow us on Chirper",
    "Terms of use",
    "Read more",
)


def lines_left(text: str) -> list[str]:
    """Give the lines of a text that are no boilerplate."""
    kept, at = "", 0
    for start, end in boilerplate(text):
        kept += text[at:start]
        at = end
    return [line.strip() for line in (kept + text[at:]).splitlines() if line.strip()]


@pytest.mark.parametrize("line", [line for line in BOILER if not line.startswith("3 comments")])
def test_a_line_of_the_page_is_taken(line: str) -> None:
    text = f"{PROSE[0]}\n\n{line}\n\n{PROSE[1]}"
    assert lines_left(text) == [PROSE[0], PROSE[1]]


@pytest.mark.parametrize("line", PROSE)
def test_prose_stays_amid_boilerplate(line: str) -> None:
    text = f"Share this article\n{line}\nSubscribe now\n{line}\nAll rights reserved"
    assert lines_left(text) == [line, line]


@given(st.lists(st.sampled_from(PROSE + BOILER), max_size=12), st.sampled_from(["\n", "\n\n", "\r\n", "\r\n\r\n"]))
def test_prose_is_never_taken(lines: list[str], gap: str) -> None:
    text = gap.join(lines)
    assert [line for line in lines_left(text) if line in PROSE] == [line for line in lines if line in PROSE]


@given(st.lists(st.sampled_from(PROSE + BOILER), max_size=12), st.sampled_from(["\n", "\r\n\r\n"]))
def test_spans_are_whole_lines_in_order_and_joined(lines: list[str], gap: str) -> None:
    text = gap.join(lines)
    spans = boilerplate(text)
    for start, end in spans:
        assert start == 0 or text[start - 1] in "\r\n"
        assert end == len(text) or text[end] in "\r\n"
    for before, after in itertools.pairwise(spans):
        assert text[before.end : after.start].strip(), "two spans that follow each other are one"


def test_a_page() -> None:
    page = "\n".join(
        [
            "Skip to content",
            "Home",
            "Weather",
            "Subscribe",
            PROSE[0],
            "Advertisement",
            PROSE[1],
            "A village under water",  # a subheading, not between sure lines
            PROSE[2],
            "Related: How the weir was built",
            "A day in the life of a lock keeper",  # a label after the last prose
            "Privacy policy",
        ]
    )
    assert lines_left(page) == [PROSE[0], PROSE[1], "A village under water", PROSE[2]]


def test_a_label_after_the_last_sure_line_is_taken() -> None:
    assert lines_left(f"{PROSE[0]}\nMost read\nFive mills\nTen weirs") == [PROSE[0]]


def test_a_whole_article_in_one_line_survives() -> None:
    article = " ".join(PROSE)
    assert boilerplate(article) == []
    assert boilerplate(f"Read more about the flood below. {article}") == []
    assert boilerplate(f"Disclaimer row: {article}") == []


def test_nothing_in_an_empty_text() -> None:
    assert boilerplate("") == boilerplate("\r\n \n") == []


@pytest.mark.parametrize(
    "line",
    [
        "“More on that later,” said Ines Harrow.",
        "“Sign in here,” she said.",
        "“Join our march,” Harrow told the crowd.",
        "“Read more?” she asked. “I have read every page of that report.”",
    ],
)
def test_a_quotation_that_begins_like_a_link_stays(line: str) -> None:
    assert boilerplate(f"{PROSE[0]}\n{line}\n{PROSE[2]}") == []


@pytest.mark.parametrize(
    "line",
    [
        "Terms of the deal were not disclosed.",
        "Published on Monday, the report found forty failures.",
        "Advertising on buses will end in June.",
        "Posted at the gate, two men turned the cars away.",
        "Support for the mayor is higher than ever today.",
    ],
)
def test_a_sentence_that_begins_like_a_label_stays(line: str) -> None:
    assert boilerplate(f"{PROSE[0]}\n{line}\n{PROSE[2]}") == []
