"""The commands that measure speed: of jobs, of the whole job beside others, how cost grows, where the time goes."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from stance.config import load_config
from stance.errors import ConfigError
from stance.network import load_network
from stance.pipeline import Pipeline, default_model
from stance.runtime import precision_of
from stance.types import Article
from training.options import CORPUS, Device, JsonOut, Model, Precision, read_articles, refuse_unwritable, rounded

_out = Console(highlight=False)
_errors = Console(stderr=True, highlight=False)

BenchData = Annotated[
    Path | None,
    typer.Option(
        "--data", help="Annotated articles to read.  \\[default: the corpus's held articles]", show_default=False
    ),
]


def attach(app: typer.Typer) -> None:
    """Add the commands to `python -m training`."""
    for command in (bench, bench_jobs, bench_growth, bench_stages):
        app.command()(command)


def bench_jobs(
    articles: Annotated[int, typer.Option(min=1, help="Of each job.")] = 2000,
    turns: Annotated[int, typer.Option(min=1, help="So often every engine has its turn.")] = 2,
    model: Model = None,
    device: Device = "auto",
    precision: Precision = "auto",
    json_out: JsonOut = None,
) -> None:
    """Measure how many articles a second a job reads: with one worker, with two, and through Ray on this machine.

    The articles are those of the corpus again and again. Needs an idle machine with two cores, and with the model
    that ships about half an hour.
    """
    from dataclasses import asdict

    from stance.config import RunConfig
    from training import bench_jobs as jobs

    refuse_unwritable(json_out)
    settings = load_config(RunConfig, None, model=model, device=device, precision=precision)
    with Progress(console=_errors, transient=True, disable=not _errors.is_terminal) as bar:
        task = bar.add_task("", total=articles)
        measured = jobs.job_throughput(
            settings,
            articles=articles,
            turns=turns,
            tick=lambda name, done: bar.update(task, description=name, completed=done),
        )
        bar.update(task, description="the job's own process", total=None)
        driver = jobs.driver_seconds(settings, articles=10 * articles)
    for table in jobs.report(measured, driver):
        _out.print(table)
    if json_out is not None:
        figures = {
            "articles": articles,
            "precision": precision,
            "machine": jobs.machine(),
            "engines": [asdict(one) for one in measured],
            "seconds_of_own_process_a_batch": driver,
        }
        json_out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def bench(
    data: BenchData = None,
    turns: Annotated[int, typer.Option(min=1, help="How often each is measured.")] = 5,
    precision: Precision = "auto",
    json_out: Annotated[Path, typer.Option("--json", help="Where the figures go.")] = Path("bench.json"),
) -> None:
    """Measure speed on the CPU: the whole job beside spaCy, the network beside Hugging Face and the machine's limit.

    Needs the extra 'bench'. Ratios say more than seconds: every turn measures each once.
    """
    import platform
    from dataclasses import asdict

    import torch

    from training.bench import bench as measure
    from training.bench import report

    refuse_unwritable(json_out)
    articles = _texts(data)
    pipeline = Pipeline.from_pretrained(device="cpu", precision=precision)
    plain, _ = load_network(default_model())
    timings, ratios = measure(pipeline, plain, articles, turns=turns)
    for table in report(timings, ratios):
        _out.print(table)
    figures = {
        "articles": len(articles),
        "chars": sum(len(article.text) for article in articles),
        "turns": turns,
        "precision": precision_of(pipeline.network),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "machine": platform.machine(),
        "seconds": {name: asdict(timing) for name, timing in timings.items()},
        "ratios": {name: round(ratio, 3) for name, ratio in ratios.items()},
    }
    json_out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def bench_growth(
    data: BenchData = None,
    turns: Annotated[int, typer.Option(min=1, help="How often each is measured.")] = 3,
    lengths: Annotated[
        list[int] | None,
        typer.Option("--length", min=1, help="Characters of an article; may be repeated.", show_default=False),
    ] = None,
    counts: Annotated[
        list[int] | None,
        typer.Option("--count", min=1, help="Articles read together; may be repeated.", show_default=False),
    ] = None,
    model: Model = None,
    precision: Precision = "auto",
    plot: Annotated[Path | None, typer.Option(help="Draw it here too (.svg).", show_default=False)] = None,
    json_out: JsonOut = None,
) -> None:
    """Measure how the cost of the whole job grows with the length of an article and with the number of articles.

    From 1,000 to 640,000 characters and from 8 to 512 articles, made of the articles given; some minutes.
    """
    from dataclasses import asdict

    from training.growth import COUNTS, LENGTHS, exponent, growth, report

    lengths, counts = sorted({*(lengths or LENGTHS)}), sorted({*(counts or COUNTS)})
    if min(len(lengths), len(counts)) < 2:
        raise ConfigError("one --length or --count, expected at least two: growth is from one to another")
    for path in (plot, json_out):
        refuse_unwritable(path)
    articles = _texts(data)
    pipeline = Pipeline.from_pretrained(model, device="cpu", precision=precision)
    with Progress(console=_errors, transient=True, disable=not _errors.is_terminal) as bar:
        task = bar.add_task("measuring", total=turns * (len(lengths) + len(counts)))
        found = growth(pipeline, articles, lengths=lengths, counts=counts, turns=turns, tick=lambda: bar.advance(task))
    for table in report(found):
        _out.print(table)
    powers = {"one article": exponent(found.by_length), "articles together": exponent(found.by_count)}
    said = "CPU seconds grow like characters to the power of " + ", ".join(
        f"{power:.2f} ({name})" for name, power in powers.items()
    )
    _out.print(said, soft_wrap=True)
    if plot is not None:
        from training.speed_plots import growth_plot

        plot.write_text(growth_plot(found, f"{said}."), encoding="utf-8")
    if json_out is not None:
        figures = {"turns": turns, "precision": precision_of(pipeline.network), **asdict(found), "exponents": powers}
        json_out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def bench_stages(
    data: BenchData = None,
    model: Model = None,
    precision: Precision = "auto",
    plot: Annotated[Path | None, typer.Option(help="Draw it here too (.svg).", show_default=False)] = None,
    json_out: JsonOut = None,
) -> None:
    """Measure where the time of the whole job goes, by a sampling profiler, on one thread.

    Needs the extra 'dev'.
    """
    from training.stages import report, stages

    for path in (plot, json_out):
        refuse_unwritable(path)
    articles = _texts(data)
    pipeline = Pipeline.from_pretrained(model, device="cpu", precision=precision)
    found = stages(pipeline, articles)
    _out.print(report(found))
    if plot is not None:
        from training.speed_plots import described, stages_plot

        plot.write_text(stages_plot(found, described(found)), encoding="utf-8")
    if json_out is not None:
        figures = {"articles": len(articles), "precision": precision_of(pipeline.network), "shares": rounded(found)}
        json_out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def _texts(data: Path | None) -> list[Article]:
    return [annotated.article for annotated in read_articles(data or CORPUS / "held.jsonl")]
