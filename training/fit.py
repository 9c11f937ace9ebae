"""Trains the network from annotated articles with the Hugging Face Trainer: seeded, checkpointed, resumable."""

import functools
import json
import random
import shutil
from pathlib import Path

import torch
from datasets import Dataset, concatenate_datasets
from pydantic import BaseModel, ConfigDict, Field, model_validator
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, AutoModel, Trainer, TrainingArguments, set_seed
from transformers.trainer_utils import get_last_checkpoint

from stance.errors import InputError, ModelError
from stance.network import CONFIG, WEIGHTS, NetworkConfig, StanceNetwork, load_network, save_network
from stance.runtime import special_tokens
from training.annotations import AnnotatedArticle, read_annotated
from training.edits import disturbed
from training.exchange import KINDS, exchanged, plan
from training.features import IGNORED, collate, rows

# How often a variant exchanges each kind of names; titles and genders less, for their agreement is only approximate.
_EXCHANGED = {"people": 0.8, "countries": 0.6, "parties": 0.6, "titles": 0.3, "genders": 0.3}


class Source(BaseModel):
    """A file of annotated articles.

    Attributes:
        path: JSON Lines in the data format.
        repeat: How often each epoch reads it.
        complete: Whether every quote in it is annotated; else it does not teach where quotes are, only their
            stances, speakers and targets.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path
    repeat: int = Field(1, ge=1)
    complete: bool = True


class FitConfig(BaseModel):
    """Settings of `python -m training fit`.

    Attributes:
        name: Of the model; written into its config and every record.
        base_model: A Hugging Face encoder (hub name or folder), or a model folder of this project.
        data: What to learn from; relative paths are resolved against the working directory.
        window, overlap: Of the windows in training, in tokens without the special ones.
        windows: Most windows in one example; longer articles make several.
        batch_size: Examples in a step.
        learning_rate, head_learning_rate: Peak rates of the encoder and of the heads.
        variants: Changed copies of each article that an epoch reads beside the original: names exchanged in all
            of them (`training.exchange`), the text disturbed in some (`training.edits`).
        disturbed: Share of the variants whose text is disturbed.
        stance_smoothing: Share of a stance label that is spread over all four.
        stance_weights: Of the labels in the loss, in the order of `Stance`.
        losses: Weights of tags, links, antecedents, targets and stances in the sum.
        half_precision: Compute in bfloat16.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[\w.-]+$")
    base_model: str = "sentence-transformers/all-MiniLM-L6-v2"
    data: tuple[Source, ...] = Field(min_length=1)
    seed: int = 13
    epochs: float = Field(5, gt=0)
    batch_size: int = Field(4, ge=1)
    learning_rate: float = Field(1.5e-4, gt=0)
    head_learning_rate: float = Field(1e-3, gt=0)
    warmup_steps: int = Field(80, ge=0)
    weight_decay: float = Field(0.01, ge=0)
    window: int = Field(254, ge=16)
    overlap: int = Field(48, ge=0)
    windows: int = Field(8, ge=1)
    reader_layers: int = Field(2, ge=0)
    pooled: bool = True
    variants: int = Field(0, ge=0)
    disturbed: float = Field(0.2, ge=0, le=1)
    stance_smoothing: float = Field(0.0, ge=0, lt=1)
    stance_weights: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    losses: tuple[float, float, float, float, float] = (1.0, 0.5, 0.2, 0.2, 1.0)
    half_precision: bool = True

    @model_validator(mode="after")
    def _windows_move_on(self) -> "FitConfig":
        if self.overlap >= self.window:
            raise ValueError(f"overlap is {self.overlap}, expected less than window ({self.window})")
        return self


