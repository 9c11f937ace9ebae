"""Validated settings of a run, from a YAML file and the command line."""

import os
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stance.errors import ConfigError

_Settings = TypeVar("_Settings", bound=BaseModel)


class Columns(BaseModel):
    """Which columns of CSV and Parquet files and which keys of JSON Lines hold what.

    What is left out is guessed from the common names, and the guess is said aloud.

    Attributes:
        id: Name of the article, unique within a job.
        text: The article's text.
        html: A web page that the article is taken out of, where there is no text.
        title: Its title, like those below for the record only.
        url: Where it was published.
        date: When it was published.
        publisher: By whom it was published.
        author: Who wrote it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str | None = Field(None, min_length=1)
    text: str | None = Field(None, min_length=1)
    html: str | None = Field(None, min_length=1)
    title: str | None = Field(None, min_length=1)
    url: str | None = Field(None, min_length=1)
    date: str | None = Field(None, min_length=1)
    publisher: str | None = Field(None, min_length=1)
    author: str | None = Field(None, min_length=1)


class RunConfig(BaseModel):
    """Settings of `stance run` and `stance classify`.

    Attributes:
        model: A model folder; None is the model that ships.
        device: `auto` takes a GPU where there is one.
        batch_size: Windows that the network reads at once.
        precision: Arithmetic of the network: `bf16` and `int8` are for CPUs, `half` for GPUs; `auto` takes bf16 on a
            CPU that multiplies it, else float.
        min_probability: Claims whose stance is less probable are left out by `stance run`.
        columns: Which columns or keys of the input hold what.
        workers: Processes of a job that read articles; None is one a core.
        engine: Of a job: `local` for this machine, `ray` for a cluster.
        ray_address: Of a running cluster; None starts one on this machine.
        max_errors: A job stops when more articles than this have failed; None never stops.
        part_articles: A job's output is cut into files of so many articles.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Path | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    batch_size: int = Field(16, ge=1)
    precision: Literal["auto", "float", "bf16", "int8", "half"] = "auto"
    min_probability: float = Field(0.0, ge=0, le=1)
    columns: Columns = Columns()
    workers: int | None = Field(None, ge=1)
    engine: Literal["local", "ray"] = "local"
    ray_address: str | None = None
    max_errors: int | None = Field(None, ge=0)
    part_articles: int = Field(2000, ge=1)

    @property
    def processes(self) -> int:
        """Worker processes on this machine."""
        return self.workers or len(os.sched_getaffinity(0))


def load_config(kind: type[_Settings], path: Path | None, **changes: Any) -> _Settings:
    """Read settings from a YAML file; `changes` win over it, except where they are None.

    Raises:
        ConfigError: A file that cannot be read, an unknown key, a value out of range; the message names
            the file, the key, what was found and what was expected.
    """
    settings: Any = {}
    if path is not None:
        try:
            settings = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(f"{path}: cannot be read: {error}") from error
        if not isinstance(settings, dict):
            raise ConfigError(f"{path}: found a {type(settings).__name__}, expected keys with values")
    try:
        return kind.model_validate(settings | {key: value for key, value in changes.items() if value is not None})
    except ValidationError as error:
        raise ConfigError("; ".join(_problem(path, dict(e), kind) for e in error.errors())) from error


def load_json(kind: type[_Settings], path: Path, expected: str) -> _Settings:
    """Read a JSON file that a command of this project wrote.

    Raises:
        ConfigError: It cannot be read, or holds something else than `expected`; where there is no file, that is the
            error's cause.
    """
    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{path}: {where or 'not JSON'}: {first['msg']}, expected {expected}") from error


def _problem(path: Path | None, error: dict[str, Any], kind: type[BaseModel]) -> str:
    where = f"{path}: " if path else ""
    key = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        return f"{where}unknown key {key!r}, expected one of {', '.join(_keys(kind, error['loc']))}"
    if error["type"] == "missing":
        return f"{where}{key!r} is missing"
    return f"{where}{key} is {error['input']!r}: {error['msg']}"


def _keys(kind: type[BaseModel], place: tuple[Any, ...]) -> list[str]:
    """Give the keys that are known where an unknown one stands."""
    for key in place[:-1]:
        inner = kind.model_fields[key].annotation if key in kind.model_fields else None
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            kind = inner
    return list(kind.model_fields)
