"""Wikispeedia: paths of players from one Wikipedia article to another by links. Shipped with hiersrec.

Source: SNAP, https://snap.stanford.edu/data/wikispeedia.html; West and Leskovec, WWW 2012; West, Pineau and Precup,
IJCAI 2009. Free for research with citation (files/wikispeedia/CITATION.md). 51,312 finished paths over 4,604 articles
with titles and three category levels, 14 > 102 > 27; 32 % of the articles have the third. Clicks are ordered, without
times.

Known leak: players are given start and goal, and thousands of paths share both. So all paths with the same first and
last article are on one side of the split.
"""

import re
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from hiersrec.datasets._facts import Facts, need_files
from hiersrec.preparation.engine import Engine
from hiersrec.preparation.settings import FIRST_LAST_ITEM, Metadata, PrepareSettings, SplitSettings
from hiersrec.preparation.source import Source

SOURCE = Facts(
    title="Wikispeedia navigation paths",
    url="https://snap.stanford.edu/data/wikispeedia.html",
    licence="free for research with citation",
    citation="West and Leskovec: Human Wayfinding in Information Networks. WWW 2012",
    expected={"interactions": 305_199},
)
SETTINGS = PrepareSettings(
    split=SplitSettings(method="random", value=0.2, key=FIRST_LAST_ITEM, seed=0),
    metadata=Metadata(text=("title",), ignore=("all_categories",)),
)
EMBEDDED = Path(__file__).parent / "files" / "wikispeedia"


def source(folder: Path | None = None) -> Source:
    """The shipped files, or those in a folder with the same layout."""
    events, items = need_files(folder or EMBEDDED, ("events.parquet", "items.parquet"), "Wikispeedia")
    return Source("wikispeedia", events, items, convert=_readable)


def _readable(raw: Source, engine: Engine) -> Source:
    """Replace category paths such as "Geography.European_Geography" by names such as "European Geography"."""
    assert raw.items is not None
    table = pq.read_table(raw.items)
    for column in ("category_1", "category_2", "category_3"):
        paths = table[column].to_pylist()
        names = readable_names({path for path in paths if path is not None})
        values = pa.array([None if path is None else names[path] for path in paths], pa.string())
        table = table.set_column(table.column_names.index(column), column, values)
    items = engine.scratch / "items.parquet"
    pq.write_table(table, items)
    return Source(raw.name, raw.events, items)


def readable_names(paths: set[str]) -> dict[str, str]:
    """Dotted path -> its last part in words; with the part above ("Art: Artists") if the last part is not unique."""
    parts = {path: path.split(".") for path in paths}
    count = Counter(names[-1] for names in parts.values())
    return {path: ": ".join(map(_words, names[-1 if count[names[-1]] == 1 else -2 :])) for path, names in parts.items()}


def _words(part: str) -> str:
    # The publisher's file names lost their dash: British_History_15001750.
    return re.sub(r"(\d{4})(\d{4})", r"\1-\2", part).replace("_", " ")
