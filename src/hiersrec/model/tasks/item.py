"""Next item (paper, eq. 4 and 6): logits over all items.

`head = "linear"` is the paper's FC_next: a weight vector and a bias for each item. `head = "cosine"` scores with the
input's own item table: scale * cos(W state, E^I_i), W starting as the identity. It has a third of the parameters and
no popularity bias by vector length. Sources: NISER (Gupta et al. 2019), CORE (Hou et al. 2022); the scale is 10 to 16
in COTREC, SGNN-HN and Atten-Mixer. `head = "dot"` is the plain product state . E^I_i of NARM, STAMP and SASRec.

With `vectors = "id+metadata"` the cosine is with E^I_i + A [E^C_i ; E^M_i], so that an item without E^I, one that
training never saw, is scored only through its categories and metadata: the paper's future work (section 5). On a
dataset that has neither this is the cosine with E^I_i, as a part of the inputs that a dataset lacks takes no width.
DropoutNet (Volkovs et al. 2017) trains for such items by dropping known ones, as id_dropout of the inputs does.

`softmax` names a file of model/softmax/: over the whole catalogue, or one whose steps read some of its items only.
What else is added to the scores, and what else shares in the target, are files of model/score_terms/ and
model/soft_targets/, whose settings are keys of this table too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, cast

from annotated_types import Ge, Gt
from torch import nn

from hiersrec import registry
from hiersrec.config import MEMBER, REGISTRY, SHAPES, ModelRecipe
from hiersrec.constraints import above, equals, is_set, requires
from hiersrec.model.heads import CosineHead, DotHead, Head, LinearHead, Softmax
from hiersrec.model.inputs import Inputs
from hiersrec.store.catalog import Catalog

SCORE_TERMS = "model.score_terms"
SOFT_TARGETS = "model.soft_targets"


@dataclass(frozen=True, kw_only=True)
class Config:
    """What a [[tasks]] table of the name "item" may say."""

    head: Annotated[Literal["linear", "cosine", "dot"], SHAPES] = "linear"
    """The paper's fully connected layer, or the cosine or the product with the input's item table."""
    scale: Annotated[float, Gt(0)] = 14.0
    """Factor of the cosine, one over its temperature; the other heads have none."""
    vectors: Annotated[Literal["id", "id+metadata"], SHAPES] = "id"
    """What the cosine compares with: E^I, or E^I and what categories and metadata say of an item."""
    softmax: str = field(default="full", metadata={MEMBER: "model.softmax"})
    """How probabilities come of the scores and are trained: "full" or "sampled"."""
    negatives: Annotated[int, Ge(2)] = 8192
    """Items that "sampled" draws at each step, for the whole batch."""
    score_terms: Mapping[str, Any] = field(default_factory=dict, metadata={REGISTRY: SCORE_TERMS})
    """Config of each score term, by name."""
    soft_targets: Mapping[str, Any] = field(default_factory=dict, metadata={REGISTRY: SOFT_TARGETS})
    """Config of each soft target, by name."""


CONSTRAINTS = (
    requires(
        is_set("training.teachers"),
        equals("tasks.item.softmax", "full"),
        "teachers predict all items, and the loss of the others scores drawn items only",
    ),
    requires(
        equals("tasks.item.vectors", "id+metadata"),
        equals("tasks.item.head", "cosine"),
        "the other heads have a vector of their own for each item",
    ),
    requires(
        equals("tasks.item.head", "cosine", "dot"),
        above("inputs.item_width", 0),
        "it compares with the item embeddings of the inputs",
    ),
    requires(
        equals("tasks.item.head", "dot"),
        equals("inputs.content_width", 0),
        "states must be as wide as the item embeddings",
        'Set inputs.category_width and inputs.metadata_width to 0, or tasks.item.head to "cosine".',
    ),
)


def config_of(recipe: ModelRecipe) -> Config:
    """The settings of the item task of a recipe."""
    return cast("Config", recipe.task("item").config)


def members(config: Config, catalog: Catalog) -> dict[str, Config]:
    """One task, "item"."""
    del catalog
    return {"item": config}


def soft_targets(config: Config, catalog: Catalog) -> list[nn.Module]:
    """SoftTargets that the settings turn on."""
    members = {name: registry.load(SOFT_TARGETS, name) for name in config.soft_targets}
    made = [member.build(config.soft_targets[name], catalog) for name, member in members.items()]
    return [module for module in made if module is not None]


def build(config: Config, catalog: Catalog, width: int, inputs: Inputs) -> Head:
    """The head and the softmax that the recipe names.

    A softmax that reads some items only sets the tables of items to sparse gradients, those of the inputs too.
    """
    softmax: nn.Module = registry.load("model.softmax", config.softmax).build(config, catalog)
    if cast("Softmax", softmax).partial:
        inputs.use_sparse_gradients()
    if config.head == "linear":
        return LinearHead(width, catalog.num_items, softmax)
    if config.head == "dot":
        return DotHead(inputs, softmax)
    with_metadata = config.vectors == "id+metadata" and inputs.content_width > 0
    return CosineHead(width, inputs, config.scale, with_metadata, softmax)
