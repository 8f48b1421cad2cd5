"""Accuracy against the share of the catalogue that is scored: candidates by mass, and the best K of every level."""

from collections.abc import Sequence

from tools.pictures import svg
from tools.pictures.chart import Axis, Panel

Point = tuple[str, float, float]
"""Its label, the share of the catalogue that is scored, and the part of HITS@20 that is kept, both in percent."""

PANEL = Panel(
    44,
    40,
    380,
    250,
    Axis(0, 90, range(0, 91, 10), "scored of the catalogue, %"),
    Axis(75, 101, range(75, 101, 5), "kept of full ranking's HITS@20, %"),
)
NAMES = ("mass of the tree", "K best of each level")


def draw(mass: Sequence[Point], best: Sequence[Point]) -> str:
    """Two lines; further up and left is better."""
    parts = PANEL.frame()
    for series, points in enumerate((mass, best)):
        parts += PANEL.line([(share, kept) for _, share, kept in points], series)
        for label, share, kept in points:
            x, y = PANEL.at(share, kept)
            parts += [svg.text(x + 7, y + 16, label, f"small {svg.SERIES[series]}")]
    parts += svg.legend(176, 250, NAMES)
    return svg.picture("HITS@20 that is kept, against the share of the catalogue that is scored", 336, parts)
