"""A panel with axes: its frame, and where a point of the data is drawn."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tools.pictures import svg


@dataclass(frozen=True)
class Axis:
    """The least and the greatest value, the values that are written at the axis, and its title."""

    low: float
    high: float
    ticks: Sequence[float]
    title: str
    logarithmic: bool = False

    def share(self, value: float) -> float:
        """How far along the axis a value lies, from 0 to 1."""
        scale: Callable[[float], float] = math.log if self.logarithmic else float
        return (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low))


@dataclass(frozen=True)
class Panel:
    """A chart inside of a rectangle; labels are outside of it, left and below."""

    x: float
    y: float
    width: float
    height: float
    across: Axis
    up: Axis

    def at(self, across: float, up: float) -> tuple[float, float]:
        """Where a point of the data lies in the picture."""
        return self.x + self.width * self.across.share(across), self.y + self.height * (1 - self.up.share(up))

    def frame(self) -> list[str]:
        """Grid, numbers and titles; the title of the vertical axis stands level above it."""
        parts = [svg.text(self.x - 30, self.y - 12, self.up.title, "small soft")]
        bottom = self.y + self.height
        for value in self.up.ticks:
            x, y = self.at(self.across.low, value)
            parts += [svg.path([(x, y), (x + self.width, y)], "line grid")]
            parts += [svg.text(x - 6, y + 4, f"{value:g}", "small soft", "end")]
        for value in self.across.ticks:
            x, _ = self.at(value, self.up.low)
            parts += [svg.path([(x, self.y), (x, bottom)], "line grid")]
            parts += [svg.text(x, bottom + 17, f"{value:g}", "small soft", "middle")]
        return [*parts, svg.text(self.x + self.width, bottom + 35, self.across.title, "small soft", "end")]

    def line(self, points: Sequence[tuple[float, float]], series: int) -> list[str]:
        """Points of the data with their marks, joined."""
        drawn = [self.at(*point) for point in points]
        return [svg.path(drawn, f"line {svg.SERIES[series]}"), *(svg.mark(x, y, series) for x, y in drawn)]
