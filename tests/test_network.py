"""The network: shapes of every method, a model folder out and in, and what is wrong with a folder."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from stance.errors import ModelError
from stance.network import (
    CONFIG,
    MODEL_FORMAT,
    ROLES,
    TOKENIZER,
    WEIGHTS,
    Decoding,
    NetworkConfig,
    StanceNetwork,
    load_network,
    save_network,
    span_vectors,
    write_config,
)
from stance.pipeline import Pipeline, default_model
from stance.windows import SHAPES

TOKENS, HIDDEN = 40, 32
SPANS = torch.tensor([[0, 3], [10, 11], [20, TOKENS]])
PLACES = torch.tensor([[5, 9, 30, -1], [0, -1, -1, -1], [1, 2, 3, 4]])


@pytest.fixture
def network(tiny: Pipeline) -> StanceNetwork:
    return tiny.network


@pytest.fixture
def vectors() -> torch.Tensor:
    return torch.randn(TOKENS, HIDDEN, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model folder, to be spoilt."""
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


@torch.inference_mode()
def test_encode_and_tag(network: StanceNetwork) -> None:
    ids, shapes = torch.randint(1000, 2000, (3, 12)), torch.randint(0, SHAPES, (3, 12))
    vectors = network.encode(ids, shapes, torch.ones_like(ids))
    assert vectors.shape == (3, 12, HIDDEN)
    assert network.tag(vectors.flatten(0, 1)).shape == (36, len(ROLES), 3)


