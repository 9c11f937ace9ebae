"""The same job through Ray: on a cluster of several nodes, with nodes and processes killed in the middle."""

import itertools
import os
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
import pytest
from made import DIES, FACTS, RAISES, Heard, article, contents, failures, lines, mixed, rows, toy

from stance.batch import Engine, State, run_job
from stance.config import RunConfig
from stance.errors import ConfigError, ModelError
from stance.types import Article
from stance.work import Done, Item, ModelFacts, Task
from stance.workers import inspect, work

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install '.[ray]'")
from ray.cluster_utils import Cluster  # noqa: E402

from stance import cluster  # noqa: E402
from stance.cluster import work_on_ray  # noqa: E402
from stance.readers import Desk, Reader, packed, unpacked  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def nodes() -> Iterator[Cluster]:
    """A cluster of three nodes; those that a test may kill have room for a reader each."""
    quick = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 300, "health_check_failure_threshold": 3}
    head = {"num_cpus": 0, "_system_config": quick, "include_dashboard": False}
    with pytest.MonkeyPatch.context() as patch:
        here = Path(__file__).parent  # where readers find `toy`
        patch.setenv("PYTHONPATH", os.pathsep.join([str(here), str(here.parent)]))
        cluster = Cluster(initialize_head=True, head_node_args=head)
        for _ in range(2):
            cluster.add_node(num_cpus=1)
        yield cluster
        cluster.shutdown()


@pytest.fixture
def settings(nodes: Cluster) -> RunConfig:
    return RunConfig(device="cpu", part_articles=12, workers=2, ray_address=nodes.address)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stance.plan.BATCH_ENTRIES", 3)


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path)
    return mixed(Path("in"), pages=False)


def run(
    out: Path,
    inputs: list[str],
    settings: RunConfig,
    engine: Engine,
    *,
    model: ModelFacts = FACTS,
    stopping: Callable[[], bool] = lambda: False,
) -> State:
    prepare = lambda _: (model, engine)  # noqa: E731
    return run_job(out, inputs, settings, prepare=prepare, report=Heard().report(), stopping=stopping)


def on_this_machine(settings: RunConfig, stopping: Callable[[], bool] = lambda: False, **others: Any) -> Engine:
    return partial(work, settings=settings, count=1, stopping=stopping, **{"perform": toy} | others)


def on_ray(settings: RunConfig, stopping: Callable[[], bool] = lambda: False, **others: Any) -> Engine:
    return partial(work_on_ray, settings=settings, stopping=stopping, **{"perform": toy} | others)


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
    tmp_path: Path, nodes: Cluster, settings: RunConfig, tiny_model: Path
) -> None:
    settings = settings.model_copy(update={"model": tiny_model})
    inputs = [str(lines(tmp_path / "in.jsonl", [{"id": f"a{i}", "text": 4 * article(i)} for i in range(60)]))]
    model = inspect(settings)
    run(tmp_path / "here", inputs, settings, partial(work, settings=settings, count=1, stopping=bool), model=model)
    engine = partial(work_on_ray, settings=settings, stopping=bool, expected=model)
    lost = next(iter(nodes.worker_nodes))
    killed = then(engine, 4, lambda: nodes.remove_node(lost, allow_graceful=False))
    state = run(tmp_path / "ray", inputs, settings, killed, model=model)
    nodes.add_node(num_cpus=1)
    assert (state.name, state.counts.articles, state.counts.parts) == ("finished", 60, 5)
    assert len(rows(tmp_path / "ray", "claims")) > 60
    assert contents(tmp_path / "ray") == contents(tmp_path / "here")


