"""How well clusters agree with categories that the items table has, and that were hidden."""

from typing import Any

import numpy as np

from hiersrec.prepare.tree import Names


def agreement(found: list[Names], given: list[Names]) -> list[dict[str, Any]]:
    """Agreement of each implicit with each given level, over the items that have both.

    found, given: names of the N items, coarse to fine, None where missing. Entries have `level`, `given_level`,
    `items`, and

        purity  share of the items whose given category is the most frequent one of their cluster
        nmi     mutual information divided by the mean of both entropies: 0 for independent labels, 1 for the same

    Purity grows with the number of clusters, up to 1 where each item is one; nmi does not reward that.
    """
    return [
        {"level": level + 1, "given_level": other + 1, **_compare(found, level, given, other)}
        for level in range(len(found[0]))
        for other in range(len(given[0]))
    ]


def _compare(found: list[Names], level: int, given: list[Names], other: int) -> dict[str, Any]:
    from sklearn.metrics import normalized_mutual_info_score
    from sklearn.metrics.cluster import contingency_matrix

    # A category is its whole path: under another parent, the same name is another category.
    both = [
        (mine[: level + 1], theirs[: other + 1])
        for mine, theirs in zip(found, given, strict=True)
        if mine[level] is not None and theirs[other] is not None
    ]
    if not both:
        return {"items": 0, "purity": None, "nmi": None}
    mine, theirs = (_numbers([pair[side] for pair in both]) for side in (0, 1))
    counts = contingency_matrix(theirs, mine, sparse=True)
    return {
        "items": len(both),
        "purity": float(counts.max(axis=0).sum() / len(both)),
        "nmi": float(normalized_mutual_info_score(theirs, mine)),
    }


def _numbers(names: list[Names]) -> np.ndarray:
    number = {name: at for at, name in enumerate(dict.fromkeys(names))}
    return np.array([number[name] for name in names])
