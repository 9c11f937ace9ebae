"""Role words: what the article says that its people are, and whom a role word means."""

import pytest

from stance.names import mentions
from stance.roles import Kind, another, kind_of, meant, role_words, roles

TEXT = (
    "Harbour union leader Petra Lindqvist met Omar Haddad, the finance minister, on Monday. Deputy Mayor Ines Roca "
    "stayed away. Mayor Tom Ashe (Ind.), a former judge of the county court, came late with his driver.\n\n"
    "Cardinal Luca Brandt sent a letter. The referee, Ida Voss, left at noon."
)


def _known(text: str) -> dict[str, frozenset[str]]:
    return roles(text, [(mention.span, mention.name) for mention in mentions(text)])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Petra Lindqvist", {"harbour", "union", "leader"}),
        ("Omar Haddad", {"finance", "minister"}),
        ("Ines Roca", {"deputy", "mayor"}),
        ("Tom Ashe", {"mayor", "former", "judge"}),
        ("Luca Brandt", {"cardinal"}),
        ("Ida Voss", {"referee"}),
    ],
)
def test_roles_stand_before_a_name_and_after_it(name: str, expected: set[str]) -> None:
    assert _known(TEXT)[name] == expected


@pytest.mark.parametrize(
    ("phrase", "names"),
    [
        ("the union leader", ["Petra Lindqvist"]),
        ("the finance minister", ["Omar Haddad"]),
        ("the mayor", ["Tom Ashe"]),
        ("the deputy mayor", ["Ines Roca"]),
        ("the cardinal", ["Luca Brandt"]),
        ("the judge of the county court", ["Tom Ashe"]),
        ("the referee", ["Ida Voss"]),
        ("the governor", []),
        ("the Arden mayor", None),
        ("the Arden governor", []),
        ("the ministry", None),
        ("the mayor's driver", None),
        ("the crowd", None),
    ],
)
def test_a_role_word_means_who_was_called_so(phrase: str, names: list[str] | None) -> None:
    assert meant(phrase, _known(TEXT)) == names


@pytest.mark.parametrize(
    ("text", "phrase", "names"),
    [
        ("“No,” said the mayor, Tom Ray.", "the mayor", ["Tom Ray"]),
        ("The mayor, Tom Ray said, is late.", "the mayor", ["Tom Ray"]),
        ("The mayor in question, Tom Ray of Arden, left.", "the mayor", ["Tom Ray"]),
        ("According to the mayor, Tom Ray, his rival, left.", "the mayor", []),
        ("For the mayor, Tom Ray was a rival.", "the mayor", []),
        ("Ann Lee, the mayor, Tom Ray, the sheriff, and others left.", "the mayor", ["Ann Lee"]),
        ("Tom Ray, the president's lawyer, left.", "the president", []),
        ("Tom Ray, the president's lawyer, left.", "the lawyer", ["Tom Ray"]),
        ("The minister’s spokesman, Tom Ray, left.", "the minister", []),
        ("Ann Lee, the leader, sang. Ms Lee left.", "the Tory leader", ["Ann Lee"]),
        ("Supt. Tom Ray left.", "the superintendent", ["Tom Ray"]),
        ("ARDEN — Sen. Tom Ray left.", "the senator", ["Tom Ray"]),
    ],
)
def test_who_is_called_so_and_who_is_only_near(text: str, phrase: str, names: list[str]) -> None:
    assert meant(phrase, _known(text)) == names


@pytest.mark.parametrize("phrase", ["the shadow chancellor", "the Shadow Chancellor"])
def test_capitals_make_no_place_of_a_role(phrase: str) -> None:
    assert another(phrase, frozenset({"chancellor"}))


@pytest.mark.parametrize(
    ("title", "phrase"),
    [("Gov.", "the governor"), ("Sen.", "the senator"), ("Capt.", "the captain"), ("Prof.", "the professor")],
)
def test_a_title_cut_short_is_the_role(title: str, phrase: str) -> None:
    known = _known(f"They met {title} Petra Lindqvist and Omar Haddad, a vice-president of the bank.")
    assert meant(phrase, known) == ["Petra Lindqvist"]
    assert meant("the vice president", known) == ["Omar Haddad"]


def test_of_two_of_one_role_both_may_be_meant() -> None:
    text = "Senator Petra Lindqvist met Senator Omar Haddad."
    assert meant("the senator", _known(text)) == ["Petra Lindqvist", "Omar Haddad"]


@pytest.mark.parametrize(
    ("phrase", "name", "other"),
    [
        ("the finance minister", "Omar Haddad", False),
        ("the health minister", "Omar Haddad", True),
        ("the mayor", "Ines Roca", True),
        ("the referee", "Omar Haddad", False),  # nothing is known of that
    ],
)
def test_a_role_that_differs_means_another(phrase: str, name: str, other: bool) -> None:
    assert another(phrase, _known(TEXT)[name]) is other


def test_parties_tell_nominees_apart() -> None:
    known = _known("Republican nominee Petra Lindqvist met the Democratic nominee.")
    assert meant("the Democratic nominee", known) == []
    assert meant("the nominee", known) == ["Petra Lindqvist"]


@pytest.mark.parametrize("phrase", ["the Tory leader", "the Conservative leader"])
def test_more_shared_words_decide(phrase: str) -> None:
    text = "Tory leader Petra Lindqvist met Labour leader Omar Haddad."
    assert meant(phrase, _known(text)) == ["Petra Lindqvist"]


def test_a_verb_before_a_name_is_no_role() -> None:
    assert _known("On Friday came Petra Lindqvist, who said nothing.") == {}


@pytest.mark.parametrize(
    ("phrase", "kind"),
    [
        ("the spokeswoman", Kind.WOMAN),
        ("a widow from the north", Kind.WOMAN),
        ("the congressman", Kind.MAN),
        ("The safety board", Kind.BODY),
        ("the company", Kind.BODY),
        ("the minister", None),
        ("the government", None),
        ("the chairman", None),
        ("the minister's wife", None),
        ("", None),
        ("the lender", Kind.BODY),
        ("the tech giant", Kind.BODY),
    ],
)
def test_a_noun_phrase_tells_a_body_a_woman_or_a_man(phrase: str, kind: Kind | None) -> None:
    assert kind_of(phrase) is kind


@pytest.mark.parametrize(
    ("phrase", "words"),
    [
        ("the former chief financial officer of the bank", ["former", "chief", "financial", "officer"]),
        ("a club from the north", []),
        ("", []),
    ],
)
def test_role_words_end_with_their_head(phrase: str, words: list[str]) -> None:
    assert role_words(phrase) == words
