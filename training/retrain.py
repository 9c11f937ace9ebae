"""Newly annotated articles for a model that exists: split, checked, mixed with old ones, and read once for its head.

Learning only the stance head (`scope: heads`) leaves the encoder as it is. So every article is read once, and an epoch
goes over the vectors of the quotes.
"""

import random
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import StratifiedGroupKFold
from torch import Tensor, nn
from torch.utils.data import Dataset

from stance.claims import region
from stance.errors import InputError
from stance.network import StanceHead
from stance.pipeline import Pipeline
from stance.types import Stance
from training.annotations import AnnotatedArticle, GoldQuote, read_annotated
from training.duplicates import Leak, families, leaks
from training.features import gold_token_quote, soft_label
from training.settings import NewData, Source

_SHOWN = 3
_LEAST_QUOTES = len(Stance)


@dataclass(frozen=True, slots=True)
class Split:
    """Newly annotated articles in two parts.

    Attributes:
        learned: What the network learns from.
        held: What says when to stop, and what was gained.
        old: Old articles that are learned beside them, each with its file.
    """

    learned: tuple[AnnotatedArticle, ...]
    held: tuple[AnnotatedArticle, ...]
    old: tuple[tuple[AnnotatedArticle, Source], ...] = ()


def judged_quotes(annotated: AnnotatedArticle) -> list[GoldQuote]:
    """Give the quotes that teach a stance: those that were judged and are no optional ones."""
    return [quote for quote in annotated.quotes if quote.stance is not None and not quote.optional]


def is_bare(annotated: AnnotatedArticle) -> bool:
    """Say whether an article is nothing but one quote, a row of a spreadsheet; it cannot teach where quotes are."""
    if len(annotated.quotes) != 1:
        return False
    [quote] = annotated.quotes
    text = annotated.article.text
    outside = text[: quote.content[0].start] + text[quote.content[-1].end :]
    return not quote.cue and not quote.source and not any(char.isalnum() for char in outside)


def is_whole(annotated: AnnotatedArticle, complete: bool) -> bool:
    """Say whether every quote of an article is annotated, so that it can teach where quotes are.

    Args:
        annotated: Its own `complete: false` counts, as a task for Label Studio made from a report has it.
        complete: Whether its file says so.
    """
    says = annotated.article.metadata.get("complete", True)
    return complete and says not in (False, "false") and not is_bare(annotated)  # marked-up text has only strings


def read_new(new: NewData) -> list[AnnotatedArticle]:
    """Read newly annotated articles, and refuse what nothing can be learned from.

    Raises:
        InputError: A bad line, no article, too few judged quotes, or only one label among them.
    """
    found = []
    for path in new.paths:
        some = list(read_annotated([path]))
        if not any(annotated.article.text.strip() for annotated in some):
            raise InputError(f"{path}: no article with text in it, expected one annotated article a line")
        found += some
    files = ", ".join(map(str, new.paths)) or "new articles"
    labels = Counter(str(quote.stance) for annotated in found for quote in judged_quotes(annotated))
    if labels.total() < _LEAST_QUOTES:
        raise InputError(f"{files}: {labels.total()} quotes with a stance, expected at least {_LEAST_QUOTES}")
    if len(labels) == 1:
        raise InputError(f"{files}: every stance is {next(iter(labels))!r}, expected two labels or more: a model that "
                         "sees only one gives only that one")  # fmt: skip
    return found


