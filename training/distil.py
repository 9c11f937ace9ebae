"""Labels that a stronger network softens: what it thinks of each judged quote is mixed into the stance to learn.

Knowledge distillation (Hinton et al. 2015, https://arxiv.org/abs/1503.02531), at a temperature of 1 and for the stances
alone: where quotes are and who speaks is learned from the annotation.
"""

import contextlib
import copy
from collections.abc import Iterable, Iterator
from dataclasses import replace

import torch

from stance.claims import stance_probabilities
from stance.network import Decoding
from stance.packed import PackedEncoder
from stance.pipeline import Pipeline
from training.annotations import AnnotatedArticle, GoldQuote
from training.features import gold_token_quote, soft_label


def taught(
    articles: Iterable[AnnotatedArticle], teacher: Pipeline, share: float, *, half_precision: bool
) -> Iterator[AnnotatedArticle]:
    """Give articles whose judged quotes have a label to learn, partly the teacher's.

    Args:
        articles: Annotated articles; quotes without a stance stay as they are.
        teacher: Its probabilities are taken as its network gives them, neither calibrated nor weighted, for a student
            whose loss weighs the labels as the teacher's did.
        share: Of the label that is the teacher's, in [0, 1].
        half_precision: Whether its encoder reads in bfloat16, where it is no plain BERT that is packed.
    """
    network = copy.copy(teacher.network)  # the same weights; the teacher given keeps its own constants
    network.config = network.config.model_copy(update={"decoding": Decoding()})
    device = next(network.parameters()).device.type
    half_precision = half_precision and not isinstance(network.encoder, PackedEncoder)
    for annotated in articles:
        if any(quote.stance is not None for quote in annotated.quotes):
            with torch.autocast(device, torch.bfloat16) if half_precision else contextlib.nullcontext():
                [reading] = teacher.read([annotated.article])
            placed = [
                None if quote.stance is None else gold_token_quote(quote, reading.tokens, annotated.article.text)
                for quote in annotated.quotes
            ]
            told = iter(stance_probabilities([one for one in placed if one is not None], reading, network))
            quotes = [
                quote if one is None else _softened(quote, list(next(told).values()), share)
                for quote, one in zip(annotated.quotes, placed, strict=True)
            ]
            annotated = replace(annotated, quotes=tuple(quotes))
        yield annotated


def _softened(quote: GoldQuote, told: list[float], share: float) -> GoldQuote:
    mixed = [(1 - share) * given + share * p for given, p in zip(soft_label(quote), told, strict=True)]
    return replace(quote, label=tuple(mixed))
