import csv
import datetime
import decimal
import gzip
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stance.config import Columns
from stance.errors import InputError
from stance.formats import Entry, entries, read_entries
from stance.inputs import InputFile, ListingError
from stance.pages import Page
from stance.types import Article

TEXT = "“The weir held,” said Ines Harrow."
PAGE = "<html><body><p>Words</p></body></html>"


def put(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def line(name: object, text: object = TEXT, **more: object) -> str:
    return json.dumps({"id": name, "text": text, **more}) + "\n"


def table(path: Path, **columns: object) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def read(path: Path, *, after: int = 0, **columns: str) -> tuple[list[Entry], list[str]]:
    """Read a file; give its entries and the warnings."""
    warnings: list[str] = []
    file = InputFile(str(path), path, path.stat().st_size)
    return list(read_entries(file, Columns(**columns), warnings.append, after=after)), warnings


def articles(found: list[Entry]) -> list[Article]:
    return [entry.found for entry in found if isinstance(entry.found, Article)]


def ids(found: list[Entry]) -> list[str]:
    return [entry.found.id for entry in found if not isinstance(entry.found, InputError)]


def errors(found: list[Entry]) -> list[str]:
    return [str(entry.found) for entry in found if isinstance(entry.found, InputError)]


def lines(found: list[Entry]) -> list[int | None]:
    return [entry.line for entry in found]


# Name of the file, its bytes, what stands after its path in the message, what was found, what was expected.
BAD = {
    "empty text": ("bad.txt", b"", "", "empty", "expected an article's text"),
    "no text: NUL": ("bad.txt", b"GIF\x00\x01", "", "control character '\\x00' at 3", "expected UTF-8 text"),
    "no text: bytes of no encoding": ("bad.txt", b"ab \x81\x8d", "", "bytes that are no text (byte 3)", "UTF-8"),
    "text not gzipped": ("bad.txt.gz", b"words", "", "cannot be read", "gzip"),
    "text cut off": ("bad.txt.gz", gzip.compress(b"words" * 99)[:-9], "", "cannot be read", "end"),
    "empty page": ("bad.html", b" \n", "", "empty", "expected an article's text"),
    "page not gzipped": ("bad.htm.gz", b"<p>", "", "cannot be read", "gzip"),
    "empty lines": ("bad.jsonl", b"", "", "empty", "expected one article a line"),
    "not JSON": ("bad.jsonl", b"\n{'id': 1}\n", ":2", "not JSON", "expected an object with 'id' and 'text'"),
    "not UTF-8": ("bad.jsonl", b'{"id": "a", "text": "\xff"}\n', ":1", "not JSON", "expected an object"),
    "a list": ("bad.ndjson", b"[1, 2]\n", ":1", "a JSON list", "expected an object with 'id' and 'text'"),
    "a string": ("bad.jsonl", b'"hello"\n', ":1", "a JSON str", "expected an object with 'id' and 'text'"),
    "lacks text": ("bad.jsonl", b'{"id": "a", "words": "b"}\n', ":1", "no 'text' in it (found 'id', 'words')", "'id'"),
    "empty object": ("bad.jsonl", b"{}\n", ":1", "no 'text' in it (found nothing)", "expected 'id' and 'text'"),
    "half a pair": (
        "bad.jsonl",
        b'{"id": "a", "text": "\\ud83d"}',
        ":1",
        "'text' holds half a surrogate pair",
        "Unicode",
    ),
    "deep JSON": ("bad.jsonl", b"[" * 100_000, ":1", "not JSON", "expected an object"),
    "a number too long": ("bad.jsonl", b'{"id": ' + b"9" * 5000 + b"}", ":1", "not JSON", "expected an object"),
    "lines not gzipped": ("bad.jsonl.gz", b'{"id": "a"}\n', "", "cannot be read after line 0", "gzip"),
    "empty gzip file": ("bad.jsonl.gz", b"", "", "empty", "expected one article a line"),
    "gzip of nothing": ("bad.jsonl.gz", gzip.compress(b""), "", "empty", "expected one article a line"),
    "empty CSV": ("bad.csv", b"", "", "empty", "expected a header and one article a row"),
    "blank CSV": ("bad.csv", b"\n\r\n", "", "empty", "expected a header and one article a row"),
    "CSV of a header": ("bad.csv", b"id,text\n", "", "a header and nothing else", "expected one article a row"),
    "CSV without text": ("bad.csv", b"a,b\n1,2\n3,4\n", "", "no column for the text (found 'a', 'b')", "text or html"),
    "CSV of no text": ("bad.csv", bytes(range(128, 256)), "", "bytes that are no text", "expected CSV in UTF-8"),
    "CSV not gzipped": ("bad.csv.gz", b"id,text\n", "", "cannot be read after row 0", "gzip"),
    "CSV with a bad header": ("bad.csv", b'id,"te"xt\n1,2\n', "", "in the header", "expected names of columns"),
    "CSV with a control character": (
        "bad.csv",
        b"id,text\n1,a\x00b\n",
        ":1",
        "control character '\\x00' at 1",
        "UTF-8",
    ),
    "CSV with an empty cell": ("bad.csv", b"id,text\n1,\n", ":1", "'text' is ''", "expected a string with something"),
    "not Parquet": ("bad.parquet", b"id,text\n1,2\n", "", "cannot be read as Parquet", "Parquet"),
    "empty Parquet": ("bad.parquet", b"", "", "cannot be read as Parquet", "Parquet"),
    "Parquet not gzipped": ("bad.parquet.gz", b"PAR1", "", "cannot be read", "gzip"),
}


@pytest.mark.parametrize(("name", "content", "place", "found", "expected"), BAD.values(), ids=BAD)
def test_bad_input_is_named(tmp_path: Path, name: str, content: bytes, place: str, found: str, expected: str) -> None:
    path = put(tmp_path / name, content)
    [entry], warnings = read(path)
    assert isinstance(entry.found, InputError)
    message = str(entry.found)
    assert message.startswith(f"{path}{place}: ")
    assert found in message
    assert expected in message
    assert len(message) < len(str(path)) + 200
    assert f":{entry.line}" == place or not place
    assert entry.offset == len(content)
    assert [warning for warning in warnings if "no ids in it" not in warning] == []


def test_a_folder_gives_the_good_and_the_bad_in_their_places(tmp_path: Path) -> None:
    put(tmp_path / "in" / "aa.txt", TEXT)
    put(tmp_path / "in" / "bad.txt", b"\x00")
    put(tmp_path / "in" / "cc.jsonl", line("one") + "nonsense\n\n" + line("two") + "[]\n" + line("three"))
    put(tmp_path / "in" / "dd.html", PAGE)
    inputs = [str(tmp_path / "in"), str(tmp_path / "gone"), str(tmp_path / "in" / "aa.txt")]
    found = list(entries(inputs, Columns(), [].append, spool=tmp_path / "spool"))
    assert ids(found) == ["aa", "one", "two", "three", "dd"]
    assert [(Path(entry.file).name, entry.line) for entry in found] == [
        ("aa.txt", None),
        ("bad.txt", None),
        ("cc.jsonl", 1),
        ("cc.jsonl", 2),
        ("cc.jsonl", 4),
        ("cc.jsonl", 5),
        ("cc.jsonl", 6),
        ("dd.html", None),
        ("gone", None),
    ]
    assert isinstance(found[-1].found, ListingError)


@pytest.mark.parametrize("suffix", ["", ".gz", ".GZ"])
@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("lead.txt", TEXT.encode(), Article("lead", TEXT)),
        ("lead.html", PAGE.encode(), Page(PAGE.encode(), "lead")),
        ("lead.XHTML", PAGE.encode(), Page(PAGE.encode(), "lead")),
        ("lead.jsonl", line("one", date="2021").encode(), Article("one", TEXT, {"date": "2021"})),
        ("lead.ndjson", line(7).encode(), Article("7", TEXT)),
        ("lead.csv", f"id,text\none,{json.dumps(TEXT, ensure_ascii=False)}".encode(), Article("one", TEXT)),
        ("lead.TSV", f"id\ttext\r\none\t{TEXT}\r\n".encode(), Article("one", TEXT)),
    ],
)
def test_each_format_also_gzipped(
    tmp_path: Path, name: str, content: bytes, expected: Article | Page, suffix: str
) -> None:
    path = put(tmp_path / (name + suffix), gzip.compress(content) if suffix else content)
    [entry], warnings = read(path)
    assert entry.found == expected
    assert entry.offset == path.stat().st_size
    assert warnings == []


