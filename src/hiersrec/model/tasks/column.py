"""Next value of a categorical item column, such as the brand: other metadata as auxiliary task (paper, section 1)."""

from dataclasses import dataclass
from typing import Annotated

from hiersrec.config import SHAPES
from hiersrec.errors import BadRecipe, did_you_mean
from hiersrec.model.inputs import Inputs
from hiersrec.model.tasks._classes import ClassTask, LinearClasses
from hiersrec.store.catalog import Catalog
from hiersrec.store.labels import COLUMN


@dataclass(frozen=True, kw_only=True)
class Config:
    """What a [[tasks]] table of the name "column" may say."""

    column: Annotated[str, SHAPES] = "all"
    """A categorical column of the items table; "all" makes one task for each of them."""


def members(config: Config, catalog: Catalog) -> dict[str, Config]:
    """The tasks that one table of the recipe stands for, by name: "column_brand", ...; none for an empty column."""
    columns = {name.removeprefix(COLUMN): labels for name, labels in catalog.labels.items() if name.startswith(COLUMN)}
    known = [name for name, labels in columns.items() if labels.num_known]
    if dotted := [name for name in known if "." in name and config.column in (name, "all")]:
        raise BadRecipe(
            f"[[tasks]] column: '{dotted[0]}' has a dot, which a name of a module can't have. Rename the column "
            "in the items table, or name others with tasks.column.column."
        )
    if config.column == "all":
        return {f"{COLUMN}{name}": Config(column=name) for name in known}
    if config.column not in known:
        near = did_you_mean(config.column, known)
        raise BadRecipe(
            f"[[tasks]] column: the dataset has no categorical column '{config.column}'. {near} Columns become "
            "categorical by `hiersrec prepare --categorical`."
        )
    return {f"{COLUMN}{config.column}": config}


def build(config: Config, catalog: Catalog, width: int, inputs: Inputs) -> ClassTask:
    """The head for one column; next items without a value do not train it."""
    del inputs
    return LinearClasses(width, catalog.labels[f"{COLUMN}{config.column}"])
