"""Web boilerplate around an article: subscription offers, price lists, disclaimers, links, cookie notices."""

import re

from stance.types import Span

# Beginnings of a line that no article's own text would have.
_SURE = re.compile(
    r"^\W*(?:"
    + "|".join(
        (
            r"disclaimer\b",
            r"(?:also|must)\s+read\b",
            r"read\s+(?:more|also|next|the\s+full\s+story)\b",
            r"related\s*(?::|$|(?:articles|stories|topics|links|content)\b)",
            r"subscribe\b",
            r"already\s+(?:a\s+)?(?:subscribed|subscriber|member|registered)\b",
            r"(?:log|sign)\s+(?:in|up)\b",
            r"you[’']ve\s+(?:reached|read)\b.{0,40}\b(?:limit|free|articles?)\b",
            r"you\s+have\s+reached\s+your\b.*\blimit\b",
            r"to\s+continue\s+reading\b",
            r"this\s+(?:article|content|story)\s+is\s+(?:for|available|reserved)\b",
            r"unlock\b.{0,40}\b(?:article|story|access)\b",
            r"(?:get|try|start)\b.{0,60}\b(?:unlimited|full|digital)\s+access\b",
            r".{0,40}\bunlimited\s+access\b.{0,60}$",
            r"renews?\s+automatically\b",
            r"cancel\s+any\s?time\b",
            r"here[’']s\s+what[’']s\s+included\b",
            r"choose\s+your\s+(?:plan|subscription)\b",
            r"(?:we|this\s+(?:web\s?)?site)\s+(?:and\s+our\s+partners\s+)?uses?\s+cookies\b",
            r".{0,60}\bcookies?\s+(?:policy|settings|notice|preferences)\b",
            r"(?:accept|reject)\s+(?:all|cookies)\b",
            r"(?:©|\(c\)|copyright)\s*(?:©|\(c\))?\s*(?:19|20)?\d\d\b",
            r".{0,60}\ball\s+rights\s+reserved\b",
            r"share\s+(?:this|on|via|article|story)\b",
            r"(?:tweet|share|facebook|twitter|whatsapp|e-?mail|print|copy\s+link|linkedin|reddit|telegram|pinterest|comments?)(?:\s*[|·•/,]\s*\w+)*\s*$",
            r"follow\s+(?:us|our|@)\b",
            r"join\s+(?:our|the\s+conversation)\b",
            r"(?:first\s+)?(?:published|updated|last\s+updated|posted)\s*(?::|on\b|at\b)",
            r"advertis(?:e|ement|ing|e?ment\s+continues)\b\W*(?:.{0,30})$",
            r"(?:image|photo|picture|video|media)\s*(?:source|credit|caption|copyright|by)?\s*[:,]\s",
            r"(?:\(?with\s+inputs?\s+from\b)",
            r"explore\s+(?:news|more)\b",
            r"trending\b.{0,20}$",
            r"most\s+(?:read|popular|viewed)\b.{0,20}$",
            r"more\s+(?:from|on|stories)\b.{0,60}$",
            r"(?:view|show|load|leave|post|add|read)\s+(?:all\s+|a\s+|the\s+|\d+\s+)?comments?\b",
            r"comments?\s+(?:are|policy|rules|guidelines|\(\d+\))\b",
            r"terms\s+(?:of|and)\b.{0,40}$",
            r"privacy\s+policy\b",
            r"don[’']t\s+miss\b.*\b(?:news|telegram|channel|newsletter|whatsapp|app)\b",
            r"(?:download|get)\s+(?:our|the)\s+.{0,30}\bapp\b",
            r".{0,60}\bnewsletters?\b.{0,60}\b(?:inbox|sign\s+up|subscribe|email)\b",
            r".{0,60}\b(?:sign\s+up|subscribe)\b.{0,60}\bnewsletters?\b",
            r"(?:support|donate)\b.{0,60}\b(?:journalism|newsroom|today|now)\b.{0,30}$",
            r"\{\{",
            r"skip\s+to\s+(?:main\s+)?content\b",
            r"back\s+to\s+top\b",
            r"menu\s*$",
            r"recommended\b.{0,20}$",
            r"sponsored\b.{0,30}$",
        )
    )
    + ")",
    re.IGNORECASE,
)
_PRICE = re.compile(
    r"^\W*(?:[₹$€£¥]\s?[\d.,]+|[\d.,]+\s?(?:€|kr|EUR|USD|GBP))(?:\s*(?:/|a|per)\s*\w+)?\W*$|^\W*\d+\s+(?:days?|weeks?|months?|years?)\W*$",
    re.IGNORECASE,
)
# What begins like a link but is a quotation with its cue, or like a label but is a sentence.
_SPOKEN = re.compile(
    r"\s*[“\"«„‘'].*[”\"»“’']\W*(?:\w+\W+){0,6}?(?:said|says|told|asked|added|denied|accused)\b", re.IGNORECASE
)
_SENTENCE = re.compile(
    r"\W*(?:terms\s+of\s+the|(?:published|posted|updated)\s+(?:on|at)|advertising|support)\s(?:\S+\s+){3,}\S+[.!?]\s*$",
    re.IGNORECASE,
)
_LINE = re.compile(r"[^\r\n]+")
_SHORT_WORDS = 14  # a line this short without a full stop is a label, not prose
_PARAGRAPH_WORDS = 30
_LONGEST = 500  # characters
_SAYS = re.compile(r"[“”\"„«»]|\b(?:said|says|told|according to|added|asked|denied|accused)\b", re.IGNORECASE)


def boilerplate(text: str) -> list[Span]:
    """Find the lines that belong to the web page rather than to its article, joined where they follow each other.

    A label (a short line that is no sentence) is boilerplate between two lines that surely are, and after
    the last of them where only labels follow. Prose never is, unless it plainly says so.
    """
    lines = [match for match in _LINE.finditer(text) if match[0].strip()]
    sure = [_surely(line[0]) for line in lines]
    closing = _closing(sure, lines)
    chosen = list(sure)
    inside = False
    for i, line in enumerate(lines):
        inside = sure[i] or (inside and not _prose(line[0]))
        chosen[i] = inside and (sure[i] or closing[i])
    spans: list[Span] = []
    for line, drop in zip(lines, chosen, strict=True):
        if drop and spans and not text[spans[-1].end : line.start()].strip():
            spans[-1] = Span(spans[-1].start, line.end())
        elif drop:
            spans.append(Span(line.start(), line.end()))
    return spans


def _surely(line: str) -> bool:
    if len(line) > _LONGEST:  # a paragraph, or a whole article in one; and the patterns stay cheap
        return False
    if _PRICE.match(line):
        return True
    # A long line that begins like a link and quotes somebody is a paragraph, or a whole article in one.
    if _SPOKEN.match(line) or _SENTENCE.match(line):
        return False
    return bool(_SURE.match(line)) and not (len(line.split()) > _PARAGRAPH_WORDS and _SAYS.search(line))


def _closing(sure: list[bool], lines: list[re.Match[str]]) -> list[bool]:
    """Whether only labels stand between each line and the next sure one, or the end of the text."""
    closing = [True] * len(lines)
    open_end = True
    for i in reversed(range(len(lines))):
        open_end = sure[i] or (open_end and not _prose(lines[i][0]))
        closing[i] = open_end
    return closing


def _prose(line: str) -> bool:
    words = line.split()
    return len(words) > _SHORT_WORDS or bool(_SAYS.search(line)) or (len(words) > 5 and line.rstrip()[-1] in ".!?”\"’'")
