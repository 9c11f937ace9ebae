"""The network in 8-bit arithmetic, for CPUs.

Linear layers multiply 8-bit integers: a weight's scale is that of its output, a vector's scale its own, so that
no result depends on the vectors beside it (LLM.int8 of Dettmers et al. 2022, https://arxiv.org/abs/2208.07339,
calls this vector-wise). Windows are laid end to end without padding. Sums, norms and activations stay in float32;
attention is in bfloat16 where the CPU multiplies that.
"""

import platform
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from stance.encoder import BertEncoder, BertLayer, Encoded
from stance.network import StanceNetwork

# Rows that go through all layers together: few enough that they stay in the cache.
_ROWS = 1024
_ZERO = 128
# oneDNN compiles a product for every shape that it meets, and keeps it: with these steps few shapes are met.
_ROWS_STEP, _LENGTH_STEP = 64, 16
_LOWEST_GELU = -0.17


def refusal(network: StanceNetwork) -> str | None:
    """Say why a network cannot run in 8 bits here: this processor, this torch, this encoder; None where it can."""
    if platform.machine().lower() not in {"x86_64", "amd64"} or torch.backends.cpu.get_cpu_capability() == "DEFAULT":
        return f"found a {platform.machine()} processor, expected x86-64 with AVX2"
    present: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not present or not hasattr(torch.ops.onednn, "qlinear_pointwise"):
        return f"torch {torch.__version__} was built without oneDNN"
    if not isinstance(network.encoder, BertEncoder):
        return f"the encoder is a {type(network.encoder).__name__}, expected a plain BERT"
    return None


def to_int8(network: StanceNetwork) -> StanceNetwork:
    """Put 8-bit layers in the place of the encoder and of the larger heads; the network given is changed."""
    network.encoder = Int8Encoder(network.encoder)
    for pointer in (network.cue, network.source, network.antecedent, network.target):
        _put(pointer, "key", Int8Linear(pointer.key))
    head = network.stance
    if head.reader is not None:
        _put(head, "down", Int8Linear(head.down))
        _put(head, "reader", Int8Reader(head.reader))
    return network


def _put(owner: nn.Module, name: str, layer: nn.Module) -> None:
    owner.register_module(name, layer)


class Int8Linear(nn.Module):
    """Linear layers over one input, side by side, in 8-bit arithmetic."""

    def __init__(
        self,
        *layers: nn.Linear,
        factors: Sequence[float] = (),
        norm: nn.LayerNorm | None = None,
        lowest: float | None = None,
    ) -> None:
        """Quantise layers.

        Args:
            layers: Over the same input.
            factors: Multiply what each gives.
            norm: Where their input comes from: its weights tell which parts are large.
            lowest: No input is less; without it as much below zero is expected as above.
        """
        super().__init__()
        each = list(zip(layers, factors or [1.0] * len(layers), strict=True))
        weight = torch.cat([layer.weight.detach() * factor for layer, factor in each])
        self.evened = None if norm is None else _evening(norm)
        if self.evened is not None:
            weight = weight / self.evened
        self.scale = (weight.abs().amax(1) / _largest()).clamp(min=torch.finfo(torch.float32).tiny)
        self.zero = torch.zeros(len(weight), dtype=torch.int32)
        whole = (weight / self.scale[:, None]).round()
        self.packed = torch.ops.onednn.qlinear_prepack(whole.to(torch.int8), None)
        self.lowest = lowest
        self.bias = torch.cat([layer.bias.detach() * factor for layer, factor in each])
        if lowest is not None:
            self.bias = self.bias + lowest * self.scale * whole.sum(1)

    def forward(self, vectors: Tensor) -> Tensor:
        """Map `(…, in)` to `(…, out)`, both float32."""
        rows = vectors.reshape(-1, vectors.shape[-1])
        if self.evened is not None:
            rows = rows * self.evened
        if self.lowest is None:
            scale = rows.abs().amax(1, keepdim=True).clamp_(min=1e-12) / 127
            whole = rows * scale.reciprocal()
        else:
            scale = (rows.amax(1, keepdim=True) - self.lowest) / 255
            finer = scale.reciprocal()
            whole = (rows * finer).sub_(self.lowest * finer + _ZERO)
        # By way of int8: torch has no fast way from float to uint8.
        eight = whole.round_().to(torch.int8).view(torch.uint8).bitwise_xor_(_ZERO)
        eight = functional.pad(eight, (0, 0, 0, -len(rows) % _ROWS_STEP))
        zero = _ZERO if self.lowest is None else 0
        product = torch.ops.onednn.qlinear_pointwise(
            eight, 1.0, zero, self.packed, self.scale, self.zero, None, 1.0, 0, torch.float32, "none", [], "none"
        )
        return torch.addcmul(self.bias, product[: len(rows)], scale).reshape(*vectors.shape[:-1], -1)


