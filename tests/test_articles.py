import gzip
import hashlib
import io
import json
from pathlib import Path

import pytest

from stance.articles import decode, json_lines, read_articles
from stance.errors import InputError
from stance.types import Article

TEXT = "“The weir held,” said Ines Harrow."


def read(*inputs: object) -> tuple[list[Article | InputError], list[str]]:
    """Read articles; give what came and the warnings."""
    warnings: list[str] = []
    return list(read_articles([str(name) for name in inputs], warnings.append)), warnings


def put(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def line(name: object, text: object = TEXT, **more: object) -> str:
    return json.dumps({"id": name, "text": text, **more}) + "\n"


def ids(found: list[Article | InputError]) -> list[str]:
    return [article.id for article in found if isinstance(article, Article)]


def errors(found: list[Article | InputError]) -> list[str]:
    return [str(error) for error in found if isinstance(error, InputError)]


# Name of the file, its bytes, what stands after its path in the message, what was found, what was expected.
BAD = {
    "empty text": ("bad.txt", b"", "", "empty", "expected an article's text"),
    "white space only": ("bad.txt", b" \r\n\t\n", "", "empty", "expected an article's text"),
    "no text: NUL": ("bad.txt", b"GIF\x00\x01", "", "control character '\\x00' at 3", "expected UTF-8 text"),
    "no text: NUL beside high bytes": ("bad.txt", b"\xff\xfeA\x00", "", "control character", "expected UTF-8 text"),
    "no text: bytes of no encoding": ("bad.txt", b"ab \x81\x8d", "", "bytes that are no text (byte 3)", "UTF-8"),
    "empty lines": ("bad.jsonl", b"", "", "empty", "expected one article a line"),
    "not JSON": ("bad.jsonl", b"\n{'id': 1}\n", ":2", "not JSON", "expected an object with 'id' and 'text'"),
    "not UTF-8": ("bad.jsonl", b'{"id": "a", "text": "\xff"}\n', ":1", "not JSON", "expected an object"),
    "a list": ("bad.jsonl", b"[1, 2]\n", ":1", "a JSON list", "expected an object with 'id' and 'text'"),
    "a string": ("bad.jsonl", b'"hello"\n', ":1", "a JSON str", "expected an object with 'id' and 'text'"),
    "lacks text": (
        "bad.jsonl",
        b'{"id": "a", "body": "b"}\n',
        ":1",
        "no 'text' in it (found 'id', 'body')",
        "expected",
    ),
    "lacks id": ("bad.jsonl", b'{"text": "b"}\n', ":1", "no 'id' in it (found 'text')", "expected 'id' and 'text'"),
    "empty object": ("bad.jsonl", b"{}\n", ":1", "no 'id' in it (found nothing)", "expected 'id' and 'text'"),
    "text is a number": ("bad.jsonl", b'{"id": "a", "text": 7}\n', ":1", "'text' is 7", "expected a string"),
    "text is blank": ("bad.jsonl", b'{"id": "a", "text": "  "}\n', ":1", "'text' is '  '", "expected a string"),
    "id is true": ("bad.jsonl", b'{"id": true, "text": "b"}\n', ":1", "'id' is True", "expected a string"),
    "not gzip": ("bad.jsonl.gz", b'{"id": "a"}\n', "", "cannot be read after line 0", "gzip"),
    "empty gzip file": ("bad.jsonl.gz", b"", "", "empty", "expected one article a line"),
}


@pytest.mark.parametrize(("name", "content", "place", "found", "expected"), BAD.values(), ids=BAD)
def test_bad_input_is_named_and_the_others_come(
    tmp_path: Path, name: str, content: bytes, place: str, found: str, expected: str
) -> None:
    put(tmp_path / "aa.txt", TEXT)
    put(tmp_path / "zz.jsonl", line("zz"))
    path = put(tmp_path / name, content)
    came, warnings = read(tmp_path)
    assert [type(one) for one in came] == [Article, InputError, Article]
    assert ids(came) == ["aa", "zz"]
    [message] = errors(came)
    assert message.startswith(f"{path}{place}: ")
    assert found in message
    assert expected in message
    assert warnings == []


def test_the_lines_around_a_bad_line_come(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", line("one") + "nonsense\n\n" + line("two") + "[]\n" + line("three"))
    came, _ = read(path)
    assert ids(came) == ["one", "two", "three"]
    assert [message.split(": ")[0] for message in errors(came)] == [f"{path}:2", f"{path}:5"]


def test_two_lines_with_one_id(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", line("one") + line("two") + line("one", "Other words.") + line("three"))
    came, _ = read(path)
    assert ids(came) == ["one", "two", "three"]
    [message] = errors(came)
    assert message == f"{path}:3: id 'one' was used before, at {path}:1; expected each id once"


def test_two_lines_with_one_id_and_a_path_of_their_own(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", line("one", path="x.html") + line("one", "Other words.", path="y.html"))
    came, _ = read(path)
    assert ids(came) == ["one"]
    assert errors(came) == [f"{path}:2: id 'one' was used before, at {path}:1; expected each id once"]


def test_an_id_may_be_a_number_but_still_only_once(tmp_path: Path) -> None:
    came, _ = read(put(tmp_path / "a.jsonl", line(7) + line("7")))
    assert ids(came) == ["7"]
    assert len(errors(came)) == 1


def test_missing_path(tmp_path: Path) -> None:
    came, _ = read(tmp_path / "none.txt", put(tmp_path / "a.txt", TEXT))
    assert errors(came) == [f"{tmp_path / 'none.txt'}: no such file or folder"]
    assert ids(came) == ["a"]


def test_unknown_suffix(tmp_path: Path) -> None:
    path = put(tmp_path / "a.docx", b"x")
    assert errors(read(path)[0]) == [f"{path}: found .docx, expected .txt, .jsonl or .jsonl.gz"]
    bare = put(tmp_path / "notes", b"x")
    assert errors(read(bare)[0]) == [f"{bare}: found no suffix, expected .txt, .jsonl or .jsonl.gz"]


def test_a_folder_is_read_recursively_in_the_order_of_its_paths(tmp_path: Path) -> None:
    for name in ("b/one.txt", "c.TXT", "a/z/two.txt", "a/three.txt", "a.txt", "a/page.html", ".keep"):
        put(tmp_path / name, TEXT)
    put(tmp_path / "b" / "lines.jsonl", line("four") + line("five"))
    came, warnings = read(tmp_path)
    assert ids(came) == ["three", "two", "a", "four", "five", "one", "c"]
    assert len(came) == 7
    assert warnings == []


def test_a_folder_with_nothing(tmp_path: Path) -> None:
    put(tmp_path / "sub" / "page.html", "x")
    [message] = errors(read(tmp_path)[0])
    assert message == f"{tmp_path}: no articles in this folder, expected .txt, .jsonl or .jsonl.gz files"


def test_gz(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl.gz", gzip.compress((line("one") + line("two", date="2021")).encode()))
    came, _ = read(path)
    assert came == [Article("one", TEXT), Article("two", TEXT, {"date": "2021"})]


def test_gz_in_capitals(tmp_path: Path) -> None:
    came, _ = read(put(tmp_path / "A.JSONL.GZ", gzip.compress(line("one").encode())))
    assert came == [Article("one", TEXT)]


def test_broken_gz_gives_what_can_be_read(tmp_path: Path) -> None:
    noise = [hashlib.sha256(str(i).encode()).hexdigest() * 4 for i in range(1000)]
    whole = gzip.compress("".join(line(str(i), words) for i, words in enumerate(noise)).encode())
    path = put(tmp_path / "a.jsonl.gz", whole[: len(whole) // 2])
    came, _ = read(path, put(tmp_path / "b.txt", TEXT))
    *articles, error, last = came
    assert 100 < len(articles) < 900
    assert [a.text for a in articles if isinstance(a, Article)] == noise[: len(articles)]
    assert str(error).startswith(f"{path}: cannot be read after line {len(articles)}: ")
    assert last == Article("b", TEXT)


@pytest.mark.parametrize("content", [b"\n \n", gzip.compress(b"")], ids=["blank lines", "gz of nothing"])
def test_lines_without_an_article(tmp_path: Path, content: bytes) -> None:
    path = put(tmp_path / ("a.jsonl" if content.startswith(b"\n") else "a.jsonl.gz"), content)
    assert errors(read(path)[0]) == [f"{path}: empty, expected one article a line"]


def test_windows_1252_is_read_with_a_warning(tmp_path: Path) -> None:
    path = put(tmp_path / "a.txt", b"\x93It rained,\x94 said Zo\xeb.")
    came, [warning] = read(path)
    assert came == [Article("a", "“It rained,” said Zoë.")]
    assert warning.startswith(f"{path}: not UTF-8 (byte 0); read as Windows-1252")


@pytest.mark.parametrize(
    "text", ["One.\r\n\r\nTwo.\r\n", "One.\rTwo.", " \tOne.\n\n\n", "\ufeffOne. 😀\u2028Two."], ids=repr
)
def test_text_is_kept_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    [article] = read(put(tmp_path / "a.txt", text))[0]
    [in_line] = read(put(tmp_path / "b.jsonl", line("b", text)))[0]
    feed(monkeypatch, text.encode())
    [piped] = read("-")[0]
    assert article == Article("a", text)
    assert in_line == Article("b", text)
    assert piped == Article("stdin", text)


def test_same_stem_in_two_folders(tmp_path: Path) -> None:
    first, second = put(tmp_path / "mon" / "lead.txt", "One."), put(tmp_path / "tue" / "lead.txt", "Two.")
    came, [warning] = read(tmp_path)
    name = (tmp_path / "tue" / "lead").as_posix()
    assert came == [Article("lead", "One."), Article(name, "Two.")]
    assert warning == f"{second}: id 'lead' was used before, at {first}; this article's id is {name!r}"


def test_one_file_given_twice(tmp_path: Path) -> None:
    path = put(tmp_path / "a.txt", TEXT)
    came, _ = read(path, path)
    assert ids(came) == ["a"]
    assert errors(came) == [f"{path}: the same file was read before, at {path}; expected each file once"]


def test_metadata_travels_without_gold_quotes(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", line("one", title="Weir", tags=["a", 1], quotes=[{"content": [[0, 1]]}]))
    assert read(path)[0] == [Article("one", TEXT, {"title": "Weir", "tags": ["a", 1]})]


def test_a_byte_order_mark_before_json(tmp_path: Path) -> None:
    assert read(put(tmp_path / "a.jsonl", b"\xef\xbb\xbf" + line("one").encode()))[0] == [Article("one", TEXT)]


def feed(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    """Put bytes on standard input."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_stdin_text(monkeypatch: pytest.MonkeyPatch) -> None:
    feed(monkeypatch, f"{TEXT}\r\n\r\n{{not JSON}}".encode())
    assert read("-") == ([Article("stdin", f"{TEXT}\r\n\r\n{{not JSON}}")], [])


def test_stdin_json_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    feed(monkeypatch, f"\n{line('one')}broken\n\n{line('two', date='2021')}{line('one')}".encode())
    came, _ = read("-")
    assert ids(came) == ["one", "two"]
    assert [message.split(": ")[0] for message in errors(came)] == ["standard input:3", "standard input:6"]


def test_stdin_json_lines_after_a_byte_order_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    feed(monkeypatch, b"\xef\xbb\xbf" + line("one").encode())
    assert read("-")[0] == [Article("one", TEXT)]


@pytest.mark.parametrize(("data", "found"), [(b"", "empty"), (b"\x00\x01", "control character")])
def test_stdin_without_an_article(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: bytes, found: str) -> None:
    feed(monkeypatch, data)
    came, _ = read("-", put(tmp_path / "a.txt", TEXT))
    [message] = errors(came)
    assert message.startswith("standard input: ")
    assert found in message
    assert ids(came) == ["a"]


def test_a_lone_surrogate(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", '{"id": "one", "text": "Half \\ud83d of it."}\n' + line("two"))
    came, _ = read(path)
    assert ids(came) == ["two"]
    [message] = errors(came)
    assert message.startswith(f"{path}:1: ")


def test_json_lines_raises_at_the_first_bad_line(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", '{"a": 1}\n\n{"a": 2}\nx\n{"a": 3}\n')
    rows = json_lines(path)
    assert [next(rows), next(rows)] == [(1, {"a": 1}), (3, {"a": 2})]
    with pytest.raises(InputError, match=r"a\.jsonl:4: not JSON"):
        next(rows)


def test_decode_warns_of_nothing_in_utf8() -> None:
    warnings: list[str] = []
    assert decode("Zoë “said”".encode(), "here", warnings.append) == "Zoë “said”"
    assert warnings == []
