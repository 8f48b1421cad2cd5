"""The options of `Recommender.recommend`, in external ids and names of categories -> a request in item numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hiersrec.arguments import NUMBER, WHOLE
from hiersrec.errors import BadInput, repr_of
from hiersrec.retrieval.candidates import ALL, Candidates
from hiersrec.retrieval.ranking import ListRequest
from hiersrec.serving.boosts import offsets_of
from hiersrec.serving.filters import items_under, listed_ids
from hiersrec.store.item_catalog import ItemCatalog
from hiersrec.types import ExternalId


def list_request(
    catalog: ItemCatalog,
    k: int,
    candidates: Candidates,
    allow: Sequence[ExternalId] | None,
    deny: Sequence[ExternalId] | None,
    categories: Sequence[Sequence[str]] | None,
    per_category: int | None,
    exclude_seen: bool = False,
    *,
    boost: Mapping[Any, float] | None = None,
    boost_categories: Mapping[Any, float] | None = None,
    diversity: float = 0.0,
) -> ListRequest:
    """A request for lists; see `Recommender.recommend`. Raises BadInput for a wrong k, id, path or boost."""
    offsets = offsets_of(catalog, boost, boost_categories)
    WHOLE.check(k=k)
    WHOLE.check_given(per_category=per_category)
    NUMBER.check(diversity=diversity)
    if not isinstance(candidates, Candidates):
        raise BadInput(
            f"candidates must be Candidates, such as Candidates(policy='category', top=10), got {repr_of(candidates)}."
        )
    for name, value in (("k", k), ("per_category", per_category)):
        if value is not None and value < 1:
            raise BadInput(f"{name} must be at least 1, got {value}.")
    if not 0 <= diversity <= 1:
        raise BadInput(
            f"diversity must be from 0, the order of scores, to 1, the most distance in the tree, got {diversity:g}."
        )
    if diversity and not catalog.levels:
        raise BadInput("diversity is by the category tree, and these items have no categories. Leave it out.")
    only = None if allow is None else listed_ids(catalog, "allow", allow)
    if categories is not None:
        under = items_under(catalog, categories)
        only = under if only is None else np.intersect1d(only, under)
    return ListRequest(
        k=int(k),
        candidates=candidates if only is None else ALL,
        exclude_seen=exclude_seen,
        only=only,
        never=None if deny is None else listed_ids(catalog, "deny", deny),
        per_category=per_category,
        offsets=offsets,
        diversity=float(diversity),
    )
