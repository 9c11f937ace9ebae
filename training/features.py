"""Annotated articles as tensors, cut and tokenised through `stance.windows` as inference does."""

import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from stance.candidates import candidates
from stance.claims import filled, region
from stance.names import mentions, name_words
from stance.network import BEGIN, INSIDE, OUTSIDE, ROLES
from stance.pipeline import token_quote
from stance.quotes import REACH, TokenQuote
from stance.runtime import pad
from stance.targets import hull
from stance.types import Span, Stance
from stance.windows import Tokens, cut, tokenize
from training.annotations import AnnotatedArticle, GoldQuote

IGNORED = -100
_EDGE = " \t\r\n\"'“”‘’«»,.;:!?…"
_SECOND_WEIGHT = 0.3  # share of a second stance in the soft label

Row = dict[str, Any]


def rows(
    articles: Iterable[AnnotatedArticle],
    tokenizer: Tokenizer,
    *,
    size: int,
    overlap: int,
    windows: int,
    complete: bool = True,
    stand_ins: bool = False,
) -> Iterator[Row]:
    """Turn articles into training examples: an article, or a section of a long one.

    Args:
        articles: Annotated articles; quotes without a stance train segmentation only.
        tokenizer: The model's.
        size: Most tokens of a window, as for `stance.windows.cut`.
        overlap: Tokens that windows share.
        windows: Most windows in one example.
        complete: Whether every quote is annotated; else the articles do not train where quotes are, only their
            stances, speakers and targets.
        stand_ins: Whether the network reads stand-ins for names.

    Yields:
        Rows of plain lists, of which `collate` makes a batch.
    """
    for annotated in articles:
        text = annotated.article.text
        tokens = tokenize(text, tokenizer, mentions(text) if stand_ins else None)
        for section in cut(len(tokens), size=windows * (size - overlap) + overlap, overlap=overlap):
            row = _row(annotated, tokens, section.first_token, section.last_token)
            unknown = {"tags": [[IGNORED] * len(ROLES)] * len(row["ids"]), "links": []}
            yield row if complete else row | unknown


def gold_token_quote(quote: GoldQuote, tokens: Tokens, text: str) -> TokenQuote | None:
    """Give a gold quote in tokens, or None where its content has no token.

    Annotators differ on whether outer quotation marks, final punctuation and a leading "that" belong to the
    content; the network learns contents without them.
    """
    content = [bare for span in quote.content if (bare := trimmed(text, span)) is not None]
    return token_quote(tokens, content, next(iter(quote.cue), None), next(iter(quote.source), None))


def trimmed(text: str, span: Span) -> Span | None:
    """Strip quotation marks, punctuation, white space and a leading "that"; None where nothing is left."""
    start, end = span
    while end > start and text[end - 1] in _EDGE:
        end -= 1
    while start < end and text[start] in _EDGE:
        start += 1
    if text[start:end].lower().startswith("that ") and end - start > 5:
        start += 5
    return Span(start, end) if start < end else None


def masked(row: Row, mask: int, share: float, chance: random.Random) -> Row:
    """Hide a share of a row's word pieces behind the mask token."""
    return row | {"ids": [mask if chance.random() < share else token for token in row["ids"]]}


