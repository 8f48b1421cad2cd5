"""What a caller allows and denies, in external ids and names of categories -> a request in item numbers."""

from collections.abc import Iterable, Sequence

import numpy as np

from hiersrec.arguments import NUMBER, WHOLE
from hiersrec.errors import BadInput, repr_of
from hiersrec.retrieval.candidates import ALL, Candidates
from hiersrec.retrieval.ranking import ListRequest
from hiersrec.store.item_catalog import ItemCatalog
from hiersrec.types import ExternalId, Float32, Int32


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
    offsets: Float32 | None = None,
    diversity: float = 0.0,
) -> ListRequest:
    """A request for lists; see `Recommender.recommend`. Raises BadInput for a wrong k, id or path."""
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


def listed_ids(catalog: ItemCatalog, name: str, ids: Sequence[ExternalId]) -> Int32:
    """External ids -> (M,) int32 ascending, each once; unknown ones are ignored. Raises BadInput for a lone id."""
    if isinstance(ids, str | bytes) or not isinstance(ids, Iterable):
        raise BadInput(f"{name} is a list of item ids, got {repr_of(ids)}. Put it in a list.")
    items = np.unique(catalog.to_internal(list(ids)))
    return items[items > 0].astype(np.int32)


def items_under(catalog: ItemCatalog, paths: Sequence[Sequence[str]]) -> Int32:
    """(M,) int32, ascending: the items whose path of categories begins with one of `paths`.

    Raises BadInput for a path that no item has, or that is no list of names.
    """
    chosen = np.zeros(catalog.num_items + 1, bool)
    for path in [paths] if isinstance(paths, str) or not isinstance(paths, Iterable) else paths:
        names = list(path) if isinstance(path, Iterable) and not isinstance(path, str) else []
        if not 1 <= len(names) <= len(catalog.levels) or not all(isinstance(name, str) for name in names):
            raise BadInput(
                f"A category is a list of 1 to {len(catalog.levels)} names, coarse to fine, got {repr_of(path)}. "
                'Give a list of such, as in categories=[["Home"], ["Garden", "Chairs"]].'
            )
        under = np.ones(catalog.num_items + 1, bool)
        for level, of_item, name in zip(catalog.levels, catalog.item_nodes.T, names, strict=False):
            nodes = [node for node in range(1, level.num_known + 1) if level.names[node] == name]
            under &= np.isin(of_item, nodes)
        if not under.any():
            raise BadInput(f"No item has the category {' > '.join(names)}. Those of an item are its category_path.")
        chosen |= under
    return np.flatnonzero(chosen).astype(np.int32)
