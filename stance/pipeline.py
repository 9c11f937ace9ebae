"""Composes the stages: a stream of articles in, a stream of claims out, in order, in constant memory."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tokenizers import Tokenizer

from stance.boilerplate import boilerplate
from stance.candidates import candidates
from stance.claims import classify, decide, stance_probabilities
from stance.errors import ModelError
from stance.memory import give_back_memory
from stance.names import Mention, mentions
from stance.network import StanceNetwork, load_network
from stance.quotes import TokenQuote, locate, token_quotes
from stance.runtime import Reading, pick_device, place, read, special_tokens
from stance.speakers import attribute, person_roles
from stance.types import Article, Claim, Quote, Span, Stance
from stance.windows import Tokens, tokenize

# Which model is the default, beside the models' folders; `python -m training promote` writes it.
REGISTRY = "registry.json"
MODEL_NAME = re.compile(r"\w[\w.-]*")
# A longer article is read section by section, so that memory does not grow with it; names do not reach over.
_SECTION_CHARS = 80_000
# So many characters and sections at most are read together, to fill batches.
_TOGETHER_CHARS = 100_000
_TOGETHER = 64


class Pipeline:
    """Reads articles and gives their claims.

    Example:
        >>> pipe = Pipeline.from_pretrained()
        >>> for article, claims in pipe.run([Article(id="a", text="“We did not do it,” said Ann Lee.")]):
        ...     print(article.id, [claim.stance for claim in claims])
    """

    def __init__(self, network: StanceNetwork, tokenizer: Tokenizer, *, batch_size: int = 16) -> None:
        """Compose a pipeline from a network in evaluation mode, on any device, and its tokenizer."""
        self.network = network
        self._tokenizer = tokenizer
        self._batch_size = batch_size
        self._specials = special_tokens(tokenizer)

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path | None = None,
        *,
        device: str = "auto",
        batch_size: int = 16,
        precision: str = "auto",
    ) -> "Pipeline":
        """Load a model folder; without one the model that ships.

        Args:
            folder: With `model.safetensors`, `config.json` and `tokenizer.json`.
            device: `auto` (a GPU where there is one), `cpu` or `cuda`.
            batch_size: Windows that the network reads at once.
            precision: `auto`, `float`, `bf16` or `int8` (on a CPU), `half` (on a GPU); see `stance.runtime.place`.

        Raises:
            ModelError: A missing or foreign file, or a device or precision that is not there.
        """
        chosen = pick_device(device)
        network, tokenizer = load_network(Path(folder) if folder is not None else default_model())
        return cls(place(network, chosen, precision), tokenizer, batch_size=batch_size)

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer, as a model folder's loader sets it up."""
        return self._tokenizer

    @property
    def model(self) -> str:
        """Name of the model, as it stands in every record."""
        return self.network.config.name

    def run(self, articles: Iterable[Article]) -> Iterator[tuple[Article, list[Claim]]]:
        """Give each article with its claims in reading order; lazily, in the order of the articles."""
        claims: list[Claim] = []
        for article, found, last in self.stream(articles):
            claims += found
            if last:
                yield article, claims
                claims = []

    def stream(self, articles: Iterable[Article]) -> Iterator[tuple[Article, list[Claim], bool]]:
        """Give the claims as they come: those of a very long article section by section, in bounded memory.

        Yields:
            The article, claims of it in reading order, and whether they are its last.
        """
        for group in _groups(section for article in articles for section in _cut(article)):
            for section, claims in self._claims(group):
                moved = [_moved(claim, section.start) for claim in claims] if section.start else claims
                yield section.article, moved, section.last
            give_back_memory()

    def read(self, articles: Iterable[Article]) -> Iterator[Reading]:
        """Give what the network sees in each article, read in one piece; for measuring and tuning."""
        for article in articles:
            tokens = self.tokenize(article.text)
            yield from read(self.network, [tokens], self._specials, batch_size=self._batch_size)

    def tokenize(self, text: str, named: Sequence[Mention] | None = None) -> Tokens:
        """Give the tokens that the network reads of a text; `named` where its `stance.names.mentions` are known."""
        if not self.network.config.stand_ins:
            return tokenize(text, self._tokenizer)
        return tokenize(text, self._tokenizer, mentions(text) if named is None else named)

    def judge(
        self, articles: Iterable[tuple[Article, Sequence[tuple[Sequence[Span], Span | None, Span | None]]]]
    ) -> Iterator[list[tuple[Stance, Stance | None, dict[Stance, float]] | None]]:
        """Classify quotes that are already cut.

        Args:
            articles: Each with its quotes: spans of the content, of the cue and of the source.

        Yields:
            For each article its quotes' stance, second stance and probabilities; None for a quote whose
            content holds no word.
        """
        for article, quotes in articles:
            [reading] = self.read([article])
            placed = [token_quote(reading.tokens, *quote) for quote in quotes]
            judged = iter(stance_probabilities([q for q in placed if q is not None], reading, self.network))
            yield [None if q is None else _verdict(next(judged), self.network) for q in placed]

    def _claims(self, sections: Sequence["_Section"]) -> Iterator[tuple["_Section", list[Claim]]]:
        named = [mentions(section.text) for section in sections]
        tokens = [self.tokenize(section.text, names) for section, names in zip(sections, named, strict=True)]
        readings = read(self.network, tokens, self._specials, batch_size=self._batch_size)
        for section, reading, names in zip(sections, readings, named, strict=True):
            yield section, self._section_claims(section.text, reading, names)

    def _section_claims(self, text: str, reading: Reading, named: Sequence[Mention]) -> list[Claim]:
        dropped = boilerplate(text)
        in_tokens = token_quotes(reading, self.network, text)
        quotes = locate(in_tokens, reading, text)
        kept = [i for i, quote in enumerate(quotes) if not _within(quote.content[0].start, dropped)]
        kept.sort(key=lambda i: quotes[i].content[0].start)  # making quotation marks whole moves some starts
        in_tokens, quotes = [in_tokens[i] for i in kept], [quotes[i] for i in kept]
        names = candidates(text, [quote.source for quote in quotes if quote.source], named)
        attributed = attribute(quotes, in_tokens, reading, self.network, text, names, person_roles(text, names))
        return classify(attributed, in_tokens, reading, self.network, names)


