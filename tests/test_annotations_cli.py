"""The commands on real files: from a run's results to annotations and back."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from made_job import Made, Said, make_job, make_lines
from typer.testing import CliRunner

from training import cli
from training.annotations import parse_marked, read_annotated, to_row

ROOT = Path(__file__).parent.parent
HELD = ROOT / "training" / "corpus" / "held.jsonl"
TEXT = "“Nobody sold the quay,” said Tess Marlow."


def invoke(*arguments: object) -> Any:
    return CliRunner().invoke(cli.app, [str(one) for one in arguments], env={"COLUMNS": "200"})


def good(
    name: str = "a", text: str = "{c1:“Nobody sold it,”} {u1:said} {s1:Tess}.\n---\n1 | D | Tess | -"
) -> dict[str, Any]:
    return to_row(parse_marked(f"# id: {name}\n{text}"))


def write_rows(path: Path, *rows: object) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def job(tmp_path: Path) -> Path:
    said = Said("“Nobody sold the quay,”", "Tess Marlow", "denial", "said", "Tess Marlow")
    return make_job(tmp_path / "OUT", [Made("quay", TEXT, [said], {"publisher": "own"})])


@pytest.mark.parametrize("form", ["label-studio", "doccano", "prodigy", "brat", "csv", "jsonl"])
def test_the_corpus_there_and_back(form: str, tmp_path: Path) -> None:
    name = {"label-studio": "a.json", "csv": "a.csv", "brat": "folder"}.get(form, "a.jsonl")
    done = invoke("annotations", "export", HELD, "--format", form, "-o", tmp_path / name)
    assert (done.exit_code, done.stderr) == (0, "")
    back = invoke("annotations", "import", tmp_path / name, "-o", tmp_path / "new.jsonl.gz")
    assert (back.exit_code, back.stderr) == (0, "")
    found = {one.article.id: one for one in read_annotated([tmp_path / "new.jsonl.gz"])}
    assert f"{len(found)} articles" in back.stdout
    assert found == {one.article.id: one for one in read_annotated([HELD])}


def test_results_become_predictions(tmp_path: Path) -> None:
    done = invoke("annotations", "export", job(tmp_path), "--format", "label-studio", "-o", tmp_path / "tasks.json")
    assert (done.exit_code, done.stderr) == (0, "")
    [task] = json.loads((tmp_path / "tasks.json").read_text())
    [prediction] = task["predictions"]
    assert (prediction["model_version"], prediction["score"]) == ("toy", 0.7)
    assert [item["value"]["text"] for item in prediction["result"] if item.get("type") == "labels"] == [
        "“Nobody sold the quay,”",
        "said",
        "Tess Marlow",
    ]


def test_results_become_annotations_elsewhere(tmp_path: Path) -> None:
    invoke("annotations", "export", job(tmp_path), "--format", "brat", "-o", tmp_path / "brat")
    assert "Stance E1 denial" in (tmp_path / "brat" / "quay.ann").read_text()


def test_claims_need_their_texts(tmp_path: Path) -> None:
    said = Said("“Nobody sold the quay,”", stance="denial")
    lines = make_lines(tmp_path / "claims.jsonl", [Made("quay", TEXT, [said])])
    command = ("annotations", "export", lines, "--format", "label-studio", "-o", tmp_path / "tasks.json")
    lacking = invoke(*command)
    assert lacking.exit_code == 1
    assert "no text of article 'quay', expected it in a file given with --texts" in lacking.stderr
    texts = write_rows(tmp_path / "texts.jsonl", {"id": "quay", "text": TEXT})
    assert invoke(*command, "--texts", texts).exit_code == 0
    [task] = json.loads((tmp_path / "tasks.json").read_text())
    assert task["data"]["text"] == TEXT
    wrong = write_rows(tmp_path / "wrong.jsonl", {"id": "quay", "text": "Short."})
    assert "outside its 6 characters" in invoke(*command, "--texts", wrong).stderr


def test_bad_rows_are_left_out_and_counted(tmp_path: Path) -> None:
    bad = good("bad")
    bad["quotes"][0]["content"] = [[0, 9999]]
    path = write_rows(tmp_path / "new.jsonl", good(), bad)
    done = invoke("annotations", "import", path, "-o", tmp_path / "out.jsonl")
    assert done.exit_code == 1
    assert f"{path}:2, quote 1, content: span [0, 9999], expected" in done.stderr
    assert "1 left out" in done.stderr
    assert [one.article.id for one in read_annotated([tmp_path / "out.jsonl"])] == ["a"]


WRONG_USE = {
    "not there": (["import", "gone.json", "-o", "a.jsonl"], "gone.json: no such file"),
    "unknown form": (["export", HELD, "--format", "conll", "-o", "a"], "format is 'conll', expected one of jsonl"),
    "output's name": (["import", HELD, "-o", "a.txt"], "a.txt: expected a name that ends in .jsonl"),
    "no config": (["config", "--format", "csv"], "format is 'csv', expected label-studio or brat"),
    "out's name": (["check", HELD, "--out", "a.txt"], "expected a name that ends in .csv or .jsonl"),
}


@pytest.mark.parametrize(("arguments", "message"), WRONG_USE.values(), ids=WRONG_USE)
def test_wrong_use(arguments: list[Any], message: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "training", "annotations", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", cwd=ROOT, check=False, timeout=120)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_the_input_is_not_written_over(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "new.jsonl", good())
    done = invoke("annotations", "import", path, "-o", path)
    assert "is read from, expected another name" in str(done.exception)
    assert [one.article.id for one in read_annotated([path])] == ["a"]


def test_configs_are_printed() -> None:
    assert invoke("annotations", "config").stdout.startswith("<View>")
    assert invoke("annotations", "config", "--format", "brat").stdout.startswith("[entities]")


def test_check_says_it_all(tmp_path: Path) -> None:
    first, second = good() | {"annotator": "ann"}, good() | {"annotator": "ben"}
    second["quotes"] = [{**second["quotes"][0], "stance": "accusation"}]
    long = good(
        "b", "{c1:“It pays for the whole of the sea wall and more,”} {u1:said} {s1:Tess}.\n---\n1 | J | Tess | -"
    )
    path = write_rows(tmp_path / "new.jsonl", first, second, long)
    held = write_rows(tmp_path / "held.jsonl", long | {"id": "other"})
    made = tmp_path / "check.json"
    done = invoke("annotations", "check", path, "--against", held, "--json", made, "--model", "none")
    assert done.exit_code == 1
    assert "1 stand in what is measured on too" in done.stderr
    found = json.loads(made.read_text())
    assert found["leaks"] == [{"training": "b", "evaluation": "other", "similarity": 1.0}]
    assert found["agreement"]["pairs"][0]["judged"] == 1
    assert found["counts"]["file"][str(path)]["quotes"] == 3
    assert (found["errors"], found["duplicates"], found["suspicious"]) == ([], [], [])
    for words in ("Quotes by publisher", "Agreement", "ann, ben", "Also in what is measured on: 1"):
        assert words in done.stdout


@pytest.mark.parametrize("model", ["none", None])
def test_check_of_the_corpus_finds_labels_to_look_at(model: str | None, tiny_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "again.csv"
    done = invoke("annotations", "check", HELD, "--out", out, "--model", model or tiny_model)
    assert (done.exit_code, done.stderr) == (0, "")
    with out.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert f"Labels to look at again: {len(rows)}" in done.stdout
    known = {one.article.id: one for one in read_annotated([HELD])}
    for row in rows:
        quote = known[row["article"]].quotes[int(row["quote"]) - 1]
        assert quote.stance == row["given"] != row["likelier"]


def test_suggest(tmp_path: Path) -> None:
    out = tmp_path / "tasks.json"
    done = invoke("suggest", job(tmp_path), "--count", 5, "-o", out)
    assert (done.exit_code, done.stderr) == (0, "")
    assert "1 of 1 quotes in 1 tasks: 1 denial" in done.stdout
    assert len(json.loads(out.read_text())) == 1
    known = write_rows(tmp_path / "known.jsonl", {"id": "k", "text": TEXT})
    again = invoke("suggest", tmp_path / "OUT", "-o", out, "--known", known)
    assert "left out: 1 in articles that are annotated already" in again.stdout
    assert json.loads(out.read_text()) == []


def test_help_is_quick() -> None:
    """The commands' libraries are loaded where they are needed."""
    heavy = "{'sklearn', 'datasketch', 'cleanlab', 'torch'}"
    code = f"import sys, training.annotations_cli; print({heavy} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", cwd=ROOT, check=True)
    assert done.stdout.strip() == "set()"
