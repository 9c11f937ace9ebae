"""Names in a text: mentions of people and bodies, found by their capitals, and how names compare."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stance.types import Span

# Words that stand before a name without belonging to it; the annotation guidelines drop them.
TITLES = frozenset(
    "senators attorney mr mrs ms miss mx dr sir dame lord lady baron baroness president minister secretary "
    "senator sen rep reps sens representative governor gov spokesman spokeswoman spokesperson professor prof "
    "chancellor mp cllr councillor pc sgt sergeant det detective inspector insp superintendent supt captain capt "
    "colonel col lieutenant lt corporal cpl admiral judge congressman congresswoman chairman chairwoman chief "
    "king queen prince princess pope cardinal rev reverend bishop archbishop imam rabbi sheriff mayor ambassador "
    "coach manager premier commissioner director candidate nominee activist lawyer analyst author actor actress "
    "striker leader ceo mep congressional".split()
)
# Titles only beside another title: "Foreign Minister", but "Foreign Ministry".
_QUALIFIERS = frozenset(
    "acting assistant chief city conservative culture defence defense dem democrat democratic deputy district "
    "education ex father finance first foreign former gen general health high home interior junior justice labour "
    "lib maj major officer planning police press prime republican senior shadow state then tory transport vice".split()
)
_ARTICLES = frozenset(["the", "a", "an"])
# Capitalised only because a sentence begins.
_STARTERS = frozenset(
    "the a an this that these those there here it he she they we you i his her their our my your its but and or "
    "so if when while as at in on for from with by to of after before since until although though because however "
    "yet still also even only just now then today yesterday tomorrow last next one two three four five six seven "
    "eight nine ten some many most few several all both each every no not nor neither either another other others "
    "what who whom whose why how where which once again more less than such according asked speaking meanwhile "
    "earlier later instead despite during over under between among about against without within through across "
    "behind beyond near off out up down into onto upon let do does did is are was were be been being has have had "
    "will would can could should may might must shall please yes oh well perhaps maybe indeed thus hence "
    "therefore moreover further furthermore additionally nevertheless nonetheless critics officials police "
    "experts analysts sources supporters opponents lawyers prosecutors people residents reporters voters "
    "witnesses researchers scientists campaigners asked image photo read also subscribe sign share follow click".split()
)
_DAYS = frozenset(
    "monday tuesday wednesday thursday friday saturday sunday mon tue wed thu fri sat sun january february march "
    "april may june july august september october november december jan feb mar apr jun jul aug sept oct nov "
    "dec".split()
)
PRONOUNS = frozenset(
    "he she they we i you it him her them us me who whom his hers their theirs himself herself themselves this "
    "that these those one ones both others another some many most all its which whose whoever everyone everybody "
    "someone somebody anyone nobody none her".split()
)
# First names that tell a woman from a man; enough to keep "he" from Michelle and "Mr" from Hillary.
FEMALE = frozenset(
    "alice alison amanda amy andrea angela ann anna anne barbara betty camille carla carly carol caroline "
    "catherine cheryl christine claire clara condoleezza debbie deborah diana donna dorothy elena elizabeth ella "
    "ellen emily emma fatima fiona grace hannah harriet heather helen hillary ines irene ivanka jane janet jean "
    "jennifer jessica joan joanna joanne judith judy julia julie karen kate katherine kathleen kellyanne kim "
    "laura linda lisa loretta louise lucy madeleine maggie margaret maria marie marilyn marion martha mary maya "
    "megan melania melissa michelle monica nancy naomi natalie nicola nora olivia pamela patricia patty paula "
    "priya rachel rebecca rosa rose ruth samantha sandra sara sarah sharon sheila shirley sonia sophie stephanie "
    "susan sylvia teresa theresa tina valerie vanessa vera victoria virginia wendy yvonne zoe".split()
)
MALE = frozenset(
    "aaron abdul adam adrian ahmed alan albert alex alexander alistair andrew andy anthony antonio arthur barack "
    "barry ben benjamin bernard bernie bill bob boris brad brian bruce carl carlos charles chris christopher "
    "chuck clive colin daniel dave david dean dennis derek don donald doug douglas ed eddie edward eric ernest "
    "ethan evan francis frank fred gareth gary geoff george gerald gerhard glenn gordon graham greg gregory guy "
    "harold harry henry howard hugh ian ibrahim ivan jack jacob jacques james jason jeff jeffrey jeremy jerry jim "
    "jimmy joe joel john jonathan jorge jose joseph josh juan julian karl keith ken kenneth kevin larry lee leo "
    "leon liam louis luis luke malcolm marco mark martin matt matthew michael mick mike mitch mitt mohamed "
    "mohammed neil newt nicholas nick nigel oliver oscar otto patrick paul pedro pete peter phil philip ralph ray "
    "reg richard rick rob robert roger ron ronald roy rudy rupert russell ryan sam scott sean sergei silvio simon "
    "stanley stephen steve steven stuart ted terry thomas tim timothy todd tom tony trevor victor vince vincent "
    "vladimir walter warren wayne will william".split()
)
# Countries and capitals that speak for a government, and are never "he" or "she", nor anybody's surname.
PLACES = frozenset(
    "afghanistan ankara argentina athens australia austria baghdad bangladesh beijing belgium berlin brazil "
    "britain brussels cairo canada chile china colombia cuba damascus delhi denmark egypt england ethiopia "
    "europe finland france geneva germany greece hungary india indonesia iran iraq ireland islamabad israel "
    "italy japan jerusalem kabul kazakhstan kenya kiev kremlin kyiv lebanon libya london madrid mexico moscow "
    "myanmar nigeria norway ottawa pakistan palestine paris peru poland portugal pyongyang riyadh rome russia "
    "rwanda scotland seoul serbia spain sudan sweden switzerland syria taiwan tehran tokyo turkey ukraine "
    "venezuela vietnam wales washington xinjiang yemen".split()
)
_HIS_TITLE = re.compile(r"\b(?:Mr|Sir|Lord|Messrs)\.?\s+$")
_HER_TITLE = re.compile(r"\b(?:Mrs|Ms|Miss|Dame|Lady|Baroness)\.?\s+$")
_ANY_TITLE = re.compile(r"\b(?:Mr|Mrs|Ms|Miss|Mx|Dr|Sir|Lord|Lady|Dame|Sen|Rep|Gov|Gen|Prof)\.?\s+$")
# In the name of a body, hardly ever in a person's.
BODY_WORDS = frozenset(
    "post times journal daily news party university college council committee association agency department "
    "ministry court office bank group company corporation inc ltd plc union federation institute foundation house "
    "street united city county state states board commission international network press tribune herald star "
    "trust hospital school church police service services airport campaign center centre airlines division bureau "
    "chamber parliament museum library senate minority majority secretary speaker lawyers society forum alliance "
    "coalition administration government".split()
)
_WORD = r"(?:(?!U\.[SKN]\.)(?:[^\W\d_a-zß-öø-ÿ]\.)+(?!\w)|[^\W\d_a-zß-öø-ÿ](?:[\w’'.&-]*[\w])?)"
_LINK = r"(?:of the|of|for the|for|de la|de|van der|van|von|bin|al|el|da|di|du)[ ]"
_MENTION = re.compile(rf"(?<!\w)(?:{_WORD})(?:(?:[ \u00a0]|-)(?:{_LINK})?(?:{_WORD}))*")
_POSSESSIVE = re.compile(r"['’]s?$")


@dataclass(frozen=True, slots=True)
class Mention:
    """One mention of a name: the words that make up the name, and where they stand."""

    name: str
    span: Span


def name_words(name: str) -> tuple[str, ...]:
    """Give the words by which a name is known: lower case, without titles, articles or possessive."""
    found = re.findall(r"\w+", re.sub(r"['’]s\b", "", name.lower()))
    return tuple(word for word in found if word not in TITLES | _QUALIFIERS | _ARTICLES) or tuple(found)


def tidy_name(words: str) -> str:
    """Drop what the guidelines drop from a source's words: titles, articles, a trailing possessive, edges."""
    name = _POSSESSIVE.sub("", " ".join(words.split()).strip(" ,;:.-–—\"“”'‘’()")) or words
    parts = name.split(" ")
    if len(parts) > 1 and _bare(parts[0]) in _ARTICLES:
        parts.pop(0)
    return " ".join(parts[_titles(parts) :])


