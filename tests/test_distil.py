"""A teacher's opinion in the labels: mixed in as asked, for judged quotes alone, and learned from."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stance.errors import ModelError
from stance.network import load_network
from stance.pipeline import Pipeline, default_model
from stance.types import Span
from training.annotations import AnnotatedArticle, read_annotated, to_row
from training.distil import taught
from training.evaluate import verdicts
from training.features import soft_label, trimmed
from training.fit import fit
from training.lineage import Lineage, text_hash
from training.settings import FitConfig


@pytest.fixture(scope="module")
def few(held: list[AnnotatedArticle]) -> list[AnnotatedArticle]:
    """Two articles, contents cut as the network learns them; in the first one quote was not judged."""
    first, second = (
        replace(one, quotes=tuple(replace(q, content=_trimmed(one.article.text, q.content)) for q in one.quotes))
        for one in held[:2]
    )
    unjudged = replace(first.quotes[0], stance=None, second=None, speaker=None, target=None)
    return [replace(first, quotes=(unjudged, *first.quotes[1:])), second]


def _trimmed(text: str, content: tuple[Span, ...]) -> tuple[Span, ...]:
    return tuple(bare for span in content if (bare := trimmed(text, span)) is not None)


def _labels(articles: list[AnnotatedArticle]) -> np.ndarray:
    return np.array([soft_label(q) for one in articles for q in one.quotes if q.stance is not None])


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_a_label_is_partly_the_teachers(few: list[AnnotatedArticle], tiny_model: Path, share: float) -> None:
    teacher = Pipeline.from_pretrained(tiny_model, device="cpu", precision="float")
    told = np.array([list(v[2].values()) for one in few for _, v in verdicts(teacher, one) if v is not None])
    soft = list(taught(few, teacher, share, half_precision=False))
    np.testing.assert_allclose(_labels(soft), (1 - share) * _labels(few) + share * told, atol=1e-3)


def test_nothing_but_labels_of_judged_quotes_changes(few: list[AnnotatedArticle], tiny: Pipeline) -> None:
    soft = list(taught(few, tiny, 0.5, half_precision=False))
    bare = [replace(one, quotes=tuple(replace(q, label=None) for q in one.quotes)) for one in soft]
    assert bare == few
    assert soft[0].quotes[0].label is None
    assert all(q.label is not None for one in soft for q in one.quotes if q.stance is not None)
    assert [to_row(one) for one in soft] == [to_row(one) for one in few]


def test_the_teacher_stays_as_it_is(few: list[AnnotatedArticle], tiny_model: Path) -> None:
    teacher = Pipeline.from_pretrained(tiny_model, device="cpu", precision="float")
    decoding = teacher.network.config.decoding.model_copy(update={"temperature": 2.0})
    teacher.network.config = teacher.network.config.model_copy(update={"decoding": decoding})
    before = [verdicts(teacher, one) for one in few]
    list(taught(few, teacher, 0.5, half_precision=False))
    assert [verdicts(teacher, one) for one in few] == before


def test_bfloat16_tells_nearly_the_same(few: list[AnnotatedArticle], tiny_model: Path) -> None:
    plain = Pipeline(*load_network(tiny_model))
    exact, half = (_labels(list(taught(few, plain, 1.0, half_precision=half))) for half in (False, True))
    assert 0 < abs(exact - half).max() < 0.05


def _config(base: Path, folder: Path, held: list[AnnotatedArticle], **changes: object) -> FitConfig:
    data = folder / "data.jsonl"
    data.write_text("".join(json.dumps(to_row(one)) + "\n" for one in held[:6]), encoding="utf-8")
    plain = {"name": "student", "base_model": str(base), "scope": "heads", "epochs": 8, "warmup_steps": 0}
    return FitConfig.model_validate(plain | {"data": [{"path": data}]} | changes)


def _distance(model: Path, teacher: Path, articles: list[AnnotatedArticle]) -> float:
    """How far two models' probabilities lie apart, as the mean Kullback-Leibler divergence."""
    mine, its = (
        np.array([list(v[2].values()) for one in articles for _, v in verdicts(pipeline, one) if v is not None])
        for pipeline in (Pipeline.from_pretrained(one, device="cpu", precision="float") for one in (model, teacher))
    )
    return float((its * np.log(its / mine)).sum(1).mean())


@pytest.mark.slow
def test_a_student_comes_nearer_to_its_teacher_than_without_one(
    tiny_model: Path, held: list[AnnotatedArticle], tmp_path: Path
) -> None:
    alone = _config(tiny_model, tmp_path, held[:2])
    fit(alone, tmp_path / "alone", device="cpu")
    fit(alone.model_copy(update={"teacher": default_model(), "taught": 1.0}), tmp_path / "taught", device="cpu")
    before, without, after = (
        _distance(folder, default_model(), held[:2]) for folder in (tiny_model, tmp_path / "alone", tmp_path / "taught")
    )
    assert after < min(without, before)


def test_a_student_of_every_weight_learns_from_a_teacher_too(
    tiny_model: Path, held: list[AnnotatedArticle], tmp_path: Path
) -> None:
    changes = {"scope": "all", "epochs": 1, "batch_size": 1, "consistency": 1.0, "half_precision": False}
    config = _config(tiny_model, tmp_path, held[:2], **changes)
    first, second = tmp_path / "first", tmp_path / "second"
    fit(config, first, device="cpu")
    fit(config.model_copy(update={"teacher": tiny_model, "taught": 1.0}), second, device="cpu")
    assert (first / "model.safetensors").read_bytes() != (second / "model.safetensors").read_bytes()


def test_what_the_teacher_has_learned_measures_nothing(
    tiny_model: Path, held: list[AnnotatedArticle], tmp_path: Path
) -> None:
    teacher = Path(shutil.copytree(tiny_model, tmp_path / "teacher"))
    known = [text_hash(one) for one in held[:3]]
    lineage = Lineage(name="teacher", sha256="0", learned=(*known, "of long ago"))
    (teacher / "lineage.json").write_text(lineage.model_dump_json(), encoding="utf-8")
    new = tmp_path / "new.jsonl"
    new.write_text("".join(json.dumps(to_row(one)) + "\n" for one in held[:6]), encoding="utf-8")
    config = _config(tiny_model, tmp_path, held, data=[], teacher=teacher, new={"paths": [new], "held": 0.5}, epochs=1)
    fit(config, tmp_path / "student", device="cpu")
    made = Lineage.read(tmp_path / "student")
    assert made is not None
    assert not {*known} & {*made.held}
    assert {*known, "of long ago"} <= {*made.learned}


def test_a_teacher_that_is_not_there_is_named(tiny_model: Path, held: list[AnnotatedArticle], tmp_path: Path) -> None:
    config = _config(tiny_model, tmp_path, held, teacher=tmp_path / "nobody")
    with pytest.raises(ModelError, match="nobody: no such model folder"):
        fit(config, tmp_path / "student", device="cpu")
    assert not (tmp_path / "student").exists()
    assert len(list(read_annotated([tmp_path / "data.jsonl"]))) == 6