def split(articles: Sequence[AnnotatedArticle], share: float, seed: int, *, what: str = "new articles") -> Split:
    """Split by article, with about the same labels in both parts.

    What several annotators said of one article, and articles that are nearly the same, come into one part: else the
    answer would be known. Every reading of an article is learned from; of a held text the first one
    with stances counts.

    Args:
        articles: At least two of them with stances.
        share: Of the articles that are held out.
        seed: Another one holds out others.
        what: Names the files, for the message.

    Raises:
        InputError: Only one article has stances, or all that have some are nearly the same.
    """
    family = families(articles)
    rows = [(i, str(quote.stance)) for i, one in enumerate(articles) for quote in judged_quotes(one)]
    groups = [family[i] for i, _ in rows]
    if len(set(groups)) < 2:
        raise InputError(
            f"{what}: fewer than two articles with stances, or several of (nearly) the same text, expected two or "
            "more: one to learn from, one to measure by"
        )
    folds = min(round(1 / share), len(set(groups)))
    folder = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of labels rarer than folds: as even as can be is what is asked
        parts = [{groups[k] for k in chosen} for _, chosen in _folds(folder, rows, groups, folds)]
    # The first fold of the share asked for: folds differ in size where articles do.
    held = min((part for part in parts if part), key=lambda part: abs(len(part) / len(set(groups)) - share))
    held_out = (one for one, number in zip(articles, family, strict=True) if number in held)
    learned = (one for one, number in zip(articles, family, strict=True) if number not in held)
    return Split(tuple(learned), tuple(one_reading(held_out)))


def one_reading(articles: Iterable[AnnotatedArticle]) -> list[AnnotatedArticle]:
    """Keep one reading of each text, what one annotator said of it: the first with stances, or else the first."""
    found: dict[str, AnnotatedArticle] = {}
    for one in articles:
        before = found.get(one.article.text)
        if before is None or not judged_quotes(before):
            found[one.article.text] = one
    return list(found.values())


def _folds(
    folder: StratifiedGroupKFold, rows: Sequence[tuple[int, str]], groups: Sequence[int], folds: int
) -> Iterable[tuple[Any, Any]]:
    labels = [label for _, label in rows]
    if max(Counter(labels).values()) < folds:  # the library refuses what is rare everywhere; then articles alone count
        labels = ["any"] * len(rows)
    return list(folder.split(np.zeros(len(rows)), labels, groups))


def refuse_leaks(learned: Iterable[AnnotatedArticle], held: Iterable[AnnotatedArticle], what: str) -> None:
    """Refuse to measure on what was learned.

    Args:
        learned: What the network learns from.
        held: What it is measured on.
        what: Names the files, for the message.

    Raises:
        InputError: An article of one part is, nearly, one of the other.
    """
    found = leaks(learned, held)
    if found:
        more = f" and {len(found) - _SHOWN} more pairs" if len(found) > _SHOWN else ""
        raise InputError(
            f"{what}: {', '.join(map(_pair, found[:_SHOWN]))}{more} are (nearly) the same text on both sides of the "
            "line between learning and measuring, expected each text once"
        )


def _pair(leak: Leak) -> str:
    return f"{leak.training!r} and {leak.evaluation!r} ({leak.similarity:.0%})"


def replayed(sources: Sequence[Source], quotes: float, seed: int) -> list[tuple[AnnotatedArticle, Source]]:
    """Draw old articles until they hold so many quotes, in a chance order; all where they hold fewer.

    Raises:
        InputError: A file that cannot be read, or holds no article.
    """
    found: list[tuple[AnnotatedArticle, Source]] = []
    for source in sources:
        some = [(annotated, source) for annotated in read_annotated([source.path])]
        if not any(annotated.article.text.strip() for annotated, _ in some):
            raise InputError(f"{source.path}: no article with text in it, expected one annotated article a line")
        found += some
    random.Random(seed).shuffle(found)
    chosen, count = [], 0
    for annotated, source in found:
        if count >= quotes:
            break
        chosen.append((annotated, source))
        count += len(judged_quotes(annotated))
    return chosen


