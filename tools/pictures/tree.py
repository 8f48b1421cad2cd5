"""A prediction: the likeliest branches of the tree with their probabilities, and the next items."""

from collections.abc import Sequence
from typing import Any

from tools.pictures import svg

ROW, INDENT = 24.0, 18.0
LEFT, BARS, END = 16.0, 268.0, 424.0
"""Where names begin, where bars begin, and where numbers end."""
LONGEST = 104.0
"""Length of the bar of the greatest probability."""


def draw(prediction: dict[str, Any]) -> str:
    """The session, then a row for each branch under its parent, then a row for each item, and the target below."""
    branches, items, target = prediction["branches"], prediction["items"], prediction["target"]
    scale = max(row["probability"] for row in (*branches, *items))
    parts = [svg.text(LEFT, 28, "Session", "bold"), svg.text(LEFT, 50, " > ".join(prediction["session"]), "small")]
    parts += _head(86, "Next category")
    y = 110.0
    for row, branch in enumerate(branches):
        name, depth = branch["path"][-1], len(branch["path"]) - 1
        parts += _row(y + ROW * row, LEFT + INDENT * depth, name, branch["probability"], scale, 0)
    parts += _stems(branches, y)
    y += ROW * len(branches) + 14
    parts += _head(y, "Next item")
    y += 24
    for item in items:
        parts += _row(y, LEFT, f"{item['rank']}.  {item['title']}", item["probability"], scale, 3)
        y += ROW
    clicked = f"{target['rank']}.  {target['title']}: clicked next"
    parts += [svg.text(LEFT, y, "⋯", "small soft"), *_row(y + ROW, LEFT, clicked, target["probability"], scale, 3)]
    return svg.picture("A prediction: branches of the category tree, then items", y + ROW + 16, parts)


def _head(y: float, title: str) -> list[str]:
    return [svg.text(LEFT, y, title, "bold"), svg.text(END, y, "probability", "small soft", "end")]


def _row(y: float, x: float, name: str, probability: float, scale: float, series: int) -> list[str]:
    length = LONGEST * probability / scale
    return [
        svg.text(x, y, name, "small"),
        svg.bar(BARS, y - 10, length, 12, svg.SERIES[series]),
        svg.text(END, y, f"{100 * probability:.1f} %", "small", "end"),
    ]


def _stems(branches: Sequence[dict[str, Any]], y: float) -> list[str]:
    """A line from each parent to its last child, and a short one to each child."""
    parts = []
    for row, branch in enumerate(branches):
        depth = len(branch["path"]) - 1
        if depth:
            parent = next(place for place in range(row - 1, -1, -1) if len(branches[place]["path"]) == depth)
            x = LEFT + INDENT * (depth - 1) + 5
            way = [(x, y + ROW * parent + 5), (x, y + ROW * row - 4), (x + INDENT - 8, y + ROW * row - 4)]
            parts += [svg.path(way)]
    return parts
