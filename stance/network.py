"""The network: one encoder reads each window once, small heads answer for every stage.

Heads work on an article's matrix of token vectors `(tokens, hidden)`, stitched together from its windows.
The links follow the pointer idea of Vinyals et al. 2015 (https://arxiv.org/abs/1506.03134); the rest is
plain token tagging and small transformer layers.
"""

import json
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from stance.encoder import BertEncoder, BertShape
from stance.errors import ModelError
from stance.files import whole_file
from stance.types import Stance
from stance.windows import SHAPES

# A content inside another content (a quote in a quote) has a layer of tags of its own.
ROLES = ("source", "cue", "content", "inner")
OUTSIDE, BEGIN, INSIDE = range(3)
MODEL_FORMAT = "stance-network-2"
WEIGHTS, CONFIG, TOKENIZER = "model.safetensors", "config.json", "tokenizer.json"
_QUOTE_ROLES = 3  # content, cue, source, as the stance head sees them
_DISTANCES = 32


class Decoding(BaseModel):
    """Constants between the network's logits and the values that come out.

    Attributes:
        span_cost: Price of a span in log-probability, by role in the order of `ROLES`; more finds fewer.
        outside_bias: Added to the log-probability of "outside" at each word, by role; less finds longer spans.
        temperature: Divides the stance logits (Guo et al. 2017, https://arxiv.org/abs/1706.04599).
        stance_bias: Added to them then, in the order of `Stance`: takes back what the weights of the labels in
            training did to the probabilities (bias-corrected temperature scaling, Alexandari et al. 2020,
            https://arxiv.org/abs/1901.06852).
        stance_weight: Multiplies the probabilities before the choice of the label, in the order of
            `Stance`; the probabilities themselves stay as they are.
        second: Least probability of a second stance.
        link: Least probability of the link to a source; below it the speaker is null.
        speaker: Least probability of the antecedent of a noun phrase; below it the speaker is null.
        pronoun: Least probability of the antecedent of a pronoun, likewise.
        target: Least probability of a target; below it the target is null.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    span_cost: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    outside_bias: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    temperature: float = Field(1.0, gt=0)
    stance_bias: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    stance_weight: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    second: float = Field(0.3, ge=0, le=1)
    link: float = Field(0.0, ge=0, le=1)
    speaker: float = Field(0.5, ge=0, le=1)
    pronoun: float = Field(0.7, ge=0, le=1)
    target: float = Field(0.5, ge=0, le=1)


class NetworkConfig(BaseModel):
    """The shape of a network and the decoding constants that were tuned with it; `config.json`.

    Attributes:
        encoder: Configuration of the Hugging Face encoder.
        window: Most tokens of a window, without the two special tokens.
        overlap: Tokens that neighbouring windows share.
        context_layers: Layers of the encoder, a plain BERT, that a token goes through in a window that is not to
            give its vector; later layers look at it as it is then. None: all layers.
        link_size: Width of the link vectors.
        reader_size, reader_layers: Width and number of the layers that read a quote's token vectors for
            its stance; no layers leaves the pooled vectors alone.
        pooled: Whether pooled vectors of content, cue and source judge the stance too.
        stand_ins: Whether it reads stand-ins in the place of names and words of gender; see `stance.standins`.
        decoding: Thresholds; see `Decoding`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: str = MODEL_FORMAT
    name: str = "unnamed"
    encoder: dict[str, Any]
    window: int = Field(254, ge=16)
    overlap: int = Field(64, ge=0)
    context_layers: int | None = Field(None, ge=1)
    link_size: int = Field(128, ge=1)
    reader_size: int = Field(256, ge=1)
    reader_layers: int = Field(2, ge=0)
    pooled: bool = True
    stand_ins: bool = False
    decoding: Decoding = Decoding()

    @model_validator(mode="after")
    def _windows_fit(self) -> "NetworkConfig":
        if self.overlap >= self.window:
            raise ValueError(f"overlap is {self.overlap}, expected less than window ({self.window})")
        most = self.encoder.get("max_position_embeddings")
        if isinstance(most, int) and self.window + 2 > most:
            raise ValueError(f"window is {self.window}, expected at most {most - 2}, what the encoder reads")
        return self