@dataclass(frozen=True, slots=True)
class _Section:
    article: Article
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.article.text[self.start : self.end]

    @property
    def last(self) -> bool:
        return self.end == len(self.article.text)


def default_model() -> Path:
    """Give the folder of the model in use: in the installed package, or in a clone the one that its registry names.

    Raises:
        ModelError: The registry is damaged, or names a model that is not there.
    """
    inside = Path(__file__).parent / "models" / "default"
    if inside.is_dir():
        return inside
    return in_use(Path(__file__).parent.parent / "models")


def in_use(models: Path) -> Path:
    """Give the folder of the model that `registry.json` beside it calls the default; `default` without that file.

    Raises:
        ModelError: The file is damaged, or names a model that is not there.
    """
    path = models / REGISTRY
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return models / "default"
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read: {error}, expected JSON that names the default model") from error
    name = found.get("default") if isinstance(found, dict) else None
    if not isinstance(name, str) or not MODEL_NAME.fullmatch(name):
        raise ModelError(f"{path}: default is {name!r}, expected the name of a folder beside it")
    if not (models / name).is_dir():
        raise ModelError(
            f"{path}: the default is {name!r} and there is no such folder beside it, expected it; "
            "`python -m training rollback` takes the one before"
        )
    return models / name


def token_quote(tokens: Tokens, content: Sequence[Span], cue: Span | None, source: Span | None) -> TokenQuote | None:
    """Give a quote in tokens, or None where its content touches none."""
    placed = tuple(t for span in content if (t := tokens.touching(span)))
    return TokenQuote(placed, cue and tokens.touching(cue), source and tokens.touching(source)) if placed else None


def _verdict(
    probabilities: dict[Stance, float], network: StanceNetwork
) -> tuple[Stance, Stance | None, dict[Stance, float]]:
    return (*decide(probabilities, network.config.decoding), probabilities)


def _groups(sections: Iterable[_Section]) -> Iterator[list[_Section]]:
    group: list[_Section] = []
    chars = 0
    for section in sections:
        group.append(section)
        chars += section.end - section.start
        if len(group) >= _TOGETHER or chars >= _TOGETHER_CHARS:
            yield group
            group, chars = [], 0
    if group:
        yield group


def _cut(article: Article) -> Iterator[_Section]:
    """Cut a very long article, after a line break where there is one near, else after a space."""
    text = article.text
    start = 0
    while len(text) - start > _SECTION_CHARS:
        end = start + _SECTION_CHARS
        near = end - _SECTION_CHARS // 4
        end = next((at + 1 for mark in ("\n", " ") if (at := text.rfind(mark, near, end)) >= 0), end)
        yield _Section(article, start, end)
        start = end
    yield _Section(article, start, len(text))


def _moved(claim: Claim, by: int) -> Claim:
    quote = claim.attributed.quote
    moved = Quote(
        tuple(Span(start + by, end + by) for start, end in quote.content),
        quote.cue and Span(quote.cue.start + by, quote.cue.end + by),
        quote.source and Span(quote.source.start + by, quote.source.end + by),
        quote.kind,
    )
    return replace(claim, attributed=replace(claim.attributed, quote=moved))


def _within(at: int, spans: Sequence[Span]) -> bool:
    return any(start <= at < end for start, end in spans)