@torch.inference_mode()
def test_padding_does_not_change_a_window(network: StanceNetwork) -> None:
    ids, shapes = torch.randint(1000, 2000, (1, 12)), torch.randint(0, SHAPES, (1, 12))
    alone = network.encode(ids, shapes, torch.ones_like(ids))
    mask = torch.cat([torch.ones(1, 12), torch.zeros(1, 8)], dim=1).long()
    padded = network.encode(*(torch.nn.functional.pad(x, (0, 8)) for x in (ids, shapes)), mask)
    torch.testing.assert_close(padded[:, :12], alone, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_links_score_each_candidate_and_none(network: StanceNetwork, vectors: torch.Tensor) -> None:
    cues = torch.tensor([5, -1, 0])
    for logits in (
        network.link_cue(vectors, SPANS, PLACES),
        network.link_source(vectors, SPANS, cues, PLACES),
        network.link_antecedent(vectors, SPANS, PLACES),
        network.link_target(vectors, SPANS, PLACES),
    ):
        assert logits.shape == (3, 5)
        assert logits.dtype == torch.float32
        assert torch.isfinite(logits).all()
        probabilities = logits.softmax(-1)
        assert probabilities[:, :4][PLACES < 0].max() == 0
        assert (probabilities[:, 4] > 0).all()


@torch.inference_mode()
def test_a_score_does_not_depend_on_the_other_candidates(network: StanceNetwork, vectors: torch.Tensor) -> None:
    few = network.link_cue(vectors, SPANS[:1], torch.tensor([[9]]))
    many = network.link_cue(vectors, SPANS[:1], torch.tensor([[5, 9, 30]]))
    torch.testing.assert_close(few[0], many[0, [1, 3]])


@torch.inference_mode()
@pytest.mark.parametrize(("layers", "pooled", "parts"), [(2, True, 2), (0, True, 1), (1, False, 1)])
def test_stance_head(layers: int, pooled: bool, parts: int, network: StanceNetwork, vectors: torch.Tensor) -> None:
    config = network.config.model_copy(update={"reader_layers": layers, "pooled": pooled})
    head = StanceNetwork(config).eval().stance
    region = torch.tensor([[*range(6), -1, -1], [*range(8)]])
    roles = torch.zeros(2, 8, 3)
    roles[:, 1:4, 0] = roles[:, 4, 1] = 1
    logits = head(vectors, region, roles)
    assert logits.shape == (2, 4)
    assert torch.isfinite(logits).all()
    found = head.parts(vectors, region, roles)
    assert len(found) == parts
    torch.testing.assert_close(logits, torch.stack(found).mean(0))


def test_span_vectors_are_first_last_and_mean(vectors: torch.Tensor) -> None:
    found = span_vectors(vectors, SPANS)
    assert found.shape == (3, 3 * HIDDEN)
    for row, (start, end) in zip(found, SPANS.tolist(), strict=True):
        part = vectors[start:end]
        torch.testing.assert_close(row, torch.cat([part[0], part[-1], part.mean(0)]), rtol=1e-4, atol=1e-5)


def test_a_saved_network_comes_back(network: StanceNetwork, tiny_model: Path, tmp_path: Path) -> None:
    loaded, tokenizer = load_network(tiny_model)
    save_network(loaded, tokenizer, tmp_path / "deep" / "copy")
    again, other = load_network(tmp_path / "deep" / "copy")
    assert again.config == loaded.config == network.config
    assert not again.training
    assert other.to_str() == tokenizer.to_str()
    for name, tensor in loaded.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(again.state_dict()[name], tensor), name
    assert {tensor.dtype for tensor in load_file(tmp_path / "deep" / "copy" / WEIGHTS).values()} == {torch.float16}


def test_half_precision_keeps_the_weights_close(network: StanceNetwork, tiny: Pipeline, tmp_path: Path) -> None:
    fresh = StanceNetwork(network.config)
    save_network(fresh, load_network(default_model())[1], tmp_path)
    loaded = load_network(tmp_path)[0].state_dict()
    for name, tensor in fresh.state_dict().items():
        torch.testing.assert_close(loaded[name], tensor, rtol=1e-3, atol=1e-6)


def test_config_round_trip(network: StanceNetwork, folder: Path) -> None:
    config = network.config.model_copy(update={"decoding": Decoding(temperature=1.5, speaker=0.25), "name": "other"})
    write_config(config, folder)
    assert load_network(folder)[0].config == config


def test_the_model_that_ships_is_small_and_complete() -> None:
    folder = default_model()
    assert (folder / WEIGHTS).stat().st_size < 48 * 2**20
    assert {WEIGHTS, CONFIG, TOKENIZER} <= {path.name for path in folder.iterdir()}
    config = NetworkConfig.model_validate_json((folder / CONFIG).read_text(encoding="utf-8"))
    assert config.overlap < config.window <= config.encoder["max_position_embeddings"] - 2


def _set(key: str, value: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        settings = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        (folder / CONFIG).write_text(json.dumps(settings | {key: value}), encoding="utf-8")

    return change


def _write(name: str, data: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(data) and None


def _truncate(folder: Path) -> None:
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[: len(data) // 2])


SPOILT = {
    "no weights": (lambda folder: (folder / WEIGHTS).unlink(), WEIGHTS, "missing"),
    "no config": (lambda folder: (folder / CONFIG).unlink(), CONFIG, "missing"),
    "no tokenizer": (lambda folder: (folder / TOKENIZER).unlink(), TOKENIZER, "missing"),
    "config is not JSON": (_write(CONFIG, b"{format"), CONFIG, "Expecting property name"),
    "config is no text": (_write(CONFIG, b"\xff\xfe\x00"), CONFIG, "decode"),
    "config is a list": (_write(CONFIG, b"[1, 2]"), CONFIG, f"expected {MODEL_FORMAT!r}"),
    "foreign config": (_write(CONFIG, b'{"model_type": "bert"}'), CONFIG, "format is None, expected"),
    "another format": (_set("format", "stance-network-0"), CONFIG, "format is 'stance-network-0', expected"),
    "unknown key": (_set("windows", 3), CONFIG, "windows"),
    "value out of range": (_set("window", 3), CONFIG, "window"),
    "unknown encoder": (_set("encoder", {"model_type": "abacus"}), CONFIG, "abacus"),
    "encoder without a type": (_set("encoder", {}), CONFIG, "model_type"),
    "overlap as wide as the window": (_set("overlap", 62), CONFIG, "overlap"),
    "window wider than the encoder reads": (_set("window", 255), CONFIG, "window"),
    "weights of another shape": (_set("link_size", 32), WEIGHTS, "do not fit config.json"),
    "foreign weights": (
        lambda folder: save_file({"other": torch.zeros(2)}, folder / WEIGHTS),
        WEIGHTS,
        "do not fit config.json",
    ),
    "truncated weights": (_truncate, WEIGHTS, WEIGHTS),
    "empty weights": (_write(WEIGHTS, b""), WEIGHTS, WEIGHTS),
    "tokenizer is not JSON": (_write(TOKENIZER, b"nonsense"), TOKENIZER, "not a tokenizer"),
}


@pytest.mark.parametrize(("spoil", "file", "words"), [pytest.param(*case, id=name) for name, case in SPOILT.items()])
def test_a_spoilt_folder_is_named(spoil: Callable[[Path], None], file: str, words: str, folder: Path) -> None:
    spoil(folder)
    with pytest.raises(ModelError) as caught:
        load_network(folder)
    message = str(caught.value)
    assert message.startswith(f"{folder / file}: ")
    assert words in message
    assert "\n" not in message


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model folder, expected one with") as caught:
        load_network(tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in str(caught.value)
