"""The network in 8 bits and in float: close to each other, and independent of batches, neighbours and threads."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModel

from stance import int8
from stance.encoder import BertEncoder, BertShape
from stance.errors import ModelError
from stance.int8 import Int8Linear
from stance.network import StanceNetwork, load_network
from stance.pipeline import Pipeline, default_model
from stance.runtime import Reading, pick_device, place, read, special_tokens
from stance.types import Article
from stance.windows import Tokens, cut, tokenize
from training.annotations import AnnotatedArticle
from training.gate import measure

needs_int8 = pytest.mark.skipif(
    int8.refusal(load_network(default_model())[0]) is not None, reason="this processor or torch has no 8-bit layers"
)
CPU = torch.device("cpu")
LENGTHS = st.lists(st.integers(1, 200), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def exact() -> Pipeline:
    """The weights that ship, in float."""
    return Pipeline.from_pretrained(device="cpu", precision="float")


@pytest.fixture(scope="module")
def eight() -> Pipeline:
    """The weights that ship, in 8 bits."""
    return Pipeline.from_pretrained(device="cpu", precision="int8")


@pytest.fixture(scope="module")
def tiny_eight(tiny_model: Path) -> StanceNetwork:
    return place(load_network(tiny_model)[0], CPU, "int8")


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _tokens(lengths: Sequence[int]) -> list[Tokens]:
    generator = torch.Generator().manual_seed(len(lengths))
    made = []
    for length in lengths:
        ids = torch.randint(1000, 20_000, (length,), generator=generator).numpy()
        places = torch.arange(length).numpy()
        made.append(Tokens(ids, places, places + 1, torch.randint(0, 24, (length,), generator=generator).numpy()))
    return made


def _read(network: StanceNetwork, articles: Sequence[Tokens], batch_size: int = 16) -> list[Reading]:
    return read(network, articles, (101, 102), batch_size=batch_size)


@pytest.mark.parametrize("settings_of", [{}, {"num_hidden_layers": 3, "layer_norm_eps": 1e-5}])
@torch.inference_mode()
def test_the_encoder_is_that_of_hugging_face(settings_of: dict[str, float]) -> None:
    sizes = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 48, "vocab_size": 90}
    settings = sizes | {"num_hidden_layers": 2} | settings_of
    theirs = AutoModel.from_config(AutoConfig.for_model("bert", **settings), attn_implementation="sdpa").eval()
    theirs.pooler = None
    shape = BertShape.of({"model_type": "bert", **settings})
    assert shape is not None
    mine = BertEncoder(shape).eval()
    mine.load_state_dict(theirs.state_dict())
    words = torch.randn(3, 12, 32)
    mask = torch.ones(3, 12, dtype=torch.long)
    mask[1, 5:] = 0
    for seen in (mask, torch.ones_like(mask)):
        expected = theirs(inputs_embeds=words, attention_mask=seen).last_hidden_state
        found = mine(inputs_embeds=words, attention_mask=seen).last_hidden_state
        torch.testing.assert_close(found[seen.bool()], expected[seen.bool()], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "settings_of", [{"model_type": "roberta"}, {"hidden_act": "relu"}, {"position_embedding_type": "relative_key"}]
)
def test_other_encoders_are_left_to_transformers(settings_of: dict[str, str]) -> None:
    assert BertShape.of({"model_type": "bert"} | settings_of) is None


@needs_int8
@pytest.mark.parametrize("lowest", [None, -0.17])
def test_an_8_bit_layer_is_close_to_its_layer(lowest: float | None) -> None:
    torch.manual_seed(3)
    layer = torch.nn.Linear(96, 40)
    vectors = torch.randn(50, 96) * torch.rand(50, 1).exp()
    if lowest is not None:
        vectors = torch.nn.functional.gelu(vectors)
    expected = layer(vectors)
    found = Int8Linear(layer, lowest=lowest)(vectors)
    assert (found - expected).norm() / expected.norm() < 0.02
    zeros = torch.zeros(2, 96)
    torch.testing.assert_close(Int8Linear(layer, lowest=lowest)(zeros), layer(zeros), rtol=0.02, atol=2e-3)


@needs_int8
def test_layers_side_by_side_are_the_layers_one_by_one() -> None:
    torch.manual_seed(4)
    layers = [torch.nn.Linear(64, 16) for _ in range(3)]
    vectors = torch.randn(9, 64)
    together = Int8Linear(*layers, factors=(0.5, 1.0, 1.0))(vectors)
    first, *rest = (Int8Linear(layer)(vectors) for layer in layers)
    torch.testing.assert_close(together, torch.cat([first * 0.5, *rest], dim=1), rtol=1e-4, atol=1e-5)


@needs_int8
def test_scores_beyond_what_exp_can_do_are_still_shares() -> None:
    looks = torch.randn(20, 3 * 32, generator=torch.Generator().manual_seed(5))
    looks[:, :64] *= 60
    seen = int8._attention(looks.clone(), 2)
    assert torch.isfinite(seen).all()
    query, key, value = looks.view(20, 3, 2, 16).permute(1, 2, 0, 3)
    expected = (query @ key.transpose(1, 2)).softmax(-1) @ value
    close = (seen - expected.transpose(0, 1).reshape(20, 32)).abs().amax(1) < 0.05
    assert close.float().mean() > 0.8  # where two keys are nearly alike bfloat16 may choose the other


@needs_int8
@settings(max_examples=30, deadline=None)
@given(LENGTHS, st.integers(1, 7), st.randoms())
def test_8_bit_vectors_are_the_same_bits_in_every_batch(
    tiny_eight: StanceNetwork, lengths: list[int], batch_size: int, generator: object
) -> None:
    articles = _tokens(lengths)
    order = list(range(len(articles)))
    generator.shuffle(order)  # type: ignore[attr-defined]
    together = _read(tiny_eight, [articles[i] for i in order], batch_size)
    for i, reading in zip(order, together, strict=True):
        [alone] = _read(tiny_eight, [articles[i]])
        assert torch.equal(reading.vectors, alone.vectors)
        assert (reading.tags == alone.tags).all()


@needs_int8
def test_8_bit_vectors_are_the_same_bits_on_one_thread(
    eight: Pipeline, samples: Path, one_thread: None, tokenizer: object
) -> None:
    text = (samples / "world-09.txt").read_text(encoding="utf-8")
    [single] = eight.read([Article("a", text)])
    torch.set_num_threads(2)
    [double] = eight.read([Article("a", text)])
    assert torch.equal(single.vectors, double.vectors)


@needs_int8
@pytest.mark.slow
def test_8_bits_keep_the_figures(exact: Pipeline, eight: Pipeline, held: list[AnnotatedArticle]) -> None:
    floor, found = (measure(pipeline, "held", held) for pipeline in (exact, eight))
    less = {name: floor[name] - found[name] for name in ("quotes F1", "attributed F1", "claim F1", "tokens F1")}
    assert max(less.values()) <= 0.005, less


def test_what_cannot_be_is_refused(tiny_model: Path) -> None:
    network, _ = load_network(tiny_model)
    with pytest.raises(ModelError, match="precision is 'auto', expected float, int8 or half"):
        place(network, CPU, "auto")
    with pytest.raises(ModelError, match="precision int8: runs on the CPU only"):
        place(network, torch.device("cuda"), "int8")


def test_an_encoder_of_another_kind_stays_in_float(tiny_model: Path) -> None:
    network, _ = load_network(tiny_model)
    network.encoder = torch.nn.Identity()
    assert place(network, CPU, "float").encoder is network.encoder
    with pytest.raises(ModelError, match=r"precision int8: .*; use --precision float"):
        place(network, CPU, "int8")


def test_padding_is_under_five_percent(tokenizer: object, samples: Path, pipeline: Pipeline) -> None:
    texts = [path.read_text(encoding="utf-8") * 3 for path in sorted(samples.glob("*.txt"))]
    counts = [len(tokenize(text, tokenizer)) for text in texts]  # type: ignore[arg-type]
    config = pipeline.network.config
    sizes = sorted(
        w.last_token - w.first_token for n in counts for w in cut(n, size=config.window, overlap=config.overlap)
    )
    batches = [sizes[i : i + 16] for i in range(0, len(sizes), 16)]
    assert sum(sizes) >= 0.95 * sum(len(batch) * max(batch) for batch in batches)
    assert special_tokens(tokenizer) == (101, 102)  # type: ignore[arg-type]
    assert pick_device("cpu") == CPU
