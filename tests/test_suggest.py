import json
from dataclasses import replace
from pathlib import Path

import pytest
from made_job import Made, Said, make_job

from stance.errors import ConfigError
from stance.types import Article, Stance
from training.annotations import AnnotatedArticle
from training.formats import label_studio
from training.suggest import Candidate, choose, suggest


def candidate(number: int, content: str, sure: float = 0.5, stance: str = "other", article: str = "") -> Candidate:
    chances = tuple(sure if label == stance else (1 - sure) / 3 for label in Stance)
    return Candidate(article or f"a{number}", f"{number:03}", content, stance, chances)


def test_doubt_is_entropy() -> None:
    doubts = [candidate(1, "", sure).doubt for sure in (0.25, 0.5, 1.0)]
    assert doubts == pytest.approx([1.0, 0.8962406, 0.0])


def test_the_doubtful_come_first() -> None:
    pool = [
        candidate(1, "the ferry is late", 0.9),
        candidate(2, "prices rise again", 0.3),
        candidate(3, "rain came", 0.6),
    ]
    assert [one.article for one in choose(pool, 2, per_article=3)] == ["a2", "a3"]


def test_the_unlike_come_before_the_like() -> None:
    pool = [
        candidate(1, "the mayor stole the harbour money", 0.3),
        candidate(2, "the mayor stole the harbour fund", 0.35),
        candidate(3, "we will rebuild", 0.8),
    ]
    assert [one.article for one in choose(pool, 2, per_article=3)] == ["a1", "a3"]


def test_rare_labels_come_before_frequent_ones() -> None:
    pool = [candidate(i, f"word{i} thing{i}", 0.6) for i in range(9)] + [candidate(9, "never happened", 0.7, "denial")]
    assert choose(pool, 1, per_article=3)[0].stance == "denial"


def test_no_article_takes_all_the_room() -> None:
    pool = [candidate(i, f"word{i} thing{i}", 0.3, article="long") for i in range(9)] + [candidate(9, "else", 0.9)]
    chosen = choose(pool, 9, per_article=2)
    assert sorted(one.article for one in chosen) == ["a9", "long", "long"]


def test_the_choice_does_not_depend_on_the_order() -> None:
    pool = [candidate(i, f"word{i % 4} thing{i % 3} more{i}", 0.3 + 0.1 * (i % 7)) for i in range(20)]
    assert choose(pool, 8, per_article=1) == choose(pool[::-1], 8, per_article=1)
    assert choose([], 5, per_article=1) == []


PARAGRAPH = "The tide came in slowly over the flats and the gulls went quiet for a while before the rain.\n\n"
SAID = "“Nobody sold the quay to anyone,” said Tess Marlow, “and nobody will sell it now.”\n\n"
LONG = PARAGRAPH * 60 + SAID + PARAGRAPH * 60


def job(folder: Path) -> Path:
    parts = ("“Nobody sold the quay to anyone,”", "“and nobody will sell it now.”")
    quay = Said(parts, "Tess Marlow", "denial", "said", "Tess Marlow", sure=0.5)
    clerk = "A clerk called it a swindle on the town. He said so again and again."
    same = Said("a swindle on the town", "clerk", "accusation", "called", "A clerk", target="town", sure=0.4)
    return make_job(
        folder,
        [
            Made("long", LONG, [quay], {"publisher": "Quay News", "title": "The quay"}),
            Made("short", clerk, [same], {"publisher": "Quay News"}),
            Made("again", "In other news. " + clerk, [same]),
            Made("copy", clerk, duplicate_of="short"),
            Made("tiny", "He said no.", [Said("no", stance="denial")]),
            Made("known", "Ships will sail on Monday, she said.", [Said("Ships will sail on Monday", cue="said")]),
        ],
        size=2,
    )


def read_back(tasks: list[dict[str, object]], path: Path) -> list[AnnotatedArticle]:
    """As if the annotators had found nothing to correct."""
    for task in tasks:
        task["annotations"] = task.pop("predictions")
    path.write_text(json.dumps(tasks))
    found = list(label_studio.read(path, pytest.fail))
    assert all(isinstance(one, AnnotatedArticle) for one in found)
    return found  # type: ignore[return-value]


