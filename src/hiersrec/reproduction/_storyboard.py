"""Draw cases one below the other: session, predicted categories as bars, items with the score parts of these."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hiersrec.reproduction._case import Case
from hiersrec.writing import figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GUESSES = {1: 5, 2: 4}
"""Number of levels -> categories drawn per level; 3 for more levels."""
ROWS = 7
"""Minimum rows per panel, so that few bars don't get thick."""
STAR = "★"
RIGHT = figures.COLOURS[1]
"""Colour of the next item."""
LEVELS = (figures.COLOURS[0], figures.COLOURS[2], figures.COLOURS[3], figures.COLOURS[4], figures.COLOURS[5])
SMALL = 8.5
HEADINGS = ("Session", "Predicted categories", "Recommended items: parts of the score from these categories")


def draw(title: str, cases: Sequence[Case]) -> "Figure":
    """A row of three panels for each case."""
    tallest = max([ROWS, *((_guesses(case) + 1) * len(case.levels) - 1 for case in cases)])
    figure = figures.figure(13.5, (0.24 * tallest + 0.75) * max(1, len(cases)) + 0.5)
    panels = figure.subplots(max(1, len(cases)), 3, squeeze=False, width_ratios=(2.1, 2.7, 4))
    for case, (left, middle, right) in zip(cases, panels, strict=False):
        _session(left, case)
        _categories(middle, case)
        _items(right, case)
    for axis, heading in zip(panels[0], HEADINGS, strict=True):
        # Long names are left of the last panel, so there is more room on that side.
        axis.set_title(heading, fontsize=10, fontweight="bold", loc="right" if axis is panels[0][2] else "left")
    figure.suptitle(f"{title} ({STAR} what came next)", fontsize=11)
    return figure


def _guesses(case: Case) -> int:
    return GUESSES.get(len(case.levels), 3)


def _chance(probability: float) -> str:
    return "<1%" if 0 < probability < 0.005 else f"{probability:.0%}"


def _cut(text: str, most: int) -> str:
    """The text cut to `most` characters. Not textwrap.shorten, which leaves nothing of a long id."""
    words = " ".join(text.split())
    return words if len(words) <= most else f"{words[: most - 1].rstrip()}…"


def _session(axis: "Axes", case: Case) -> None:
    axis.set_axis_off()
    lines = [(title, "black", "normal") for title in case.seen] + [(f"{STAR} {case.next_title}", RIGHT, "bold")]
    for row, (text, colour, weight) in enumerate(lines):
        y = 0.94 - row * min(0.15, 0.9 / len(lines))
        line = axis.text(0.0, y, "→ " * (row > 0) + _cut(text, 30), color=colour, fontweight=weight, fontsize=9.5)
        line.set(transform=axis.transAxes, parse_math=False)


def _categories(axis: "Axes", case: Case) -> None:
    heights: list[float] = []
    labels: list[tuple[str, bool]] = []
    y = 0.0
    for level, guesses in enumerate(case.levels, start=1):
        colour = LEVELS[(level - 1) % len(LEVELS)]
        for guess in guesses[: _guesses(case)]:
            drawn = axis.barh(y, 100 * guess.probability, color=colour, height=0.78)
            axis.bar_label(drawn, [_chance(guess.probability)], padding=3, fontsize=SMALL)
            heights.append(y)
            labels.append((f"{STAR} " * guess.is_right + _cut(guess.name, 34), guess.is_right))
            y += 1
        heading = axis.text(0.99, y - _guesses(case) / 2 - 0.5, f"level {level}", ha="right", va="center", color=colour)
        heading.set(transform=axis.get_yaxis_transform(), fontsize=SMALL)
        y += 0.6
    axis.set_xlim(0, 125)
    axis.set_xticks([])
    axis.spines["bottom"].set_visible(False)
    _rows(axis, heights, labels)


def _items(axis: "Axes", case: Case) -> None:
    labels = []
    for row, item in enumerate(case.items):
        ends = {True: 0.0, False: 0.0}  # of the stacked positive parts, and of the negative ones
        for level, value in item.parts.items():
            colour = LEVELS[(level - 1) % len(LEVELS)]
            axis.barh(row, value, left=ends[value >= 0], color=colour, height=0.78)
            ends[value >= 0] += value
        note = f"{sum(item.parts.values()):+.2f} of {item.score:.2f}"
        axis.annotate(note, (ends[True], row), xytext=(4, 0), textcoords="offset points", va="center", fontsize=SMALL)
        name = _cut(item.title, 34)
        category = f" ({_cut(item.category, 26)})" if item.category else ""
        labels.append((f"{STAR} " * item.is_next + f"{item.rank:,}  {name}{category}", item.is_next))
    low, high = axis.get_xlim()
    axis.set_xlim(low, high + 0.45 * (high - low))
    axis.axvline(0, color="black", linewidth=0.8)
    axis.tick_params(axis="x", labelsize=SMALL)
    _rows(axis, list(range(len(labels))), labels)


def _rows(axis: "Axes", heights: Sequence[float], labels: Sequence[tuple[str, bool]]) -> None:
    """Label the rows, top down; the next item and its categories are in bold."""
    axis.set_yticks(heights, [text for text, _ in labels], fontsize=SMALL)
    for label, (_, is_right) in zip(axis.get_yticklabels(), labels, strict=True):
        label.set_parse_math(False)
        if is_right:
            label.set_color(RIGHT)
            label.set_fontweight("bold")
    axis.set_ylim(max(heights[-1], ROWS - 1) + 0.6, -0.6)  # top down
    axis.tick_params(axis="y", length=0)
    axis.spines[["top", "right", "left"]].set_visible(False)
