"""What the commands share: their options, and the checks and reading that come before the work."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from stance.errors import ConfigError, InputError
from training.annotations import AnnotatedArticle, read_annotated

CORPUS = Path(__file__).parent / "corpus"
Data = Annotated[list[Path], typer.Option("--data", help="Annotated articles (.jsonl, .jsonl.gz); may be repeated.")]
Model = Annotated[Path | None, typer.Option(help="A model folder.  \\[default: the model in use]", show_default=False)]
JsonOut = Annotated[Path | None, typer.Option("--json", help="Write the figures here too.", show_default=False)]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Precision = Annotated[str, typer.Option(help="Arithmetic of the network: auto, float, bf16, int8 or half.")]


def read_articles(path: Path) -> list[AnnotatedArticle]:
    """Read a file of annotated articles.

    Raises:
        InputError: It cannot be read, or holds none.
    """
    articles = list(read_annotated([path]))
    if not articles:
        raise InputError(f"{path}: empty, expected one annotated article a line")
    return articles


def refuse_unwritable(path: Path | None) -> None:
    """Say before the work, not after it, that its result has nowhere to go.

    Raises:
        ConfigError: There is no such folder.
    """
    if path is not None and not path.parent.is_dir():
        raise ConfigError(f"{path}: no such folder, expected one that exists")


def rounded(figures: Mapping[str, float]) -> dict[str, float]:
    """Round figures to the four digits that files keep."""
    return {name: round(value, 4) for name, value in figures.items()}
