"""Slices of a split -> a bar each."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hiersrec.writing import figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def picture(bars: Sequence[tuple[str, float]], metric: str) -> "Figure":
    """A bar for each label, the first on top, from 0. Raises MissingExtra without Matplotlib."""
    figure = figures.figure(6.5, 0.8 + 0.28 * len(bars))
    panel = figure.subplots()
    values = [value for _, value in bars]
    panel.barh(range(len(bars)), values, color=figures.COLOURS[0])
    panel.set_yticks(range(len(bars)), [label for label, _ in bars])
    panel.invert_yaxis()
    panel.set_xlabel(metric)
    panel.grid(axis="x", linewidth=0.4)
    panel.set_axisbelow(True)
    return figure