class Int8Encoder(nn.Module):
    """A BERT in 8-bit arithmetic, in the place of a `BertEncoder`."""

    def __init__(self, encoder: BertEncoder) -> None:
        """Quantise an encoder's layers; its embeddings are kept as they are."""
        super().__init__()
        self.embeddings = encoder
        layers = list(encoder.encoder["layer"])
        norms = [encoder.embeddings["LayerNorm"], *(layer.output["LayerNorm"] for layer in layers)]
        self.layers = [_Layer.of_bert(layer, norm) for layer, norm in zip(layers, norms[:-1], strict=True)]
        encoder.encoder = nn.ModuleDict()

    def get_input_embeddings(self) -> nn.Module:
        """Give the vectors of the vocabulary."""
        return self.embeddings.get_input_embeddings()

    def forward(self, inputs_embeds: Tensor, attention_mask: Tensor) -> Encoded:
        """Read windows `(windows, length, hidden)`; where the mask is 0 the vectors are 0."""
        return Encoded(_unpadded(self.layers, self.embeddings.embed(inputs_embeds), attention_mask.bool()))


class Int8Reader(nn.Module):
    """Transformer layers in 8-bit arithmetic, in the place of an `nn.TransformerEncoder` with norms first."""

    def __init__(self, reader: nn.TransformerEncoder) -> None:
        """Quantise a reader."""
        super().__init__()
        self.layers = [_Layer.of_reader(layer) for layer in reader.layers]

    def forward(self, vectors: Tensor, src_key_padding_mask: Tensor) -> Tensor:
        """Read quotes `(quotes, region, size)`; where the mask is True the vectors are 0."""
        return _unpadded(self.layers, vectors, ~src_key_padding_mask)


class _Layer:
    """One transformer layer over windows that lie end to end."""

    def __init__(
        self, heads: int, linears: tuple[Int8Linear, ...], norms: tuple[nn.LayerNorm, ...], *, first: bool
    ) -> None:
        self.heads, self.first = heads, first
        self.looks, self.seen, self.inner, self.outer = linears
        self.norms = norms

    @classmethod
    def of_bert(cls, layer: BertLayer, norm: nn.LayerNorm) -> "_Layer":
        parts, seen, outer = layer.attention["self"], layer.attention["output"], layer.output
        linears = (
            _looks((parts["query"], parts["key"], parts["value"]), layer.heads, norm),
            Int8Linear(seen["dense"]),
            Int8Linear(layer.intermediate["dense"], norm=seen["LayerNorm"]),
            Int8Linear(outer["dense"], lowest=_LOWEST_GELU),
        )
        return cls(layer.heads, linears, (seen["LayerNorm"], outer["LayerNorm"]), first=False)

    @classmethod
    def of_reader(cls, layer: nn.TransformerEncoderLayer) -> "_Layer":
        attention = layer.self_attn
        parts = []
        for weight, bias in zip(attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3), strict=True):
            part = nn.Linear(weight.shape[1], weight.shape[0])
            part.weight, part.bias = nn.Parameter(weight), nn.Parameter(bias)
            parts.append(part)
        linears = (
            _looks(parts, attention.num_heads, layer.norm1),
            Int8Linear(attention.out_proj),
            Int8Linear(layer.linear1, norm=layer.norm2),
            Int8Linear(layer.linear2, lowest=_LOWEST_GELU),
        )
        return cls(attention.num_heads, linears, (layer.norm1, layer.norm2), first=True)

    def __call__(self, rows: Tensor, lengths: Sequence[int]) -> Tensor:
        before, after = self.norms
        read: Tensor
        if self.first:
            rows = rows + self._attend(before(rows), lengths)
            read = rows + self.outer(functional.gelu(self.inner(after(rows))))
        else:
            rows = before(rows + self._attend(rows, lengths))
            read = after(rows + self.outer(functional.gelu(self.inner(rows))))
        return read

    def _attend(self, rows: Tensor, lengths: Sequence[int]) -> Tensor:
        looks = self.looks(rows)
        seen: Tensor = self.seen(torch.cat([_attention(window, self.heads) for window in looks.split(lengths)]))
        return seen


