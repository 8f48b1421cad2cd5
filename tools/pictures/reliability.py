"""Reliability: how often what is told with a probability comes true, in the bins of an evaluation."""

from collections.abc import Mapping
from typing import Any

from tools.pictures import svg
from tools.pictures.chart import Axis, Panel

TICKS = (0, 25, 50, 75, 100)
LARGEST, SMALLEST = 8.0, 2.5
"""Radii of the mark of a bin with all prefixes and with hardly any; areas go by the prefixes."""


def draw(tasks: Mapping[str, Any]) -> str:
    """A panel for the items and one for each level: a mark for each bin, on the dashed diagonal where it is right."""
    parts = []
    for place, (name, task) in enumerate(tasks.items()):
        panel = Panel(
            44 + 216 * (place % 2),
            52 + 264 * (place // 2),
            164,
            164,
            Axis(0, 100, TICKS, "told, %"),
            Axis(0, 100, TICKS, "came true, %"),
        )
        series = min(place, 1)
        title = f"{name}: ECE {task['ece']:.3f}"
        parts += [svg.text(panel.x - 30, panel.y - 32, title, "bold"), *panel.frame()]
        parts += [svg.path([panel.at(0, 0), panel.at(100, 100)], "line dashed")]
        drawn = [panel.at(100 * told, 100 * true) for told, true, _ in task["bins"]]
        parts += [svg.path(drawn, f"line {svg.SERIES[series]}")]
        for (x, y), (_, _, prefixes) in zip(drawn, task["bins"], strict=True):
            parts += [svg.mark(x, y, series, max(SMALLEST, LARGEST * (prefixes / task["prefixes"]) ** 0.5))]
    rows = (len(tasks) + 1) // 2
    return svg.picture("How often what is told with a probability comes true", 264 * rows, parts)
