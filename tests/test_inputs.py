import errno
import hashlib
import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stance.inputs import STDIN, InputFile, ListingError, fingerprint, kind_of, list_files

EXPECTED = ".txt, .html, .htm, .xhtml, .jsonl, .ndjson, .csv, .tsv, .parquet or one of these with .gz"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder of its own, so that relative paths are short."""
    monkeypatch.chdir(tmp_path)


def put(*names: str, content: str | bytes = "x") -> None:
    for name in names:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def listed(*inputs: str, skip: str | None = None) -> list[str]:
    """List files; give their names, and the messages of errors after an exclamation mark."""
    found = list_files(inputs, spool=Path("spool"), skip=Path(skip) if skip else None)
    return [file.name if isinstance(file, InputFile) else f"!{file}" for file in found]


def test_files_come_in_the_order_in_which_they_are_named() -> None:
    put("b.txt", "a.csv.gz")
    assert listed("b.txt", "a.csv.gz") == ["b.txt", "a.csv.gz"]


def test_a_file_knows_its_path_size_and_stem() -> None:
    put("in/lead.JSONL.GZ", content="12345")
    assert list(list_files(["in"], spool=Path("spool"))) == [
        InputFile("in/lead.JSONL.GZ", Path("in/lead.JSONL.GZ"), 5),
    ]
    [file] = list_files(["in"], spool=Path("spool"))
    assert isinstance(file, InputFile)
    assert (file.stem, file.is_gzipped, kind_of(file.path)) == ("lead", True, ".jsonl")


def test_a_folder_is_listed_recursively_in_the_order_of_its_paths() -> None:
    put("in/b/one.txt", "in/c.TXT", "in/a/z/two.txt", "in/a/three.txt", "in/a.txt", "in/a/page.html", "in/.keep")
    put("in/a-b/four.txt", "in/notes.docx", "in/x.txt.zip", "in/B.txt", "in/ä.txt", "in/.hidden.txt")
    files = [path for path in sorted(Path("in").rglob("*")) if path.is_file()]
    known = [str(path) for path in files if path.suffix.lower() in (".txt", ".html")]
    assert listed("in") == known
    assert len(known) == 10


def test_a_folder_without_articles() -> None:
    put("in/sub/picture.png")
    Path("in/empty").mkdir()
    assert listed("in") == [f"!in: no articles in this folder, expected {EXPECTED} files"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.txt", "none.txt: no such file or folder"),
        ("a.txt/b.txt", "a.txt/b.txt: no such file or folder"),
        ("x" * 300 + ".txt", f"{'x' * 300}.txt: cannot be read: {os.strerror(errno.ENAMETOOLONG)}"),
        ("a\0b.txt", "a\0b.txt: no such file or folder (embedded null byte)"),
        ("a.docx", f"a.docx: found .docx, expected {EXPECTED}"),
        ("bare", f"bare: found no suffix, expected {EXPECTED}"),
        ("a.tar.gz", f"a.tar.gz: found .tar.gz, expected {EXPECTED}"),
        ("pipe.txt", "pipe.txt: found no regular file, expected one, or - for what is piped in"),
    ],
)
def test_what_is_not_there_or_is_none_is_named_in_its_place(name: str, message: str) -> None:
    put("a.docx", "bare", "a.tar.gz", "good/a.txt", "good/b.txt")
    os.mkfifo("pipe.txt")
    assert listed("good/a.txt", name, "good/b.txt") == ["good/a.txt", f"!{message}", "good/b.txt"]


def test_an_error_says_which_input_it_is_about() -> None:
    put("list.txt", content="gone.txt\n")
    [error] = list_files(["@list.txt"], spool=Path("spool"))
    assert isinstance(error, ListingError)
    assert (error.file, str(error)) == ("gone.txt", "list.txt:1: gone.txt: no such file or folder")


def test_globs_are_sorted_and_take_known_files_only() -> None:
    put("in/2.txt", "in/10.txt", "in/1.csv", "in/a/1.txt", "in/x.png", "in/.1.txt", "other/1.txt")
    assert listed("in/*") == ["in/1.csv", "in/10.txt", "in/2.txt", "in/a/1.txt"]
    assert listed("in/*.txt") == ["in/10.txt", "in/2.txt"]
    assert listed("in/[0-9].*") == ["in/1.csv", "in/2.txt"]
    assert listed("in/**/1.*") == ["in/1.csv", "in/a/1.txt"]
    assert listed("**/1.txt") == ["in/a/1.txt", "other/1.txt"]
    assert listed("?n/?/*.txt") == ["in/a/1.txt"]
    assert listed("in/.*.txt") == ["in/.1.txt"]
    assert listed("in/**") == listed("in") == ["in/.1.txt", "in/1.csv", "in/10.txt", "in/2.txt", "in/a/1.txt"]


def test_a_glob_may_name_folders() -> None:
    put("news-1/b.txt", "news-1/a/x.csv", "news-2/c.txt", "blog/d.txt")
    assert listed("news-*") == ["news-1/a/x.csv", "news-1/b.txt", "news-2/c.txt"]


def test_a_glob_opens_no_folder_in_which_nothing_can_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    put("in/a/1.txt", "in/b/1.txt", "elsewhere/deep/down/1.txt")
    opened = []
    scandir = os.scandir
    monkeypatch.setattr("os.scandir", lambda folder: opened.append(str(folder)) or scandir(folder))
    assert listed("*/a/*.txt") == ["in/a/1.txt"]
    assert opened == [".", "elsewhere", "in", "in/a"]


def test_a_glob_that_fits_nothing() -> None:
    put("other/a.txt")
    assert listed("in/*.txt", "**/nothing?") == [
        "!in/*.txt: no such file or folder",
        f"!**/nothing?: no articles fit this pattern, expected {EXPECTED} files",
    ]


def test_a_file_whose_name_looks_like_a_glob() -> None:
    put("a[1].txt", "a1.txt")
    assert listed("a[1].txt") == ["a[1].txt"]


def test_each_name_comes_once() -> None:
    put("in/a.txt", "in/b/c.txt", "d.txt")
    everything = ["in/a.txt", "in/b/c.txt"]
    assert listed("in/a.txt", "in", "in/b", "in/a.txt") == everything
    assert listed("in", "in/b/c.txt", "in", "in/**/*.txt") == everything
    assert listed("in/*", "in", "d.txt", "d.txt", "./d.txt") == [*everything, "d.txt"]
    assert listed("in/*.txt", "in") == everything


def test_a_list_holds_files_folders_globs_and_lists() -> None:
    put("in/a.txt", "in/b.txt", "more/c.csv", "d e.txt")
    put("inner.txt", content="more\n")
    put("list.txt", content="\ufeff# what to read\n\nin/b*\r\n  d e.txt  \n@inner.txt\ngone.txt\n@none.txt\nin/b.txt")
    assert listed("@list.txt", "in") == [
        "in/b.txt",
        "d e.txt",
        "more/c.csv",
        "!list.txt:6: gone.txt: no such file or folder",
        "!list.txt:7: none.txt: no such list",
        "in/a.txt",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "list.txt: an empty list, expected one input a line"),
        ("# a\n\n", "list.txt: an empty list, expected one input a line"),
        ("@list.txt\n", "list.txt:1: list.txt: a list that contains itself, expected paths"),
        ("\n@./list.txt\n", "list.txt:2: list.txt: a list that contains itself, expected paths"),
        ("x" * 70_000, "list.txt:1: a line that is too long, expected a path"),
        ("a\0b", "list.txt:1: a\0b: no such file or folder (embedded null byte)"),
        ("@a\0b", "list.txt:1: a\0b: no such list (embedded null byte)"),
        ("@.", "list.txt:1: .: found no file, expected a list with one input a line"),
    ],
    ids=repr,
)
def test_bad_lists(content: str, message: str) -> None:
    put("list.txt", content=content)
    assert listed("@list.txt") == [f"!{message}"]


def test_a_list_may_be_a_pipe() -> None:
    put("a.txt", "b.txt")
    reader, writer = os.pipe()
    os.write(writer, b"a.txt\nb.txt\n")
    os.close(writer)
    assert listed(f"@/dev/fd/{reader}") == ["a.txt", "b.txt"]
    os.close(reader)
    os.mkfifo("nobody")
    assert listed("@nobody") == ["!nobody: an empty list, expected one input a line"]


def test_lists_that_name_each_other() -> None:
    put("a.txt", content="@b.txt\n")
    put("b.txt", content="@a.txt\n")
    assert listed("@a.txt") == ["!b.txt:1: a.txt: a list that contains itself, expected paths"]


def test_lists_that_multiply_are_read_once() -> None:
    put("x.csv")
    for level in range(40):
        put(f"{level}.txt", content=f"@{level + 1}.txt\n@{level + 1}.txt\n")
    put("40.txt", content="x.csv\n")
    assert listed("@0.txt") == ["x.csv"]


def test_the_jobs_own_output_is_no_input() -> None:
    put("in/a.txt", "in/out/claims/part.parquet", "in/claims.jsonl", "in/other/claims.jsonl", "in/z.txt")
    assert listed("in", skip="in/out") == ["in/a.txt", "in/claims.jsonl", "in/other/claims.jsonl", "in/z.txt"]
    assert listed("in/*.jsonl", "in/a.txt", skip="in/claims.jsonl") == [
        f"!in/*.jsonl: no articles fit this pattern, expected {EXPECTED} files",
        "in/a.txt",
    ]
    assert listed("in/out", skip="in/out") == ["!in/out: the job's own output, expected an input"]
    assert listed("in/out/claims", skip="in/../in/out") == ["!in/out/claims: the job's own output, expected an input"]


def test_an_output_reached_by_a_link_is_no_input() -> None:
    put("out/claims.jsonl", "in/a.txt")
    Path("in/link").symlink_to("../out")
    assert listed("in", skip="out") == ["in/a.txt"]


def test_links_are_followed_but_never_in_circles() -> None:
    put("in/a/one.txt", "elsewhere/two.txt")
    Path("in/a/up").symlink_to("..")
    Path("in/a/self").symlink_to("self")
    Path("in/b").symlink_to("../elsewhere")
    Path("in/c").symlink_to("../elsewhere")
    Path("in/gone.txt").symlink_to("nowhere.txt")
    Path("in/three.txt").symlink_to("../elsewhere/two.txt")
    assert listed("in") == ["in/a/one.txt", "in/b/two.txt", "in/three.txt"]
    assert listed("in/a/self") == [f"!in/a/self: cannot be read: {os.strerror(errno.ELOOP)}"]


def test_folders_that_link_to_each_other_end() -> None:
    folders = [Path(f"in/{name}") for name in "abcdefghij"]
    for folder in folders:
        put(f"{folder}/x.txt")
        for other in folders:
            (folder / f"to-{other.name}").symlink_to(f"../{other.name}")
    found = listed("in")
    assert len(found) == len(set(found)) <= 200
    assert {f"{folder}/x.txt" for folder in folders} <= set(found)


def test_a_tree_deeper_than_the_stack() -> None:
    here = os.getcwd()
    for _ in range(1200):
        os.mkdir("d")
        os.chdir("d")
    put("deep.txt")
    os.chdir(here)
    found = listed("d")
    # What cleans up after tests needs a stack as deep as the tree, so this one does it itself.
    os.chdir("d/" * 1200)
    os.unlink("deep.txt")
    for _ in range(1200):
        os.chdir("..")
        os.rmdir("d")
    assert found == [f"{'d/' * 1200}deep.txt"]


def test_a_name_that_is_no_unicode() -> None:
    Path("in").mkdir()
    name = os.fsdecode(b"in/caf\xe9.txt")
    Path(name).write_text("x")
    [file] = list_files(["in"], spool=Path("spool"))
    assert isinstance(file, InputFile)
    assert (file.name, file.stem, file.path) == ("in/caf\\udce9.txt", "caf\\udce9", Path(name))
    assert listed(name) == [file.name]


def test_a_folder_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    put("in/a/x.txt", "in/b/y.txt")
    scandir = os.scandir

    def refuse(folder: Path) -> object:
        if folder.name == "a":
            raise PermissionError(errno.EACCES, "refused", str(folder))
        return scandir(folder)

    monkeypatch.setattr("os.scandir", refuse)
    assert listed("in") == [f"!in/a: cannot be read: {os.strerror(errno.EACCES)}", "in/b/y.txt"]


def test_listing_is_lazy() -> None:
    put("in/a.txt", "in/b/c.txt")
    files = list_files(["in"], spool=Path("spool"))
    next(files)
    put("in/b/d.txt")
    assert [file.name for file in files if isinstance(file, InputFile)] == ["in/b/c.txt", "in/b/d.txt"]


def test_standard_input_is_copied_so_that_it_can_be_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    data = os.urandom(3_000_000)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    put("a.txt")
    found = list(list_files(["a.txt", "-", "-"], spool=Path("copy")))
    assert found[1] == InputFile(STDIN, Path("copy"), 3_000_000)
    assert Path("copy").read_bytes() == data
    assert str(found[2]) == "standard input: was read before, expected - once"


class _Broken(io.RawIOBase):
    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        raise OSError(errno.EIO, "broken")


def test_standard_input_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(_Broken())))
    [error] = list_files(["-"], spool=Path("spool"))
    assert str(error) == f"standard input: cannot be read: {os.strerror(errno.EIO)}"


def test_a_copy_of_standard_input_that_cannot_be_written_is_no_fault_of_the_input(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"x")))
    with pytest.raises(FileNotFoundError):
        list(list_files(["-"], spool=Path("no/such/folder")))


def test_a_fingerprint_is_that_of_the_bytes() -> None:
    put("a.txt", content=b"words" * 1_000_000)
    assert fingerprint(Path("a.txt")) == hashlib.sha256(b"words" * 1_000_000).hexdigest()


@given(st.lists(st.text(max_size=30), max_size=4))
def test_any_words_are_files_or_errors(inputs: list[str]) -> None:
    Path("empty").mkdir(exist_ok=True)
    for found in list_files([f"empty/{name}" for name in inputs], spool=Path("spool")):
        assert isinstance(found, ListingError)
        str(found).encode()
