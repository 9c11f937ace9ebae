"""What several test modules share: the shipped model, a tiny random one, and marked text to compare with."""

import functools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel

from stance.network import NetworkConfig, StanceNetwork, save_network
from stance.pipeline import Pipeline, default_model
from stance.types import Article, Claim, Quote, Span
from training.annotations import AnnotatedArticle, GoldQuote, parse_marked, read_annotated

ROOT = Path(__file__).parent.parent
_HIDDEN = 32
_LEAST_RECALL, _LEAST_PRECISION = 0.8, 0.66

# Two test processes side by side, each with two threads on two cores, would wait for each other's.
torch.set_num_threads(1 if "PYTEST_XDIST_WORKER" in os.environ else 2)


Interrupt = Callable[[Any, str, Callable[[int], bool]], AbstractContextManager[list[int]]]


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Interrupt:
    """Expects a KeyboardInterrupt, raised in that call of a module's function for whose number `when` holds."""

    @contextmanager
    def run(module: Any, name: str, when: Callable[[int], bool]) -> Iterator[list[int]]:
        calls: list[int] = []
        plain = getattr(module, name)

        def failing(*args: Any, **kwargs: Any) -> Any:
            calls.append(len(calls) + 1)
            if when(calls[-1]):
                raise KeyboardInterrupt
            return plain(*args, **kwargs)

        with monkeypatch.context() as patched:
            patched.setattr(module, name, failing)
            with pytest.raises(KeyboardInterrupt):
                yield calls

    return run


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As workers compute: several threads wait for each other where other processes compute too."""
    yield from _threads(1)


@pytest.fixture
def two_threads() -> Iterator[None]:
    """As one process computes that has the machine for itself."""
    yield from _threads(2)


@pytest.fixture(scope="session")
def samples() -> Path:
    return ROOT / "samples"


@pytest.fixture(scope="session")
def corpus() -> Path:
    return ROOT / "training" / "corpus"


@pytest.fixture(scope="session")
def held(corpus: Path) -> list[AnnotatedArticle]:
    return list(read_annotated([corpus / "held.jsonl"]))


@pytest.fixture(scope="session")
def pipeline() -> Pipeline:
    """The weights that ship, on the CPU."""
    return Pipeline.from_pretrained(device="cpu")


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    """The tokenizer that ships, as a model folder's loader sets it up."""
    loaded = Tokenizer.from_file(str(default_model() / "tokenizer.json"))
    loaded.no_truncation()
    loaded.no_padding()
    return loaded


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer) -> Path:
    """A folder with a Hugging Face encoder of three layers and random weights."""
    folder = tmp_path_factory.mktemp("encoder")
    _random_bert(tokenizer).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer) -> Path:
    """A model folder of this project with random weights: same format as the shipped one, a hundredth of its work."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    encoder = _random_bert(tokenizer)
    keys = {*encoder.config.to_diff_dict(), "model_type"} - {"transformers_version", "architectures", "dtype"}
    settings = {key: value for key, value in encoder.config.to_dict().items() if key in keys}
    sizes = {"window": 62, "overlap": 16, "context_layers": 1, "link_size": 16, "reader_size": 64}
    config = NetworkConfig(name="tiny", encoder=settings, **sizes)
    with torch.random.fork_rng():
        torch.manual_seed(7)
        save_network(StanceNetwork(config, encoder), tokenizer, folder)
    return folder


@pytest.fixture(scope="session")
def tiny(tiny_model: Path) -> Pipeline:
    return Pipeline.from_pretrained(tiny_model, device="cpu")


@pytest.fixture(scope="session")
def claims_of(pipeline: Pipeline) -> Callable[[str], list[Claim]]:
    """Reads one text with the shipped weights."""

    @functools.cache
    def read(text: str) -> list[Claim]:
        [(_, claims)] = pipeline.run([Article("test", text)])
        return claims

    return read


@pytest.fixture(scope="session")
def assert_quotes(claims_of: Callable[[str], list[Claim]]) -> Callable[[str], None]:
    """Checks that a marked text's quotes are found, each with its source and cue, and no others."""

    def check(marked: str) -> None:
        gold = parse_marked(marked)
        text = gold.article.text
        found = [claim.attributed.quote for claim in claims_of(text)]
        report = "\n".join(f"  {describe(text, quote)}" for quote in found) or "  nothing"
        missing = [quote for quote in gold.quotes if not any(_same(text, quote, other) for other in found)]
        for quote in missing:
            pytest.fail(f"expected\n  {describe(text, quote)}\nfound\n{report}", pytrace=False)
        assert len(found) == len(gold.quotes), f"{len(found)} quotes instead of {len(gold.quotes)}:\n{report}"

    return check


def words_in(text: str, spans: Iterable[Span]) -> set[int]:
    """Start offsets of the words that a span touches: what two spans are compared by."""
    chosen = list(spans)
    return {m.start() for m in re.finditer(r"\w+", text) if any(m.start() < e and s < m.end() for s, e in chosen)}


def describe(text: str, quote: Quote | GoldQuote) -> str:
    """Content, cue and source of a quote in one line for a failure's message."""
    cue, source = _spans(quote.cue), _spans(quote.source)
    parts = [" … ".join(text[s:e] for s, e in spans) or "-" for spans in (quote.content, cue, source)]
    return " | ".join(parts)


def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    yield
    torch.set_num_threads(before)


def _random_bert(tokenizer: Tokenizer) -> BertModel:
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=_HIDDEN,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=2 * _HIDDEN,
        max_position_embeddings=256,
    )
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return BertModel(config)


def _same(text: str, gold: GoldQuote, found: Quote) -> bool:
    expected, mine = words_in(text, gold.content), words_in(text, found.content)
    shared = len(expected & mine)
    if shared < _LEAST_RECALL * len(expected) or shared < _LEAST_PRECISION * len(mine):
        return False
    return all(_agree(text, *pair) for pair in ((gold.cue, found.cue), (gold.source, found.source)))


def _agree(text: str, gold: Sequence[Span], found: Span | None) -> bool:
    if not gold or found is None:
        return not gold and found is None
    return bool(words_in(text, gold) & words_in(text, [found]))


def _spans(value: Span | Sequence[Span] | None) -> list[Span]:
    if value is None:
        return []
    return [value] if isinstance(value, Span) else list(value)
