"""What the article says that its people are: "Tory leader Ann Lee", "Ann Lee, the Tory leader,".

A later "the leader" means whom the article has called one; that is surer than any guess from nearness.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from enum import Enum

from stance.names import POSSESSIVE_END, QUALIFIERS, TITLES
from stance.types import Span

# Roles of one person; the titles of `stance.names` beside them.
_ROLES = (TITLES - {"mr", "mrs", "ms", "miss", "mx", "dr", "sir", "lord", "lady", "dame"}) | frozenset(
    "accountant adviser advisor agent aide anchor archivist assistant astronomer attorney-general auditor aunt baker "
    "banker barrister biologist boss broadcaster broker builder butcher campaigner caretaker champion chef chemist "
    "clerk client colleague columnist composer comptroller conductor contractor convenor coroner correspondent "
    "counsel cousin curator daughter defendant defender dentist deputy designer developer diplomat doctor driver "
    "ecologist economist editor electrician engineer envoy epidemiologist ex-husband ex-wife executive farmer father "
    "fisherman founder geologist goalkeeper governor-general guard head headmaster headmistress headteacher historian "
    "host hotelier husband hydrologist inventor investigator journalist justice lawmaker legislator librarian "
    "magistrate mate midfielder miner moderator mother musician negotiator neighbor neighbour nephew niece novelist "
    "nurse officer official opponent organiser organist organizer owner painter paramedic partner pathologist "
    "physician pilot player poet politician pollster postman presenter president-elect priest principal producer "
    "prosecutor publisher quarterback ranger ref referee reporter researcher rival sailor scientist sculptor "
    "secretary-general shepherd shopkeeper singer skipper solicitor son statistician strategist student surgeon "
    "teacher technician trader trainer treasurer umpire uncle vet veteran veterinarian violinist waiter warden "
    "whistleblower widow wife winger witness writer".split()
)
_WOMEN = frozenset(
    "actress aunt businesswoman chairwoman congresswoman councilwoman daughter duchess ex-wife girlfriend grandmother "
    "headmistress mother niece policewoman princess queen sister spokeswoman widow wife woman".split()
)
_MEN = frozenset(
    "businessman congressman councilman duke ex-husband father gentleman grandfather headmaster husband king "
    "man nephew policeman prince son uncle widower".split()
)
# Bodies that are no country and no city, whatever the article calls them.
_BODIES = frozenset(
    "academy agency airline alliance army association automaker bank blog board brewer brokerage bureau business "
    "carmaker chain chamber charity church club coalition college commission committee company conglomerate "
    "consortium consultancy corporation council court department embassy exchange federation firm forum "
    "foundation franchise fund giant group hospital institute insurer laboratory lender library magazine maker "
    "manufacturer militia ministry movement museum navy network newspaper ngo nonprofit organisation organization "
    "outlet panel paper party platform publication regulator retailer school service site startup start-up studio "
    "supermarket supplier think-tank tribunal trust union university utility watchdog website".split()
)
_STOP = frozenset(
    "a an the his her its their our my and or but said says told of for in at on by to from with as who when while "
    "that then also added asked is was are were has had".split()
)
_LESSER = frozenset("vice deputy assistant shadow".split())  # "the president" is not the vice president
_PARTIES = frozenset("conservative democratic green labour liberal libertarian republican ukip".split())
_WORD = re.compile(r"[\w’'-]+")
_OWNER = re.compile(r"([\w-]*\w)['’]s?\s+")
_SAME = {
    "gop": "republican",
    "democrats": "democratic",
    "democrat": "democratic",
    "republicans": "republican",
    "tory": "conservative",
    "tories": "conservative",
    "pm": "prime minister",
    "ref": "referee",
    "gov": "governor",
    "sen": "senator",
    "rep": "representative",
    "prof": "professor",
    "gen": "general",
    "col": "colonel",
    "lt": "lieutenant",
    "capt": "captain",
    "maj": "major",
    "sgt": "sergeant",
    "det": "detective",
    "insp": "inspector",
    "supt": "superintendent",
    "cllr": "councillor",
    "councilor": "councillor",
    "rev": "reverend",
    "adm": "admiral",
    "atty": "attorney",
    "vice-president": "vice president",
    "vice-chairman": "vice chairman",
    "vice-chancellor": "vice chancellor",
}
_TAIL = re.compile(r"\b(?:of|for|from|at|in|on|to|with|who|which|that)\b.*", re.DOTALL | re.IGNORECASE)
# Within one sentence; but "Sen." ends none.
_SHORT = "Sen|Rep|Gov|Gen|Prof|Dr|Lt|Col|Sgt|Capt|Rev|Del|Supt|Insp|Det|Cllr|Adm|Atty|Hon|Maj|Brig|Cmdr"
_BEFORE = re.compile(rf"(?:(?:(?:{_SHORT})\.|[\w’'&-]+) ){{1,6}}$")
_ENDS_SHORT = re.compile(rf"\b(?:{_SHORT})$")
# A title that belongs to a name behind it: "ARDEN — Sen|. Ann Lee"
_TITLED = re.compile(r"\.\s+[A-Z]")
_AFTER = re.compile(
    r"(?:\s*\([^)\n]{1,20}\))?(?:,|\s+[-–—])\s+(?!(?:and|but|or|said|says|told|added|asked|as|when|while|who|then|also)\b)"
    r"([^,.;:()\n“”\"]{3,80})(?=[,.;:)\n]|\s+[-–—]\s)"
)


# "the district commissioner, | Ann Lee|," but not "according to the commissioner, Ann Lee ..."
_CALLED = re.compile(r"\b(?:the|an?|his|her|its|their)\s+([^,.;:()\n“”\"]{3,60}),\s+$", re.IGNORECASE)
_INTRODUCED = re.compile(r"\b(?:according to|unlike|like)\s+$", re.IGNORECASE)
APPOSED = re.compile(r"[,.](?:\s|$)|\s+(?:of|said|says|told|adds|added|asked|wrote|answered|noted)\b")


def introduced(text: str, at: int) -> bool:
    """Whether a phrase that begins at a code point is another's: "according to | the mayor, Ann Lee, ..."."""
    return _INTRODUCED.search(text, max(0, at - 20), at) is not None