def _looks(parts: Sequence[nn.Linear], heads: int, norm: nn.LayerNorm) -> Int8Linear:
    """Put query, key and value side by side; the query already divided as attention needs it."""
    size = parts[0].out_features // heads
    return Int8Linear(*parts, factors=(size**-0.5, 1.0, 1.0), norm=norm)


def _attention(looks: Tensor, heads: int) -> Tensor:
    """Attend within one window: query, key and value `(tokens, 3 * hidden)` to `(tokens, hidden)`.

    Taking the mean key from all keys moves each row of scores by a constant, which softmax does not see. The mean
    score is then 0: the largest is at least 0, and a search for it is needed only where exp() leaves its range; and
    an empty key, of score 0, adds exactly 1 to a total that is at least the number of keys, so that 1 may be
    taken off again.
    """
    count, width = looks.shape
    hidden = width // 3
    keys = looks[:, hidden : 2 * hidden]
    keys -= keys.mean(0)
    empty = -count % _LENGTH_STEP
    parts = looks.new_zeros(3, heads, count + empty, hidden // heads, dtype=_kind())
    parts[:, :, :count] = looks.view(count, 3, heads, -1).permute(1, 2, 0, 3)
    query, key, value = parts
    shares = torch.bmm(query, key.transpose(1, 2)).exp_()
    total = shares.sum(-1, keepdim=True, dtype=torch.float32) - empty
    if not torch.isfinite(total).all():
        value = value[:, :count]
        shares = torch.bmm(query, key[:, :count].transpose(1, 2)).softmax(-1)
        total = torch.ones_like(total)
    seen = torch.bmm(shares, value).float() / total
    return seen[:, :count].transpose(0, 1).reshape(count, hidden)


def _unpadded(layers: Sequence[_Layer], padded: Tensor, mask: Tensor) -> Tensor:
    lengths = mask.sum(1).tolist()
    rows = padded[mask]
    parts = []
    start = 0
    for group in _groups(lengths):
        part = rows[start : start + sum(group)]
        start += sum(group)
        for layer in layers:
            part = layer(part, group)
        parts.append(part)
    read = torch.zeros_like(padded)
    read[mask] = torch.cat(parts)
    return read


def _groups(lengths: Sequence[int]) -> list[list[int]]:
    groups: list[list[int]] = [[]]
    for length in lengths:
        if groups[-1] and sum(groups[-1]) + length > _ROWS:
            groups.append([])
        groups[-1].append(length)
    return groups


def _evening(norm: nn.LayerNorm) -> Tensor:
    """Give factors that make the parts of a normalised vector more alike, so that large ones cost the small ones less.

    Half of SmoothQuant (Xiao et al. 2022, https://arxiv.org/abs/2211.10438); how large a part becomes is read off
    the norm's own weights instead of a calibration set.
    """
    size = (2 * norm.weight.detach().abs() + norm.bias.detach().abs()).clamp(min=1e-3)
    factors = size.rsqrt()
    return factors / factors.log().mean().exp()


def _kind() -> torch.dtype:
    return torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32


def _largest() -> int:
    """The largest weight: without VNNI two products are added in 16 bits, which must not overflow."""
    return 127 if torch.cpu._is_vnni_supported() else 63
