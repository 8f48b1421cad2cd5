"""One picture of lines on logarithmic scales, side by side, as an SVG."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.ticker import LogLocator, NullFormatter

from hiersrec.writing.figures import COLOURS, MARKERS, figure, save

Series = Mapping[str, Sequence[tuple[float, float]]]


def lines(out: Path, name: str, across: str, axes: Mapping[str, Series]) -> None:
    """Write out/NAME.svg: for each of `axes`, by the title of its vertical scale, series of points (x, y)."""
    made = figure(4.5 * len(axes), 3.5)
    for at, (title, series) in zip(made.subplots(1, len(axes), squeeze=False)[0], axes.items(), strict=True):
        for (label, points), colour, marker in zip(series.items(), COLOURS, MARKERS, strict=False):
            if points:
                x, y = zip(*points, strict=True)
                at.plot(x, y, color=colour, marker=marker, label=label)
        at.set(xscale="log", yscale="log", xlabel=across, ylabel=title)
        measured = sorted({x for points in series.values() for x, _ in points})
        at.set_xticks(measured, [_short(one) for one in measured])
        at.set_xticks([], minor=True)
        # Numbers in plain letters: matplotlib's own powers of ten are formulas, and `save` writes none.
        at.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        at.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        at.yaxis.set_minor_formatter(NullFormatter())
        at.grid(alpha=0.3)
        if len(series) > 1:
            at.legend()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as aside:
        _, svg = save(made, Path(aside), name)
        (out / svg.name).write_bytes(svg.read_bytes())
    print(f"wrote {out / svg.name}")


def _short(number: float) -> str:
    """43097 as "43 K", 5000000 as "5 M"."""
    return f"{number / 1e6:g} M" if number >= 1e6 else f"{number / 1e3:.0f} K"
