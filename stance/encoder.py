"""BERT, as far as this project needs it, under the names that Hugging Face gives its weights.

`transformers` has the same network; importing it takes longer than reading a few articles, and more memory than
the network itself.
"""

from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class BertShape:
    """The part of a BERT's settings that decides what it computes; defaults are those of `BertConfig`."""

    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    position_embedding_type: str = "absolute"

    @classmethod
    def of(cls, settings: dict[str, Any]) -> Self | None:
        """Read the settings of an encoder; None where it is no plain BERT."""
        if settings.get("model_type") != "bert":
            return None
        shape = cls(**{field.name: settings[field.name] for field in fields(cls) if field.name in settings})
        plain = shape.hidden_act == "gelu" and shape.position_embedding_type == "absolute"
        return shape if plain else None


class Encoded(NamedTuple):
    """What an encoder gives; named as Hugging Face names it."""

    last_hidden_state: Tensor


class BertLayer(nn.Module):
    """Attention and two linear layers, each added to what came in and normalised after."""

    def __init__(self, shape: BertShape) -> None:
        """Build a layer with random weights."""
        super().__init__()
        hidden, inner = shape.hidden_size, shape.intermediate_size
        self.heads = shape.num_attention_heads
        self.attention_dropout = shape.attention_probs_dropout_prob
        self.attention: Any = nn.ModuleDict(
            {
                "self": nn.ModuleDict({name: nn.Linear(hidden, hidden) for name in ("query", "key", "value")}),
                "output": _added(hidden, hidden, shape),
            }
        )
        self.intermediate: Any = nn.ModuleDict({"dense": nn.Linear(hidden, inner)})
        self.output: Any = _added(inner, hidden, shape)
        self.dropout = nn.Dropout(shape.hidden_dropout_prob)

    def forward(self, vectors: Tensor, mask: Tensor | None) -> Tensor:
        """Read `(windows, length, hidden)`; the mask is True where a token may be looked at."""
        parts = self.attention["self"]
        query, key, value = (
            layer(vectors).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer in (parts["query"], parts["key"], parts["value"])
        )
        dropout = self.attention_dropout if self.training else 0.0
        seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)
        vectors = self._add(self.attention["output"], seen.transpose(1, 2).flatten(2), vectors)
        return self._add(self.output, functional.gelu(self.intermediate["dense"](vectors)), vectors)

    def _add(self, output: Any, seen: Tensor, vectors: Tensor) -> Tensor:
        added: Tensor = output["LayerNorm"](self.dropout(output["dense"](seen)) + vectors)
        return added


class BertEncoder(nn.Module):
    """The encoder; answers like Hugging Face's `BertModel` for what `StanceNetwork` asks of it."""

    takes_wanted = True

    def __init__(self, shape: BertShape) -> None:
        """Build an encoder with random weights."""
        super().__init__()
        hidden = shape.hidden_size
        self.embeddings: Any = nn.ModuleDict(
            {
                "word_embeddings": nn.Embedding(shape.vocab_size, hidden),
                "position_embeddings": nn.Embedding(shape.max_position_embeddings, hidden),
                "token_type_embeddings": nn.Embedding(shape.type_vocab_size, hidden),
                "LayerNorm": nn.LayerNorm(hidden, eps=shape.layer_norm_eps),
            }
        )
        self.dropout = nn.Dropout(shape.hidden_dropout_prob)
        self.encoder: Any = nn.ModuleDict(
            {"layer": nn.ModuleList(BertLayer(shape) for _ in range(shape.num_hidden_layers))}
        )

    def get_input_embeddings(self) -> nn.Module:
        """Give the vectors of the vocabulary."""
        words: nn.Module = self.embeddings["word_embeddings"]
        return words

    def embed(self, words: Tensor) -> Tensor:
        """Add positions to the vectors of words, `(windows, length, hidden)`, and normalise them."""
        places = self.embeddings["position_embeddings"](torch.arange(words.shape[1], device=words.device))
        kinds = self.embeddings["token_type_embeddings"].weight[0]
        embedded: Tensor = self.dropout(self.embeddings["LayerNorm"](words + kinds + places))
        return embedded

    def forward(
        self,
        inputs_embeds: Tensor,
        attention_mask: Tensor,
        wanted: Tensor | None = None,
        context_layers: int | None = None,
    ) -> Encoded:
        """Read windows `(windows, length, hidden)`; the mask is 0 where there is only padding.

        A token that is not wanted goes through the first `context_layers` layers; None: through all.
        """
        vectors = self.embed(inputs_embeds)
        mask = None if bool(attention_mask.all()) else attention_mask.bool()[:, None, None, :]
        for number, layer in enumerate(self.encoder["layer"]):
            read = layer(vectors, mask)
            if wanted is not None and context_layers is not None and number >= context_layers:
                read = torch.where(wanted[..., None], read, vectors)
            vectors = read
        return Encoded(vectors)


def _added(size: int, hidden: int, shape: BertShape) -> nn.ModuleDict:
    return nn.ModuleDict(
        {"dense": nn.Linear(size, hidden), "LayerNorm": nn.LayerNorm(hidden, eps=shape.layer_norm_eps)}
    )