def test_tasks_of_a_job(tmp_path: Path) -> None:
    known = AnnotatedArticle(Made("k", "Ships will sail on Monday, she said.").article(), ())
    found = suggest(job(tmp_path / "OUT"), wanted=10, known=[known])
    assert (found.chosen, found.of, found.errors) == (2, 5, [])
    assert +found.left_out == {
        "in the same words as another": 1,
        "shorter than 3 words": 1,
        "in articles that are annotated already": 1,
    }
    assert found.stances == {"denial": 1, "accusation": 1}
    by_text = {one.article.id.partition("@")[0]: one for one in read_back(found.tasks, tmp_path / "tasks.json")}
    assert by_text.keys() == {"long", "short"}
    short = by_text["short"]
    assert (short.article.id, short.article.metadata) == ("short", {"publisher": "Quay News"})
    [quote] = short.quotes
    assert (quote.stance, quote.speaker, quote.target) == ("accusation", "clerk", "town")
    passage = by_text["long"]
    start, end = passage.article.metadata["passage"]
    assert passage.article.metadata["passage_of"] == "long"
    assert passage.article.text == LONG[start:end]
    assert 1000 < len(passage.article.text) < 4000
    assert passage.article.text.startswith("The tide")
    [quote] = passage.quotes
    assert [passage.article.text[s:e] for s, e in quote.content] == [
        "“Nobody sold the quay to anyone,”",
        "“and nobody will sell it now.”",
    ]
    assert passage.article.text[slice(*quote.source[0])] == "Tess Marlow"


def again(article: AnnotatedArticle, **change: object) -> AnnotatedArticle:
    """As annotated, but that nothing is marked: what is left out is so for its place, not for its words."""
    text = str(change.pop("text", article.article.text))
    metadata = {**article.article.metadata, **change}
    return AnnotatedArticle(replace(article.article, text=text, metadata=metadata), ())


@pytest.mark.parametrize(
    ("change", "left_out"),
    [
        ({}, 1),
        ({"passage_of": "short"}, 0),
        ({"text": "Another article of this name."}, 0),
        ({"passage": [0, 100]}, 0),
        ({"passage": "all"}, 0),
        ({"passage": None}, 0),
    ],
)
def test_what_stands_in_a_known_passage_is_not_chosen_again(
    change: dict[str, object], left_out: int, tmp_path: Path
) -> None:
    folder = job(tmp_path / "OUT")
    first = read_back(suggest(folder, wanted=10).tasks, tmp_path / "tasks.json")
    [passage] = [one for one in first if one.article.metadata.get("passage_of") == "long"]
    found = suggest(folder, wanted=10, known=[again(passage, **change)])
    assert found.left_out["in passages that are annotated already"] == left_out
    assert sum(task["data"]["title"] == "The quay" for task in found.tasks) == 1 - left_out


def test_what_stands_beside_a_known_passage_is_chosen(tmp_path: Path) -> None:
    folder = job(tmp_path / "OUT")
    known = Article("long@0", LONG[:900], {"passage_of": "long", "passage": [0, 900]})
    found = suggest(folder, wanted=10, known=[AnnotatedArticle(known, ())])
    assert found.left_out["in passages that are annotated already"] == 0
    assert any(task["data"]["title"] == "The quay" for task in found.tasks)


def test_what_the_annotator_sees(tmp_path: Path) -> None:
    found = suggest(job(tmp_path / "OUT"), wanted=1)
    [task] = found.tasks
    data = task["data"]
    assert "swindle" in data["why"] or "Nobody" in data["why"]
    long = [one for one in suggest(tmp_path / "OUT", wanted=10).tasks if one["data"]["title"] == "The quay"]
    assert [one["data"]["article"] for one in long] == [LONG]


def test_no_job(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a job's folder"):
        suggest(tmp_path, wanted=1)
