"""Trains the network from annotated articles with the Hugging Face Trainer: seeded, checkpointed, resumable."""

import functools
import importlib.util
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, concatenate_datasets
from pydantic import ValidationError
from rich.console import Console
from rich.progress import track
from safetensors import SafetensorError
from safetensors.torch import load_model
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, AutoModel, AutoTokenizer, Trainer, TrainingArguments, set_seed
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.utils import SAFE_WEIGHTS_NAME

from stance.errors import ConfigError, InputError, ModelError, OutputError
from stance.floats import multiplies_bf16
from stance.network import CONFIG, WEIGHTS, NetworkConfig, StanceNetwork, load_network, save_network
from stance.pipeline import Pipeline, default_model
from stance.runtime import special_tokens
from training import lineage
from training.annotations import AnnotatedArticle, read_annotated
from training.checkpoints import LossBar, Patience, begin, finished
from training.distil import taught
from training.duplicates import families
from training.edits import disturbed
from training.exchange import KINDS, exchanged, plan
from training.features import IGNORED, Row, collate, masked, rows
from training.registry import refuse_name, refuse_needed
from training.retrain import (
    HeadNetwork,
    QuoteVectors,
    Split,
    averaged,
    collate_quotes,
    is_whole,
    judged_quotes,
    read_new,
    refuse_leaks,
    replayed,
    split,
    stance_loss,
)
from training.settings import SHIPPED, FitConfig
from training.tune import recalibrated

# How often a variant exchanges each kind of names; titles and genders less, for their agreement is only approximate.
_EXCHANGED = {"people": 0.8, "countries": 0.6, "parties": 0.6, "titles": 0.3, "genders": 0.3}
_MASKS = ("[MASK]", "<mask>")  # as the tokenizers of encoders call it
# Each: an article, and whether every quote in it is annotated.
_Learned = list[tuple[AnnotatedArticle, bool]]


class TrainingNetwork(nn.Module):
    """The network with its losses, as the Trainer wants it."""

    def __init__(self, network: StanceNetwork, config: FitConfig) -> None:
        super().__init__()
        self.network = network
        self.losses = config.losses
        self.stance_weights = config.stance_weights
        self.stance_smoothing = config.stance_smoothing
        self.consistency = config.consistency

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
        twins: Tensor,
    ) -> dict[str, Tensor]:
        """Give the loss of a batch from `training.features.collate`, and its parts."""
        network = self.network
        wanted = torch.zeros_like(mask, dtype=torch.bool)
        wanted.view(-1)[stitch] = True
        vectors = network.encode(ids, shapes, mask, wanted).flatten(0, 1)[stitch]
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
            logits = torch.stack(network.stance.parts(vectors, regions, roles))
            stance = stance_loss(logits, stances, weights=self.stance_weights, smoothing=self.stance_smoothing)
            if len(twins):
                stance = stance + self.consistency * _divergence(logits[:, twins[:, 0]], logits[:, twins[:, 1]])
        parts = torch.stack([len(tags[0]) * tagging, linking, antecedent, target, stance])
        return {"loss": (parts * parts.new_tensor(self.losses)).sum(), "parts": parts.detach()}


@dataclass(frozen=True, slots=True)
class Job:
    """What the Trainer is to do.

    Attributes:
        model: Gives the loss of a batch under `loss`.
        learned: The examples.
        held: Those that say when to stop; None where there are none.
        collate: Makes a batch of examples.
        groups: Weights and their learning rates, for the optimizer.
        half_precision: Whether to compute in bfloat16.
        batch_size: Examples in a step on each device; an example with a variant beside it counts once.
    """

    model: nn.Module
    learned: Any
    held: Any
    collate: Callable[[list[Any]], dict[str, Tensor]]
    groups: list[tuple[list[nn.Parameter], float]]
    half_precision: bool
    batch_size: int


