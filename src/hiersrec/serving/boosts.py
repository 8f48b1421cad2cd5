"""What a shop adds to the scores of items and of whole categories -> one number for each item.

An item's score becomes the model's plus the boost of the item and of every category that it lies under. Scores are
logits, so a boost of b multiplies the odds of an item by e^b: 0.7 doubles them, -0.7 halves them.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from hiersrec.arguments import NUMBER
from hiersrec.errors import BadInput, repr_of
from hiersrec.serving.filters import items_under
from hiersrec.store.item_catalog import ItemCatalog
from hiersrec.types import Float32, Float64

MOST = 1_000.0
"""Limit of a boost, up or down: scores are float32, which could not tell one from another next to larger numbers."""


def offsets_of(
    catalog: ItemCatalog,
    boost: Mapping[Any, float] | None,
    boost_categories: Mapping[Any, float] | None,
) -> Float32 | None:
    """(N + 1,) float32: the sum of all boosts of each item, None where none is given. Unknown ids are ignored.

    boost: id -> boost. boost_categories: tuple of names, coarse to fine -> boost of all items under it. Raises BadInput
    for boosts that are no numbers or too large, values that are no ids, and a path that no item has.
    """
    of_id = _checked("boost", boost, '{"sku-1": 0.5}')
    of_path = _checked("boost_categories", boost_categories, '{("Home", "Chairs"): -0.3}')
    if not of_id and not of_path:
        return None
    total: Float64 = np.zeros(catalog.num_items + 1)
    np.add.at(total, catalog.to_internal(list(of_id)), np.array(list(of_id.values()), np.float64))
    for path, value in of_path.items():
        total[items_under(catalog, [path])] += value
    total[0] = 0
    return total.astype(np.float32)


def _checked(name: str, boosts: object, example: str) -> Mapping[Any, float]:
    """The boosts, none for None. Raises BadInput."""
    if boosts is None:
        return {}
    if not isinstance(boosts, Mapping):
        raise BadInput(f"{name} is a mapping to numbers, such as {example}, got {repr_of(boosts)}.")
    for key, value in boosts.items():
        NUMBER.check(**{f"The boost of {repr_of(key)}": value})
        if math.fabs(value) > MOST:
            raise BadInput(
                f"The boost of {repr_of(key)} must be from -{MOST:,g} to {MOST:,g}, got {value:g}. What may "
                "not be listed at all goes into deny."
            )
    return boosts