def test_parquet_also_gzipped(tmp_path: Path) -> None:
    plain = table(tmp_path / "a.parquet", id=["one", "two"], text=[TEXT, TEXT])
    packed = put(tmp_path / "b.parquet.gz", gzip.compress(plain.read_bytes()))
    assert articles(read(packed)[0]) == articles(read(plain)[0]) == [Article("one", TEXT), Article("two", TEXT)]


def test_what_gzip_makes_too_small_is_no_parquet(tmp_path: Path) -> None:
    path = put(tmp_path / "bomb.parquet.gz", gzip.compress(bytes(200 << 20), 1))
    [message] = errors(read(path)[0])
    assert message == f"{path}: more than {path.stat().st_size * 100 >> 20} MiB once unpacked, expected a Parquet file"


@pytest.mark.parametrize(
    "text",
    ["One.\r\n\r\nTwo.\r\n", "One.\rTwo.", " \tOne.\n\n\n", "\ufeffOne. 😀\u2028Two.", 'A "b" c,d;e\tf|g'],
    ids=repr,
)
def test_text_is_kept_exactly(tmp_path: Path, text: str) -> None:
    rows = io.StringIO()
    csv.writer(rows, lineterminator="\r\n").writerows([["id", "text"], ["a", text], ["b", text]])
    for path in (
        put(tmp_path / "a.txt", text),
        put(tmp_path / "a.jsonl", line("a", text)),
        put(tmp_path / "a.csv", rows.getvalue()),
        table(tmp_path / "a.parquet", id=["a"], text=[text]),
    ):
        assert articles(read(path)[0])[0] == Article("a", text), path.suffix