def fit(config: FitConfig, folder: Path, *, device: str = "auto", resume: bool = True) -> StanceNetwork:
    """Train and write a model folder.

    Args:
        config: Settings.
        folder: Of the model; checkpoints go to `checkpoints` beside it and stay until it is complete.
        device: `auto`, `cpu` or `cuda`.
        resume: Go on from the last checkpoint where there is one.

    Returns:
        The trained network, on the CPU. Where several processes train, the first one writes the folder.

    Raises:
        InputError: Annotated data that cannot be read or used.
        ConfigError: Settings that do not fit together, a folder that holds something else, checkpoints of another run.
        ModelError: A base model that cannot be loaded.
        OutputError: The disk is full or cannot be written.
    """
    _refuse_folder(folder)
    _refuse_reports(config)
    set_seed(config.seed)
    network, tokenizer = start(config)
    config = config.model_copy(update={"stand_ins": network.config.stand_ins})
    parts = _parts(config)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    decoding = network.config.decoding
    if parts is not None and config.new is not None and config.new.refit and base_folder(config) is not None:
        # Before training, and without what the base has learned from: such are too well known to tell.
        seen = lineage.learned(base_folder(config))
        fresh = [one for one in parts.learned if lineage.text_hash(one) not in seen]
        decoding = recalibrated(Pipeline(network.eval(), tokenizer), fresh)
    learned = _with_teacher(config, learnable(config, parts), device)
    job = (_head_job if config.scope == "heads" else _whole_job)(config, network, tokenizer, learned, parts)
    checkpoints = folder.with_name(folder.name + ".checkpoints")
    with _writing(folder, checkpoints):
        # The library's own way to name the place; else it goes with the checkpoints.
        if "tensorboard" in config.report_to:
            os.environ["TENSORBOARD_LOGGING_DIR"] = str(folder.with_name(folder.name + ".log"))
        trainer = _trainer(config, job, checkpoints, device)
        first = trainer.is_world_process_zero()
        with trainer.args.main_process_first():
            last = begin(checkpoints, lineage.run(config), resume=resume or not first, write=first)
        best = None if last is None or job.held is None else finished(last, config.patience)
        if best is None:
            with _deterministic():
                trainer.train(resume_from_checkpoint=None if last is None else str(last))
        else:
            load_model(job.model, best / SAFE_WEIGHTS_NAME)
        network = network.cpu().eval()
        if config.keep:
            network.load_state_dict(averaged(before, network.state_dict(), config.keep))
        network.config = network.config.model_copy(update={"decoding": decoding})
        if first:
            _write(config, network, tokenizer, parts, folder)
            shutil.rmtree(checkpoints, ignore_errors=True)  # a finished run is no checkpoint of the next one
        trainer.accelerator.wait_for_everyone()
    return network


def start(config: FitConfig) -> tuple[StanceNetwork, Tokenizer]:
    """Build the network to train: from a model folder of this project, or new heads on an encoder.

    Raises:
        ConfigError: Only the head is to learn, of a base that has none; windows that the encoder cannot read; pieces to
            hide and no mask token.
        ModelError: A base model that cannot be loaded.
    """
    base = base_folder(config)
    if base is not None:
        network, tokenizer = load_network(base)
        network.config = network.config.model_copy(update={"name": config.name})
        _mask(config, tokenizer)
        return network, tokenizer
    if config.scope == "heads":
        raise ConfigError(
            f"scope is 'heads' and base_model {config.base_model!r} no model folder of this project, expected one, or "
            "the scope 'all'"
        )
    try:
        # Attention dropout costs 40% of a step on a CPU: no fused kernel has it.
        settings = AutoConfig.from_pretrained(config.base_model, attention_probs_dropout_prob=0.0)
        encoder = AutoModel.from_pretrained(
            config.base_model, config=settings, use_safetensors=True, dtype=torch.float32
        )
        tokenizer = _tokenizer(config.base_model)
    except Exception as error:  # the libraries raise many kinds, bare Exception among them
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"{config.base_model}: cannot be loaded as a Hugging Face encoder: {reason}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    keys = set(settings.to_diff_dict()) - {"_name_or_path", "transformers_version", "architectures", "dtype"}
    kept = {key: value for key, value in settings.to_dict().items() if key in keys | {"model_type"}}
    _mask(config, tokenizer)
    try:
        network_config = NetworkConfig(
            name=config.name,
            encoder=kept,
            window=config.window,
            overlap=config.overlap,
            context_layers=config.context_layers,
            reader_layers=config.reader_layers,
            pooled=config.pooled,
            stand_ins=config.stand_ins,
        )
    except ValidationError as error:
        reasons = "; ".join(one["msg"].removeprefix("Value error, ") for one in error.errors())
        raise ConfigError(f"{config.base_model}: {reasons}") from error
    return StanceNetwork(network_config, encoder), tokenizer


