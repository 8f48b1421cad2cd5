"""Next item (paper, eq. 4 and 6): logits over all items.

`head = "linear"` is the paper's FC_next: a weight vector and a bias for each item. `head = "cosine"` scores with the
input's own item table: scale * cos(W state, E^I_i), W starting as the identity. It has a third of the parameters and
no popularity bias by vector length. Sources: NISER (Gupta et al. 2019), CORE (Hou et al. 2022); the scale is 10 to 16
in COTREC, SGNN-HN and Atten-Mixer. `head = "dot"` is the plain product state . E^I_i of NARM, STAMP and SASRec.

With `vectors = "id+metadata"` the cosine is with E^I_i + A [E^C_i ; E^M_i], so that an item without E^I, one that
training never saw, is scored through its categories and metadata alone: the paper's future work (section 5). On a
dataset that has neither this is the cosine with E^I_i, as a part of the inputs that a dataset lacks takes no width.
DropoutNet (Volkovs et al. 2017) trains for such items by dropping known ones, as id_dropout of the inputs does.

`softmax` names a file of model/softmax/: that of the whole catalogue, or one whose steps read some of its items alone.
"""

from dataclasses import dataclass
from typing import Annotated, Literal, cast

from annotated_types import Ge, Gt, Le
from torch import nn

from hiersrec import registry
from hiersrec.errors import BadRecipe
from hiersrec.model.heads import CosineHead, DotHead, Head, LinearHead, Softmax
from hiersrec.model.inputs import Inputs
from hiersrec.store.catalog import Catalog


@dataclass(frozen=True, kw_only=True)
class Config:
    """What a [[tasks]] table of the name "item" may say."""

    head: Literal["linear", "cosine", "dot"] = "linear"
    """The paper's fully connected layer, or the cosine or the product with the input's item table."""
    scale: Annotated[float, Gt(0)] = 14.0
    """Factor of the cosine, one over its temperature; the other heads have none."""
    vectors: Literal["id", "id+metadata"] = "id"
    """What the cosine compares with: E^I, or E^I and what categories and metadata say of an item."""
    softmax: str = "full"
    """How probabilities come of the scores and are trained: "full" or "sampled"."""
    repeats: bool = False
    """Learn what an item of the session itself adds to its own score (model/repeats.py)."""
    smoothing: Annotated[float, Ge(0), Le(1)] = 0.0
    """Share of the right answer that goes, evenly, to the items of its finest category (model/smoothing.py)."""
    trend: Annotated[float, Ge(0), Le(1)] = 0.0
    """Weight of the items' trends, which are added to the scores when training is over: how much more often an item
    came lately than over all training sessions (model/trend.py). For sessions in the order of time."""
    negatives: Annotated[int, Ge(2)] = 8192
    """Items that "sampled" draws at each step, for the whole batch."""


def members(config: Config, catalog: Catalog) -> dict[str, Config]:
    """One task, "item"."""
    del catalog
    return {"item": config}


def build(config: Config, catalog: Catalog, width: int, inputs: Inputs) -> Head:
    """The head and the softmax that the recipe names. Raises BadRecipe for what inputs or catalogue can't give.

    A softmax that reads some items alone sets the tables of items to sparse gradients, those of the inputs too.
    """
    _check(config, width, inputs)
    softmax: nn.Module = registry.load("model.softmax", config.softmax).build(config, catalog)
    if cast("Softmax", softmax).partial:
        inputs.use_sparse_gradients()
    if config.head == "linear":
        return LinearHead(width, catalog.num_items, softmax)
    if config.head == "dot":
        return DotHead(inputs, softmax)
    with_metadata = config.vectors == "id+metadata" and inputs.content_width > 0
    return CosineHead(width, inputs, config.scale, with_metadata, softmax)


def _check(config: Config, width: int, inputs: Inputs) -> None:
    for name, asked in {"repeats": config.repeats, "smoothing": config.smoothing}.items():
        if asked and config.softmax != "full":
            raise BadRecipe(
                f'[[tasks]] item: {name} needs softmax = "full", got "{config.softmax}". Change one of the two.'
            )
    if config.vectors == "id+metadata" and config.head != "cosine":
        raise BadRecipe(
            f'[[tasks]] item: vectors = "id+metadata" needs head = "cosine", got head = "{config.head}", which has a '
            "vector of its own for each item. Change one of the two."
        )
    if config.head != "linear" and not inputs.item_width:
        raise BadRecipe(
            f'[[tasks]] item: head = "{config.head}" compares with the item ids of the inputs, and there are none: '
            '[inputs] item_width is 0. Use head = "linear", or an item_width above 0.'
        )
    if config.head == "dot" and width != inputs.item_width:
        raise BadRecipe(
            '[[tasks]] item: head = "dot" needs an input of item ids alone, so that states are as wide as they '
            f"are, got the width {width} beside item_width {inputs.item_width}. Set category_width and "
            'metadata_width to 0, or use head = "cosine".'
        )
