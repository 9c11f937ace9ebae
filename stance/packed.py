"""The network as a CPU reads it: in 32-bit floats, or faster in 16-bit ones or 8-bit integers.

Windows are laid end to end without padding. Linear layers may multiply few bits; sums inside them, norms and what is
added up from layer to layer stay in float32. No result depends on the windows beside it: the kernels add up each
product in the same order whatever the number of rows, which `tests/test_runtime.py` holds them to.
"""

import bisect
import itertools
import math
import platform
from collections.abc import Iterable, Sequence
from operator import itemgetter

import torch
from torch import Tensor, nn
from torch.nn import functional

from stance import floats, int8
from stance.encoder import BertEncoder, BertLayer, Encoded
from stance.network import StanceNetwork

Linear = floats.FloatLinear | int8.Int8Linear
Narrow = floats.FloatLinear | int8.Int8AfterGelu

# Rows that go through all layers together: few enough that they stay in the cache.
_ROWS = 1024
# oneDNN compiles a product for every shape that it meets, and keeps it: with these steps few shapes are met.
_ROWS_STEP, _LENGTH_STEP = 64, 16
# Of a row of powers in bfloat16, which ends at 3.4e38: leaves room for values up to 1e8.
_LARGEST_TOTAL = 1e30
_LARGE = 8  # parts of the vectors that 8 bits treat apart
_FLOATS = {"float": torch.float32, "bf16": torch.bfloat16}


def refusal(network: StanceNetwork, precision: str) -> str | None:
    """Say why a network cannot be packed in a precision here: this processor, this torch, this encoder; None if it can.

    `int8` also runs where the processor has no instructions for it, if slowly.
    """
    present: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    kernel = hasattr(torch.ops.onednn, "qlinear_pointwise") and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    if platform.machine().lower() not in {"x86_64", "amd64"} or torch.backends.cpu.get_cpu_capability() == "DEFAULT":
        return f"found a {platform.machine()} processor, expected x86-64 with AVX2"
    if precision == "bf16" and not floats.multiplies_bf16():
        return "this processor does not multiply 16-bit floats (AVX512-BF16)"
    if not present or not kernel:
        return f"torch {torch.__version__} was built without oneDNN"
    if not isinstance(network.encoder, BertEncoder):
        return f"the encoder is a {type(network.encoder).__name__}, expected a plain BERT"
    return None


def pack(network: StanceNetwork, precision: str) -> StanceNetwork:
    """Put layers in `float`, `bf16` or `int8` in the place of the encoder and of the larger heads.

    The network given is changed. What is small, or needs digits, is left: the tags, the last steps of the links, the
    last layer of the stances.
    """
    large = _large_parts(network.encoder)
    network.encoder = PackedEncoder(network.encoder, precision, large)
    for pointer in (network.cue, network.source, network.antecedent, network.target):
        _put(pointer, "key", _linear(precision, pointer.key, large=large))
    head = network.stance
    if head.reader is not None:
        _put(head, "down", _linear(precision, head.down, large=large))
        _put(head, "reader", PackedReader(head.reader, precision))
    return network


class PackedEncoder(nn.Module):
    """A BERT in the place of a `BertEncoder`."""

    takes_wanted = True

    def __init__(self, encoder: BertEncoder, precision: str, large: Tensor) -> None:
        """Pack an encoder's layers; its embeddings are kept as they are."""
        super().__init__()
        self.precision = precision
        self.embeddings = encoder
        self.layers = [_Layer.of_bert(layer, precision, large) for layer in encoder.encoder["layer"]]
        encoder.encoder = nn.ModuleDict()

    def get_input_embeddings(self) -> nn.Module:
        """Give the vectors of the vocabulary."""
        return self.embeddings.get_input_embeddings()

    def forward(
        self,
        inputs_embeds: Tensor,
        attention_mask: Tensor,
        wanted: Tensor | None = None,
        context_layers: int | None = None,
    ) -> Encoded:
        """Read windows `(windows, length, hidden)`; 0 where the mask is 0 or a token is not wanted.

        A token that is not wanted goes through the first `context_layers` layers; None: through all.
        """
        embedded = self.embeddings.embed(inputs_embeds)
        return Encoded(_unpadded(self.layers, embedded, attention_mask.bool(), wanted, context_layers))