class QuoteVectors(Dataset[dict[str, Tensor]]):
    """What the encoder gives for judged quotes; 1.5 kB a token with a hidden size of 384.

    Its items are the arguments of `HeadNetwork.forward` for one quote.
    """

    def __init__(self, pipeline: Pipeline, articles: Iterable[AnnotatedArticle]) -> None:
        """Read the articles once, as inference reads them."""
        self._items: list[tuple[Tensor, list[int], Tensor, Tensor]] = []
        for annotated in articles:
            self._items += _quote_vectors(pipeline, annotated)

    def __len__(self) -> int:
        """Count the quotes."""
        return len(self._items)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Give one quote: vectors `(tokens, hidden)`, roles `(tokens, 3)`, stances `(4,)`."""
        vectors, chosen, roles, label = self._items[index]
        return {"vectors": vectors[chosen], "roles": roles, "stances": label}


def _quote_vectors(pipeline: Pipeline, annotated: AnnotatedArticle) -> list[tuple[Tensor, list[int], Tensor, Tensor]]:
    quotes = judged_quotes(annotated)
    if not quotes:
        return []
    [reading] = pipeline.read([annotated.article])
    vectors = reading.vectors.cpu().clone()  # outside of inference mode, so that a gradient may be taken
    result = []
    for quote in quotes:
        placed = gold_token_quote(quote, reading.tokens, annotated.article.text)
        if placed is not None:
            chosen = region(placed, len(reading.tokens))
            roles = torch.tensor([role for _, role in chosen], dtype=torch.float)
            result.append((vectors, [token for token, _ in chosen], roles, torch.tensor(soft_label(quote))))
    return result


def collate_quotes(batch: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Stack quotes: vectors one after the other, and where each has its tokens, -1 where it has no more."""
    longest = max(len(one["roles"]) for one in batch)
    regions = torch.full((len(batch), longest), -1, dtype=torch.long)
    roles = torch.zeros(len(batch), longest, batch[0]["roles"].shape[1])
    base = 0
    for i, one in enumerate(batch):
        count = len(one["roles"])
        regions[i, :count] = torch.arange(base, base + count)
        roles[i, :count] = one["roles"]
        base += count
    return {
        "vectors": torch.cat([one["vectors"] for one in batch]),
        "regions": regions,
        "roles": roles,
        "stances": torch.stack([one["stances"] for one in batch]),
    }


def stance_loss(parts: Tensor, stances: Tensor, *, weights: Sequence[float], smoothing: float) -> Tensor:
    """Give the weighted cross-entropy of a batch of quotes, the mean over the head's parts.

    Args:
        parts: Logits of each part of the head, `(parts, quotes, 4)`.
        stances: Soft labels `(quotes, 4)`.
        weights: Of the labels.
        smoothing: Share of a label that is spread over all.
    """
    weight = (stances * stances.new_tensor(weights)).sum(-1)
    stances = (1 - smoothing) * stances + smoothing / stances.shape[-1]
    judged = -(stances * parts.log_softmax(-1)).sum(-1)
    return (judged.mean(0) * weight).sum() / weight.sum()


class HeadNetwork(nn.Module):
    """The stance head alone with its loss, as the Trainer wants it."""

    def __init__(self, head: StanceHead, weights: Sequence[float], smoothing: float) -> None:
        super().__init__()
        self.head = head
        self.dropout = nn.Dropout(0.1)  # as after the encoder
        self.weights = tuple(weights)
        self.smoothing = smoothing

    def forward(self, *, vectors: Tensor, regions: Tensor, roles: Tensor, stances: Tensor) -> dict[str, Tensor]:
        """Give the loss of a batch from `collate_quotes`."""
        vectors = self.dropout(vectors)
        parts = torch.stack(self.head.parts(vectors, regions, roles))
        return {"loss": stance_loss(parts, stances, weights=self.weights, smoothing=self.smoothing)}


def averaged(before: dict[str, Tensor], after: dict[str, Tensor], keep: float) -> dict[str, Tensor]:
    """Give the mean of two sets of weights, `keep` of the first; as they are where both are the same."""
    return {
        name: tensor if torch.equal(tensor, before[name]) else keep * before[name] + (1 - keep) * tensor
        for name, tensor in after.items()
    }
