"""From tables to recommendations: the commands, and what each folder holds (docs/lookup/folders.md)."""

from tools.pictures import svg

LEFT, RIGHT = 114.0, 326.0
"""Middles of the two columns below the run folder."""
HALF = 200.0
"""Width of a column."""
ARROW = 36.0

TABLES = ("your tables", (("events", "session, item, time"), ("items", "item, categories, metadata")))
DATASET = (
    "dataset folder",
    (("catalog/", "items, tree, encoded metadata"), ("train/ valid/ test/", "sessions as arrays")),
)
RUN = (
    "run folder",
    (("model.safetensors", "weights"), ("recipe.toml", "every setting"), ("catalog/", "a copy: enough to recommend")),
)
EVALUATION = ("evaluation", "metrics.json", "ranks.parquet", "lie in the run folder")
BUNDLE = ("bundle", "encoder.onnx", "vectors.npy, catalog/", "needs no PyTorch")
LISTS = ("HTTP service, page, files of lists", "likely categories, next items, reasons")

Folder = tuple[str, tuple[tuple[str, str], ...]]


def draw() -> str:
    """Boxes from top to bottom, an arrow for each command."""
    parts: list[str] = []
    y = 12.0
    for folder, command, kind in ((TABLES, "prepare", "open"), (DATASET, "train", "card"), (RUN, "", "card")):
        parts += _folder(y, folder, kind)
        y += _height(folder)
        if command:
            parts += _command(y, svg.WIDTH / 2, command)
            y += ARROW
    parts += [*_command(y, LEFT, "evaluate"), *_command(y, RIGHT, "export")]
    y += ARROW
    parts += svg.labelled(LEFT - HALF / 2, y, HALF, EVALUATION, "open")
    parts += svg.labelled(RIGHT - HALF / 2, y, HALF, BUNDLE, "key")
    y += svg.height_of(BUNDLE)
    parts += _command(y, RIGHT, "serve, recommend", left=True)
    y += ARROW
    parts += svg.labelled(14, y, svg.WIDTH - 28, LISTS, "open")
    return svg.picture("From tables over a dataset folder and a run folder to a bundle that is served", y + 61, parts)


def _height(folder: Folder) -> float:
    return 34 + 17 * len(folder[1])


def _folder(y: float, folder: Folder, kind: str) -> list[str]:
    """A box as wide as the picture: the name, and for each file what it holds."""
    parts = [svg.box(14, y, svg.WIDTH - 28, _height(folder), kind), svg.text(26, y + 22, folder[0], "bold")]
    for row, (file, holds) in enumerate(folder[1]):
        base = y + 41 + 17 * row
        parts += [svg.text(26, base, file, "small"), svg.text(176, base, holds, "small soft")]
    return parts


def _command(y: float, x: float, name: str, *, left: bool = False) -> list[str]:
    """An arrow down to the next box, with its command at its right or left."""
    arrow = svg.path([(x, y + 2), (x, y + ARROW - 2)], "line arrow")
    place = (x - 10, "end") if left else (x + 10, "start")
    return [arrow, svg.text(place[0], y + 22, name, "small bold first", place[1])]
