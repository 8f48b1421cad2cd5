"""Small functions that return pieces of an SVG, and `picture`, which makes one file of them.

A picture has its own ground and two sets of colours, and follows `prefers-color-scheme`: where a page and the reader's
system disagree it is still readable, only brighter or darker than the page. It is 440 units wide and at most 560
pixels, so that its smallest letters have 10 pixels on a phone. The bytes depend on no font and on no library.
"""

from collections.abc import Iterable, Sequence
from html import escape

WIDTH, SHOWN = 440, 560
"""Units across, and pixels where there is room."""
FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"

INKS = {
    "ground": ("#ffffff", "#1e2129"),
    "ink": ("#1f2328", "#e6e8ec"),
    "soft": ("#57606a", "#a9b1bd"),
    "edge": ("#8c959f", "#6b7480"),
    "card": ("#f0f3f5", "#2a303b"),
    "key": ("#d3ece8", "#17453f"),
    "first": ("#00796b", "#4db6ac"),
    "second": ("#b84a00", "#ff9e5e"),
    "third": ("#6f42c1", "#c297ff"),
    "fourth": ("#0a5cc0", "#79b8ff"),
}
"""Name -> colour on a light and on a dark page. Words are written in ink, soft and first to fourth."""
SERIES = ("first", "second", "third", "fourth")


def number(value: float) -> str:
    """A coordinate, to a tenth."""
    return f"{value:.1f}".removesuffix(".0")


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    """Words whose baseline begins, has its middle or ends at (x, y). kind: of bold, small, soft and SERIES, several."""
    place = "" if anchor == "start" else f' text-anchor="{anchor}"'
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{number(x)}" y="{number(y)}"{place}{style}>{escape(words, quote=False)}</text>'


def lines(x: float, y: float, words: Sequence[str], kind: str = "small soft", anchor: str = "start") -> list[str]:
    """Small lines, one under another."""
    return [text(x, y + 17 * row, line, kind, anchor) for row, line in enumerate(words)]


def box(x: float, y: float, width: float, height: float, kind: str = "card") -> str:
    """A rounded rectangle; kind: card, inset (in a card), key (what matters most) or open (a dashed edge)."""
    size = f'width="{number(width)}" height="{number(height)}"'
    return f'<rect x="{number(x)}" y="{number(y)}" {size} rx="5" class="box {kind}"/>'


def labelled(x: float, y: float, width: float, words: Sequence[str], kind: str = "card") -> list[str]:
    """A box with a bold line and small ones below it, all in the middle. It is `height_of(words)` high."""
    middle = x + width / 2
    first, *rest = words
    name = text(middle, y + 21, first, "bold", "middle")
    return [box(x, y, width, height_of(words), kind), name, *lines(middle, y + 38, rest, anchor="middle")]


def height_of(words: Sequence[str]) -> float:
    """Height of a labelled box."""
    return 32 + 17 * (len(words) - 1)


def bar(x: float, y: float, width: float, height: float, kind: str) -> str:
    """A filled rectangle in a colour of SERIES, edge or key."""
    size = f'width="{number(width)}" height="{number(height)}"'
    return f'<rect x="{number(x)}" y="{number(y)}" {size} class="fill {kind}"/>'


def path(points: Iterable[tuple[float, float]], kind: str = "line") -> str:
    """A line through points. kind: "line" with any of grid, dashed, arrow (it has a head) and a colour of SERIES."""
    way = "L".join(f"{number(x)} {number(y)}" for x, y in points)
    head = ' marker-end="url(#head)"' if "arrow" in kind else ""
    return f'<path d="M{way}" class="{kind}"{head}/>'


def mark(x: float, y: float, series: int, radius: float = 4.5) -> str:
    """A mark of a series: circle, square, triangle or diamond, so that a grey print is readable."""
    if series == 0:
        return f'<circle cx="{number(x)}" cy="{number(y)}" r="{number(radius)}" class="fill first"/>'
    shapes = (
        ((-1, -1), (1, -1), (1, 1), (-1, 1)),
        ((0, -1.2), (1.2, 1), (-1.2, 1)),
        ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)),
    )
    corners = "L".join(f"{number(x + 0.9 * radius * a)} {number(y + 0.9 * radius * b)}" for a, b in shapes[series - 1])
    return f'<path d="M{corners}Z" class="fill {SERIES[series]}"/>'


def legend(x: float, y: float, names: Sequence[str]) -> list[str]:
    """The mark of each series, and its name in the same colour."""
    parts = []
    for series, name in enumerate(names):
        parts += [mark(x, y + 19 * series - 4, series), text(x + 11, y + 19 * series, name, f"small {SERIES[series]}")]
    return parts


def picture(title: str, height: float, parts: Iterable[str]) -> str:
    """The file. title: what is seen, for those who hear it."""
    size = f'width="{SHOWN}" height="{number(height * SHOWN / WIDTH)}" viewBox="0 0 {WIDTH} {number(height)}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            f"<title>{escape(title, quote=False)}</title>",
            f"<style>\n{_style()}\n</style>",
            '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">',
            '<path d="M0 0L8 4L0 8Z" class="fill edge"/></marker>',
            f'<rect width="{WIDTH}" height="{number(height)}" rx="6" class="fill ground"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _style() -> str:
    """Shapes, then the colours of a light page and those of a dark one."""
    shapes = [
        f"text {{ font: 14px {FONT} }}",
        ".small { font-size: 12.5px } .bold { font-weight: 600 }",
        ".box { stroke-width: 1 } path { stroke-width: 1.5 } .line.grid { stroke-width: 0.6 }",
        ".line { fill: none } .fill { stroke: none } .dashed, .open { stroke-dasharray: 4 3 }",
    ]
    return "\n".join([*shapes, *_colours(0), "@media (prefers-color-scheme: dark) {", *_colours(1), "}"])


def _colours(scheme: int) -> list[str]:
    ink = {name: colours[scheme] for name, colours in INKS.items()}
    return [
        f"text {{ fill: {ink['ink']} }} text.soft {{ fill: {ink['soft']} }}",
        f".line, .box {{ stroke: {ink['edge']} }} .key.box {{ stroke: {ink['first']} }} .open {{ fill: none }}",
        *(f".{name}:not(.line) {{ fill: {ink[name]} }}" for name in ("ground", "edge", "card", "key")),
        f".inset {{ fill: {ink['ground']} }}",
        *(
            f".fill.{name}, text.{name} {{ fill: {ink[name]} }} .line.{name} {{ stroke: {ink[name]} }}"
            for name in SERIES
        ),
    ]
