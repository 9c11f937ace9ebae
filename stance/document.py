"""One HTML file that needs nothing else: style, scripts and data in it, and a policy that lets nothing else run.

What articles say is hostile until shown otherwise. It travels as JSON, which no browser runs, and the scripts put it
in as text, never as HTML; Trusted Types make the browser itself refuse the other way. The policy names style and
scripts by their hashes, so that nothing that is not in this file can run, and nothing can be fetched or sent.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stance.types import HALF_PAIR

TEMPLATES = Path(__file__).with_name("templates")


def render(
    template: Path, *, styles: Sequence[Path], scripts: Sequence[Path], data: Any, values: Mapping[str, Any]
) -> str:
    """Give a page made from a Jinja template, which may include those of `TEMPLATES`.

    Args:
        template: It holds `<meta http-equiv="Content-Security-Policy" content="{{ policy }}">` first in its head,
            then `<style>{{ style }}</style>`; last in its body
            `<script type="application/json" id="data">{{ data }}</script>` and `<script>{{ script }}</script>`.
        styles: CSS files, in their order.
        scripts: JavaScript files, in their order; they share one strict function.
        data: What `JSON.parse(document.getElementById("data").textContent)` gives to the scripts.
        values: What else the template asks for; escaped.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    style = "\n".join(map(_source, styles))
    script = "\n".join(['(() => {\n"use strict";', *map(_source, scripts), "})();"])
    policy = {
        "default-src": "'none'",
        "style-src": _hash(style),
        "script-src": _hash(script),
        "base-uri": "'none'",
        "form-action": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    made = {
        "policy": "; ".join(f"{key} {value}" for key, value in policy.items()),
        "style": Markup(style),  # noqa: S704 - our own files, and JSON that holds no tag
        "script": Markup(script),  # noqa: S704
        "data": Markup(embed(data)),  # noqa: S704
    }
    environment = Environment(
        loader=FileSystemLoader([template.parent, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template.name).render({**values, **made})


def embed(data: Any) -> str:
    """Give data as JSON that can stand in a page: no `<`, `>`, `&`, and no line break that only some programs know."""
    line = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        line = line.replace(character, f"\\u{ord(character):04x}")
    # Half a surrogate pair cannot be written; a reader sees that something was there.
    return HALF_PAIR.sub("\ufffd", line)


def _source(path: Path) -> str:
    source = path.read_text(encoding="utf-8").strip()
    if "</" in source or "<!--" in source:
        raise ValueError(f"{path}: found '</' or '<!--', which may end the block that it stands in")
    return source


def _hash(block: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(block.encode()).digest()).decode()}'"
