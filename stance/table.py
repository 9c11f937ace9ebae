"""The claims as a table that a person enjoys reading in a terminal."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_COLOURS = {"accusation": "bold red", "denial": "bold blue", "justification": "bold yellow", "other": "dim"}
_QUOTE_CHARS = 300


def show(rows: Sequence[dict[str, Any]], console: Console) -> None:
    """Print records (see `stance.records`) as one table; an article's name stands at its first claim."""
    table = Table(show_lines=False, expand=True, pad_edge=False, header_style="bold")
    for name, options in {
        "article": {"max_width": 22, "overflow": "fold"},
        "speaker": {"max_width": 26, "overflow": "fold"},
        "stance": {"max_width": 24, "overflow": "fold", "min_width": 13},
        "p": {"justify": "right", "no_wrap": True},
        "quote": {"ratio": 1, "overflow": "fold"},
    }.items():
        table.add_column(name, **options)  # type: ignore[arg-type]
    previous = None
    for i, row in enumerate(rows):
        if "article_id" not in row:
            row = _as_record(row, i)
        article = row["article_id"]
        if previous is not None and article != previous:
            table.add_section()
        stance = row["stance"] or ""
        label = Text(stance, style=_COLOURS.get(stance, ""))
        if row.get("second"):
            label.append(f"\n+ {row['second']}", style="dim")
        if row.get("target"):
            label.append(f"\n→ {_printable(row['target'])}", style="dim")
        probability = f"{row['probabilities'][stance]:.2f}" if row.get("probabilities") else ""
        speaker = Text(_printable(row.get("speaker") or "—"), style="" if row.get("speaker") else "dim")
        table.add_row(
            Text(_printable(article) if article != previous else ""),
            speaker,
            label,
            probability,
            Text(_quote(row["content"])),
        )
        previous = article
    console.print(table)


def _as_record(row: dict[str, Any], number: int) -> dict[str, Any]:
    return row | {"article_id": str(row.get("id", number + 1)), "content": row.get("text", "")}


def _quote(words: str) -> str:
    flat = _printable(" ".join(words.split()))
    return flat if len(flat) <= _QUOTE_CHARS else flat[: _QUOTE_CHARS - 1] + "…"


def _printable(words: str) -> str:
    return "".join(c if c.isprintable() else " " for c in words)
