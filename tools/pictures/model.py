"""Figure 1 of the paper as this project has it: what reads what in the recipe `best` (docs/understand/model.md)."""

from tools.pictures import svg

LEFT, MIDDLE, RIGHT = 77.0, 220.0, 363.0
"""Middles of the three columns: category heads, the item task, the tree."""
SIDE, WIDE = 126.0, 412.0
"""Widths of a box in a column, and of one across all columns."""
GAP = 26.0

INPUTS = (("E^I", "its id"), ("Σ E^C", "its categories"), ("E^M", "its metadata"))
ENCODER = ("encoder", "GRU; in the paper a Transformer")
POOLING = ("pooling: z_final", "the last state; in the paper their average")
HEADS = ("category head", "one for each level", "softmax: p_t")
STATE = ("h", "z_final +", "λ_C · Σ Proj(p_t)")
TREE = ("tree head", "paths of the tree,", "all levels at once")
ITEM = ("item head", "cosine of h and", "the item vectors")
TERMS = ("score terms", "repeats, trend")
SCORES = ("item scores", "of all items")
SHOWN = ("categories", "to show, and", "for candidates")


def draw() -> str:
    """The session at the top, scores and probabilities at the bottom; dashed: what is fitted after training."""
    parts = [*_inputs(12)]
    y = 12 + 79.0
    for words in (ENCODER, POOLING):
        parts += [_arrow(MIDDLE, y), *svg.labelled(14, y + GAP, WIDE, words)]
        y += GAP + svg.height_of(words)
    parts += [_arrow(x, y) for x in (LEFT, MIDDLE, RIGHT)]
    y += GAP
    parts += [*_column(LEFT, y, HEADS, "key"), *_column(MIDDLE, y, STATE), *_column(RIGHT, y, TREE, "open")]
    parts += [_across(LEFT, MIDDLE, y + 33)]
    y += svg.height_of(STATE)
    parts += [_arrow(MIDDLE, y), _arrow(RIGHT, y)]
    y += GAP
    parts += [*_column(MIDDLE, y, ITEM), *_column(RIGHT, y, SHOWN, "key")]
    y += svg.height_of(ITEM)
    parts += [_arrow(MIDDLE, y)]
    y += GAP
    parts += [*_column(LEFT, y, TERMS), *_column(MIDDLE, y, SCORES, "key"), _across(LEFT, MIDDLE, y + 24)]
    parts += _fitting(y + svg.height_of(SCORES) / 2, y - 2 * GAP - svg.height_of(ITEM) - svg.height_of(STATE) / 2)
    return svg.picture("The model: what reads what", y + svg.height_of(SCORES) + 12, parts)


def _inputs(y: float) -> list[str]:
    """The vector of an item: three parts, one after another."""
    parts = [
        svg.box(14, y, WIDE, 79),
        svg.text(MIDDLE, y + 21, "each item of the session: one vector", "bold", "middle"),
    ]
    for x, (name, of) in zip((LEFT + 4, MIDDLE, RIGHT - 4), INPUTS, strict=True):
        parts += [svg.box(x - SIDE / 2 + 2, y + 30, SIDE - 4, 41, "inset")]
        parts += [svg.text(x, y + 47, name, "small", "middle"), svg.text(x, y + 64, of, "small soft", "middle")]
    return parts


def _column(x: float, y: float, words: tuple[str, ...], kind: str = "card") -> list[str]:
    return svg.labelled(x - SIDE / 2, y, SIDE, words, kind)


def _arrow(x: float, y: float) -> str:
    return svg.path([(x, y + 1), (x, y + GAP - 1)], "line arrow")


def _across(start: float, end: float, y: float) -> str:
    """An arrow from the box of a column to the box of the next one."""
    return svg.path([(start + SIDE / 2, y), (end - SIDE / 2 - 1, y)], "line arrow")


def _fitting(scores: float, head: float) -> list[str]:
    """The way from the item scores to the tree head, along the right edge: what the head is fitted to."""
    edge = RIGHT + SIDE / 2 + 8
    way = [(MIDDLE + SIDE / 2, scores), (edge, scores), (edge, head), (RIGHT + SIDE / 2 + 1, head)]
    words = ("fitted last: P(item)", "summed by path")
    return [svg.path(way, "line dashed arrow"), *svg.lines(RIGHT, scores - 22, words, "small soft", "middle")]