def roles(text: str, named: Iterable[tuple[Span, str]]) -> dict[str, frozenset[str]]:
    """Collect the words for what each person is, from titles before the name and appositions after it.

    Args:
        text: The article.
        named: Spans of mentions of people, with their full names.

    Returns:
        For each name with a role the role's words, in lower case.
    """
    found: dict[str, set[str]] = defaultdict(set)
    named = list(named)
    ends = {span.end for span, _ in named}
    for span, name in named:
        before = _BEFORE.search(text, max(0, span.start - 80), span.start)
        if before is not None:
            words: list[str] = []
            for word in reversed(_words(_unowned(before[0]))):
                if word in _STOP or (not words and word not in _ROLES):
                    break
                words.append(word)
            found[name].update(words)
        called = _CALLED.search(text, max(0, span.start - 80), span.start)
        if called is not None and APPOSED.match(text, span.end) and not introduced(text, called.start()):
            of_another = called.start() - len(", ") in ends  # "Ann Lee, the mayor, | Tom Ray, the sheriff"
            found[name].update([] if of_another else role_words(_unowned(called[1])))
        after = _AFTER.match(text, span.end, span.end + 120)
        titled = after is not None and _ENDS_SHORT.search(after[1]) and _TITLED.match(text, after.end(1))
        if after is not None and not titled:
            found[name].update(role_words(_unowned(after[1])))
    return {name: frozenset(words) for name, words in found.items() if words}


def role_words(phrase: str) -> list[str]:
    """Give the words of a noun phrase that names a role, its head last; none where it names no role."""
    words = [word for word in _words(_TAIL.sub("", phrase)) if word not in _STOP]
    return words if words and words[-1] in _ROLES else []


def meant(phrase: str, known: Mapping[str, frozenset[str]]) -> list[str] | None:
    """Find whom a role word means: the names whose roles share its head, of them those that share most words.

    Returns:
        Names, none where nobody has been called that; None where the phrase names no role, or one that somebody has
        and a place that nobody is said to be from ("the Arden senator").
    """
    words = role_words(phrase)
    if not words or _OWNER.search(phrase):  # "the minister's spokesman" is not any spokesman
        return None
    shared = {
        name: len(role & set(words))
        for name, role in known.items()
        if words[-1] in role and _agree(role, frozenset(words))
    }
    if not shared and _placed(phrase) and any(words[-1] in role for role in known.values()):
        return None
    most = max(shared.values(), default=0)
    return [name for name, count in shared.items() if count == most]


class Kind(Enum):
    """What a noun phrase is about; the value of a person is what `stance.names.gender` says of a first name."""

    BODY = ""
    WOMAN = "f"
    MAN = "m"


def _unowned(phrase: str) -> str:
    """Leave out whose role it is, where that is a role too: "the president's | lawyer" is no president."""
    owners = [match for match in _OWNER.finditer(phrase) if {*_words(match[1])} & _ROLES]
    return phrase[owners[-1].end() :] if owners else phrase


def head(phrase: str) -> str:
    """Give the head of a noun phrase in lower case: "spokeswoman" of "the company's spokeswoman for the north"."""
    words = _words(_TAIL.sub("", phrase))
    return words[-1] if words else ""


def kind_of(phrase: str) -> Kind | None:
    """Tell a body, a woman or a man by the head of a noun phrase, or None where that may be either."""
    last = "" if _OWNER.search(phrase) else head(phrase)
    return Kind.BODY if last in _BODIES else Kind.WOMAN if last in _WOMEN else Kind.MAN if last in _MEN else None


def another(phrase: str, role: frozenset[str]) -> bool:
    """Whether a role word means somebody else than who has this role: the shadow chancellor is not the chancellor."""
    words = role_words(phrase) if role else []
    return bool(words) and words[-1] in role and not _placed(phrase) and not _agree(role, frozenset(words))


def _placed(phrase: str) -> bool:
    """Whether a role word has a name before it: "the Arden senator", but not "the Democratic senator"."""
    names = re.findall(r"(?<=\s)[A-Z][\w.’'-]*(?=\s)", phrase)
    return any(word not in _ROLES | _PARTIES | QUALIFIERS | _LESSER for name in names for word in _words(name))


def _agree(role: frozenset[str], words: frozenset[str]) -> bool:
    """Whether two roles of one head may be one: "the health minister" is not the finance minister."""
    parties = [_PARTIES & some for some in (role, words)]
    if all(parties) and not parties[0] & parties[1]:
        return False
    return not _LESSER & (role ^ words) and (len(role & words) > 1 or len(words) == 1 or len(role) == 1)


def _words(phrase: str) -> list[str]:
    found = (POSSESSIVE_END.sub("", word) for word in _WORD.findall(phrase.lower()))
    return [word for one in found for word in _SAME.get(one, one).split()]
