"""A trained run + a table of new items -> a run folder that can recommend them too, without retraining.

A model trained for it (the default recipe's is) scores an item through its categories and metadata where it has
no E^I of its own. So new items need no training: they get rows of zeros in the item table, and so do nodes that the
tree lacked. All other weights stay, and so does every score of the other items in sessions without new ones.
"""

import shutil
from pathlib import Path
from typing import Any

import safetensors.numpy

from hiersrec import registry
from hiersrec.build import WEIGHTS, LoadedRun, facts, grown, open_run, weights_of
from hiersrec.config import ModelRecipe
from hiersrec.constraints import above, check, equals, excludes, is_set, requires
from hiersrec.errors import DEFAULT_RECIPE, BadRecipe
from hiersrec.preparation.extend_catalog import extend_catalog
from hiersrec.preparation.tables import as_files
from hiersrec.store.catalog import Catalog
from hiersrec.store.folder import OWN, new_file, new_folder, seal, write_text
from hiersrec.types import Frame, Say

CARD = "MODEL_CARD.md"


def add_items(
    run: Path,
    items: str | Path | Frame,
    out: Path,
    say: Say,
    *,
    vectors: tuple[str, ...] = (),
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write the run folder `out`: the finished run `run`, with the new items of `items`; returns its run.json.

    items: a file, a folder or a frame with the columns that the prepared items table had; rows of items that the run
    knows are ignored. vectors: "NAME=FILE.npy" for each column whose vectors lie in a file, a row for each row of
    `items`. `say` gets a line per stage. Raises BadRecipe if the run's model can't score new items,
    BadInput if the items don't fit or none is new, BadFolder if a folder is not what it should be.
    """
    opened = open_run(run)
    document = opened.document
    _check(opened)
    registry.check_recorded(document.get("plugins", ()), run)
    with new_folder(out, "run", overwrite) as folder, as_files({"items": items}) as files:
        added = extend_catalog(run / "catalog", files["items"], folder / "catalog", say, vectors)
        weights = weights_of(opened)
        larger = grown(weights, opened.recipe, Catalog.open(folder / "catalog"))
        with new_file(folder / WEIGHTS) as path:
            safetensors.numpy.save_file(larger, path)
        for name in document["files"]:
            if name != WEIGHTS and not name.startswith("catalog/"):
                shutil.copyfile(run / name, folder / name)
        total = document.get("added_items", 0) + added
        if (run / CARD).is_file():  # not sealed: a run is whole without it
            card = (run / CARD).read_text(encoding="utf-8").split("\n\nAdded later:")[0].rstrip("\n")
            write_text(folder / CARD, f"{card}\n\nAdded later: {total:,} items, which training never saw.\n")
        document = {
            **{name: value for name, value in document.items() if name not in ("kind", "format_version", "files", OWN)},
            "parameters": document["parameters"] + sum(larger[name].size - weights[name].size for name in weights),
            "added_items": total,
        }
        sealed = [path for path in folder.rglob("*") if path.is_file() and path.name != CARD]
        seal(folder, "run", document, sealed)
        open_run(folder)  # what can't be opened is not put in place
    say(f"add-items: wrote {out}")
    return document


def _check(run: LoadedRun) -> None:
    """Raise BadRecipe if the run's model can't score an item that it was not trained on."""
    way_out = f"Train with --recipe {DEFAULT_RECIPE}, on a dataset prepared with --items."
    if not isinstance(run.recipe, ModelRecipe):
        raise BadRecipe(
            f"{run.folder} holds {run.recipe.name}, a baseline that can't score items it was not fitted on. {way_out}"
        )
    command = f"add-items to {run.folder}"
    constraints = (
        excludes(
            command, is_set("the tasks that read the item task"), "their weights have a row for each item", way_out
        ),
        requires(
            command,
            equals("tasks.item.vectors", "id+metadata"),
            "otherwise an item is known only by what was learnt of that item",
            way_out,
        ),
        requires(command, above("inputs.content_width", 0), "otherwise an item is known only by its id", way_out),
    )
    check(constraints, facts(run.recipe, run.catalog))
