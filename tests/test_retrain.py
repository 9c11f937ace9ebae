"""Fitting a model on newly annotated articles: what stays, what is learned, interruptions, bad data, other encoders."""

import gzip
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import DebertaV2Config, DebertaV2Model, RobertaConfig, RobertaModel

from stance.config import load_config
from stance.errors import ConfigError, InputError, OutputError
from stance.network import WEIGHTS, load_network
from stance.pipeline import REGISTRY, Pipeline, default_model
from stance.records import claim_row
from stance.types import Article, Span, Stance
from training import cli
from training import fit as fitting
from training import retrain as retraining
from training.annotations import AnnotatedArticle, GoldQuote, read_annotated, to_row
from training.checkpoints import begin, finished, last_checkpoint
from training.features import IGNORED
from training.fit import examples, fit, learnable, start
from training.lineage import HELD, Lineage, run, text_hash
from training.registry import Registry, enrol, promote
from training.retrain import is_bare, judged_quotes, replayed, split
from training.settings import FitConfig, NewData, Source
from training.tune import recalibrated

ROOT = Path(__file__).parent.parent
JUDGED = frozenset(["stance", "second", "probabilities", "target", "target_probability", "model"])


@pytest.fixture(scope="module")
def old(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _lines(corpus / "train.jsonl", tmp_path_factory.mktemp("old") / "old.jsonl", slice(3))


@pytest.fixture(scope="module")
def new(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _lines(corpus / "held.jsonl", tmp_path_factory.mktemp("new") / "new.jsonl", slice(4))


@pytest.fixture
def config(tiny_model: Path, old: Path, new: Path) -> FitConfig:
    """Three epochs of the head of a tiny model."""
    return _config(tiny_model, old, new)


def _lines(source: Path, path: Path, part: slice) -> Path:
    lines = source.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[part]), encoding="utf-8")
    return path


def _config(base: Path | str, old: Path, *new: Path, **changes: Any) -> FitConfig:
    plain = {
        "name": "second",
        "base_model": str(base),
        "scope": "heads",
        "epochs": 3,
        "batch_size": 2,
        "warmup_steps": 1,
        "window": 62,
        "overlap": 16,
        "windows": 6,
        "data": [{"path": old}],
        "new": {"paths": new, "held": 0.25, "old": 0.5},
    }
    return FitConfig.model_validate(plain | changes)


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / WEIGHTS)


def _same(first: Path, second: Path) -> bool:
    mine, its = _weights(first), _weights(second)
    return mine.keys() == its.keys() and all(torch.equal(mine[name], its[name]) for name in mine)


def _records(folder: Path, articles: list[AnnotatedArticle]) -> list[dict[str, Any]]:
    pipeline = Pipeline.from_pretrained(folder, device="cpu")
    found = pipeline.run(one.article for one in articles)
    return [claim_row(article, claim, pipeline.model) for article, claims in found for claim in claims]


def test_only_the_head_learns_and_quotes_and_speakers_stay(
    config: FitConfig, tiny_model: Path, held: list[AnnotatedArticle], tmp_path: Path
) -> None:
    folder = tmp_path / "second"
    fit(config, folder, device="cpu")
    before, after = _weights(tiny_model), _weights(folder)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("stance.") for name in changed)
    mine, its = _records(folder, held[:3]), _records(tiny_model, held[:3])
    assert mine
    assert [json.dumps({k: v for k, v in row.items() if k not in JUDGED}) for row in mine] == [
        json.dumps({k: v for k, v in row.items() if k not in JUDGED}) for row in its
    ]
    assert [row["probabilities"] for row in mine] != [row["probabilities"] for row in its]