def gender(name: str) -> str | None:
    """Tell "f" or "m" by the first name, or None where that says nothing."""
    first = name.lower().split(" ")[0]
    return "f" if first in FEMALE else "m" if first in MALE else None


def titled(text: str, at: int) -> str | None:
    """Tell "f" or "m" by the title before a name that begins at a code point ("Mrs", "Mr"), or None."""
    before = text[max(0, at - 12) : at]
    return "f" if _HER_TITLE.search(before) else "m" if _HIS_TITLE.search(before) else None


def mentions(text: str) -> list[Mention]:
    """Find the names in a text by their capitals, in order, titles left out.

    A word that is capitalised only because its sentence begins is dropped where it is a function word or
    stands in lower case elsewhere in the text. In a headline every word has a capital: there only names count
    that the rest of the text has too.
    """
    headlines = [Span(*m.span()) for m in re.finditer(r"[^\r\n]+", text) if _is_headline(m[0])]
    found = _named(text)
    plain = [m for m in found if not _touches(m.span, headlines)]
    if not headlines or not plain:
        return found
    known = sorted({m.name for m in plain}, key=len, reverse=True)
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, known))})(?!\w)")
    again = [Mention(match[0], Span(*match.span())) for line in headlines for match in pattern.finditer(text, *line)]
    return sorted([*plain, *again], key=lambda mention: mention.span)