def test_a_round_that_ray_gives_up_loses_nothing(
    tmp_path: Path, inputs: list[str], settings: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_TROUBLE_SECONDS", 0.0)
    run(tmp_path / "ray", inputs, settings, then(on_ray(settings), 3, partial(kill, "ray::Desk")))
    run(tmp_path / "here", inputs, settings, on_this_machine(settings))
    assert contents(tmp_path / "ray") == contents(tmp_path / "here")


@pytest.mark.parametrize(("begin", "finish"), [(on_ray, on_this_machine), (on_this_machine, on_ray)])
def test_goes_on_with_the_other_engine(
    begin: Callable[..., Engine],
    finish: Callable[..., Engine],
    tmp_path: Path,
    inputs: list[str],
    settings: RunConfig,
) -> None:
    asked: list[bool] = []
    stopping = lambda: bool(asked)  # noqa: E731
    begun = then(begin(settings, stopping), 3, lambda: asked.append(True))
    state = run(tmp_path / "out", inputs, settings, begun, stopping=stopping)
    assert state.name == "interrupted"
    assert state.counts.articles < 30
    assert run(tmp_path / "out", inputs, settings, finish(settings)).name == "finished"
    run(tmp_path / "whole", inputs, settings, on_this_machine(settings))
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_what_fails_fails_alone(tmp_path: Path, settings: RunConfig) -> None:
    texts = [article(i) for i in range(20)]
    texts[4] += DIES
    texts[9] += RAISES
    texts[13] = ""
    inputs = [str(lines(tmp_path / "in.jsonl", [{"id": f"a{i}", "text": text} for i, text in enumerate(texts)]))]
    run(tmp_path / "ray", inputs, settings, on_ray(settings))
    run(tmp_path / "here", inputs, settings, on_this_machine(settings))
    assert contents(tmp_path / "ray") == contents(tmp_path / "here")
    failed = [(one.line, one.stage) for one in failures(tmp_path / "ray")]
    assert failed == [(5, "crash"), (10, "run"), (14, "read")]


def test_an_article_with_which_actors_die_fails_alone(settings: RunConfig) -> None:
    items = tuple(Item(Article(f"b{i}", article(i)), "in.jsonl", i + 1, "0" * 64, None, i) for i in range(3))
    with cluster._connected(settings):
        desk = ray.remote(Desk).options(num_cpus=0).remote()
        for place in (None, 1) * 3:
            ray.get(desk.begin.remote(7, place))
        reader = Reader(settings, desk, toy)
        [came] = reader(pa.Table.from_pylist([packed(Task(7, items))])).to_pylist()
        reader._crew.close()
        assert ray.get(desk.begin.remote(7, None)) == 1
    batch, done = unpacked(came)
    [(place, failure)] = done.failures
    assert (batch, done.counts[0], place, failure.id, failure.stage) == (7, 2, 1, "b1", "crash")


def test_another_model_on_a_machine_of_the_cluster_stops_the_job(settings: RunConfig, tiny_model: Path) -> None:
    settings = settings.model_copy(update={"model": tiny_model})
    items = (Item(Article("b", "text"), "in.jsonl", 1, "0" * 64, None, 0),)
    engine = on_ray(settings, expected=ModelFacts("other", "f" * 64))
    with pytest.raises(ModelError, match=r"\d+: .*/tiny: is tiny \([0-9a-f]{12}, \w+\), expected other \(f{12}, float"):
        list(engine([Task(0, items)]))


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:1", "ray://127.0.0.1:10001", "ray.invalid:6379", "a:b"])
def test_an_address_without_a_cluster_is_refused_at_once(address: str) -> None:
    settings = RunConfig(ray_address=address)
    with pytest.raises(ConfigError, match=f"^--ray-address {address}: .*expected HOST:PORT"):
        next(work_on_ray([], settings=settings, stopping=lambda: False))


def test_the_command_line(tmp_path: Path, samples: Path, tiny_model: Path) -> None:
    command = [sys.executable, "-m", "stance", "run", samples, "--model", tiny_model, "--device", "cpu", "--quiet"]
    for name in ("ray", "local"):
        engine = ["--engine", name, "--workers", "1", "-o", tmp_path / name]
        ran = subprocess.run([*command, *engine], capture_output=True, text=True, check=False)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert rows(tmp_path / "ray", "claims")
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")
