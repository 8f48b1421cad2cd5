"""A trained run + a table of new items -> a run folder that can recommend them too, without retraining.

A model trained for it (recipes `best` and `cold_start`) scores an item through its categories and metadata where it has
no E^I of its own. So new items need nothing learnt: they get rows of zeros in the item table, and so do nodes that the
tree lacked. All else stays as it was, and with it every score of the other items in sessions without new ones.
"""

import shutil
import tempfile
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import safetensors.numpy

from hiersrec.build import RECIPE, WEIGHTS, open_run
from hiersrec.config import ModelRecipe, Recipe
from hiersrec.errors import BadRecipe
from hiersrec.prepare.extend_catalog import grow_catalog
from hiersrec.recipe_file import read_recipe
from hiersrec.store.catalog import Catalog
from hiersrec.store.folder import OWN, new_folder, open_seal, seal, write_text
from hiersrec.types import Float32

CARD = "MODEL_CARD.md"


def add_items(
    run: Path,
    items: Path | pa.Table,
    out: Path,
    say: Callable[[str], None],
    *,
    vectors: tuple[str, ...] = (),
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write the run folder `out`: the finished run `run`, with the new items of `items`; returns its run.json.

    items: a file, folder or Arrow table with the columns that the prepared items table had; rows of items that the run
    knows are passed over. vectors: "NAME=FILE.npy" for each column whose vectors lie in a file, a row for each row of
    `items`. `say` gets a line per stage. Raises BadRecipe if the run's model can't score new items,
    BadInput if the items don't fit or none is new, BadFolder if a folder is not what it should be.
    """
    document = open_seal(run, "run", checksums=True)
    _refuse(run, read_recipe(run / RECIPE), Catalog.open(run / "catalog"))
    with new_folder(out, "run", overwrite) as folder, tempfile.TemporaryDirectory() as scratch:
        added = grow_catalog(run / "catalog", _as_file(items, Path(scratch)), folder / "catalog", say, vectors)
        weights = safetensors.numpy.load_file(run / WEIGHTS)
        larger = _larger(weights, Catalog.open(folder / "catalog"))
        safetensors.numpy.save_file(larger, folder / WEIGHTS)
        for name in document["files"]:
            if name != WEIGHTS and not name.startswith("catalog/"):
                shutil.copyfile(run / name, folder / name)
        total = document.get("added_items", 0) + added
        if (run / CARD).is_file():  # not sealed: a run is whole without it
            card = (run / CARD).read_text(encoding="utf-8").split("\n\nAdded later:")[0].rstrip("\n")
            write_text(folder / CARD, f"{card}\n\nAdded later: {total:,} items, which training never saw.\n")
        document = {
            **{name: value for name, value in document.items() if name not in ("kind", "format_version", "files", OWN)},
            "parameters": document["parameters"] + sum(larger[one].size - weights[one].size for one in weights),
            "added_items": total,
        }
        files = [path for path in folder.rglob("*") if path.is_file() and path.name != CARD]
        seal(folder, "run", document, files)
        open_run(folder)  # what can't be opened is not put in place
    say(f"add-items: wrote {out}")
    return document


def _refuse(run: Path, recipe: Recipe, catalog: Catalog) -> None:
    """Raise BadRecipe if the recipe's model has nothing to score an item by that it was not trained on."""
    way_out = "Train with --recipe cold_start"
    if not isinstance(recipe, ModelRecipe):
        raise BadRecipe(f"{run} holds {recipe.name}, a rival that can't score items it was not fitted on. {way_out}.")
    if readers := [table.name for table in recipe.tasks if any(fnmatchcase("item", one) for one in table.reads)]:
        raise BadRecipe(
            f"{run} can't take new items: its task '{readers[0]}' reads the item task, with a weight for each item."
        )
    [item] = [table.config for table in recipe.tasks if table.name == "item"]
    if item.vectors != "id+metadata":
        raise BadRecipe(
            f'{run} can\'t score new items: its item task has head = "{item.head}" and vectors = "{item.vectors}", '
            f"which knows an item only by what was learnt of that item. {way_out}, or with --set "
            "tasks.item.head=cosine --set tasks.item.vectors=id+metadata --set inputs.id_dropout=0.2."
        )
    if not recipe.inputs.content_width(catalog):
        raise BadRecipe(
            f"{run} can't score new items: it knows an item by its id alone, as its dataset has {len(catalog.levels)} "
            f"category levels and {len(catalog.features)} metadata columns, and [inputs] category_width and "
            "metadata_width say which are used. Prepare with --items, and train with --recipe cold_start."
        )


def _as_file(items: Path | pa.Table, folder: Path) -> Path:
    """A table goes the way of files, so that it is read and checked as they are."""
    if isinstance(items, Path):
        return items
    pq.write_table(items, folder / "new_items.parquet")
    return folder / "new_items.parquet"


def _larger(weights: dict[str, Float32], catalog: Catalog) -> dict[str, Float32]:
    """The weights with rows of zeros for what is new; the tables of items and nodes are the only ones that grow."""
    rows = {"inputs.item_table.weight": catalog.num_items + 1, "trend": catalog.num_items}
    rows |= {f"inputs.level_tables.{at}.weight": level.num_nodes + 1 for at, level in enumerate(catalog.levels)}
    larger = dict(weights)
    for name, size in rows.items():
        if name in weights:  # a recipe may leave categories out of the inputs
            old = weights[name]
            larger[name] = np.concatenate([old, np.zeros((size - len(old), *old.shape[1:]), old.dtype)])
    return larger