class Pointer(nn.Module):
    """Scores tokens as the other end of a link that starts at a span, and "none" beside them."""

    def __init__(self, hidden: int, size: int, parts: int) -> None:
        super().__init__()
        self.query = nn.Sequential(nn.Linear(parts * hidden, size), nn.GELU(), nn.Dropout(0.1), nn.Linear(size, size))
        self.key = nn.Linear(hidden, size)
        self.distance = nn.Embedding(2 * _DISTANCES, 1)
        self.none = nn.Linear(size, 1)
        nn.init.zeros_(self.distance.weight)

    def forward(self, query: Tensor, vectors: Tensor, candidates: Tensor, distances: Tensor) -> Tensor:
        """Score candidates.

        Args:
            query: `(spans, parts * hidden)`.
            vectors: `(tokens, hidden)`.
            candidates: Token indices `(spans, candidates)`, -1 where there is none.
            distances: Signed token distance of each candidate, `(spans, candidates)`.

        Returns:
            Logits `(spans, candidates + 1)`, the last for "none".
        """
        query = self.query(query)
        keys = self.key(vectors)[candidates.clamp(min=0)]
        scores = torch.einsum("sp,scp->sc", query, keys) / query.shape[-1] ** 0.5
        scores = scores + self.distance(_bucket(distances)).squeeze(-1)
        scores = scores.float().masked_fill(candidates < 0, -1e4)
        return torch.cat([scores, self.none(query).float()], dim=1)


class StanceHead(nn.Module):
    """Judges quotes from token vectors: pooled vectors, small layers that read the quote, or both.

    Where there are both their logits are averaged; `parts` keeps them apart for measuring.
    """

    def __init__(self, hidden: int, size: int, layers: int, pooled: bool) -> None:
        super().__init__()
        labels = len(Stance)
        self.pooled = (
            nn.Sequential(nn.Linear(4 * hidden, size), nn.GELU(), nn.Dropout(0.2), nn.Linear(size, labels))
            if pooled
            else None
        )
        self.reader = None
        if layers:
            self.down = nn.Linear(hidden, size)
            self.roles = nn.Linear(_QUOTE_ROLES, size, bias=False)
            layer = nn.TransformerEncoderLayer(
                size, size // 64, 2 * size, 0.1, "gelu", batch_first=True, norm_first=True
            )
            layer.self_attn.dropout = 0.0
            self.reader = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
            self.norm = nn.LayerNorm(2 * size)
            self.out = nn.Linear(2 * size, labels)

    def parts(self, vectors: Tensor, region: Tensor, roles: Tensor) -> list[Tensor]:
        """Give the logits of each part.

        Args:
            vectors: `(tokens, hidden)`.
            region: Tokens around and in each quote, `(quotes, region)`, -1 where there is none.
            roles: Whether each is content, cue, source: `(quotes, region, 3)` of 0 and 1.

        Returns:
            For the pooled vectors, then the reader, logits `(quotes, 4)`.
        """
        logits = []
        if self.pooled is not None:
            means = [_pooled(vectors, region, roles[..., i], "mean") for i in range(_QUOTE_ROLES)]
            peak = _pooled(vectors, region, roles[..., 0], "max")
            logits.append(self.pooled(torch.cat([*means, peak], dim=-1)).float())
        if self.reader is not None:
            # Each token once, in however many quotes it stands.
            down = self.down(vectors)
            roles = roles.to(down.dtype)
            regions = down[region.clamp(min=0)] + self.roles(roles)
            read = self.reader(regions, src_key_padding_mask=region < 0, **_only(self.reader, roles.any(-1)))
            attributing = (roles[..., 1] + roles[..., 2]).clamp(max=1)
            both = [_mean(read, roles[..., 0]), _mean(read, attributing)]
            logits.append(self.out(self.norm(torch.cat(both, -1))).float())
        return logits

    def forward(self, vectors: Tensor, region: Tensor, roles: Tensor) -> Tensor:
        """Give the mean logits of the parts, `(quotes, 4)`; arguments as for `parts`."""
        return torch.stack(self.parts(vectors, region, roles)).mean(0)