class PackedReader(nn.Module):
    """Transformer layers in the place of an `nn.TransformerEncoder` with norms first."""

    takes_wanted = True

    def __init__(self, reader: nn.TransformerEncoder, precision: str) -> None:
        """Pack a reader."""
        super().__init__()
        self.layers = [_Layer.of_reader(layer, precision) for layer in reader.layers]

    def forward(self, vectors: Tensor, src_key_padding_mask: Tensor, wanted: Tensor | None = None) -> Tensor:
        """Read quotes `(quotes, region, size)`; 0 where the mask is True or a token is not wanted."""
        return _unpadded(self.layers, vectors, ~src_key_padding_mask, wanted)


def _put(owner: nn.Module, name: str, layer: nn.Module) -> None:
    owner.register_module(name, layer)


def _linear(
    precision: str,
    *layers: nn.Linear,
    factors: Sequence[float] = (),
    large: Tensor | None = None,
    gelu: bool = False,
    short: bool = False,
) -> Linear:
    """Give linear layers over one input, side by side, each multiplied by its factor.

    Where it can, what is `short` gives bfloat16, since the next step takes that.
    """
    each = list(zip(layers, factors or [1.0] * len(layers), strict=True))
    weight = torch.cat([layer.weight.detach() * factor for layer, factor in each])
    bias = torch.cat([layer.bias.detach() * factor for layer, factor in each])
    if precision == "int8":
        return int8.Int8Linear(weight, bias, large=large, gelu=gelu)
    return floats.FloatLinear(weight, bias, _FLOATS[precision], gelu=gelu, short=short)


def _narrow(precision: str, layer: nn.Linear) -> Narrow:
    weight, bias = layer.weight.detach(), layer.bias.detach()
    if precision == "int8":
        return int8.Int8AfterGelu(weight, bias)
    return floats.FloatLinear(weight, bias, _FLOATS[precision])


# Where a window's tokens lie: those that are wanted, and those that are but context. The wanted ones of all windows
# come before all context, so that they are one slice; attention does not see the order.
_Window = tuple[slice, slice]


class _Layer:
    """One transformer layer over windows that lie end to end, and empty rows after them."""

    def __init__(
        self,
        heads: int,
        attention: tuple[Linear, Linear],
        widths: tuple[Linear, Narrow],
        norms: tuple[nn.LayerNorm, nn.LayerNorm],
        kind: torch.dtype,
        *,
        first: bool,
    ) -> None:
        self.heads, self.norms, self.kind, self.first = heads, norms, kind, first
        self.looks, self.seen = attention
        self.wide, self.narrow = widths

    @classmethod
    def of_bert(cls, layer: BertLayer, precision: str, large: Tensor) -> "_Layer":
        parts, seen, outer = layer.attention["self"], layer.attention["output"], layer.output
        looks = _looks(precision, [parts["query"], parts["key"], parts["value"]], layer.heads, large)
        wide = _linear(precision, layer.intermediate["dense"], large=large, gelu=True, short=True)
        attention, widths = (looks, _linear(precision, seen["dense"])), (wide, _narrow(precision, outer["dense"]))
        norms = seen["LayerNorm"], outer["LayerNorm"]
        return cls(layer.heads, attention, widths, norms, _kind(precision), first=False)

    @classmethod
    def of_reader(cls, layer: nn.TransformerEncoderLayer, precision: str) -> "_Layer":
        own = layer.self_attn
        parts = []
        for weight, bias in zip(own.in_proj_weight.chunk(3), own.in_proj_bias.chunk(3), strict=True):
            part = nn.Linear(weight.shape[1], weight.shape[0])
            part.weight, part.bias = nn.Parameter(weight), nn.Parameter(bias)
            parts.append(part)
        attention = _looks(precision, parts, own.num_heads), _linear(precision, own.out_proj)
        widths = _linear(precision, layer.linear1, gelu=True, short=True), _narrow(precision, layer.linear2)
        return cls(own.num_heads, attention, widths, (layer.norm1, layer.norm2), _kind(precision), first=True)

    def __call__(self, rows: Tensor, windows: Sequence[_Window], *, narrow: bool) -> Tensor:
        """Read windows; if `narrow` there are rows for the wanted tokens alone in what comes out, and empty ones."""
        before, after = self.norms
        seen = self._attend(before(rows) if self.first else rows, windows, narrow=narrow)
        rows = rows[: len(seen)] + self.seen(seen)
        read: Tensor
        if self.first:
            read = rows + self.narrow(self.wide(after(rows)))
        else:
            rows = before(rows)
            read = after(rows + self.narrow(self.wide(rows)))
        return read

    def _attend(self, rows: Tensor, windows: Sequence[_Window], *, narrow: bool) -> Tensor:
        looks = self.looks(rows)
        wanted: int = windows[-1][0].stop
        size = _stepped(wanted) if narrow else len(rows)
        attended = rows.new_zeros(size, rows.shape[1], dtype=self.seen.takes)
        by_head = attended.view(size, self.heads, -1)
        for window in windows:
            asking = window[:1] if narrow else window
            seen = _attention([looks[part] for part in window], len(asking), self.heads, self.kind)
            for part, vectors in zip(asking, seen, strict=True):
                by_head[part] = vectors
        return attended


