"""Plots of speed, as SVG files that stand alone."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from training.growth import Cost, Growth
from training.plots import COLOURS, svg

# On white, whatever the page around: a picture in a README does not learn what its page looks like.
_CLASSES = {
    "ink": "#1a1a1a",
    "faint": "#555555",
    "grid": "#dddddd",
    "accusation": "#d55e00",
    "denial": "#0072b2",
    "justification": "#009e73",
    "other": "#777777",
}
_WIDTH = 640
_SERIES = (
    ("one article of that length", "denial", "-", "o"),
    ("many articles, together that long", "accusation", "--", "s"),
)


def growth_plot(found: Growth, words: str) -> str:
    """Draw CPU seconds over characters read, both logarithmic, with a line of cost in proportion."""

    def draw(axes: Axes) -> None:
        chars, seconds = _in_proportion([*found.by_length, *found.by_count])
        axes.plot(chars, seconds, ":", color=COLOURS["faint"], linewidth=1, label="in proportion")
        for costs, (label, colour, line, marker) in zip((found.by_length, found.by_count), _SERIES, strict=True):
            axes.plot(
                [cost.chars for cost in costs],
                [cost.cpu_seconds for cost in costs],
                line,
                marker=marker,
                markersize=4.5,
                color=COLOURS[colour],
                label=label,
            )
        axes.set(xscale="log", yscale="log", xlabel="characters read", ylabel="CPU seconds, one thread")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.minorticks_off()
        axes.legend(loc="upper left", frameon=False)

    return _alone(svg("How cost grows", words, draw, size=(5.2, 3.6)))


def stages_plot(shares: Mapping[str, float], words: str) -> str:
    """Draw the share of each stage as a bar; stages that took nothing are left out."""
    seen = [(stage, share) for stage, share in shares.items() if round(share, 3)]

    def draw(axes: Axes) -> None:
        axes.barh(range(len(seen)), [share for _, share in seen], color=COLOURS["denial"], alpha=0.75, height=0.6)
        axes.set_yticks(range(len(seen)), [stage for stage, _ in seen])
        axes.invert_yaxis()
        for at, (_, share) in enumerate(seen):
            axes.annotate(f"{share:.1%}", (share, at), (3, 0), textcoords="offset points", va="center")
        axes.set_xlim(0, max(share for _, share in seen) * 1.18)
        axes.grid(False)
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        axes.tick_params(length=0)

    return _alone(svg("Where the time goes", words, draw, size=(5.2, 2.8)))


def described(found: Mapping[str, float]) -> str:
    """Say what the plot of the stages shows."""
    return "Share of the CPU time: " + ", ".join(f"{stage} {share:.1%}" for stage, share in found.items()) + "."


def _in_proportion(costs: Sequence[Cost]) -> tuple[list[int], list[float]]:
    rates = sorted(cost.cpu_seconds / cost.chars for cost in costs)
    ends = [min(cost.chars for cost in costs), max(cost.chars for cost in costs)]
    return ends, [rates[len(rates) // 2] * chars for chars in ends]


def _alone(plot: str) -> str:
    colours = "".join(
        f".fill-{name}{{fill:{colour}}}.stroke-{name}{{stroke:{colour}}}" for name, colour in _CLASSES.items()
    )
    style = f"<style>text{{font-family:'DejaVu Sans',Verdana,sans-serif}}{colours}</style>"
    back = '<rect width="100%" height="100%" fill="#ffffff"/>'
    head, end, rest = plot.partition("</desc>")
    wide, high = map(float, head.split('viewBox="0 0 ')[1].split('"')[0].split())
    shape = f'xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_WIDTH * high / wide:.0f}"'
    head = head.replace("<svg ", f"<svg {shape} ", 1)
    return f"{head}{end}{style}{back}{rest}\n"