def base_folder(config: FitConfig) -> Path | None:
    """Give the folder of the base where it is a model of this project, or None."""
    base = default_model() if config.base_model == SHIPPED else Path(config.base_model)
    try:
        settings = json.loads((base / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return base if config.base_model == SHIPPED else None
    ours = isinstance(settings, dict) and "format" in settings and (base / WEIGHTS).is_file()
    return base if ours or config.base_model == SHIPPED else None


def _mask(config: FitConfig, tokenizer: Tokenizer) -> int | None:
    """Give the mask token where pieces are to be hidden."""
    if not config.masked:
        return None
    found = next((i for name in _MASKS if (i := tokenizer.token_to_id(name)) is not None), None)
    if found is None:
        raise ConfigError(
            f"masked is {config.masked} and the tokenizer of {config.base_model} has no {' or '.join(_MASKS)}, "
            "expected 0"
        )
    return found


def _tokenizer(base: str) -> Tokenizer:
    file = Path(base) / "tokenizer.json"
    if file.is_file():
        return Tokenizer.from_file(str(file))
    # Some repositories hold only a SentencePiece model, of which transformers makes a tokenizer.
    loaded: Tokenizer = AutoTokenizer.from_pretrained(base, use_fast=True).backend_tokenizer
    return loaded


def examples(config: FitConfig, tokenizer: Tokenizer, learned: Sequence[_Learned]) -> Dataset:
    """Make a dataset of examples: rows of `training.features.rows`, as one JSON text.

    One row, or with `consistency` two, of an article and of a variant of it. As JSON, for Arrow has no type for lists
    whose members differ.

    Args:
        config: Settings.
        tokenizer: The model's.
        learned: The articles of each file, or new and old ones mixed.
    """
    chance = random.Random(config.seed)
    copies = []
    for some in learned:
        for copy in range(1 + config.variants):
            beside = chance if config.consistency else None
            copies.append(_dataset(config, tokenizer, some, chance if copy else None, beside))
    return concatenate_datasets(copies)


def learnable(config: FitConfig, parts: Split | None = None) -> list[_Learned]:
    """Read the articles to learn from: those of each file, or new and old ones mixed."""
    if config.new is not None:
        return [_mixed(config, parts or Split((), ()))]
    found: list[_Learned] = []
    for source in config.data:
        articles = list(read_annotated([source.path]))
        if not any(annotated.article.text.strip() for annotated in articles):
            raise InputError(f"{source.path}: no article with text in it, expected one annotated article a line")
        for _ in range(source.repeat):
            found.append([(annotated, is_whole(annotated, source.complete)) for annotated in articles])
    return found


def _with_teacher(config: FitConfig, learned: list[_Learned], device: str) -> list[_Learned]:
    """Ask the teacher, where there is one, what it thinks of the quotes; each article once."""
    if config.teacher is None:
        return learned
    half = _in_half_precision(config.half_precision, device)
    teacher = Pipeline.from_pretrained(config.teacher, device=device, precision="auto" if half else "float")
    # A file that is repeated holds the same articles.
    every = {id(annotated): annotated for some in learned for annotated, _ in some}
    told = taught(every.values(), teacher, config.taught, half_precision=half)
    console = Console(stderr=True)
    asked = track(told, "asking the teacher", len(every), console=console, disable=not console.is_terminal)
    soft = dict(zip(every, asked, strict=True))
    return [[(soft[id(annotated)], complete) for annotated, complete in some] for some in learned]


def _dataset(
    config: FitConfig,
    tokenizer: Tokenizer,
    articles: _Learned,
    changed: random.Random | None = None,
    beside: random.Random | None = None,
) -> Dataset:
    """Make examples of articles; `changed` makes variants of them, `beside` the variants that they are read beside."""
    made: list[list[Row]] = []
    for annotated, complete in articles:
        read = functools.partial(_rows, config, tokenizer, annotated, complete)
        if beside is None:
            made += [[row] for row in read(changed)]
        else:
            # Other names may make another number of sections.
            made += [[row for row in pair if row] for pair in zip_longest(read(changed), read(beside))]
    return Dataset.from_list([{"rows": json.dumps(example)} for example in made])


def _rows(
    config: FitConfig, tokenizer: Tokenizer, annotated: AnnotatedArticle, complete: bool, changed: random.Random | None
) -> list[Row]:
    if changed is not None:
        annotated = _variant(annotated, changed, config.disturbed)
    found = rows(
        [annotated],
        tokenizer,
        size=config.window,
        overlap=config.overlap,
        windows=config.windows,
        complete=complete,
        stand_ins=config.stand_ins,
    )
    mask = _mask(config, tokenizer)
    if changed is None or mask is None:
        return list(found)
    return [masked(row, mask, config.masked, changed) for row in found]


def _parts(config: FitConfig) -> Split | None:
    """Split the new articles, and refuse what would be measured on what was learned."""
    if config.new is None:
        return None
    what = ", ".join(map(str, config.new.paths))
    articles = read_new(config.new)
    # What a teacher knows by heart it would whisper to the student.
    seen = lineage.learned(base_folder(config), config.teacher)
    numbers = families(articles)
    # Whatever is like one that the base has learned from would flatter, so it can only be learned from again.
    again = {number for one, number in zip(articles, numbers, strict=True) if lineage.text_hash(one) in seen}
    known = [one for one, number in zip(articles, numbers, strict=True) if number in again]
    fresh = [one for one, number in zip(articles, numbers, strict=True) if number not in again]
    less = f" without the {len(known)} articles that {config.base_model} has learned from" if known else ""
    parts = split(fresh, config.new.held, config.seed, what=what + less)
    for source in config.data:
        refuse_leaks(read_annotated([source.path]), parts.held, f"{source.path}, {what}")
    learned = (*parts.learned, *known)
    count = sum(len(judged_quotes(annotated)) for annotated in learned)
    return Split(learned, parts.held, tuple(replayed(config.data, config.new.old * count, config.seed)))


def _mixed(config: FitConfig, parts: Split) -> _Learned:
    """Give the new articles and the old ones, each with whether every quote in it is annotated."""
    new = config.new
    if new is None:
        return []
    fresh = [(annotated, is_whole(annotated, new.complete)) for annotated in parts.learned]
    old = [(annotated, is_whole(annotated, source.complete)) for annotated, source in parts.old]
    return fresh * new.repeat + old


def _whole_job(
    config: FitConfig, network: StanceNetwork, tokenizer: Tokenizer, learned: Sequence[_Learned], parts: Split | None
) -> Job:
    """Every weight learns, from articles."""
    if config.checkpoint_gradients:
        # The library's name of today, or the one before.
        names = ("activation_checkpointing_enable", "gradient_checkpointing_enable")
        enable = next((found for name in names if (found := getattr(network.encoder, name, None))), None)
        if enable is None:
            raise ConfigError("checkpoint_gradients: only where training begins from a Hugging Face encoder")
        enable()
    encoder = {id(p) for p in network.encoder.parameters()}
    ours = [p for p in network.parameters() if id(p) not in encoder]
    held = None
    if parts is not None and config.new is not None:
        held = _dataset(config, tokenizer, [(one, is_whole(one, config.new.complete)) for one in parts.held])
    return Job(
        TrainingNetwork(network, config),
        examples(config, tokenizer, learned),
        held,
        functools.partial(_batch, config=config, specials=special_tokens(tokenizer)),
        [(list(network.encoder.parameters()), config.learning_rate), (ours, config.head_learning_rate)],
        config.half_precision,
        config.batch_size,
    )


def _head_job(
    config: FitConfig, network: StanceNetwork, tokenizer: Tokenizer, learned: Sequence[_Learned], parts: Split | None
) -> Job:
    """Only the stance head learns, from what the encoder gives."""
    pipeline = Pipeline(network.eval(), tokenizer)
    vectors = QuoteVectors(pipeline, [annotated for some in learned for annotated, _ in some])
    if not len(vectors):
        raise InputError("no quote with a stance to learn from, expected some")
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    for parameter in network.stance.parameters():
        parameter.requires_grad_(True)
    return Job(
        HeadNetwork(network.stance, config.stance_weights, config.stance_smoothing),
        vectors,
        QuoteVectors(pipeline, parts.held) if parts else None,
        collate_quotes,
        [(list(network.stance.parameters()), config.head_learning_rate)],
        False,  # so small that bfloat16 saves nothing
        config.head_batch_size,
    )


def _trainer(config: FitConfig, job: Job, checkpoints: Path, device: str) -> Trainer:
    trainer = Trainer(
        model=job.model,
        args=_arguments(config, job, checkpoints, device),
        train_dataset=job.learned,
        eval_dataset=job.held,
        data_collator=job.collate,
        optimizers=(_optimizer(job, config), None),
    )
    for plain in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(plain)
    trainer.add_callback(LossBar())
    if job.held is not None:
        trainer.add_callback(Patience(config.patience))
    return trainer


def _write(config: FitConfig, network: StanceNetwork, tokenizer: Tokenizer, parts: Split | None, folder: Path) -> None:
    """Write the model's folder: whole, or not at all."""
    target = folder.resolve()  # a link goes on pointing to its folder
    temporary = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        save_network(network, tokenizer, temporary)
        (temporary / "fit.json").write_text(config.model_dump_json(indent=1) + "\n", encoding="utf-8")
        if parts is not None:
            lineage.describe(config, temporary, base_folder(config), parts)
        _refuse_folder(folder)  # again: it may have been promoted meanwhile
        _replace(target, temporary)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _replace(folder: Path, new: Path) -> None:
    """Put a folder in the place of another; the old one goes only when the new one is there."""
    aside = folder.with_name(f".{folder.name}.old")
    if folder.exists():
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
    try:
        new.rename(folder)
    except OSError:
        if aside.exists():
            aside.rename(folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def _writing(folder: Path, checkpoints: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        # torch says what the disk says in an error of its own kind.
        if isinstance(error, RuntimeError) and not any(word in str(error) for word in ("PytorchStream", "iostream")):
            raise
        reason = " ".join(str(error).split())[:200]
        raise OutputError(
            f"{folder}: cannot be written: {reason}; when there is space, give the same command again: it goes on from "
            f"{checkpoints}"
        ) from error


def _refuse_folder(folder: Path) -> None:
    if folder.resolve() == default_model().resolve():
        raise ConfigError(f"{folder}: is the model in use, expected another name (then `python -m training promote`)")
    refuse_name(folder)
    refuse_needed(folder)
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder}: is a file, expected a folder for the model")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / CONFIG).is_file():
        raise ConfigError(f"{folder}: holds something else than a model, expected a new folder")


def _refuse_reports(config: FitConfig) -> None:
    for name in config.report_to:
        if importlib.util.find_spec(name) is None:
            raise ConfigError(f"report_to: {name} is not installed, expected it (pip install {name}), or no {name}")


def _variant(annotated: AnnotatedArticle, chance: random.Random, share: float) -> AnnotatedArticle:
    """Change an article for one copy: most kinds of names exchanged, now and then the text disturbed."""
    kinds = [kind for kind in KINDS if chance.random() < _EXCHANGED[kind]]
    changed = exchanged(annotated, plan(annotated.article.text, chance, kinds))
    return disturbed(changed, chance) if chance.random() < share else changed


def _batch(examples: list[dict[str, str]], config: FitConfig, specials: tuple[int, int]) -> dict[str, Tensor]:
    found: list[Row] = []
    twins = []
    for example in examples:
        made = json.loads(example["rows"])
        if len(made) > 1:
            twins.append((len(found), len(found) + 1))
        found += made
    return collate(found, size=config.window, overlap=config.overlap, specials=specials, twins=twins)


def _in_half_precision(wanted: bool, device: str) -> bool:
    """Say whether bfloat16 is wanted and multiplied; a CPU that is without takes five times as long as in float32."""
    return wanted and (multiplies_bf16() if _on_cpu(device) else torch.cuda.is_bf16_supported())


def _on_cpu(device: str) -> bool:
    return device == "cpu" or not torch.cuda.is_available()


@contextmanager
def _deterministic() -> Iterator[None]:
    """Have torch add up in one order whatever the threads; where it has no such kernel on a GPU, it warns."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])


def _arguments(config: FitConfig, job: Job, folder: Path, device: str) -> TrainingArguments:
    # With held articles an epoch ends with a look at them; without, checkpoints come by the run's length.
    watched = job.held is not None
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=config.epochs,
        per_device_train_batch_size=job.batch_size,
        per_device_eval_batch_size=job.batch_size,
        gradient_accumulation_steps=config.accumulate,
        warmup_steps=config.warmup_steps,
        lr_scheduler_type="linear",
        max_grad_norm=1.0,
        bf16=_in_half_precision(job.half_precision, device),
        use_cpu=_on_cpu(device),
        seed=config.seed,
        data_seed=config.seed,
        eval_strategy="epoch" if watched else "no",
        save_strategy="epoch" if watched else "steps",
        save_steps=0.1,  # of the whole run
        save_total_limit=2,
        load_best_model_at_end=watched,
        metric_for_best_model="eval_loss" if watched else None,
        greater_is_better=False if watched else None,
        prediction_loss_only=True,
        logging_steps=25,
        remove_unused_columns=False,
        label_names=["stances"],
        ddp_find_unused_parameters=True,  # a batch without links leaves their weights out
        report_to=list(config.report_to),
    )


def _optimizer(job: Job, config: FitConfig) -> torch.optim.AdamW:
    groups = []
    for members, rate in job.groups:
        for plain in (True, False):
            chosen = [p for p in members if (p.ndim > 1) is plain]
            groups.append({"params": chosen, "lr": rate, "weight_decay": config.weight_decay if plain else 0.0})
    return torch.optim.AdamW(groups)


def _divergence(one: Tensor, other: Tensor) -> Tensor:
    """Mean of the Kullback-Leibler divergences in both directions, of logits `(…, 4)`."""
    p, q = one.log_softmax(-1), other.log_softmax(-1)
    return ((p.exp() - q.exp()) * (p - q)).sum(-1).mean() / 2


def _mention_loss(logits: Tensor, right: Tensor) -> Tensor:
    """Any mention of the right name will do: the likelihood of all of them together."""
    return -logits.log_softmax(-1).masked_fill(right == 0, -1e4).logsumexp(-1).mean()


def _pointer_loss(logits: Tensor, right: Tensor) -> Tensor:
    return _mean_loss(logits, torch.where(right == -1, logits.shape[1] - 1, right))


def _mean_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy over what is labelled; 0 where nothing is."""
    total = functional.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum")
    return total / (labels != IGNORED).sum().clamp(min=1)
