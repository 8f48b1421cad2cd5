"""What a caller allows and denies, in external ids and names of categories -> item numbers."""

from collections.abc import Iterable, Sequence

import numpy as np

from hiersrec.errors import BadInput, repr_of
from hiersrec.store.item_catalog import ItemCatalog
from hiersrec.types import ExternalId, Int32


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
