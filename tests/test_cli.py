"""The command line: real processes on real files, and the same commands in this process for what goes wrong."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from stance import Stance, __version__
from stance.cli import app
from stance.network import MODEL_FORMAT

ROOT = Path(__file__).parent.parent
COMMAND = [sys.executable, "-m", "stance"]
TEXT = "“We will rebuild the bridge before winter,” said Nora Feld. She denied that the city had lied about it.\n"
ROW_KEYS = {
    *("schema", "article_id", "claim_id", "content", "content_spans", "cue", "cue_span", "source", "source_span"),
    *("speaker", "speaker_probability", "kind", "stance", "second", "probabilities", "model"),
    *("target", "target_probability"),
}
ANNOTATED = {
    "id": "annotated",
    "text": TEXT,
    "quotes": [
        {"content": [[0, 43]], "cue": [[44, 48]], "source": [[49, 58]], "stance": "justification", "note": "mine"},
        {"content": [[76, 102]], "cue": [64, 70], "source": None},
    ],
}

Invoke = Callable[..., Any]


def _stance(*arguments: object, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        cwd=ROOT,
        timeout=300,
        check=False,
        env=os.environ | {"PYTHONIOENCODING": "utf-8", "COLUMNS": "80"},
    )


def _rows(lines: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.splitlines()]


def _write_rows(path: Path, *rows: object) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def invoke(tiny_model: Path) -> Invoke:
    """Runs a command in this process with the tiny model."""

    def run(command: str, *arguments: object, model: Path | None = tiny_model, stdin: str | None = None) -> Any:
        chosen = [] if model is None else ["--model", str(model)]
        return CliRunner().invoke(app, [command, *map(str, arguments), *chosen], input=stdin, catch_exceptions=False)

    return run


@pytest.fixture
def article(tmp_path: Path) -> Path:
    path = tmp_path / "article.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


# Real processes, with the weights that ship


def test_run_reads_a_folder_and_lines_into_a_file(samples: Path, tmp_path: Path) -> None:
    lines = _write_rows(
        tmp_path / "more.jsonl", {"id": 7, "text": TEXT, "url": "https://example.org", "tags": ["a", "ü"]}
    )
    out = tmp_path / "claims.jsonl"
    done = _stance("run", samples, lines, "-o", out, "--config", ROOT / "configs" / "run.yaml", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    rows = _rows(out.read_text(encoding="utf-8"))
    assert f"{len(list(samples.iterdir())) + 1} articles, {len(rows)} claims -> {out}" in done.stderr
    ids = list(dict.fromkeys(row["article_id"] for row in rows))
    assert ids == [*sorted(path.stem for path in samples.glob("*.txt")), "7"]
    assert {row["stance"] for row in rows} == set(Stance)
    for row in rows:
        assert row.keys() - {"metadata"} == ROW_KEYS
        assert sum(row["probabilities"].values()) == pytest.approx(1.0, abs=1e-9)
        if row["article_id"] == "7":
            assert row["metadata"] == {"url": "https://example.org", "tags": ["a", "ü"]}
            text = TEXT
        else:
            assert "metadata" not in row
            text = (samples / f"{row['article_id']}.txt").read_text(encoding="utf-8")
        assert row["content"] == " … ".join(text[s:e] for s, e in row["content_spans"])
        for role in ("cue", "source"):
            span = row[f"{role}_span"]
            assert row[role] == (None if span is None else text[slice(*span)])


def test_run_writes_json_lines_to_a_pipe(samples: Path) -> None:
    done = _stance("run", samples / "world-09.txt", samples / "courts-09.txt")
    assert done.returncode == 0, done.stderr
    rows = _rows(done.stdout)
    assert list(dict.fromkeys(row["article_id"] for row in rows)) == ["world-09", "courts-09"]
    assert done.stderr.strip() == f"2 articles, {len(rows)} claims"


def test_run_reads_standard_input() -> None:
    done = _stance("run", "-", stdin=TEXT)
    assert done.returncode == 0, done.stderr
    rows = _rows(done.stdout)
    assert {row["article_id"] for row in rows} == {"stdin"}
    assert [row["speaker"] for row in rows] == ["Nora Feld", "Nora Feld"]
    assert rows[1]["stance"] == "denial"


@pytest.mark.slow
def test_a_reader_that_leaves_early_is_no_error(samples: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "run", str(samples)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read().decode()
        assert process.wait(300) == 0, errors
    assert "Traceback" not in errors
    assert "BrokenPipe" not in errors


def test_classify_judges_annotated_articles_and_bare_quotes(tmp_path: Path) -> None:
    bare = {"text": "that the army shelled the town", "cue": "denied", "speaker": "The ministry", "row": 12}
    lines = _write_rows(tmp_path / "quotes.jsonl", ANNOTATED, bare)
    done = _stance("classify", lines)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == "3 quotes"
    annotated, row = _rows(done.stdout)
    assert {key: row[key] for key in bare} == bare
    assert row["stance"] == "denial"
    assert set(row["probabilities"]) == set(Stance)
    assert row["model"]
    assert {key: annotated[key] for key in ("id", "text")} == {"id": "annotated", "text": TEXT}
    first, second = annotated["quotes"]
    assert first["stance"] in set(Stance)
    assert second["stance"] == "denial"
    assert first["annotated"] == {"stance": "justification"}
    assert first["note"] == "mine"
    assert "annotated" not in second


def test_bad_inputs_are_named_and_the_others_are_done(tmp_path: Path) -> None:
    def write(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    good, other = write("good.txt", TEXT.encode()), write("other.txt", TEXT.encode("utf-8-sig"))
    empty, lines_without = write("empty.txt", b" \n"), write("empty.jsonl", b"")
    picture = write("picture.txt", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
    windows = write("windows.txt", f"{TEXT}It froze in Umeå.".encode("cp1252"))
    page = write("page.html", b"<p></p>")
    again = write("again.txt", TEXT.encode())
    rows = write(
        "rows.jsonl",
        b'{"id": "first", "text": "It rained."}\nnot json\n{"id": "x"}\n[1]\n\n{"id": "first", "text": "Again."}\n'
        b'{"id": "x", "text": 5}\n{"id": "half", "text": "\\ud83d gone"}\n{"id": "caf\xe9", "text": "a"}\n'
        + json.dumps({"id": "last", "text": f"{TEXT}It snowed.", "title": "\ud83d"}).encode(),
    )
    missing = tmp_path / "missing.txt"
    done = _stance("run", good, empty, lines_without, picture, windows, page, rows, missing, other, again)
    assert done.returncode == 1, done.stderr
    assert list(dict.fromkeys(row["article_id"] for row in _rows(done.stdout))) == ["good", "windows", "last", "other"]
    expected = [
        f"error: {empty}: empty, expected an article's text",
        f"error: {lines_without}: empty, expected one article a line",
        f"error: {picture}: found control character",
        "not a text file; expected UTF-8 text",
        f"warning: {windows}: not UTF-8 (byte 0); read as Windows-1252",
        f"error: {page}: no article found in this page",
        f"warning: {again}: the same text as 'good'; read once",
        f"error: {rows}:2: not JSON",
        f"error: {rows}:3: no 'text' in it (found 'id'), expected 'id' and 'text'",
        f"error: {rows}:4: found a JSON list, expected an object",
        f"error: {rows}:6: id 'first' was used before, at {rows}:1; expected each id once",
        f"error: {rows}:7: 'text' is 5, expected a string",
        f"error: {rows}:8: 'text' holds half a surrogate pair, expected",
        f"error: {rows}:9: not JSON",
        f"error: {missing}: no such file or folder",
        "5 articles, 1 with the text of another",
        "12 failed",
    ]
    for words in expected:
        assert words in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def test_help_is_shown_by_the_real_command() -> None:
    done = _stance("--help")
    assert done.returncode == 0
    for words in ("run", "classify", "info", "accusations"):
        assert words in done.stdout


def test_info_shows_model_and_versions() -> None:
    done = _stance("info")
    assert done.returncode == 0, done.stderr
    for words in (__version__, "default", torch.__version__, "million", "MiB", "cores", "cpu"):
        assert words in done.stdout
    metrics = ROOT / "models" / "default" / "metrics.json"
    if metrics.is_file():
        assert all(name in done.stdout for name in json.loads(metrics.read_text(encoding="utf-8"))["sets"])


# The same commands in this process, with a tiny model


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("run", ["INPUT", "--out", "--model", "--device", "--batch-size", "--config", "stance run article.txt"]),
        ("classify", ["INPUT.jsonl", "--records", "--out", "--model", "--device"]),
        ("info", ["--model", "versions"]),
    ],
)
def test_every_command_explains_itself(command: str, words: list[str], invoke: Invoke) -> None:
    result = invoke(command, "--help", model=None)
    assert result.exit_code == 0
    for word in words:
        assert word in result.stdout


def test_no_command_and_wrong_usage(invoke: Invoke) -> None:
    assert "Usage" in CliRunner().invoke(app, []).output
    for arguments in ([], ["--nonsense"], ["a.txt", "--batch-size", "many"]):
        result = invoke("run", *arguments, model=None)
        assert result.exit_code == 2
        assert "Usage" in result.stderr


def test_records_give_one_line_a_quote(invoke: Invoke, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    result = invoke(
        "classify", _write_rows(tmp_path / "in.jsonl", ANNOTATED, {"text": "Bare."}), "--records", "-o", out
    )
    assert result.exit_code == 0, result.stderr
    first, second, bare = _rows(out.read_text(encoding="utf-8"))
    assert first["article_id"] == second["article_id"] == "annotated"
    assert (first["content_spans"], first["source_span"], first["note"]) == ([[0, 43]], [49, 58], "mine")
    assert (second["content_spans"], second["source_span"]) == ([[76, 102]], None)
    assert bare["text"] == "Bare."
    assert {row["model"] for row in (first, second, bare)} == {"tiny"}


def test_a_source_written_as_one_span_is_a_span_in_the_records(invoke: Invoke, tmp_path: Path) -> None:
    """The data format takes [start, end] as well as [[start, end]]."""
    quote = {"content": [0, 43], "source": [49, 58]}
    lines = _write_rows(tmp_path / "in.jsonl", {"id": "a", "text": TEXT, "quotes": [quote]})
    [row] = _rows(invoke("classify", lines, "--records").stdout)
    assert row["content_spans"] == [[0, 43]]
    assert row["source_span"] == [49, 58]


def test_classify_names_bad_lines_and_judges_the_others(invoke: Invoke, tmp_path: Path) -> None:
    path = _write_rows(
        tmp_path / "in.jsonl",
        {"text": ""},
        {"id": "a", "text": "It rained.", "quotes": [{"content": [[3, 99]]}]},
        {"text": "Fine.", "cue": 3},
        {"id": "b", "text": "Yes \u200b", "quotes": [{"content": [[4, 5]]}, {"content": [[0, 3]]}]},
        {"text": "It will rain."},
    )
    result = invoke("classify", path)
    assert result.exit_code == 1
    for words in (
        f"{path}:1: no string 'text' with something in it, expected",
        f"{path}:2, quote 1, content: span [3, 99], expected [start, end] within the 10 characters",
        f"{path}:3: 'cue' is a int, expected a string",
        f"{path}:4: a quote without a word in it, expected",
        "4 failed",
    ):
        assert words in result.stderr
    kept, last = _rows(result.stdout)
    assert [quote["stance"] is None for quote in kept["quotes"]] == [True, False]
    assert last["stance"] in set(Stance)


def test_lines_come_on_standard_input_too(invoke: Invoke) -> None:
    result = invoke("run", "-", stdin='{"id": "a", "text": "It rained."}\nnot json\n')
    assert result.exit_code == 1
    assert "standard input:2: not JSON" in result.stderr
    assert "1 articles" in result.stderr


@pytest.mark.parametrize("command", ["run", "classify"])
def test_a_missing_input_is_named(command: str, invoke: Invoke, tmp_path: Path) -> None:
    result = invoke(command, tmp_path / "missing.jsonl")
    assert result.exit_code == 1
    assert str(tmp_path / "missing.jsonl") in result.stderr


def test_a_folder_without_articles_is_named(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = invoke("run", tmp_path / "empty")
    assert result.exit_code == 1
    assert f"{tmp_path / 'empty'}: no articles in this folder, expected .txt, .html, .htm" in result.stderr


def test_an_article_named_twice_is_read_once(invoke: Invoke, article: Path) -> None:
    result = invoke("run", article, article)
    assert result.exit_code == 0
    assert "1 articles" in result.stderr


@pytest.mark.parametrize(
    ("yaml", "words"),
    [
        ("modle: x\n", "unknown key 'modle', expected one of model, device, batch_size"),
        ("batch_size: 0\n", "batch_size is 0"),
        ("device: tpu\n", "device is 'tpu'"),
        ("- a\n", "found a list, expected keys with values"),
        ("a: [\n", "cannot be read"),
    ],
)
@pytest.mark.parametrize("command", ["run", "classify"])
def test_a_bad_config_is_named(
    command: str, yaml: str, words: str, invoke: Invoke, article: Path, tmp_path: Path
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml, encoding="utf-8")
    result = invoke(command, article, "--config", path, model=None)
    assert result.exit_code == 2
    assert f"error: {path}: " in result.stderr
    assert words in result.stderr
    assert result.stdout == ""


def test_unsure_claims_are_left_out_and_counted(invoke: Invoke, samples: Path, tmp_path: Path) -> None:
    sample = sorted(samples.glob("*.txt"))[0]

    def read(*options: object) -> tuple[list[dict[str, Any]], str]:
        out = tmp_path / "out.jsonl"
        done = invoke("run", sample, "-o", out, *options, model=None)
        return _rows(out.read_text(encoding="utf-8")), done.output

    every, said = read()
    assert "left out" not in said
    least = sorted(row["probabilities"][row["stance"]] for row in every)[len(every) // 2] - 0.00005  # rows are rounded
    sure, said = read("--min-probability", least)
    assert 0 < len(sure) < len(every)
    assert sure == [row for row in every if row["probabilities"][row["stance"]] >= least]
    assert f"{len(sure)} claims, {len(every) - len(sure)} unsure claims left out" in said
    assert read("--min-probability", 0)[0] == every
    assert invoke("run", sample, "--min-probability", 1.5).exit_code == 2


def test_settings_out_of_range_and_a_config_that_is_not_there(invoke: Invoke, article: Path, tmp_path: Path) -> None:
    for arguments, words in (
        (["--device", "tpu"], "device is 'tpu': Input should be 'auto', 'cpu' or 'cuda'"),
        (["--batch-size", "0"], "batch_size is 0: Input should be greater than or equal to 1"),
        (["--config", str(tmp_path / "no.yaml")], f"{tmp_path / 'no.yaml'}: cannot be read"),
    ):
        result = invoke("run", article, *arguments)
        assert result.exit_code == 2
        assert words in result.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_said_so(invoke: Invoke, article: Path) -> None:
    result = invoke("run", article, "--device", "cuda")
    assert result.exit_code == 3
    assert "finds no GPU here, expected one" in result.stderr


def _foreign_weights(folder: Path) -> None:
    save_file({"other": torch.zeros(2)}, folder / "model.safetensors")


def _no_numbers(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["tagger.bias"][3] = float("nan")
    save_file(weights, folder / "model.safetensors")


def _truncate(folder: Path) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[:-100])


@pytest.mark.parametrize(
    ("spoil", "file", "words"),
    [
        pytest.param(shutil.rmtree, "", "no such model folder, expected one with", id="no folder"),
        pytest.param(
            lambda f: (f / "tokenizer.json").unlink(), "tokenizer.json", "missing, expected", id="a file less"
        ),
        pytest.param(
            lambda f: (f / "config.json").write_text('{"model_type": "bert"}') and None,
            "config.json",
            f"format is None, expected {MODEL_FORMAT!r}",
            id="foreign config",
        ),
        pytest.param(_foreign_weights, "model.safetensors", "weights do not fit config.json", id="foreign weights"),
        pytest.param(_truncate, "model.safetensors", "weights", id="truncated weights"),
        pytest.param(_no_numbers, "model.safetensors", "tagger.bias holds values that are no", id="no numbers"),
    ],
)
@pytest.mark.parametrize("command", ["run", "classify", "info"])
def test_a_bad_model_folder_is_named(
    command: str, spoil: Callable[[Path], None], file: str, words: str, invoke: Invoke, article: Path, tiny_model: Path
) -> None:
    folder = Path(shutil.copytree(tiny_model, article.parent / "model"))
    spoil(folder)
    result = invoke(command, *([] if command == "info" else [article]), model=folder)
    assert result.exit_code == 3
    assert f"error: {folder / file}: " in result.stderr
    assert words in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("command", ["run", "classify"])
def test_an_output_that_is_an_input_is_refused(command: str, invoke: Invoke, tmp_path: Path) -> None:
    path = _write_rows(tmp_path / "both.jsonl", {"id": "a", "text": TEXT})
    before = path.read_bytes()
    result = invoke(command, path, "-o", tmp_path / "." / "both.jsonl")
    assert result.exit_code == 2
    assert f"{path}: is an input and the output, expected another name" in result.stderr
    assert path.read_bytes() == before


def test_an_output_in_a_folder_that_is_read_is_not_read_as_an_article(invoke: Invoke, article: Path) -> None:
    """A second run of the same command must not take the first run's claims for articles."""
    out = article.parent / "claims.jsonl"
    for _ in range(2):
        result = invoke("run", article.parent, "-o", out)
        if result.exit_code == 2:
            assert str(out) in result.stderr
        else:
            assert result.exit_code == 0, result.stderr
            assert "1 articles" in result.stderr


def test_an_output_that_cannot_be_written_is_named(invoke: Invoke, article: Path) -> None:
    out = article.parent / "nowhere" / "claims.jsonl"
    result = invoke("run", article, "-o", out)
    assert result.exit_code == 2
    assert f"{out}: cannot be written" in result.stderr


def test_names_of_files_cannot_write_markup_or_escapes(invoke: Invoke, tmp_path: Path) -> None:
    path = tmp_path / "[red]a\x1b[2J.txt"
    path.write_text(" ", encoding="utf-8")
    result = invoke("run", path)
    assert result.exit_code == 1
    assert "[red]a\\x1b[2J.txt: empty" in result.stderr
