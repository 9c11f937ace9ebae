"""The results page as a file; what it does in a browser is tested in `browser/test_page.py`."""

import base64
import hashlib
import json
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_job import Made, Said, make_job, make_lines
from typer.testing import CliRunner

from stance import page as page_module
from stance.cli import app
from stance.document import TEMPLATES, embed, render
from stance.errors import ConfigError, InputError
from stance.page import make_page, write_page
from stance.results import ArticleFound, Results, Wanted, asked_for, read_results
from stance.types import Stance

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7 * 7 }}{% raw %}<!-- & \u2028\u202e"

ARTICLES = [
    Made(
        "one",
        "Bridge row\n\n😀 “You lied,” Ann Lee told the council. “We never did,” it said.",
        [
            Said("You lied,", "Ann Lee", "accusation", "told", "Ann Lee", target="council"),
            Said("We never did,", "council", "denial", "said", "it", second="justification"),
        ],
        {"publisher": "Post", "date": "2024-05-03", "url": "https://example.org/1"},
    ),
    Made(
        "two",
        "It will rain, said Bo.",
        [Said("It will rain", "Bo", cue="said", source="Bo")],
        {"title": "Rain", "publisher": "Echo", "date": "2024-06-01"},
    ),
    Made("three", "Nobody said a word."),
    Made("four", "It will rain, said Bo.", metadata={"publisher": "Mail"}, duplicate_of="two"),
    Made("five", "They stole it, said Ann Lee-Fox.", [Said("They stole it", "Ann Lee-Fox", "accusation")]),
]


