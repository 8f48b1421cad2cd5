"""How well clusters agree with the categories of the items table, which they replace."""

from typing import Any

import numpy as np

from hiersrec.preparation.tree import Names


def agreement(implicit: list[Names], given: list[Names]) -> list[dict[str, Any]]:
    """Agreement of each implicit level with each given level, over the items that have both.

    implicit, given: names of the N items, coarse to fine, None where missing. Entries have `level`, `given_level`,
    `items`, and

        purity  share of the items whose given category is the most frequent one of their cluster
        nmi     mutual information divided by the mean of both entropies: 0 for independent labels, 1 for the same

    Purity grows with the number of clusters, up to 1 with one item per cluster; nmi does not reward that.
    """
    return [
        {"level": level + 1, "given_level": given_level + 1, **_compare(implicit, level, given, given_level)}
        for level in range(len(implicit[0]))
        for given_level in range(len(given[0]))
    ]


def _compare(implicit: list[Names], level: int, given: list[Names], given_level: int) -> dict[str, Any]:
    from sklearn.metrics import normalized_mutual_info_score
    from sklearn.metrics.cluster import contingency_matrix

    # A category is its whole path: the same name under another parent is another category.
    pairs = [
        (path[: level + 1], given_path[: given_level + 1])
        for path, given_path in zip(implicit, given, strict=True)
        if path[level] is not None and given_path[given_level] is not None
    ]
    if not pairs:
        return {"items": 0, "purity": None, "nmi": None}
    clusters, categories = (_codes([pair[side] for pair in pairs]) for side in (0, 1))
    counts = contingency_matrix(categories, clusters, sparse=True)
    return {
        "items": len(pairs),
        "purity": float(counts.max(axis=0).sum() / len(pairs)),
        "nmi": float(normalized_mutual_info_score(categories, clusters)),
    }


def _codes(names: list[Names]) -> np.ndarray:
    code = {name: index for index, name in enumerate(dict.fromkeys(names))}
    return np.array([code[name] for name in names])