def _named(text: str) -> list[Mention]:
    lower = set(re.findall(r"(?<![\w])[a-zß-öø-ÿ][\w’'-]*", text))
    found: list[Mention] = []
    for match in _MENTION.finditer(text):
        words = [(m.start() + match.start(), m.end() + match.start()) for m in re.finditer(r"[^ \u00a0]+", match[0])]
        for part in _at_titles(text, words):
            span = _trim(text, part, lower)
            if span is None:
                continue
            # "Securities and Exchange Commission" is one body, "Ann Lee and Tom Ray" are two people.
            last = found[-1] if found else None
            joins = last is not None and text[last.span.end : span.start] == " and " and " " not in last.name
            if joins and last is not None and _bare(text[span.start : span.end].split()[-1]) in BODY_WORDS:
                found.pop()
                span = Span(last.span.start, span.end)
            found.append(Mention(" ".join(text[span.start : span.end].split()), span))
    return found


def _is_headline(line: str) -> bool:
    long = [word for word in re.findall(r"[^\W\d_][\w’'-]*", line) if len(word) > 3]
    return 4 <= len(long) <= 20 and sum(word[0].isupper() for word in long) >= 0.8 * len(long)


def _touches(span: Span, lines: Sequence[Span]) -> bool:
    return any(line.start <= span.start < line.end for line in lines)


def _titles(parts: list[str]) -> int:
    """Count the words before a name that are titles; the last word is always the name."""
    count = 0
    for i, part in enumerate(parts[:-1]):
        if _bare(part) in TITLES and parts[i + 1][:1].isupper():
            count = i + 1
        elif _bare(part) not in _QUALIFIERS:
            break
        elif i and count == i:  # "Secretary General", "Chief Justice"
            count = i + 1
    return count


def _at_titles(text: str, words: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Cut capitalised words at a title or after a possessive: "Homeland Security Secretary | Jane Doe"."""
    part: list[tuple[int, int]] = []
    for i, word in enumerate(words):
        title = _bare(text[slice(*word)]) in TITLES and i + 1 < len(words) and text[words[i + 1][0]].isupper()
        if part and title:
            if any(_bare(text[slice(*w)]) not in _QUALIFIERS for w in part):
                yield part
            part = []
        elif re.search(r"['’]s$", text[slice(*word)]):
            yield [*part, word]
            part = []
        elif text[slice(*word)] == "of" and _person(text, part):  # "Ann Lee of Arden Motors"
            yield part
            part = []
        elif part or not text[word[0]].islower():  # not the "of" that a possessive leaves behind
            part.append(word)
    if part:
        yield part


def _person(text: str, part: list[tuple[int, int]]) -> bool:
    words = [_bare(text[slice(*word)]) for word in part]
    named = words[_titles([text[slice(*word)] for word in part]) :]
    if not part or BODY_WORDS & set(words):
        return False
    return 1 < len(named) < 4 or (len(named) == 1 and _ANY_TITLE.search(text[: part[0][0]][-12:]) is not None)


def _trim(text: str, words: list[tuple[int, int]], lower: set[str]) -> Span | None:
    words = words[_titles([text[slice(*word)] for word in words]) :]
    while words:
        word = _bare(text[slice(*words[0])])
        sentence_start = _starts_sentence(text, words[0][0])
        function = word in _STARTERS and (sentence_start or word in _ARTICLES)
        if not (word in _DAYS | PRONOUNS or function or (sentence_start and word in lower)):
            break
        words = words[1:]
        while words and text[words[0][0]].islower():
            words = words[1:]
        words = words[_titles([text[slice(*word)] for word in words]) :]
    while words and (_bare(text[slice(*words[-1])]) in _DAYS or text[words[-1][0]].islower()):
        words = words[:-1]
    if not words:
        return None
    title = len(words) == 1 and _bare(text[slice(*words[0])]) in TITLES
    if title and not _ANY_TITLE.search(text[max(0, words[0][0] - 12) : words[0][0]]):  # but "Mr King" is a name
        return None
    start, end = words[0][0], words[-1][1]
    possessive = _POSSESSIVE.search(text[start:end])
    if possessive is not None:
        end = start + possessive.start()
    return Span(start, end) if end - start > 1 else None


def _starts_sentence(text: str, at: int) -> bool:
    before = text[max(0, at - 8) : at].rstrip(" \t\"“‘'(«")
    return not before or before[-1] in ".!?:\n\r…”"


def _bare(word: str) -> str:
    word = re.sub(r"['’]s$", "", word)
    return word.strip(".,;:'’\"").lower()
