"""Diginetica: item views of a web shop, CIKM Cup 2016, track 2, in the standard split of the literature.

Source: https://competitions.codalab.org/competitions/11161. Two layouts are read:

- the raw files train-item-views.csv, product-categories.csv and products.csv (separated by ';');
- train.parquet, test.parquet and items.parquet with session_id, position, item_id and category_1, already split.

Raw files are split as in `CRIPAC-DIG/SR-GNN:datasets/preprocess.py`, whose numbers are the standard of comparison:
clicks are sorted by `timeframe`, ties by row; a session's day is the `eventdate` of its last row. Dropped are sessions
of one click; then, counted once and over all days, items with fewer than 5 clicks; then again sessions of one click.
Sessions after the last day minus 7 are test, those before it training: **sessions of exactly that day are in neither**.
Test clicks on items that training never saw are dropped, then test sessions of one click. Two deviations change no
metric: item ids stay as given, and days are calendar days, not local times.

Clicks must be sorted by time: results near 62/27 in the literature come from unsorted files (see SR-GNN's issues).
"""

from pathlib import Path
from typing import Any

import ibis

from hiersrec.datasets._facts import Facts, copy_columns, need_files, need_folder
from hiersrec.errors import BadInput
from hiersrec.preparation.engine import Engine
from hiersrec.preparation.files import location
from hiersrec.preparation.settings import PrepareSettings, SplitSettings
from hiersrec.preparation.source import Source

SOURCE = Facts(
    title="Diginetica, CIKM Cup 2016 track 2",
    url="https://competitions.codalab.org/competitions/11161",
    licence="for research, as the competition says",
    citation="CIKM Cup 2016 Track 2: Personalized E-Commerce Search Challenge",
    expected={
        "training_sessions": 186_670,
        "test_sessions": 15_963,
        "items": 43_097,
        "training_prefixes": 719_470,
        "test_prefixes": 60_858,
        "interactions": 982_961,
    },
)
SETTINGS = PrepareSettings(split=SplitSettings(method="given"))
RAW = ("train-item-views.csv", "product-categories.csv", "products.csv")
MIN_ITEM_CLICKS = 5
TEST_DAYS = 7


def source(folder: Path | None = None) -> Source:
    """The files of either layout in a folder. Raises BadInput if it is neither."""
    folder = need_folder(folder, "diginetica", SOURCE)
    if (folder / RAW[0]).exists():
        views, *products = need_files(folder, RAW, "the raw CIKM Cup 2016 files")
        return Source("diginetica", views, convert=_from_raw, extra=tuple(products))
    names = ("train.parquet", "test.parquet", "items.parquet")
    train, test, items = need_files(folder, names, f"Diginetica, neither prepared nor raw ({RAW[0]})")
    return Source("diginetica", train, items, test)


def _from_raw(raw: Source, engine: Engine) -> Source:
    """Raw files -> train, test and items tables, in the published split."""
    names = {"session_id": "sessionId", "item_id": "itemId", "timeframe": "timeframe", "day": "eventdate"}
    views = copy_columns(raw.events, names, engine.scratch, ";")
    categories = copy_columns(raw.extra[0], {"item_id": "itemId", "category_1": "categoryId"}, engine.scratch, ";")
    names = {"item_id": "itemId", "pricelog2": "pricelog2", "name_tokens": "product.name.tokens"}
    products = copy_columns(raw.extra[1], names, engine.scratch, ";")
    _refuse_bad_rows(engine, engine.read(views), raw.events)
    train, test = published_split(engine, engine.read(views))
    category = engine.read(categories).mutate(item_id=_int("item_id"), category_1=_int("category_1"))
    product = engine.read(products).mutate(item_id=_int("item_id"), pricelog2=ibis._.pricelog2.try_cast("float64"))
    joined = category.drop("row").left_join(product.drop("row"), "item_id").drop("item_id_right")
    items = engine.save(engine.scratch / "items.parquet", joined.order_by("item_id"))
    return Source(raw.name, train, items, test)


def _int(column: str) -> Any:
    return ibis._[column].cast("int64")


def _refuse_bad_rows(engine: Engine, views: Any, file: Path) -> None:
    integers = ("session_id", "item_id", "timeframe")
    # Only digits: engines differ in which other texts they cast to integers ("1.5" is 2 for DuckDB).
    digits = {name: ibis.ifelse(ibis._[name].re_search("^-?[0-9]+$"), ibis._[name], ibis.null()) for name in integers}
    parsed = views.mutate(
        **{name: text.try_cast("int64") for name, text in digits.items()}, day=ibis._.day.try_cast("date")
    )
    wrong = parsed.filter(ibis.or_(*(parsed[name].isnull() for name in (*integers, "day"))))
    if rows := engine.arrow(wrong.order_by("row").limit(1)).to_pylist():
        raise BadInput(
            f"{location(file, rows[0]['row'] + 1)}: session, item and timeframe must be integers, and eventdate a day "
            f"such as 2016-05-09. Download the file again."
        )


def published_split(engine: Engine, views: Any) -> tuple[Path, Path]:
    """Views (row, and as text session_id, item_id, timeframe, day) -> files of the training and the test events."""
    views = views.mutate(
        session_id=_int("session_id"), item_id=_int("item_id"), timeframe=_int("timeframe"), day=ibis._.day.cast("date")
    )
    views = engine.keep("views", _longer_than_one(views))
    views = views.mutate(clicks=views.count().over(ibis.window(group_by="item_id")))
    views = _longer_than_one(views.filter(views["clicks"] >= MIN_ITEM_CLICKS))
    by_session = ibis.window(group_by="session_id")
    views = engine.keep("views_dated", views.mutate(session_day=views["day"].argmax(views["row"]).over(by_session)))
    last_day = engine.arrow(views.aggregate(day=views["session_day"].max()))["day"][0].as_py()
    if last_day is None:
        raise BadInput(
            "No session is left: no item of the views has 5 clicks in sessions of two or more. Download the file again."
        )
    cut = ibis.date(str(last_day)) - ibis.interval(days=TEST_DAYS)
    columns = ["session_id", "item_id", "position", "timestamp"]
    in_order = ibis.window(group_by="session_id", order_by=["timeframe", "row"])
    views = views.mutate(position=ibis.row_number().over(in_order), timestamp=views["session_day"])
    train = engine.save(
        engine.scratch / "views_train.parquet", views.filter(views["session_day"] < cut).select(columns)
    )
    test = views.filter(views["session_day"] > cut).select(columns)
    test = _longer_than_one(test.semi_join(engine.read(train), "item_id"))
    return train, engine.save(engine.scratch / "views_test.parquet", test.select(columns))


def _longer_than_one(views: Any) -> Any:
    marked = views.mutate(length=views.count().over(ibis.window(group_by="session_id")))
    return marked.filter(marked["length"] > 1).drop("length")
