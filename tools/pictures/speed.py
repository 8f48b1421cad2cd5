"""Accuracy against time: what a search keeps of HITS@20, and how long it takes for one session."""

from collections.abc import Mapping, Sequence

from tools.pictures import svg
from tools.pictures.chart import Axis, Panel

PANEL = Panel(
    52,
    40,
    372,
    250,
    Axis(0.015, 0.7, (0.02, 0.05, 0.1, 0.2, 0.5), "milliseconds a session (half take at most this)", logarithmic=True),
    Axis(98.7, 100.05, (98.8, 99, 99.2, 99.4, 99.6, 99.8, 100), "kept of full ranking's HITS@20, %"),
)


def draw(systems: Mapping[str, Sequence[tuple[float, float]]], full: float) -> str:
    """A line for each system: (milliseconds, percent kept); full: milliseconds of a scan of all items."""
    x, y = PANEL.at(full, 100)
    parts = [*PANEL.frame(), svg.path([(x, PANEL.y), (x, PANEL.y + PANEL.height)], "line dashed")]
    parts += svg.lines(x - 6, y + 28, ("full scan", f"{full:g} ms"), "small soft", "end")
    for series, points in enumerate(systems.values()):
        parts += PANEL.line(points, series)
    parts += svg.legend(218, 208, list(systems))
    return svg.picture("HITS@20 that is kept, against the time of a search", 336, parts)
