"""Plots for the evaluation report: matplotlib's SVG, made fit for a page.

Their text stays text, they carry a title and a description that can be read aloud, and their colours are classes,
so that the page's style sheet colours them for light, dark and paper. They hold no inline style: the page's content
security policy forbids it.
"""

import hashlib
import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from training.compare import Difference
from training.slices import LABELS

# Each colour stands for a class of the page; the page has the real ones (Okabe & Ito 2008).
_CLASSES = {
    "#101010": "ink",
    "#202020": "faint",
    "#303030": "grid",
    "#d55e00": "accusation",
    "#0072b2": "denial",
    "#009e73": "justification",
    "#777777": "other",
    "#404040": "main",
    "#505050": "soft",
    "#606060": "paper",
}
COLOURS = {name: colour for colour, name in _CLASSES.items()}
_LINES: Mapping[str, tuple[str, str]] = {
    "accusation": ("-", "^"),
    "denial": ("--", "s"),
    "justification": ("-.", "D"),
    "other": (":", "o"),
}
_SIZE = (4.0, 3.3)
_STYLE = {
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 8.0,
    "axes.edgecolor": COLOURS["faint"],
    "axes.labelcolor": COLOURS["ink"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": COLOURS["grid"],
    "grid.linewidth": 0.6,
    "xtick.color": COLOURS["faint"],
    "ytick.color": COLOURS["faint"],
    "xtick.labelcolor": COLOURS["ink"],
    "ytick.labelcolor": COLOURS["ink"],
    "text.color": COLOURS["ink"],
    "lines.linewidth": 1.6,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}
_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"


def confusion(name: str, counts: np.ndarray, words: str) -> str:
    """Draw gold against predicted stances `(4, 4 or 5)`; shares of each gold label."""
    predicted = [*LABELS, "none"][: counts.shape[1]]
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)

    def draw(axes: Axes) -> None:
        axes.grid(False)
        for i, row in enumerate(shares):
            for j, share in enumerate(row):
                colour = COLOURS["denial" if i == j else "accusation"]
                axes.add_patch(Rectangle((j - 0.48, i - 0.48), 0.96, 0.96, fc=colour, alpha=0.06 + 0.5 * share))
                axes.text(j, i - 0.1, f"{int(counts[i, j])}", ha="center", va="center", fontsize=10)
                axes.text(j, i + 0.24, f"{share:.0%}", ha="center", va="center", fontsize=7, color=COLOURS["faint"])
        axes.set(xlim=(-0.5, len(predicted) - 0.5), ylim=(len(LABELS) - 0.5, -0.5))
        axes.set_xticks(range(len(predicted)), predicted)
        axes.set_yticks(range(len(LABELS)), LABELS, rotation=90, va="center")
        axes.set(xlabel="predicted", ylabel="annotated")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)

    return svg(f"Confusion of stances, {name}", words, draw)


def precision_recall(name: str, curves: Mapping[str, tuple[np.ndarray, np.ndarray, float]], words: str) -> str:
    """Draw recall, precision and average precision of each label."""

    def draw(axes: Axes) -> None:
        for label, (recall, precision, average) in curves.items():
            line, marker = _LINES[label]
            axes.plot(
                recall,
                precision,
                line,
                marker=marker,
                markevery=0.2,
                markersize=4,
                color=COLOURS[label],
                label=f"{label} ({average:.2f})",
            )
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
        axes.legend(loc="lower left", frameon=False, title="average precision", alignment="left")

    return svg(f"Precision and recall of each label, {name}", words, draw)