class StanceNetwork(nn.Module):
    """Encoder and heads. Shapes are given with each method; no state but the weights."""

    def __init__(self, config: NetworkConfig, encoder: Any = None) -> None:
        """Build a network; without `encoder` one with random weights from `config.encoder`."""
        super().__init__()
        self.config = config
        if encoder is None:
            encoder = _build_encoder(config.encoder)
        # The pooler answers for sentence pairs; nothing here reads it.
        if getattr(encoder, "pooler", None) is not None:
            encoder.pooler = None
        self.encoder = encoder
        hidden = int(encoder.get_input_embeddings().embedding_dim)
        self.shape = nn.Embedding(SHAPES, hidden)
        nn.init.zeros_(self.shape.weight)
        self.dropout = nn.Dropout(0.1)
        self.tagger = nn.Linear(hidden, len(ROLES) * 3)
        self.cue = Pointer(hidden, config.link_size, 3)
        self.source = Pointer(hidden, config.link_size, 4)
        self.antecedent = Pointer(hidden, config.link_size, 3)
        self.target = Pointer(hidden, config.link_size, 3)
        self.stance = StanceHead(hidden, config.reader_size, config.reader_layers, config.pooled)

    def encode(self, ids: Tensor, shapes: Tensor, mask: Tensor, wanted: Tensor | None = None) -> Tensor:
        """Read windows: ids, shapes and mask `(windows, length)`, vectors `(windows, length, hidden)`.

        Of tokens that are not `wanted`, `(windows, length)`, the vectors may be anything: they are context alone, and
        go through `config.context_layers` layers. Without `wanted` all tokens go through all.
        """
        words = self.encoder.get_input_embeddings()(ids)
        embedded = (words + self.shape(shapes)).to(words.dtype)  # the encoder may be in half precision
        only = _only(self.encoder, None if wanted is None else wanted | _special(mask))
        if only:
            only["context_layers"] = self.config.context_layers
        encoded = self.encoder(inputs_embeds=embedded, attention_mask=mask, **only)
        vectors: Tensor = self.dropout(encoded.last_hidden_state)
        return vectors

    def tag(self, vectors: Tensor) -> Tensor:
        """Give the logits of outside, begin, inside for each role: `(tokens, roles, 3)`."""
        logits: Tensor = self.tagger(vectors).float()
        return logits.reshape(-1, len(ROLES), 3)

    def link_cue(self, vectors: Tensor, contents: Tensor, candidates: Tensor) -> Tensor:
        """Score cues for content spans `(spans, 2)`: logits `(spans, candidates + 1)`, last "none"."""
        logits: Tensor = self.cue(span_vectors(vectors, contents), vectors, candidates, _gap(candidates, contents))
        return logits

    def link_source(self, vectors: Tensor, contents: Tensor, cues: Tensor, candidates: Tensor) -> Tensor:
        """Score sources for contents `(spans, 2)` with the first token of their cues `(spans,)`, -1 for none."""
        at_cue = vectors[cues.clamp(min=0)] * (cues >= 0)[:, None]
        query = torch.cat([span_vectors(vectors, contents), at_cue], dim=-1)
        origin = torch.where((cues >= 0)[:, None], cues[:, None], contents)
        logits: Tensor = self.source(query, vectors, candidates, _gap(candidates, origin))
        return logits

    def link_antecedent(self, vectors: Tensor, spans: Tensor, candidates: Tensor) -> Tensor:
        """Score name mentions as what a source's words `(spans, 2)` stand for, last "none of them"."""
        logits: Tensor = self.antecedent(span_vectors(vectors, spans), vectors, candidates, _gap(candidates, spans))
        return logits

    def link_target(self, vectors: Tensor, contents: Tensor, candidates: Tensor) -> Tensor:
        """Score name mentions as whom contents `(spans, 2)` accuse, last "none of them"."""
        logits: Tensor = self.target(span_vectors(vectors, contents), vectors, candidates, _gap(candidates, contents))
        return logits


def span_vectors(vectors: Tensor, spans: Tensor) -> Tensor:
    """Give first, last and mean vector of token spans `(spans, 2)`: `(spans, 3 * hidden)`."""
    first, last = spans[:, 0], spans[:, 1] - 1
    lengths = spans[:, 1] - first
    begins = lengths.cumsum(0) - lengths
    tokens = torch.arange(int(lengths.sum()), device=spans.device) + (first - begins).repeat_interleave(lengths)
    return torch.cat([vectors[first], vectors[last], _bags(vectors, tokens, begins, "mean")], dim=-1)


