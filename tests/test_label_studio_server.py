"""A real Label Studio on this machine: project, predictions, a correction, export, and back.

Needs Label Studio in an environment of its own, as it pins many packages: `make test-label-studio` makes it. The server
gets an empty folder, a port of the loopback, and no way out: everything else is sent to a port where nobody answers.
"""

import http.client
import json
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stance.types import Stance
from training.annotations import AnnotatedArticle, parse_marked
from training.formats import label_studio

_ROOT = Path(__file__).parent.parent
_PROGRAM = Path(os.environ.get("LABEL_STUDIO", _ROOT / ".venv-label-studio" / "bin" / "label-studio"))
_START_SECONDS = 240
MARKED = """# id: quay-03
# publisher: own
{c1:“Nobody sold the quay 🙂,”} {s1,2:Tess Marlow} {u1:said}, {c1:“and nobody will.”} 🙂🙂
She {u2:accused} {c2:the port of hiding the file}.

{s3:A clerk} {u3:defended} {c3:the sale: {c4:“it pays for
the sea wall”}}.
---
1 | D | Tess Marlow | -
2 | AD | Tess Marlow | port
3 | J | clerk | -
4 | O | ? | -
"""
Ask = Callable[..., Any]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not _PROGRAM.is_file(), reason=f"no Label Studio at {_PROGRAM}: make test-label-studio installs it"
    ),
]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Asks the API of a server that lives as long as these tests."""
    folder = tmp_path_factory.mktemp("label-studio")
    token = secrets.token_hex(20)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    nowhere = "http://127.0.0.1:9"
    settings = {
        **{"COLLECT_ANALYTICS": "false", "LATEST_VERSION_CHECK": "false", "SENTRY_DSN": "", "FRONTEND_SENTRY_DSN": ""},
        **{"FEATURE_FLAGS_OFFLINE": "true", "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true"},
        **{"HOME": str(folder), "HTTP_PROXY": nowhere, "HTTPS_PROXY": nowhere, "NO_PROXY": "127.0.0.1,localhost"},
    }
    kept = {key: value for key, value in os.environ.items() if key in {"PATH", "LANG", "LC_ALL", "TMPDIR"}}
    command = [str(_PROGRAM), "start", "--no-browser", "--data-dir", str(folder), "--port", str(port)]
    command += ["--internal-host", "127.0.0.1", "--username", "reader@example.org", "--password", secrets.token_hex(12)]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "--user-token", token], stdout=log, stderr=log, env=kept | settings, cwd=folder
        )
        try:

            def request(method: str, path: str, body: object = None) -> Any:
                headers = {"Authorization": f"Token {token}", "Content-Type": "application/json"}
                with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
                    connection.request(method, path, None if body is None else json.dumps(body), headers)
                    with connection.getresponse() as answer:
                        found = answer.read()
                assert answer.status < 300, f"{method} {path}: {answer.status} {found[:2000]!r}"
                return json.loads(found)

            _wait(server, lambda: request("GET", "/api/version"), folder / "log")
            yield request
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait(server: "subprocess.Popen[bytes]", ready: Callable[[], object], log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while True:
        try:
            ready()
            return
        except (OSError, http.client.HTTPException, AssertionError):
            if server.poll() is not None or time.monotonic() > end:
                pytest.fail(f"Label Studio did not start:\n{log.read_text(errors='replace')[-3000:]}", pytrace=False)
            time.sleep(1)


def _project(ask: Ask, tasks: list[dict[str, Any]]) -> int:
    config = label_studio.CONFIG.read_text(encoding="utf-8")
    number: int = ask("POST", "/api/projects", {"title": "quotes", "label_config": config})["id"]
    done = ask("POST", f"/api/projects/{number}/import", tasks)
    assert done["task_count"] == len(tasks)
    return number


def _exported(ask: Ask, project: int, path: Path) -> tuple[list[Any], list[str]]:
    found = ask("GET", f"/api/projects/{project}/export?exportType=JSON&download_all_tasks=true")
    path.write_text(json.dumps(found), encoding="utf-8")
    said: list[str] = []
    return list(label_studio.read(path, said.append)), said


@pytest.mark.parametrize("text", [MARKED, MARKED.replace("\n\n{s3", "\r\n\r\n{s3").replace("for\nthe", "for\r\nthe")])
def test_a_prediction_is_corrected_and_comes_back(ask: Ask, tmp_path: Path, text: str) -> None:
    article = parse_marked(text)
    project = _project(ask, [label_studio.task(article, model="toy", scores=(0.5,) * 4)])
    assert _exported(ask, project, tmp_path / "none.json")[0] == []
    [task] = ask("GET", f"/api/tasks?project={project}&fields=all")["tasks"]
    [prediction] = task["predictions"]
    assert prediction["model_version"] == "toy"
    result = prediction["result"]
    for item in result:
        if item.get("from_name") == "stance" and item["value"]["choices"] == ["justification"]:
            item["value"]["choices"] = ["denial"]
    ask("POST", f"/api/tasks/{task['id']}/annotations", {"result": result, "lead_time": 3.5})
    [found], said = _exported(ask, project, tmp_path / "export.json")
    assert said == []
    assert found.article.text == article.article.text
    assert (found.article.id, found.article.metadata["publisher"]) == ("quay-03", "own")
    third = replace(article.quotes[2], stance=Stance.DENIAL)
    assert found.quotes == (*article.quotes[:2], third, article.quotes[3])


def test_annotations_are_imported_and_exported(ask: Ask, tmp_path: Path, held: list[AnnotatedArticle]) -> None:
    project = _project(ask, [label_studio.task(one) for one in held[:5]])
    found, said = _exported(ask, project, tmp_path / "export.json")
    assert said == []
    found.sort(key=lambda one: [h.article.id for h in held].index(one.article.id))
    assert [one.quotes for one in found] == [one.quotes for one in held[:5]]
    assert [one.article.text for one in found] == [one.article.text for one in held[:5]]


def test_the_config_is_valid_and_keeps_its_controls(ask: Ask) -> None:
    project = _project(ask, [label_studio.task(parse_marked(MARKED))])
    controls = ask("GET", f"/api/projects/{project}")["parsed_label_config"]
    assert set(controls) == {"label", "stance", "second", "speaker", "target", "doubt"}
    assert controls["stance"]["labels"] == [str(stance) for stance in Stance]
