"""Tunes the decoding constants of a trained network on development articles; never on test articles.

Coarse grids on purpose: what is tuned finely to one set shows on the next.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from stance.claims import stance_probabilities
from stance.network import Decoding, StanceNetwork
from stance.pipeline import Pipeline
from stance.quotes import locate, token_quotes
from stance.runtime import Reading
from stance.speakers import attribute, candidates
from stance.types import Stance
from training.annotations import AnnotatedArticle
from training.features import gold_token_quote
from training.metrics import Score, score

_SPAN_COSTS = (0.5, 1.0, 1.5, 2.0)
_OUTSIDE_BIASES = (-0.2, 0.0, 0.2)
_SPEAKER_THRESHOLDS = (0.4, 0.5, 0.6, 0.7)
_STANCE_WEIGHTS = (0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8)
_TEMPERATURES = tuple(float(t) for t in np.geomspace(0.5, 3.0, 26))


@dataclass(frozen=True, slots=True)
class DevSet:
    """Articles that were read once, to be decoded many times."""

    name: str
    articles: tuple[AnnotatedArticle, ...]
    readings: tuple[Reading, ...]


def tune(pipeline: Pipeline, sets: Sequence[tuple[str, Sequence[AnnotatedArticle]]]) -> tuple[Decoding, list[str]]:
    """Choose the decoding constants by the mean over development sets.

    Args:
        pipeline: The model.
        sets: Names and annotated articles.

    Returns:
        The constants, and lines that say what was tried and what it gave.
    """
    dev = [DevSet(name, tuple(a), tuple(pipeline.read(one.article for one in a))) for name, a in sets]
    network = pipeline.network
    log: list[str] = []
    decoding = _tune_spans(network, dev, log)
    decoding = _tune_speakers(_with(network, decoding), dev, log)
    decoding = _tune_stances(_with(network, decoding), dev, log)
    return decoding, log


def _with(network: StanceNetwork, decoding: Decoding) -> StanceNetwork:
    network.config = network.config.model_copy(update={"decoding": decoding})
    return network


def _tune_spans(network: StanceNetwork, dev: Sequence[DevSet], log: list[str]) -> Decoding:
    best, chosen = -1.0, network.config.decoding
    for cost, bias in product(_SPAN_COSTS, _OUTSIDE_BIASES):
        decoding = chosen.model_copy(
            update={"span_cost": (0.0, 0.0, cost, cost), "outside_bias": (0.0, 0.0, bias, 0.0)}
        )
        scores = [_quotes(_with(network, decoding), one) for one in dev]
        value = float(np.mean([s.quotes.f1 + s.attributed.f1 for s in scores])) / 2
        log.append(
            f"span cost {cost} outside bias {bias}: "
            + _line(dev, [f"{s.quotes.f1:.4f}/{s.attributed.f1:.4f}/{s.boundaries:.3f}" for s in scores])
        )
        if value > best:
            best, found = value, decoding
    return found


def _tune_speakers(network: StanceNetwork, dev: Sequence[DevSet], log: list[str]) -> Decoding:
    best, found = -9.0, network.config.decoding
    for least in _SPEAKER_THRESHOLDS:
        decoding = network.config.decoding.model_copy(update={"speaker": least})
        scores = [_quotes(_with(network, decoding), one, speakers=True) for one in dev]
        # A wrong name is worse than none.
        value = float(np.mean([s.speaker_close - s.speaker_wrong for s in scores]))
        log.append(f"speaker {least}: " + _line(dev, [f"{s.speaker_close:.4f}/{s.speaker_wrong:.4f}" for s in scores]))
        if value > best:
            best, found = value, decoding
    return found


def _tune_stances(network: StanceNetwork, dev: Sequence[DevSet], log: list[str]) -> Decoding:
    plain = network.config.decoding.model_copy(update={"temperature": 1.0})
    sets = [_judged(_with(network, plain), one) for one in dev]
    logits = np.log(np.concatenate([p for p, _ in sets]))
    labels = np.concatenate([g for _, g in sets])
    losses = {t: _loss(logits / t, labels) for t in _TEMPERATURES}
    temperature = min(losses, key=lambda t: losses[t])
    log.append(f"temperature {temperature:.3f}: loss {losses[temperature]:.4f}, at 1 {_loss(logits, labels):.4f}")
    decoding = plain.model_copy(update={"temperature": round(temperature, 3)})
    scaled = [(_softmax(np.log(p) / temperature), g) for p, g in sets]
    best = -1.0
    for weights in product(_STANCE_WEIGHTS, repeat=3):
        macro = [_macro(p * np.array([*weights, 1.0]), g) for p, g in scaled]
        if float(np.mean(macro)) > best + 1e-9:
            best, found, macros = float(np.mean(macro)), weights, macro
    log.append(
        f"stance weights {found}: "
        + _line(dev, [f"{m:.4f}" for m in macros])
        + "; without "
        + _line(dev, [f"{_macro(p, g):.4f}" for p, g in scaled])
    )
    return decoding.model_copy(update={"stance_weight": (*found, 1.0)})


def _quotes(network: StanceNetwork, one: DevSet, *, speakers: bool = False) -> Score:
    rows: list[dict[str, Any]] = []
    for annotated, reading in zip(one.articles, one.readings, strict=True):
        text = annotated.article.text
        in_tokens = token_quotes(reading, network, text)
        quotes = locate(in_tokens, reading, text)
        names: Iterable[str | None] = [None] * len(quotes)
        if speakers:
            found = candidates(text, [quote.source for quote in quotes if quote.source])
            names = [a.speaker for a in attribute(quotes, in_tokens, reading, network, text, found)]
        rows += [
            {"article_id": annotated.article.id, "content_spans": q.content, "source_span": q.source, "speaker": name}
            for q, name in zip(quotes, names, strict=True)
        ]
    return score(one.articles, rows)


def _judged(network: StanceNetwork, one: DevSet) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities `(quotes, 4)` on the annotated spans, and gold labels `(quotes,)`."""
    order = list(Stance)
    probabilities, gold = [], []
    for annotated, reading in zip(one.articles, one.readings, strict=True):
        pairs = [
            (quote.stance, placed)
            for quote in annotated.quotes
            if quote.stance
            and not quote.optional
            and (placed := gold_token_quote(quote, reading.tokens, annotated.article.text))
        ]
        found = stance_probabilities([placed for _, placed in pairs], reading, network)
        probabilities += [[p[label] for label in order] for p in found]
        gold += [order.index(label) for label, _ in pairs]
    return np.asarray(probabilities), np.asarray(gold)


def _macro(weighted: np.ndarray, gold: np.ndarray) -> float:
    predicted = weighted.argmax(-1)
    f1 = [
        2 * ((predicted == k) & (gold == k)).sum() / max(1, (predicted == k).sum() + (gold == k).sum())
        for k in range(weighted.shape[1])
        if (gold == k).any()
    ]
    return float(np.mean(f1))


def _loss(logits: np.ndarray, labels: np.ndarray) -> float:
    return float(-np.log(_softmax(logits)[np.arange(len(labels)), labels]).mean())


def _softmax(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    result: np.ndarray = shifted / shifted.sum(-1, keepdims=True)
    return result


def _line(dev: Sequence[DevSet], values: Sequence[str]) -> str:
    return ", ".join(f"{one.name} {value}" for one, value in zip(dev, values, strict=True))