class TrainingNetwork(nn.Module):
    """The network with its losses, as the Trainer wants it."""

    def __init__(self, network: StanceNetwork, config: FitConfig) -> None:
        super().__init__()
        self.network = network
        self.losses = config.losses
        self.stance_weights = config.stance_weights
        self.stance_smoothing = config.stance_smoothing

    def forward(
        self,
        *,
        ids: Tensor,
        shapes: Tensor,
        mask: Tensor,
        stitch: Tensor,
        tags: Tensor,
        contents: Tensor,
        cue_places: Tensor,
        cue_right: Tensor,
        source_cues: Tensor,
        source_places: Tensor,
        source_right: Tensor,
        antecedent_spans: Tensor,
        antecedent_places: Tensor,
        antecedent_right: Tensor,
        target_spans: Tensor,
        target_places: Tensor,
        target_right: Tensor,
        regions: Tensor,
        roles: Tensor,
        stances: Tensor,
    ) -> dict[str, Tensor]:
        """Give the loss of a batch from `training.features.collate`, and its parts."""
        network = self.network
        vectors = network.encode(ids, shapes, mask).flatten(0, 1)[stitch]
        tagging = _mean_loss(network.tag(vectors).flatten(0, 1), tags.flatten())
        nothing = vectors.sum() * 0.0
        linking = antecedent = target = stance = nothing
        if len(contents):
            cue = network.link_cue(vectors, contents, cue_places)
            source = network.link_source(vectors, contents, source_cues, source_places)
            linking = _pointer_loss(cue, cue_right) + _pointer_loss(source, source_right)
        if len(antecedent_spans):
            logits = network.link_antecedent(vectors, antecedent_spans, antecedent_places)[:, :-1]
            antecedent = _mention_loss(logits, antecedent_right)
        if len(target_spans):
            logits = network.link_target(vectors, target_spans, target_places)
            nobody = (target_right.sum(-1, keepdim=True) == 0).to(target_right.dtype)
            target = _mention_loss(logits, torch.cat([target_right, nobody], -1))
        if len(regions):
            weights = (stances * stances.new_tensor(self.stance_weights)).sum(-1)
            stances = (1 - self.stance_smoothing) * stances + self.stance_smoothing / stances.shape[-1]
            judged = [-(stances * p.log_softmax(-1)).sum(-1) for p in network.stance.parts(vectors, regions, roles)]
            stance = (torch.stack(judged).mean(0) * weights).sum() / weights.sum()
        parts = torch.stack([len(tags[0]) * tagging, linking, antecedent, target, stance])
        return {"loss": (parts * parts.new_tensor(self.losses)).sum(), "parts": parts.detach()}


