"""The third stage: what an attributed quote does."""

from collections.abc import Sequence
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from stance.candidates import Candidate
from stance.network import Decoding, StanceNetwork
from stance.quotes import TokenQuote
from stance.runtime import Reading
from stance.targets import targets
from stance.types import AttributedQuote, Claim, Stance

# A quote as the stance head sees it: its own tokens, and this many around it and its attribution.
REGION = 128
_AROUND = 16
_CONTENT_HEAD, _CONTENT_TAIL, _CUE, _SOURCE = 56, 24, 8, 12
# Quotes judged at once; bounds the memory of an article with very many.
_AT_ONCE = 64


def classify(
    attributed: Sequence[AttributedQuote],
    quotes: Sequence[TokenQuote],
    reading: Reading,
    network: StanceNetwork,
    found: Sequence[Candidate],
) -> list[Claim]:
    """Judge what each attributed quote does and whom it accuses.

    Args:
        attributed: The quotes and their speakers.
        quotes: The same quotes in tokens, in the same order.
        reading: What the network saw in the article.
        network: Its stance head and target links judge.
        found: The names of the article, from `stance.candidates`.
    """
    probabilities = stance_probabilities(quotes, reading, network)
    decided = [decide(p, network.config.decoding) for p in probabilities]
    accusing = [i for i, stances in enumerate(decided) if Stance.ACCUSATION in stances]
    accused = targets([quotes[i] for i in accusing], [attributed[i].speaker for i in accusing], reading, network, found)
    target = dict(zip(accusing, accused, strict=True))
    return [
        Claim(attributed[i], *decided[i], probabilities[i], *(target.get(i) or (None, None)))
        for i in range(len(attributed))
    ]


@torch.inference_mode()
def stance_probabilities(
    quotes: Sequence[TokenQuote], reading: Reading, network: StanceNetwork
) -> list[dict[Stance, float]]:
    """Give the calibrated probability of each stance for each quote, in the order of `Stance`."""
    result = []
    device = reading.vectors.device
    decoding = network.config.decoding
    bias = torch.tensor(decoding.stance_bias, device=device)
    for start in range(0, len(quotes), _AT_ONCE):
        chosen = [region(quote, len(reading.tokens)) for quote in quotes[start : start + _AT_ONCE]]
        parts = [([token for token, _ in one], [role for _, role in one]) for one in chosen]
        given = (tensor.to(device) for tensor in filled(parts))
        logits = network.stance(reading.vectors, *given) / decoding.temperature + bias
        result += [dict(zip(Stance, row, strict=True)) for row in logits.double().softmax(-1).tolist()]
    return result


def filled(regions: Sequence[tuple[Sequence[int], Sequence[tuple[int, int, int]]]]) -> tuple[Tensor, Tensor]:
    """Fill regions up as the stance head takes them; see `stance.network.StanceHead.parts`.

    Always to the full width: a shorter one would change the last bits with the neighbours.

    Args:
        regions: The tokens of each quote's region and their roles, from `region`.

    Returns:
        Tokens `(quotes, REGION)` int64, -1 where there is none, and roles `(quotes, REGION, 3)` of 0 and 1.
    """
    tokens = np.full((len(regions), REGION), -1)
    roles = np.zeros((len(regions), REGION, 3), np.float32)
    for row, (chosen, of) in enumerate(regions):
        tokens[row, : len(chosen)], roles[row, : len(of)] = chosen, of
    return torch.from_numpy(tokens), torch.from_numpy(roles)


def decide(probabilities: dict[Stance, float], decoding: Decoding) -> tuple[Stance, Stance | None]:
    """Choose the stance and, where another than "other" is likely enough beside it, the second one."""
    weight = dict(zip(Stance, decoding.stance_weight, strict=True))
    stance = max(Stance, key=lambda label: probabilities[label] * weight[label])
    rest = [label for label in Stance if label not in (stance, Stance.OTHER)]
    second = max(rest, key=lambda label: probabilities[label])
    likely = stance is not Stance.OTHER and probabilities[second] >= decoding.second
    return stance, second if likely else None


def region(quote: TokenQuote, count: int) -> list[tuple[int, tuple[int, int, int]]]:
    """Choose the tokens from which a quote is judged, in order, each with its roles.

    Long contents keep their beginning and end. Context fills what is left, nearest first.

    Args:
        quote: The quote, in tokens of its article.
        count: Number of tokens of the article.

    Returns:
        At most `REGION` pairs of token index and (content, cue, source), each 0 or 1.
    """
    head = list(islice((t for span in quote.content for t in range(*span)), _CONTENT_HEAD + _CONTENT_TAIL))
    tail = list(islice((t for span in reversed(quote.content) for t in reversed(range(*span))), _CONTENT_TAIL))
    content = sorted({*head[:_CONTENT_HEAD], *tail} if sum(e - s for s, e in quote.content) > len(head) else head)
    cue = list(range(*quote.cue))[:_CUE] if quote.cue else []
    source = list(range(*quote.source))[:_SOURCE] if quote.source else []
    chosen = {*content, *cue, *source}
    edges = [(some[0], some[-1]) for some in (content, cue) if some]
    for distance in range(1, _AROUND + 1):
        for first, last in edges:
            for token in (first - distance, last + distance):
                if 0 <= token < count and len(chosen) < REGION:
                    chosen.add(token)
    contents, cues, sources = set(content), set(cue), set(source)
    return [(t, (int(t in contents), int(t in cues), int(t in sources))) for t in sorted(chosen)]
