"""Next category at one level of the tree (paper, eq. 2 and 5): logits over the known categories of that level.

`head = "linear"` is the paper's FC_Ct. `head = "cosine"` is to categories what the item task's cosine is to items:
scale * cos(W state, E^C_c) with the input's own embeddings of that level, W starting where the state has E^C. A layer
that knows nothing of them takes thousands of steps to learn what the last item's category says, and this one hundreds.
With `tree` there is one more head, over the paths of the tree, in which the levels add up (_tree.py).
"""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn

from hiersrec.config import SHAPES
from hiersrec.constraints import above, equals, requires
from hiersrec.errors import BadRecipe
from hiersrec.model.inputs import Inputs
from hiersrec.model.normalize import unit
from hiersrec.model.tasks._classes import ClassTask, LinearClasses
from hiersrec.model.tasks._tree import TreeHead
from hiersrec.store.catalog import Catalog
from hiersrec.store.labels import Labels
from hiersrec.store.paths import PATH


@dataclass(frozen=True, kw_only=True)
class Config:
    """What a [[tasks]] table of the name "category" may say."""

    level: Annotated[Literal["all"] | Annotated[int, Ge(1)], SHAPES] = "all"
    """Level of the tree, from 1 (coarse); "all" makes one task for each level the dataset has."""
    head: Annotated[Literal["linear", "cosine"], SHAPES] = "linear"
    """The paper's fully connected layer, or the cosine with the input's category embeddings."""
    scale: Annotated[float, Gt(0)] = 14.0
    """Factor of the cosine, one over its temperature; the linear head has none."""
    tree: Annotated[bool, SHAPES] = False
    """Fit one distribution over the paths of the tree to the items' probabilities, after training (_tree.py). It then
    says the categories, of all levels; what other tasks read stays what the heads predict."""


CONSTRAINTS = (
    requires(
        equals("tasks.category.head", "cosine"),
        above("inputs.category_width", 0),
        "it compares with the category embeddings of the inputs",
    ),
)


def members(config: Config, catalog: Catalog) -> dict[str, Config]:
    """The tasks that one table of the recipe stands for: "category_1", "category_2", ...; none for an empty level."""
    depth = len(catalog.levels)
    if config.level != "all" and config.level > depth:
        raise BadRecipe(f"[[tasks]] category: the dataset has {depth} levels, got level = {config.level}.")
    levels = range(1, depth + 1) if config.level == "all" else [config.level]
    tasks = {
        f"category_{level}": replace(config, level=level, tree=False)
        for level in levels
        if catalog.levels[level - 1].num_known
    }
    return {**tasks, PATH: config} if config.tree and tasks else tasks


def build(config: Config, catalog: Catalog, width: int, inputs: Inputs) -> ClassTask | TreeHead:
    """The head for one level, which next items whose category there is unknown do not train; or the tree's."""
    if config.tree:
        # It is fitted later, and must not shift what is drawn for the rest of the model.
        with torch.random.fork_rng([]):
            return TreeHead(width, catalog)
    labels = catalog.labels[f"category_{config.level}"]
    if config.head == "linear":
        return LinearClasses(width, labels)
    assert config.level != "all", "members() has made one of each"
    return CosineClasses(width, labels, inputs, config.level, config.scale)


class CosineClasses(ClassTask):
    """scale * cos(W state, E^C_c) over the known categories c of a level."""

    def __init__(self, width: int, labels: Labels, inputs: Inputs, level: int, scale: float) -> None:
        super().__init__(labels)
        self.level, self.scale = level, scale
        self.level_vectors = inputs.level_vectors  # a method, not the module: the table stays the inputs' own
        vectors = inputs.level_vectors(level)
        self.project = nn.Linear(width, vectors.shape[1], bias=False)
        nn.init.zeros_(self.project.weight)
        # The input is [E^I ; E^C ; E^M] (eq. 1), so from the first step on the categories of the session score high.
        nn.init.eye_(self.project.weight[:, inputs.item_width :])

    def layer(self, state: Tensor) -> tuple[Tensor, Tensor, None]:
        """W state at length `scale` (B, d_C), and E^C of the level at length 1, (C, d_C)."""
        return unit(self.project(state)) * self.scale, unit(self.level_vectors(self.level)[: self.num_classes]), None
