"""In which encoding bytes are that are not UTF-8: a byte order mark, Western Windows text, else charset-normalizer."""

import codecs
import io
import re

# What newspapers' archives hold; without a choice charset-normalizer also offers EBCDIC and the like.
_PLAUSIBLE = (
    "cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258 cp866 cp874 koi8_r koi8_u iso8859_2 iso8859_5 "
    "iso8859_7 mac_roman mac_cyrillic big5 gb18030 shift_jis euc_jp euc_kr"
).split()
_SAMPLE = 1 << 16
_FEW = 6
_MOST_ACCENTS = 0.3
# Languages that Windows-1252 has almost, but not quite, all the letters of; and so many accents it takes
# to tell them: at least this share of the letters, and in all.
_NOT_WESTERN = {"Croatian", "Czech", "Hungarian", "Polish", "Romanian", "Slovak", "Slovene", "Turkish"}
_ACCENTS_SHARE, _ACCENTS = 0.03, 12
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
# Signs where only letters can be: Windows-1252 taken for something that it is not ("s³owo", "p³aci³").
_SIGN_IN_WORD = re.compile(r"[^\W\d_][^\w\s’‘–—…“”«»·\xad\x00-\x7f]+[^\W\d_]|[^\W\d_m][³¹]")


def by_mark(data: bytes) -> str | None:
    """Name the encoding that a byte order mark at the beginning says, as Python calls it; None without a mark."""
    return next((name for mark, name in _MARKS if data.startswith(mark)), None)


def detect(data: bytes) -> str | None:
    """Name the encoding of bytes that are not UTF-8, as Python calls it; None where they look like no text.

    Western text in Windows-1252 is told first, by rule, since detectors need more words than a short article's few
    accents; everything else is for charset-normalizer.
    """
    if mark := by_mark(data):
        return mark
    from charset_normalizer import from_bytes

    sample = _telling(data)
    best = from_bytes(sample, cp_isolation=_PLAUSIBLE).best()
    western = _as_western(sample)
    if western is not None and not _SIGN_IN_WORD.search(western):
        accents = sum(c.isalpha() and not c.isascii() for c in western)
        enough = accents >= max(_ACCENTS, _ACCENTS_SHARE * sum(map(str.isalpha, western)))
        other = best is not None and best.language in _NOT_WESTERN and "cp1252" not in best.could_be_from_charset
        return best.encoding if best and other and enough else "cp1252"
    if best is None or (best.coherence == 0 and sum(byte > 127 for byte in sample) < _FEW):
        return None if western is None else "cp1252"
    return best.encoding


def spoken(encoding: str) -> str:
    """Give an encoding's name as people know it."""
    return re.sub("^cp(125.)$", r"Windows-\1", encoding.replace("_", "-"))


def _telling(data: bytes) -> bytes:
    """Give the first lines that are not ASCII: only these can tell, and a detector's time grows with its input."""
    lines = bytearray()
    for line in io.BytesIO(data):
        if not line.isascii():
            lines += line[: _SAMPLE - len(lines)]
        if len(lines) >= _SAMPLE:
            break
    return bytes(lines)


def _as_western(sample: bytes) -> str | None:
    """Read the bytes as Windows-1252, if that gives words with no more accents than Western languages have."""
    try:
        text = sample.decode("cp1252")
    except UnicodeDecodeError:
        return None
    letters = [c for c in text if c.isalpha()]
    accents = sum(not c.isascii() for c in letters)
    return text if accents < len(letters) and accents <= max(2, _MOST_ACCENTS * len(letters)) else None
