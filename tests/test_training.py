"""Training, tuning and measuring on a tiny encoder: what comes out, seeds, interruptions, bad data."""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from stance.config import load_config
from stance.errors import ConfigError, InputError, ModelError
from stance.network import CONFIG, WEIGHTS, Decoding, NetworkConfig, load_network
from stance.pipeline import Pipeline
from stance.types import Article
from training import cli
from training import fit as fitting
from training.annotations import AnnotatedArticle, parse_marked, read_annotated, to_row
from training.baselines import fit_baseline, judged, score_baseline
from training.evaluate import evaluate
from training.fit import TrainingNetwork, examples, fit, learnable, start
from training.metrics import stance_score
from training.settings import FitConfig
from training.tune import _STANCE_WEIGHTS, DevSet, _quotes, _score, _stance_weights, tune

MARKED = """# id: harbour
{c1:“We will rebuild the pier before winter,”} {s1:Nora Feld} {u1:said}. {s2:She} {u2:denied} {c2:any delay}. {s3:She}
{u3:blamed} {c3:the Harbour Bank}.
---
1 | O | Nora Feld | -
2 | D | Nora Feld | -
3 | A | Nora Feld | Harbour Bank
"""


@pytest.fixture(scope="module")
def data(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two articles of the corpus."""
    path = tmp_path_factory.mktemp("data") / "two.jsonl"
    lines = (corpus / "train.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:2]), encoding="utf-8")
    return path


@pytest.fixture
def config(data: Path, tiny_encoder: Path) -> FitConfig:
    """Two epochs of a few steps."""
    return _config(tiny_encoder, data)


def _config(base: Path, data: Path, **changes: Any) -> FitConfig:
    settings = {"epochs": 2, "batch_size": 2, "warmup_steps": 1, "windows": 3}
    settings |= {"window": 126, "overlap": 32, "context_layers": 2}
    return FitConfig.model_validate(
        {"name": "trained", "base_model": str(base), "data": [{"path": data}]} | settings | changes
    )


def _same_weights(first: Path, second: Path) -> bool:
    mine, its = load_file(first / WEIGHTS), load_file(second / WEIGHTS)
    return mine.keys() == its.keys() and all(torch.equal(mine[name], its[name]) for name in mine)


@pytest.mark.slow
def test_fit_writes_a_model_that_reads_articles(config: FitConfig, tmp_path: Path) -> None:
    untrained, _ = start(config)
    folder = tmp_path / "model"
    network = fit(config, folder, device="cpu")
    assert not network.training
    assert {"config.json", "fit.json", "model.safetensors", "tokenizer.json"} == {p.name for p in folder.iterdir()}
    assert FitConfig.model_validate_json((folder / "fit.json").read_text(encoding="utf-8")) == config
    pipeline = Pipeline.from_pretrained(folder, device="cpu")
    assert pipeline.model == "trained"
    shape = pipeline.network.config
    assert (shape.window, shape.overlap, shape.context_layers) == (126, 32, 2)
    [(_, claims)] = pipeline.run([Article("a", parse_marked(MARKED).article.text)])
    assert isinstance(claims, list)
    before, after = untrained.state_dict(), network.state_dict()
    for part in ("encoder.", "shape.", "tagger.", "cue.", "source.", "antecedent.", "target.", "stance."):
        names = [name for name in after if name.startswith(part)]
        assert any(not torch.equal(before[name], after[name]) for name in names), part
    assert not (tmp_path / "model.checkpoints").exists()  # they stay until the model is complete


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"consistency": 1.0, "masked": 0.1}])
@pytest.mark.usefixtures("two_threads")
def test_the_seed_decides_the_weights(changes: dict[str, Any], config: FitConfig, tmp_path: Path) -> None:
    """On two threads too, which may add up a gradient in either order."""
    once = config.model_copy(update={"epochs": 1} | changes)
    for name, seed in (("a", 13), ("b", 13), ("c", 14)):
        fit(once.model_copy(update={"seed": seed}), tmp_path / name, device="cpu")
    assert _same_weights(tmp_path / "a", tmp_path / "b")
    assert not _same_weights(tmp_path / "a", tmp_path / "c")
    # A finished run is no checkpoint of the next one.
    fit(once.model_copy(update={"seed": 14}), tmp_path / "a", device="cpu")
    assert _same_weights(tmp_path / "a", tmp_path / "c")


@pytest.mark.parametrize("multiplied", [True, False])
@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_half_precision_is_for_processors_that_multiply_it(
    wanted: bool, multiplied: bool, config: FitConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: multiplied)
    network, tokenizer = start(config)
    wishes = config.model_copy(update={"half_precision": wanted})
    job = fitting._whole_job(wishes, network, tokenizer, learnable(config), None)
    assert fitting._arguments(wishes, job, tmp_path, "auto").bf16 == (wanted and multiplied)


@pytest.mark.slow
def test_an_interrupted_run_ends_like_an_uninterrupted_one(
    config: FitConfig, tmp_path: Path, interrupted: Callable[..., Any]
) -> None:
    in_an_epoch = -(-len(examples(config, start(config)[1], learnable(config))) // config.batch_size)
    with interrupted(fitting, "collate", lambda batch: batch > in_an_epoch + 1):
        fit(config, tmp_path / "model", device="cpu")
    assert not (tmp_path / "model").exists()
    checkpoints = list((tmp_path / "model.checkpoints").glob("checkpoint-*"))
    assert checkpoints
    fit(config, tmp_path / "model", device="cpu")
    fit(config, tmp_path / "other", device="cpu")
    assert _same_weights(tmp_path / "model", tmp_path / "other")


def _batch(config: FitConfig) -> dict[str, torch.Tensor]:
    tokenizer = start(config)[1]
    rows = [dict(row) for row in examples(config, tokenizer, learnable(config))]
    return fitting._batch(rows, config, fitting.special_tokens(tokenizer))


def _loss(config: FitConfig) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(config.seed)
    result = TrainingNetwork(start(config)[0].eval(), config)(**_batch(config))
    return result["loss"], result["parts"]


def test_the_loss_has_every_part_and_a_gradient(config: FitConfig) -> None:
    loss, parts = _loss(config)
    assert torch.isfinite(loss)
    assert parts.shape == (5,)
    assert (parts > 0).all()
    loss.backward()


def test_a_model_learns_from_context_as_it_reads_it(data: Path, tiny_model: Path) -> None:
    config = _config(tiny_model, data, window=62, overlap=16)
    network = start(config)[0].eval()
    losses = []
    for layers in (1, 2, None):
        network.config = network.config.model_copy(update={"context_layers": layers})
        losses.append(TrainingNetwork(network, config)(**_batch(config))["loss"].item())
    assert losses[0] != losses[1]
    assert losses[1] == losses[2]  # the last of three layers gives nobody anything to look at


def test_a_quote_is_compared_with_itself_in_another_variant(config: FitConfig) -> None:
    whole = config.model_copy(update={"windows": 16})  # one section: none of its quotes lies across an edge
    alone, beside = _batch(whole), _batch(whole.model_copy(update={"consistency": 1.0}))
    assert len(alone["twins"]) == 0
    assert len(beside["stances"]) == 2 * len(alone["stances"])
    one, other = beside["twins"].T
    # Every quote once with its like, and never with itself.
    assert sorted([*one.tolist(), *other.tolist()]) == list(range(len(beside["stances"])))
    assert torch.equal(beside["stances"][one], beside["stances"][other])
    assert not torch.equal(beside["ids"], alone["ids"])


def test_the_weight_of_consistency_is_in_the_loss(config: FitConfig) -> None:
    none, some, much = (_loss(config.model_copy(update={"consistency": weight}))[1][4] for weight in (1e-9, 1.0, 3.0))
    assert none < some < much
    assert torch.isclose(much - none, 3 * (some - none), rtol=1e-3)


def test_only_variants_have_hidden_pieces(config: FitConfig) -> None:
    mask = start(config)[1].token_to_id("[MASK]")
    hidden = _batch(config.model_copy(update={"variants": 1, "masked": 0.5}))["ids"]
    half = len(_batch(config)["ids"])
    assert mask is not None
    assert not (hidden[:half] == mask).any()
    assert 0.4 < (hidden[half:] == mask).float().mean() < 0.6


@pytest.mark.parametrize("left", ["no stance", "no speaker", "no quotes", "no cue and source", "optional"])
def test_articles_with_less_than_everything_train(left: str, tiny_encoder: Path, tmp_path: Path) -> None:
    row = to_row(parse_marked(MARKED))
    for quote in row["quotes"]:
        quote |= {
            "no stance": {"stance": None, "second": None},
            "no speaker": {"speaker": None},
            "no quotes": {},
            "no cue and source": {"cue": [], "source": None},
            "optional": {"optional": True},
        }[left]
    if left == "no quotes":
        row["quotes"] = []
    path = tmp_path / "data.jsonl"
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    loss, parts = _loss(_config(tiny_encoder, path))
    assert torch.isfinite(loss)
    assert torch.isfinite(parts).all()
    assert (parts[4] == 0) == (left in {"no stance", "no quotes"})
    assert parts[0] > 0 or left == "optional"
    loss.backward()


def test_training_goes_on_from_a_model_folder_under_a_new_name(tiny_model: Path, data: Path) -> None:
    network, _ = start(_config(tiny_model, data, name="second"))
    weights = load_network(tiny_model)[0].state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in network.state_dict().items())
    assert network.config.name == "second"


@pytest.mark.parametrize("files", [{}, {"config.json": "{}"}, {"config.json": "{broken"}, {"config.json": "[]"}])
def test_a_base_model_that_is_none_is_named(files: dict[str, str], data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "nowhere"
    for name, words in files.items():
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(words, encoding="utf-8")
    with pytest.raises(ModelError) as caught:
        start(_config(folder, data))
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("not json", ":2: not JSON"),
        ('{"id": "a"}', ":2: expected an annotated article with strings 'id' and 'text'"),
        (
            '{"id": "a", "text": "Hi.", "quotes": [{"content": [[0, 9]]}]}',
            ":2, quote 1, content: span [0, 9], expected",
        ),
        ('{"id": "a", "text": "Hi.", "quotes": [{"content": []}]}', ":2, quote 1: no content span, expected"),
        (
            '{"id": "a", "text": "Hi.", "quotes": [{"content": [[0, 2]], "stance": "praise"}]}',
            ":2, quote 1: stance is 'praise', expected one of accusation, denial, justification, other",
        ),
    ],
)
def test_a_bad_line_of_training_data_is_named(line: str, words: str, tiny_encoder: Path, tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(f"{json.dumps(to_row(parse_marked(MARKED)))}\n{line}\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        fit(_config(tiny_encoder, path), tmp_path / "model", device="cpu")
    assert f"{path}{words}" in str(caught.value)
    assert not (tmp_path / "model").exists()


def test_training_data_without_an_article_is_named(tiny_encoder: Path, tmp_path: Path) -> None:
    (tmp_path / "data.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match=r"data\.jsonl"):
        fit(_config(tiny_encoder, tmp_path / "data.jsonl"), tmp_path / "model", device="cpu")


def test_the_config_that_ships_fits_the_corpus() -> None:
    config = load_config(FitConfig, cli.CORPUS.parent.parent / "configs" / "fit.yaml")
    assert config.name == "scratch"  # the model in use is not to be written over
    for source in config.data:
        assert (cli.CORPUS.parent.parent / source.path).is_file()
    with pytest.raises(ConfigError, match="unknown key 'lr'"):
        load_config(FitConfig, None, lr=3)


@pytest.mark.slow
def test_evaluate_gives_shares_with_intervals(tiny: Pipeline, held: list[AnnotatedArticle]) -> None:
    ticks: list[int] = []
    found = evaluate(tiny, "held", held[:2], tick=lambda: ticks.append(1))
    assert (found.name, found.articles, len(ticks)) == ("held", 2, 2)
    assert found.quotes == sum(len(annotated.quotes) for annotated in held[:2])
    assert found.given.n > 10
    assert (found.figures() | found.doubt()).keys() == found.intervals.keys()
    for name, value in found.figures().items():
        low, high = found.intervals[name]
        assert 0 <= low <= high <= 1, name
        assert 0 <= value <= 1, name


@pytest.mark.slow
def test_the_model_that_ships_is_better_than_the_baseline(
    pipeline: Pipeline, held: list[AnnotatedArticle], corpus: Path
) -> None:
    baseline = fit_baseline(judged(read_annotated([corpus / "train.jsonl"])))
    score = score_baseline(baseline, judged(held))
    pairs = [stance for _, stance in judged(held)]
    commonest = max(set(pairs), key=pairs.count)
    chance = stance_score([(stance, commonest) for stance in pairs])
    assert score.n == len(pairs)
    assert score.accuracy > chance.accuracy
    assert score.macro_f1 > 0.4 > 0.25 > chance.macro_f1
    found = evaluate(pipeline, "held", held[::4])
    assert found.given.macro_f1 > score.macro_f1
    assert found.whole.quotes.f1 > 0.7
    assert found.whole.speaker_close > 0.6


@pytest.mark.slow
def test_tune_chooses_constants_and_leaves_the_rest(tiny_model: Path, held: list[AnnotatedArticle]) -> None:
    pipeline = Pipeline.from_pretrained(tiny_model, device="cpu")
    before = pipeline.network.config
    decoding, log = tune(pipeline, [("a", held[:1]), ("b", held[1:2])])
    assert Decoding.model_validate(decoding.model_dump()) == decoding
    assert decoding.temperature > 0
    assert decoding.stance_weight[3] == 1.0
    assert all(line.strip() for line in log)
    assert pipeline.network.config.model_copy(update={"decoding": before.decoding}) == before


def test_readings_of_one_article_are_tuned_on_each_by_itself(tiny: Pipeline, held: list[AnnotatedArticle]) -> None:
    """Two annotators' readings have one id, and a row of one is no row of the other."""
    [annotated] = held[:1]
    [reading] = tiny.read([annotated.article])
    half = replace(annotated, quotes=annotated.quotes[::2])
    one = DevSet("twice", (annotated, half), (reading, reading))
    rows = [[{"content_spans": quote.content} for quote in some.quotes] for some in one.articles]
    assert _score(one, rows).quotes.f1 == 1.0
    first, second = (_quotes(tiny.network, DevSet("once", (some,), (reading,))).quotes for some in one.articles)
    both = _quotes(tiny.network, one).quotes
    assert (both.gold, both.predicted) == (first.gold + second.gold, first.predicted + second.predicted)


def test_labels_that_come_too_seldom_get_more_weight() -> None:
    chance = np.random.default_rng(7)
    gold = chance.integers(4, size=400)
    right = chance.dirichlet(np.ones(4), 400) + 2 * np.eye(4)[gold]
    shy = right * [1.0, 0.2, 1.0, 1.0]  # of denials
    weights = _stance_weights([(shy / shy.sum(-1, keepdims=True), gold)])
    assert weights[1] == max(_STANCE_WEIGHTS)
    assert weights[0] < weights[1] > weights[2]


@pytest.mark.slow
def test_tune_and_evaluate_on_the_command_line(tiny_model: Path, data: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    result = CliRunner().invoke(cli.app, ["tune", "--data", str(data), "--model", str(folder)], catch_exceptions=False)
    assert result.exit_code == 0
    assert "temperature" in result.stdout
    config = NetworkConfig.model_validate_json((folder / CONFIG).read_text(encoding="utf-8"))
    assert config.name == "tiny"
    figures = tmp_path / "figures.json"
    arguments = ["--data", str(data), "--model", str(folder), "--baseline-data", str(data), "--json", str(figures)]
    result = CliRunner().invoke(cli.app, ["evaluate", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    assert "claim F1" in result.stdout
    found = json.loads(figures.read_text(encoding="utf-8"))
    assert found["model"] == "tiny"
    assert all(0 <= value <= 1 for value in found["sets"]["two"].values())
    assert 0 <= found["baseline"]["two"] <= 1


def test_mark_turns_marked_text_into_the_data_format(tmp_path: Path) -> None:
    path, out = tmp_path / "a.txt", tmp_path / "a.jsonl"
    path.write_text(MARKED, encoding="utf-8")
    result = CliRunner().invoke(cli.app, ["mark", str(path), "-o", str(out)], catch_exceptions=False)
    assert result.exit_code == 0
    assert "1 articles, 3 quotes" in result.stdout
    [annotated] = read_annotated([out])
    assert annotated == parse_marked(MARKED)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["mark", "{folder}/none.txt", "-o", "{folder}/o.jsonl"], 1, "none.txt: cannot be read"),
        (["mark", "{folder}/open.txt", "-o", "{folder}/o.jsonl"], 1, "open.txt: 1 marks are opened but never closed"),
        (["evaluate", "--data", "{folder}/none.jsonl", "--model", "{tiny}"], 1, "none.jsonl: cannot be read"),
        (["evaluate", "--data", "{folder}/empty.jsonl", "--model", "{tiny}"], 1, "empty.jsonl: empty, expected"),
        (["evaluate", "--data", "{folder}/empty.jsonl", "--model", "{folder}/none"], 3, "none: no such model folder"),
        (["fit", "--config", "{folder}/none.yaml"], 2, "none.yaml: cannot be read"),
        (["fit", "--config", "{folder}/bad.yaml"], 2, "bad.yaml: unknown key 'rate', expected one of name"),
    ],
)
def test_errors_of_the_command_are_one_line_and_a_code(
    arguments: list[str],
    code: int,
    words: str,
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "open.txt").write_text("{c1:never closed", encoding="utf-8")
    (tmp_path / "empty.jsonl").write_text("", encoding="utf-8")
    (tmp_path / "bad.yaml").write_text("name: a\nrate: 3\ndata: [{path: a.jsonl}]\n", encoding="utf-8")
    filled = [argument.format(folder=tmp_path, tiny=tiny_model) for argument in arguments]
    monkeypatch.setattr(sys, "argv", ["training", *filled])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == code
    errors = capsys.readouterr().err
    assert errors.startswith("error: ")
    assert words in errors
    assert errors.count("\n") == 1