def collate(
    batch: Sequence[Row],
    *,
    size: int,
    overlap: int,
    specials: tuple[int, int],
    twins: Sequence[tuple[int, int]] = (),
) -> dict[str, Tensor]:
    """Stack examples into one flat article matrix with its windows, spans and labels.

    Args:
        batch: Rows from `rows`.
        size: Most tokens of a window.
        overlap: Tokens that windows share.
        specials: The special tokens, from `stance.runtime.special_tokens`.
        twins: Pairs of rows that are an article and a variant of it.

    Returns:
        Tensors by the argument names of `training.fit.TrainingNetwork.forward`; token indices point into
        the batch's tokens, one example after the other.
    """
    windows: list[tuple[np.ndarray, np.ndarray]] = []
    stitch: list[tuple[int, int]] = []
    flat: dict[str, list[Any]] = {
        name: [] for name in ("tags", "contents", "cue_from", "source_from", "antecedents", "targets", "stances")
    }
    base = 0
    judged: dict[tuple[int, int], int] = {}
    for number, row in enumerate(batch):
        count = len(row["ids"])
        for window in cut(count, size=size, overlap=overlap):
            stitch += [
                (len(windows), 1 + t - window.first_token)
                for t in range(window.keep_first_token, window.keep_last_token)
            ]
            part = slice(window.first_token, window.last_token)
            windows.append((np.asarray(row["ids"][part]), np.asarray(row["shapes"][part])))
        flat["tags"] += row["tags"]
        for content, cue, source in row["links"]:
            flat["contents"].append([content[0] + base, content[1] + base])
            flat["cue_from"].append(_link(content, cue, base, count))
            flat["source_from"].append(_source_link(content, cue, source, base, count))
        for kind in ("antecedents", "targets"):
            for span, places, right in row[kind]:
                flat[kind].append(([span[0] + base, span[1] + base], [p + base for p in places], right))
        for quote, tokens, roles, label in row["stances"]:
            judged[number, quote] = len(flat["stances"])
            flat["stances"].append(([t + base for t in tokens], roles, label))
        base += count
    ids, shapes, mask = pad(windows, specials)
    places = torch.tensor(stitch, dtype=torch.long).reshape(-1, 2)
    twin_of = dict(twins)
    pairs = [
        (place, judged[twin_of[number], quote])
        for (number, quote), place in judged.items()
        if number in twin_of and (twin_of[number], quote) in judged
    ]
    return {
        "ids": ids,
        "shapes": shapes,
        "mask": mask,
        "stitch": places[:, 0] * ids.shape[1] + places[:, 1],
        "twins": torch.tensor(pairs, dtype=torch.long).reshape(-1, 2),
        **_labels(flat),
    }


def _row(annotated: AnnotatedArticle, tokens: Tokens, first: int, last: int) -> Row:
    text = annotated.article.text
    placed = [(i, q, gold_token_quote(q, tokens, text)) for i, q in enumerate(annotated.quotes)]
    numbered = [
        (i, q, _shift(t, first))
        for i, q, t in placed
        if t is not None and all(first <= s and e <= last for s, e in _all_spans(t))
    ]
    part = tokens.part(first, last)
    shifted = [(q, t) for _, q, t in numbered]
    return {
        "ids": part.ids.tolist(),
        "shapes": part.shapes.tolist(),
        "tags": _tags(shifted, last - first),
        "links": [(c, t.cue, t.source) for q, t in shifted if not q.optional for c in t.content],
        **_names(shifted, part, text),
        "stances": [[i, *_stance(q, t, last - first)] for i, q, t in numbered if q.stance is not None],
    }


def _all_spans(quote: TokenQuote) -> list[tuple[int, int]]:
    return [*quote.content, *filter(None, (quote.cue, quote.source))]


def _shift(quote: TokenQuote, by: int) -> TokenQuote:
    def move(span: tuple[int, int] | None) -> tuple[int, int] | None:
        return None if span is None else (span[0] - by, span[1] - by)

    content = tuple((start - by, end - by) for start, end in quote.content)
    return TokenQuote(content, move(quote.cue), move(quote.source))


def _tags(quotes: Sequence[tuple[GoldQuote, TokenQuote]], count: int) -> list[list[int]]:
    """Tags `(tokens, roles)`; what only an optional quote covers is ignored."""
    tags = [[OUTSIDE] * len(ROLES) for _ in range(count)]
    outer = [(min(s for s, _ in t.content), max(e for _, e in t.content)) for _, t in quotes]
    for optional in (True, False):
        for i, (gold, quote) in enumerate(quotes):
            if gold.optional is not optional:
                continue
            nested = any(
                j != i and other[0] <= outer[i][0] and outer[i][1] <= other[1] and other != outer[i]
                for j, other in enumerate(outer)
                if not quotes[j][0].optional
            )
            marks = [("inner" if nested else "content", span) for span in quote.content]
            marks += [(role, span) for role, span in (("cue", quote.cue), ("source", quote.source)) if span]
            for role, (start, end) in marks:
                k = ROLES.index(role)
                for t in range(start, end):
                    tags[t][k] = IGNORED if optional else BEGIN if t == start else INSIDE
    return tags


