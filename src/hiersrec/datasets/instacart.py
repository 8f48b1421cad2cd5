"""Instacart: one grocery order of each of 131,209 customers, items in the order in which they were put into the cart.

Source: The Instacart Online Grocery Shopping Dataset 2017, the training orders. Non-commercial use with attribution, so
it is never shipped. Two layouts are read:

- the raw files order_products__train.csv, products.csv, aisles.csv and departments.csv;
- events.parquet (session_id, position, item_id) and items.parquet (item_id, title, category_1, category_2).

Two levels, 21 departments > 134 aisles, a strict tree. The orders have no dates, so the split is random, by order.
"""

from pathlib import Path
from typing import Any

import ibis

from hiersrec.datasets._facts import Facts, copy_columns, need_files, need_folder
from hiersrec.preparation.engine import Engine
from hiersrec.preparation.settings import Metadata, PrepareSettings, SplitSettings
from hiersrec.preparation.source import Source

SOURCE = Facts(
    title="The Instacart Online Grocery Shopping Dataset 2017",
    url="https://www.instacart.com/datasets/grocery-shopping-2017",
    licence="non-commercial use with attribution",
    citation="The Instacart Online Grocery Shopping Dataset 2017",
    expected={"interactions": 1_377_772},
)
SETTINGS = PrepareSettings(split=SplitSettings(method="random", value=0.2, seed=0), metadata=Metadata(text=("title",)))
RAW = ("order_products__train.csv", "products.csv", "aisles.csv", "departments.csv")


def source(folder: Path | None = None) -> Source:
    """The files of either layout in a folder. Raises BadInput if it is neither."""
    folder = need_folder(folder, "instacart", SOURCE)
    if (folder / RAW[0]).exists():
        orders, *others = need_files(folder, RAW, "the raw Instacart files")
        return Source("instacart", orders, convert=_from_raw, extra=tuple(others))
    events, items = need_files(
        folder, ("events.parquet", "items.parquet"), f"Instacart, neither Parquet nor raw ({RAW[0]})"
    )
    return Source("instacart", events, items)


def _from_raw(raw: Source, engine: Engine) -> Source:
    """Four raw tables -> events and items."""

    def read(file: Path, **names: str) -> Any:
        return engine.read(copy_columns(file, names, engine.scratch))

    orders = read(raw.events, session_id="order_id", item_id="product_id", position="add_to_cart_order")
    orders = orders.mutate(**{name: ibis._[name].cast("int64") for name in ("session_id", "item_id", "position")})
    events = engine.save(engine.scratch / "events_normal.parquet", orders.order_by("row").drop("row"))
    products = read(
        raw.extra[0], item_id="product_id", title="product_name", aisle_id="aisle_id", department_id="department_id"
    )
    aisles = read(raw.extra[1], aisle_id="aisle_id", category_2="aisle")
    departments = read(raw.extra[2], department_id="department_id", category_1="department")
    joined = products.join(aisles.drop("row"), "aisle_id").join(departments.drop("row"), "department_id")
    table = joined.mutate(item_id=ibis._.item_id.cast("int64")).order_by("item_id")
    items = engine.save(engine.scratch / "items.parquet", table.select("item_id", "title", "category_1", "category_2"))
    return Source(raw.name, events, items)
