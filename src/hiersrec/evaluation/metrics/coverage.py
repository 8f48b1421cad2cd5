"""Catalogue coverage: share of the items that at least one list holds among its first k.

Herlocker et al., "Evaluating Collaborative Filtering Recommender Systems", TOIS 2004; Ge, Delgado-Battenfeld and
Jannach, "Beyond Accuracy", RecSys 2010. One number for all lists. It grows with the number of sessions, so only
evaluations of the same sessions can be compared. RecTools' CatalogCoverage and Microsoft's catalog_coverage are the
same.
"""

import numpy as np

from hiersrec.evaluation.metrics import AllLists

USES = ("listed",)


def value(lists: AllLists) -> float:
    """Listed items divided by all items.

    >>> value(AllLists(listed=np.array([0, 3, 0, 1, 0]), history=np.zeros(5), train_count=np.zeros(5, int)))
    0.5
    """
    return float(np.count_nonzero(lists.listed[1:]) / (len(lists.listed) - 1))
