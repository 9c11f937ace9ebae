import pytest
from hypothesis import given
from hypothesis import strategies as st

from stance.names import mentions, name_words, tidy_name

MENTIONS = {
    "titles dropped": ("Mr John Weller met Dr. Ann Lee and Prof Bo Ek.", ["John Weller", "Ann Lee", "Bo Ek"]),
    "title between a body and a person": (
        "Homeland Security Secretary Jane Roe spoke.",
        ["Homeland Security", "Jane Roe"],
    ),
    "title at the start": ("President Karl Obel met Senator Ana Ruiz.", ["Karl Obel", "Ana Ruiz"]),
    "a ministry is no title": ("They asked the Foreign Ministry again.", ["Foreign Ministry"]),
    "a title alone names nobody": ("The Spokesman left. Minister.", []),
    "possessives": (
        "Anna Reyl's lawyer spoke to Roe’s brother and the Weavers' clerk.",
        ["Anna Reyl", "Roe", "Weavers"],
    ),
    "two names with a possessive between": ("He met Britain's Ann Lee.", ["Britain", "Ann Lee"]),
    "initials": ("J. K. Marlow saw George W. Pell.", ["J. K. Marlow", "George W. Pell"]),
    "hyphens and accents": (
        "Jean-Luc Pérez-Ñandú met Åsa Öberg and Łukasz Żak.",
        ["Jean-Luc Pérez-Ñandú", "Åsa Öberg", "Łukasz Żak"],
    ),
    "apostrophes in names": ("They asked O'Brien, O’Neil and McKay.", ["O'Brien", "O’Neil", "McKay"]),
    "particles": (
        "They read of Ludwig van Tessel and the Bank of Arden.",
        ["Ludwig van Tessel", "Bank of Arden"],
    ),
    "acronyms": ("According to NATO, the BBC was late.", ["NATO", "BBC"]),
    "sentence start, function word": ("But Tom stayed. According to Anna, he slept.", ["Tom", "Anna"]),
    "sentence start, lower case elsewhere": ("Water rises. They drank water with Bo.", ["Bo"]),
    "sentence start, after a quotation mark": ("“She lied,” Boone said.", ["Boone"]),
    "days and months": ("On Monday Peter came. In May Ida Falk on Tuesday left.", ["Peter", "Ida Falk"]),
    "a line break ends a name": ("Ms Lee\nBob Ray", ["Lee", "Bob Ray"]),
    "a comma ends a name": ("Ann Lee, Bob Ray", ["Ann Lee", "Bob Ray"]),
    "no-break space": ("They met Ann\u00a0Lee.", ["Ann Lee"]),
    "nothing": ("", []),
    "qualifier and title at the start": ("Foreign Minister Karl Obel met Ana Ruiz.", ["Karl Obel", "Ana Ruiz"]),
    "qualifier and title amid a sentence": ("They met Foreign Minister Karl Obel.", ["Karl Obel"]),
    "a link word after a possessive": ("They slept at Lee’s of Arden.", ["Lee", "Arden"]),
    "initials without a space": ("They met J.K. Marlow.", ["J.K. Marlow"]),
    "a plural possessive inside a name": ("The Farmers' Union and a Farmers' market.", ["Farmers' Union", "Farmers"]),
    "a month as a surname": ("They met Anna May and Mr April in June.", ["Anna May"]),
    "party and state": ("They met Tom Ray (R-Ohio) and Ann Lee, D-N.Y., twice.", ["Tom Ray", "Ann Lee"]),
    "an office with of": (
        "They met Secretary of State Tom Ray and Director of Public Works Ann Lee.",
        ["Tom Ray", "Ann Lee"],
    ),
    "a body at the start of a sentence": (
        "Human Rights Monitor left. All human rights matter. Critics Ann Lee and Tom Ray left; the critics stay.",
        ["Human Rights Monitor", "Ann Lee", "Tom Ray"],
    ),
    "a first name that is a word, too": ("Bill Lowe calls it a bill that nobody pays.", ["Bill Lowe"]),
    "a title of two words after a place": (
        "They met New Arden Attorney General Eric Stone.",
        ["New Arden", "Eric Stone"],
    ),
    "question words and verbs": ("Whether Lowe stays is open. They read: Did Lowe go?", ["Lowe", "Lowe"]),
    "acronyms that look like pronouns": (
        "They asked US officials, the US Army and the WHO, and told us who.",
        ["US", "US Army", "WHO"],
    ),
    "a role at the start of a sentence": (
        "Broadcaster Ann Lowe met Critic Tom Ray. Mary Ann Lowe left. They met Gov. Alder Ann Roe.",
        ["Ann Lowe", "Critic Tom Ray", "Mary Ann Lowe", "Alder Ann Roe"],
    ),
    "a party before a name": ("Republican Ann Lowe met the Republican Party.", ["Ann Lowe", "Republican Party"]),
    "a sentence in capitals": ("THEY LIED TO US. The EAST ARDEN UNION met.", ["EAST ARDEN UNION"]),
    "titles of many countries": (
        "They met Alhaji Musa Tait, Brother Ned Ray, Brigadier Ann Lowe and Datuk Omar Lim; Hon. Bo Roe left.",
        ["Musa Tait", "Ned Ray", "Ann Lowe", "Omar Lim", "Bo Roe"],
    ),
    "days of the calendar": ("They met Doris Day on Labor Day and on Christmas Eve.", ["Doris Day"]),
    "a day after a possessive": ("They met on New Year's Eve.", ["New Year"]),
    "a title with its full stop, a surname without": (
        "Barr. Ann Lowe met William Barr. Gen. Tom Ray met Adm. Bo Roe and Hon Hai.",
        ["Ann Lowe", "William Barr", "Tom Ray", "Bo Roe", "Hon Hai"],
    ),
    "a title in the name of a body": (
        "They asked the Premier League, Big Brother Watch, King County and Ned King III.",
        ["Premier League", "Big Brother Watch", "King County", "Ned King III"],
    ),
    "contractions": (
        "“I’m late,” Ann Lowe said. “I’ve tried. We’re done. Don’t go, O’Brien.”",
        ["Ann Lowe", "O’Brien"],
    ),
    "a conjunction after an opening mark": ("She said, “But Tom Ray was late.”", ["Tom Ray"]),
    "more particles": (
        "They met Ursula von der Alm, Omar al-Haddad, Nair dos Anjos, Piet ten Brink and Al-Haddad.",
        ["Ursula von der Alm", "Omar al-Haddad", "Nair dos Anjos", "Piet ten Brink", "Al-Haddad"],
    ),
    "names that are days and months, too": (
        "They met Stockwell Day and Day. June Brown read the Arden Sun on Sun 12 May in June.",
        ["Stockwell Day", "Day", "June Brown", "Arden Sun"],
    ),
    "a sentence of names is no headline": (
        "On Friday, Foreign Minister Ann Lowe met her Eastmark counterpart Tom Ray in Arden.\nLater Lowe left.",
        ["Ann Lowe", "Eastmark", "Tom Ray", "Arden", "Lowe"],
    ),
    "an office is no office-holder": (
        "The Prime Minister's Office called the Attorney General’s Office.",
        ["Prime Minister's Office", "Attorney General’s Office"],
    ),
    "titles alone name nobody": ("They met the Planning Minister and the Vice President.", []),
}


