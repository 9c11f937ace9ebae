"""The same job through Ray: on a cluster of several nodes, with nodes and processes killed in the middle."""

import itertools
import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stance.batch import Report, State, run_job
from stance.config import RunConfig
from stance.errors import ConfigError, ModelError
from stance.types import Article
from stance.work import Done, Item, ModelFacts, Task, empty
from stance.workers import inspect, work

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'stance[ray]'")
from ray.cluster_utils import Cluster  # noqa: E402

from stance import cluster  # noqa: E402
from stance.cluster import work_on_ray  # noqa: E402

pytestmark = pytest.mark.slow

Engine = Callable[[Iterable[Task]], Iterator[Done | None]]
ARTICLES = 60
POISON = "a31"


def nothing_or_death(settings: RunConfig, task: Task) -> Done:
    if any(item.article.id == POISON for item in task.items):
        os._exit(9)
    return empty(task, [])


@pytest.fixture(scope="module")
def nodes() -> Iterator[Cluster]:
    """A cluster of three nodes; those that a test may kill have room for a reader each."""
    quick = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 300, "health_check_failure_threshold": 3}
    head = {"num_cpus": 0, "_system_config": quick, "include_dashboard": False}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))  # where readers find `nothing_or_death`
        cluster = Cluster(initialize_head=True, head_node_args=head)
        for _ in range(2):
            cluster.add_node(num_cpus=1)
        yield cluster
        cluster.shutdown()


