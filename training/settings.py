"""Settings of `python -m training fit`, from a YAML file and the command line."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

SHIPPED = "default"  # as a base model: the one that is in use
# A quote of a label without weight divides by 0 where it is alone in a step.
_Weight = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Source(BaseModel):
    """A file of annotated articles.

    Attributes:
        path: JSON Lines in the data format (`.jsonl`, `.jsonl.gz`).
        repeat: How often each epoch reads it.
        complete: Whether every quote in it is annotated; else it does not teach where quotes are, only their
            stances, speakers and targets. An article with `"complete": false` is taken so in any file, and a bare
            quote too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path
    repeat: int = Field(1, ge=1)
    complete: bool = True


class NewData(BaseModel):
    """Newly annotated articles: what a model that exists is to learn.

    Attributes:
        paths: Files in the data format; `--data` on the command line.
        held: Share of the articles that is not learned from, but says when to stop and what was gained.
        repeat: How often each epoch reads the others.
        complete: As for a source.
        old: Quotes of `data` for each new one; articles are drawn until there are so many. What a model learned
            once it forgets where it never sees it again.
        refit: Whether temperature and bias of the stances move towards what the new quotes ask for, as the base judges
            them; the more quotes, the further.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    paths: tuple[Path, ...] = ()
    held: float = Field(0.2, ge=0.05, le=0.5)
    repeat: int = Field(1, ge=1)
    complete: bool = True
    old: float = Field(3.0, ge=0)
    refit: bool = True


class FitConfig(BaseModel):
    """Settings of `python -m training fit`.

    Attributes:
        name: Of the model; written into its config and every record.
        base_model: A Hugging Face encoder (hub name or folder), a model folder of this project, or `default`, the
            model in use.
        data: What to learn from; relative paths are resolved against the working directory.
        new: Newly annotated articles to learn beside it; without them there is nothing held out.
        scope: `all` learns every weight; `heads` only the stance head of a model of this project, from the vectors
            that its encoder gives: minutes on a CPU, and quotes and speakers stay as they are.
        patience: With new articles: epochs without a smaller loss on the held ones after which to stop.
        keep: Share of the base's weights in the mean with the trained ones that is written: it forgets less
            (Wortsman et al. 2022, https://arxiv.org/abs/2109.01903).
        window, overlap: Of the windows in training, in tokens without the special ones.
        context_layers: Of a new network on a plain BERT, as in `stance.network.NetworkConfig`. A model of this project
            keeps its own, and learns with it; a new network learns with all layers.
        windows: Most windows in one example; longer articles make several.
        batch_size: Examples in a step on each device: articles, or sections of long ones; with `consistency` each
            comes with its variant, so that a step holds twice as many.
        head_batch_size: Quotes in a step on each device, with the scope `heads`.
        accumulate: Steps whose gradients are added up before the weights change.
        learning_rate, head_learning_rate: Peak rates of the encoder and of the heads.
        stand_ins: Whether a new network reads stand-ins for names and words of gender (`stance.standins`). A model of
            this project keeps to what its config.json says.
        variants: Changed copies of each article that an epoch reads beside the original: names exchanged in all
            of them (`training.exchange`), the text disturbed in some (`training.edits`).
        disturbed: Share of the variants whose text is disturbed.
        masked: Share of the word pieces of the variants (of `variants` or `consistency`) that are hidden behind the
            mask token.
        consistency: Weight of how far the network's stances of a quote and of the same quote in another variant lie
            apart; above 0 every article is read beside a variant of it in the same step (like R-Drop, Liang et al.
            2021, https://arxiv.org/abs/2106.14448, with other names beside other dropout).
        teacher: A model folder whose opinion of each judged quote is mixed into its label; null: nobody's.
        taught: Share of the label that is the teacher's.
        stance_smoothing: Share of a stance label that is spread over all four.
        stance_weights: Of the labels in the loss, in the order of `Stance`; above 0.
        losses: Weights of tags, links, antecedents, targets and stances in the sum.
        half_precision: Compute in bfloat16, where the processor or the GPU multiplies it; else in float32.
        checkpoint_gradients: Compute the encoder's layers twice instead of keeping them: less memory, a third slower.
        report_to: Where the Trainer sends its figures.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^\w[\w.-]*$")
    base_model: str = "sentence-transformers/all-MiniLM-L6-v2"
    data: tuple[Source, ...] = ()
    new: NewData | None = None
    scope: Literal["all", "heads"] = "all"
    patience: int = Field(3, ge=1)
    keep: float = Field(0.0, ge=0, lt=1)
    seed: int = 13
    epochs: float = Field(5, gt=0)
    batch_size: int = Field(4, ge=1)
    head_batch_size: int = Field(16, ge=1)
    accumulate: int = Field(1, ge=1)
    learning_rate: float = Field(1.5e-4, gt=0)
    head_learning_rate: float = Field(1e-3, gt=0)
    warmup_steps: int = Field(80, ge=0)
    weight_decay: float = Field(0.01, ge=0)
    window: int = Field(254, ge=16)
    overlap: int = Field(48, ge=0)
    context_layers: int | None = Field(None, ge=1)
    windows: int = Field(8, ge=1)
    reader_layers: int = Field(2, ge=0)
    pooled: bool = True
    stand_ins: bool = False
    variants: int = Field(0, ge=0)
    disturbed: float = Field(0.2, ge=0, le=1)
    masked: float = Field(0.0, ge=0, lt=1)
    consistency: float = Field(0.0, ge=0)
    teacher: Path | None = None
    taught: float = Field(0.5, gt=0, le=1)
    stance_smoothing: float = Field(0.0, ge=0, lt=1)
    stance_weights: tuple[_Weight, _Weight, _Weight, _Weight] = (1.0, 1.0, 1.0, 1.0)
    losses: tuple[float, float, float, float, float] = (1.0, 0.5, 0.2, 0.2, 1.0)
    half_precision: bool = True
    checkpoint_gradients: bool = False
    report_to: tuple[Literal["tensorboard", "mlflow"], ...] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> "FitConfig":
        if self.overlap >= self.window:
            raise ValueError(f"overlap is {self.overlap}, expected less than window ({self.window})")
        if not self.data and self.new is None:
            raise ValueError("no data, expected files under 'data', or new articles (--data)")
        for key in ("variants", "consistency", "masked"):
            if self.scope == "heads" and (found := getattr(self, key)):
                raise ValueError(f"{key} is {found}, expected 0 with the scope 'heads': texts are read once")
        if self.masked and not self.variants and not self.consistency:
            raise ValueError(
                f"masked is {self.masked}, expected 0 without variants and consistency: it hides pieces of them"
            )
        if not self.reader_layers and not self.pooled:
            raise ValueError("pooled is false and reader_layers 0, expected a stance head")
        return self