@pytest.mark.parametrize(("text", "expected"), MENTIONS.values(), ids=MENTIONS)
def test_mentions(text: str, expected: list[str]) -> None:
    assert [mention.name for mention in mentions(text)] == expected


@given(st.lists(st.sampled_from("Mr President Ann Lee’s O'Brien the of said, “ ” . May J. \n É-Ü Foreign".split(" "))))
def test_mentions_say_the_words_at_their_spans(words: list[str]) -> None:
    text = " ".join(words)
    end = 0
    for mention in mentions(text):
        assert mention.span.start >= end
        end = mention.span.end
        assert mention.name == " ".join(text[slice(*mention.span)].split())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("Mr John Weller", "John Weller"),
        ("  Dr.  Ann\nLee ", "Ann Lee"),
        ("the Foreign Minister Karl Obel", "Karl Obel"),
        ("former Prime Minister Ida Falk", "Ida Falk"),
        ("the Foreign Ministry", "Foreign Ministry"),
        ("“Ann Lee,”", "Ann Lee"),
        ("Ann Lee’s", "Ann Lee"),
        ("Ann Lee's", "Ann Lee"),
        ("the weavers'", "weavers"),
        ("a spokesman", "spokesman"),
        ("spokesman for the council", "spokesman for the council"),
        ("the president", "president"),
        ("President", "President"),
        ("The", "The"),
        ("Ann Lee", "Ann Lee"),
    ],
)
def test_tidy_name(words: str, expected: str) -> None:
    assert tidy_name(words) == expected


@pytest.mark.parametrize(
    ("words", "expected"), [("Secretary General Ann Lee", "Ann Lee"), ("Chief Justice Bo Ek", "Bo Ek")]
)
def test_tidy_name_drops_a_title_of_two_words(words: str, expected: str) -> None:
    assert tidy_name(words) == expected


@given(st.text(max_size=30))
def test_tidy_name_never_loses_a_name_altogether(words: str) -> None:
    tidied = tidy_name(words)
    assert bool(tidied) == bool(words)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Mr John Weller", ("john", "weller")),
        ("Foreign Minister Karl Obel", ("karl", "obel")),
        ("Karl Obel’s", ("karl", "obel")),
        ("The Bank of Arden", ("bank", "of", "arden")),
        ("Jean-Luc Pérez", ("jean", "luc", "pérez")),
        ("the president", ("the", "president")),  # nothing but title and article: then they are the name
        ("", ()),
    ],
)
def test_name_words(name: str, expected: tuple[str, ...]) -> None:
    assert name_words(name) == expected