@pytest.fixture(scope="module")
def articles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Short articles, one without a text among them."""
    path = tmp_path_factory.mktemp("input") / "articles.jsonl"
    with path.open("w") as lines:
        for number in range(ARTICLES):
            text = " ".join(
                f"“We never sold boat {number * 7 + i} to the harbour office,” Ann Lee told reporters on Monday."
                for i in range(12)
            )
            lines.write(json.dumps({"id": f"a{number}", "text": "" if number == 17 else text}) + "\n")
    return path


@pytest.fixture
def settings(tiny_model: Path, nodes: Cluster) -> RunConfig:
    return RunConfig(model=tiny_model, device="cpu", part_articles=12, workers=2, ray_address=nodes.address)


@pytest.fixture(scope="module")
def facts(tiny_model: Path) -> ModelFacts:
    return inspect(RunConfig(model=tiny_model, device="cpu"))


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stance.plan.BATCH_ENTRIES", 2)


@pytest.fixture
def run(articles: Path, facts: ModelFacts) -> Callable[..., State]:
    def run(out: Path, settings: RunConfig, engine: Engine, stopping: Callable[[], bool] = lambda: False) -> State:
        report = Report(warn=pytest.fail, fail=lambda failure: None, tick=lambda state: None)
        prepare = lambda chosen: (facts, engine)  # noqa: E731
        return run_job(out, [str(articles)], settings, prepare=prepare, report=report, stopping=stopping)

    return run


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("undisturbed") / "out"


@pytest.fixture
def expected(undisturbed: Path, settings: RunConfig, run: Callable[..., State]) -> dict[str, bytes]:
    """The parts of the job on one worker of this machine."""
    if not undisturbed.exists():
        run(undisturbed, settings, on_this_machine(settings))
    return parts(undisturbed)


def on_this_machine(settings: RunConfig, **others: Any) -> Engine:
    return partial(work, settings=settings, count=1, **{"stopping": lambda: False} | others)


def on_ray(settings: RunConfig, facts: ModelFacts, **others: Any) -> Engine:
    return partial(work_on_ray, settings=settings, expected=facts, **{"stopping": lambda: False} | others)


def parts(out: Path) -> dict[str, bytes]:
    files = [*out.glob("*/part-*.parquet"), out / "errors.jsonl"]
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def then(engine: Engine, batches: int, action: Callable[[], None]) -> Engine:
    """Do something once so many batches have come back."""

    def disturbed(tasks: Iterable[Task]) -> Iterator[Done | None]:
        finished = itertools.count(1)
        with closing(engine(tasks)) as results:  # type: ignore[type-var]
            for done in results:
                yield done
                if done is not None and next(finished) == batches:
                    action()

    return disturbed


def kill(title: str) -> None:
    """Kill a process of the cluster, which this process has started."""
    [process] = [one for one in psutil.Process().children(recursive=True) if one.name().startswith(title)]
    process.send_signal(signal.SIGKILL)


def test_a_node_killed_in_the_middle_loses_nothing(
    tmp_path: Path,
    nodes: Cluster,
    settings: RunConfig,
    facts: ModelFacts,
    run: Callable[..., State],
    expected: dict[str, bytes],
) -> None:
    lost = next(iter(nodes.worker_nodes))
    engine = then(on_ray(settings, facts), 4, lambda: nodes.remove_node(lost, allow_graceful=False))
    state = run(tmp_path / "out", settings, engine)
    nodes.add_node(num_cpus=1)
    assert (state.name, state.counts.articles, state.counts.failed) == ("finished", ARTICLES - 1, 1)
    assert sum(pq.read_metadata(path).num_rows for path in (tmp_path / "out" / "claims").iterdir()) > ARTICLES
    assert parts(tmp_path / "out") == expected


def test_a_round_that_ray_gives_up_loses_nothing(
    tmp_path: Path,
    settings: RunConfig,
    facts: ModelFacts,
    run: Callable[..., State],
    expected: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster, "_TROUBLE_SECONDS", 0.0)
    run(tmp_path / "out", settings, then(on_ray(settings, facts), 4, partial(kill, "ray::_Desk")))
    assert parts(tmp_path / "out") == expected


@pytest.mark.parametrize("ray_first", [True, False])
def test_goes_on_with_the_other_engine(
    ray_first: bool,
    tmp_path: Path,
    settings: RunConfig,
    facts: ModelFacts,
    run: Callable[..., State],
    expected: dict[str, bytes],
) -> None:
    asked: list[bool] = []
    engines = [on_ray(settings, facts, stopping=lambda: bool(asked)), on_this_machine(settings)]
    if not ray_first:
        engines = [on_this_machine(settings, stopping=lambda: bool(asked)), on_ray(settings, facts)]
    first, second = engines
    out = tmp_path / "out"
    state = run(out, settings, then(first, 3, lambda: asked.append(True)), stopping=lambda: bool(asked))
    assert state.name == "interrupted"
    assert 6 <= state.counts.articles < ARTICLES // 2
    assert run(out, settings, second).name == "finished"
    assert parts(out) == expected


def test_an_article_that_kills_its_reader_fails_alone(
    tmp_path: Path, settings: RunConfig, run: Callable[..., State]
) -> None:
    engine = partial(work_on_ray, settings=settings, stopping=lambda: False, perform=nothing_or_death)
    run(tmp_path / "ray", settings, engine)
    run(tmp_path / "here", settings, on_this_machine(settings, perform=nothing_or_death))
    assert parts(tmp_path / "ray") == parts(tmp_path / "here")
    failures = [json.loads(line) for line in (tmp_path / "ray" / "errors.jsonl").read_text().splitlines()]
    assert [(failure["line"], failure["stage"]) for failure in failures] == [(18, "read"), (32, "crash")]


def test_an_article_with_which_actors_die_fails_alone(settings: RunConfig) -> None:
    items = tuple(Item(Article(f"b{i}", f"text {i}"), "in.jsonl", i + 1, "0" * 64, None, i) for i in range(3))
    collected = cluster._Collected()
    collected.take(iter([Task(7, items)]))
    with cluster._connected(settings):
        desk = ray.remote(cluster._Desk).options(num_cpus=0).remote()
        for place in (None, 1) * 3:
            ray.get(desk.begin.remote(7, place))
        reader = cluster._Reader(settings, desk, nothing_or_death)
        [came] = reader(pa.Table.from_pylist(list(collected.batches.values()))).to_pylist()
        reader._crew.close()
        assert ray.get(desk.begin.remote(7, None)) == 1
    done = pickle.loads(came["came"])  # noqa: S301
    [(place, failure)] = done.failures
    assert (came["batch"], place, failure.id, failure.stage) == (7, 1, "b1", "crash")


def test_another_model_on_a_machine_of_the_cluster_stops_the_job(settings: RunConfig) -> None:
    items = (Item(Article("b", "text"), "in.jsonl", 1, "0" * 64, None, 0),)
    other = ModelFacts("other", "f" * 64)
    with pytest.raises(ModelError, match=r"\d+: .*/tiny: is tiny \([0-9a-f]{12}\), expected other \(ffffffffffff\)"):
        list(work_on_ray([Task(0, items)], settings=settings, stopping=lambda: False, expected=other))


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:1", "ray://127.0.0.1:10001", "ray.invalid:6379", "a:b"])
def test_an_address_without_a_cluster_is_refused_at_once(address: str) -> None:
    settings = RunConfig(ray_address=address)
    with pytest.raises(ConfigError, match=f"^--ray-address {address}: .*expected HOST:PORT"):
        next(work_on_ray([], settings=settings, stopping=lambda: False))


def test_the_command_line(tmp_path: Path, samples: Path, tiny_model: Path) -> None:
    command = [sys.executable, "-m", "stance", "run", samples, "--model", tiny_model, "--device", "cpu", "--quiet"]
    for engine in (["--engine", "ray", "--workers", "1"], ["--workers", "1"]):
        out = tmp_path / "".join(engine)
        ran = subprocess.run([*command, *engine, "-o", out], capture_output=True, text=True, check=False)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
        assert parts(out) == parts(next(tmp_path.iterdir()))
    assert len(list(tmp_path.glob("*/claims/*"))) == 2
