"""The yardstick for the stance heads: a second encoder that reads every quote anew, marked, in its context.

Dearer than the heads that share the encoder's one pass; it says what that one pass costs in quality.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from stance.claims import region
from stance.runtime import pad
from stance.windows import tokenize
from training.annotations import AnnotatedArticle
from training.features import gold_token_quote, soft_label


class Yardstick(nn.Module):
    """An encoder over the quote's tokens with marks for content, cue and source, and a linear layer."""

    def __init__(self, encoder: Any, hidden: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.roles = nn.Linear(3, hidden, bias=False)
        nn.init.normal_(self.roles.weight, std=0.02)
        self.out = nn.Sequential(nn.Dropout(0.1), nn.Linear(2 * hidden, 4))

    def forward(self, ids: Tensor, roles: Tensor, mask: Tensor) -> Tensor:
        """Judge quotes: ids and mask `(quotes, tokens)`, roles `(quotes, tokens, 3)`; logits `(quotes, 4)`."""
        embedded = self.encoder.get_input_embeddings()(ids) + self.roles(roles)
        vectors = self.encoder(inputs_embeds=embedded, attention_mask=mask).last_hidden_state
        content = roles[..., 0]
        mean = (vectors * content[..., None]).sum(1) / content.sum(1, keepdim=True).clamp(min=1)
        logits: Tensor = self.out(torch.cat([mean, vectors[:, 0]], -1)).float()
        return logits


Example = tuple[np.ndarray, np.ndarray, list[float]]


def examples(articles: Sequence[AnnotatedArticle], tokenizer: Tokenizer) -> list[Example]:
    """Cut each judged quote out with its context: token ids, roles `(tokens, 3)`, soft label."""
    result = []
    for annotated in articles:
        text = annotated.article.text
        tokens = tokenize(text, tokenizer)
        for gold in annotated.quotes:
            quote = gold_token_quote(gold, tokens, text)
            if gold.stance is None or gold.optional or quote is None:
                continue
            chosen = region(quote, len(tokens))
            ids = tokens.ids[[token for token, _ in chosen]]
            result.append((ids, np.asarray([role for _, role in chosen], dtype=np.float32), soft_label(gold)))
    return result


def train(
    model: Yardstick,
    found: Sequence[Example],
    specials: tuple[int, int],
    weights: Sequence[float],
    *,
    epochs: int,
    seed: int,
    tick: Callable[[float], None],
) -> None:
    """Train with AdamW, warm-up and linear decay; `tick` gets the loss of each step."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    per_epoch = -(-len(found) // 32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: min((s + 1) / 80, max(0.0, 1 - s / (epochs * per_epoch)))
    )
    model.train()
    for _ in range(epochs):
        order = torch.randperm(len(found), generator=generator).tolist()
        # Like lengths together within stretches of 20 batches: less padding, still random.
        for start in range(0, len(order), 640):
            stretch = sorted(order[start : start + 640], key=lambda i: len(found[i][0]))
            for at in range(0, len(stretch), 32):
                batch = [found[i] for i in stretch[at : at + 32]]
                labels = torch.tensor([label for _, _, label in batch])
                with torch.autocast("cpu", dtype=torch.bfloat16):
                    logits = model(*_tensors(batch, specials))
                weight = (labels * torch.tensor(weights)).sum(-1)
                loss = (-(labels * logits.log_softmax(-1)).sum(-1) * weight).sum() / weight.sum()
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
                tick(float(loss.detach()))


@torch.inference_mode()
def judge(model: Yardstick, found: Sequence[Example], specials: tuple[int, int]) -> np.ndarray:
    """Give the probabilities `(quotes, 4)`."""
    model.eval()
    parts = [model(*_tensors(found[i : i + 32], specials)).softmax(-1).numpy() for i in range(0, len(found), 32)]
    return np.concatenate(parts)


def _tensors(batch: Sequence[Example], specials: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    ids, _, mask = pad([(tokens, np.zeros_like(tokens)) for tokens, _, _ in batch], specials)
    roles = torch.zeros(*ids.shape, 3)
    for i, (_, role, _) in enumerate(batch):
        roles[i, 1 : 1 + len(role)] = torch.from_numpy(role)
    return ids, roles, mask
