"""REES46: views, carts and purchases of a web shop, in monthly files.

Source: eCommerce behavior data from multi category store, https://rees46.com/en/datasets (also on Kaggle), 2019 and
2020; not shipped. A folder holds the files of one or several months (2019-Oct.csv, 2019-Nov.csv, ..., also with .gz)
with event_time ("2019-10-01 00:00:00 UTC"), event_type, product_id, category_id, category_code
("electronics.smartphone"), brand, price, user_id and user_session.

There is no table of items, so it is made from the events: of each product the newest category_code, brand and price
that are not empty. The code is the path of its categories. The few events without a session are dropped, and counted.
"""

from pathlib import Path
from typing import Any

import ibis

from hiersrec.datasets._facts import Facts, copy_columns, need_folder
from hiersrec.errors import BadInput
from hiersrec.preparation.engine import Engine
from hiersrec.preparation.files import location
from hiersrec.preparation.settings import Columns, Metadata, PrepareSettings, SplitSettings
from hiersrec.preparation.source import Source, parts

SOURCE = Facts(
    title="eCommerce behavior data from multi category store, REES46",
    url="https://rees46.com/en/datasets",
    licence="free to use with attribution, as its publisher says",
    citation="eCommerce behavior data from multi category store. REES46 Marketing Platform, 2019",
    expected={},
)
SETTINGS = PrepareSettings(
    columns=Columns(category_path="category_code", category_separator="."),
    split=SplitSettings(method="last_days", value=7),
    metadata=Metadata(categorical=("brand",), numeric=("price",)),
)
NAMES = {
    "timestamp": "event_time",
    "event_type": "event_type",
    "item_id": "product_id",
    "category_code": "category_code",
    "brand": "brand",
    "price": "price",
    "user_id": "user_id",
    "session_id": "user_session",
}
"""Our name -> the file's."""
TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}( UTC)?$"


def source(folder: Path | None = None) -> Source:
    """The monthly files of a folder. Raises BadInput if it has none."""
    folder = need_folder(folder, "rees46", SOURCE)
    parts(folder)
    return Source("rees46", folder, convert=_from_raw)


def _from_raw(raw: Source, engine: Engine) -> Source:
    """Monthly files -> one Parquet file of events each, and the items of all of them."""
    folder = engine.scratch / "events"
    folder.mkdir()
    months = []
    for number, file in enumerate(parts(raw.events)):
        rows = _parsed(engine.read(copy_columns(file, NAMES, engine.scratch)))
        _refuse_bad_rows(engine, rows, file)
        columns = ("session_id", "item_id", "timestamp", "user_id", "event_type")
        with_session = rows.filter(rows["session_id"] != "").order_by("row").select(columns)
        engine.save(folder / f"{number:05}.parquet", with_session)
        months.append(rows.mutate(file=ibis.literal(number, type="int64")))
    rows = months[0] if len(months) == 1 else ibis.union(*months)
    dropped = engine.arrow(rows.aggregate(dropped=(rows["session_id"] == "").sum()))["dropped"][0].as_py()
    notes = (f"dropped {dropped:,} events without a user_session",) if dropped else ()
    items = engine.save(engine.scratch / "items.parquet", _items(rows))
    return Source(raw.name, folder, items, notes=notes)


def _parsed(rows: Any) -> Any:
    """Rows of a file, all text but `row`, with times and whole numbers, null where a value is neither."""
    is_time, is_item = rows["timestamp"].re_search(TIME), rows["item_id"].re_search("^[0-9]+$")
    return rows.mutate(
        timestamp=ibis.ifelse(is_time, rows["timestamp"].substr(0, 19), ibis.null()).try_cast("timestamp"),
        item_id=ibis.ifelse(is_item, rows["item_id"], ibis.null()).try_cast("int64"),
        price=rows["price"].nullif("").try_cast("float64"),
    )


def _refuse_bad_rows(engine: Engine, rows: Any, file: Path) -> None:
    wrong = rows.filter(rows["timestamp"].isnull() | rows["item_id"].isnull())
    if first := engine.arrow(wrong.select("row").order_by("row").limit(1)).to_pylist():
        raise BadInput(
            f"{location(file, first[0]['row'] + 1)}: event_time must be a time such as 2019-10-01 00:00:00 UTC, and "
            "product_id a whole number. Download the file again."
        )


def _items(rows: Any) -> Any:
    """The newest values of each product that are not empty; of the same second, those of the later row."""
    order = ibis.struct({name: rows[name] for name in ("timestamp", "file", "row")})
    columns = {name: rows[name].nullif("") for name in ("category_code", "brand")} | {"price": rows["price"]}
    newest = {name: values.argmax(order, where=values.notnull()) for name, values in columns.items()}
    return rows.group_by("item_id").aggregate(**newest).order_by("item_id")
