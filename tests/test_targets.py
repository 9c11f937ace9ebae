"""Whom an accusation accuses: with the weights that ship, and the ranking's rules."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from stance.candidates import candidates
from stance.network import load_network
from stance.pipeline import Pipeline
from stance.quotes import TokenQuote
from stance.speakers import AUTHOR
from stance.targets import hull, targets
from stance.types import Article, Claim, Stance
from training.annotations import AnnotatedArticle

CASES = {
    "named in the content": (
        "Petra Lindqvist accused the Harbour Bank of hiding its losses from shareholders for two years.",
        "Harbour Bank",
    ),
    "a person's surname": (
        "Omar Haddad ran the port of Brennick for nine years. “Haddad lied to the town and took bribes,” "
        "said Petra Lindqvist, who leads the dockers’ union.",
        "Omar Haddad",
    ),
    "you, across the table": (
        "Petra Lindqvist, the opposition leader, turned to the prime minister, Omar Haddad, in parliament. “You have "
        "lied to this country again and again, Mr Haddad,” she said.",
        "Omar Haddad",
    ),
}


@pytest.mark.parametrize(("text", "target"), CASES.values(), ids=CASES.keys())
def test_the_accused_is_named(text: str, target: str, claims_of: Callable[[str], list[Claim]]) -> None:
    found = [claim for claim in claims_of(text) if claim.stance is Stance.ACCUSATION]
    assert found
    assert {claim.target for claim in found} == {target}


def test_only_accusations_have_targets(pipeline: Pipeline, held: list[AnnotatedArticle]) -> None:
    named = 0
    for article, claims in pipeline.run(annotated.article for annotated in held[::3]):
        words = set(re.findall(r"\w+", article.text)) | {AUTHOR}
        for claim in claims:
            assert (claim.target is None) == (claim.target_probability is None)
            if claim.target is None:
                continue
            named += 1
            assert Stance.ACCUSATION in (claim.stance, claim.second)
            assert claim.target != claim.attributed.speaker
            assert set(re.findall(r"\w+", claim.target)) <= words
            assert 0 < (claim.target_probability or 0) <= 1
    assert named > 10


def test_nobody_accuses_himself_and_unsure_is_null(tiny: Pipeline, tiny_model: Path) -> None:
    text = "Petra Lindqvist met Omar Haddad. Lindqvist blamed the weather."
    [reading] = tiny.read([Article("a", text)])
    quote = TokenQuote(((8, 10),), None, None)
    found = candidates(text, [])
    network, _ = load_network(tiny_model)
    torch.nn.init.constant_(network.target.none.bias, -1e4)  # or chance decides whether "none of them" is likelier
    before = network.config

    def named(least: float, speaker: str | None) -> str | None:
        decoding = before.decoding.model_copy(update={"target": least})
        network.config = before.model_copy(update={"decoding": decoding})
        [result] = targets([quote], [speaker], reading, network, found)
        return result and result[0]

    assert named(0.0, "Omar Haddad") == "Petra Lindqvist"
    assert named(0.0, "Petra Lindqvist") == "Omar Haddad"
    assert named(1.0, None) is None


def test_an_article_without_names_has_no_targets(tiny: Pipeline) -> None:
    [reading] = tiny.read([Article("a", "they all lied to us for years, said a baker.")])
    assert targets([TokenQuote(((0, 4),), None, None)], [None], reading, tiny.network, []) == [None]


def test_the_hull_reaches_from_the_first_part_to_the_last() -> None:
    assert hull(TokenQuote(((3, 5), (9, 12)), (6, 7), None)) == (3, 12)
