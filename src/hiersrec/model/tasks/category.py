"""Next category at one level of the tree (paper, eq. 2 and 5): logits over the known categories of that level."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge

from hiersrec.errors import BadRecipe
from hiersrec.model.inputs import Inputs
from hiersrec.model.tasks._classes import ClassTask
from hiersrec.store.catalog import Catalog


@dataclass(frozen=True, kw_only=True)
class Config:
    """What a [[tasks]] table of the name "category" may say."""

    level: Literal["all"] | Annotated[int, Ge(1)] = "all"
    """Level of the tree, from 1 (coarse); "all" makes one task for each level the dataset has."""


def members(config: Config, catalog: Catalog) -> dict[str, Config]:
    """The tasks that one table of the recipe stands for: "category_1", "category_2", ...; none for an empty level."""
    depth = len(catalog.levels)
    if config.level != "all" and config.level > depth:
        raise BadRecipe(f"[[tasks]] category: the dataset has {depth} levels, got level = {config.level}.")
    wanted = range(1, depth + 1) if config.level == "all" else [config.level]
    return {f"category_{level}": Config(level=level) for level in wanted if catalog.levels[level - 1].num_known}


def build(config: Config, catalog: Catalog, width: int, inputs: Inputs) -> ClassTask:
    """FC_Ct, the head for one level; next items whose category at that level is unknown do not train it."""
    del inputs
    return ClassTask(width, catalog.labels[f"category_{config.level}"])