def fit(config: FitConfig, folder: Path, *, device: str = "auto", resume: bool = True) -> StanceNetwork:
    """Train and write a model folder.

    Args:
        config: Settings.
        folder: Of the model; checkpoints go to `checkpoints` beside it and stay until it is complete.
        device: `auto`, `cpu` or `cuda`.
        resume: Go on from the last checkpoint where there is one.

    Returns:
        The trained network, on the CPU.

    Raises:
        InputError: Annotated data that cannot be read.
        ModelError: A base model that cannot be loaded.
    """
    set_seed(config.seed)
    network, tokenizer = start(config)
    dataset = examples(config, tokenizer)
    checkpoints = folder.with_name(folder.name + ".checkpoints")
    trainer = Trainer(
        model=TrainingNetwork(network, config),
        args=_arguments(config, checkpoints, device),
        train_dataset=dataset,
        data_collator=functools.partial(_batch, config=config, specials=special_tokens(tokenizer)),
        optimizers=(_optimizer(network, config), None),
    )
    last = get_last_checkpoint(str(checkpoints)) if resume and checkpoints.is_dir() else None
    trainer.train(resume_from_checkpoint=last)
    network = network.cpu().eval()
    save_network(network, tokenizer, folder)
    (folder / "fit.json").write_text(config.model_dump_json(indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(checkpoints, ignore_errors=True)  # a finished run is no checkpoint of the next one
    return network


def start(config: FitConfig) -> tuple[StanceNetwork, Tokenizer]:
    """Build the network to train: from a model folder of this project, or new heads on an encoder."""
    base = Path(config.base_model)
    if (base / WEIGHTS).is_file() and _is_ours(base / CONFIG):
        network, tokenizer = load_network(base)
        network.config = network.config.model_copy(update={"name": config.name})
        return network, tokenizer
    try:
        # Attention dropout costs 40% of a step on a CPU: no fused kernel has it.
        settings = AutoConfig.from_pretrained(config.base_model, attention_probs_dropout_prob=0.0)
        encoder = AutoModel.from_pretrained(
            config.base_model, config=settings, use_safetensors=True, dtype=torch.float32
        )
        file = base / "tokenizer.json"
        tokenizer = Tokenizer.from_file(str(file)) if file.is_file() else Tokenizer.from_pretrained(config.base_model)
    except Exception as error:  # the libraries raise many kinds, bare Exception among them
        raise ModelError(f"{config.base_model}: cannot be loaded as a Hugging Face encoder: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    keys = set(settings.to_diff_dict()) - {"_name_or_path", "transformers_version", "architectures", "dtype"}
    kept = {key: value for key, value in settings.to_dict().items() if key in keys | {"model_type"}}
    network_config = NetworkConfig(
        name=config.name, encoder=kept, window=config.window, reader_layers=config.reader_layers, pooled=config.pooled
    )
    return StanceNetwork(network_config, encoder), tokenizer


def _is_ours(config: Path) -> bool:
    try:
        settings = json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(settings, dict) and "format" in settings


def examples(config: FitConfig, tokenizer: Tokenizer) -> Dataset:
    """Read the training data as a dataset of the rows of `training.features.rows`, one JSON text each.

    As JSON, for Arrow has no type for lists whose members differ.
    """
    parts = []
    chance = random.Random(config.seed)
    for source in config.data:
        articles = list(read_annotated([source.path]))
        if not any(annotated.article.text.strip() for annotated in articles):
            raise InputError(f"{source.path}: no article with text in it, expected one annotated article a line")
        for _ in range(source.repeat):
            for copy in range(1 + config.variants):
                read = articles if copy == 0 else (_variant(a, chance, config.disturbed) for a in articles)
                parts.append(
                    Dataset.from_list(
                        [
                            {"row": json.dumps(row)}
                            for row in rows(
                                read,
                                tokenizer,
                                size=config.window,
                                overlap=config.overlap,
                                windows=config.windows,
                                complete=source.complete,
                            )
                        ]
                    )
                )
    return concatenate_datasets(parts)


def _variant(annotated: AnnotatedArticle, chance: random.Random, share: float) -> AnnotatedArticle:
    """Change an article for one copy: most kinds of names exchanged, now and then the text disturbed."""
    kinds = [kind for kind in KINDS if chance.random() < _EXCHANGED[kind]]
    changed = exchanged(annotated, plan(annotated.article.text, chance, kinds))
    return disturbed(changed, chance) if chance.random() < share else changed


def _batch(examples: list[dict[str, str]], config: FitConfig, specials: tuple[int, int]) -> dict[str, Tensor]:
    found = [json.loads(example["row"]) for example in examples]
    return collate(found, size=config.window, overlap=config.overlap, specials=specials)


def _arguments(config: FitConfig, folder: Path, device: str) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch_size,
        warmup_steps=config.warmup_steps,
        lr_scheduler_type="linear",
        max_grad_norm=1.0,
        bf16=config.half_precision,
        use_cpu=device == "cpu" or not torch.cuda.is_available(),
        seed=config.seed,
        data_seed=config.seed,
        save_strategy="steps",
        save_steps=0.1,  # of the whole run
        save_total_limit=2,
        logging_steps=25,
        remove_unused_columns=False,
        label_names=[],
        report_to=[],
    )


def _optimizer(network: StanceNetwork, config: FitConfig) -> torch.optim.AdamW:
    encoder = {id(p) for p in network.encoder.parameters()}
    groups = []
    for own, rate in ((True, config.learning_rate), (False, config.head_learning_rate)):
        members = [p for p in network.parameters() if (id(p) in encoder) is own]
        for plain in (True, False):
            chosen = [p for p in members if (p.ndim > 1) is plain]
            groups.append({"params": chosen, "lr": rate, "weight_decay": config.weight_decay if plain else 0.0})
    return torch.optim.AdamW(groups)


def _mention_loss(logits: Tensor, right: Tensor) -> Tensor:
    """Any mention of the right name will do: the likelihood of all of them together."""
    return -logits.log_softmax(-1).masked_fill(right == 0, -1e4).logsumexp(-1).mean()


def _pointer_loss(logits: Tensor, right: Tensor) -> Tensor:
    return _mean_loss(logits, torch.where(right == -1, logits.shape[1] - 1, right))


def _mean_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy over what is labelled; 0 where nothing is."""
    total = functional.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum")
    return total / (labels != IGNORED).sum().clamp(min=1)
