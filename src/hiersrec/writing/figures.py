"""Pictures by matplotlib, from the optional extra `figures`. No other module imports it.

A Figure is made and saved without pyplot, which would keep it in a global list and look for a screen. Equal figures
give equal bytes: no date is written, and the ids inside an SVG come from a fixed salt. An SVG has text instead of
outlines: it can be searched, copied and read aloud, and the file is small, but a machine without DejaVu Sans shows its
own sans-serif font.

Colours are those of Okabe and Ito, which are distinct for every colour vision; give each series its own MARKER too, so
that a grey print is readable.
"""

from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from hiersrec.errors import MissingExtra
from hiersrec.store.folder import new_file
from hiersrec.writing.tables import folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Blue, vermilion, green, purple, orange, sky blue, black: the first ones differ most."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DPI = 150
"""Points per inch of the PNG."""


def figure(width: float, height: float) -> "Figure":
    """An empty figure, size in inches, whose layout makes room for labels. Raises MissingExtra without matplotlib.

    >>> figure(4, 3).subplots(1, 2).shape
    (2,)
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("matplotlib", "figures") from error
    return Figure(figsize=(width, height), layout="constrained")


def svg(figure: "Figure") -> str:
    """The SVG as text; equal figures give equal texts."""
    stream = BytesIO()
    with _saving(figure):
        figure.savefig(stream, format="svg", metadata={"Date": None}, facecolor="white")
    return stream.getvalue().decode()


def save(figure: "Figure", out: Path, name: str) -> list[Path]:
    """Write NAME.png and NAME.svg into the folder `out`, which is made if missing; equal figures give equal bytes.

    Raises BadFolder if `out` is not a folder.
    """
    folder(out)
    paths = [out / f"{name}.png", out / f"{name}.svg"]
    with _saving(figure):
        for path, metadata in zip(paths, ({"Software": None}, {"Date": None}), strict=True):
            with new_file(path) as aside:
                figure.savefig(aside, format=path.suffix[1:], dpi=DPI, metadata=metadata, facecolor="white")
    return paths


def _saving(figure: "Figure") -> AbstractContextManager[None]:
    from matplotlib import rc_context
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_parse_math(False)  # two dollar signs in an item's title are not a formula
    fonts = ["DejaVu Sans", "Arial", "Helvetica"]
    # matplotlib reads these while it saves; they are restored, so a user's own pictures keep their style.
    return rc_context({"svg.fonttype": "none", "svg.hashsalt": "hiersrec", "font.sans-serif": fonts})