def test_a_text_too_large(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with path.open("wb") as file:
        file.truncate(300_000_000)
    [message] = errors(read(path)[0])
    assert message == f"{path}: found 300 MB, expected one article of at most 268 MB"
    page = put(tmp_path / "a.html.gz", gzip.compress(bytes(30_000_000), 1))
    assert errors(read(page)[0]) == [f"{page}: found more once unpacked, expected one article of at most 20 MB"]


def test_a_file_that_has_gone(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    [entry] = read_entries(InputFile("a.txt", path, 7), Columns(), [].append)
    assert (str(entry.found), entry.offset) == ("a.txt: cannot be read: No such file or directory", 7)


def feed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: bytes) -> tuple[list[Entry], list[str]]:
    """Read bytes from standard input."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    warnings: list[str] = []
    return list(entries(["-"], Columns(), warnings.append, spool=tmp_path / "spool")), warnings


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzipped"])
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (f"{TEXT}\r\n\r\n{{not JSON}}".encode(), [Article("stdin", f"{TEXT}\r\n\r\n{{not JSON}}")]),
        (b"{not JSON}\n" + line("a").encode(), [Article("stdin", "{not JSON}\n" + line("a"))]),
        (f"\n{line('one')}\n{line('two')}".encode(), [Article("one", TEXT), Article("two", TEXT)]),
        (b"\xef\xbb\xbf" + line("one").encode(), [Article("one", TEXT)]),
        (PAGE.encode(), [Page(PAGE.encode(), "stdin")]),
        (b"\n <!DOCTYPE html><p>x", [Page(b"\n <!DOCTYPE html><p>x", "stdin")]),
        (b"<?xml version='1.0'?>\n<html/>", [Page(b"<?xml version='1.0'?>\n<html/>", "stdin")]),
        (b"<no> html", [Article("stdin", "<no> html")]),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_standard_input_is_told_by_its_beginning(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    data: bytes,
    expected: list[Article | Page],
    pack: Callable[[bytes], bytes],
) -> None:
    found, warnings = feed(monkeypatch, tmp_path, pack(data))
    assert [entry.found for entry in found] == expected
    assert {entry.file for entry in found} == {"standard input"}
    assert warnings == []


def test_parquet_on_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = table(tmp_path / "a.parquet", id=["one"], text=[TEXT]).read_bytes()
    assert articles(feed(monkeypatch, tmp_path, data)[0]) == [Article("one", TEXT)]


@pytest.mark.parametrize(("data", "found"), [(b"", "empty"), (b"\x00\x01", "control character"), (b"\x1f\x8b", "read")])
def test_standard_input_without_an_article(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, found: str
) -> None:
    [message] = errors(feed(monkeypatch, tmp_path, data)[0])
    assert message.startswith("standard input: ")
    assert found in message


def test_bad_lines_of_standard_input_have_their_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = feed(monkeypatch, tmp_path, f"\n{line('one')}broken\n\n{line('two')}".encode())
    assert lines(found) == [2, 3, 5]
    assert errors(found)[0].startswith("standard input:3: not JSON")


def test_a_broken_gzip_file_gives_what_can_be_read(tmp_path: Path) -> None:
    noise = [hashlib.sha256(str(i).encode()).hexdigest() * 4 for i in range(1000)]
    whole = gzip.compress("".join(line(str(i), words) for i, words in enumerate(noise)).encode())
    path = put(tmp_path / "a.jsonl.gz", whole[: len(whole) // 2])
    found, _ = read(path)
    *good, last = found
    assert 100 < len(good) < 900
    assert [article.text for article in articles(good)] == noise[: len(good)]
    assert str(last.found).startswith(f"{path}: cannot be read after line {len(good)}: ")
    assert last.line == len(good) + 1
    rows = "id,text\n" + "".join(f"{i},{words}\n" for i, words in enumerate(noise))
    path = put(tmp_path / "a.csv.gz", gzip.compress(rows.encode())[:20_000])
    *good, last = read(path)[0]
    assert 100 < len(good) < 900
    assert f"cannot be read after row {len(good)}: " in str(last.found)


def test_json_keys_are_told_by_the_head_of_the_file(tmp_path: Path) -> None:
    rows = [{"guid": "a", "body": TEXT}, {"guid": "b", "body": TEXT, "headline": "T"}, {"id": "c", "text": TEXT}]
    path = put(tmp_path / "a.jsonl", "bad\n" + "".join(json.dumps(row) + "\n" for row in rows))
    found, warnings = read(path)
    assert articles(found) == [Article("c", TEXT)]
    assert "no 'text' in it (found 'guid', 'body'), expected 'id' and 'text'" in errors(found)[1]
    path = put(tmp_path / "b.jsonl", "bad\n" + "".join(json.dumps(row) + "\n" for row in rows[:2]))
    found, warnings = read(path)
    assert articles(found) == [Article("a", TEXT), Article("b", TEXT, {"title": "T"})]
    assert warnings == [
        f"{path}: reads 'guid' as id, 'body' as text, 'headline' as title; "
        "if that is wrong, say which in the config, under columns"
    ]
    assert articles(read(path, after=2)[0]) == [Article("b", TEXT, {"title": "T"})]


def test_json_lines_in_utf16(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", (line("one") + "x\r\n" + line("two", "Zoë 😀")).encode("utf-16"))
    found, _ = read(path)
    assert articles(found) == [Article("one", TEXT), Article("two", "Zoë 😀")]
    assert lines(found) == [1, 2, 3]


def test_a_line_too_long_to_be_held(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", line("one").encode() + b"x" * (65 << 20) + b"\n" + line("two").encode())
    found, _ = read(path)
    assert ids(found) == ["one", "two"]
    assert errors(found) == [f"{path}:2: a line of more than 64 MiB, expected one article"]


CSV = "id,text,title\n1,one,A\n2,two,B\n3,three,C\n"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"], ids=repr)
def test_csv_with_any_common_delimiter(tmp_path: Path, delimiter: str) -> None:
    rows = [["Doc ID", "Headline", "Body", "desk"], ["7", "a, b; c | d", 'Two\nlines; "and",\ta | bar', ""]]
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    found, [warning] = read(put(tmp_path / "a.csv", out.getvalue()))
    assert articles(found) == [Article("7", rows[1][2], {"title": "a, b; c | d"})]
    assert "'Doc ID' as id, 'Body' as text, 'Headline' as title" in warning


def test_csv_from_excel_may_say_its_delimiter(tmp_path: Path) -> None:
    found, _ = read(put(tmp_path / "a.csv", "\ufeffsep=;\r\nid;text\r\n1;a, b, c\r\n"))
    assert articles(found) == [Article("1", "a, b, c")]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252", "cp1251"])
def test_csv_in_other_encodings(tmp_path: Path, encoding: str) -> None:
    text = (
        "Министр заявил, что обвинения не имеют под собой оснований" if encoding == "cp1251" else "“Zoë,” said Müller"
    )
    content = f'id,text\n1,"{text}"\n2,plain\n'.encode(encoding)
    found, warnings = read(put(tmp_path / "a.csv", content))
    assert articles(found) == [Article("1", text), Article("2", "plain")]
    said = {"cp1252": "Windows-1252", "cp1251": "Windows-1251"}.get(encoding)
    expected = f"{tmp_path / 'a.csv'}: not UTF-8; read as {said}, check accents and quotation marks"
    assert warnings == ([expected] if said else [])


def test_damaged_rows_of_a_utf8_table_are_refused_and_the_others_stay_utf8(tmp_path: Path) -> None:
    content = "id,text\n1,Zoë\n2,Müller\n".encode() + b"3,Zo\xeb\n" + "4,Café\n".encode()
    found, warnings = read(put(tmp_path / "a.csv", content))
    assert ids(found) == ["1", "2", "4"]
    assert errors(found) == [
        f"{tmp_path / 'a.csv'}:3: found bytes that are not UTF-8, expected UTF-8 like the rest of the file"
    ]
    assert warnings == []


def test_rows_with_another_number_of_cells(tmp_path: Path) -> None:
    path = put(tmp_path / "a.csv", "id,text,title\n1,one,A\n\n2,two\n3,three,C,D\n4,four,E\n")
    found, _ = read(path)
    assert ids(found) == ["1", "4"]
    assert lines(found) == [1, 2, 3, 4]
    assert errors(found) == [
        f"{path}:2: found 2 cells, expected 3 as in the header",
        f"{path}:3: found 4 cells, expected 3 as in the header",
    ]


NEVER = "a quotation mark that is opened and never closed"
AFTER = "words right after a closing quotation mark"


@pytest.mark.parametrize(
    ("rows", "good", "problem"),
    [
        ('1,"never closed,A\n2,two,B\n3,three,C\n', "2 3", NEVER),
        ('1,"He said "no" to it",A\n2,two,B\n3,three,C\n', "2 3", AFTER),
        ('1,"opened,A\n2,"closed",B\n3,three,C\n', "2 3", AFTER),
        (
            '1,"two lines\nand "more", of it",A\n2,two,B\n3,three,C\n',
            "2 3",
            f"{AFTER}, and left out the 1 lines after it",
        ),
        (
            '0,x,y\n1,"two\n\nlines "a"\nYes, he, said",A\n2,two,B\n',
            "0 2",
            f"{AFTER}, and left out the 2 lines after it",
        ),
        ('0,x,y\n1,"two "a"\nlines', "0", f"{AFTER}, and left out the 1 lines after it"),
    ],
    ids=[
        "never closed",
        "not doubled",
        "closed by the next",
        "two lines",
        "like a row, but not like these",
        "the last",
    ],
)
def test_a_stray_quotation_mark_costs_its_own_row_only(tmp_path: Path, rows: str, good: str, problem: str) -> None:
    path = put(tmp_path / "a.csv", "id,text,title\n" + rows)
    found, _ = read(path)
    assert ids(found) == good.split()
    number = 2 if "0" in good else 1
    assert errors(found) == [f"{path}:{number}: found {problem}, expected CSV"]


def test_quotation_marks_that_would_swallow_everything_again_and_again(tmp_path: Path) -> None:
    rows = '"a","b\n' * 100_000
    found, _ = read(put(tmp_path / "a.csv", "id,text\n1,one\n" + rows))
    assert ids(found)[0] == "1"
    assert errors(found)


def test_a_cell_too_large(tmp_path: Path) -> None:
    path = put(tmp_path / "a.csv", "id,text\n1,one\n2," + "x" * (33 << 20) + "\n3,three\n")
    found, _ = read(path)
    assert ids(found) == ["1", "3"]
    assert errors(found) == [f"{path}:2: found a cell of more than 32 MiB, expected CSV"]


def test_an_article_of_twenty_megabytes_in_a_cell(tmp_path: Path) -> None:
    text = "Words, and a “quote”.\n" * 900_000
    [entry], _ = read(put(tmp_path / "a.csv", f'id,text\n1,"{text}"\n'))
    assert entry.found == Article("1", text)


def test_a_row_without_end(tmp_path: Path) -> None:
    path = put(
        tmp_path / "a.csv", "id,text\n1,one\n" + "x" * (70 << 20) + "\n3,three\n" + "," * 3_000_000 + "\n5,five\n"
    )
    found, _ = read(path)
    assert ids(found) == ["1", "3", "5"]
    assert [message for message in errors(found) if "a row of more than 64 MiB or 2,000,000 cells" not in message] == []


def test_columns_without_a_name_or_with_the_same(tmp_path: Path) -> None:
    found, _ = read(put(tmp_path / "a.csv", "id,text,,note,note\n1,one,x,y,z\n"))
    assert articles(found) == [Article("1", "one", {"column 3": "x", "note": "y", "note 5": "z"})]


def test_a_web_page_in_a_cell(tmp_path: Path) -> None:
    found, _ = read(put(tmp_path / "a.csv", f"id,html,title\n1,{PAGE},T\n"))
    assert found[0].found == Page(PAGE, "1", {"title": "T"})


def test_parquet_values_become_what_json_can_hold(tmp_path: Path) -> None:
    path = table(
        tmp_path / "a.parquet",
        id=pa.array([1, None, 3], pa.float64()),
        text=pa.array([TEXT, TEXT, TEXT]).dictionary_encode(),
        date=[datetime.date(2024, 5, 3), None, None],
        price=[decimal.Decimal("1.50"), None, None],
        raw=[b"\xff\x00", b"words", None],
        tags=[["a", "b"], None, []],
        nested=[{"a": 1}, None, {"a": None}],
        score=[1.5, float("nan"), None],
        moment=pa.array([1, 2, None], pa.timestamp("ns")),
        far=pa.array([2**62, None, None], pa.timestamp("ms")),
    )
    found, _ = read(path)
    first, third = articles(found)
    assert first.id == "1"
    far = first.metadata["far"]
    assert first.metadata == {
        "date": "2024-05-03",
        "price": "1.50",
        "raw": "/wA=",
        "tags": ["a", "b"],
        "nested": {"a": 1},
        "score": 1.5,
        "moment": first.metadata["moment"],
        "far": far,
    }
    assert "1970-01-01T00:00:00" in first.metadata["moment"]
    assert isinstance(far, str)
    assert third == Article("3", TEXT, {"tags": [], "nested": {"a": None}})
    assert errors(found) == [f"{path}:2: 'id' is None, expected a string with something in it"]


def test_parquet_strings_written_as_bytes(tmp_path: Path) -> None:
    path = table(
        tmp_path / "a.parquet",
        id=[b"one", b"two", b"\xff"],
        text=[TEXT.encode(), "Zoë".encode("cp1252"), b"x"],
        t=[b"T"] * 3,
    )
    found, warnings = read(path)
    assert articles(found) == [Article("one", TEXT, {"t": "T"}), Article("two", "Zoë", {"t": "T"})]
    assert errors(found) == [f"{path}:3: bytes that are no text in it, expected UTF-8"]
    assert warnings == [f"{path}:2: not UTF-8 (byte 2); read as Windows-1252, check accents and quotation marks"]


def test_parquet_strings_that_are_no_unicode(tmp_path: Path) -> None:
    broken = pa.StringArray.from_buffers(
        2, pa.py_buffer(b"\x00\x00\x00\x00\x03\x00\x00\x00\x04\x00\x00\x00"), pa.py_buffer(b"a\xffbc")
    )
    found, _ = read(table(tmp_path / "a.parquet", id=["one", "two"], text=["x", "y"], title=broken))
    assert articles(found) == [Article("one", "x", {"title": "Yf9i"}), Article("two", "y", {"title": "c"})]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": ["a"], "text": [7]}, "column 'text' holds int64, expected strings"),
        ({"id": ["a"], "text": [["x"]]}, "column 'text' holds list<"),
        ({"id": [True], "text": ["x"]}, "column 'id' holds bool, expected strings"),
        ({"id": [datetime.date(2024, 1, 1)], "text": ["x"]}, "column 'id' holds date32[day], expected strings"),
        ({"html": [{"a": 1}]}, "column 'html' holds struct<a: int64>, expected strings"),
        ({"a": ["x"]}, "no column for the text (found 'a'), expected a header with one named text or html"),
        ({"id": [], "text": []}, "a table without rows, expected one article a row"),
        ({}, "no column for the text (found nothing)"),
    ],
    ids=str,
)
def test_parquet_of_the_wrong_kind_is_refused_once(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    path = table(tmp_path / "a.parquet", **{name: pa.array(cells * 5) for name, cells in columns.items()})
    [entry], _ = read(path)
    assert entry.line is None
    assert str(entry.found).startswith(f"{path}: {message}")


def test_parquet_cut_in_the_middle(tmp_path: Path) -> None:
    whole = tmp_path / "a.parquet"
    pq.write_table(
        pa.table({"id": [str(i) for i in range(90)], "text": [f"{i} {TEXT}" for i in range(90)]}),
        whole,
        row_group_size=30,
        compression="none",
        use_dictionary=False,
    )
    data = bytearray(whole.read_bytes())
    start = data.index(b"45 \xe2\x80\x9c")
    data[start - 900 : start - 600] = b"\xee" * 300  # sizes and first words of the second of three groups
    found, _ = read(put(tmp_path / "b.parquet", bytes(data)))
    assert found[-1].line is not None
    assert "b.parquet" in errors(found)[-1]


FORMATS: dict[str, Callable[[Path], Path]] = {
    "jsonl": lambda folder: put(folder / "a.jsonl", "".join(line(i) for i in range(5)) + "bad\n\n" + line(8)),
    "csv": lambda folder: put(folder / "a.csv", 'id,text\n0,a\n1,b\n2\n3,"d\ne"\n4,"f"g\n5,h\n6,i\n'),
    "parquet": lambda folder: put_groups(folder / "a.parquet"),
    "csv without ids": lambda folder: put(folder / "a.csv", "body\n" + "words\n" * 9),
}


def put_groups(path: Path) -> Path:
    rows = pa.table({"id": list(range(20)), "text": [TEXT if i % 7 else "" for i in range(20)]})
    pq.write_table(rows, path, row_group_size=3)
    return path


@pytest.mark.parametrize("make", FORMATS.values(), ids=FORMATS)
def test_reading_goes_on_anywhere(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path)
    whole, warnings = read(path)
    assert whole[-1].offset == path.stat().st_size
    for after in range(1, 23):
        rest, again = read(path, after=after)
        assert str(rest) == str([entry for entry in whole if entry.line is None or entry.line > after])
        assert again == warnings
    assert [entry.offset for entry in whole] == sorted(entry.offset for entry in whole)


def test_reading_is_lazy(tmp_path: Path) -> None:
    path = put(tmp_path / "a.csv", "id,text\n" + "".join(f"{i},{'words ' * 200}\n" for i in range(5000)))
    file = InputFile("a.csv", path, path.stat().st_size)
    found = read_entries(file, Columns(), [].append)
    assert next(found).offset < file.size / 10
    found.close()


_LEGAL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=30)
_PLAIN = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30).filter(str.strip)


@settings(max_examples=60)
@given(st.lists(_PLAIN, min_size=1, max_size=6), st.sampled_from([",", ";", "\t", "|"]))
def test_csv_comes_back_as_it_went(tmp_path_factory: pytest.TempPathFactory, texts: list[str], delimiter: str) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(["id", "text", "x"])
    writer.writerows([i, text, "e"] for i, text in enumerate(texts))
    found, _ = read(put(tmp_path_factory.mktemp("csv") / "a.csv", out.getvalue()))
    assert [article.text for article in articles(found)] == texts


@settings(max_examples=60)
@given(st.lists(_LEGAL.filter(str.strip), min_size=1, max_size=6))
def test_json_lines_and_parquet_come_back_as_they_went(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    for path in (
        put(folder / "a.jsonl", "".join(line(i, text) for i, text in enumerate(texts))),
        table(folder / "a.parquet", id=list(range(len(texts))), text=texts),
    ):
        assert [article.text for article in articles(read(path)[0])] == texts


@settings(max_examples=100)
@given(st.binary(max_size=300), st.sampled_from([".txt", ".html", ".jsonl", ".csv", ".tsv", ".parquet", ".txt.gz"]))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes, suffix: str) -> None:
    path = put(tmp_path_factory.mktemp("any") / f"a{suffix}", data)
    found, _ = read(path)
    assert found
    for message in errors(found):
        assert message.startswith(str(path))
        message.encode()