def load_network(folder: Path) -> tuple[StanceNetwork, Tokenizer]:
    """Load a model folder (`model.safetensors`, `config.json`, `tokenizer.json`), on the CPU in float32.

    Raises:
        ModelError: A missing or foreign file; the message names it.
    """
    if not folder.is_dir():
        raise ModelError(f"{folder}: no such model folder, expected one with {WEIGHTS}, {CONFIG} and {TOKENIZER}")
    for name in (WEIGHTS, CONFIG, TOKENIZER):
        if not (folder / name).is_file():
            raise ModelError(
                f"{folder / name}: missing, expected a model folder with {WEIGHTS}, {CONFIG} and {TOKENIZER}"
            )
    try:
        settings = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        found = settings.get("format") if isinstance(settings, dict) else None
        if found != MODEL_FORMAT:
            raise ModelError(f"{folder / CONFIG}: format is {found!r}, expected {MODEL_FORMAT!r}: not a stance model")
        config = NetworkConfig.model_validate(settings)
        network = StanceNetwork(config)
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder / CONFIG}: {_first_line(error)}") from error
    try:
        weights = {name: tensor.float() for name, tensor in load_file(folder / WEIGHTS).items()}
        network.load_state_dict(weights)
        odd = [name for name, tensor in weights.items() if not torch.isfinite(tensor).all()]
        if odd:
            raise ModelError(f"{folder / WEIGHTS}: {odd[0]} holds values that are no numbers, expected finite ones")
    except (SafetensorError, RuntimeError, OSError) as error:
        raise ModelError(f"{folder / WEIGHTS}: weights do not fit {CONFIG}: {_first_line(error)}") from error
    try:
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    except Exception as error:  # the library raises bare Exception
        raise ModelError(f"{folder / TOKENIZER}: not a tokenizer: {_first_line(error)}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return network.eval(), tokenizer


def save_network(network: StanceNetwork, tokenizer: Tokenizer, folder: Path) -> None:
    """Write a model folder; weights in half precision, without training state."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.detach().cpu().half().contiguous() for name, tensor in network.state_dict().items()}
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    write_config(network.config, folder)
    tokenizer.save(str(folder / TOKENIZER))


def write_config(config: NetworkConfig, folder: Path) -> None:
    """Write `config.json` of a model folder, whole or not at all."""
    with whole_file(folder / CONFIG) as temporary:
        temporary.write_text(config.model_dump_json(indent=1) + "\n", encoding="utf-8")


def _build_encoder(settings: dict[str, Any]) -> Any:
    shape = BertShape.of(settings)
    if shape is not None:
        return BertEncoder(shape)
    from transformers import AutoConfig, AutoModel

    rest = dict(settings)
    return AutoModel.from_config(AutoConfig.for_model(rest.pop("model_type"), **rest))


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
    return " ".join(str(error).split())[:300]


def _mean(read: Tensor, weights: Tensor) -> Tensor:
    total = weights.sum(dim=1, keepdim=True).clamp(min=1)
    return (read * weights[..., None]).sum(dim=1) / total


def _only(layers: nn.Module, wanted: Tensor | None) -> dict[str, Any]:
    """Ask layers for the vectors of some tokens alone, where they know of that."""
    return {"wanted": wanted} if wanted is not None and getattr(layers, "takes_wanted", False) else {}


def _special(mask: Tensor) -> Tensor:
    """Find the first and the last token of windows, `(windows, length)`: special ones, at which all others look."""
    places = torch.arange(mask.shape[1], device=mask.device)
    return (places == 0) | (places == mask.sum(1, keepdim=True) - 1)


def _pooled(vectors: Tensor, region: Tensor, role: Tensor, mode: str) -> Tensor:
    """Pool the vectors of the tokens that have a role in each quote, `(quotes, hidden)`; 0 where none has it."""
    chosen = role > 0
    counts = chosen.sum(1)
    return _bags(vectors, region[chosen], counts.cumsum(0) - counts, mode)


def _bags(vectors: Tensor, tokens: Tensor, begins: Tensor, mode: str) -> Tensor:
    """Pool the vectors of tokens, group by group; `begins` says where in `tokens` each group begins."""
    # float32: long sums lose digits.
    return functional.embedding_bag(tokens, vectors.float(), begins, mode=mode).to(vectors.dtype)


def _gap(candidates: Tensor, spans: Tensor) -> Tensor:
    """Signed distance of candidates to spans (negative before, positive after, 0 inside)."""
    before = candidates - spans[:, :1]
    after = candidates - (spans[:, -1:] - int(spans.shape[1] > 1))
    return torch.where(before < 0, before, torch.where(after > 0, after, 0))


def _bucket(distance: Tensor) -> Tensor:
    """Exact up to 8, then logarithmic; the sign picks the half."""
    size = distance.abs().float()
    coarse = 8 + (size.clamp(min=8) / 8).log2() * 3
    bucket = torch.where(size < 8, size, coarse).long().clamp(max=_DISTANCES - 1)
    return bucket + _DISTANCES * (distance < 0)
