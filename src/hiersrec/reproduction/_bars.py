"""A table of models as bars, a panel for each metric."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from hiersrec.writing import figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OURS, OTHERS = figures.COLOURS[0], "#B8C4CE"


def bars(title: str, names: Sequence[str], panels: Mapping[str, Sequence[float | None]], ours: str) -> "Figure":
    """Horizontal bars in percent, one per model from top to bottom; the bar of `ours` has another colour."""
    figure = figures.figure(3.2 * len(panels) + 1.6, 0.32 * len(names) + 1.1)
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    rows = range(len(names))
    for axis, (metric, values) in zip(axes, panels.items(), strict=True):
        heights = [100 * (value or 0.0) for value in values]
        colours = [OURS if name == ours else OTHERS for name in names]
        drawn = axis.barh(rows, heights, color=colours, height=0.72)
        labels = ["" if value is None else f"{100 * value:.1f}" for value in values]
        axis.bar_label(drawn, labels, padding=3, fontsize=8)
        axis.set_xlim(0, max([*heights, 0.1]) * 1.16)
        axis.set_title(f"{metric}, %", fontsize=10)
        axis.tick_params(axis="x", labelsize=8)
        axis.tick_params(axis="y", length=0)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_yticks(rows, names, fontsize=9)
    axes[0].set_ylim(len(names) - 0.4, -0.6)  # top down, in all panels
    figure.suptitle(title, fontsize=11)
    return figure