def _looks(precision: str, parts: Sequence[nn.Linear], heads: int, large: Tensor | None = None) -> Linear:
    """Put query, key and value side by side; the query already scaled as attention needs it, for powers of 2."""
    size = parts[0].out_features // heads
    return _linear(precision, *parts, factors=(size**-0.5 / math.log(2), 1.0, 1.0), large=large, short=True)


def _attention(looks: Sequence[Tensor], asking: int, heads: int, kind: torch.dtype) -> list[Tensor]:
    """Attend within one window, given query, key and value of its parts, each `(tokens, 3 * hidden)`.

    All parts are looked at; what comes out, `(tokens, heads, hidden / heads)` each, is for the first `asking` of them.
    Shares are powers of 2, which take less time than those of e; the query is scaled for them.

    Taking the mean key from all keys moves each row of scores by a constant, which softmax does not see. The mean
    score is then 0 and the largest at least 0, so that a search for it is needed only where a power comes near the end
    of its range, times a value too. An empty key takes a share that its empty value makes nothing of, and is left out
    of the total.
    """
    places = _end_to_end(0, [len(part) for part in looks])
    count, wanted = places[-1].stop, places[asking - 1].stop
    size = looks[0].shape[1] // (3 * heads)
    parts = looks[0].new_zeros(3, heads, _stepped(count, _LENGTH_STEP), size, dtype=kind)
    for part, place in zip(looks, places, strict=True):
        parts[:, :, place] = part.view(-1, 3, heads, size).permute(1, 2, 0, 3)
    query, key, value = parts
    key[:, :count] -= key[:, :count].mean(1, keepdim=True)
    query = query[:, : _stepped(wanted)]
    shares = torch.bmm(query, key.transpose(1, 2)).exp2_()
    total = shares[..., :count].sum(-1, keepdim=True)
    if not (total < _LARGEST_TOTAL).all():
        value = value[:, :count]
        shares = (torch.bmm(query, key[:, :count].transpose(1, 2)) * math.log(2)).softmax(-1)
        total = torch.ones_like(total)
    seen = (torch.bmm(shares, value) / total).transpose(0, 1)
    return [seen[place] for place in places[:asking]]


def _tokens(chosen: Tensor, group: Sequence[int]) -> Tensor:
    """Give the chosen tokens `(windows, length)` of a group of windows, one window after the other, by number."""
    windows = torch.tensor(group)
    window, place = chosen[windows].nonzero().unbind(1)
    return windows[window] * chosen.shape[1] + place