class Blocks(HTMLParser):
    """Gathers what stands in the scripts and styles of a page, and all tags with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.blocks: dict[str, str] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._in = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in = f"{tag} {dict(attrs).get('id', '')}".strip() if tag in {"script", "style"} else ""

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in:
            self.blocks[self._in] = self.blocks.get(self._in, "") + data


def data_of(html: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(Blocks(html).blocks["script data"])
    return loaded


@pytest.fixture
def job(tmp_path: Path) -> Path:
    return make_job(tmp_path / "job", ARTICLES, size=2)


def read(source: Path, wanted: Wanted | None = None, *, limit: int = 100, chars: int = 10_000) -> Results:
    return read_results(source, wanted or Wanted(), limit=limit, chars=chars)


def names(results: Results) -> list[str]:
    return [article.id for article in results.articles]


# Reading


def test_a_job_gives_its_articles_with_their_claims(job: Path) -> None:
    found = read(job)
    assert names(found) == ["one", "two", "three", "five"]
    assert (found.matching, found.of, found.failed, found.state) == (4, 4, 0, None)
    one, two, three, five = found.articles
    assert [claim["content"] for claim in one.claims] == ["You lied,", "We never did,"]
    assert (one.day, one.named["publisher"], one.text) == (date(2024, 5, 3), "Post", ARTICLES[0].text)
    assert [two.also, three.also, three.claims] == [["Mail"], [], []]
    assert five.claims[0]["speaker"] == "Ann Lee-Fox"


def test_a_file_of_claims_gives_the_same_without_texts(job: Path, tmp_path: Path) -> None:
    lines = make_lines(tmp_path / "run.jsonl.gz", ARTICLES)
    of_job = [one for one in read(job).articles if one.claims]
    for one, other in zip(of_job, read(lines).articles, strict=True):
        assert (one.id, one.named, one.day) == (other.id, other.named, other.day)
        assert other.text is None
        kept = [{key: value for key, value in claim.items() if key != "metadata"} for claim in other.claims]
        assert [{key: value for key, value in claim.items() if key != "metadata"} for claim in one.claims] == kept


def test_texts_of_web_pages_and_claims_anywhere_in_the_file(tmp_path: Path) -> None:
    web = Made("web", "It will rain, said Bo. Snow, said Al.", [Said("It will rain"), Said("Snow")], extracted=True)
    path = make_lines(tmp_path / "run.jsonl", [web, ARTICLES[0]])
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([lines[1], lines[2], lines[0], lines[3]]), encoding="utf-8")
    found = read(path)
    assert [(one.id, one.text is None, len(one.claims)) for one in found.articles] == [
        ("web", False, 2),
        ("one", True, 2),
    ]
    contents = [row[:2] for row in data_of(make_page(found, "run"))["articles"][0]["claims"]]
    assert len(contents) == 2  # in the order of the text
    assert [claim["content"] for claim in found.articles[0].claims] == ["Snow", "It will rain"]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, ["one", "two", "three", "five"]),
        ({"publishers": ["post"]}, ["one"]),
        ({"publishers": ["Post", "ECHO"]}, ["one", "two"]),
        ({"since": "2024-05-03"}, ["one", "two"]),
        ({"since": "4 May 2024"}, ["two"]),
        ({"until": "2024-05-03"}, ["one"]),
        ({"since": "2024-05-04", "until": "2024-05-31"}, []),
        ({"speakers": ["ann lee"]}, ["one", "five"]),
        ({"speakers": ["fox", "BO"]}, ["two", "five"]),
        ({"stances": ["denial"]}, ["one"]),
        ({"stances": ["justification"]}, ["one"]),
        ({"speakers": ["ann"], "stances": ["denial"]}, []),
        ({"speakers": ["council"], "stances": ["denial"], "publishers": ["Post"]}, ["one"]),
    ],
)
def test_what_was_asked_for(asked: dict[str, Any], expected: list[str], job: Path, tmp_path: Path) -> None:
    empty: dict[str, Any] = {"publishers": [], "since": None, "until": None, "speakers": [], "stances": []}
    wanted = asked_for(**(empty | asked))
    found = read(job, wanted)
    assert (names(found), found.matching, found.of) == (expected, len(expected), 4)
    lines = make_lines(tmp_path / "run.jsonl", ARTICLES)
    assert names(read(lines, wanted)) == [name for name in expected if name != "three"]


@pytest.mark.parametrize("asked", [["--since", "3/4/2024"], ["--until", "soon"], ["--stance", "praise"]])
def test_what_cannot_be_asked_for(asked: list[str], job: Path) -> None:
    result = CliRunner().invoke(app, ["view", str(job), *asked])
    assert result.exit_code == 2
    assert f"{asked[0]} is '{asked[1]}', expected" in result.stderr


def test_beyond_the_limits_the_first_are_shown(job: Path, tmp_path: Path) -> None:
    lines = make_lines(tmp_path / "run.jsonl", ARTICLES)
    for source, all_of_them in ((job, 4), (lines, 3)):
        found = read(source, limit=2)
        assert (names(found), found.matching, found.of) == (["one", "two"], all_of_them, all_of_them)
    assert names(read(job, chars=len(ARTICLES[0].text) + 21)) == ["one"]
    assert names(read(job, chars=len(ARTICLES[0].text) + 22)) == ["one", "two"]
    assert names(read(job, chars=1)) == ["one"]  # one there must be


def test_bad_sources_are_named(job: Path, tmp_path: Path) -> None:
    for name, words in (
        ("none.jsonl", "none.jsonl: no such file, expected a job's folder or a JSON Lines file"),
        ("claims.csv", "claims.csv: found .csv, expected a job's folder or a .jsonl file"),
        (".", "no claims/ and articles/ in it, expected a job's folder"),
    ):
        (tmp_path / "claims.csv").touch()
        with pytest.raises(ConfigError, match=words.replace(".", r"\.")):
            read(tmp_path / name)
    (job / "articles" / "part-00001.parquet").write_bytes(b"no")
    with pytest.raises(InputError, match=r"part-00001\.parquet: cannot be read"):
        read(job)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stance": "praise"}, "stance: Input should be"),
        ({"content_spans": []}, "content_spans: List should have at least 1 item"),
        ({"content_spans": [[0, -1]]}, r"content_spans\.0\.1: Input should be greater than or equal to 0"),
        ({"probabilities": None}, "probabilities: Input should be a valid dictionary"),
        ({"speaker": 3}, "speaker: Input should be a valid string"),
    ],
)
def test_bad_lines_are_named(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    path = make_lines(tmp_path / "run.jsonl", ARTICLES[:1])
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([lines[0], json.dumps(json.loads(lines[1]) | change)]), encoding="utf-8")
    with pytest.raises(InputError, match=rf"run\.jsonl:2: {words}.*, expected a claim as 'stance run"):
        read(path)
    path.write_text(lines[0] + "\n{", encoding="utf-8")
    with pytest.raises(InputError, match=r"run\.jsonl:2: not JSON"):
        read(path)


# The file


def test_the_policy_allows_what_is_in_the_file_and_nothing_else(job: Path) -> None:
    html = make_page(read(job), EVIL)
    blocks = Blocks(html)
    policies = [tag["content"] for name, tag in blocks.tags if tag.get("http-equiv") == "Content-Security-Policy"]
    assert len(policies) == 1
    policy = dict(part.split(" ", 1) for part in (policies[0] or "").split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == policy["trusted-types"] == "'none'"
    for name, block in (("style-src", "style"), ("script-src", "script")):
        digest = base64.b64encode(hashlib.sha256(blocks.blocks[block].encode()).digest()).decode()
        assert policy[name] == f"'sha256-{digest}'"
    assert set(blocks.blocks) == {"style", "script", "script data"}
    for _, attributes in blocks.tags:
        assert not {"src", "style", "srcset"} & attributes.keys()
        assert not [key for key in attributes if key.startswith("on")]
        assert (attributes.get("href") or "#").startswith("#")


def test_hostile_words_stay_words(tmp_path: Path) -> None:
    text = f"{EVIL}\n\nYes, said {EVIL}."
    metadata = dict.fromkeys(["title", "publisher", "author", "url"], EVIL)
    evil = Made(EVIL, text, [Said("Yes", EVIL, "accusation", "said", EVIL, target=EVIL)], metadata)
    folder = make_job(tmp_path / "job", [evil])
    html = make_page(read(folder), EVIL)
    assert "<script>alert" not in html
    assert "<img" not in html
    data = data_of(html)
    assert data["articles"][0]["text"] == text
    assert data["names"] == [EVIL]


@given(
    st.recursive(
        st.text() | st.none() | st.booleans(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_data_can_stand_in_a_page(data: Any) -> None:
    line = embed(data)
    assert not set(line) & set("<>&\u2028\u2029")
    assert json.loads(line) == data


def test_half_surrogate_pairs_are_replaced() -> None:
    assert json.loads(embed("a\ud800b")) == "a�b"


def test_a_source_that_would_end_its_block_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "x.js"
    script.write_text('const x = "</script>";', encoding="utf-8")
    with pytest.raises(ValueError, match=r"x\.js: found '</'"):
        render(TEMPLATES / "page" / "page.html", styles=[], scripts=[script], data=None, values={})


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])), st.data())
def test_offsets_count_as_javascript_does(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    claim = {
        "claim_id": "0",
        "content": text[start:end],
        "content_spans": [[start, end]],
        "kind": "direct",
        "stance": "other",
        "probabilities": {"other": 1.0},
        "model": "toy",
        **dict.fromkeys(
            "cue cue_span source source_span speaker speaker_probability second target target_probability".split()
        ),
    }
    found = ArticleFound("a", dict.fromkeys("title url date publisher author".split()), None, text, [claim])
    row = data_of(make_page(Results([found], 1, 1), "x"))["articles"][0]["claims"][0]
    [first, last] = row[9]
    units = text.encode("utf-16-le")
    assert units[2 * first : 2 * last].decode("utf-16-le") == text[start:end]


def test_titles(tmp_path: Path) -> None:
    made = [
        Made("a", "First line\n\nmore", metadata={"title": "Given"}),
        Made("b", "\n  First line \r\nmore"),
        Made("c", "x" * 201 + "\nmore"),
        Made("d", "", metadata={"title": "y" * 1000}),
    ]
    articles = data_of(make_page(read(make_job(tmp_path / "job", made)), "x"))["articles"]
    assert [one["title"] for one in articles] == ["Given", "First line", "c", "y" * 399 + "…"]


def test_claims_with_one_id_have_keys_of_their_own(tmp_path: Path) -> None:
    twice = Made("a", "Yes, he said.", [Said("Yes"), Said("Yes", stance="denial")])
    [article] = data_of(make_page(read(make_job(tmp_path / "job", [twice])), "x"))["articles"]
    keys = [row[0] for row in article["claims"]]
    assert keys[1] == f"{keys[0]}-2"


def test_a_page_says_what_is_missing(job: Path, tmp_path: Path) -> None:
    (job / "job.json").write_text('{"state": "interrupted"}', encoding="utf-8")
    (job / "errors.jsonl").write_text('{"id": "x"}\n{"id": "y"}\n', encoding="utf-8")
    page = make_page(read(job, limit=1), "job", narrowed=True)
    for words in (
        "3 of 4 articles are left out",
        "--publisher, --since, --until, --speaker or --stance",
        "Not all: of 4 articles, 4 match",
        "not finished when this page was made (interrupted)",
        "2 articles or files could not be read",
    ):
        assert words in page
    lines = make_lines(tmp_path / "run.jsonl", ARTICLES)
    assert "The texts are not here" in make_page(read(lines), "run.jsonl")
    (job / "job.json").write_text('{"state": "finished"}', encoding="utf-8")
    (job / "errors.jsonl").unlink()
    assert 'class="remarks" aria-label' not in make_page(read(job), "job")


def test_the_same_results_give_the_same_bytes(job: Path, tmp_path: Path) -> None:
    for name in ("a.html", "b.html"):
        write_page(job, tmp_path / name)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert str(tmp_path) not in (tmp_path / "a.html").read_text(encoding="utf-8")


# The command


def test_the_command(job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = CliRunner().invoke(app, ["view", str(job)])
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"4 articles, 4 claims -> {job / 'page.html'}" in result.stderr
    lines = make_lines(tmp_path / "run.jsonl.gz", ARTICLES)
    assert CliRunner().invoke(app, ["view", str(lines)]).exit_code == 0
    assert (tmp_path / "run.html").is_file()
    out = tmp_path / "x.html"
    result = CliRunner().invoke(app, ["view", str(job), "-o", str(out), "--speaker", "lee", "--publisher", "Post"])
    assert f"1 articles, 2 claims -> {out}" in result.stderr
    monkeypatch.setattr(page_module, "MAX_ARTICLES", 3)
    result = CliRunner().invoke(app, ["view", str(job), "-o", str(out)])
    assert result.exit_code == 0
    assert "1 articles left out, the page has room for 3: narrow with --publisher" in result.stderr


def test_the_command_says_what_is_wrong(job: Path, tmp_path: Path) -> None:
    for arguments, code, words in (
        ([str(tmp_path / "none")], 2, "none: no such file"),
        ([str(job), "-o", str(tmp_path / "no" / "x.html")], 2, "x.html: cannot be written: No such file or directory"),
    ):
        result = CliRunner().invoke(app, ["view", *arguments])
        assert (result.exit_code, words in result.stderr) == (code, True), result.stderr
    lines = make_lines(tmp_path / "run.jsonl", ARTICLES)
    before = lines.read_bytes()
    assert CliRunner().invoke(app, ["view", str(lines), "-o", str(lines)]).exit_code == 2
    assert lines.read_bytes() == before
    (job / "claims" / "part-00000.parquet").write_bytes(b"no")
    assert CliRunner().invoke(app, ["view", str(job)]).exit_code == 1


def test_stances_are_those_of_the_scripts() -> None:
    script = (TEMPLATES / "page" / "data.js").read_text(encoding="utf-8")
    places = [script.index(f'name: "{stance}"') for stance in Stance]
    assert places == sorted(places)
