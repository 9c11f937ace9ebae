"""Where the time of the whole job goes: shares of its stages, by a sampling profiler.

Every sample is a stack. It belongs to the stage whose function stands innermost in it; what that function calls,
torch for example, is its own.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import torch
from rich.table import Table

import stance
from stance.errors import ConfigError
from stance.pipeline import Pipeline
from stance.records import claim_rows
from stance.types import Article

_TOKENS = "tokenising"
_PRODUCTS, _ATTENTION, _ENCODER = "encoder: linear layers", "encoder: attention", "encoder: the rest"
_SPANS, _SPEAKERS = "tags, spans, boilerplate", "links, names, speakers, targets"
_STANCE, _RECORDS, _OTHER = "stance head", "records", "the rest"
STAGES = (_TOKENS, _PRODUCTS, _ATTENTION, _ENCODER, _SPANS, _SPEAKERS, _STANCE, _RECORDS, _OTHER)

# Which functions begin a stage, by module of `stance` and name; a module alone stands for all of its functions.
RULES: Mapping[tuple[str, str], str] = {
    ("windows", "tokenize"): _TOKENS,
    ("runtime", "read"): _ENCODER,
    ("runtime", "_reading"): _SPANS,
    ("quotes", ""): _SPANS,
    ("marks", ""): _SPANS,
    ("boilerplate", ""): _SPANS,
    ("network", "link_cue"): _SPEAKERS,
    ("network", "link_source"): _SPEAKERS,
    ("candidates", ""): _SPEAKERS,
    ("speakers", ""): _SPEAKERS,
    ("names", ""): _SPEAKERS,
    ("roles", ""): _SPEAKERS,
    ("targets", ""): _SPEAKERS,
    ("claims", ""): _STANCE,
    ("records", ""): _RECORDS,
}
# Inside the encoder these stand out; the stance head uses the same layers and stays one stage.
INNER_RULES: Mapping[tuple[str, str, str], str] = {
    ("floats", "FloatLinear", "forward"): _PRODUCTS,
    ("int8", "Int8Linear", "forward"): _PRODUCTS,
    ("int8", "Int8AfterGelu", "forward"): _PRODUCTS,
    ("packed", "", "_attention"): _ATTENTION,
}
_PACKAGE = Path(stance.__file__).parent
_INTERVAL_SECONDS = 0.0005


class Frame(Protocol):
    """A function in the tree of calls that a profiler gives; its time holds that of its children, in seconds."""

    @property
    def file_path(self) -> str | None: ...  # noqa: D102
    @property
    def class_name(self) -> str | None: ...  # noqa: D102
    @property
    def function(self) -> str: ...  # noqa: D102
    @property
    def children(self) -> Sequence["Frame"]: ...  # noqa: D102

    time: float


def stages(pipeline: Pipeline, articles: Sequence[Article]) -> dict[str, float]:
    """Measure the share of each stage in reading articles and making their records, on one thread.

    Returns:
        Shares in the order of `STAGES`, summing to 1.

    Raises:
        ConfigError: The profiler is not installed, or there was too little to see.
    """
    try:
        from pyinstrument import Profiler
    except ImportError as error:
        raise ConfigError("pyinstrument is not installed, expected the extra 'dev'") from error

    list(pipeline.run(articles[:1]))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with Profiler(interval=_INTERVAL_SECONDS, async_mode="disabled") as profiler:
            _whole_job(pipeline, articles)
    finally:
        torch.set_num_threads(before)
    session = profiler.last_session
    root = session.root_frame() if session else None
    if root is None or not root.time:
        raise ConfigError(f"{len(articles)} articles were read before the profiler saw anything, expected more")
    return shares(root)


def shares(root: Frame) -> dict[str, float]:
    """Sum up a tree of calls by stage; the shares sum to 1."""
    seconds = dict.fromkeys(STAGES, 0.0)
    waiting = [(root, _OTHER)]
    while waiting:
        frame, outer = waiting.pop()
        stage = _stage(frame, outer)
        seconds[stage] += frame.time - sum(child.time for child in frame.children)
        waiting += [(child, stage) for child in frame.children]
    total = sum(seconds.values())
    return {stage: taken / total for stage, taken in seconds.items()}


def report(found: Mapping[str, float]) -> Table:
    """Lay the shares out as a table."""
    table = Table(title="Where the time goes", title_justify="left")
    table.add_column("")
    table.add_column("share", justify="right")
    for stage, share in found.items():
        table.add_row(stage, f"{share:.1%}")
    return table


def _whole_job(pipeline: Pipeline, articles: Sequence[Article]) -> None:
    for article, claims in pipeline.run(articles):
        for row in claim_rows(article, claims, pipeline.model):
            json.dumps(row, ensure_ascii=False)


def _stage(frame: Frame, outer: str) -> str:
    if frame.file_path is None or Path(frame.file_path).parent != _PACKAGE:
        return outer
    module = Path(frame.file_path).stem
    if outer == _ENCODER:
        inner = INNER_RULES.get((module, frame.class_name or "", frame.function))
        if inner is not None:
            return inner
    return RULES.get((module, frame.function)) or RULES.get((module, "")) or outer
