"""Composes the stages: a stream of articles in, a stream of claims out, in order, in constant memory."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tokenizers import Tokenizer

from stance.boilerplate import boilerplate
from stance.claims import classify, decide, stance_probabilities
from stance.network import StanceNetwork, load_network
from stance.quotes import TokenQuote, locate, token_quotes
from stance.runtime import Reading, pick_device, read, special_tokens
from stance.speakers import attribute, candidates, person_roles
from stance.types import Article, Claim, Span, Stance
from stance.windows import Tokens, tokenize

# An article this long is read in sections, so that memory does not grow with it.
_SECTION_TOKENS = 16_000
# So many characters and articles at most are read together, to fill batches.
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
        cls, folder: str | Path | None = None, *, device: str = "auto", batch_size: int = 16
    ) -> "Pipeline":
        """Load a model folder; without one the model that ships.

        Args:
            folder: With `model.safetensors`, `config.json` and `tokenizer.json`.
            device: `auto` (a GPU where there is one), `cpu` or `cuda`.
            batch_size: Windows that the network reads at once.

        Raises:
            ModelError: A missing or foreign file, or a device that is not there.
        """
        chosen = pick_device(device)
        network, tokenizer = load_network(Path(folder) if folder is not None else default_model())
        return cls(network.to(chosen), tokenizer, batch_size=batch_size)

    @property
    def model(self) -> str:
        """Name of the model, as it stands in every record."""
        return self.network.config.name

    def run(self, articles: Iterable[Article]) -> Iterator[tuple[Article, list[Claim]]]:
        """Give each article with its claims in reading order; lazily, in the order of the articles."""
        for group in _groups(articles):
            yield from self._claims(group)

    def read(self, articles: Iterable[Article]) -> Iterator[Reading]:
        """Give what the network sees in each article, read in one piece; for measuring and tuning."""
        for article in articles:
            tokens = tokenize(article.text, self._tokenizer)
            yield from read(self.network, [tokens], self._specials, batch_size=self._batch_size)

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

    def _claims(self, articles: Sequence[Article]) -> Iterator[tuple[Article, list[Claim]]]:
        sections = [
            (index, section)
            for index, article in enumerate(articles)
            for section in _sections(tokenize(article.text, self._tokenizer), article.text)
        ]
        readings = read(self.network, [part for _, part in sections], self._specials, batch_size=self._batch_size)
        for index, article in enumerate(articles):
            mine = [reading for (i, _), reading in zip(sections, readings, strict=True) if i == index]
            yield article, self._article_claims(article.text, mine)

    def _article_claims(self, text: str, readings: Sequence[Reading]) -> list[Claim]:
        dropped = boilerplate(text)
        found = []
        for reading in readings:
            in_tokens = token_quotes(reading, self.network, text)
            quotes = locate(in_tokens, reading, text)
            kept = [i for i, quote in enumerate(quotes) if not _within(quote.content[0].start, dropped)]
            kept.sort(key=lambda i: quotes[i].content[0].start)  # making quotation marks whole moves some starts
            found.append(([in_tokens[i] for i in kept], [quotes[i] for i in kept], reading))
        names = candidates(text, [quote.source for _, quotes, _ in found for quote in quotes if quote.source])
        known = person_roles(text, names)
        claims = []
        for in_tokens, quotes, reading in found:
            attributed = attribute(quotes, in_tokens, reading, self.network, text, names, known)
            claims += classify(attributed, in_tokens, reading, self.network, names)
        return claims


def default_model() -> Path:
    """Give the folder of the model that ships: in the installed package, or beside it in a clone."""
    inside = Path(__file__).parent / "models" / "default"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "models" / "default"


def token_quote(tokens: Tokens, content: Sequence[Span], cue: Span | None, source: Span | None) -> TokenQuote | None:
    """Give a quote in tokens, or None where its content touches none."""
    placed = tuple(t for span in content if (t := tokens.touching(span)))
    return TokenQuote(placed, cue and tokens.touching(cue), source and tokens.touching(source)) if placed else None


def _verdict(
    probabilities: dict[Stance, float], network: StanceNetwork
) -> tuple[Stance, Stance | None, dict[Stance, float]]:
    return (*decide(probabilities, network.config.decoding), probabilities)


def _groups(articles: Iterable[Article]) -> Iterator[list[Article]]:
    group: list[Article] = []
    for article in articles:
        group.append(article)
        if len(group) >= _TOGETHER or sum(len(member.text) for member in group) >= _TOGETHER_CHARS:
            yield group
            group = []
    if group:
        yield group


def _sections(tokens: Tokens, text: str) -> Iterator[Tokens]:
    """Cut the tokens of a very long article, at a line break where there is one near."""
    start = 0
    while len(tokens) - start > _SECTION_TOKENS:
        end = start + _SECTION_TOKENS
        breaks = (
            t for t in range(end, end - _SECTION_TOKENS // 4, -1) if "\n" in text[tokens.ends[t - 1] : tokens.starts[t]]
        )
        end = next(breaks, end)
        yield tokens.part(start, end)
        start = end
    yield tokens.part(start, len(tokens))


def _within(at: int, spans: Sequence[Span]) -> bool:
    return any(start <= at < end for start, end in spans)