def test_the_folder_says_where_the_model_comes_from(
    config: FitConfig, tiny_model: Path, old: Path, new: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "second"
    (tmp_path / "registry.json").write_text(Registry().model_dump_json(), encoding="utf-8")
    fit(config, folder, device="cpu")
    enrol(folder)
    assert not (tmp_path / "second.checkpoints").exists()
    names = {"config.json", "fit.json", "lineage.json", "metrics.json", "model.safetensors", "README.md"}
    assert {path.name for path in folder.iterdir()} == names | {"tokenizer.json"}
    lineage = Lineage.read(folder)
    assert lineage is not None
    assert (lineage.name, lineage.parent, lineage.scope, lineage.seed) == ("second", "tiny", "heads", 13)
    assert lineage.data.keys() == {"old.jsonl", "new.jsonl"}
    every, before = ({text_hash(one) for one in read_annotated([path])} for path in (new, old))
    assert {*lineage.held} < every
    assert every <= {*lineage.learned, *lineage.held} <= every | before
    assert before & {*lineage.learned}  # the old ones that were mixed in
    assert not {*lineage.learned} & {*lineage.held}
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["before"][HELD].keys() == metrics["sets"][HELD].keys()
    # Neither finds other quotes than the other, so only stances may differ.
    assert metrics["before"][HELD]["quotes F1"] == metrics["sets"][HELD]["quotes F1"]
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert f"| {metrics['sets'][HELD]['quotes F1']:.3f} |" in card
    assert Registry.read(tmp_path).models["second"].parent == "tiny"


def test_everything_learns_with_the_scope_all(tiny_model: Path, old: Path, new: Path, tmp_path: Path) -> None:
    folder = tmp_path / "second"
    fit(_config(tiny_model, old, new, scope="all", epochs=1), folder, device="cpu")
    before, after = _weights(tiny_model), _weights(folder)
    for part in ("encoder.", "tagger.", "cue.", "source.", "stance."):
        names = [name for name in after if name.startswith(part)]
        assert any(not torch.equal(before[name], after[name]) for name in names), part


def test_a_share_of_the_old_weights_stays(config: FitConfig, tiny_model: Path, tmp_path: Path) -> None:
    for name, keep in (("all-new", 0.0), ("half", 0.5)):
        fit(config.model_copy(update={"keep": keep}), tmp_path / name, device="cpu")
    old, new, half = (_weights(folder) for folder in (tiny_model, tmp_path / "all-new", tmp_path / "half"))
    for name in old:
        middle = (old[name].float() + new[name].float()) / 2
        torch.testing.assert_close(half[name].float(), middle, rtol=0, atol=2e-3)
    assert any(not torch.equal(old[name], half[name]) for name in old)


@pytest.mark.slow
def test_the_seed_decides_the_weights(config: FitConfig, tmp_path: Path) -> None:
    once = config.model_copy(update={"epochs": 1})
    for name, seed in (("a", 13), ("b", 13), ("c", 14)):
        fit(once.model_copy(update={"seed": seed}), tmp_path / name, device="cpu")
    assert _same(tmp_path / "a", tmp_path / "b")
    assert not _same(tmp_path / "a", tmp_path / "c")


@pytest.mark.slow
def test_an_interrupted_run_ends_like_an_uninterrupted_one(
    config: FitConfig, tmp_path: Path, interrupted: Callable[..., Any]
) -> None:
    def kept(_: int) -> bool:
        return any((tmp_path / "second.checkpoints").glob("checkpoint-*/trainer_state.json"))

    with interrupted(retraining, "stance_loss", kept) as batches:
        fit(config, tmp_path / "second", device="cpu")
    assert len(batches) > 1
    assert not (tmp_path / "second").exists()
    fit(config, tmp_path / "second", device="cpu")
    fit(config, tmp_path / "other", device="cpu")
    assert _same(tmp_path / "second", tmp_path / "other")


def test_a_run_that_had_lost_its_patience_is_only_written(
    config: FitConfig, tmp_path: Path, interrupted: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty = config.model_copy(update={"epochs": 40, "patience": 1, "head_learning_rate": 0.05})
    with interrupted(fitting, "_write", lambda _: True):
        fit(hasty, tmp_path / "second", device="cpu")
    last = last_checkpoint(tmp_path / "second.checkpoints")
    assert last is not None
    assert json.loads((last / "trainer_state.json").read_text(encoding="utf-8"))["epoch"] < 40
    with monkeypatch.context() as patched:
        patched.setattr(fitting.Trainer, "train", None)  # would raise
        fit(hasty, tmp_path / "second", device="cpu")
    fit(hasty, tmp_path / "other", device="cpu")
    assert _same(tmp_path / "second", tmp_path / "other")


@pytest.mark.parametrize(
    ("losses", "patience", "done"),
    [([], 1, False), ([3.0, 2.0], 1, False), ([2.0, 3.0], 1, True), ([2.0, 3.0], 2, False), ([2.0, 2.0, 2.0], 2, True)],
)
def test_a_run_is_done_when_its_patience_is(losses: list[float], patience: int, done: bool, tmp_path: Path) -> None:
    for step in (1, 2):
        (tmp_path / f"checkpoint-{step}").mkdir()
    (tmp_path / "checkpoint-1" / WEIGHTS).touch()
    log = [{"loss": 1.0}, *({"eval_loss": loss} for loss in losses)]
    state = {"log_history": log, "best_model_checkpoint": "elsewhere/checkpoint-1"}
    (tmp_path / "checkpoint-2" / "trainer_state.json").write_text(json.dumps(state), encoding="utf-8")
    assert finished(tmp_path / "checkpoint-2", patience) == (tmp_path / "checkpoint-1" if done else None)
    shutil.rmtree(tmp_path / "checkpoint-1")
    assert finished(tmp_path / "checkpoint-2", patience) is None


@pytest.mark.parametrize("part", ["model.safetensors", "config.json", "tokenizer.json"])
def test_checkpoints_of_another_base_are_not_gone_on_from(
    part: str, config: FitConfig, tiny_model: Path, tmp_path: Path
) -> None:
    base = Path(shutil.copytree(tiny_model, tmp_path / "base"))
    changed = config.model_copy(update={"base_model": str(base)})
    before = run(changed)
    assert before == run(changed)
    assert before["versions"]["torch"]
    (base / part).write_bytes((base / part).read_bytes() + b" ")
    assert {key for key, value in run(changed).items() if value != before[key]} == {"base model"}


@pytest.mark.slow
def test_a_killed_command_goes_on_when_it_is_given_again(
    config: FitConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.yaml"
    long = config.model_copy(update={"epochs": 300, "patience": 300, "head_learning_rate": 1e-6})
    path.write_text(long.model_dump_json(), encoding="utf-8")  # JSON is YAML
    folder = tmp_path / "second"
    command = [sys.executable, "-m", "training", "fit", "--config", str(path), "-o", str(folder), "--device", "cpu"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, cwd=ROOT)
    try:
        deadline = time.monotonic() + 120
        while last := not list((tmp_path / "second.checkpoints").glob("checkpoint-*/trainer_state.json")):
            assert running.poll() is None, running.communicate()[0].decode()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert not last
    finally:
        os.kill(running.pid, signal.SIGKILL)
        running.communicate()
    assert not folder.exists()
    reached = last_checkpoint(tmp_path / "second.checkpoints")
    assert reached is not None
    state = json.loads((reached / "trainer_state.json").read_text(encoding="utf-8"))
    assert 0 < state["epoch"] < 300
    # The rest of 300 epochs is of no interest here: that it begins where the kill came is.
    begun = []
    train = cli_trainer().train

    def noted(self: Any, resume_from_checkpoint: Any = None, **kwargs: Any) -> Any:
        begun.append(resume_from_checkpoint)
        self.args.num_train_epochs = state["epoch"] + 1
        return train(self, resume_from_checkpoint=resume_from_checkpoint, **kwargs)

    monkeypatch.setattr(cli_trainer(), "train", noted)
    monkeypatch.setattr(sys, "argv", ["training", *command[3:]])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 0
    assert begun == [str(reached)]
    assert (folder / WEIGHTS).is_file()


def cli_trainer() -> Any:
    from training import fit as module

    return module.Trainer


@pytest.mark.slow
def test_a_full_disk_leaves_what_is_done(config: FitConfig, tmp_path: Path) -> None:
    folder = tmp_path / "second"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OutputError, match="give the same command again"):
            fit(config, folder, device="cpu")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not folder.exists()
    assert not list(tmp_path.glob(".*"))
    fit(config, folder, device="cpu")
    fit(config, tmp_path / "other", device="cpu")
    assert _same(folder, tmp_path / "other")


def test_a_checkpoint_that_was_cut_short_is_none(tmp_path: Path) -> None:
    for step, state in ((5, "{}"), (10, "{}"), (15, '{"epoch"'), (20, None)):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        if state is not None:
            (folder / "trainer_state.json").write_text(state, encoding="utf-8")
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-10"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-5"]
    assert last_checkpoint(tmp_path / "nowhere") is None


def test_checkpoints_of_another_run_are_not_gone_on_from(tmp_path: Path) -> None:
    folder = tmp_path / "a.checkpoints"
    assert begin(folder, {"settings": {"seed": 1}, "data": {}}, resume=True) is None
    (folder / "checkpoint-5").mkdir()
    (folder / "checkpoint-5" / "trainer_state.json").write_text("{}", encoding="utf-8")
    assert begin(folder, {"settings": {"seed": 1}, "data": {}}, resume=True) == folder / "checkpoint-5"
    with pytest.raises(ConfigError, match="other settings, expected the same"):
        begin(folder, {"settings": {"seed": 2}, "data": {}}, resume=True)
    assert begin(folder, {"settings": {"seed": 2}, "data": {}}, resume=False) is None


def _quote(text: str, words: str, stance: Stance | None, **more: Any) -> GoldQuote:
    start = text.index(words)
    span = (Span(start, start + len(words)),)
    return GoldQuote(span, more.get("cue", ()), more.get("source", ()), stance, None, None, None)


BARE = "The council hid the report for a year."


@pytest.mark.parametrize(
    ("text", "words", "bare"),
    [
        (BARE, BARE, True),
        (f"“{BARE}”\n", BARE, True),
        (f"“{BARE}” she said.", BARE, False),
        ("She said the bridge is safe.", "the bridge is safe", False),
    ],
)
def test_bare_quotes_are_known(text: str, words: str, bare: bool) -> None:
    annotated = AnnotatedArticle(Article("a", text), (_quote(text, words, Stance.OTHER),))
    assert is_bare(annotated) is bare


ROWS = [
    ("accusation", "The ferry company cut every corner that it could find."),
    ("denial", "Not one of those invoices was ever ours to pay."),
    ("justification", "We closed the road because the bridge would not have held."),
    ("other", "The next meeting of the harbour board is in March."),
    ("accusation", "Your office misled the parents of this town for years."),
    ("denial", "I was nowhere near the depot that night."),
    ("justification", "Every clinic in the county uses the same form, so do we."),
    ("other", "Rain is expected over the islands by Friday."),
]


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """Rows of a spreadsheet: quotes without an article."""
    path = tmp_path / "rows.jsonl"
    rows = [
        {"id": str(i), "text": text, "quotes": [{"content": [[0, len(text)]], "stance": stance}]}
        for i, (stance, text) in enumerate(ROWS)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_bare_quotes_teach_stances_and_not_where_quotes_are(tiny_model: Path, old: Path, bare: Path) -> None:
    config = _config(tiny_model, old, bare, scope="all", new={"paths": (bare,), "old": 0.0, "held": 0.25})
    parts = split(list(read_annotated([bare])), 0.25, 13)
    found = _rows_of(examples(config, start(config)[1], learnable(config, parts)))
    assert len(found) == len(parts.learned)
    for row in found:
        assert row["stances"]
        assert not row["links"]
        assert {tag for tags in row["tags"] for tag in tags} == {IGNORED}


@pytest.mark.parametrize(
    ("complete", "says", "whole"),
    [
        (True, {}, True),
        (True, {"complete": True}, True),
        (True, {"complete": False}, False),
        (True, {"complete": "false"}, False),
        (False, {"complete": True}, False),
        (False, {}, False),
    ],
)
def test_an_article_without_all_its_quotes_does_not_teach_where_they_are(
    complete: bool,
    says: dict[str, Any],
    whole: bool,
    tiny_model: Path,
    old: Path,
    held: list[AnnotatedArticle],
    tmp_path: Path,
) -> None:
    path = tmp_path / "part.jsonl"
    some = [replace(one, article=replace(one.article, metadata=says)) for one in held[:4]]
    path.write_text("".join(json.dumps(to_row(one)) + "\n" for one in some), encoding="utf-8")
    source = {"path": path, "complete": complete}
    plain = _config(tiny_model, old, scope="all", data=[source], new=None)
    fresh = _config(tiny_model, old, scope="all", data=[], new={"paths": (path,), "complete": complete})
    mixed = fresh.model_copy(update={"data": plain.data, "new": NewData(paths=(old,), old=100.0, held=0.3)})
    network, tokenizer = start(plain)
    sets = [examples(plain, tokenizer, learnable(plain))]
    for config in (fresh, mixed):
        parts = fitting._parts(config)
        job = fitting._whole_job(config, network, tokenizer, learnable(config, parts), parts)
        sets += [job.learned, job.held] if config is fresh else [job.learned]
    for found in sets[:3]:
        assert {_teaches_places(row) for row in _rows_of(found)} == {whole}
    assert {_teaches_places(row) for row in _rows_of(sets[3])} == {True, whole}


def _rows_of(found: Any) -> list[dict[str, Any]]:
    return [row for example in found for row in json.loads(example["rows"])]


def _teaches_places(row: dict[str, Any]) -> bool:
    return {tag for tags in row["tags"] for tag in tags} != {IGNORED}


def test_bare_quotes_alone_train_the_head(tiny_model: Path, old: Path, bare: Path, tmp_path: Path) -> None:
    folder = tmp_path / "second"
    fit(_config(tiny_model, old, bare), folder, device="cpu")
    assert not _same(folder, tiny_model)
    figures = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["sets"][HELD]
    assert "stance macro F1 (gold spans)" in figures
    assert "quotes F1" not in figures  # where quotes are is not known


def test_several_files_and_gzipped_ones(tiny_model: Path, old: Path, corpus: Path, tmp_path: Path) -> None:
    first = _lines(corpus / "held.jsonl", tmp_path / "a.jsonl", slice(4, 6))
    second = tmp_path / "b.jsonl.gz"
    plain = _lines(corpus / "held.jsonl", tmp_path / "plain.jsonl", slice(6, 8))
    second.write_bytes(gzip.compress(plain.read_bytes()))
    found = retraining.read_new(NewData(paths=(first, second)))
    assert [one.article.id for one in found] == [one.article.id for one in read_annotated([first, plain])]


@st.composite
def _articles(draw: Callable[..., Any]) -> list[AnnotatedArticle]:
    labels = st.lists(st.sampled_from(list(Stance)), max_size=6)
    found = draw(st.lists(labels, min_size=2, max_size=12).filter(lambda x: sum(map(bool, x)) > 1))
    return [
        AnnotatedArticle(Article(str(i), f"x{i}"), tuple(_quote(f"x{i}", f"x{i}", label) for label in some))
        for i, some in enumerate(found)
    ]


@given(_articles(), st.floats(0.05, 0.5), st.integers(0, 50))
@settings(max_examples=60, deadline=None)
def test_a_split_takes_every_article_once_and_measures_some(
    articles: list[AnnotatedArticle], share: float, seed: int
) -> None:
    parts = split(articles, share, seed)
    ids = [one.article.id for one in (*parts.learned, *parts.held)]
    assert sorted(ids) == sorted(one.article.id for one in articles)
    assert any(judged_quotes(one) for one in parts.learned)
    assert any(judged_quotes(one) for one in parts.held)
    assert split(articles, share, seed) == parts


def test_a_split_is_by_label_and_seed(held: list[AnnotatedArticle]) -> None:
    parts = split(held, 0.2, 13)
    assert len(parts.held) == pytest.approx(0.2 * len(held), abs=2)
    assert {one.article.id for one in split(held, 0.2, 14).held} != {one.article.id for one in parts.held}
    shares = []
    for some in (held, parts.held):
        count = Counter(str(q.stance) for one in some for q in judged_quotes(one))
        shares.append({label: n / count.total() for label, n in count.items()})
    assert shares[0] == pytest.approx(shares[1], abs=0.1)


def test_readings_of_one_article_and_reprints_stay_on_one_side(held: list[AnnotatedArticle]) -> None:
    """Two annotators' readings, and a reprint with another ending; of what is held each text is measured once."""
    again = [replace(one, quotes=one.quotes[1:]) for one in held[:6]]
    reprints = [
        replace(one, article=replace(one.article, id=f"{one.article.id}-reprint", text=f"{one.article.text} (Reuse.)"))
        for one in held[:6]
    ]
    for seed in range(5):
        parts = split([*held, *again, *reprints], 0.3, seed)
        sides = [{one.article.text.removesuffix(" (Reuse.)") for one in some} for some in (parts.learned, parts.held)]
        assert not sides[0] & sides[1]
        texts = [one.article.text for one in parts.held]
        assert len(texts) == len(set(texts))
        kept = [one for one in (*held, *again, *reprints) if one.article.text not in texts]
        assert list(parts.learned) == kept


def test_what_is_in_the_old_data_measures_nothing(tiny_model: Path, old: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"old\.jsonl, .* the same text on both sides of the line between learning"):
        fit(_config(tiny_model, old, old), tmp_path / "second", device="cpu")


def test_what_the_base_has_learned_measures_nothing(
    config: FitConfig, tiny_model: Path, new: Path, corpus: Path, tmp_path: Path
) -> None:
    """Neither the texts that its lineage names nor reprints of them are held out, whatever the seed."""
    more = _lines(corpus / "held.jsonl", tmp_path / "more.jsonl", slice(7))
    articles = list(read_annotated([new]))  # the first four of them
    known = [text_hash(one) for one in articles]
    reprints = tmp_path / "reprints.jsonl"
    again = [replace(one, article=replace(one.article, text=f"{one.article.text} (Reuse.)")) for one in articles[:2]]
    reprints.write_text("".join(json.dumps(to_row(one)) + "\n" for one in again), encoding="utf-8")
    base = Path(shutil.copytree(tiny_model, tmp_path / "base"))
    lineage = Lineage(name="base", sha256="0", learned=(*known[:2], "of long ago"))
    (base / "lineage.json").write_text(lineage.model_dump_json(), encoding="utf-8")
    several = config.model_copy(
        update={"epochs": 1, "base_model": str(base), "new": NewData(paths=(more, reprints), held=0.5)}
    )
    texts = {one.article.text for one in [*articles[:2], *again]}
    for seed in range(4):
        parts = fitting._parts(several.model_copy(update={"seed": seed}))
        assert parts is not None
        assert texts <= {one.article.text for one in parts.learned}
        assert not texts & {one.article.text for one in parts.held}
    fit(several, tmp_path / "third", device="cpu")
    third = Lineage.read(tmp_path / "third")
    assert third is not None
    assert {*known[:2], "of long ago"} <= {*third.learned}
    every = lineage.model_copy(update={"learned": tuple(known)})
    (base / "lineage.json").write_text(every.model_dump_json(), encoding="utf-8")
    with pytest.raises(InputError, match=r"without the 4 articles that .*base has learned from: fewer than two"):
        fit(config.model_copy(update={"base_model": str(base)}), tmp_path / "fourth", device="cpu")


def test_old_articles_are_drawn_by_their_quotes(corpus: Path) -> None:
    sources = [Source(path=corpus / "train.jsonl")]
    every = sum(len(judged_quotes(one)) for one in read_annotated([corpus / "train.jsonl"]))
    for count in (0, 100, 10 * every):
        found = sum(len(judged_quotes(one)) for one, _ in replayed(sources, count, 1))
        assert min(count, every) <= found < count + 60
    assert replayed(sources, 100, 1) == replayed(sources, 100, 1) != replayed(sources, 100, 2)


def test_temperature_and_bias_alone_move_with_new_quotes(pipeline: Pipeline, held: list[AnnotatedArticle]) -> None:
    """Towards a label that the new quotes have more often, and further the more quotes there are."""
    before = pipeline.network.config
    denials = [
        replace(one, quotes=tuple(replace(quote, stance=Stance.DENIAL, second=None) for quote in one.quotes))
        for one in held[:4]
    ]
    biases = []
    for some in (denials[:1], denials):
        found = recalibrated(pipeline, some)
        assert pipeline.network.config == before
        changed = {name for name, value in found if value != getattr(before.decoding, name)}
        assert {"stance_bias"} <= changed <= {"temperature", "stance_bias"}
        biases.append(found.stance_bias[1])
    assert before.decoding.stance_bias[1] < biases[0] < biases[1]


def _article(text: str, *quotes: GoldQuote) -> str:
    return json.dumps(to_row(AnnotatedArticle(Article(text[:9], text), quotes))) + "\n"


ONE = "Mara Lind said the tram was late. She blamed the depot. She denied a strike. She praised the night crews."
QUOTES = (
    _quote(ONE, "the tram was late", Stance.OTHER),
    _quote(ONE, "the depot", Stance.ACCUSATION),
    _quote(ONE, "a strike", Stance.DENIAL),
    _quote(ONE, "the night crews", Stance.OTHER),
)
ALIKE = ONE.replace("night crews", "night drivers")
SAME_LABEL = "".join(
    _article(f"{who} said {what}.", _quote(f"{who} said {what}.", what, Stance.OTHER))
    for who, what in zip(("Ann Roe", "Jo Pell", "Tim Oak", "Bea Moss"), ("one", "two", "three", "four"), strict=True)
)

TWO = [
    ("Ann", "So it is", Stance.OTHER),
    ("Jo", "They lied", Stance.ACCUSATION),
    ("Tim", "It rained all day", Stance.OTHER),
    ("Bea", "He took it", Stance.ACCUSATION),
]


@pytest.mark.parametrize(
    ("lines", "changes", "code", "words"),
    [
        ("", {}, 1, "new.jsonl: no article with text in it, expected one annotated article a line"),
        ("{broken\n", {}, 1, "new.jsonl:1: not JSON"),
        (_article(ONE, *QUOTES[:3]), {}, 1, "new.jsonl: 3 quotes with a stance, expected at least 4"),
        (SAME_LABEL, {}, 1, "new.jsonl: every stance is 'other', expected two labels or more"),
        (_article(ONE, *QUOTES), {}, 1, "new.jsonl: fewer than two articles with stances, or several of"),
        (_article(ONE, *QUOTES) + _article(ALIKE, *QUOTES[:3]), {}, 1, "or several of (nearly) the same text"),
        (None, {}, 1, "new.jsonl: cannot be read"),
        (SAME_LABEL, {"base_model": "nowhere/at/all"}, 3, "nowhere/at/all: cannot be loaded as a Hugging Face encoder"),
        (SAME_LABEL, {"base_model": "nowhere", "scope": "heads"}, 2, "no model folder of this project, expected one"),
        (SAME_LABEL, {"variants": 1}, 2, "variants is 1, expected 0 with the scope 'heads'"),
        (SAME_LABEL, {"consistency": 0.5}, 2, "consistency is 0.5, expected 0 with the scope 'heads'"),
        (SAME_LABEL, {"masked": 0.1}, 2, "masked is 0.1, expected 0 with the scope 'heads'"),
        (SAME_LABEL, {"masked": 0.1, "scope": "all"}, 2, "masked is 0.1, expected 0 without variants and consistency"),
        (SAME_LABEL, {"stance_weights": [1, 0, 1, 1]}, 2, "stance_weights.1 is 0"),
        (SAME_LABEL, {"report_to": ["nothing"]}, 2, "report_to.0 is 'nothing'"),
        (SAME_LABEL, {"data": [], "new": None}, 2, "no data, expected files under 'data', or new articles"),
        (SAME_LABEL, {"name": "../up"}, 2, "name is '../up'"),
        (
            "".join(_article(f"{who}: {what}", _quote(f"{who}: {what}", what, stance)) for who, what, stance in TWO),
            {"checkpoint_gradients": True, "scope": "all"},
            2,
            "only where training begins from a Hugging Face encoder",
        ),
    ],
)
def test_data_and_settings_that_cannot_be_used_are_named(
    lines: str | None,
    changes: dict[str, Any],
    code: int,
    words: str,
    tiny_model: Path,
    old: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if lines is not None:
        (tmp_path / "new.jsonl").write_text(lines, encoding="utf-8")
    written = {"name": "second", "base_model": str(tiny_model), "scope": "heads", "data": [{"path": str(old)}]}
    if "nowhere/" in changes.get("base_model", ""):
        written["scope"] = "all"
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "config.yaml").write_text(json.dumps(written | changes), encoding="utf-8")
    data = [] if "new" in changes else ["--data", str(tmp_path / "new.jsonl")]
    command = ["fit", "--config", str(tmp_path / "config.yaml"), *data, "-o", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["training", *command])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    errors = capsys.readouterr().err
    assert caught.value.code == code, errors
    assert words in errors
    assert errors.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("what", ["in use", "a file", "something else"])
def test_a_folder_that_is_not_to_be_written_is_refused(what: str, config: FitConfig, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    if what == "in use":
        folder = default_model()
    elif what == "a file":
        folder.write_text("mine", encoding="utf-8")
    else:
        folder.mkdir()
        (folder / "letters.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="expected"):
        fit(config, folder, device="cpu")


@pytest.fixture
def promoted(tiny_model: Path, tmp_path: Path) -> Path:
    """A folder of models: `first` was the default, `second` is it, `third` never was."""
    folder = tmp_path / "models"
    for name in ("first", "second", "third"):
        shutil.copytree(tiny_model, folder / name)
    (folder / REGISTRY).write_text(Registry(default="first").model_dump_json(), encoding="utf-8")
    promote(folder, "second", "a")
    return folder


@pytest.mark.parametrize("name", ["first", "second", "link"])
def test_a_model_that_a_registry_needs_is_not_written_over(name: str, config: FitConfig, promoted: Path) -> None:
    (promoted / "link").symlink_to(promoted / "first")
    with pytest.raises(ConfigError, match="`rollback` may need it, expected another name"):
        fit(config, promoted / name, device="cpu")
    assert not list(promoted.glob("*.checkpoints"))  # said before training


@pytest.mark.parametrize("name", ["my model", ".hidden", "-o", "a/..", "."])
def test_a_folder_whose_name_no_registry_can_hold_is_refused(
    name: str, config: FitConfig, promoted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (promoted / REGISTRY).read_bytes()
    monkeypatch.chdir(promoted)
    for refuse in (lambda folder: fit(config, folder, device="cpu"), enrol):
        with pytest.raises(ConfigError, match="expected a folder named by letters"):
            refuse(Path(name))
    assert (promoted / REGISTRY).read_bytes() == before


def test_a_model_that_was_promoted_while_it_was_trained_anew_stays(
    config: FitConfig, promoted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.read_bytes() for path in (promoted / "third").iterdir()}
    plain = fitting.save_network

    def save(*arguments: Any) -> None:
        promote(promoted, "third", "b")
        plain(*arguments)

    monkeypatch.setattr(fitting, "save_network", save)
    with pytest.raises(ConfigError, match="expected another name"):
        fit(config, promoted / "third", device="cpu")
    assert {path: path.read_bytes() for path in (promoted / "third").iterdir()} == before
    assert not (promoted / ".third.tmp").exists()


def test_a_model_folder_is_replaced_whole_or_not_at_all(
    config: FitConfig, promoted: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Path.rename

    def refused(path: Path, target: Path) -> Path:
        if path.suffix == ".tmp":
            raise OSError("no")
        return plain(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", refused)
        with pytest.raises(OutputError, match="give the same command again"):
            fit(config, promoted / "third", device="cpu")
    assert _same(promoted / "third", tiny_model)
    fit(config, promoted / "third", device="cpu")
    assert not _same(promoted / "third", tiny_model)
    assert {path.name for path in promoted.iterdir()} == {"first", "second", "third", REGISTRY, f".{REGISTRY}.lock"}


def test_new_articles_that_the_corpus_has_are_refused(tiny_model: Path, old: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(old, tmp_path / "new.jsonl"))
    with pytest.raises(InputError, match=r"nearly\) the same text"):
        fit(_config(tiny_model, old, copy), tmp_path / "second", device="cpu")


def _word_pieces(texts: list[str], kind: str, folder: Path) -> int:
    """A tokenizer of its own, in the files in which the hub has it: a SentencePiece model, or tokenizer.json."""
    if kind == "deberta-v2":
        names = {"pad_piece": "[PAD]", "bos_piece": "[CLS]", "eos_piece": "[SEP]", "unk_piece": "[UNK]"}
        ids = {"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3}
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_prefix=str(folder / "spm"),
            vocab_size=300,
            minloglevel=2,
            **names,
            **ids,
        )
        return 301  # the library adds [MASK]
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    made = Tokenizer(models.BPE(unk_token=special[3]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet)
    )
    ends = [(name, made.token_to_id(name)) for name in (special[0], special[2])]
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    made.save(str(folder / "tokenizer.json"))
    return int(made.get_vocab_size())


def _encoder(kind: str, texts: list[str], folder: Path) -> Path:
    folder.mkdir()
    shape = {
        "vocab_size": _word_pieces(texts, kind, folder),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 514,
    }
    with torch.random.fork_rng():
        torch.manual_seed(7)
        if kind == "roberta":
            RobertaModel(RobertaConfig(**shape, pad_token_id=1)).save_pretrained(folder)
        else:
            relative = {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_buckets": 16}
            DebertaV2Model(
                DebertaV2Config(**shape, **relative, position_biased_input=False, type_vocab_size=0)
            ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=["deberta-v2", "roberta"])
def other_encoder(request: pytest.FixtureRequest, old: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [one.article.text for one in read_annotated([old])]
    return _encoder(request.param, texts, tmp_path_factory.mktemp("encoders") / request.param)


@pytest.mark.slow
def test_any_encoder_can_be_the_base(
    other_encoder: Path, old: Path, held: list[AnnotatedArticle], tmp_path: Path
) -> None:
    config = load_config(FitConfig, ROOT / "configs" / "large-gpu.yaml", base_model=str(other_encoder), epochs=1)
    tiny = {"data": (Source(path=old),), "variants": 0, "warmup_steps": 1, "half_precision": False}
    folder = tmp_path / "large"
    fit(config.model_copy(update=tiny), folder, device="cpu")
    network, _ = load_network(folder)
    assert network.config.encoder["model_type"] == other_encoder.name
    pipeline = Pipeline.from_pretrained(folder, device="cpu")
    text = held[0].article.text
    [reading] = pipeline.read([held[0].article])
    spans = list(zip(reading.tokens.starts.tolist(), reading.tokens.ends.tolist(), strict=True))
    assert {i for start, end in spans for i in range(start, end)} >= {i for i, c in enumerate(text) if not c.isspace()}
    assert not any(text[start].isspace() for start, end in spans if start < end)
    assert _records(folder, held[:1]) == _records(folder, held[:1])
    # And it can be gone on from, its head alone.
    new = tmp_path / "new.jsonl"
    new.write_text("".join(json.dumps(to_row(one)) + "\n" for one in held[:10]), encoding="utf-8")
    fit(_config(folder, old, new, epochs=1), tmp_path / "next", device="cpu")
    assert not _same(folder, tmp_path / "next")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"window": 510, "overlap": 48}, "window is 510, expected at most 254"),
        ({"masked": 0.1, "variants": 1}, r"no \[MASK\] or <mask>, expected 0"),
        ({"masked": 0.1, "consistency": 0.5}, r"no \[MASK\] or <mask>, expected 0"),
    ],
)
def test_what_the_base_cannot_do_is_named(
    changes: dict[str, Any], words: str, tiny_encoder: Path, old: Path, tmp_path: Path
) -> None:
    encoder = Path(shutil.copytree(tiny_encoder, tmp_path / "encoder"))
    if "masked" in changes:
        tokenizer = (encoder / "tokenizer.json").read_text(encoding="utf-8").replace("[MASK]", "[COVER]")
        (encoder / "tokenizer.json").write_text(tokenizer, encoding="utf-8")
    with pytest.raises(ConfigError, match=words):
        start(_config(encoder, old, scope="all", new=None, **changes))


@pytest.mark.parametrize("name", ["fit", "retrain", "large-gpu"])
def test_the_configs_that_ship_are_read(name: str) -> None:
    config = load_config(FitConfig, ROOT / "configs" / f"{name}.yaml")
    assert all((ROOT / source.path).is_file() for source in config.data)
    assert (config.new is not None) == (name == "retrain")


def test_retraining_needs_new_articles(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["training", "fit", "--config", str(ROOT / "configs" / "retrain.yaml")])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    assert "learns from new articles, expected --data" in capsys.readouterr().err
