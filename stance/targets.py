"""Whom an accusation accuses: the network points from a quote to the names in its article, or to none of them."""

from collections.abc import Sequence

from stance.candidates import Candidate
from stance.network import StanceNetwork
from stance.quotes import TokenQuote, TokenSpan
from stance.runtime import Reading
from stance.speakers import rank


def targets(
    quotes: Sequence[TokenQuote],
    speakers: Sequence[str | None],
    reading: Reading,
    network: StanceNetwork,
    found: Sequence[Candidate],
) -> list[tuple[str, float] | None]:
    """Name the target of each quote as if it were an accusation.

    Args:
        quotes: In tokens of the article.
        speakers: The speaker of each; nobody accuses himself.
        reading: What the network saw in the article.
        network: Its target links judge.
        found: From `stance.candidates`.

    Returns:
        For each quote a name and its probability, or None where no name is likely enough, or likelier than that
        the article does not name whom it accuses.
    """
    least = network.config.decoding.target
    ranked = rank([hull(quote) for quote in quotes], network.link_target, reading, found, none=True)
    return [
        next(((c.name, p) for c, p in ranking if c.name != speaker and p >= max(least, nobody)), None)
        for (ranking, nobody), speaker in zip(ranked, speakers, strict=True)
    ]


def hull(quote: TokenQuote) -> TokenSpan:
    """Give the tokens from the beginning of a quote's content to its end."""
    return quote.content[0][0], max(end for _, end in quote.content)