def reliability(name: str, bins: Sequence[tuple[float, float, int]], words: str) -> str:
    """Draw the accuracy of each bin over its mean probability."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], ":", color=COLOURS["faint"], linewidth=1)
        mean, share, _ = zip(*bins, strict=True)
        axes.vlines(mean, mean, share, color=COLOURS["accusation"], linewidth=2, alpha=0.6)
        axes.plot(mean, share, "o-", color=COLOURS["denial"], markersize=4.5)
        axes.set(
            xlim=(0.2, 1.02), ylim=(0, 1.02), xlabel="probability of the chosen label", ylabel="share that is right"
        )

    return svg(f"Reliability of the probabilities, {name}", words, draw)


def risk_coverage(name: str, curve: Sequence[tuple[float, float]], words: str) -> str:
    """Draw the error rate over the share of quotes that is kept, the surest first."""

    def draw(axes: Axes) -> None:
        kept, risk = zip(*curve, strict=True)
        axes.fill_between(kept, risk, color=COLOURS["denial"], alpha=0.12, linewidth=0)
        axes.plot(kept, risk, "-", color=COLOURS["denial"])
        for share in (0.5, 0.8, 1.0):
            at = min(range(len(kept)), key=lambda i: abs(kept[i] - share))
            axes.plot(kept[at], risk[at], "o", color=COLOURS["denial"], markersize=4.5)
            axes.annotate(f"{risk[at]:.1%}", (kept[at], risk[at]), (0, 6), textcoords="offset points", ha="right")
        axes.set(xlim=(0, 1.02), ylim=(0, max(0.1, *risk) * 1.2))
        axes.set(xlabel="share of the quotes that is kept, the surest first", ylabel="share of those that is wrong")
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))

    return svg(f"Risk and coverage, {name}", words, draw)


def mistakes(name: str, counts: Sequence[tuple[str, int]], words: str) -> str:
    """Draw how many quotes have each kind of mistake."""

    def draw(axes: Axes) -> None:
        names, numbers = zip(*counts, strict=True)
        axes.barh(range(len(names)), numbers, color=COLOURS["denial"], alpha=0.75, height=0.6)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        for at, number in enumerate(numbers):
            axes.text(number, at, f" {number}", va="center")
        axes.set_xlim(0, max(1, *numbers) * 1.15)
        axes.grid(False)
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        axes.tick_params(length=0)

    return svg(f"Kinds of mistakes, {name}", words, draw)


def differences(name: str, found: Sequence[Difference], words: str) -> str:
    """Draw the differences of two models with their intervals."""

    def draw(axes: Axes) -> None:
        axes.axvline(0, color=COLOURS["faint"], linewidth=1)
        for at, one in enumerate(found):
            colour, marker = {
                "better": (COLOURS["justification"], "^"),
                "worse": (COLOURS["accusation"], "v"),
                "even": (COLOURS["other"], "o"),
            }[one.verdict]
            axes.plot([one.low, one.high], [at, at], color=colour)
            axes.plot(one.mine - one.other, at, marker, color=colour, markersize=5)
        axes.set_yticks(range(len(found)), [one.figure for one in found])
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.set_xlabel("this model less the other, 95% interval")
        axes.grid(False, axis="y")
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)

    return svg(f"Differences between the models, {name}", words, draw, size=(4.0, 4.2))


def svg(title: str, words: str, draw: Callable[[Axes], None], size: tuple[float, float] = _SIZE) -> str:
    """Draw a plot for a page.

    Args:
        title: What a screen reader calls it; two plots of one page have two titles.
        words: Its description, for those who cannot see it.
        draw: Draws into the axes, in colours of `COLOURS`.
        size: Width and height in inches.
    """
    file = io.StringIO()
    # The salt keeps the ids of two plots in one page apart, and the same plot the same.
    style: Any = {**_STYLE, "svg.hashsalt": title}
    with mpl.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.add_subplot())
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    root = ElementTree.fromstring(file.getvalue())  # noqa: S314 - what matplotlib wrote
    width, height = root.attrib["viewBox"].split()[2:]
    _clean(root)
    body = "".join(ElementTree.tostring(child, encoding="unicode") for child in root)
    name = f"plot-{hashlib.sha256(title.encode()).hexdigest()[:8]}"
    return (
        f'<svg class="plot" role="img" viewBox="0 0 {width} {height}" aria-labelledby="{name}-t {name}-d">'
        f'<title id="{name}-t">{escape(title)}</title><desc id="{name}-d">{escape(words)}</desc>{body}</svg>'
    )


def _clean(root: ElementTree.Element) -> None:
    """Turn styles into attributes and colours into classes; drop what a page does not need."""
    for parent in list(root.iter()):
        for child in [child for child in parent if child.tag in (f"{_SVG}metadata", f"{_SVG}style")]:
            parent.remove(child)
    for one in root.iter():
        one.tag = one.tag.removeprefix(_SVG)
        if _HREF in one.attrib:
            one.attrib["href"] = one.attrib.pop(_HREF)
        if one.tag == "g":  # numbers that every plot has
            one.attrib.pop("id", None)
        classes = []
        for key, _, value in (part.partition(":") for part in one.attrib.pop("style", "").split(";")):
            key, value = key.strip(), value.strip()
            if key in ("fill", "stroke") and value in _CLASSES:
                classes.append(f"{key}-{_CLASSES[value]}")
            elif key and key != "font-family":
                one.attrib[key] = value
        if one.tag == "text" and not classes:
            classes.append("fill-ink")
        if classes:
            one.attrib["class"] = " ".join(classes)