def _end_to_end(start: int, lengths: Iterable[int]) -> list[slice]:
    """Give the rows of what lies end to end, from the row `start` on."""
    return [slice(*pair) for pair in itertools.pairwise(itertools.accumulate(lengths, initial=start))]


def _stepped(rows: int, step: int = _ROWS_STEP) -> int:
    """Round a number of rows up to one for which products are compiled."""
    return rows + -rows % step


def _unpadded(
    layers: Sequence[_Layer], padded: Tensor, mask: Tensor, wanted: Tensor | None, context_layers: int | None = None
) -> Tensor:
    """Read padded windows `(windows, length, hidden)` end to end; 0 for padding and what is not wanted.

    The last layer, and all after the first `context_layers`, look at all tokens and work on the wanted ones alone.
    """
    last = len(layers) - 1
    context_layers = last if context_layers is None else min(context_layers, last)
    wanted = mask if wanted is None else mask & wanted
    context = mask & ~wanted
    counts, others = wanted.sum(1).tolist(), context.sum(1).tolist()
    flat = padded.flatten(0, 1)
    read = torch.zeros_like(flat)
    for group in _groups(counts, others):
        tokens = torch.cat([_tokens(some, group) for some in (wanted, context)])
        rows = functional.pad(flat.index_select(0, tokens), (0, 0, 0, -len(tokens) % _ROWS_STEP))
        first = _end_to_end(0, [counts[window] for window in group])
        count = first[-1].stop
        windows = list(zip(first, _end_to_end(count, [others[window] for window in group]), strict=True))
        for layer in layers[:context_layers]:
            rows = layer(rows, windows, narrow=False)
        for layer in layers[context_layers:last]:
            rows[:count] = layer(rows, windows, narrow=True)[:count]
        read.index_copy_(0, tokens[:count], layers[last](rows, windows, narrow=True)[:count])
    return read.view_as(padded)


def _groups(wanted: Sequence[int], context: Sequence[int]) -> list[list[int]]:
    """Say which windows go through the layers together, given their tokens; those of which none is wanted do not.

    Long windows go first, and last the one after which fewest rows are empty: on polnear-dev 2.4% of all, which were
    3.3% in order of length. Of 64 windows to choose from instead of 16 they would be 1.8%.
    """
    pairs = zip(wanted, context, strict=True)
    left = sorted((own + others, own, window) for window, (own, others) in enumerate(pairs) if own)
    groups = []
    while left:
        group: list[int] = []
        rows = narrow = 0
        while fits := bisect.bisect_right(left, _ROWS - rows, key=itemgetter(0)) if group else len(left):
            chosen = fits - 1
            if rows + left[0][0] + left[chosen][0] > _ROWS:
                empty = [-(rows + length) % _ROWS_STEP + -(narrow + own) % _ROWS_STEP for length, own, _ in left[:fits]]
                chosen = empty.index(min(empty))
            length, own, window = left.pop(chosen)
            group.append(window)
            rows, narrow = rows + length, narrow + own
        groups.append(group)
    return groups


def _large_parts(encoder: BertEncoder) -> Tensor:
    """Name the parts of the vectors that grow far beyond the others.

    A BERT has a few, the same in every text (Kovaleva et al. 2021, https://arxiv.org/abs/2105.06990): one weight of a
    layer's last product stands out in them. Whoever rounds a vector by its largest part rounds all others too coarsely.
    """
    rows = [layer.output["dense"].weight.detach().abs().amax(1) for layer in encoder.encoder["layer"]]
    standing_out: Tensor = torch.stack([row / row.median() for row in rows]).amax(0)
    return standing_out.topk(min(_LARGE, len(standing_out))).indices


def _kind(precision: str) -> torch.dtype:
    """In what attention multiplies: 16-bit floats for 8 bits, too, where the processor has them."""
    return torch.bfloat16 if precision != "float" and floats.multiplies_bf16() else torch.float32