def _names(quotes: Sequence[tuple[GoldQuote, TokenQuote]], part: Tokens, text: str) -> dict[str, list[Any]]:
    """Say which mentions name each quote's speaker and, for an accusation, whom it accuses.

    Each is a span of tokens, the first token of every mention, and whether that one is right. A speaker whom no
    mention names teaches nothing, nor does a source that is the full name itself: a rule knows that. A target whom
    no mention names teaches "none of them".
    """
    antecedents: list[Any] = []
    targets: list[Any] = []
    if len(part):
        low, high = int(part.starts[0]), int(part.ends[-1])
        sources = [part.span(*t.source) for _, t in quotes if t.source]
        every = candidates(text, sources)
        full = {c.span: name_words(c.short) for c in every if c.named}
        found = [
            (name_words(c.name), t[0])
            for c in every
            if low <= c.span.start and c.span.end <= high and (t := part.touching(c.span))
        ]
        places = [t for _, t in found]
        for gold, quote in quotes:
            if gold.speaker not in (None, "?"):
                name = name_words(gold.speaker)
                right = [other == name for other, _ in found]
                known = quote.source is not None and full.get(part.span(*quote.source)) == name
                if any(right) and not known:
                    antecedents.append((quote.source or quote.content[0], places, right))
            if gold.target is not None:
                right = [name == name_words(gold.target) for name, _ in found]
                targets.append((hull(quote), places, right))
    return {"antecedents": antecedents, "targets": targets}


def soft_label(gold: GoldQuote) -> list[float]:
    """Give the label of a judged quote as weights of the four stances; a second stance takes a share."""
    if gold.label is not None:
        return list(gold.label)
    order = list(Stance)
    label = [0.0] * len(order)
    if gold.stance is not None:
        label[order.index(gold.stance)] = 1.0
        if gold.second is not None and gold.second != gold.stance:
            label[order.index(gold.stance)] -= _SECOND_WEIGHT
            label[order.index(gold.second)] = _SECOND_WEIGHT
    return label


def _stance(
    gold: GoldQuote, quote: TokenQuote, count: int
) -> tuple[list[int], list[tuple[int, int, int]], list[float]]:
    chosen = region(quote, count)
    return [t for t, _ in chosen], [r for _, r in chosen], soft_label(gold)


def _link(origin: Sequence[int], target: Sequence[int] | None, base: int, count: int) -> tuple[list[int], int]:
    """Candidates around a span and the place of the right one among them; the place after the last is "none"."""
    places = [t for t in range(origin[0] - REACH, origin[0]) if t >= 0]
    places += [t for t in range(origin[1], origin[1] + REACH) if t < count]
    return _placed(places, target, base)


def _source_link(
    content: Sequence[int], cue: Sequence[int] | None, source: Sequence[int] | None, base: int, count: int
) -> tuple[list[int], int, int]:
    if cue is None:
        return (*_link(content, source, base, count), -1)
    places = list(range(max(0, cue[0] - REACH), min(count, cue[0] + REACH)))
    return (*_placed(places, source, base), cue[0] + base)


def _placed(places: list[int], target: Sequence[int] | None, base: int) -> tuple[list[int], int]:
    right = -1 if target is None else IGNORED
    if target is not None and target[0] in places:
        right = places.index(target[0])
    return [t + base for t in places], right


def _labels(flat: dict[str, list[Any]]) -> dict[str, Tensor]:
    stances = flat["stances"]
    regions, roles = filled([(tokens, of) for tokens, of, _ in stances])
    cue_places, cue_right = _padded([x[0] for x in flat["cue_from"]]), [x[1] for x in flat["cue_from"]]
    source_places, source_right = _padded([x[0] for x in flat["source_from"]]), [x[1] for x in flat["source_from"]]
    return {
        "tags": torch.tensor(flat["tags"], dtype=torch.long).reshape(-1, len(ROLES)),
        "contents": torch.tensor(flat["contents"], dtype=torch.long).reshape(-1, 2),
        "cue_places": cue_places,
        "cue_right": torch.tensor(cue_right, dtype=torch.long),
        "source_cues": torch.tensor([x[2] for x in flat["source_from"]], dtype=torch.long),
        "source_places": source_places,
        "source_right": torch.tensor(source_right, dtype=torch.long),
        **_named("antecedent", flat["antecedents"]),
        **_named("target", flat["targets"]),
        "regions": regions,
        "roles": roles,
        "stances": torch.tensor([x[2] for x in stances], dtype=torch.float).reshape(-1, len(Stance)),
    }


def _named(kind: str, found: Sequence[Any]) -> dict[str, Tensor]:
    return {
        f"{kind}_spans": torch.tensor([span for span, _, _ in found], dtype=torch.long).reshape(-1, 2),
        f"{kind}_places": _padded([places for _, places, _ in found]),
        f"{kind}_right": _padded([[float(r) for r in right] for _, _, right in found], 0.0),
    }


def _padded(lists: Sequence[list[Any]], filler: float = -1) -> Tensor:
    width = max((len(x) for x in lists), default=0)
    kind = torch.float if isinstance(filler, float) else torch.long
    return torch.tensor([x + [filler] * (width - len(x)) for x in lists], dtype=kind).reshape(len(lists), width)
