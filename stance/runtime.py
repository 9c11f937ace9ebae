"""Runs the network: articles in, token vectors and tag logits out; batches of like length.

A window's vectors do not depend on the windows beside it in a batch, so results are the same for every batch size and
order of articles: to the bit where the network is packed (`stance.packed`), else up to the last bits of floating point.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from stance.errors import ModelError
from stance.network import StanceNetwork
from stance.packed import PackedEncoder, pack, refusal
from stance.windows import Tokens, Window, cut

PRECISIONS = ("auto", "float", "bf16", "int8", "half")


@dataclass(frozen=True, slots=True)
class Reading:
    """What the network saw in one article.

    Attributes:
        tokens: The article's tokens.
        vectors: One vector a token, `(tokens, hidden)`, float32.
        tags: Logits of outside, begin, inside for each role, `(tokens, roles, 3)`.
    """

    tokens: Tokens
    vectors: Tensor
    tags: np.ndarray


def pick_device(name: str) -> torch.device:
    """Choose the device: `auto` takes a GPU where there is one.

    Raises:
        ModelError: A GPU is asked for where there is none, or the name is unknown.
    """
    if name not in {"auto", "cpu", "cuda"}:
        raise ModelError(f"device is {name!r}, expected auto, cpu or cuda")
    present = torch.cuda.is_available()
    if name == "cuda" and not present:
        raise ModelError(
            f"device cuda: torch {torch.__version__} finds no GPU here, expected one and a CUDA build of torch; "
            "use --device cpu or see 'GPU' in the README"
        )
    return torch.device("cuda" if present and name != "cpu" else "cpu")


def place(network: StanceNetwork, device: torch.device, precision: str) -> StanceNetwork:
    """Bring a network to the device and the arithmetic that it will run in; the network given is changed.

    Args:
        network: As loaded: in evaluation mode, float32, on the CPU.
        device: From `pick_device`.
        precision: `float`; on a CPU `bf16` (16-bit floats) or `int8`; on a GPU `half` (the encoder); or `auto`: bf16 on
            a CPU that multiplies it, else float. On a CPU a plain BERT is packed in any of them, see `pack`.

    Raises:
        ModelError: An unknown precision, or one that this device, machine or encoder does not have.
    """
    if precision not in PRECISIONS:
        raise ModelError(f"precision is {precision!r}, expected {', '.join(PRECISIONS[:-1])} or {PRECISIONS[-1]}")
    on_cpu = device.type == "cpu"
    if precision == "auto":
        precision = "bf16" if on_cpu and refusal(network, "bf16") is None else "float"
    if precision == "half":
        if on_cpu:
            raise ModelError("precision half: runs on a GPU only; use --precision float")
        network.encoder.half()
    else:
        reason = refusal(network, precision) if on_cpu else "runs on the CPU only"
        if reason is None:
            return pack(network, precision)
        if precision != "float":
            raise ModelError(f"precision {precision}: {reason}; use --precision float")
    return network.to(device)


def precision_of(network: StanceNetwork) -> str:
    """Tell in which arithmetic a network runs."""
    if isinstance(network.encoder, PackedEncoder):
        return network.encoder.precision
    return "half" if network.encoder.get_input_embeddings().weight.dtype == torch.float16 else "float"


def special_tokens(tokenizer: Tokenizer) -> tuple[int, int]:
    """Give the ids that the tokenizer puts before and after a text."""
    ids = tokenizer.encode("").ids
    return ids[0], ids[-1]


def pad(windows: Sequence[tuple[np.ndarray, np.ndarray]], specials: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Pad windows to the longest one, special tokens added.

    Args:
        windows: Token ids and shapes of each window, both `(tokens,)`.
        specials: First and last token, from `special_tokens`.

    Returns:
        ids, shapes and attention mask, each `(windows, longest + 2)`.
    """
    length = max(len(ids) for ids, _ in windows) + 2
    packed = np.zeros((3, len(windows), length), dtype=np.int64)
    for i, (ids, shapes) in enumerate(windows):
        end = 1 + len(ids)
        packed[0, i, 1:end], packed[1, i, 1:end] = ids, shapes
        packed[0, i, 0], packed[0, i, end] = specials
        packed[2, i, : end + 1] = 1
    ids, shapes, mask = torch.from_numpy(packed)
    return ids, shapes, mask


@torch.inference_mode()
def read(
    network: StanceNetwork, articles: Sequence[Tokens], specials: tuple[int, int], *, batch_size: int
) -> list[Reading]:
    """Read articles: every window once, windows of like length together.

    Args:
        network: In evaluation mode, on any device.
        articles: The tokens of each article.
        specials: From `special_tokens`.
        batch_size: Windows in a batch.

    Returns:
        One reading an article, in order.
    """
    device = next(network.parameters()).device
    hidden = network.shape.embedding_dim
    vectors = [torch.zeros(len(tokens), hidden) for tokens in articles]
    work = [
        (index, window)
        for index, tokens in enumerate(articles)
        for window in cut(len(tokens), size=network.config.window, overlap=network.config.overlap)
    ]
    work.sort(key=lambda item: item[1].last_token - item[1].first_token)
    for start in range(0, len(work), batch_size):
        batch = work[start : start + batch_size]
        packed = pad([_part(articles[index], window) for index, window in batch], specials)
        kept = [_kept(window) for _, window in batch]
        wanted = torch.zeros_like(packed[2], dtype=torch.bool)
        for row, places in zip(wanted, kept, strict=True):
            row[places] = True
        encoded = network.encode(*(tensor.to(device) for tensor in (*packed, wanted))).float().cpu()
        for row, places, (index, window) in zip(encoded, kept, batch, strict=True):
            vectors[index][window.keep_first_token : window.keep_last_token] = row[places]
    return [_reading(network, *pair, device) for pair in zip(articles, vectors, strict=True)]


def _kept(window: Window) -> slice:
    """Give the kept part of a window as places in its row, where a special token comes first."""
    shift = 1 - window.first_token
    return slice(window.keep_first_token + shift, window.keep_last_token + shift)


def _part(tokens: Tokens, window: Window) -> tuple[np.ndarray, np.ndarray]:
    part = slice(window.first_token, window.last_token)
    return tokens.ids[part], tokens.shapes[part]


def _reading(network: StanceNetwork, tokens: Tokens, vectors: Tensor, device: torch.device) -> Reading:
    vectors = vectors.to(device)
    return Reading(tokens, vectors, network.tag(vectors).cpu().numpy())
