"""What a model got wrong, quote by quote, and what another model gets right or wrong instead."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stance.types import Article, Span
from training.annotations import GoldQuote
from training.evaluate import Answer, Verdict
from training.metrics import Pair, pairs
from training.slices import Traits, traits

# In the order in which they happen; the words are for people.
KINDS = {
    "missed": ("Missed", "annotated, but the model found no quote there"),
    "invented": ("Invented", "the model found a quote where none is annotated"),
    "boundary": ("Boundaries", "found, but it begins or ends at the wrong word"),
    "source": (
        "Wrong source",
        "found, but the words for who says it are others, are missing, or are too many",
    ),
    "antecedent": ("Wrong antecedent", "the source's words are right, but the name that they stand for is wrong"),
    "unnamed": ("Speaker left open", "the source's words are right, but the model gives no name"),
    "stance": ("Wrong stance", "found, but the label is wrong"),
    "target": ("Wrong target", "found, but whom it accuses is wrong or left open"),
    "spans": ("Wrong stance on annotated words", "the label is wrong when the annotated words are given"),
}
# What makes a quote wrong for a reader; the ends of a quote and the target are judged leniently.
_DECISIVE = frozenset(["missed", "invented", "source", "antecedent", "unnamed", "stance"])


@dataclass(frozen=True, slots=True)
class Case:
    """One quote, annotated or found, and what is wrong with it.

    Attributes:
        id: Of the quote in its set: the same in every report on the same data.
        article: Where it stands.
        quote: As annotated; None where the model invented it.
        claim: The model's record; None where it missed the quote.
        verdict: What the model says of the annotated spans; None where they were not judged.
        kinds: Of `KINDS`; none where all is right.
        traits: See `training.slices.traits`.
    """

    id: str
    article: Article
    quote: GoldQuote | None
    claim: Mapping[str, Any] | None
    verdict: Verdict | None
    kinds: tuple[str, ...]
    traits: Traits

    @property
    def content(self) -> tuple[Span, ...]:
        """Where it stands: as annotated, or as found where it is not."""
        return self.quote.content if self.quote else claim_spans(self.claim)

    @property
    def usable(self) -> bool:
        """Whether a reader gets the right quote, source, speaker and stance."""
        return not _DECISIVE & set(self.kinds)


def claim_spans(claim: Mapping[str, Any] | None) -> tuple[Span, ...]:
    """Give the content spans of a record."""
    return tuple(Span(*span) for span in claim["content_spans"]) if claim else ()


def cases(name: str, found: Sequence[Answer], topics: Sequence[str | None]) -> list[Case]:
    """Compare every quote, annotated or found, in the order of the articles and of their text.

    Optional quotes that the model found are left out: they are neither right nor wrong.

    Args:
        name: Of the set.
        found: What the model answered.
        topics: Of the articles, see `training.slices.topics`.
    """
    result = []
    for one, topic in zip(found, topics, strict=True):
        verdicts = {id(quote): verdict for quote, verdict in one.verdicts}
        here = [
            _case(name, one.annotated.article, topic, pair, verdicts)
            for pair in pairs(one.annotated, one.claims)
            if pair.quote is None or not pair.quote.optional
        ]
        result += sorted(here, key=lambda case: (case.content[0], case.content[-1].end, case.quote is None))
    return result


def counts(found: Sequence[Case]) -> dict[str, int]:
    """Count the quotes with each kind of mistake, in the order of `KINDS`."""
    count = Counter(kind for case in found for kind in case.kinds)
    return {kind: count[kind] for kind in KINDS}


def changes(mine: Sequence[Case], others: Sequence[Case]) -> dict[str, list[tuple[Case, Case | None]]]:
    """Say what changed between two models that read the same articles.

    Returns:
        Under `gained` the quotes that only the first gets right (see `Case.usable`), under `lost` those that only
        the second does; each with the second's case, or None where there is none (it invented nothing there). What
        only the second invented is gained, and stands as the second's case on both sides.
    """
    before, after = _by_article(others), _by_article(mine)
    gained: list[tuple[Case, Case | None]] = []
    lost: list[tuple[Case, Case | None]] = []
    for case in mine:
        old = _same(case, before.get(case.article.id, ()))
        if case.usable and old is not None and not old.usable:
            gained.append((case, old))
        elif not case.usable and (old is None or old.usable):
            lost.append((case, old))
    gained += [(old, old) for old in others if old.quote is None and _same(old, after.get(old.article.id, ())) is None]
    return {"gained": gained, "lost": lost}


def _by_article(found: Iterable[Case]) -> dict[str, list[Case]]:
    result: dict[str, list[Case]] = {}
    for case in found:
        result.setdefault(case.article.id, []).append(case)
    return result


def _same(case: Case, others: Iterable[Case]) -> Case | None:
    """Find the other model's case of an annotated quote, or one that is invented at the same words."""
    if case.quote is not None:
        return next((other for other in others if other.id == case.id), None)
    invented = (other for other in others if other.quote is None)
    touching = (o for o in invented if any(a < d and c < b for a, b in case.content for c, d in o.content))
    return next(touching, None)


def _case(name: str, article: Article, topic: str | None, pair: Pair, verdicts: Mapping[int, Verdict | None]) -> Case:
    quote, claim = pair.quote, pair.claim
    content = quote.content if quote else claim_spans(claim)
    speaker = quote.speaker if quote else (claim or {}).get("speaker")
    verdict = verdicts.get(id(quote))
    kinds = tuple(_kinds(pair, verdict))
    side = "annotated" if quote else "found"
    spans = " ".join(f"{start}-{end}" for start, end in content)
    hashed = hashlib.sha256("\0".join([name, article.id, side, spans]).encode("utf-8", "surrogatepass"))
    kind = traits(article, topic, content, speaker)
    return Case(hashed.hexdigest()[:12], article, quote, claim, verdict, kinds, kind)


def _kinds(pair: Pair, verdict: Verdict | None) -> list[str]:
    quote, claim, speaker, target = pair.quote, pair.claim, pair.speaker, pair.target
    if quote is None:
        return ["invented"]
    kinds = []
    if claim is None or speaker is None or target is None:
        kinds.append("missed")
    else:
        kinds += ["boundary"] * (not pair.boundaries)
        if not pair.source:
            kinds.append("source")
        elif not speaker.right:
            kinds.append("antecedent" if speaker.given else "unnamed")
        kinds += ["stance"] * (quote.stance is not None and claim.get("stance") != quote.stance)
        kinds += ["target"] * (not target.right)
    if quote.stance is not None and (verdict is None or verdict[0] is not quote.stance):
        kinds.append("spans")
    return kinds
