"""Cuts news articles into attributed quotes, says who is speaking, and classifies what each claim does."""

from typing import TYPE_CHECKING, Any

from stance.errors import ConfigError, InputError, ModelError, StanceError
from stance.types import Article, AttributedQuote, Claim, Kind, Quote, Span, Stance

if TYPE_CHECKING:
    from stance.pipeline import Pipeline

__version__ = "0.1.0"
__all__ = [
    "Article",
    "AttributedQuote",
    "Claim",
    "ConfigError",
    "InputError",
    "Kind",
    "ModelError",
    "Pipeline",
    "Quote",
    "Span",
    "Stance",
    "StanceError",
]


def __getattr__(name: str) -> Any:
    # The pipeline pulls in torch, which takes seconds: only for those who ask for it.
    if name == "Pipeline":
        from stance.pipeline import Pipeline

        return Pipeline
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
