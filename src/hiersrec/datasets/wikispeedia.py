"""Wikispeedia: paths of people who walk from one Wikipedia article to another by its links. Shipped with hiersrec.

Source: SNAP, https://snap.stanford.edu/data/wikispeedia.html; West and Leskovec, WWW 2012; West, Pineau and Precup,
IJCAI 2009. Free for research with citation (files/wikispeedia/CITATION.md). 51,312 finished paths over 4,604 articles
with titles and three category levels, 14 > 102 > 27; 32 % of the articles have the third. No times: clicks in order.

Known leak: players are given start and goal, and thousands of paths share both. So a pair of (first, last) article is
wholly on one side of the split.
"""

import re
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from hiersrec.datasets._facts import Facts, need_files
from hiersrec.prepare.engine import Engine
from hiersrec.prepare.settings import FIRST_LAST_ITEM, Metadata, PrepareSettings, SplitSettings
from hiersrec.prepare.source import Source

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
    """The embedded files, or those of a folder laid out like them."""
    events, items = need_files(folder or EMBEDDED, ("events.parquet", "items.parquet"), "Wikispeedia")
    return Source("wikispeedia", events, items, convert=_readable)


def _readable(given: Source, engine: Engine) -> Source:
    """Category paths such as "Geography.European_Geography" under readable names such as "European Geography"."""
    assert given.items is not None
    table = pq.read_table(given.items)
    for column in ("category_1", "category_2", "category_3"):
        names = table[column].to_pylist()
        shown = readable_names({name for name in names if name is not None})
        values = pa.array([name if name is None else shown[name] for name in names], pa.string())
        table = table.set_column(table.column_names.index(column), column, values)
    items = engine.scratch / "items.parquet"
    pq.write_table(table, items)
    return Source(given.name, given.events, items)


def readable_names(paths: set[str]) -> dict[str, str]:
    """Dotted path -> its last part in words; with the part above ("Art: Artists") where that alone is not unique."""
    last = Counter(path.split(".")[-1] for path in paths)
    return {
        path: ": ".join(_words(part) for part in path.split(".")[-1 if last[_end(path)] == 1 else -2 :])
        for path in paths
    }


def _end(path: str) -> str:
    return path.split(".")[-1]


def _words(part: str) -> str:
    # The publisher's file names lost their dash: British_History_15001750.
    return re.sub(r"(\d{4})(\d{4})", r"\1-\2", part).replace("_", " ")
